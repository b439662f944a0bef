"""Commands, each in a box of its own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Callable, Mapping, Optional, Sequence, Union

from alos import broker_pb2 as wire
from alos._default import call
from alos._values import Path, absolute, data, milliseconds


@dataclass(frozen=True)
class Completed:
    code: int  # exit code, or 128 + signal
    signal: int  # that ended it; 0: none
    timed_out: bool
    started: bool  # False: the program could not be executed, and `code` is 126 or 127
    output: bytes  # empty where on_output was given
    error: bytes
    output_size: int  # written to standard output in all, sent or not
    error_size: int
    output_truncated: bool  # some of it was not sent
    error_truncated: bool
    wall: float  # seconds
    rule: str  # of `commands`, where one gave it more than the agent has


def run(argv: Sequence[Path], *, cwd: Optional[Path] = None, env: Optional[Mapping[str, str]] = None,
        stdin: Union[str, bytes] = b"", timeout: Optional[float] = None, output_limit: Optional[int] = None,
        on_output: Optional[Callable[[bytes, bool], None]] = None) -> Completed:
    """Runs a program and waits for its end: program and arguments, never a command line. A code other than 0 raises
    nothing.

    `timeout` in seconds: it and all that it started are ended then; 10 minutes by default. Of each stream `output_limit`
    bytes are sent; 1 MiB by default. `on_output(data, error)` is called with what it writes as it comes, by this thread;
    an exception from it, or Ctrl-C, ends the command."""
    if isinstance(argv, (str, bytes)):
        raise TypeError("argv is a sequence of words, never a command line")
    written = {False: bytearray(), True: bytearray()}

    def gather(part: bytes, error: bool) -> None:
        written[error].extend(part)

    message = wire.ShellRun(
        argv=[os.fsencode(word) for word in argv], cwd=absolute(cwd) if cwd is not None else os.getcwdb(),
        env=[wire.Variable(name=os.fsencode(name), value=os.fsencode(value)) for name, value in (env or {}).items()],
        stdin=data(stdin), timeout_ms=None if timeout is None else milliseconds(timeout), output_limit=output_limit)
    result, _ = call("shell_run", message, on_output or gather)
    return Completed(result.code, result.signal, result.timed_out, result.started, bytes(written[False]),
                     bytes(written[True]), result.output_size, result.error_size, result.output_truncated,
                     result.error_truncated, result.wall_ms / 1000, result.rule)
