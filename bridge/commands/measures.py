"""Durations and sizes as people read them."""

from __future__ import annotations

DAY_S, HOUR_S, MINUTE_S = 86_400, 3600, 60


def duration(seconds: float) -> str:
    """`45 s`, `3 min 20 s`, `2 h 5 min`, `4 d 3 h`."""
    whole = round(seconds)
    if whole < MINUTE_S:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    for unit, name, lower, lower_name in (
        (DAY_S, "d", HOUR_S, "h"),
        (HOUR_S, "h", MINUTE_S, "min"),
        (MINUTE_S, "min", 1, "s"),
    ):
        if whole >= unit:
            rest = whole % unit // lower
            return f"{whole // unit} {name}" + (f" {rest} {lower_name}" if rest else "")
    raise AssertionError(seconds)


def size(count: float) -> str:
    """`512 B`, `1.5 MiB`, `12 GiB`."""
    units = ["TiB", "GiB", "MiB", "KiB", "B"]
    while count >= 1024 and len(units) > 1:
        count /= 1024
        units.pop()
    unit = units[-1]
    return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"


def counted(count: float, noun: str) -> str:
    """`0 jobs`, `1 job`, `7 jobs`."""
    return f"{count:.0f} {noun}" + ("" if count == 1 else "s")


def millis(value: float | None) -> str:
    """`0.4 ms`, `12 ms`, `3.4 s`; `-` for none."""
    if value is None:
        return "-"
    if value >= 10_000:
        return duration(value / 1000)
    return (
        f"{value / 1000:.1f} s" if value >= 1000 else f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"
    )
