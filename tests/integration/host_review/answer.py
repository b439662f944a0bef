# On the host: a command that asks something, on a terminal of its own. Arguments: what is typed before it can ask, what
# is typed at the question, the command.
import os, pty, sys, time

early, late, command = sys.argv[1], sys.argv[2], sys.argv[3:]
child, fd = pty.fork()
if child == 0:
    os.execvp(command[0], command)
os.write(fd, early.encode())
seen = ""
answered = False
while True:
    try:
        data = os.read(fd, 4096)
    except OSError:
        break
    if not data:
        break
    seen += data.decode(errors="replace")
    if not answered and "[y/N]" in seen:
        assert "\x1b[?2004l" in seen[: seen.index("[y/N]")], "the terminal is reset before the question"
        time.sleep(0.3)
        os.write(fd, late.encode())
        answered = True
print("code", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(seen, file=sys.stderr)
