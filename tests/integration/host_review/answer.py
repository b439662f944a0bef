# On the host: a command that asks something, on a terminal of its own. Arguments: what is typed before it can ask, the
# question (a pattern), what is typed at it (\1: from the question), a command for a shell that runs to its end while
# the question stands (or nothing), the command that asks.
import os, pty, re, subprocess, sys, time

early, question, reply, other, command = *sys.argv[1:5], sys.argv[5:]
typed, go_on = os.pipe()
child, fd = pty.fork()
if child == 0:
    os.close(go_on)
    os.read(typed, 1)
    os.execvp(command[0], command)
# What is written to a terminal arrives when the kernel's worker has a processor: with its echo.
os.write(fd, early.encode())
seen = os.read(fd, 4096).decode() if early else ""
os.close(go_on)
answered = False
while True:
    try:
        data = os.read(fd, 4096)
    except OSError:
        break
    if not data:
        break
    seen += data.decode(errors="replace")
    asked = re.search(question, seen)
    if asked and not answered:
        assert "\x1b[?2004l" in seen[: asked.start()], "the terminal is reset before the question"
        if other:
            done = subprocess.run(["/bin/bash", "-c", other], stdin=subprocess.DEVNULL, capture_output=True, text=True)
            print("other", done.returncode, done.stderr)
        time.sleep(0.3)
        os.write(fd, asked.expand(reply).encode() + b"\r")
        answered = True
print("code", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(seen, file=sys.stderr)
