"""What a client knows of a session over all its connections: what was handled, what isn't confirmed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from msgspec import UNSET

from bridge.core.messages import Answer, Error, Popup, Ready, Result

KEPT_REPLIES = 64
"""Answers to commands that are kept, in case that the daemon asks again after a reconnect."""


class Handled:
    """The daemon's numbered messages as a client has dealt with them; handlers finish in any order."""

    def __init__(self, last_seq: int = 0) -> None:
        self.last_seq = last_seq
        """The highest number received."""
        self.unconfirmed: dict[int, Answer] = {}
        """Answers to popups that no `popup_close` has confirmed, by the popup's id."""
        self.replies: dict[int, Result | Error] = {}
        """The last answers to commands, by the command's id."""
        self.shown: dict[int, int] = {}
        """Popups that no `popup_close` has taken away: the number that each came by, by id."""
        self.tasks: set[asyncio.Task[None]] = set()
        """Handlers at work; they go on when a connection is lost."""
        self._busy: set[int] = set()
        self._broken_off: set[int] = set()

    def take(self, seq: int) -> bool:
        """Whether it is to be handled now: its number is new, or its handler was broken off."""
        again = seq in self._broken_off
        self._broken_off.discard(seq)
        is_new = seq > self.last_seq
        self.last_seq = max(self.last_seq, seq)
        return is_new or again

    def begin(self, seq: int) -> None:
        """A handler is at work on it."""
        self._busy.add(seq)

    def done(self, seq: int) -> None:
        self._busy.discard(seq)

    def ended(self, task: asyncio.Task[None], work: Awaitable[None], seq: int | None) -> None:
        """The task that does `work` for the message `seq`, or for none, has come to an end."""
        self.tasks.discard(task)
        # Cancelled before it began, it hasn't even taken it up.
        if asyncio.iscoroutine(work):
            work.close()
        if task.cancelled() and seq is not None:
            self.break_off(seq)

    def break_off(self, seq: int) -> None:
        """Its handler won't finish: the daemon is asked for it once more."""
        self._busy.discard(seq)
        self._broken_off.add(seq)

    @property
    def through(self) -> int:
        """The number through which all are handled, as the daemon takes it from `ack` and `resume`."""
        return min(self._busy | self._broken_off, default=self.last_seq + 1) - 1

    def show(self, popup: Popup) -> bool:
        """Whether it is to be shown: it isn't on the screen already, or its handler was broken off."""
        seq = popup.seq if isinstance(popup.seq, int) else 0
        known = self.shown.get(popup.id)
        self.shown[popup.id] = seq
        # It comes by the same number once more only where its handler was.
        return known in (None, seq) or known in self._broken_off

    def close(self, popup_id: int) -> None:
        """A popup is settled, and its answer confirmed."""
        self.shown.pop(popup_id, None)
        self.unconfirmed.pop(popup_id, None)

    def closed(self, ready: Ready) -> list[int]:
        """The popups that were closed while no connection was there, and whose `popup_close` never comes."""
        still = self.shown.keys() if ready.popups is UNSET else {*ready.popups, *self.unconfirmed}
        return sorted(self.shown.keys() - still)

    def keep(self, reply: Result | Error) -> None:
        """Keeps the answer to a command, and no more of them than a reconnect may need."""
        assert isinstance(reply.id, int)
        self.replies[reply.id] = reply
        if len(self.replies) > KEPT_REPLIES:
            del self.replies[next(iter(self.replies))]
