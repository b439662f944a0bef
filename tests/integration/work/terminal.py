# On the host: drives `alos run ... -- bash -i` through a terminal of its own, as a person would.
import fcntl, os, pty, re, select, signal, struct, sys, termios, time

child, fd = pty.fork()
if child == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
seen = ""

def until(pattern, seconds=30):
    global seen
    end = time.monotonic() + seconds
    while not re.search(pattern, seen):
        if not select.select([fd], [], [], max(0, end - time.monotonic()))[0]:
            sys.exit(f"no {pattern!r} in {seen!r}")
        try:
            seen += os.read(fd, 65536).decode(errors="replace")
        except OSError:
            sys.exit(f"terminal closed before {pattern!r}; {seen!r}")
    seen = seen[re.search(pattern, seen).end():]

def say(text):
    os.write(fd, text.encode())

def size(rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

size(30, 90)
until(r"\$ ")
say("stty size\r"), until("[\r\n]30 90\r\n")
# A program that draws by the size of its window hears of the change.
say("trap 'echo winch; stty size' WINCH; echo set\r"), until("[\r\n]set\r\n")
# bash keeps a trap that comes between its prompt and its read for the next line, on any terminal.
until(r"\$ "), time.sleep(0.5)
size(41, 101)
until("winch")
until("[\r\n]41 101\r\n")
# ^C ends the program and not the shell; ^Z stops it and fg lets it go on; the shell ends by exit.
say("sleep 1000; echo after=$?\r"), time.sleep(0.5), say("\x03"), until(r"\$ ")
say("echo code=$?\r"), until("[\r\n]code=130\r\n")
say("sleep 1001\r"), time.sleep(0.5), say("\x1a"), until("Stopped")
say("jobs\r"), until(r"\[1\]\+  Stopped +sleep 1001")
say("bg\r"), until(r"sleep 1001 &"), say("kill %1; wait; echo gone\r"), until("[\r\n]gone\r\n")
say("read -s -p pass: word; echo got-$word\r"), until("[\r\n]pass:"), time.sleep(0.3), say("secret\r"), until("got-secret")
say("exit 7\r")
while True:
    try:
        if not os.read(fd, 4096):
            break
    except OSError:
        break
print("code", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
