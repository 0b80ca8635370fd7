"""Advisors at work: events go in, popups come out, answers are acted on once, whatever dies in between."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec import UNSET
from sqlite_utils import Database

from accel.given import plain
from accel.text import text
from bridge.api import Advisor
from bridge.core import errors
from bridge.core.errors import RequestError, StoreError
from bridge.core.messages import MAX_FRAME, Answer, Event, Numbered, Popup, PopupClose
from bridge.server.commands import Commands
from bridge.server.confirming import Confirming
from bridge.server.context import AdvisorContext
from bridge.server.live import LiveSession
from bridge.server.rules import RuleKeeper
from bridge.server.runner import Runner
from bridge.server.sendable import sendable
from bridge.server.sessions import Sessions
from bridge.server.shared_popups import SharedPopups
from bridge.store.failures import LastingDamage
from bridge.store.marks import MarkStore
from bridge.store.records import StoredPopup, pack, unpack
from bridge.store.sessions import SessionStore
from bridge.store.store import Store

log = logging.getLogger(__name__)

MAX_POPUPS = 256
"""Most open popups of one session: nobody reads more, and each is kept."""
MAX_EVENTS = 256
"""Most events of one session that advisors are at work on; what comes on top of them goes unadvised."""


class Flows:
    """All advisors, and the popups that they have open."""

    def __init__(
        self,
        advisors: Mapping[str, Advisor],
        settings: Mapping[str, Any],
        runner: Runner,
        commands: Commands,
        store: Store,
        sessions: Sessions,
    ) -> None:
        self._advisors = advisors
        self._asks = {ask: advisor for advisor in advisors.values() for ask in advisor.asks}
        self.settings = settings
        self.runner = runner
        self.commands = commands
        self.store = store
        self.rules = RuleKeeper(store)
        self.sharing = SharedPopups(sessions, store, self.spawn, self._supersede)
        self._tasks: set[asyncio.Task[None]] = set()
        self._confirming = Confirming(store, self.sharing, self.spawn, self.act)
        self._closed = False

    def event(self, live: LiveSession, event: Event) -> None:
        """Tells every advisor that watches such events; none of them holds up the session."""
        for advisor in self._advisors.values():
            if event.name not in advisor.events or self._closed:
                continue
            if live.events >= MAX_EVENTS:
                log.warning(
                    "session %s reports faster than advisors work: %s passed over", live.id, event.name
                )
                return
            self.spawn(self._watch(advisor, live, event), f"{advisor.name} on {event.name}")

    async def _watch(self, advisor: Advisor, live: LiveSession, event: Event) -> None:
        live.events += 1
        try:
            await advisor.on_event(AdvisorContext(self, advisor, live), live.view, event)
        finally:
            live.events -= 1

    async def ask(self, live: LiveSession, name: str, params: Mapping[str, Any]) -> Any:
        """What the advisor answers that can be asked under `name`. Raises RequestError, and ValueError for an
        answer that isn't of plain types."""
        advisor = self._asks[name]
        # Who asked is told that the store fails, and asks again.
        context = AdvisorContext(self, advisor, live, patient=False)
        return plain(await advisor.on_ask(context, live.view, name, params))

    async def answered(self, live: LiveSession, answer: Answer, closing: PopupClose) -> None:
        """Keeps the answer, has its advisor act on it, and confirms it."""
        await self._confirming.answered(live, answer, closing)

    async def _stored(self, popup_id: int) -> StoredPopup | None:
        return await self.store.read(
            lambda connection: SessionStore(Database(connection)).popup(popup_id), brief=False
        )

    def _settled(self, popup_id: int) -> None:
        self._keep_soon(lambda db: SessionStore(db).settled(popup_id), popup_id)

    def _keep_soon(self, work: Callable[[Database], None], popup_id: int) -> None:
        """Keeps that a popup isn't open any more; the next daemon would ask it again, else."""

        def persist() -> None:
            if self._closed:
                log.error("that popup %d is closed can't be kept: the next daemon asks it again", popup_id)
            else:
                self.spawn(self.store.persist(work, synced=False), f"keeping that popup {popup_id} is closed")

        if self.store.trouble:
            persist()
        else:
            # Also where the daemon stops now.
            self.store.submit(work, persist)

    def act(self, live: LiveSession, popup_id: int) -> None:
        """Has the advisor act on a kept answer; what an earlier try did isn't done again."""
        if not self._closed:
            # At once: a client that is done now takes nothing of it away.
            live.answers += 1
            self.spawn(self._acting(live, popup_id), f"acting on the answer to popup {popup_id}")

    async def _acting(self, live: LiveSession, popup_id: int) -> None:
        try:
            await self._act(live, popup_id)
        finally:
            live.answers -= 1

    async def _act(self, live: LiveSession, popup_id: int) -> None:
        """The answer is settled whatever its advisor raises, unless nothing can be kept any more.

        Raises StoreError, where the popup itself can't be read either: it stays as it is, for whoever mends
        the database.
        """
        with live.held():
            stored = await self.store.insist(lambda: self._stored(popup_id))
        if stored is None or stored.answer is None or stored.status != "answered":
            return
        advisor = self._advisors.get(stored.advisor)
        if advisor is None:
            log.warning("popup %d was answered, but its advisor %s is gone", popup_id, stored.advisor)
            self._settled(popup_id)
            return
        try:
            popup, answer = unpack(stored.message, Popup), unpack(stored.answer, Answer)
            state = unpack(stored.state)
        except msgspec.DecodeError as error:
            self._tell(popup_id, error)
            return
        if answer.state == "undeliverable":
            # A receipt tells what was changed, and nothing was: only here anybody learns of it.
            log.warning(
                "popup %d, %r, couldn't be shown by %s: nobody was asked",
                popup_id,
                popup.title,
                live.described,
            )
        context = AdvisorContext(self, advisor, live, parent=popup_id)
        # A daemon that stops in the middle, or whose store was closed, leaves the answer for the next one.
        stopped = False
        try:
            await advisor.on_answer(context, live.view, popup, state, answer)
        except StoreError:
            stopped = True
            raise
        finally:
            if not stopped and not asyncio.current_task().cancelling():  # type: ignore[union-attr]
                self._settled(popup_id)

    async def show(
        self, live: LiveSession, advisor: Advisor, popup: Popup, state: Any, parent: tuple[int, int] | None
    ) -> int:
        """Keeps and shows a popup; gives its id. The same step of the same `parent` is shown once.

        Raises RequestError, and TypeError or ValueError for a popup that no client could read.
        """
        popup = sendable(popup, Popup)
        live.expect(popup)
        if sum(1 for _ in live.session.popups) >= MAX_POPUPS:
            says = f"This editor has {MAX_POPUPS} open popups, its most."
            raise RequestError(errors.OVERLOADED, text("Answer or dismiss some."), message=says)
        packed = msgspec.Raw(pack(state))
        popup_id, is_new = await self.store.write(
            lambda db: SessionStore(db).reserve_popup(live.id, advisor.name, popup, packed, parent),
            synced=False,
            brief=len(packed) <= MAX_FRAME,
        )
        if is_new:
            await self.present(live, msgspec.structs.replace(popup, id=popup_id))
        return popup_id

    async def opened(self, live: LiveSession, advisor: Advisor) -> list[tuple[Popup, Any]]:
        """The advisor's popups in the session that nobody has answered, oldest first, and their states.

        Those that can't be read any more, in a damaged file, are left out.
        """
        found = []
        holders = self.sharing.holders(live)
        for popup_id in await self.store.read(
            lambda connection: SessionStore(Database(connection)).unsettled_ids(*holders)
        ):
            try:
                one = await self._stored(popup_id)
                if one is not None and one.advisor == advisor.name and one.status == "open":
                    popup = msgspec.structs.replace(unpack(one.message, Popup), id=one.id)
                    found.append((popup, unpack(one.state)))
            except LastingDamage as error:
                log.error("popup %d is left out: %s", popup_id, error.reason)
            except msgspec.DecodeError as error:
                self._tell(popup_id, error)
        return found

    def _tell(self, popup_id: int, error: msgspec.DecodeError) -> None:
        log.error(
            "popup %d can't be read: %s is damaged (%s); stop the bridge and run `popbridge db check`",
            popup_id, self.store.path, error,
        )  # fmt: skip

    async def take_away(self, live: LiveSession) -> None:
        """Of what its editor gets once more, closes what was closed since: nobody may have told it."""
        # A connection that is dead takes a popup's closing with it, until that is noticed.
        for message in live.session.waiting:
            if not isinstance(message, Popup) or message.id in live.session.popups:
                continue
            if not self._confirming.is_waiting(live, message.id):
                await live.send(PopupClose(id=message.id, reason="unknown"))

    async def show_again(self, live: LiveSession) -> None:
        """The editor was restarted: what was on its screen comes again, under the old ids."""
        waiting = {message.id for message in live.session.waiting if isinstance(message, Popup)}
        for popup in tuple(live.session.popups):
            if popup.id not in waiting and popup.id in live.session.popups:
                await self.present(live, msgspec.structs.replace(popup, seq=UNSET))

    async def present(self, live: LiveSession, popup: Popup) -> None:
        """Sends and opens a kept popup, whose row keeps the number too; closes those whose place it takes.

        Other editors that have the project open show it, too.
        """
        superseded: list[PopupClose] = []

        async def keep(numbered: Numbered) -> None:
            assert isinstance(numbered, Popup)
            try:
                await self.store.write(
                    lambda db: SessionStore(db).popup_sent(live.id, numbered), synced=False
                )
            except StoreError as error:
                # Without its number the next daemon would send it once more, under the same id.
                log.error("the number of popup %d isn't kept: %s", popup.id, error.reason)
            superseded.extend(live.open(numbered))
            # At once: until this editor reads, others would answer what is asked no more.
            self._supersede(live, superseded)
            self.sharing.show(live, popup.id)

        await live.send(popup, keep)
        for closing in superseded:
            await live.send(closing)

    def _supersede(self, live: LiveSession, closings: Sequence[PopupClose]) -> None:
        """Settles popups whose place another has taken in `live`."""
        for closing in closings:
            self._keep_soon(partial(_superseded, closing.id), closing.id)
            self.sharing.tell(self.sharing.close(live, closing.id), closing)

    async def note(self, advisor: Advisor, project: str, marks: Collection[bytes]) -> None:
        """Keeps what the advisor has settled in a project."""
        await self.store.write(
            lambda db: MarkStore(db).add(advisor.name, project, marks),
            synced=False,
            brief=False,
        )

    async def noted(self, advisor: Advisor, project: str) -> set[bytes]:
        """What the advisor has settled in a project."""
        return await self.store.read(
            lambda connection: MarkStore(Database(connection)).of(advisor.name, project), brief=False
        )

    async def withdraw(self, live: LiveSession, popup_id: int) -> None:
        """Closes an open popup that nobody needs to answer any more."""
        closing = PopupClose(id=popup_id, reason="superseded")
        mates = self.sharing.close(live, popup_id)
        is_open = live.session.popups.close(popup_id)
        if is_open or mates:
            self._settled(popup_id)
            self.sharing.tell(mates, closing)
        if is_open:
            await live.send(closing)

    def expire(self, live: LiveSession, now: float) -> None:
        """Settles the popups that nobody answered in time."""
        for closing in live.session.popups.expire(now):
            self._confirming.expired(live, closing)

    async def close(self) -> None:
        """Stops what is under way; answers that weren't acted on are left for the next run."""
        self._closed = True
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def spawn(self, work: Coroutine[Any, Any, None], what: str) -> None:
        """Has `work` done beside everything else; whatever it raises is logged, as of `what`."""

        async def run() -> None:
            try:
                await work
            except (RequestError, StoreError) as error:
                log.warning("%s: %s", what, error)
            except asyncio.CancelledError:
                raise
            except BaseException:
                # A third party's advisor may fail in any way, even by SystemExit: it must not take the
                # daemon with it.
                log.exception("%s failed", what)

        task = asyncio.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())  # it may have been cancelled before it began


def _superseded(popup_id: int, db: Database) -> None:
    SessionStore(db).superseded(popup_id)
