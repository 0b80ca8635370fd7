"""Exponential backoff: pauses between tries, and failures by key."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Hashable

from msgspec import Struct

from accel.text import AnyText


class Backoff(Struct, frozen=True):
    """Pauses between tries, each `factor` times the one before."""

    first_s: float
    most_s: float
    factor: float = 2.0
    jitter: float = 0.0
    """A pause is longer by up to this share: clients that failed together don't retry together."""

    def pause_s(self, tries: int, least_s: float = 0.0) -> float:
        """Returns the seconds until the next try, after `tries` retries.

        `least_s` replaces the pause if it is known how long to wait.
        """
        # A float overflows after some 500 tries.
        pause = least_s or min(self.first_s * self.factor ** min(tries, 64), self.most_s)
        return pause * random.uniform(1, 1 + self.jitter) if self.jitter else pause


DEVICES = Backoff(first_s=30.0, most_s=600.0)
"""For devices and models, which rarely recover within seconds."""


class _Failure(Struct):
    reason: AnyText
    tries: int
    again: float


class KeyedBackoff:
    """Failures by key; pauses grow until a try succeeds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, backoff: Backoff = DEVICES) -> None:
        self._clock = clock
        self._backoff = backoff
        self._failures: dict[Hashable, _Failure] = {}

    def failed(self, key: Hashable, reason: AnyText = "") -> float:
        """Notes a failure; returns the seconds until the next try. `reason` is for people."""
        known = self._failures.get(key)
        if known is not None and self._clock() < known.again:
            # Attempts that ran at the same time add no information.
            return known.again - self._clock()
        tries = 0 if known is None else known.tries + 1
        pause = self._backoff.pause_s(tries)
        self._failures[key] = _Failure(reason, tries, self._clock() + pause)
        return pause

    def worked(self, key: Hashable) -> bool:
        """Forgets its failures; returns whether there were any."""
        return self._failures.pop(key, None) is not None

    def left_s(self, key: Hashable) -> float:
        """Returns the seconds until the next try; 0 for now."""
        known = self._failures.get(key)
        return 0.0 if known is None else max(0.0, known.again - self._clock())

    def reason(self, key: Hashable) -> AnyText:
        """Returns why it failed last; empty if it didn't."""
        known = self._failures.get(key)
        return "" if known is None else known.reason
