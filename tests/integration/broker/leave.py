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
for number in range(1, 33):
    request = wire.Request(id=number)
    if kind == "look":
        request.fs_stat.path = where
    elif kind == "sleep":
        request.clock_sleep.duration_ms = 10_000
    elif kind == "run":
        request.shell_run.argv.extend([b"sleep", b"100"])
    else:
        request.attached = True
        request.fs_write.path = where + b"/%d" % number
    _frames.send(connection, request.SerializeToString(), content if request.attached else None)
if kind == "run":
    time.sleep(0.05)  # some have begun, others have not
os._exit(0)
