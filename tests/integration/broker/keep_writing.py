# Writes COUNT files by the broker, one after the other, and says what came of each; then looks which are there. The
# arguments are the workspace and COUNT.
import sys

import alos

w, count = sys.argv[1], int(sys.argv[2])
acknowledged = []
for n in range(count):
    try:
        alos.fs.write(f"{w}/f{n}", f"content {n}")
        acknowledged.append(n)
        print("ok", n, flush=True)
    except alos.Unknown:
        print("unknown", n, flush=True)
    except alos.Failed as error:
        print("failed", n, error.name, flush=True)
    except alos.NoBroker:
        print("none", n, flush=True)
for n in acknowledged:
    try:
        content = open(f"{w}/f{n}").read()
    except OSError as error:
        content = repr(error)
    if content != f"content {n}":
        print("LOST", n, content)
print("looked", flush=True)
