"""What goes to the broker and what comes back."""

import errno
import fcntl
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

import alos
from alos import _frames
from alos import broker_pb2 as wire

LARGE = b"L" * 200_000


def sealed(content):
    return _frames.seal(content)


def once(peer, make, *fds):
    """One request is answered, and kept."""
    seen = []

    def script(talk):
        request, content = talk.ask()
        seen.append((request, content))
        reply = wire.Reply(id=request.id)
        make(reply)
        talk.say(reply, *fds)
        talk.linger()

    peer.script = script
    return seen


def test_read(peer):
    def make(reply):
        reply.fs_read.content = b"hello"
        reply.fs_read.size = 9
        reply.fs_read.truncated = True
        reply.fs_read.version = "v"

    seen = once(peer, make)
    got = alos.fs.read(pathlib.Path("/etc/motd"), offset=3, length=5)
    assert got == alos.fs.FileContent(content=b"hello", size=9, truncated=True, version="v")
    asked = seen[0][0].fs_read
    assert (asked.path, asked.offset, asked.length) == (b"/etc/motd", 3, 5)


def test_what_is_not_given_is_not_sent(peer):
    seen = once(peer, lambda reply: reply.fs_read.SetInParent())
    alos.fs.read("/x")
    assert not seen[0][0].fs_read.HasField("length")


def test_content_of_an_answer_may_come_in_a_memfd(peer):
    def make(reply):
        reply.attached = True
        reply.fs_read.version = "v"

    once(peer, make, sealed(LARGE))
    got = alos.fs.read("/x")
    assert got.content == LARGE and got.version == "v"


def test_write(peer):
    seen = once(peer, lambda reply: setattr(reply.fs_write, "created", True))
    got = alos.fs.write("/x", "tëxt", mode="create", in_place=True, if_version="v", permissions=0o640, sync=True)
    assert got.created
    asked = seen[0][0].fs_write
    assert asked.content == "tëxt".encode()
    assert (asked.mode, asked.in_place, asked.if_version, asked.permissions, asked.sync) == (
        wire.CREATE, True, "v", 0o640, True)


@pytest.mark.parametrize("size", [_frames.MAX_INLINE, _frames.MAX_INLINE + 1])
def test_content_goes_in_the_frame_while_it_fits(peer, size):
    seen = once(peer, lambda reply: reply.fs_append.SetInParent())
    alos.fs.append("/x", b"c" * size)
    request, content = seen[0]
    assert (content or request.fs_append.content) == b"c" * size
    assert request.attached == (content is not None) == (size > _frames.MAX_INLINE)


def test_content_that_is_sent_is_sealed():
    fd = _frames.seal(b"x")
    assert fcntl.fcntl(fd, fcntl.F_GET_SEALS) == _frames._SEALS
    os.close(fd)


def test_an_unknown_mode_is_said_before_anything_is_asked(peer):
    with pytest.raises(ValueError, match="create_or_replace, create, replace"):
        alos.fs.write("/x", b"", mode="truncate")
    assert peer.connections == 0


def test_a_list_is_whole_whatever_a_frame_holds(peer):
    names = [b"n%03d\xff" % n for n in range(25)]

    def make(request, reply):
        left = [name for name in names if name > request.fs_list.after]
        most = min(10, request.fs_list.count or 10)
        for name in left[:most]:
            reply.fs_list.entries.add(name=name, type=wire.DIRECTORY)
        reply.fs_list.more = len(left) > most

    peer.answers(make)
    listed = alos.fs.list("/x")
    assert [os.fsencode(entry.name) for entry in listed] == names
    assert listed[0].type == "directory"
    assert len(alos.fs.list("/x", count=13)) == 13
    assert [os.fsencode(entry.name) for entry in alos.fs.list("/x", after=names[21])] == names[22:]


def test_a_list_that_gets_nowhere_ends(peer):
    peer.answers(lambda request, reply: setattr(reply.fs_list, "more", True))
    with pytest.raises(alos.Failed):
        alos.fs.list("/x")


def test_stat(peer):
    def make(reply):
        reply.fs_stat.type = wire.LINK
        reply.fs_stat.target = b"to\xff"
        reply.fs_stat.modified_ns = -5

    seen = once(peer, make)
    got = alos.fs.stat("/x", no_follow=True)
    assert (got.type, os.fsencode(got.target), got.modified_ns) == ("link", b"to\xff", -5)
    assert seen[0][0].fs_stat.no_follow


def test_names_go_where_they_belong(peer):
    def make(request, reply):
        kind = request.WhichOneof("call")
        call = getattr(request, kind)
        assert (getattr(call, "from"), call.to) == (b"/a", b"/b")
        getattr(reply, kind).SetInParent()

    peer.answers(make)
    alos.fs.rename("/a", "/b", replace=True)
    alos.fs.copy("/a", "/b", mode="replace")


def test_an_opened_file_is_a_file(peer):
    fd = os.memfd_create("file")
    os.write(fd, b"in it")
    os.lseek(fd, 0, os.SEEK_SET)

    def make(reply):
        reply.attached = True
        reply.fs_open.size = 5

    once(peer, make, fd)
    opened = alos.fs.open("/x")
    with opened as file:
        assert file.read() == b"in it"
        assert not os.get_inheritable(file.fileno())
    assert opened.file.closed and opened.size == 5
    os.close(fd)


def test_a_file_opened_to_append_can_be_written(peer):
    fd = os.memfd_create("file")
    once(peer, lambda reply: (setattr(reply, "attached", True), reply.fs_open.SetInParent()), fd)
    with alos.fs.open("/x", access="append") as file:
        file.write(b"more")
    assert os.pread(fd, 10, 0) == b"more"
    os.close(fd)


def talkative(talk):
    request, _ = talk.ask()
    talk.say(wire.Reply(id=request.id, output=wire.Output(data=b"one ")))
    talk.say(wire.Reply(id=request.id, output=wire.Output(data=b"oops", error=True)))
    fd = sealed(LARGE)
    talk.say(wire.Reply(id=request.id, attached=True, output=wire.Output()), fd)
    os.close(fd)
    talk.say(wire.Reply(id=request.id, shell_run=wire.ShellRun.Result(code=7, started=True, wall_ms=1500)))
    talk.linger()


def test_what_a_command_writes_is_gathered(peer):
    peer.script = talkative
    got = alos.shell.run(["make"])
    assert (got.output, got.error, got.code, got.started, got.wall) == (b"one " + LARGE, b"oops", 7, True, 1.5)


def test_what_a_command_writes_is_given_as_it_comes(peer):
    peer.script = talkative
    parts = []
    got = alos.shell.run(["make"], on_output=lambda part, error: parts.append((part, error)))
    assert parts == [(b"one ", False), (b"oops", True), (LARGE, False)]
    assert got.output == b""


def test_what_on_output_raises_ends_the_command(peer):
    cancelled = threading.Event()

    def script(talk):
        request, _ = talk.ask()
        talk.say(wire.Reply(id=request.id, output=wire.Output(data=b"x")))
        cancel, _ = talk.ask()
        assert cancel.cancel.call == request.id
        cancelled.set()
        reply = wire.Reply(id=request.id)
        reply.failed.code = errno.ECANCELED
        talk.say(reply)
        request, _ = talk.ask()
        talk.say(wire.Reply(id=request.id, fs_mkdir=wire.FsMkdir.Result()))

    def refuse(part, error):
        raise KeyError("enough")

    peer.script = script
    with pytest.raises(KeyError):
        alos.shell.run(["make"], on_output=refuse)
    assert cancelled.wait(5)
    alos.fs.mkdir("/x")
    assert peer.connections == 1, "the connection goes on"


def test_a_command_s_arguments(peer):
    seen = once(peer, lambda reply: reply.shell_run.SetInParent())
    alos.shell.run(["cat", b"-", pathlib.Path("x")], cwd="/w", env={"A": "1"}, stdin="typed", timeout=1.5, output_limit=10)
    asked = seen[0][0].shell_run
    assert list(asked.argv) == [b"cat", b"-", b"x"]
    assert (asked.cwd, asked.stdin, asked.timeout_ms, asked.output_limit) == (b"/w", b"typed", 1500, 10)
    assert [(one.name, one.value) for one in asked.env] == [(b"A", b"1")]


def test_a_command_line_is_no_argv(peer):
    with pytest.raises(TypeError):
        alos.shell.run("rm -r x")
    assert peer.connections == 0


def test_clock(peer):
    def make(request, reply):
        if request.HasField("clock_now"):
            assert request.clock_now.zone == "+02:00"
            reply.clock_now.text = "now"
        else:
            assert (request.clock_sleep.duration_ms, request.clock_sleep.key) == (251, "night")
            reply.clock_sleep.slept_ms = 251

    peer.answers(make)
    assert alos.clock.now("+02:00").text == "now"
    assert alos.clock.sleep(0.2501, key="night").slept == 0.251
    for nonsense in (-1, float("nan"), float("inf")):
        with pytest.raises(ValueError):
            alos.clock.sleep(nonsense)


def test_why(peer):
    seen = once(peer, lambda reply: setattr(reply.policy_why, "effect", "deny"))
    assert alos.policy.why("fs.read /x").effect == "deny"
    assert seen[0][0].policy_why.request == "fs.read /x"


def test_a_request_that_no_frame_holds_is_a_limit_and_is_not_sent(peer):
    peer.answers(lambda request, reply: reply.fs_mkdir.SetInParent())
    with pytest.raises(alos.LimitReached) as told:
        alos.shell.run(["x" * _frames.MAX_FRAME])
    assert told.value.value == _frames.MAX_FRAME
    alos.fs.mkdir("/x")


def test_threads_share_a_connection(peer):
    def script(talk):
        waiting = []
        while True:
            request, _ = talk.ask()
            waiting.append(request)
            if len(waiting) == 4:
                while waiting:  # in another order
                    last = waiting.pop()
                    talk.say(wire.Reply(id=last.id, fs_read=wire.FsRead.Result(content=last.fs_read.path)))

    peer.script = script
    wrong = []

    def work(thread):
        for i in range(100):
            path = f"/{thread}/{i}"
            if alos.fs.read(path).content != path.encode():
                wrong.append(path)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert peer.connections == 1


def test_a_broker_that_reads_no_more_until_it_is_read_is_read(peer):
    def script(talk):
        for _ in range(200):
            request, _ = talk.ask()
            talk.say(wire.Reply(id=request.id, fs_read=wire.FsRead.Result(content=b"x" * 40_000)))
        talk.linger()

    peer.script = script
    connection = alos._default.connection()
    calls = [connection.send("fs_read", wire.FsRead(path=b"p" * 4000)) for _ in range(200)]
    for call in calls:
        assert len(connection.wait(call)[0].content) == 40_000


def test_a_slow_broker_is_waited_for(peer):
    def make(request, reply):
        time.sleep(0.3)
        reply.fs_mkdir.SetInParent()

    peer.answers(make)
    alos.fs.mkdir("/x")


def given_up(talk, request):
    """The client gives the call up, and uses the connection again."""
    cancel, _ = talk.ask()
    assert cancel.cancel.call == request.id
    reply = wire.Reply(id=request.id)
    reply.failed.code = errno.ECANCELED
    talk.say(reply)
    request, _ = talk.ask()
    talk.say(wire.Reply(id=request.id, fs_mkdir=wire.FsMkdir.Result()))


def is_interrupted(peer, call):
    with pytest.raises(KeyboardInterrupt):
        call()
    alos.fs.mkdir("/x")
    assert peer.connections == 1


def wait_until_it_polls():
    """The main thread; an interrupt between its claim to read and that would cost it the connection, as it may."""
    while True:
        with open(f"/proc/self/task/{os.getpid()}/syscall") as what:
            if what.read().split()[0] == "7":  # poll(2) on x86-64
                return
        time.sleep(0.001)


def test_an_interrupt_gives_up_the_call_and_leaves_the_connection(peer):
    def script(talk):
        request, _ = talk.ask()
        wait_until_it_polls()
        os.kill(os.getpid(), signal.SIGINT)
        given_up(talk, request)

    peer.script = script
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background has it ignored
    is_interrupted(peer, lambda: alos.clock.sleep(3600))


def test_an_interrupt_just_after_the_sending_gives_up_the_call(peer, monkeypatch):
    def script(talk):
        request, _ = talk.ask()
        given_up(talk, request)

    peer.script = script
    send = _frames.send

    def interrupted(*frame):
        monkeypatch.setattr(_frames, "send", send)
        send(*frame)
        raise KeyboardInterrupt

    monkeypatch.setattr(_frames, "send", interrupted)
    is_interrupted(peer, lambda: alos.clock.sleep(3600))


def test_an_interrupt_before_the_sending_says_nothing_to_the_broker(peer, monkeypatch):
    def interrupted(content):
        raise KeyboardInterrupt

    peer.answers(lambda request, reply: reply.fs_mkdir.SetInParent())
    with monkeypatch.context() as during:
        during.setattr(_frames, "seal", interrupted)
        is_interrupted(peer, lambda: alos.fs.write("/x", LARGE))


def test_a_signal_while_the_broker_has_no_room_for_a_connection_costs_nothing(tmp_path):
    full = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    full.bind(str(tmp_path / "full"))
    full.listen(0)
    first = _frames.connect(str(tmp_path / "full"))
    signals = []

    def make_room():
        while len(signals) < 3:
            time.sleep(0.01)
        full.accept()

    before = signal.signal(signal.SIGALRM, lambda *_: signals.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
    making = threading.Thread(target=make_room)
    making.start()
    second = _frames.connect(str(tmp_path / "full"))
    making.join()
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
    second.send(b"x")
    for one in (first, second, full):
        one.close()


def test_interrupts_at_any_moment_leave_nothing_that_waits_for_ever(peer):
    peer.answers(lambda request, reply: reply.fs_mkdir.SetInParent())
    program = """
import faulthandler, signal, threading, time
import alos

class Interrupt(BaseException):
    pass

armed = False

def interrupt(*_):
    global armed
    if armed:
        armed = False
        ends[0] += 1
        raise Interrupt

faulthandler.dump_traceback_later(60, exit=True)
signal.signal(signal.SIGALRM, interrupt)
over = False
ends = [0, 0]

def other():
    while not over:
        try:
            alos.fs.mkdir("/other")
            ends[1] += 1
        except alos.Error:
            pass

def storm(seconds, enough):
    global armed
    until = time.monotonic() + seconds

    def lasts():  # on a busy machine longer; what hangs is told by faulthandler
        return time.monotonic() < until or not enough()

    while lasts():
        try:
            try:
                armed = True
                while armed and lasts():  # what is raised in a destructor is lost, as anywhere in Python
                    alos.fs.mkdir("/x")
                armed = False
            except alos.Error:
                armed = False
        except Interrupt:
            pass
    try:
        alos.fs.mkdir("/x")
    except alos.Error:  # told of an interrupt before
        pass
    alos.fs.mkdir("/x")

signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
storm(3, lambda: ends[0] > 100)
beside = threading.Thread(target=other)
beside.start()
storm(3, lambda: ends[0] > 200 and ends[1] > 100)
signal.setitimer(signal.ITIMER_REAL, 0)
over = True
beside.join()
print(*ends)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=70)
    assert done.returncode == 0, done.stderr
    assert all(int(count) > 100 for count in done.stdout.split()), done.stdout


def test_a_child_after_fork_has_a_connection_of_its_own(peer):
    peer.answers(lambda request, reply: reply.fs_mkdir.SetInParent())
    alos.fs.mkdir("/x")
    program = ("import alos, os\nalos.fs.mkdir('/x')\npid = os.fork()\nalos.fs.mkdir('/x')\n"
               "os._exit(0) if pid == 0 else None\nassert os.waitpid(pid, 0)[1] == 0\n")
    subprocess.run([sys.executable, "-c", program], check=True, timeout=20)
    assert peer.connections == 3
