"""Whose turn it is: waiters in three classes, the urgent first, and none left out for good."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Waiter = TypeVar("Waiter")

PRIORITIES = ("interactive", "normal", "bulk")
"""Most urgent first."""

PATIENCE = 8
"""How often a class is passed over before it gets a turn all the same."""


class Turns(Generic[Waiter]):
    """Waiters by priority; within one class, whoever came first."""

    def __init__(self) -> None:
        self._classes: tuple[deque[Waiter], ...] = tuple(deque() for _ in PRIORITIES)
        self._passed = [0] * len(PRIORITIES)

    def __len__(self) -> int:
        return sum(map(len, self._classes))

    @property
    def waiting(self) -> dict[str, int]:
        """How many wait, by priority."""
        return {priority: len(self._classes[at]) for at, priority in enumerate(PRIORITIES)}

    def add(self, waiter: Waiter, priority: str, *, again: bool = False) -> None:
        """Queues `waiter`; one that had its turn and needs it `again` comes first in its class. Raises
        ValueError for a priority that is none."""
        waiters = self._classes[PRIORITIES.index(priority)]
        if again:
            waiters.appendleft(waiter)
        else:
            waiters.append(waiter)

    def remove(self, waiter: Waiter) -> bool:
        """Forgets `waiter`; whether it still waited."""
        for waiting in self._classes:
            if waiter in waiting:
                waiting.remove(waiter)
                return True
        return False

    def next(self, fits: Callable[[Waiter], bool] = lambda waiter: True) -> Waiter | None:
        """Takes out whose turn it is; None if nobody waits, or if it doesn't fit: it stays the next one."""
        waiting = [i for i, waiters in enumerate(self._classes) if waiters]
        if not waiting:
            return None
        starved = [i for i in waiting if self._passed[i] >= PATIENCE]
        chosen = (starved or waiting)[0]
        if not fits(self._classes[chosen][0]):
            return None
        for i in waiting:
            self._passed[i] += 1
        self._passed[chosen] = 0
        return self._classes[chosen].popleft()
