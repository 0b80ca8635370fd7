"""What a worker process does after its reply, when no job waits: work that nobody waits for."""

from __future__ import annotations

import contextlib
import faulthandler
from collections import deque
from collections.abc import Callable, Iterator

LONGEST_S = 30.0
"""How long a piece may take. A job that waits for it is done by the next worker where this one ends, and is
lost where its own deadline passes."""


class Spare:
    """Work for later, in its order. Only a worker process ever gets to it."""

    def __init__(self) -> None:
        self._waiting: deque[Iterator[None]] = deque()

    def later(self, pieces: Iterator[None]) -> None:
        """Adds work, a piece up to each of its yields: a job waits for one of them at most. Errors end the
        process."""
        self._waiting.append(pieces)

    def spend(self, idle: Callable[[], bool]) -> None:
        """Does what waits, as long as the process is idle before each piece."""
        while self._waiting and idle():
            with _ended_after(LONGEST_S):
                try:
                    next(self._waiting[0])
                except StopIteration:
                    self._waiting.popleft()


@contextlib.contextmanager
def _ended_after(seconds: float) -> Iterator[None]:
    """Ends the process where what is done takes longer, also in a library that never returns."""
    with contextlib.suppress(OSError, ValueError, RuntimeError, AttributeError):  # where there is no stderr
        faulthandler.dump_traceback_later(seconds, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


SPARE = Spare()
"""That of this process."""
