# On the host: `alos run --apply ask` on a terminal of its own. While its question stands, another command runs to its
# end; then the question is answered. Arguments: the other command, for a shell; the command that asks.
import os, pty, re, subprocess, sys, time

other, command = sys.argv[1], sys.argv[2:]
child, fd = pty.fork()
if child == 0:
    os.execvp(command[0], command)
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
    asked = re.search(r"type (\w+) to apply", seen)
    if asked and not answered:
        done = subprocess.run(["/bin/bash", "-c", other], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        print("other", done.returncode, done.stderr)
        time.sleep(0.3)
        os.write(fd, asked.group(1).encode() + b"\r")
        answered = True
print("code", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(seen, file=sys.stderr)
