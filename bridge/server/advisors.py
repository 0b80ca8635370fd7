"""Advisor host: events, asks, answers; Context."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence, Set
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET
from sqlite_utils import Database

from accel.text import AnyText, Text, text
from accel.workload import Input, to_builtins
from bridge.api import Advisor, RunResult, SessionView
from bridge.core import errors
from bridge.core.errors import RequestError, StoreError
from bridge.core.messages import MAX_FRAME, Answer, Event, Numbered, Popup, PopupClose
from bridge.server.cache import copy_response
from bridge.server.commands import Commands, sendable
from bridge.server.live_session import LiveSession
from bridge.server.popups import Confirming, SharedPopups
from bridge.server.rules import RuleKeeper
from bridge.server.runner import Runner
from bridge.server.sessions import Sessions
from bridge.store.records import PermanentDamage, StoredPopup, pack, unpack
from bridge.store.sessions import MarkStore, SessionStore
from bridge.store.store import Store

Value = TypeVar("Value")


class AdvisorContext:
    """One advisor's dealings with one session, perhaps in the course of acting on an answer.

    Steps are counted, so that an answer which is acted on again, after the daemon was killed in the
    middle, finds the commands and popups that it made the first time.
    """

    def __init__(
        self,
        flows: AdvisorHost,
        advisor: Advisor,
        live: LiveSession,
        parent: int | None = None,
        *,
        patient: bool = True,
    ) -> None:
        """`patient`: where the store can't keep something now, it waits until it can: nobody asks again."""
        self._patient = patient
        self.settings = flows.settings
        self._flows = flows
        self._advisor = advisor
        self._live = live
        self._parent = parent
        self._steps = 0

    async def run(
        self,
        workload: str,
        params: Mapping[str, Any],
        paths: Sequence[Path],
        *,
        names: Sequence[str] = (),
        priority: str = "interactive",
    ) -> RunResult:
        called = list(names) or [path.name for path in paths]
        inputs = [Input(name, str(path)) for name, path in zip(called, paths, strict=True)]
        deadline_ms = self.settings["deadline_ms"]
        with self._live.busy():
            response = await self._flows.runner.run(
                workload, params, inputs, priority=priority, deadline_ms=deadline_ms
            )
        # Others are given the same value, and it may not be kept yet.
        return RunResult(value=copy_response(response).value, blobs=response.blobs)

    async def popup(self, session: SessionView, popup: Popup, state: Any) -> int:
        step = self._step()
        return await self._kept(lambda: self._flows.show(self._live, self._advisor, popup, state, step))

    async def open_popups(self, session: SessionView) -> Sequence[tuple[Popup, Any]]:
        return await self._kept(lambda: self._flows.opened(self._live, self._advisor))

    async def close_popup(self, session: SessionView, popup_id: int) -> None:
        await self._flows.withdraw(self._live, popup_id)

    async def command(
        self, session: SessionView, name: str, args: Mapping[str, Any], *, note: AnyText
    ) -> int:
        if not isinstance(note, (str, Text)):
            raise TypeError(text("note is {note}; it must be text", note=format(repr(note), ".80")))
        step = self._step()
        return await self._kept(lambda: self._flows.commands.send(self._live, name, args, note, parent=step))

    async def earlier_command(self) -> int | None:
        step = self._step()
        return None if step is None else await self._kept(lambda: self._flows.commands.earlier(step))

    async def receipt(self, receipt_id: int) -> Mapping[str, Any]:
        # Not held: where the editor doesn't come back, the session's end answers.
        receipt = await self._insist(lambda: self._flows.commands.wait(receipt_id))
        found: Mapping[str, Any] = msgspec.to_builtins(receipt)
        return found

    async def revert(self, receipt_ids: Sequence[int], *, editor: str = "") -> Sequence[int]:
        step = self._step()
        self._steps += len(receipt_ids)
        commands, asking = self._flows.commands, self._live.id
        return await self._kept(
            lambda: commands.revert(receipt_ids, parent=step, editor=editor, asking=asking)
        )

    async def rules(self, session: SessionView) -> Mapping[str, Sequence[str]]:
        return await self._kept(lambda: self._flows.rules.of(session))

    async def add_rule(self, session: SessionView, folder: str, finding: str) -> None:
        await self._kept(lambda: self._flows.rules.add(session, folder, finding))

    def beside(self) -> AdvisorContext:
        return AdvisorContext(self._flows, self._advisor, self._live, patient=self._patient)

    async def note(self, session: SessionView, marks: Collection[bytes]) -> None:
        # Whatever can be iterated over but once would else be empty after the check.
        marks = list(marks)
        if not all(isinstance(mark, bytes) for mark in marks):
            raise TypeError("marks are bytes: text is made so by encode()")
        if marks:
            await self._kept(lambda: self._flows.note(self._advisor, session.project, marks))

    async def noted(self, session: SessionView) -> Set[bytes]:
        return await self._kept(lambda: self._flows.noted(self._advisor, session.project))

    async def _kept(self, do: Callable[[], Awaitable[Value]]) -> Value:
        with self._live.busy():
            return await self._insist(do)

    async def _insist(self, do: Callable[[], Awaitable[Value]]) -> Value:
        if not self._patient:
            return await do()
        try:
            return await self._flows.store.insist(do)
        except PermanentDamage as error:
            log.error("advisor %s: %s", self._advisor.name, error.reason)
            raise RequestError(errors.STORE_UNAVAILABLE, reason=error.reason) from None

    def _step(self) -> tuple[int, int] | None:
        self._steps += 1
        return None if self._parent is None else (self._parent, self._steps)


log = logging.getLogger(__name__)

MAX_POPUPS = 256
"""Most open popups of one session: nobody reads more, and each is kept."""
MAX_EVENTS = 256
"""Most events of one session that advisors are at work on; what comes on top of them goes unadvised."""


class AdvisorHost:
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
        return to_builtins(await advisor.on_ask(context, live.view, name, params))

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
        with live.busy():
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
                live.description,
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
            except PermanentDamage as error:
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
