"""How a call ends that was not carried out. Every one is an Error."""

from __future__ import annotations

import os


class Error(Exception):
    """Whatever kept a primitive from being carried out."""


class Denied(Error):
    """The policy, or a wall behind it, does not permit it. Nothing happened.

    `rule` is the rule that says so, "default" where nothing matched; `source` its file:line:column; `reason` its own
    words; `remedy` what would allow it, or that nothing in this run can.
    """

    def __init__(self, *, request: str, layer: str, rule: str, source: str, reason: str, remedy: str) -> None:
        super().__init__(request)
        self.request = request
        self.layer = layer
        self.rule = rule
        self.source = source
        self.reason = reason
        self.remedy = remedy

    def __str__(self) -> str:
        source = f" ({self.source})" if self.source else ""
        reason = f': "{self.reason}"' if self.reason else ""
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"denied {self.request} by rule '{self.rule}'{source}, layer {self.layer}{reason}{remedy}"


class Failed(Error, OSError):
    """It was permitted and could not be done. Nothing happened, unless `partial`.

    As an OSError it has `errno` (0 where no system call failed), `strerror` and, as `filename`, what it was done to.
    """

    def __init__(self, *, operation: str, object: bytes, code: int, name: str = "", hint: str = "",
                 partial: bool = False) -> None:
        super().__init__(code, os.strerror(code) if code else operation, os.fsdecode(object))
        self.operation = operation
        self.object = object
        self.name = name
        self.hint = hint
        self.partial = partial

    def __str__(self) -> str:
        why = f": {self.strerror} ({self.name or self.errno})" if self.errno else ""
        hint = f"; {self.hint}" if self.hint else ""
        part = "; part of it is done" if self.partial else ""
        return f"{self.operation} {os.fsdecode(self.object)}{why}{hint}{part}"


class LimitReached(Error):
    """Something finite is used up. Nothing happened."""

    def __init__(self, *, which: str, value: int, hint: str = "") -> None:
        super().__init__(which, value)
        self.which = which
        self.value = value
        self.hint = hint

    def __str__(self) -> str:
        what = f"{self.which} is {self.value}" if self.value else self.which  # 0: it is no number
        return what + (f"; {self.hint}" if self.hint else "")


class Unknown(Error):
    """The effect may have happened: the connection between asking and knowing was lost."""

    def __init__(self, *, operation: str, hint: str = "") -> None:
        super().__init__(operation)
        self.operation = operation
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.operation}: whether it was carried out is not known" + (f"; {self.hint}" if self.hint else "")


class NoBroker(Error, ConnectionError):
    """There is nobody to ask: this is not in a box of alos, or the run was started with '--degrade broker'."""

    def __init__(self, path: str, cause: OSError) -> None:
        super().__init__(cause.errno, cause.strerror, path)

    def __str__(self) -> str:
        return (f"no broker at {self.filename}: {self.strerror}; this is not in a box of alos, or the run was started "
                "with '--degrade broker'; ALOS_SOCKET names another socket")
