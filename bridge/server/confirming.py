"""Answers to popups: each is kept, or its popup left to another editor, before its editor hears of it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from bridge.core.errors import StoreError
from bridge.core.messages import Answer, PopupClose
from bridge.server.live import LiveSession
from bridge.server.shared_popups import SharedPopups, Spawn
from bridge.store.sessions import SessionStore
from bridge.store.store import Store

log = logging.getLogger(__name__)


class Confirming:
    """What clients have said of popups, until they may forget it: nobody sends again what is confirmed."""

    def __init__(
        self, store: Store, sharing: SharedPopups, spawn: Spawn, act: Callable[[LiveSession, int], None]
    ) -> None:
        """`act` is told of each answer that is kept."""
        self._store = store
        self._sharing = sharing
        self._spawn = spawn
        self._act = act
        self._keeping: dict[int, list[LiveSession]] = {}
        """Popups that are answered, which isn't kept yet, and who is told once it is."""
        self._handing: dict[int, list[LiveSession]] = {}
        """Popups that are left to others, which isn't kept yet, and who couldn't show them."""

    def is_waiting(self, live: LiveSession, popup_id: int) -> bool:
        """Whether `live` is told later that the popup is closed."""
        return popup_id in self._keeping or live in self._handing.get(popup_id, ())

    async def answered(self, live: LiveSession, answer: Answer, closing: PopupClose) -> None:
        """Keeps the answer, has its advisor act on it, and confirms it."""
        if answer.state != "answered":
            # Advisors look at the action first: one that nobody has pressed must not be done.
            answer = Answer(id=answer.id, state=answer.state)
        if closing.reason == "unknown":
            await self._again(live, closing)
        elif closing.reason == "undeliverable" and self._sharing.is_shown_elsewhere(live, answer.id):
            self._leave(live, answer.id)
            await self._do(live, answer.id, partial(self._hand_over, live, answer, closing))
        else:
            self._begin(live, answer.id)
            await self._do(live, answer.id, partial(self._keep, live, answer, closing))

    def expired(self, live: LiveSession, closing: PopupClose) -> None:
        """Nobody has answered in time, which is kept and told like an answer."""
        self._begin(live, closing.id)
        keep = partial(self._keep, live, Answer(id=closing.id, state="expired"), closing)
        self._spawn(self._do(live, closing.id, keep), "closing what expired")

    async def _again(self, live: LiveSession, closing: PopupClose) -> None:
        # A daemon that is killed now knows of no answer.
        if (told := self._keeping.get(closing.id)) is not None:
            told += [] if live in told else [live]
        elif not self.is_waiting(live, closing.id):
            await live.send(closing)

    def _begin(self, live: LiveSession, popup_id: int) -> None:
        # At once: nobody else answers it from now on.
        live.session.popups.close(popup_id)
        others = [*self._handing.pop(popup_id, ()), *self._sharing.close(live, popup_id)]
        self._keeping[popup_id] = [*others, live]
        live.keeping += 1

    async def _keep(self, live: LiveSession, answer: Answer, closing: PopupClose) -> None:
        # What the power takes away is asked once more: nobody waits for the disk when pressing a button.
        await self._store.write(lambda db: SessionStore(db).answered(live.id, answer), synced=False)
        live.keeping -= 1
        log.info("session %s: popup %d is %s %s", live.id, answer.id, answer.state, answer.action or "")
        self._act(live, answer.id)
        others = [each for each in self._keeping.pop(answer.id, []) if each is not live]
        self._sharing.tell(others, closing)
        await live.send(closing)

    def _leave(self, live: LiveSession, popup_id: int) -> None:
        waiting = self._handing.setdefault(popup_id, [])
        waiting += [] if live in waiting else [live]
        live.keeping += 1

    async def _hand_over(self, live: LiveSession, answer: Answer, closing: PopupClose) -> None:
        is_kept = await self._sharing.hand_over(live, answer.id)
        is_waiting = live in self._handing.get(answer.id, ())
        if is_waiting and not is_kept:
            # Who had it open is gone.
            self._begin(live, answer.id)
            keep = partial(self._keep, live, answer, closing)
            self._spawn(self._do(live, answer.id, keep), f"keeping the answer to popup {answer.id}")
        live.keeping -= 1
        # Else who answered meanwhile has all told.
        if is_waiting and is_kept:
            self._stay(live, answer.id)
            await live.send(closing)

    def _stay(self, live: LiveSession, popup_id: int) -> None:
        left = [each for each in self._handing.pop(popup_id, ()) if each is not live]
        if left:
            self._handing[popup_id] = left

    async def _do(self, live: LiveSession, popup_id: int, keep: Callable[[], Awaitable[None]]) -> None:
        """`keep`; what else the client says needn't wait for it where the store fails."""
        if not self._store.trouble:
            with contextlib.suppress(StoreError):
                await keep()
                return
        self._spawn(self._insist(live, popup_id, keep), f"keeping what came of popup {popup_id}")

    async def _insist(self, live: LiveSession, popup_id: int, keep: Callable[[], Awaitable[None]]) -> None:
        try:
            await self._store.insist(keep)
        except StoreError:
            self._keeping.pop(popup_id, None)
            self._stay(live, popup_id)
            live.keeping -= 1
            raise
