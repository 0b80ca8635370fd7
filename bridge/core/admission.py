"""How many requests may be open: of a session, of all, of each priority, so that none shuts out another."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from bridge.core import errors
from bridge.core.errors import RequestError

PRIORITIES = ("interactive", "normal", "bulk")
"""Most urgent first."""

SESSION_SHARES: Mapping[str, float] = {"interactive": 1.0, "normal": 1.0, "bulk": 0.75}
"""Which part of one session's limit a priority and all that are less urgent may take together."""
TOTAL_SHARES: Mapping[str, float] = {"interactive": 1.0, "normal": 0.875, "bulk": 0.5}
"""The same of the limit of all sessions: what is left is kept for what is more urgent."""


class Room:
    """Open requests by priority, beside their limits."""

    def __init__(self, whose: str, limits: Mapping[str, int]) -> None:
        """`whose` begins the sentence of a refusal; `limits` are for a priority and all less urgent ones."""
        self._whose = whose
        self._limits = limits
        self.open = dict.fromkeys(PRIORITIES, 0)

    def __len__(self) -> int:
        return sum(self.open.values())

    def check(self, priority: str, retry_after_ms: Callable[[], int]) -> None:
        """Raises RequestError `overloaded` where one more has no room."""
        for at in range(PRIORITIES.index(priority) + 1):
            taken = sum(map(self.open.__getitem__, PRIORITIES[at:]))
            if taken >= self._limits[PRIORITIES[at]]:
                raise _full(self._whose, taken, PRIORITIES[at:], retry_after_ms())


class Admission:
    """The open requests of all sessions, counted."""

    def __init__(self, per_session: int, total: int) -> None:
        """The most that may be open of one session, and of all together; both at least 1."""
        self.most = total
        self._limits = _limits(per_session, SESSION_SHARES)
        self._all = Room("The bridge", _limits(total, TOTAL_SHARES))
        self._sessions: dict[str, Room] = {}

    def __len__(self) -> int:
        return len(self._all)

    @property
    def open(self) -> Mapping[str, int]:
        """How many are open, by priority."""
        return self._all.open

    def of(self, session: str) -> int:
        """How many the session has open."""
        room = self._sessions.get(session)
        return 0 if room is None else len(room)

    def check(self, session: str, priority: str, retry_after_ms: Callable[[], int]) -> None:
        """Raises RequestError `overloaded` where one more has no room, with what `retry_after_ms` gives."""
        mine = self._sessions.get(session)
        if mine is not None:
            mine.check(priority, retry_after_ms)
        self._all.check(priority, retry_after_ms)

    def enter(self, session: str, priority: str) -> None:
        """Counts one more, whether it has room or not."""
        mine = self._sessions.get(session)
        if mine is None:
            mine = self._sessions[session] = Room("The session", self._limits)
        mine.open[priority] += 1
        self._all.open[priority] += 1

    def leave(self, session: str, priority: str) -> None:
        """One of the session's requests is answered."""
        mine = self._sessions[session]
        mine.open[priority] -= 1
        self._all.open[priority] -= 1
        if not len(mine):
            del self._sessions[session]


def _limits(most: int, shares: Mapping[str, float]) -> Mapping[str, int]:
    return {priority: math.ceil(most * shares[priority]) for priority in PRIORITIES}


def _full(whose: str, taken: int, classes: tuple[str, ...], retry_after_ms: int) -> RequestError:
    of = "" if len(classes) == len(PRIORITIES) else f" of priority {' or '.join(classes)}"
    says = f"{whose} has {taken} open requests{of}, its most."
    return RequestError(
        errors.OVERLOADED, errors.OVERLOADED.hint, message=says, open=taken, retry_after_ms=retry_after_ms
    )
