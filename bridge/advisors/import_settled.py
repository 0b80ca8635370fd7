"""What was settled in each project, one way or the other: it isn't raised again, nor done by a rule."""

from __future__ import annotations

import contextlib
from collections.abc import Set

from bridge.advisors.advice import Mark
from bridge.api import Context, RequestError, SessionView

MAX_PROJECTS = 16
MAX_MARKS = 110_000
"""Of one project that are remembered beside the bridge, which forgets the earliest of 100,000."""


class Settled:
    """The bridge keeps it; what of it was asked for is remembered, and all that came since."""

    def __init__(self) -> None:
        self._known: dict[str, set[Mark]] = {}
        self._asked: set[str] = set()
        """The projects whose marks the bridge was asked for: of others only what came since is known."""

    async def of(self, context: Context, session: SessionView) -> set[Mark]:
        """All that was settled in the session's project; it grows with what is added.

        Raises RequestError where that can't be read now: it is asked for again, as nothing says that nothing
        was settled.
        """
        while session.project not in self._asked:
            found = await context.noted(session)
            # What came meanwhile is in there, whether or not it was read.
            self._remembered(session.project).update(found)
            self._asked.add(session.project)
        return self._known[session.project]

    async def add(self, context: Context, session: SessionView, marks: Set[Mark], *, keep: bool) -> None:
        """From now on these are settled; if they are to `keep`, also for the next daemon."""
        if keep:
            # A damaged database keeps nothing any more; this run of the daemon knows it all the same.
            with contextlib.suppress(RequestError):
                await context.note(session, marks)
        known = self._remembered(session.project)
        known |= marks
        if len(known) > MAX_MARKS:
            self._forget(session.project)

    def _remembered(self, project: str) -> set[Mark]:
        while project not in self._known and len(self._known) >= MAX_PROJECTS:
            self._forget(next(iter(self._known)))
        return self._known.setdefault(project, set())

    def _forget(self, project: str) -> None:
        del self._known[project]
        self._asked.discard(project)
