"""Exponential backoff, and failures by key."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Hashable

from msgspec import Struct

from accel.text import AnyText


class Backoff(Struct, frozen=True):
    """Pauses between attempts, each `factor` times the previous one."""

    first_s: float
    most_s: float
    factor: float = 2.0
    jitter: float = 0.0
    """Share by which a pause may be longer, at random, so that clients that failed together don't retry
    together."""

    def pause_s(self, tries: int, least_s: float = 0.0) -> float:
        """Returns the pause in seconds before the next attempt, after `tries` retries.

        `least_s` replaces the pause if the waiting time is known.
        """
        # A float would overflow after some 500 attempts.
        pause = least_s or min(self.first_s * self.factor ** min(tries, 64), self.most_s)
        return pause * random.uniform(1, 1 + self.jitter) if self.jitter else pause


DEVICES = Backoff(first_s=30.0, most_s=600.0)
"""For devices and models, which rarely recover within seconds."""


class _Failure(Struct):
    reason: AnyText
    tries: int
    again: float


class KeyedBackoff:
    """Failures by key. Pauses grow until an attempt succeeds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, backoff: Backoff = DEVICES) -> None:
        self._clock = clock
        self._backoff = backoff
        self._failures: dict[Hashable, _Failure] = {}

    def failed(self, key: Hashable, reason: AnyText = "") -> float:
        """Records a failure and returns the seconds until the next attempt. `reason` is for people."""
        known = self._failures.get(key)
        if known is not None and self._clock() < known.again:
            # Attempts that ran at the same time tell nothing new.
            return known.again - self._clock()
        tries = 0 if known is None else known.tries + 1
        pause = self._backoff.pause_s(tries)
        self._failures[key] = _Failure(reason, tries, self._clock() + pause)
        return pause

    def worked(self, key: Hashable) -> bool:
        """Forgets the key's failures and returns whether there were any."""
        return self._failures.pop(key, None) is not None

    def left_s(self, key: Hashable) -> float:
        """Returns the seconds until the next attempt; 0 if it may start now."""
        known = self._failures.get(key)
        return 0.0 if known is None else max(0.0, known.again - self._clock())

    def reason(self, key: Hashable) -> AnyText:
        """Returns why it last failed; empty if it didn't."""
        known = self._failures.get(key)
        return "" if known is None else known.reason
