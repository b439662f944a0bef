"""leave.py KIND WHERE [WAIT]: has calls under way when it ends, and its box with it. With WAIT the broker serves before."""
import os
import socket
import sys
import time

import alos
from alos import _frames
from alos import broker_pb2 as wire

kind, where = sys.argv[1], sys.argv[2].encode()
if len(sys.argv) > 3:
    alos.clock.now()
content = _frames.seal(b"x" * (4 << 20))
connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
connection.connect("/dev/alos")
connections = [connection]
if kind == "list":  # more of it than is done in a while, and copies that wait for that
    for number in range(1, 481):
        if number % 60 == 0:
            connections.append(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
            connections[-1].connect("/dev/alos")
        request = wire.Request(id=number)
        request.fs_list.path = where + b"/many"
        request.fs_list.count = 1
        _frames.send(connections[-1], request.SerializeToString(), None)
for number in range(1, 33):
    request = wire.Request(id=1000 + number)
    if kind == "list":
        setattr(request.fs_copy, "from", where + b"/source")
        request.fs_copy.to = where + b"/%d" % number
    elif kind == "look":
        request.fs_stat.path = where
    elif kind == "sleep":
        request.clock_sleep.duration_ms = 10_000
    elif kind == "run":
        request.shell_run.argv.extend([b"sleep", b"100"])
    else:
        request.attached = True
        request.fs_write.path = where + b"/%d" % number
    _frames.send(connections[-1], request.SerializeToString(), content if request.attached else None)
if kind in ("run", "list"):
    time.sleep(0.05)  # some have begun, others have not
os._exit(0)
