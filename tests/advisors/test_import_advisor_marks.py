"""What was settled is known from then on, whether or not anybody has asked for it before."""

from __future__ import annotations

from collections.abc import Collection, Set
from pathlib import Path
from typing import Any

import pytest

from bridge.advisors.import_advisor import MAX_MARKS, MAX_PROJECTS, SettledImports
from bridge.api import RequestError, SessionView
from bridge.core.errors import STORE_UNAVAILABLE

ONE, OTHER = b"1", b"2"


class Notes:
    """What the bridge keeps of one project's marks."""

    def __init__(self, *kept: bytes, damaged: bool = False) -> None:
        self.kept, self.damaged = set(kept), damaged

    async def note(self, session: SessionView, marks: Collection[bytes]) -> None:
        if self.damaged:
            raise RequestError(STORE_UNAVAILABLE, reason="it is damaged")
        self.kept.update(marks)

    async def marks(self, session: SessionView) -> Set[bytes]:
        if self.damaged:
            raise RequestError(STORE_UNAVAILABLE, reason="it is damaged")
        return set(self.kept)


def session(project: str = "p") -> SessionView:
    return SessionView("s", project, project, Path(), None, None, "en")


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("asked", [True, False])
async def test_what_is_settled_is_known_at_once_and_kept_if_it_is_to_be(keep: bool, asked: bool) -> None:
    notes: Any = Notes(OTHER)
    settled = SettledImports()
    if asked:
        assert await settled.of(notes, session()) == {OTHER}
    await settled.add(notes, session(), {ONE}, keep=keep)
    assert await settled.of(notes, session()) == {ONE, OTHER}
    assert notes.kept == ({ONE, OTHER} if keep else {OTHER})


async def test_where_it_cant_be_read_that_is_said_and_it_is_read_once_it_can_be() -> None:
    notes: Any = Notes(OTHER, damaged=True)
    settled = SettledImports()
    with pytest.raises(RequestError):
        await settled.of(notes, session())
    await settled.add(notes, session(), {ONE}, keep=True)
    with pytest.raises(RequestError):
        await settled.of(notes, session())
    notes.damaged = False
    # What couldn't be kept is known to this run of the daemon all the same.
    assert await settled.of(notes, session()) == {ONE, OTHER}


async def test_of_too_many_projects_or_marks_the_bridge_is_asked_again() -> None:
    notes: Any = Notes()
    settled = SettledImports()
    await settled.add(notes, session(), {ONE}, keep=False)
    for number in range(MAX_PROJECTS):
        await settled.of(notes, session(f"{number}"))
    assert await settled.of(notes, session()) == set()
    await settled.add(notes, session(), {str(n).encode() for n in range(MAX_MARKS + 1)}, keep=False)
    assert await settled.of(notes, session()) == set()
