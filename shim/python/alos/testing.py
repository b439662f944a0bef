"""Boxes for tests, outside of any box: what does an agent do, and what is it kept from?

    from alos.testing import Box

    def test_the_agent_cannot_read_env(tmp_path):
        (tmp_path / ".env").write_text("KEY=1")
        with Box("coding", workspace=tmp_path) as box:
            ran = box.run(["alos-call", "fs.read", str(tmp_path / ".env")])
        assert ran.denied[0].rule == "secrets"

Runs the real `alos run`, with state of the test process's own (ALOS_STATE_DIR) that is gone at its end; a box's changes are gone
with the box. A test touches neither the user's runs nor the workspace. Limits that this machine cannot hold are given up (`alos doctor`, Box.degrade)."""

from __future__ import annotations

import atexit
import functools
import hashlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Type, Union

StrPath = Union[str, "os.PathLike[str]"]
# Lines of `alos run --script`, or a file of them.
Script = Union[StrPath, Sequence[Mapping[str, Any]]]


class BoxError(Exception):
    """alos did not do what it was asked for; the text is its own."""


class BoxTimeout(BoxError):
    """A run took longer than the test allows, in real time, and was ended. `result` is what there is of it."""

    def __init__(self, text: str, result: Result) -> None:
        super().__init__(text)
        self.result = result


@dataclass(frozen=True)
class Denial:
    request: str  # "fs.read /srv/app/.env"
    rule: str  # "default" where nothing matched
    source: str  # of the rule, file:line:column
    reason: str
    layer: str
    primitive: str


@dataclass(frozen=True)
class Result:
    """One run. `denied`: what the broker refused, oldest first; of one request that is refused again and again the first 16,
    then each whose number is a power of two; of more than 1,024 different ones the first of each rule (`calls` counts all,
    `end["denied_untold"]` those that are told by number alone). What the kernel refuses a program in its box (a masked
    file that it opens itself) is an error of that program, and not in it."""

    code: int  # as of `alos run`: the program's own, 124 by a limit, 126, 127, 128 + signal
    out: str
    err: str  # alos's own words in it, too
    events: List[Dict[str, Any]]
    denied: List[Denial]
    calls: Dict[str, int]  # "fs.read": 3, "fs.read denied": 1
    end: Dict[str, Any]  # the last of the events: why it ended, and what it used


@dataclass(frozen=True)
class Change:
    kind: str  # "A" added, "M" changed, "D" removed
    path: str  # in the workspace
    safe: bool  # `alos apply` takes it without its being named


@dataclass(frozen=True)
class Decision:
    effect: str  # "allow", "deny" or "ask"
    rule: str
    reason: str
    enforced: List[str]  # by whom


class Box:
    """A policy and a workspace to run in. Runs of one Box see each other's changes; leaving it drops them.

    `policy`: a name, a path, or the text of one (more than one line). `workspace`: a directory; an empty one by default.
    `clock="virtual"`: sleeps by the broker, command timeouts and `wall` take no time (`man alos-run`). `degrade`: what to go
    without beside what this machine cannot hold. `timeout`: real seconds, of each run. `script`: answers in place of
    commands, and errors of files (`man alos-run`, SCRIPT); each run begins with all of them."""

    def __init__(self, policy: StrPath, *, workspace: Optional[StrPath] = None, vars: Optional[Mapping[str, str]] = None,
                 clock: str = "real", degrade: Sequence[str] = (), timeout: float = 60.0,
                 script: Optional[Script] = None) -> None:
        self.degrade = tuple(dict.fromkeys([*degrade, *_not_held_here()]))
        self._base = Path(tempfile.mkdtemp(prefix="box-", dir=_state()))
        self.workspace = Path(workspace) if workspace is not None else self._base / "workspace"
        self.workspace.mkdir(exist_ok=True)
        self._named = workspace is not None
        self._vars = dict(vars or {})
        self._clock = clock
        self._timeout = timeout
        self._policy = os.fspath(policy)
        self._serial = 0
        self._layered = False  # there may be a layer
        self._orders: Optional[int] = None
        self._lock = threading.Lock()  # of _orders
        if "\n" in self._policy:
            # By its content, so that it is compiled once.
            name = hashlib.sha256(self._policy.encode()).hexdigest()[:16]
            text, self._policy = self._policy, str(_state() / f"policy-{name}.yaml")
            Path(self._policy).write_text(text, encoding="utf-8")
        elif not isinstance(policy, str):
            self._policy = str(Path(policy).absolute())
        self._script = self._base / "script.json"
        if isinstance(script, (str, os.PathLike)):
            self._script = Path(script).absolute()
        elif script is not None:
            self._script.write_text(json.dumps(list(script)), encoding="utf-8")
        self._scripted = script is not None

    def __enter__(self) -> Box:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        try:
            self.undo()
        finally:
            _remove(self._base)

    def run(self, argv: Sequence[StrPath], *, stdin: Union[str, bytes] = b"", env: Optional[Mapping[str, str]] = None,
            fail_on: str = "", timeout: Optional[float] = None) -> Result:
        """Runs a program in the box and waits for its end. `env`: of `alos run`; the policy says what of it is passed on.
        Raises BoxError where the program could not be run by alos (125) or what was denied is not known, BoxTimeout."""
        if isinstance(argv, (str, bytes)):
            raise TypeError("argv is a sequence of words, never a command line")
        self._serial += 1
        events = self._base / f"events-{self._serial}"
        words = ["--events", str(events), *self._options()]
        if self._serial == 1:
            words.append("--fresh")  # whatever a test that was interrupted left of this workspace
        if fail_on:
            words += ["--fail-on", fail_on]
        if self._scripted:
            words += ["--script", str(self._script)]
        if self.degrade:
            words += ["--degrade", ",".join(self.degrade)]
        orders = os.pipe() if self._clock == "virtual" else None
        if self._clock != "real":
            words += ["--clock", f"virtual:{orders[0]}" if orders else self._clock]
        words += ["--", *(os.fspath(word) for word in argv)]
        try:
            self._orders = orders[1] if orders else None
            code, out, err, late = self._wait(["run", *words], stdin, env, orders[:1] if orders else (), timeout)
        finally:
            with self._lock:
                self._orders = None
                for fd in orders or ():
                    os.close(fd)
        result, not_told = _result(code, out, err, events)
        self._layered |= any(one.get("mode") in ("layer", "copy") for one in result.events)
        if late:
            raise BoxTimeout(f"{argv[0]!r} was ended after {timeout or self._timeout} s\n{result.err}", result)
        if code == 125 and not result.end.get("executed"):
            raise BoxError(result.err.strip())
        if not_told:
            raise BoxError(f"what this run denied is not known: {not_told}\n{result.err}")
        return result

    def advance(self, duration: str) -> None:
        """Moves the virtual clock of the run under way, as in "6h"; for another thread than the one in run()."""
        with self._lock:
            if self._orders is None:
                raise BoxError('nothing runs here under clock="virtual"')
            os.write(self._orders, f"advance {duration}\n".encode())

    @property
    def written(self) -> List[Change]:
        """What is pending in the layer, the difference from the workspace."""
        if not self._layered:
            return []
        found = json.loads(self._call(["diff", "--json", "--workspace", str(self.workspace)], (0, 1)))
        return [Change(one["kind"], one["path"], one["safe"]) for one in found["changes"]]

    def undo(self, *paths: str) -> None:
        """Drops what is pending, or only these paths of it."""
        if self._layered:
            self._call(["undo", "--yes", "--workspace", str(self.workspace), *paths], (0,))

    def explain(self, request: str) -> Decision:
        """What the policy says to "fs.read /etc/shadow", without running anything."""
        said = json.loads(self._call(["policy", "explain", "--json", *self._options(), request], (0, 1)))
        return Decision(said["effect"], said["rule"], said["reason"], list(said["enforced"]))

    def _options(self) -> List[str]:
        out = ["--policy", self._policy]
        if self._named:  # a policy without a workspace refuses one
            out += ["--workspace", str(self.workspace)]
        for name, value in self._vars.items():
            out += ["--var", f"{name}={value}"]
        return out

    def _env(self, env: Optional[Mapping[str, str]] = None) -> Dict[str, str]:
        return {**os.environ, **(env or {}), "ALOS_STATE_DIR": str(_state() / "alos")}

    def _call(self, words: Sequence[str], good: Sequence[int]) -> str:
        done = subprocess.run([_program(), *words], env=self._env(), cwd=self.workspace, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True)
        if done.returncode not in good:
            raise BoxError(done.stderr.strip() or f"alos {words[0]} ended with {done.returncode}")
        return done.stdout

    def _wait(self, words: Sequence[str], stdin: Union[str, bytes], env: Optional[Mapping[str, str]],
              fds: Sequence[int], timeout: Optional[float]) -> Tuple[int, bytes, bytes, bool]:
        given = stdin.encode() if isinstance(stdin, str) else stdin
        with subprocess.Popen([_program(), *words], env=self._env(env), cwd=self.workspace, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=fds) as child:
            try:
                out, err = child.communicate(given, timeout or self._timeout)
                return child.returncode, out, err, False
            except BaseException as why:
                child.send_signal(signal.SIGRTMIN)  # end it now, and say so
                try:
                    out, err = child.communicate(timeout=15)
                except subprocess.TimeoutExpired:
                    child.kill()
                    out, err = child.communicate()
                if not isinstance(why, subprocess.TimeoutExpired):
                    raise
                return child.returncode, out, err, True


def _remove(directory: Path) -> None:
    # overlayfs leaves a directory that its own user cannot enter.
    for at, names, _ in os.walk(directory):
        for name in names:
            path = os.path.join(at, name)
            if not os.path.islink(path):
                os.chmod(path, 0o700)
    shutil.rmtree(directory)


def _result(code: int, out: bytes, err: bytes, events: Path) -> Tuple[Result, str]:
    """With why what was denied is not known; empty: it is."""
    # By newlines alone: what str.splitlines() takes for one besides may be in a string.
    lines = events.read_text(encoding="utf-8", errors="replace").split("\n") if events.exists() else []
    told: List[Dict[str, Any]] = []
    not_told = ""
    for line in filter(None, lines):
        try:
            told.append(json.loads(line))
        except ValueError:
            not_told = "a line of its events is torn"
    end = told[-1] if told and told[-1]["event"] == "end" else {}
    denied = [Denial(one["request"], one["rule"], one["source"], one["reason"], one["layer"], one["primitive"])
              for one in told if one["event"] == "denied"]
    if not end:
        not_told = "its events have no end"
    elif end.get("calls_unknown"):
        not_told = "a broker of it ended before it had said everything"
    elif any(one.get("dropped") for one in told):
        not_told = "lines of its events could not be written"
    return Result(code if code >= 0 else 128 - code, out.decode(errors="replace"), err.decode(errors="replace"), told,
                  denied, end.get("calls", {}), end), not_told


@functools.lru_cache(maxsize=None)
def _state() -> Path:
    """Of all boxes of this process: what a policy compiles to is kept there, and takes longer than a run.

    Not below a test's own directory: as root others than root must be able to pass through."""
    out, owner = Path(tempfile.mkdtemp(prefix="alos-testing-")), os.getpid()
    out.chmod(0o711)
    atexit.register(lambda: _remove(out) if os.getpid() == owner else None)
    return out


@functools.lru_cache(maxsize=None)
def _program() -> str:
    """The `alos` that this package belongs to, else the one on PATH; ALOS_PROGRAM names another."""
    beside = Path(__file__).absolute().parents[3] / "alos"
    found = os.environ.get("ALOS_PROGRAM") or (str(beside) if os.access(beside, os.X_OK) else shutil.which("alos"))
    if not found:
        raise BoxError("no alos program: it is neither beside this package nor on PATH; ALOS_PROGRAM names one")
    return found


@functools.lru_cache(maxsize=None)
def _not_held_here() -> Tuple[str, ...]:
    done = subprocess.run([_program(), "doctor", "--json"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    try:
        found = json.loads(done.stdout)
    except ValueError:
        raise BoxError(done.stderr.strip() or "alos doctor said nothing") from None
    return tuple(found["degrade"])
