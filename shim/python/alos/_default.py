"""The connection that a process uses: one for all its threads, made when it is first needed, and again after it ended."""

from __future__ import annotations

import os
import sys
import threading
from types import FrameType
from typing import Any, Optional, Tuple

from alos._connection import Connection, OnOutput

_lock = threading.Lock()
_connection: Optional[Connection] = None


def _after_fork() -> None:
    """The parent's connection is the parent's: two readers would take each other's answers."""
    global _lock, _connection
    _lock = threading.Lock()
    _connection = None


os.register_at_fork(after_in_child=_after_fork)


def connection() -> Connection:
    global _connection
    with _lock:
        if _connection is None or _connection.over:
            _connection = Connection()
        return _connection


def _is_within_a_call() -> bool:
    frame: Optional[FrameType] = sys._getframe(1).f_back
    while frame is not None:
        if frame.f_code is call.__code__:
            return True
        frame = frame.f_back
    return False


def call(primitive: str, message: Any, on_output: Optional[OnOutput] = None) -> Tuple[Any, Optional[int]]:
    if not _is_within_a_call():
        return connection().call(primitive, message, on_output)
    # By the handler of a signal, say, in the middle of a call of this thread, which may read just now, or hold a lock.
    other = Connection()
    try:
        return other.call(primitive, message, on_output)
    finally:
        other.close()
