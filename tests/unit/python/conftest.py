"""A broker that does what a test says, in the real frames."""

import array
import os
import socket
import threading

import pytest

import alos
from alos import _default
from alos import broker_pb2 as wire


class Gone(Exception):
    """The client has closed the connection."""


class Talk:
    """One accepted connection, from the peer's side."""

    def __init__(self, accepted):
        self.socket = accepted

    def ask(self):
        data, fds, _, _ = socket.recv_fds(self.socket, 1 << 17, 8, socket.MSG_CMSG_CLOEXEC)
        if not data:
            raise Gone
        request = wire.Request.FromString(data)
        content = None
        for fd in fds:
            content = os.pread(fd, os.fstat(fd).st_size, 0)
            os.close(fd)
        return request, content

    def say(self, reply, *fds):
        self.say_bytes(reply.SerializeToString(), *fds)

    def say_bytes(self, data, *fds):
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.socket.sendmsg([data], ancillary, socket.MSG_NOSIGNAL)

    def linger(self):
        while True:
            self.ask()


class Peer:
    def __init__(self, path):
        self.path = path
        self.script = None
        self.failure = None
        self.connections = 0
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(path)
        self.listener.listen(8)
        self.threads = []
        self.threads.append(threading.Thread(target=self._accept, daemon=True))
        self.threads[0].start()

    def _accept(self):
        while True:
            try:
                accepted, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            talking = threading.Thread(target=self._talk, args=(accepted,), daemon=True)
            self.threads.append(talking)
            talking.start()

    def _talk(self, accepted):
        with accepted:
            try:
                self.script(Talk(accepted))
            except (Gone, ConnectionError):
                pass
            except BaseException as failure:  # told at the end of the test
                self.failure = failure

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join()

    def answers(self, make):
        """Every request with what `make(request, reply)` makes of it."""

        def script(talk):
            while True:
                request, _ = talk.ask()
                reply = wire.Reply(id=request.id)
                make(request, reply)
                talk.say(reply)

        self.script = script


@pytest.fixture
def peer(tmp_path, monkeypatch):
    out = Peer(str(tmp_path / "socket"))
    monkeypatch.setenv("ALOS_SOCKET", out.path)
    monkeypatch.setattr(_default, "_connection", None)
    yield out
    if _default._connection:
        _default._connection.close()
    out.close()
    if out.failure:
        raise out.failure


def ending(kind):
    """A reply that refuses."""

    def make(request, reply):
        if kind == "denied":
            reply.denied.request = "fs.read /srv/app/.env"
            reply.denied.layer = "policy"
            reply.denied.rule = "secrets"
            reply.denied.source = "coding.yaml:12:3"
            reply.denied.reason = "secrets stay out"
            reply.denied.remedy = "nothing in this run can allow it"
        elif kind == "failed":
            reply.failed.operation = "openat2"
            reply.failed.object = b"/nowhere"
            reply.failed.code = 2
            reply.failed.name = "ENOENT"
        elif kind == "limit":
            reply.limit.which = "requests in flight"
            reply.limit.value = 64
        else:
            reply.unknown.operation = "fs.write"

    return make


# A call of every primitive, by its field of Request.
CALLS = {
    "fs_read": lambda: alos.fs.read("/x"),
    "fs_write": lambda: alos.fs.write("/x", "text"),
    "fs_append": lambda: alos.fs.append("/x", "text"),
    "fs_list": lambda: alos.fs.list("/x"),
    "fs_stat": lambda: alos.fs.stat("/x"),
    "fs_mkdir": lambda: alos.fs.mkdir("/x"),
    "fs_remove": lambda: alos.fs.remove("/x"),
    "fs_rename": lambda: alos.fs.rename("/x", "/y"),
    "fs_copy": lambda: alos.fs.copy("/x", "/y"),
    "fs_open": lambda: alos.fs.open("/x"),
    "shell_run": lambda: alos.shell.run(["true"]),
    "clock_now": lambda: alos.clock.now(),
    "clock_sleep": lambda: alos.clock.sleep(0.5),
    "policy_why": lambda: alos.policy.why("fs.read /x"),
}
