"""Durations and sizes as people read them."""

from __future__ import annotations

from accel.text import text
from bridge.commands.language import say

DAY_S, HOUR_S, MINUTE_S = 86_400, 3600, 60


def duration(seconds: float) -> str:
    """`45 s`, `3 min 20 s`, `2 h 5 min`, `4 d 3 h`."""
    whole = round(seconds)
    if whole < MINUTE_S:
        return say(text("{count} s", count=f"{seconds:.1f}" if seconds < 10 else whole))
    for unit, name, lower, lower_name in (
        (DAY_S, text("{count} d"), HOUR_S, text("{count} h")),
        (HOUR_S, text("{count} h"), MINUTE_S, text("{count} min")),
        (MINUTE_S, text("{count} min"), 1, text("{count} s")),
    ):
        if whole >= unit:
            rest = whole % unit // lower
            return say(name.fill(count=whole // unit)) + (
                f" {say(lower_name.fill(count=rest))}" if rest else ""
            )
    raise AssertionError(seconds)


def size(count: float) -> str:
    """`512 B`, `1.5 MiB`, `12 GiB`."""
    units = ["TiB", "GiB", "MiB", "KiB", "B"]
    while count >= 1024 and len(units) > 1:
        count /= 1024
        units.pop()
    unit = units[-1]
    return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"


def millis(value: float | None) -> str:
    """`0.4 ms`, `12 ms`, `3.4 s`; `-` for none."""
    if value is None:
        return "-"
    if value >= 10_000:
        return duration(value / 1000)
    if value >= 1000:
        return say(text("{count} s", count=f"{value / 1000:.1f}"))
    return say(text("{count} ms", count=f"{value:.0f}" if value >= 10 else f"{value:.1f}"))
