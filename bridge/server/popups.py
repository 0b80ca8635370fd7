"""Stores and confirms answers to popups, and shares popups between editors of the same project."""

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
from bridge.core.session import is_replaced
from bridge.server.live_session import LiveSession, mates, workspace_of
from bridge.server.sessions import Sessions
from bridge.store.records import PermanentDamage
from bridge.store.sessions import SessionStore
from bridge.store.store import Store

Present = Callable[[LiveSession, Popup], Awaitable[None]]
Supersede = Callable[[LiveSession, Sequence[PopupClose]], None]
Spawn = Callable[[Coroutine[Any, Any, None], str], None]

MAX_ADOPTED = 64
"""An editor with this many open popups adopts no more; the others wait for the next editor."""


class NotNeeded(Exception):
    """The popup is already open in the session or was closed in the meantime."""


class SharedPopups:
    """Popups shared by the sessions of one `workspace`."""

    def __init__(self, sessions: Sessions, store: Store, spawn: Spawn, supersede: Supersede) -> None:
        """`spawn` runs a coroutine in a task, so that a slow editor doesn't delay others. `supersede` settles
        replaced popups."""
        self._sessions = sessions
        self._store = store
        self._spawn = spawn
        self._supersede = supersede
        self._adopting: set[str] = set()
        """Sessions that will adopt popups once the store works again."""

    def show(self, live: LiveSession, popup_id: int) -> None:
        """Shows a popup of `live` in the other connected editors of its workspace."""
        for mate in mates(live, self._sessions):
            if mate.is_editor:
                self._spawn(self._copy(live, mate, popup_id), f"showing popup {popup_id} to {mate.id}")

    def close(self, live: LiveSession, popup_id: int) -> Sequence[LiveSession]:
        """Closes a popup in the other sessions and returns those that had it open."""
        return [mate for mate in mates(live, self._sessions) if mate.session.popups.close(popup_id)]

    def tell(self, others: Sequence[LiveSession], closing: PopupClose) -> None:
        """Sends the closing of a popup to other sessions."""
        for mate in others:
            self._spawn(mate.send(closing), f"closing popup {closing.id} for {mate.id}")

    def is_shown_elsewhere(self, live: LiveSession, popup_id: int) -> bool:
        """Whether another session has a popup of `live` open, connected or not."""
        return bool(self._showing(live, popup_id))

    async def hand_over(self, live: LiveSession, popup_id: int) -> bool:
        """Assigns a popup that `live` can't show to another session that has it open, and returns False if
        there is none. Raises StoreError."""
        for mate in sorted(self._showing(live, popup_id), key=lambda mate: not mate.is_editor):
            popup = mate.session.popups.get(popup_id)
            assert popup is not None
            # Stored, so that it isn't lost when `live` ends.
            await self._store.write(partial(_hand_over, popup, mate.id), synced=False)
            return True
        return False

    def _showing(self, live: LiveSession, popup_id: int) -> list[LiveSession]:
        return [mate for mate in mates(live, self._sessions) if popup_id in mate.session.popups]

    def holders(self, live: LiveSession) -> Sequence[str]:
        """Returns the sessions whose popups `live` shows, its own first."""
        return [live.id, *(mate.id for mate in mates(live, self._sessions))]

    async def arrive(self, live: LiveSession, present: Present, announced: Collection[int] = ()) -> None:
        """Shows a newly connected editor the popups of other and of ended sessions.

        `announced` are the popups of other sessions that `ready` listed.
        """
        if not live.workspace:
            return
        await self.adopt_orphans(live, present)
        for mate in mates(live, self._sessions):
            for popup in tuple(mate.session.popups):
                await self._copy(mate, live, popup.id)
        for popup_id in announced:
            # It was closed before it was opened here. A second closing does no harm.
            if popup_id not in live.session.popups:
                await live.send(PopupClose(id=popup_id, reason="unknown"))

    async def bequeath(self, ended: LiveSession, present: Present) -> None:
        """Moves the open popups of an ended session to another session, preferably a connected one."""
        # A disconnected editor may still show it, and needs it stored as its own.
        heirs = sorted(mates(ended, self._sessions), key=lambda mate: not mate.is_editor)
        if heirs:
            await self.adopt_orphans(heirs[0], present)

    async def adopt_orphans(self, live: LiveSession, present: Present) -> None:
        """Adopts the open popups of ended sessions in the workspace. Retries later if the store fails."""
        try:
            await self._adopt_orphans(live, present)
        except PermanentDamage as error:
            log.error("session %s can't adopt popups of ended sessions: %s", live.id, error.reason)
        except StoreError as error:
            log.error("session %s adopts popups of ended sessions later: %s", live.id, error.reason)
            if live.id not in self._adopting:
                self._adopting.add(live.id)
                self._spawn(self._adopt_orphans_later(live, present), f"adopting popups for {live.id}")

    async def _adopt_orphans_later(self, live: LiveSession, present: Present) -> None:
        try:
            await self._store.insist(lambda: self._adopt_orphans(live, present))
        finally:
            self._adopting.discard(live.id)

    async def _adopt_orphans(self, live: LiveSession, present: Present) -> None:
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
            # It may have been answered or shown in the meantime.
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
        # The later popup covers the same subject.
        self._supersede(live, [PopupClose(id=popup_id, reason="superseded")])


def _is_replaced(popup: Popup, live: LiveSession) -> bool:
    """Whether a later popup that takes its place is open in `live`."""
    return any(one.id > popup.id and is_replaced(popup, one) for one in live.session.popups)


def _hand_over(popup: Popup, heir: str, db: Database) -> None:
    SessionStore(db).hand_over(popup, heir)


def _adopt(popup_id: int, session: str, db: Database) -> Popup | None:
    try:
        return SessionStore(db).adopt(popup_id, session)
    except (msgspec.DecodeError, TypeError) as error:
        log.error("popup %d is skipped: %s", popup_id, error)
        return None


log = logging.getLogger(__name__)


class PopupAnswers:
    """Stores and confirms answers to popups. Clients repeat an answer until it is confirmed."""

    def __init__(
        self, store: Store, sharing: SharedPopups, spawn: Spawn, act: Callable[[LiveSession, int], None]
    ) -> None:
        """`act` is called for each stored answer."""
        self._store = store
        self._sharing = sharing
        self._spawn = spawn
        self._act = act
        self._keeping: dict[int, list[LiveSession]] = {}
        """Answered popups that aren't stored yet, with the sessions to notify."""
        self._handing: dict[int, list[LiveSession]] = {}
        """Popups being assigned to other sessions, with the sessions that couldn't show them."""

    def is_waiting(self, live: LiveSession, popup_id: int) -> bool:
        """Whether the popup will be closed in `live` later."""
        return _concerns(live, self._keeping.get(popup_id, ())) or live in self._handing.get(popup_id, ())

    async def answered(self, live: LiveSession, answer: Answer, closing: PopupClose) -> None:
        """Stores the answer, starts the advisor's action and confirms the answer."""
        if answer.state != "answered":
            # Drop an action that no user chose, because advisors look at the action first.
            answer = Answer(id=answer.id, state=answer.state)
        if closing.reason == "unknown":
            await self._again(live, closing)
        elif closing.reason == "undeliverable" and self._sharing.is_shown_elsewhere(live, answer.id):
            self._begin_handover(live, answer.id)
            await self._do(live, answer.id, partial(self._hand_over, live, answer, closing))
        else:
            self._begin(live, answer.id)
            await self._do(live, answer.id, partial(self._keep, live, answer, closing))

    def expired(self, live: LiveSession, closing: PopupClose) -> None:
        """Stores that a popup has expired, and notifies its sessions."""
        self._begin(live, closing.id)
        keep = partial(self._keep, live, Answer(id=closing.id, state="expired"), closing)
        self._spawn(self._do(live, closing.id, keep), "closing what expired")

    async def _again(self, live: LiveSession, closing: PopupClose) -> None:
        # The first answer isn't stored yet.
        waiting = self._keeping.get(closing.id)
        if waiting is not None and _concerns(live, waiting):
            waiting += [] if live in waiting else [live]
        elif not self.is_waiting(live, closing.id):
            await live.send(closing)

    def _begin(self, live: LiveSession, popup_id: int) -> None:
        # Right away, so that no other session can answer it.
        live.session.popups.close(popup_id)
        others = [*self._handing.pop(popup_id, ()), *self._sharing.close(live, popup_id)]
        self._keeping[popup_id] = [*others, live]
        live.keeping += 1

    async def _keep(self, live: LiveSession, answer: Answer, closing: PopupClose) -> None:
        # Not synced, so that buttons respond immediately; after a power failure, the popup is shown again.
        await self._store.write(lambda db: SessionStore(db).answered(live.id, answer), synced=False)
        live.keeping -= 1
        log.info("session %s: popup %d: %s %s", live.id, answer.id, answer.state, answer.action or "")
        self._act(live, answer.id)
        others = [each for each in self._keeping.pop(answer.id, []) if each is not live]
        self._sharing.tell(others, closing)
        await live.send(closing)

    def _begin_handover(self, live: LiveSession, popup_id: int) -> None:
        waiting = self._handing.setdefault(popup_id, [])
        waiting += [] if live in waiting else [live]
        live.keeping += 1

    async def _hand_over(self, live: LiveSession, answer: Answer, closing: PopupClose) -> None:
        is_kept = await self._sharing.hand_over(live, answer.id)
        is_waiting = live in self._handing.get(answer.id, ())
        if is_waiting and not is_kept:
            # The other session has ended.
            self._begin(live, answer.id)
            keep = partial(self._keep, live, answer, closing)
            self._spawn(self._do(live, answer.id, keep), f"storing the answer to popup {answer.id}")
        live.keeping -= 1
        # Otherwise it was answered in the meantime, which notified all sessions.
        if is_waiting and is_kept:
            self._finish_handover(live, answer.id)
            await live.send(closing)

    def _finish_handover(self, live: LiveSession, popup_id: int) -> None:
        left = [each for each in self._handing.pop(popup_id, ()) if each is not live]
        if left:
            self._handing[popup_id] = left

    async def _do(self, live: LiveSession, popup_id: int, keep: Callable[[], Awaitable[None]]) -> None:
        """Runs `keep`, in a task if the store fails, so that the client's other messages aren't delayed."""
        if not self._store.trouble:
            with contextlib.suppress(StoreError):
                await keep()
                return
        self._spawn(self._insist(live, popup_id, keep), f"storing the outcome of popup {popup_id}")

    async def _insist(self, live: LiveSession, popup_id: int, keep: Callable[[], Awaitable[None]]) -> None:
        try:
            await self._store.insist(keep)
        except StoreError:
            self._keeping.pop(popup_id, None)
            self._finish_handover(live, popup_id)
            live.keeping -= 1
            raise


def _concerns(live: LiveSession, waiting: Sequence[LiveSession]) -> bool:
    """Whether a session has shown the popup that `waiting` hear about; others learn nothing of it."""
    return live in waiting or any(live.workspace == one.workspace != "" for one in waiting)
