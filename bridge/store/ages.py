"""How old a file is at most, whatever is done to the system's clock meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec import Struct

Clock = Callable[[], float]

SLACK_S = 3.0
"""How much a file's time may lag behind the clock: FAT counts in steps of 2 s."""


class Mark(Struct, frozen=True):
    """A moment, on both clocks."""

    wall: float
    steady: float


class Ages:
    """The wall clock, by which files are dated, held to the pace of a clock that nobody sets.

    If the wall clock is put forward, no file grows old by it; if it is put back, files seem younger.
    """

    def __init__(self, wall: Clock = time.time, steady: Clock = time.monotonic) -> None:
        self._wall = wall
        self._steady = steady
        self._start = self.mark()

    def mark(self) -> Mark:
        """Now."""
        return Mark(self._wall(), self._steady())

    def now(self) -> float:
        """Seconds since the epoch; never later than the steady clock makes it."""
        return min(self._wall(), self._start.wall + self._steady() - self._start.steady)

    def since(self, mark: Mark) -> float:
        """No file that was written after `mark` has an earlier time, though the clock was set since, once."""
        return min(mark.wall, self._wall() - (self._steady() - mark.steady)) - SLACK_S
