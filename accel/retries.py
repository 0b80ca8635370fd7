"""What has failed and when it is tried again: soon at first, then less and less often."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable

from msgspec import Struct

from accel.text import AnyText

FIRST_S = 30.0
"""After the first failure."""
MOST_S = 600.0


class _Failure(Struct):
    reason: AnyText
    wait_s: float
    again: float


class Retries:
    """Failures by key; waits double until something works."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: dict[Hashable, _Failure] = {}

    def failed(self, key: Hashable, reason: AnyText = "") -> float:
        """Notes a failure; gives the seconds until it may be tried again. `reason` is for people."""
        known = self._failures.get(key)
        if known is not None and self._clock() < known.again:
            # Others that were under way at the same time say nothing new.
            return known.again - self._clock()
        wait = FIRST_S if known is None else min(2 * known.wait_s, MOST_S)
        self._failures[key] = _Failure(reason, wait, self._clock() + wait)
        return wait

    def worked(self, key: Hashable) -> bool:
        """Forgets its failures; whether there were any."""
        return self._failures.pop(key, None) is not None

    def left_s(self, key: Hashable) -> float:
        """Seconds until it may be tried again; 0 for now."""
        known = self._failures.get(key)
        return 0.0 if known is None else max(0.0, known.again - self._clock())

    def reason(self, key: Hashable) -> AnyText:
        """Why it failed last; empty where it didn't."""
        known = self._failures.get(key)
        return "" if known is None else known.reason
