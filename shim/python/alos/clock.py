"""Time, by the broker: the virtual clock's where a test runs under one."""

from __future__ import annotations

from dataclasses import dataclass

from alos import broker_pb2 as wire
from alos._default import call
from alos._values import milliseconds


@dataclass(frozen=True)
class Now:
    unix_ns: int  # since 1970, UTC
    elapsed_ns: int  # since the run started; never goes back
    text: str  # "2026-11-28T17:30:00.123456789Z", or with the offset asked for


@dataclass(frozen=True)
class Slept:
    slept: float  # seconds
    over_before: bool  # a sleep with this key had ended already


def now(zone: str = "") -> Now:
    """What time it is. `zone`: UTC (default), or an offset as in "+02:00"."""
    result, _ = call("clock_now", wire.ClockNow(zone=zone))
    return Now(result.unix_ns, result.elapsed_ns, result.text)


def sleep(seconds: float, *, key: str = "") -> Slept:
    """Returns when the time is over. `key`, a name: asked for again, what is left of the same sleep is slept."""
    result, _ = call("clock_sleep", wire.ClockSleep(duration_ms=milliseconds(seconds), key=key))
    return Slept(result.slept_ms / 1000, result.over_before)
