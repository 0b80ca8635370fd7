"""Which connection is pinged when: by one timer, so that thousands of idle ones wake the daemon seldom."""

from __future__ import annotations

import asyncio
from typing import Protocol

STEP_S = 0.2
"""About how often some are pinged: the fewer at once, the shorter everything else waits for them."""


class Beating(Protocol):
    """A connection, as a heart sees it."""

    def beat(self) -> None:
        """Pings the peer, or drops it where it hasn't answered the ping before."""


class Heart:
    """Has each connection `beat` every `interval_s` seconds, about as many of them at each step."""

    def __init__(self, interval_s: float) -> None:
        steps = max(1, round(interval_s / STEP_S))
        self._step_s = interval_s / steps
        self._groups: list[set[Beating]] = [set() for _ in range(steps)]
        self._group_of: dict[Beating, set[Beating]] = {}
        self._next = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, one: Beating) -> None:
        """`one` beats from now on, for the first time when half of `interval_s` has passed, or all of it."""
        count = len(self._groups)
        later = [self._groups[(self._next + ahead) % count] for ahead in range(count // 2, count)]
        group = self._group_of[one] = min(later, key=len)
        group.add(one)
        if self._timer is None:
            self._wait()

    def remove(self, one: Beating) -> None:
        """`one` doesn't beat any more; may be called again."""
        if group := self._group_of.pop(one, None):
            group.discard(one)
        if not self._group_of and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._step_s, self._step)

    def _step(self) -> None:
        group = self._groups[self._next]
        self._next = (self._next + 1) % len(self._groups)
        self._wait()
        for one in tuple(group):
            one.beat()
