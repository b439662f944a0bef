"""How every primitive may end, and what a broker must never send."""

import errno
import fcntl
import os
import signal
import socket
import threading
import time

import pytest

import alos
from alos import _frames
from alos import broker_pb2 as wire
from alos._primitives import PRIMITIVES
from conftest import CALLS, ending

every_primitive = pytest.mark.parametrize("primitive", PRIMITIVES)


@every_primitive
def test_it_ends_with_its_own_result(peer, primitive):
    def script(talk):
        request, _ = talk.ask()
        assert request.WhichOneof("call") == primitive
        reply = wire.Reply(id=request.id, attached=primitive == "fs_open")
        getattr(reply, primitive).SetInParent()
        talk.say(reply, *([2] if primitive == "fs_open" else []))

    peer.script = script
    CALLS[primitive]()


@every_primitive
def test_it_is_denied(peer, primitive):
    peer.answers(ending("denied"))
    with pytest.raises(alos.Denied) as told:
        CALLS[primitive]()
    denied = told.value
    assert (denied.request, denied.layer, denied.rule, denied.source, denied.reason, denied.remedy) == (
        "fs.read /srv/app/.env", "policy", "secrets", "coding.yaml:12:3", "secrets stay out",
        "nothing in this run can allow it")
    for part in ("secrets", "coding.yaml:12:3", "policy", "secrets stay out", "nothing in this run"):
        assert part in str(denied)


@every_primitive
def test_it_fails_as_an_oserror(peer, primitive):
    peer.answers(ending("failed"))
    with pytest.raises(OSError) as told:
        CALLS[primitive]()
    assert isinstance(told.value, alos.Failed)
    assert told.value.errno == errno.ENOENT
    assert told.value.filename == "/nowhere"
    assert "openat2 /nowhere: No such file or directory (ENOENT)" in str(told.value)


@every_primitive
def test_it_meets_a_limit(peer, primitive):
    peer.answers(ending("limit"))
    with pytest.raises(alos.LimitReached) as told:
        CALLS[primitive]()
    assert (told.value.which, told.value.value) == ("requests in flight", 64)


@every_primitive
def test_it_is_unknown(peer, primitive):
    peer.answers(ending("unknown"))
    with pytest.raises(alos.Unknown) as told:
        CALLS[primitive]()
    assert told.value.operation == "fs.write"


@every_primitive
def test_a_lost_connection_is_a_failure_only_where_nothing_can_have_happened(peer, primitive):
    peer.script = lambda talk: talk.ask()
    name, effect, _ = PRIMITIVES[primitive]
    if effect == "observe":
        with pytest.raises(alos.Failed) as told:
            CALLS[primitive]()
        assert told.value.errno == errno.ECONNRESET
    else:
        with pytest.raises(alos.Unknown) as told:
            CALLS[primitive]()
        assert told.value.operation == name


def test_after_a_lost_connection_the_next_call_has_another(peer):
    def script(talk):
        request, _ = talk.ask()
        if peer.connections == 2:
            talk.say(wire.Reply(id=request.id, fs_mkdir=wire.FsMkdir.Result()))

    peer.script = script
    with pytest.raises(alos.Unknown):
        alos.fs.mkdir("/x")
    alos.fs.mkdir("/x")


def test_requests_that_the_broker_closed_on_unread_are_lost(peer):
    entered = threading.Event()

    def script(talk):
        entered.wait()

    peer.script = script
    connection = alos._default.connection()
    read = connection.send("fs_read", wire.FsRead(path=b"/x"))
    write = connection.send("fs_write", wire.FsWrite(path=b"/x"))
    entered.set()
    with pytest.raises(alos.Failed):
        connection.wait(read)
    with pytest.raises(alos.Unknown):
        connection.wait(write)
    late = connection.send("fs_write", wire.FsWrite(path=b"/x"))
    with pytest.raises(alos.Failed) as told:  # never sent
        connection.wait(late)
    assert told.value.errno == errno.ECONNRESET


def test_what_the_broker_said_before_it_closed_still_counts(peer):
    sent = threading.Event()

    def script(talk):
        request, _ = talk.ask()
        talk.say(wire.Reply(id=request.id, fs_read=wire.FsRead.Result(content=b"said")))
        sent.wait()  # with the second request unread, closing is a reset

    peer.script = script
    connection = alos._default.connection()
    read = connection.send("fs_read", wire.FsRead(path=b"/x"))
    write = connection.send("fs_write", wire.FsWrite(path=b"/x"))
    sent.set()
    time.sleep(0.05)
    assert connection.wait(read)[0].content == b"said"
    with pytest.raises(alos.Unknown):
        connection.wait(write)


def test_a_reply_of_the_connection_gives_its_reason(peer):
    def script(talk):
        talk.ask()
        reply = wire.Reply()
        reply.failed.hint = "a field that is not listed"
        talk.say(reply)

    peer.script = script
    with pytest.raises(alos.Failed, match="a field that is not listed"):
        alos.fs.read("/x")


def test_no_broker_is_said_with_what_that_means(monkeypatch):
    monkeypatch.setenv("ALOS_SOCKET", "/nonexistent/socket")
    monkeypatch.setattr(alos._default, "_connection", None)
    with pytest.raises(alos.NoBroker, match="not in a box of alos") as told:
        alos.fs.read("/x")
    assert isinstance(told.value, ConnectionError)
    assert told.value.errno == errno.ENOENT


def sealed(content, seals=_frames._SEALS):
    fd = os.memfd_create("content", os.MFD_ALLOW_SEALING)
    os.write(fd, content)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


def pipe():
    reader, writer = os.pipe()
    os.close(writer)
    return reader


def sized(size):
    fd = os.memfd_create("content", os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _frames._SEALS)
    return fd


# bytes, or a reply, and what its descriptors are
LIES = {
    "garbage": lambda good: (b"\xff\xff\xff\xff", []),
    "a long frame": lambda good: (b"\0" * (_frames.MAX_FRAME + 1), []),
    "another id": lambda good: (changed(good, id=99), []),
    "no answer": lambda good: (wire.Reply(id=good.id), []),
    "another answer": lambda good: (wire.Reply(id=good.id, fs_stat=wire.FsStat.Result()), []),
    "output of no command": lambda good: (wire.Reply(id=good.id + 1, output=wire.Output(data=b"x")), []),
    "no descriptor": lambda good: (changed(good, attached=True), []),
    "a descriptor unannounced": lambda good: (good, [sealed(b"x")]),
    "two descriptors": lambda good: (changed(good, attached=True), [sealed(b"x"), sealed(b"y")]),
    "many descriptors": lambda good: (changed(good, attached=True), [sealed(b"x") for _ in range(50)]),
    "unsealed": lambda good: (changed(good, attached=True), [sealed(b"x", 0)]),
    "half sealed": lambda good: (changed(good, attached=True), [sealed(b"x", fcntl.F_SEAL_WRITE)]),
    "a pipe": lambda good: (changed(good, attached=True), [pipe()]),
    "too much": lambda good: (changed(good, attached=True), [sized(_frames.MAX_CONTENT + 1)]),
}


def changed(reply, **fields):
    out = wire.Reply()
    out.CopyFrom(reply)
    for name, value in fields.items():
        setattr(out, name, value)
    return out


@pytest.mark.parametrize("lie", LIES)
def test_a_broken_protocol_ends_the_connection_and_every_call_in_flight(peer, lie):
    def script(talk):
        request, _ = talk.ask()
        talk.ask()
        good = wire.Reply(id=request.id, fs_read=wire.FsRead.Result(content=b"believed"))
        said, fds = LIES[lie](good)
        talk.say_bytes(said if isinstance(said, bytes) else said.SerializeToString(), *fds)
        for fd in fds:
            os.close(fd)
        talk.linger()

    peer.script = script
    connection = alos._default.connection()
    before = len(os.listdir("/proc/self/fd"))
    read = connection.send("fs_read", wire.FsRead(path=b"/x"))
    write = connection.send("fs_write", wire.FsWrite(path=b"/x"))
    with pytest.raises(alos.Failed):
        connection.wait(read)
    with pytest.raises(alos.Unknown):
        connection.wait(write)
    assert connection.over
    peer.threads[1].join()
    assert len(os.listdir("/proc/self/fd")) <= before, "a descriptor was left open"


def test_half_closed_is_gone(peer):
    def script(talk):
        talk.ask()
        talk.socket.shutdown(socket.SHUT_WR)
        talk.linger()

    peer.script = script
    with pytest.raises(alos.Failed):
        alos.fs.read("/x")


def test_a_handler_of_a_signal_may_call_in_the_middle_of_a_call(peer):
    handled = threading.Event()

    def script(talk):
        request, _ = talk.ask()
        reply = wire.Reply(id=request.id)
        if request.WhichOneof("call") == "shell_run":
            assert handled.wait(10)
            reply.shell_run.code = 7
        else:
            reply.clock_now.unix_ns = 1
        talk.say(reply)
        talk.linger()

    def handler(*_):
        handled.now = alos.clock.now().unix_ns
        handled.set()

    peer.script = script
    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        assert alos.shell.run(["true"]).code == 7
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert handled.now == 1


def test_a_child_of_a_signals_handler_takes_none_of_its_parents_answers(peer):
    made = threading.Event()

    def script(talk):
        request, _ = talk.ask()
        assert made.wait(10)
        time.sleep(0.3)  # the child waits too, if it does
        talk.say(wire.Reply(id=request.id, shell_run=wire.ShellRun.Result(code=7)))
        talk.linger()

    def handler(*_):
        child.append(os.fork())
        if child[0] != 0:  # whose threads may hold the event's lock
            made.set()

    peer.script = script
    child, ended = [], None
    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        code = alos.shell.run(["true"]).code
    except BaseException as why:
        ended = why
    if child[0] == 0:
        os._exit(0 if isinstance(ended, alos.Failed) else 1)
    signal.signal(signal.SIGALRM, before)
    assert ended is None and code == 7
    assert os.waitpid(child[0], 0)[1] == 0


@pytest.mark.parametrize("raises", [True, False])
def test_a_child_made_in_the_middle_of_a_call_leaves_it_to_its_parent(peer, raises):
    def script(talk):
        request, _ = talk.ask()
        talk.say(wire.Reply(id=request.id, output=wire.Output(data=b"x")))
        talk.socket.settimeout(0.5)
        with pytest.raises(TimeoutError):
            talk.ask()
        talk.socket.settimeout(None)
        talk.say(wire.Reply(id=request.id, shell_run=wire.ShellRun.Result(code=7)))
        talk.linger()

    def in_both(*_):
        child.append(os.fork())
        if child[0] == 0 and raises:
            raise SystemExit

    peer.script = script
    child, ended = [], None
    try:
        code = alos.shell.run(["true"], on_output=in_both).code
    except BaseException as why:
        ended = why
    if child[0] == 0:
        os._exit(0 if isinstance(ended, SystemExit if raises else alos.Failed) else 1)
    assert ended is None and code == 7
    assert os.waitpid(child[0], 0)[1] == 0
