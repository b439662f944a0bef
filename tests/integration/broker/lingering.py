# In a box: sends its broker TCP sockets whose last close waits: their send queues are full, their peers read nothing,
# and SO_LINGER says for how long. First argument: serve: in every way that the broker refuses, and asks it something
# after each, on a connection that was there before and on a new one; or give: one in a message with its
# peer, which so outlives the box, and stays.
import array, errno, os, socket, struct, sys, time

SECONDS = 40
CLOCK_NOW = b"\x08\x01\xc2\x02\x00"  # Request{id: 1, clock_now: {}}
ATTACHED = b"\x08\x01\x10\x01\x8a\x01\x04\x0a\x02/x"  # Request{id: 1, attached: true, fs_write: {path: "/x"}}
peers = []
listener = socket.create_server(("127.0.0.1", 0))


def lingering():
    mine = socket.socket()
    mine.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    mine.connect(listener.getsockname())
    peer, _ = listener.accept()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    peers.append(peer)
    mine.setblocking(False)
    for _ in range(3):  # the last of it is in the send queue when the receive queue is really full
        try:
            while True:
                mine.send(b"x" * 65536)
        except BlockingIOError:
            time.sleep(0.01)
    mine.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, SECONDS))
    return mine


def connect():
    out = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    out.connect(os.environ["ALOS_SOCKET"])
    return out


# Other tests of the same user have descriptors in flight as well, and the kernel counts them together.
def pass_on(to, words, rights):
    while True:
        try:
            return to.sendmsg([words], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        except OSError as error:
            if error.errno != errno.ETOOMANYREFS:
                raise
            time.sleep(0.01)


# By a child that ends with it: should the last close be on this side, nobody waits here either.
def send(to, words, count, more=()):
    sockets = [lingering() for _ in range(count)]
    sockets += [peers.pop() for _ in more]
    closed, close = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(close)
        os.read(closed, 1)
        try:
            pass_on(to, words, array.array("i", [one.fileno() for one in sockets]))
        finally:
            os._exit(0)
    for one in sockets:
        one.close()
    os.close(closed)
    os.close(close)
    os.waitpid(child, 0)


# A connection of which nothing more is read until its answers are, so that the last close is the broker's.
def stopped():
    path = os.path.abspath("big").encode()
    inner = b"\x0a" + bytes([len(path)]) + path
    out = connect()
    out.send(b"\x08\x09\x82\x01" + bytes([len(inner)]) + inner)  # Request{id: 9, fs_read: {path}}
    time.sleep(0.2)
    return out


def go_on(with_it):
    with_it.settimeout(0.3)
    try:
        while with_it.recv(70000):
            pass
    except (TimeoutError, ConnectionResetError):
        pass


def ask(on):
    on.settimeout(SECONDS / 2)
    on.send(CLOCK_NOW)
    return len(on.recv(4096)) > 4


def sent(words, count):
    one = stopped()
    send(one, words, count)
    go_on(one)
    return one


def queued(first):
    one = stopped()
    one.send(first)
    for _ in range(8):
        send(one, CLOCK_NOW, 1)
    go_on(one)
    return one


def full():
    many = [connect() for _ in range(80)]
    for one in many[60:]:
        send(one, b"", 1)
    return many


if sys.argv[1] == "give":
    to = connect()
    send(to, b"two", 1, ["its peer"])
    print("given", flush=True)
    time.sleep(1000)

with open("big", "wb") as big:
    big.write(b"x" * (4 << 20))
before = connect()
ways = {
    "a descriptor that is not spoken of": lambda: sent(CLOCK_NOW, 1),
    "content": lambda: sent(ATTACHED, 1),
    "many": lambda: sent(CLOCK_NOW, 60),
    "an empty frame": lambda: sent(b"", 2),
    "behind a frame that closes": lambda: queued(b"\xff\xff"),
    "behind the end": lambda: queued(b""),
    "too many connections": full,
}
for name, way in ways.items():
    begun = time.monotonic()
    kept = way()
    good = ask(before) and (name == "too many connections" or ask(connect()))
    del kept
    good = good and ask(before)
    took = time.monotonic() - begun
    print(f"{name}: {'served' if good and took < 10 else f'kept waiting, {took} s'}", flush=True)
if len(sys.argv) > 2:
    one = stopped()
    for _ in range(8):
        send(one, CLOCK_NOW, 1)
    print("waits", flush=True)
    time.sleep(1000)
