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
    """The bridge keeps it; what of it was asked for is remembered."""

    def __init__(self) -> None:
        self._known: dict[str, set[Mark]] = {}
        self._additions = 0

    async def of(self, context: Context, session: SessionView) -> set[Mark]:
        """All that was settled in the session's project; it grows with what is added."""
        while (known := self._known.get(session.project)) is None:
            additions = self._additions
            found = await _noted(context, session)
            # What came meanwhile may have been read, or not.
            if self._additions == additions:
                self._remember(session.project, set(found))
        return known

    async def add(self, context: Context, session: SessionView, marks: Set[Mark], *, keep: bool) -> None:
        """From now on these are settled; if they are to `keep`, also for the next daemon."""
        if keep:
            # A damaged database keeps nothing any more; this run of the daemon knows it all the same.
            with contextlib.suppress(RequestError):
                await context.note(session, marks)
        self._additions += 1
        # Asked for first: what isn't kept would be known to nobody.
        known = await self.of(context, session)
        known |= marks
        if len(known) > MAX_MARKS:
            del self._known[session.project]

    def _remember(self, project: str, marks: set[Mark]) -> None:
        while len(self._known) >= MAX_PROJECTS:
            self._known.pop(next(iter(self._known)))
        self._known[project] = marks


async def _noted(context: Context, session: SessionView) -> Set[Mark]:
    try:
        return await context.noted(session)
    except RequestError:
        return frozenset()
