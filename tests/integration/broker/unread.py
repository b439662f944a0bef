"""unread.py: leaves while commands that have ended wait for their output to be read, about what is kept for a client."""
import os
import socket
import time

from alos import _frames
from alos import broker_pb2 as wire


def named(begin):
    return len([name for name in os.listdir() if name.startswith(begin)])


connections = []
for size in range(400_000, 580_000, 20_000):
    connections.append(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
    connections[-1].connect("/dev/alos")
    request = wire.Request(id=1)
    line = b"echo > begun-%d; head -c %d /dev/zero; echo > over-%d; exit 3" % (size, size, size)
    request.shell_run.argv.extend([b"sh", b"-c", line])
    _frames.send(connections[-1], request.SerializeToString(), None)
while not os.path.exists("over-400000") or named("begun-") < len(connections):
    time.sleep(0.01)
time.sleep(2)  # and those that will have ended have
print(named("over-"))
for connection in connections:
    connection.close()
time.sleep(0.5)
