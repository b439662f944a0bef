"""An agent's tests, as its user writes them: what may it do, what is it kept from, and what does it make of that?"""

import time

from alos.testing import Box

AGENT = """
import alos, sys
for path in sys.argv[1:]:
    try:
        print(alos.fs.read(path).content.decode(), end="")
    except alos.Denied as denied:
        print("no:", denied.rule)
"""

PUBLISHES = """
import alos, sys
ran = alos.shell.run(["git", "push", "origin", "main"])
print("published" if ran.code == 0 else "not published: " + ran.error.decode().strip())
sys.exit(ran.code)
"""

REPORTS = """
import alos, errno
try:
    alos.fs.write("report.md", "all is well")
except OSError as failed:
    print("no room for the report" if failed.errno == errno.ENOSPC else failed)
"""

PATIENT = """
alos: 1
extends: base
limits: {wall: 8h}
clock: {sleep: {each: 12h, total: 7d}}
"""


def test_the_agent_cannot_read_env(tmp_path):
    (tmp_path / ".env").write_text("KEY=hunter2\n")
    (tmp_path / "readme").write_text("hello\n")
    with Box("coding", workspace=tmp_path) as box:
        ran = box.run(["cat", "readme", ".env"])
        assert (ran.code, ran.out) == (1, "hello\n")
        assert "Permission denied" in ran.err
        asked = box.run(["python3", "-c", AGENT, str(tmp_path / "readme"), str(tmp_path / ".env")])
    assert asked.out == "hello\nno: secrets\n"
    assert asked.denied[0].rule == "secrets"


def test_it_sleeps_six_hours():
    code = "import alos; a = alos.clock.now(); alos.clock.sleep(6 * 3600); print((alos.clock.now().unix_ns - a.unix_ns) / 3.6e12)"
    begun = time.monotonic()
    with Box(PATIENT, clock="virtual") as box:
        ran = box.run(["python3", "-c", code])
    assert (ran.code, ran.out) == (0, "6.0\n")
    assert time.monotonic() - begun < 60


def test_it_does_not_work_longer_than_its_day():
    with Box(PATIENT, clock="virtual") as box:
        ran = box.run(["python3", "-c", "import alos\nwhile True: alos.clock.sleep(3600)"])
    assert (ran.code, ran.end["what"]) == (124, "wall")


def test_its_command_times_out(tmp_path):
    code = "import alos; print(alos.shell.run(['sleep', '60'], timeout=0.2).timed_out)"
    with Box("coding", workspace=tmp_path) as box:
        assert box.run(["python3", "-c", code]).out == "True\n"


def test_its_writes_land_in_the_layer_and_undo_drops_them(tmp_path):
    with Box("coding", workspace=tmp_path) as box:
        box.run(["sh", "-c", "echo work > result.txt"])
        assert [(change.kind, change.path) for change in box.written] == [("A", "result.txt")]
        assert not (tmp_path / "result.txt").exists()
        box.undo()
        assert box.written == []
        assert box.run(["test", "-e", "result.txt"]).code == 1


def test_a_denied_read_fails_the_run(tmp_path):
    (tmp_path / ".env").write_text("KEY=hunter2\n")
    with Box("coding", workspace=tmp_path) as box:
        ran = box.run(["python3", "-c", AGENT, str(tmp_path / ".env")], fail_on="deny")
    assert (ran.code, ran.end["failed_on"]) == (1, "deny")
    assert "rule 'secrets'" in ran.err


def test_the_push_is_rejected_and_it_says_so(tmp_path):
    push = {"call": "shell.run", "argv": ["git", "push", "**"], "code": 1, "err": "rejected: fetch first\n", "takes": "3s"}
    with Box("coding", workspace=tmp_path, clock="virtual", script=[push]) as box:
        ran = box.run(["python3", "-c", PUBLISHES])
    assert (ran.code, ran.out) == (1, "not published: rejected: fetch first\n")


def test_the_disk_is_full_and_it_says_so(tmp_path):
    full = {"call": "fs.write", "path": "$workspace/**", "fails": "ENOSPC"}
    with Box("coding", workspace=tmp_path, script=[full]) as box:
        assert box.run(["python3", "-c", REPORTS]).out == "no room for the report\n"
        assert box.written == []
