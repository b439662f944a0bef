# In a box: on 30 connections at once, so that one turn of the broker's records them all, 27 renames to names as long as
# they can be, of bytes that one log line writes longer, and 3 reads that are denied; and then one more of these.
import os, socket


def field(number, value):
    def varint(n):
        out = b""
        while n > 127:
            out, n = out + bytes([n & 127 | 128]), n >> 7
        return out + bytes([n])

    return varint(number << 3 | 2) + varint(len(value)) + value


def connect():
    out = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    out.connect(os.environ["ALOS_SOCKET"])
    return out


long = b"/tmp/" + b"/".join([b"\x01" * 250] * 15)
rename = b"\x08\x01" + field(23, field(1, b"/tmp/none") + field(2, long))
read = b"\x08\x01" + field(16, field(1, b"/etc/shadow"))
connections = [connect() for _ in range(30)]
for at, one in enumerate(connections):
    one.send(rename if at < 27 else read)
for one in connections:
    one.settimeout(10)
    assert one.recv(65536)
last = connect()
last.send(read)
last.settimeout(10)
assert last.recv(65536)
print("answered all")
