# On the host: a terminal with `alos run --apply ask` on it, whose agent leaves it in every state it can and has answers
# sent that look typed. First argument: who answers the prompt (person, plant), or kill: the supervisor dies instead.
import os, pty, re, select, signal, sys, termios, time

mode = sys.argv[1]
child, fd = pty.fork()
if child == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
before = termios.tcgetattr(fd)
seen = ""


def until(pattern, seconds=30):
    global seen
    end = time.monotonic() + seconds
    while not re.search(pattern, seen, re.S):
        if not select.select([fd], [], [], max(0, end - time.monotonic()))[0]:
            sys.exit(f"no {pattern!r} in {seen!r}")
        try:
            data = os.read(fd, 65536)
        except OSError:
            sys.exit(f"terminal closed before {pattern!r}; {seen!r}")
        seen += data.decode(errors="replace")
    return re.search(pattern, seen, re.S)


def raw():
    return not termios.tcgetattr(fd)[3] & termios.ICANON


until("left-behind")
assert raw(), "the relay is at work"
if mode == "kill":
    for pid in open(f"/proc/{child}/task/{child}/children").read().split():
        if open(f"/proc/{pid}/comm").read().startswith("alos-supervisor"):
            os.kill(int(pid), signal.SIGKILL)
    until("crash of its supervisor")
else:
    os.write(fd, b"\x1b[24;80Ry\ry\r")  # what the terminal answers to the report that was asked for
    asked = until(r"type (\w+) to apply")
    assert "\x1b[?1003l" in seen and "\x1b[?2004l" in seen and "\x1b[?1047l" in seen, seen
    assert seen.rindex("\x1b[?2004l") < asked.start(), "reset before the question"
    assert not raw(), "lines are typed again"
    time.sleep(0.3)
    os.write(fd, b"y\r" if mode == "plant" else asked.group(1).encode() + b"\r")
while True:
    try:
        data = os.read(fd, 4096)
    except OSError:
        break
    if not data:
        break
    seen += data.decode(errors="replace")
    try:
        after = termios.tcgetattr(fd)
        same = after[:4] == before[:4]
    except termios.error:
        pass
if mode == "kill":
    assert "\x1b[?2004l" in seen
print("code", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
