# Many calls under way on one connection (threads of one process share it) while the broker is killed: each of them ends,
# none is done twice, and the next connection works. The argument is the workspace.
import sys
import threading
import time

import alos

w = sys.argv[1]
ends = []
lock = threading.Lock()
up = threading.Barrier(25)


def sleep(n):
    up.wait()
    how = "ok"
    try:
        alos.clock.sleep(60)
    except (alos.Unknown, alos.Failed, alos.NoBroker) as error:
        how = type(error).__name__
    with lock:
        ends.append(("sleep", how))


def write(n):
    up.wait()
    for i in range(10000):
        try:
            alos.fs.append(f"{w}/log{n}", f"{i}\n", create=True)
        except (alos.Unknown, alos.Failed, alos.NoBroker) as error:
            with lock:
                ends.append(("write", type(error).__name__))
            lines = open(f"{w}/log{n}").read().split() if i else []
            # What was under way may have happened or not, and once at most.
            if lines not in ([str(x) for x in range(i)], [str(x) for x in range(i + 1)]):
                print("WRONG", n, i, lines[-3:])
            return
        if ends:  # its own call was over just before
            with lock:
                ends.append(("write", "ok"))
            return
        time.sleep(0.002)  # within what a run may put into the audit log


threads = [threading.Thread(target=sleep if n % 2 else write, args=(n,)) for n in range(24)]
for thread in threads:
    thread.start()
up.wait()
alos.fs.write(f"{w}/started", "x")
print("under way", flush=True)
for thread in threads:
    thread.join()
print(*sorted(f"{what} {how}" for what, how in set(ends)), sep="\n")
print("ends", len(ends))
alos.fs.write(f"{w}/after", "again")
print("again", open(f"{w}/after").read(), flush=True)
