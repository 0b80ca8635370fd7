"""What lies on the import advisor's table for one project, between its editors' events and their popup."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Iterator

from msgspec import Struct, field

from bridge.advisors.advice import Asset, FileAdvice
from bridge.api import Context, Popup, SessionView


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


class Desk(Struct):
    """What lies on the table for a project's editors. Only an optimisation: popups keep what matters."""

    gathering: dict[str, Asset] = field(default_factory=dict)
    """The frames of a batch so far."""
    waiting: dict[str, Asset] = field(default_factory=dict)
    """Whole batches that nobody has looked at yet."""
    busy: bool = False
    answers: int = 0
    """Those that are being noted."""
    noted: asyncio.Event = field(default_factory=_set)
    """Set while there are none."""
    relief: tuple[Context, SessionView] | None = None
    """Whose editor reported something meanwhile, and may go on where the one that is asked fails."""
    is_recalled: bool = False
    """Whether it is known what an earlier run of the daemon has asked."""
    dedupe: str | None = None
    """Of the popup that asks, if one is open."""
    popup_id: int | None = None
    files: dict[str, FileAdvice] = field(default_factory=dict)
    """What the open popup asks about."""

    @property
    def is_idle(self) -> bool:
        """Whether nobody is at work on it."""
        return not self.busy and not self.answers

    @contextlib.contextmanager
    def noting(self) -> Iterator[None]:
        """What an answer settles is being noted: until that is done, nothing is asked."""
        self.answers += 1
        self.noted.clear()
        try:
            yield
        finally:
            self.answers -= 1
            if not self.answers:
                self.noted.set()

    def open(self, files: dict[str, FileAdvice]) -> str:
        """A popup asks about `files` from now on; gives its `dedupe`."""
        self.dedupe = self.dedupe or f"texture.import:{uuid.uuid4().hex[:12]}"
        self.files = files
        return self.dedupe

    def recall(self, popup: Popup, files: dict[str, FileAdvice]) -> None:
        """`popup` of an earlier run asks about `files`: the next builds upon it."""
        assert popup.dedupe
        self.dedupe, self.popup_id, self.files = popup.dedupe, popup.id, files

    def close(self) -> dict[str, FileAdvice]:
        """Nothing is asked any more; gives what was."""
        files = self.files
        self.dedupe, self.popup_id, self.files = None, None, {}
        return files

    def settled(self, popup: Popup) -> dict[str, FileAdvice]:
        """`popup` was answered, dismissed or let expire; gives what it asked about, if it was the last."""
        return self.close() if popup.dedupe == self.dedupe else {}
