"""The connection that a process uses: one for all its threads, made when it is first needed, and again after it ended."""

from __future__ import annotations

import os
import threading
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


def call(primitive: str, message: Any, on_output: Optional[OnOutput] = None) -> Tuple[Any, Optional[int]]:
    return connection().call(primitive, message, on_output)
