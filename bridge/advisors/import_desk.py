"""What lies on the import advisor's table for one session, between its events and its popup."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct, field

from bridge.advisors.advice import Advice, Asset, FileAdvice
from bridge.advisors.import_popups import KIND
from bridge.api import Popup


class Desk(Struct):
    """What lies on the table for one session. Only an optimisation: popups keep what matters."""

    gathering: dict[str, Asset] = field(default_factory=dict)
    """The frames of a batch so far."""
    waiting: dict[str, Asset] = field(default_factory=dict)
    """Whole batches that nobody has looked at yet."""
    busy: bool = False
    is_recalled: bool = False
    """Whether it is known what an earlier run of the daemon has asked."""
    dedupe: str | None = None
    """Of the popup that asks, if one is open."""
    popup_id: int | None = None
    files: dict[str, FileAdvice] = field(default_factory=dict)
    """What the open popup asks about."""

    def open(self, files: dict[str, FileAdvice]) -> str:
        """A popup asks about `files` from now on; gives its `dedupe`."""
        self.dedupe = self.dedupe or f"texture.import:{uuid.uuid4().hex[:12]}"
        self.files = files
        return self.dedupe

    def recall(self, shown: Sequence[tuple[Popup, Any]]) -> None:
        """Builds upon the last that asks of `shown`, the open popups and their states."""
        self.is_recalled = True
        for popup, state in shown:
            if popup.kind == KIND and popup.dedupe:
                self.dedupe, self.popup_id = popup.dedupe, popup.id
                self.files = {file.path: file for file in msgspec.convert(state, Advice).files}

    def close(self) -> None:
        self.dedupe, self.popup_id, self.files = None, None, {}

    def settled(self, popup: Popup) -> None:
        """`popup` was answered, dismissed or let expire."""
        if popup.dedupe == self.dedupe:
            self.close()
