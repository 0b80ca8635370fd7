"""How long a workload takes where it ends, by which a batch that hangs is told from one that is slow."""

from __future__ import annotations

import math
from collections import deque

LEAST_S = 5.0
"""How long anything may take, whatever is known: a worker that has just started loads libraries and a model
first."""

TIMES = 3
"""A batch that takes so many times as long as any of the last runs hangs."""

LAST = 100
"""Runs that are remembered: one that was slow for once, as a model was loaded, is forgotten."""


class Pace:
    """What is known of one workload."""

    def __init__(self, least_s: float = LEAST_S, most_s: float = math.inf) -> None:
        self.least_s = least_s
        self._most_s = most_s
        self._took_s: deque[float] = deque(maxlen=LAST)
        self._rows: dict[str, int] = {}
        """The most rows that have ended together, by bucket."""

    def learn(self, took_s: float, bucket: str = "", rows: int = 0) -> None:
        """A run of so many `rows` has ended; of 0 where it says nothing of batches."""
        # Also of other buckets: what they have in common is the model that a new worker loads.
        self._took_s.append(took_s)
        self._rows[bucket] = max(self._rows.get(bucket, 0), rows)

    @property
    def longest_s(self) -> float:
        """The longest of the last runs, seconds, and `least_s` at least."""
        return max(self.least_s, self._slowest_s)

    def limit_s(self, bucket: str, rows: int) -> float:
        """After how many seconds a batch of `rows` hangs; `most_s` where none as large has ended yet."""
        if rows > self._rows.get(bucket, 0):
            return self._most_s
        return min(self._most_s, max(self.least_s, TIMES * self._slowest_s))

    @property
    def _slowest_s(self) -> float:
        return max(self._took_s, default=0.0)
