"""How long what is open keeps the workers busy, by what such requests took lately: when to ask again."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from bridge.core.admission import PRIORITIES

FIRST_S = 0.1
"""What a run is expected to take as long as none of its name was measured, seconds."""
WEIGHT = 0.2
"""Of the newest run in the mean of its name: the last ten or so decide."""
SHARE = 0.5
"""Which part of what is ahead should be done by then: there is room again, and no worker has run dry."""
LEAST_MS, MOST_MS = 50, 30_000
"""Between these `retry_after_ms` always is."""


class Load:
    """Expected work of open requests, seconds, by priority."""

    def __init__(self, workers: int) -> None:
        """How many run at once, at least 1."""
        self._workers = workers
        self._means: dict[str, float] = {}
        self._ahead = dict.fromkeys(PRIORITIES, 0.0)
        self._open: dict[Hashable, tuple[str, float]] = {}

    @property
    def means(self) -> Mapping[str, float]:
        """What one run took lately, seconds, by name; only of what was measured."""
        return self._means

    def ran(self, name: str, run_s: float) -> None:
        """One run was measured."""
        mean = self._means.get(name, run_s)
        self._means[name] = mean + WEIGHT * (run_s - mean)

    def enter(self, key: Hashable, name: str, priority: str) -> None:
        """The request `key` is open."""
        expected = self._means.get(name, FIRST_S)
        self._open[key] = (priority, expected)
        self._ahead[priority] += expected

    def leave(self, key: Hashable) -> None:
        """The request is no longer open, if it was."""
        priority, expected = self._open.pop(key, ("normal", 0.0))
        self._ahead[priority] -= expected
        if not self._open:
            # From nothing anew, or the rounding of a million sums would be taken for work.
            self._ahead = dict.fromkeys(PRIORITIES, 0.0)

    def wait_s(self, priority: str) -> float:
        """Seconds until the workers have done what goes before a new request of this priority."""
        ahead = PRIORITIES[: PRIORITIES.index(priority) + 1]
        return max(0.0, sum(self._ahead[each] for each in ahead)) / self._workers

    def retry_after_ms(self, priority: str) -> int:
        """Milliseconds after which asking again is worth it, from LEAST_MS to MOST_MS."""
        return round(min(max(self.wait_s(priority) * SHARE * 1000, LEAST_MS), MOST_MS))
