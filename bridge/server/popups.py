"""Answers confirmed; popups shared by editors."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec import UNSET
from sqlite_utils import Database

from bridge.core.errors import StoreError
from bridge.core.messages import Answer, Numbered, Popup, PopupClose
from bridge.server.live_session import LiveSession, mates, workspace_of
from bridge.server.sessions import Sessions
from bridge.store.records import PermanentDamage
from bridge.store.sessions import SessionStore
from bridge.store.store import Store

Present = Callable[[LiveSession, Popup], Awaitable[None]]
Supersede = Callable[[LiveSession, Sequence[PopupClose]], None]
Spawn = Callable[[Coroutine[Any, Any, None], str], None]

MAX_ADOPTED = 64
"""Popups that an editor has open when it takes over no more: those that come later wait for the next."""


class NotNeeded(Exception):
    """A popup needn't be shown to somebody: it is open there, or was settled meanwhile."""


class SharedPopups:
    """Between sessions with the same `workspace`."""

    def __init__(self, sessions: Sessions, store: Store, spawn: Spawn, supersede: Supersede) -> None:
        """`spawn` has something done beside everything else: a slow editor holds up no other. `supersede`
        settles popups whose place another has taken."""
        self._sessions = sessions
        self._store = store
        self._spawn = spawn
        self._supersede = supersede
        self._inheriting: set[str] = set()
        """Sessions that take over what was left once something can be kept."""

    def show(self, live: LiveSession, popup_id: int) -> None:
        """Shows a popup that is open in `live` to the other editors that are connected."""
        for mate in mates(live, self._sessions):
            if mate.is_editor:
                self._spawn(self._copy(live, mate, popup_id), f"showing popup {popup_id} to {mate.id}")

    def close(self, live: LiveSession, popup_id: int) -> Sequence[LiveSession]:
        """A popup isn't open any more in the other sessions; gives those in which it was, to be told."""
        return [mate for mate in mates(live, self._sessions) if mate.session.popups.close(popup_id)]

    def tell(self, others: Sequence[LiveSession], closing: PopupClose) -> None:
        """Takes a popup that `close` has closed from their screens."""
        for mate in others:
            self._spawn(mate.send(closing), f"closing popup {closing.id} for {mate.id}")

    def is_shown_elsewhere(self, live: LiveSession, popup_id: int) -> bool:
        """Whether another editor has a popup of `live` open; one that is away comes back, or leaves it."""
        return bool(self._showing(live, popup_id))

    async def hand_over(self, live: LiveSession, popup_id: int) -> bool:
        """Leaves a popup that `live` can't show to another editor that has it open, and keeps that; False
        where there is none. Raises StoreError."""
        for mate in sorted(self._showing(live, popup_id), key=lambda mate: not mate.is_editor):
            popup = mate.session.popups.get(popup_id)
            assert popup is not None
            # Else it would be nobody's, once that editor goes.
            await self._store.write(partial(_hand_over, popup, mate.id), synced=False)
            return True
        return False

    def _showing(self, live: LiveSession, popup_id: int) -> list[LiveSession]:
        return [mate for mate in mates(live, self._sessions) if popup_id in mate.session.popups]

    def holders(self, live: LiveSession) -> Sequence[str]:
        """The sessions whose popups `live` shows: its own first."""
        return [live.id, *(mate.id for mate in mates(live, self._sessions))]

    async def arrive(self, live: LiveSession, present: Present, announced: Collection[int] = ()) -> None:
        """Shows to an editor that has just connected what is open for others, or was left by sessions that
        are over. `announced` are popups of others that it was told to be open."""
        if not live.workspace:
            return
        await self.inherit(live, present)
        for mate in mates(live, self._sessions):
            for popup in tuple(mate.session.popups):
                await self._copy(mate, live, popup.id)
        for popup_id in announced:
            # What was closed before it was open here, nobody has told; what was told already does no harm.
            if popup_id not in live.session.popups:
                await live.send(PopupClose(id=popup_id, reason="unknown"))

    async def bequeath(self, ended: LiveSession, present: Present) -> None:
        """What a session that is over left open goes to an editor that is connected, if there is one; else to
        one that is away, or to the next that comes."""
        # One that is away may have it on its screen, where it stays only if the next daemon knows that, too.
        heirs = sorted(mates(ended, self._sessions), key=lambda mate: not mate.is_editor)
        if heirs:
            await self.inherit(heirs[0], present)

    async def inherit(self, live: LiveSession, present: Present) -> None:
        """Takes over what sessions of the same workspace that are over left open, later where nothing can be
        kept now."""
        try:
            await self._inherit(live, present)
        except PermanentDamage as error:
            log.error("popups that are left stay away from session %s: %s", live.id, error.reason)
        except StoreError as error:
            log.error("popups that are left for session %s have to wait: %s", live.id, error.reason)
            if live.id not in self._inheriting:
                self._inheriting.add(live.id)
                self._spawn(self._inherit_later(live, present), f"popups that are left for {live.id}")

    async def _inherit_later(self, live: LiveSession, present: Present) -> None:
        try:
            await self._store.insist(lambda: self._inherit(live, present))
        finally:
            self._inheriting.discard(live.id)

    async def _inherit(self, live: LiveSession, present: Present) -> None:
        for popup_id in await self._orphans(live):
            if live.ended or len(live.session.popups) >= MAX_ADOPTED:
                return
            popup = await self._store.write(partial(_adopt, popup_id, live.id), synced=False)
            if popup is None or popup_id in live.session.popups:
                continue
            if _is_replaced(popup, live):
                self._replaced(popup_id, live)
            else:
                await present(live, popup)

    async def _orphans(self, live: LiveSession) -> Sequence[int]:
        left = await self._store.read(lambda connection: SessionStore(Database(connection)).left_open())
        return [popup_id for popup_id, identify in left if workspace_of(identify) == live.workspace]

    async def _copy(self, source: LiveSession, mate: LiveSession, popup_id: int) -> None:
        popup = source.session.popups.get(popup_id)
        if popup is None or popup_id in mate.session.popups:
            return
        superseded: list[PopupClose] = []

        async def keep(numbered: Numbered) -> None:
            assert isinstance(numbered, Popup)
            # While others were sent it may have been answered, or shown.
            if popup_id not in source.session.popups or popup_id in mate.session.popups:
                raise NotNeeded
            if _is_replaced(numbered, mate):
                self._replaced(popup_id, mate)
                raise NotNeeded
            superseded.extend(mate.open(numbered))
            self._supersede(mate, superseded)

        with contextlib.suppress(NotNeeded):
            await mate.send(msgspec.structs.replace(popup, seq=UNSET), keep)
            for closing in superseded:
                await mate.send(closing)

    def _replaced(self, popup_id: int, live: LiveSession) -> None:
        # Neither editor was there to see the other's: the later one asks about all of it.
        self._supersede(live, [PopupClose(id=popup_id, reason="superseded")])


def _is_replaced(popup: Popup, live: LiveSession) -> bool:
    """Whether a later one about the same is open in `live`."""
    later = (one for one in live.session.popups if one.id > popup.id)
    return bool(popup.dedupe) and any(one.dedupe == popup.dedupe for one in later)


def _hand_over(popup: Popup, heir: str, db: Database) -> None:
    SessionStore(db).hand_over(popup, heir)


def _adopt(popup_id: int, session: str, db: Database) -> Popup | None:
    try:
        return SessionStore(db).adopt(popup_id, session)
    except (msgspec.DecodeError, TypeError) as error:
        log.error("popup %d is left out: %s", popup_id, error)
        return None


log = logging.getLogger(__name__)


class PopupAnswers:
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
