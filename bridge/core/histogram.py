"""Durations in buckets: how many, how long together, and about what half or most of them took."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

BOUNDS_S = (0.0001, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""The upper bounds of the buckets, seconds; one more holds what took longer."""


FIRST_S = BOUNDS_S[0]


class Histogram:
    """Counted durations, seconds."""

    __slots__ = ("buckets", "sum")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS_S) + 1)
        self.sum = 0.0

    def __len__(self) -> int:
        return sum(self.buckets)

    def add(self, seconds: float) -> None:
        """Counts one."""
        # Most are of what the daemon does itself, by the thousand each second.
        self.buckets[0 if seconds <= FIRST_S else bisect_left(BOUNDS_S, seconds)] += 1
        self.sum += seconds

    def cumulative(self) -> Iterator[tuple[str, int]]:
        """How many took at most so long, by the bound as Prometheus writes it, `+Inf` last."""
        count = 0
        for bound, here in zip((*map(repr, BOUNDS_S), "+Inf"), self.buckets, strict=True):
            count += here
            yield bound, count

    def quantile(self, part: float) -> float | None:
        """What this part of them took at most, seconds, evenly spread within a bucket; None where none is
        counted. What took longer than the last bound is said to have taken that long."""
        wanted, below, low = part * len(self), 0, 0.0
        for bound, here in zip(BOUNDS_S, self.buckets, strict=False):
            if here and below + here >= wanted:
                return low + (bound - low) * max(0.0, wanted - below) / here
            below, low = below + here, bound
        return low if len(self) else None
