"""What a worker process does after its reply, when no job waits: work that nobody waits for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

Work = Callable[[], None]


class Spare:
    """Work for later, in its order. Only a worker process ever gets to it."""

    def __init__(self) -> None:
        self._waiting: deque[Work] = deque()

    def later(self, work: Work) -> None:
        """Adds work, whose errors end the process."""
        self._waiting.append(work)

    def spend(self, idle: Callable[[], bool]) -> None:
        """Does what waits, as long as the process is idle before each piece."""
        while self._waiting and idle():
            self._waiting.popleft()()


SPARE = Spare()
"""That of this process."""
