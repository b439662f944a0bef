# Every primitive by the Python package, in the order of broker_test.cc; the argument is the workspace.
import json
import sys

import alos

w = sys.argv[1]


def call(function, *arguments, **named):
    try:
        function(*arguments, **named)
        end = {"ok": {}}
    except alos.Denied as error:
        end = {"denied": {"rule": error.rule, "layer": error.layer}}
    except alos.LimitReached as error:
        end = {"limit": {"which": error.which}}
    except alos.Failed as error:
        end = {"failed": {"name": error.name}}
    print(json.dumps(end))


for name in ("file", ".env", "absent"):
    call(alos.fs.read, f"{w}/{name}")
for name in ("new", ".env", "absent/x"):
    call(alos.fs.write, f"{w}/{name}", "x")
for name in ("file", ".env", "absent"):
    call(alos.fs.append, f"{w}/{name}", "x")
for path in (w, "/srv", f"{w}/file"):
    call(alos.fs.list, path)
for name in ("file", ".env", "absent"):
    call(alos.fs.stat, f"{w}/{name}")
for path in (f"{w}/dir", "/srv/dir", f"{w}/file/x"):
    call(alos.fs.mkdir, path)
for name in ("dir", ".env", "absent"):
    call(alos.fs.remove, f"{w}/{name}", directory=name == "dir")
for function in (alos.fs.rename, alos.fs.copy):
    for name in ("new" if function == alos.fs.rename else "file", ".env", "absent"):
        call(function, f"{w}/{name}", f"{w}/{'newer' if function == alos.fs.rename else 'copy'}")
for name in ("file", ".env", "absent"):
    call(alos.fs.open, f"{w}/{name}")
for program in ("true", "id", "no-such-program"):
    call(alos.shell.run, [program])
for zone in ("+02:00", "Nowhere"):
    call(alos.clock.now, zone)
for ms in (1, 2500, 1999, 1001):
    call(alos.clock.sleep, ms / 1000)
for request in (f"fs.read {w}/.env", "no request"):
    call(alos.policy.why, request)
