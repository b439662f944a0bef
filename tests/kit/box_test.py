"""What alos.testing gives its users."""

import json
import os
import subprocess
import sys
import threading
import time

import pytest

from alos import testing
from alos.testing import Box, BoxError, BoxTimeout

POLICY = """
alos: 1
extends: base
vars: {workspace: dir, secret: file}
workspace: layer
files:
  all: {allow: rwx, path: $workspace/**}
  secret: {deny: rwx, path: $secret, reason: it is one}
clock: {sleep: {each: 12h, total: 7d}}
"""


def test_a_run_s_code_and_streams(tmp_path):
    with Box("coding", workspace=tmp_path) as box:
        ran = box.run(["sh", "-c", "cat; echo oops >&2; exit 3"], stdin="typed")
    assert (ran.code, ran.out) == (3, "typed")
    assert "oops" in ran.err
    assert ran.end["reason"] == "exit" and ran.end["executed"]


def test_text_is_a_policy_and_has_variables(tmp_path):
    (tmp_path / "key").write_text("k")
    with Box(POLICY, workspace=tmp_path, vars={"secret": str(tmp_path / "key")}) as box:
        assert box.run(["cat", "key"]).code == 1
        ran = box.run(["alos-call", "fs.read", str(tmp_path / "key")])
        assert [(one.rule, one.reason, one.primitive) for one in ran.denied] == [("secret", "it is one", "fs.read")]
        assert ran.calls == {"fs.read denied": 1}
        assert box.explain(f"fs.read {tmp_path}/key").rule == "secret"
        assert box.explain(f"fs.read {tmp_path}/other").effect == "allow"


def test_a_path_is_a_policy(tmp_path):
    path = tmp_path / "plain.yaml"
    path.write_text("alos: 1\nextends: base\n")
    with Box(path) as box:
        assert box.run(["true"]).code == 0


def test_what_is_written_stays_in_the_layer_of_this_box_and_is_dropped(tmp_path):
    (tmp_path / "old").write_text("before")
    with Box("coding", workspace=tmp_path) as box:
        assert box.written == []
        box.run(["sh", "-c", "echo after > old; echo new > new"])
        assert [(one.kind, one.path) for one in box.written] == [("A", "new"), ("M", "old")]
        assert box.run(["cat", "old"]).out == "after\n", "runs of one box see each other"
        box.undo("new")
        assert [one.path for one in box.written] == ["old"]
    with Box("coding", workspace=tmp_path) as box:
        assert box.run(["cat", "old"]).out == "before"
    assert sorted(os.listdir(tmp_path)) == ["old"]


LEAVES = """
import os
from alos.testing import Box, _state
with Box("coding") as box:
    box.run(["sh", "-c", "mkdir -p d; echo x > d/f; chmod 0 d"])
    base = box.workspace.parent
    assert base.exists()
assert not base.exists()
print(_state(), end="")
"""


def test_nothing_of_it_is_left_after_the_tests(tmp_path):
    user = tmp_path / "the-user-s"
    done = subprocess.run([sys.executable, "-c", LEAVES], env={**os.environ, "ALOS_STATE_DIR": str(user)},
                          capture_output=True, text=True, check=True)
    assert "alos-testing-" in done.stdout
    assert not os.path.exists(done.stdout)
    assert not user.exists(), "a test touches the state of nobody else"


def test_a_box_begins_with_the_workspace_whatever_was_left(tmp_path):
    Box("coding", workspace=tmp_path).run(["sh", "-c", "echo x > left"])  # never closed
    with Box("coding", workspace=tmp_path) as box:
        assert box.run(["ls"]).out == ""


def test_boxes_do_not_see_each_other(tmp_path):
    with Box("coding", workspace=tmp_path) as one, Box("coding") as other:
        one.run(["sh", "-c", "echo x > new"])
        assert other.run(["ls"]).out == ""
        assert [change.path for change in one.written] == ["new"] and other.written == []


def test_what_alos_refuses_is_an_exception_with_its_words(tmp_path):
    with pytest.raises(BoxError, match="no policy|nowhere"):
        with Box("nowhere", workspace=tmp_path) as box:
            box.run(["true"])
    with pytest.raises(BoxError, match="files"):
        with Box("alos: 1\nfiles: 7\n", workspace=tmp_path) as box:
            box.run(["true"])


def test_a_program_that_is_not_there_is_a_result(tmp_path):
    with Box("strict") as box:
        assert box.run(["no-such-program"]).code == 127


def test_a_command_line_is_no_argv():
    with Box("strict") as box:
        with pytest.raises(TypeError):
            box.run("true")


def test_too_late_is_an_exception_with_what_there_is():
    with Box("strict") as box:
        begun = time.monotonic()
        with pytest.raises(BoxTimeout) as told:
            box.run(["sh", "-c", "echo begun; sleep 60"], timeout=5)
        assert time.monotonic() - begun < 20  # five, and as much for the rest as ever
        assert told.value.result.out == "begun\n"
        assert told.value.result.end["reason"] == "killed"


def test_the_clock_is_moved_from_another_thread():
    with Box("strict", clock="virtual") as box:
        done = threading.Event()

        def move():
            while not done.wait(0.1):
                box.advance("1h")

        mover = threading.Thread(target=move)
        mover.start()
        try:
            ran = box.run(["sleep", "60"], timeout=30)  # strict ends after ten minutes
        finally:
            done.set()
            mover.join()
        assert (ran.code, ran.end["what"]) == (124, "wall")
        with pytest.raises(BoxError):
            box.advance("1h")


PUSH = {"call": "shell.run", "argv": ["git", "push", "**"], "code": 1, "err": "rejected\n", "times": 1}
PUSHES = """
import alos
for _ in range(2):
    print(alos.shell.run(["git", "push", "no-remote"]).error.decode().split(":")[0].strip())
"""


def test_a_script_answers_each_run_from_its_beginning(tmp_path):
    path = tmp_path / "script.json"
    path.write_text(json.dumps([PUSH]))
    for script in ([PUSH], path, str(path)):
        with Box("coding", script=script) as box:
            for _ in range(2):
                ran = box.run(["python3", "-c", PUSHES])
                assert ran.out == "rejected\nfatal\n", ran.err
                assert ran.events[0]["script"] == 1


def test_a_script_gives_nothing_that_is_denied(tmp_path):
    (tmp_path / "key").write_text("k")
    with Box(POLICY, workspace=tmp_path, vars={"secret": str(tmp_path / "key")},
             script=[{"call": "fs.read", "path": "$secret", "fails": "EIO"},
                     {"call": "fs.read", "path": "$workspace/**", "fails": "EIO"}]) as box:
        ran = box.run(["alos-call", "fs.read", str(tmp_path / "key")])
        assert [one.rule for one in ran.denied] == ["secret"]
        assert "EIO" in box.run(["alos-call", "fs.read", str(tmp_path / "other")]).err


def test_a_script_that_is_wrong_is_an_exception_with_its_place():
    with Box("coding", script=[PUSH, {**PUSH, "code": 256}]) as box:
        with pytest.raises(BoxError, match=r"script.json\[1\].code; write a whole number from 0 to 255"):
            box.run(["true"])


def test_words_may_have_any_characters(tmp_path):
    with Box("coding", workspace=tmp_path) as box:
        assert box.run(["echo", "a\u2028b\u0085c"]).out == "a\u2028b\u0085c\n"


def test_a_denial_is_seen_behind_any_number_of_others(tmp_path):
    (tmp_path / ".env").write_text("KEY=1")
    program = """
import alos, sys
for i in [f"/srv/{i}" for i in range(1100)] + [sys.argv[1]]:
    try:
        alos.fs.read(i)
    except alos.Denied:
        pass
"""
    with Box("coding", workspace=tmp_path) as box:
        ran = box.run(["python3", "-c", program, str(tmp_path / ".env")])
    assert ran.calls == {"fs.read denied": 1101}, ran.err
    assert ran.end["denied_untold"] == 76  # the last one is its rule's first
    assert "secrets" in {denial.rule for denial in ran.denied}


@pytest.mark.parametrize("why, spoil", [
    ("broker", lambda lines: [*lines[:-1], lines[-1][:-1] + ',"calls_unknown":true}']),
    ("could not be written", lambda lines: [*lines[:-1], lines[-1][:-1] + ',"dropped":1}']),
    ("could not be written", lambda lines: [lines[0][:-1] + ',"dropped":2}', *lines[1:]]),
    ("torn", lambda lines: [lines[0], '{"v":1,"event":"den', *lines[1:]]),
    ("no end", lambda lines: lines[:-1]),
    ("no end", lambda lines: []),
])
def test_a_run_of_which_it_is_not_known_what_was_denied_is_an_exception(tmp_path, monkeypatch, why, spoil):
    made = testing._result

    def unknown(*words):
        code, out, err, events = words
        lines = events.read_text().splitlines()
        events.write_text("\n".join(spoil(lines)) + "\n")
        return made(code, out, err, events)

    monkeypatch.setattr(testing, "_result", unknown)
    with Box("coding", workspace=tmp_path) as box, pytest.raises(BoxError, match=f"is not known: .*{why}"):
        box.run(["true"])


def test_limits_may_be_given_up_beside_those_that_nothing_holds():
    with Box("strict", degrade=["memory"]) as box:
        assert box.degrade[0] == "memory"
        assert box.run(["true"]).code == 0
    with pytest.raises(BoxError, match="nonsense"):
        with Box("strict", degrade=["nonsense"]) as box:
            box.run(["true"])
