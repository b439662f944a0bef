"""Renames directories while a timer interrupts: each arrives whole, and what failed with EINTR has not happened."""
import os
import signal

rung = 0


def ring(*_):
    global rung
    rung += 1


def rename(name, restart):
    for _ in range(1000):
        try:
            return os.rename(name, name + "-moved")
        except InterruptedError:
            if restart or sorted(os.listdir(name)) != whole:
                return print(name, "interrupted", restart)
    return print(name, "always interrupted")


whole = ["0", "1", "2", "3"]
signal.signal(signal.SIGALRM, ring)
for restart in (False, True):
    signal.siginterrupt(signal.SIGALRM, not restart)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0003)
    for i in range(40):
        name = f"tree{i + 40 * restart}"
        rename(name, restart)
        if sorted(os.listdir(name + "-moved")) != whole:
            print(name, "not whole")
    signal.setitimer(signal.ITIMER_REAL, 0)
print("interrupted" if rung > 40 else "never interrupted")
