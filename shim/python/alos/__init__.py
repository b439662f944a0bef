"""The primitives of alos for Python programs in a box:

    import alos
    motd = alos.fs.read("/etc/motd").content
    try:
        alos.fs.write("/srv/app/.env", b"x")
    except alos.Denied as denied:
        print(denied.rule, denied.reason, denied.remedy)

The broker is asked over the socket at /dev/alos, or the one that ALOS_SOCKET names. Threads may call at once; a child
after fork has a connection of its own, and so has the handler of a signal that comes in the middle of a call. A call
never blocks for ever once the broker is gone; one that is there and slow is waited for."""

from alos import clock, fs, policy, shell
from alos.errors import Denied, Error, Failed, LimitReached, NoBroker, Unknown

__all__ = ["Denied", "Error", "Failed", "LimitReached", "NoBroker", "Unknown", "clock", "fs", "policy", "shell"]
