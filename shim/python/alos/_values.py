"""What arguments are given as, and how the wire has them."""

from __future__ import annotations

import math
import os
from typing import Any, Union

Path = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]


def data(value: Union[str, bytes, bytearray, memoryview]) -> bytes:
    """Text is UTF-8."""
    return value.encode() if isinstance(value, str) else bytes(value)


def absolute(path: Path) -> bytes:
    """As the broker takes it, which knows no working directory."""
    name = os.fsencode(path)
    return os.path.join(os.getcwdb(), name) if name else name


def milliseconds(seconds: float) -> int:
    """At least as long."""
    if not seconds >= 0 or math.isinf(seconds):
        raise ValueError(f"{seconds} is no number of seconds")
    return math.ceil(seconds * 1000)


def choice(enum: Any, name: str, what: str, prefix: str = "") -> int:
    """The number of the value that is spelled `name`: "create_or_replace"."""
    names = [key[len(prefix):].lower() for key in enum.keys()]
    if name not in names:
        raise ValueError(f"{what} is one of {', '.join(names)}, not {name!r}")
    return int(enum.values()[names.index(name)])
