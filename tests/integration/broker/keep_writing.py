# Writes COUNT files by the broker, one after the other, and on until TIMES of them came to nothing, but not for ever; says
# what came of each; then looks which are there. The arguments are the workspace, COUNT and TIMES.
import sys

import alos

w, count, times = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
acknowledged = []
n = -1
while n + 1 < count or (n + 1 - len(acknowledged) < times and n + 1 < 20 * count):
    n += 1
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
for one in acknowledged:
    try:
        content = open(f"{w}/f{one}").read()
    except OSError as error:
        content = repr(error)
    if content != f"content {one}":
        print("LOST", one, content)
print("written", n + 1)
print("looked", flush=True)
