"""Runs advisors: their context, events, questions, answers and open popups."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import msgspec
from msgspec import UNSET, Struct
from sqlite_utils import Database

from accel.text import AnyText, Text, text
from accel.workload import Input, to_builtins
from bridge.api import Advisor, RunResult, SessionView
from bridge.core import errors
from bridge.core.access import Principal, Right, command_right
from bridge.core.errors import RequestError, StoreError
from bridge.core.messages import (
    MAX_FRAME,
    MAX_INLINE,
    POPUP_ITEMS,
    Answer,
    Event,
    Numbered,
    OutputRef,
    Popup,
    PopupClose,
    PopupItem,
    PopupProgress,
)
from bridge.core.popup_items import PopupRows, resolve
from bridge.core.revert import REVERT, REVERTED
from bridge.core.session import is_replaced
from bridge.server.cache import copy_response
from bridge.server.commands import NO_STATES, Commands, sendable
from bridge.server.live_session import LiveSession, mates
from bridge.server.popups import PopupAnswers, SharedPopups
from bridge.server.rules import ProjectRules
from bridge.server.runner import Runner
from bridge.server.sessions import Sessions
from bridge.server.texture_states import IMPORTED, imported_event, named_states, reported_states
from bridge.store.blobs import BlobStore
from bridge.store.claims import States, TextureClaims, TexturesTaken
from bridge.store.records import PermanentDamage, Receipt, StoredPopup, pack, unpack
from bridge.store.sessions import MarkStore, SessionStore
from bridge.store.store import Store

Value = TypeVar("Value")


class AdvisorContext:
    """The `bridge.api.Context` of an advisor in a session, also used while it acts on an answer.

    Steps are counted: if an answer is processed again after a crash, each step finds the command or popup
    that it created the first time.
    """

    def __init__(
        self,
        host: AdvisorHost,
        advisor: Advisor,
        live: LiveSession,
        parent: int | None = None,
        *,
        patient: bool = True,
        states: States = NO_STATES,
        principal: Principal | None = None,
    ) -> None:
        """`patient` retries while the store fails, for callers without a client that would retry.

        `states` are the textures of the event that is handled, or of the popup that was answered. `principal`
        is who asks, whose rights limit what the advisor may do; None for events and answers, which were
        checked when they arrived.
        """
        self._principal = principal
        self._patient = patient
        self.settings = host.settings
        self._host = host
        self._advisor = advisor
        self._live = live
        self._parent = parent
        self._states = states
        self._outputs: dict[str, OutputRef] = {}
        """The files of this context's runs, by blob."""
        self._steps = 0

    async def run(
        self,
        workload: str,
        params: Mapping[str, Any],
        paths: Sequence[Path | bytes | str],
        *,
        names: Sequence[str] = (),
        priority: str = "interactive",
    ) -> RunResult:
        called = list(names) or [path.name if isinstance(path, Path) else "" for path in paths]
        named = list(zip(called, paths, strict=True))
        inputs = await asyncio.to_thread(_inputs, named, self._live.root, self._host.blobs)
        deadline_ms = self.settings["deadline_ms"]
        with self._live.busy():
            response = await self._host.runner.run(
                workload, params, inputs, priority=priority, deadline_ms=deadline_ms
            )
        self._outputs |= {str(output.blob): output for output in response.outputs}
        # Other requests may share the value.
        return RunResult(value=copy_response(response).value, blobs=response.blobs)

    async def may_read(self, session: SessionView, file: Path) -> bool:
        return await self._host.may_read(str(file.parent), self._live.owner)

    async def notify(self, session: SessionView, name: str, data: Mapping[str, Any]) -> None:
        await self._live.send(Event(name=name, data=dict(data)))

    def outputs(self, blobs: Mapping[str, str]) -> list[OutputRef]:
        """Returns the files of this context's runs that `blobs` names; others are left out."""
        return [
            msgspec.structs.replace(self._outputs[blob], name=name)
            for name, blob in blobs.items()
            if blob in self._outputs
        ]

    async def popup(
        self,
        session: SessionView,
        popup: Popup,
        state: Any,
        *,
        textures: Collection[str] | None = None,
        delay_s: float = 0.0,
    ) -> int:
        step = self._step()
        if textures is None:
            # What an answer leads to is about textures that its advisor has asked about already.
            textures = self._states.keys() if self._parent is None else ()
        about = named_states(textures, self._states)
        return await self._keep_alive(
            lambda: self._host.show(self._live, self._advisor, popup, state, step, delay_s, about)
        )

    async def popup_progress(
        self, session: SessionView, popup_id: int, fraction: float, message: str = ""
    ) -> None:
        await self._host.report(
            self._live, PopupProgress(id=popup_id, fraction=min(max(fraction, 0.0), 1.0), text=message)
        )

    async def claimed(self, session: SessionView, paths: Collection[str]) -> Set[str]:
        return await self._keep_alive(
            lambda: self._host.claimed(self._live, self._advisor, named_states(paths, self._states))
        )

    async def open_popups(self, session: SessionView) -> Sequence[tuple[Popup, Any]]:
        return await self._keep_alive(lambda: self._host.opened(self._live, self._advisor))

    async def close_popup(self, session: SessionView, popup_id: int) -> None:
        await self._host.withdraw(self._live, popup_id)

    async def command(
        self, session: SessionView, name: str, args: Mapping[str, Any], *, note: AnyText
    ) -> int:
        if not isinstance(note, str | Text):
            raise TypeError(text("note must be text, not {note}", note=format(repr(note), ".80")))
        self._require(command_right(name), f"`{name}`")
        step = self._step()
        return await self._keep_alive(
            lambda: self._host.commands.send(self._live, name, args, note, parent=step, states=self._states)
        )

    async def previous_command(self) -> int | None:
        step = self._step()
        return None if step is None else await self._keep_alive(lambda: self._host.commands.earlier(step))

    async def receipt(self, receipt_id: int) -> Mapping[str, Any]:
        # This doesn't keep the session alive: if the editor stays away, the receipt fails with the session.
        receipt = await self._insist(lambda: self._host.commands.wait(receipt_id))
        found: Mapping[str, Any] = msgspec.to_builtins(receipt)
        return found

    async def revert(self, receipt_ids: Sequence[int], *, editor: str = "") -> Sequence[int]:
        self._require(command_right(REVERT), f"`{REVERT}`")
        step = self._step()
        self._steps += len(receipt_ids)
        commands, asking = self._host.commands, self._live
        return await self._keep_alive(
            lambda: commands.revert(receipt_ids, parent=step, editor=editor, asking=asking)
        )

    async def rules(self, session: SessionView) -> Mapping[str, Sequence[str]]:
        return await self._keep_alive(lambda: self._host.rules.of(session))

    async def add_rule(self, session: SessionView, folder: str, finding: str) -> None:
        self._require("change", text("A new rule"))
        await self._keep_alive(lambda: self._host.rules.add(session, folder, finding))

    async def remove_rules(self, session: SessionView, rules: Mapping[str, Sequence[str]]) -> None:
        self._require("change", text("The removal of a rule"))
        await self._keep_alive(lambda: self._host.rules.remove(session, rules))

    def outside_answer(self) -> AdvisorContext:
        return AdvisorContext(
            self._host,
            self._advisor,
            self._live,
            patient=self._patient,
            states=self._states,
            principal=self._principal,
        )

    async def note(self, session: SessionView, marks: Collection[bytes]) -> None:
        # `marks` may be an iterator.
        marks = list(marks)
        if not all(isinstance(mark, bytes) for mark in marks):
            raise TypeError("marks must be bytes; encode text with encode()")
        if marks:
            name, project, store = self._advisor.name, session.project, self._host.store
            await self._keep_alive(
                lambda: store.write(
                    lambda db: MarkStore(db).add(name, project, marks), synced=False, brief=False
                )
            )

    async def marks(self, session: SessionView) -> Set[bytes]:
        name, project, store = self._advisor.name, session.project, self._host.store
        return await self._keep_alive(
            lambda: store.read(
                lambda connection: MarkStore(Database(connection)).of(name, project), brief=False
            )
        )

    def _require(self, right: Right, what: AnyText) -> None:
        if self._principal is not None:
            self._principal.require(right, what)

    async def _keep_alive(self, do: Callable[[], Awaitable[Value]]) -> Value:
        with self._live.busy():
            return await self._insist(do)

    async def _insist(self, do: Callable[[], Awaitable[Value]]) -> Value:
        if not self._patient:
            return await do()
        try:
            return await self._host.store.insist(do)
        except PermanentDamage as error:
            log.error("advisor %s: %s", self._advisor.name, error.reason)
            raise errors.unavailable(error) from None

    def _step(self) -> tuple[int, int] | None:
        self._steps += 1
        return None if self._parent is None else (self._parent, self._steps)


log = logging.getLogger(__name__)

MAX_POPUPS = 256
"""Maximum number of open popups per session."""
MAX_BRIEF = 64
"""Textures of a popup that are stored without waiting for the thread."""
MAX_EVENTS = 256
"""Maximum number of a session's events that advisors process at once; more are dropped."""


class _HeldPopup(Struct, frozen=True):
    """A stored popup that is shown later."""

    live: LiveSession
    popup: Popup
    task: asyncio.Task[None]


class AdvisorHost:
    """All advisors and their open popups."""

    def __init__(
        self,
        advisors: Mapping[str, Advisor],
        settings: Mapping[str, Any],
        runner: Runner,
        commands: Commands,
        store: Store,
        sessions: Sessions,
        blobs: BlobStore,
    ) -> None:
        self._advisors = advisors
        self._sessions = sessions
        self.blobs = blobs
        commands.on_revert = self._reverted
        self._asks = {ask: advisor for advisor in advisors.values() for ask in advisor.asks}
        self.settings = settings
        self.runner = runner
        self.commands = commands
        self.store = store
        self.may_read: Callable[[str, str], Awaitable[bool]] = _may_read_nothing
        """Whether clients of an owner may read a folder."""
        self.rules = ProjectRules(store)
        self.sharing = SharedPopups(sessions, store, self.spawn, self._supersede)
        self._held: dict[int, _HeldPopup] = {}
        """Stored popups that are shown later, by id."""
        self._refused: dict[int, dict[tuple[str, str], tuple[Advisor, LiveSession, States]]] = {}
        """By popup, then by advisor and session: who may ask about its textures once it is settled."""
        self._order: WeakKeyDictionary[LiveSession, asyncio.Lock] = WeakKeyDictionary()
        """Locks that keep the frames of an import in order."""
        commands.on_stale = self._ask_anew
        self._tasks: set[asyncio.Task[None]] = set()
        self.answers = PopupAnswers(store, self.sharing, self.spawn, self.act)
        self._closed = False

    def event(self, live: LiveSession, event: Event) -> None:
        """Passes an event to the advisors that watch it, each in its own task."""
        if event.name == IMPORTED and live.hold(event):
            return
        for advisor in self._advisors.values():
            if event.name not in advisor.events or self._closed:
                continue
            if live.events >= MAX_EVENTS:
                log.warning(
                    "session %s sends events faster than advisors process them: %s is dropped",
                    live.id,
                    event.name,
                )
                return
            self.spawn(self._watch(advisor, live, event), f"{advisor.name} on {event.name}")

    async def _watch(self, advisor: Advisor, live: LiveSession, event: Event) -> None:
        live.events += 1
        try:
            states = NO_STATES
            if event.name == IMPORTED:
                async with self._order.setdefault(live, asyncio.Lock()):
                    states = await asyncio.to_thread(reported_states, event, live.root)
            await advisor.on_event(AdvisorContext(self, advisor, live, states=states), live.view, event)
        finally:
            live.events -= 1

    def _reverted(self, receipt: Receipt) -> None:
        """Tells advisors that a change was reverted, by whatever client."""
        live = self._sessions.by_id.get(receipt.session)
        if live is not None:
            self.event(live, Event(name=REVERTED, data={"receipt": receipt.reverts, "by": receipt.id}))

    def _ask_anew(self, live: LiveSession, states: States, advisor: Advisor | None = None) -> None:
        """Reports textures as they are now, as if they were imported, to `advisor` or to all."""

        async def report() -> None:
            event = await asyncio.to_thread(imported_event, live.view, states)
            if event is None or live.ended:
                return
            if advisor is None:
                self.event(live, event)
            else:
                await self._watch(advisor, live, event)

        self.spawn(report(), "asking anew about changed textures")

    async def claimed(self, live: LiveSession, advisor: Advisor, states: States) -> set[str]:
        """Returns the textures that other advisors ask about; `advisor` gets them once they no longer do."""
        project = _project_of(live)
        taken = await self.store.read(
            lambda connection: TextureClaims(Database(connection)).taken(project, advisor.name, states.keys())
        )
        self._refuse(live, advisor, {path: popup for path, (popup, _) in taken.items()}, states)
        return set(taken)

    def _refuse(self, live: LiveSession, advisor: Advisor, taken: Mapping[str, int], states: States) -> None:
        for popup in set(taken.values()):
            own = {path: states[path] for path in taken if taken[path] == popup}
            waiting = self._refused.setdefault(popup, {})
            earlier = waiting.get((advisor.name, live.id))
            waiting[advisor.name, live.id] = advisor, live, {**(earlier[2] if earlier else {}), **own}

    def _allow_others(self, popup_id: int) -> None:
        """Lets others ask about the textures of a settled popup."""
        for advisor, live, states in self._refused.pop(popup_id, {}).values():
            if not self._closed and IMPORTED in advisor.events:
                self._ask_anew(live, states, advisor)

    async def ask(
        self, live: LiveSession, name: str, params: Mapping[str, Any]
    ) -> tuple[Any, list[OutputRef]]:
        """Asks the advisor that answers the question `name`; returns its answer and files.

        Raises RequestError, and ValueError if the answer has other than plain types.
        """
        advisor = self._asks[name]
        # If the store fails, the client gets the error and can retry.
        context = AdvisorContext(self, advisor, live, patient=False, principal=live.principal)
        answer = await advisor.on_ask(context, live.view, name, params)
        if isinstance(answer, RunResult):
            return to_builtins(answer.value), context.outputs(answer.blobs)
        return to_builtins(answer), []

    async def resolve(self, live: LiveSession, answer: Answer) -> Answer:
        """Returns the answer with the ids of all ticked leaves. Raises RemoteProtocolError for invalid ids.

        An answer whose list can't be read any more counts as dismissed: its ids can't be checked.
        """
        popup = live.session.popups.get(answer.id)
        if popup is None or answer.state != "answered":
            return answer
        if popup.items_blob is UNSET:
            return resolve(popup, popup.items, answer)
        try:
            return await asyncio.to_thread(_resolve_from_blob, self.blobs, popup, answer)
        except (RequestError, OSError, msgspec.DecodeError) as error:
            log.error("the answer to popup %d is dropped: its list can't be read (%s)", popup.id, error)
            return Answer(id=answer.id, state="dismissed")

    async def _stored(self, popup_id: int) -> StoredPopup | None:
        return await self.store.read(
            lambda connection: SessionStore(Database(connection)).popup(popup_id), brief=False
        )

    def _settled(
        self, popup_id: int, record: Callable[[SessionStore, int], None] = SessionStore.settled
    ) -> None:
        """Records that a popup is closed, without waiting, and lets others ask about its textures.

        Otherwise the next daemon would show it again.
        """

        def work(db: Database) -> None:
            record(SessionStore(db), popup_id)

        def persist() -> None:
            if self._closed:
                log.error(
                    "the closing of popup %d can't be stored: the next daemon will show it again", popup_id
                )
            else:
                self.spawn(self.store.persist(work, synced=False), f"storing that popup {popup_id} is closed")

        if self.store.trouble:
            persist()
        else:
            # This is written even if the daemon stops now.
            self.store.submit(work, persist)
        self._allow_others(popup_id)

    def act(self, live: LiveSession, popup_id: int) -> None:
        """Starts to act on a stored answer. Steps of an earlier attempt aren't repeated."""
        if not self._closed:
            # Count it right away: the session must stay even if its client closes it now.
            live.answers += 1
            self.spawn(self._acting(live, popup_id), f"acting on the answer to popup {popup_id}")

    async def _acting(self, live: LiveSession, popup_id: int) -> None:
        try:
            await self._act(live, popup_id)
        finally:
            live.answers -= 1

    async def _act(self, live: LiveSession, popup_id: int) -> None:
        """Acts on an answer and settles it even if the advisor raises, but not if the store is closed.

        Raises StoreError, also if the popup can't be read; then it stays until the database is repaired.
        """
        with live.busy():
            stored = await self.store.insist(lambda: self._stored(popup_id))
        if stored is None or stored.answer is None or stored.status != "answered":
            return
        advisor = self._advisors.get(stored.advisor)
        if advisor is None:
            log.warning("popup %d was answered, but its advisor %s isn't loaded", popup_id, stored.advisor)
            self._settled(popup_id)
            return
        try:
            popup, answer = unpack(stored.message, Popup), unpack(stored.answer, Answer)
            state = unpack(stored.state)
        except msgspec.DecodeError as error:
            self._log_unreadable(popup_id, error)
            return
        if answer.state == "undeliverable":
            # Nothing else records that the popup was never shown.
            log.warning("popup %d of %s couldn't be shown by %s", popup_id, advisor.name, live.description)
        states = await self.store.insist(
            lambda: self.store.read(lambda connection: TextureClaims(Database(connection)).of(popup_id))
        )
        context = AdvisorContext(self, advisor, live, parent=popup_id, states=states)
        # If the daemon stops now, the next one acts on the answer.
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
        self,
        live: LiveSession,
        advisor: Advisor,
        popup: Popup,
        state: Any,
        parent: tuple[int, int] | None,
        delay_s: float = 0.0,
        about: States = NO_STATES,
    ) -> int:
        """Stores and shows a popup, after `delay_s` seconds; returns its id. The same step of a `parent`
        answer shows it only once.

        `about` are the textures that no other advisor may ask about while it is open.

        Raises RequestError, and TypeError or ValueError for an invalid popup.
        """
        items = popup.items if isinstance(popup, Popup) else []
        popup = sendable(msgspec.structs.replace(popup, items=[]) if items else popup, Popup)
        if items:
            popup = await asyncio.to_thread(_with_items, self.blobs, popup, items)
        live.expect(popup)
        if sum(1 for _ in live.session.popups) >= MAX_POPUPS:
            message = text("This editor has {open} open popups, the maximum.", open=MAX_POPUPS)
            raise RequestError(errors.OVERLOADED, text("Answer or dismiss some."), message=message)
        packed = msgspec.Raw(pack(state))
        project = _project_of(live)

        def reserve(db: Database) -> tuple[int, bool]:
            popup_id, is_new = SessionStore(db).reserve_popup(live.id, advisor.name, popup, packed, parent)
            if is_new and about:
                TextureClaims(db).claim(popup_id, project, advisor.name, about)
            return popup_id, is_new

        try:
            popup_id, is_new = await self.store.write(
                reserve, synced=False, brief=len(packed) <= MAX_FRAME and len(about) <= MAX_BRIEF
            )
        except TexturesTaken as error:
            self._refuse(live, advisor, error.taken, about)
            path = min(error.taken)
            raise RequestError(errors.CLAIMED, name=path, advisor=error.advisor) from None
        if is_new:
            popup = msgspec.structs.replace(popup, id=popup_id)
            self._supersede_held(live, popup)
            if delay_s > 0:
                task = asyncio.create_task(self._present_later(live, popup, delay_s))
                self._held[popup_id] = _HeldPopup(live, popup, task)
            else:
                await self.present(live, popup)
        return popup_id

    async def _present_later(self, live: LiveSession, popup: Popup, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        del self._held[popup.id]
        # If the session has ended, the popup is the next editor's.
        if not live.ended and not self._closed:
            self.spawn(self.present(live, popup), f"showing popup {popup.id}")

    def _supersede_held(self, live: LiveSession, popup: Popup) -> None:
        """Settles the popups held in this workspace whose place `popup` takes."""
        sharing = (live, *mates(live, self._sessions))
        for held in tuple(self._held.values()):
            if held.live in sharing and is_replaced(held.popup, popup):
                self._drop_held(held.popup.id)

    def _drop_held(self, popup_id: int) -> bool:
        """Settles a held popup; returns False if there is none, or if it went to another session."""
        held = self._held.pop(popup_id, None)
        if held is None:
            return False
        held.task.cancel()
        if not held.live.ended:
            self._settled(popup_id)
        return not held.live.ended

    async def report(self, live: LiveSession, progress: PopupProgress) -> None:
        """Sends the progress of a popup to the connected editors that show it and know such messages."""
        for each in (live, *mates(live, self._sessions)):
            if each.socket is not None and POPUP_ITEMS in each.identify.features:
                await each.write(progress)

    async def opened(self, live: LiveSession, advisor: Advisor) -> list[tuple[Popup, Any]]:
        """Returns the advisor's open popups in the session with their states, oldest first.

        Unreadable popups in a damaged file are skipped.
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
                log.error("popup %d is skipped: %s", popup_id, error.reason)
            except msgspec.DecodeError as error:
                self._log_unreadable(popup_id, error)
        return found

    def _log_unreadable(self, popup_id: int, error: msgspec.DecodeError) -> None:
        log.error(
            "popup %d can't be read: %s is damaged (%s); stop the daemon and run `popbridge db check`",
            popup_id, self.store.path, error,
        )  # fmt: skip

    async def take_away(self, live: LiveSession) -> None:
        """Closes popups that are resent after a reconnect but were closed in the meantime."""
        # Their closing may have been lost with the broken connection.
        for message in live.session.waiting:
            if not isinstance(message, Popup) or message.id in live.session.popups:
                continue
            if not self.answers.is_waiting(live, message.id):
                await live.send(PopupClose(id=message.id, reason="unknown"))

    async def show_again(self, live: LiveSession) -> None:
        """Shows the open popups again, with the same ids, in a restarted editor."""
        waiting = {message.id for message in live.session.waiting if isinstance(message, Popup)}
        for popup in tuple(live.session.popups):
            if popup.id not in waiting and popup.id in live.session.popups:
                await self.present(live, msgspec.structs.replace(popup, seq=UNSET))

    async def present(self, live: LiveSession, popup: Popup) -> None:
        """Sends a stored popup, stores its `seq` and closes the popups that it replaces.

        Other editors with the same project show it, too.
        """
        superseded: list[PopupClose] = []

        async def keep(numbered: Numbered) -> None:
            assert isinstance(numbered, Popup)
            try:
                await self.store.write(
                    lambda db: SessionStore(db).popup_sent(live.id, numbered), synced=False
                )
            except StoreError as error:
                # Without its `seq`, the next daemon sends it again with the same id.
                log.error("the seq of popup %d is not stored: %s", popup.id, error.reason)
            superseded.extend(live.open(numbered))
            # Right away, even before this editor reads: others must not answer a replaced popup.
            self._supersede(live, superseded)
            self.sharing.show(live, popup.id)

        await live.send(popup, keep)
        for closing in superseded:
            await live.send(closing)

    def _supersede(self, live: LiveSession, closings: Sequence[PopupClose]) -> None:
        """Settles popups that another one in `live` replaced."""
        for closing in closings:
            self._settled(closing.id, SessionStore.superseded)
            self.sharing.tell(self.sharing.close(live, closing.id), closing)

    async def withdraw(self, live: LiveSession, popup_id: int) -> None:
        """Closes an open popup whose answer is no longer needed."""
        if self._drop_held(popup_id):
            return
        closing = PopupClose(id=popup_id, reason="superseded")
        mates = self.sharing.close(live, popup_id)
        is_open = live.session.popups.close(popup_id)
        if is_open or mates:
            self._settled(popup_id)
            self.sharing.tell(mates, closing)
        if is_open:
            await live.send(closing)

    def expire(self, live: LiveSession, now: float) -> None:
        """Settles the expired popups."""
        for closing in live.session.popups.expire(now):
            self.answers.expired(live, closing)

    async def close(self) -> None:
        """Cancels all tasks. Unfinished answers are left for the next run."""
        self._closed = True
        tasks = [*self._tasks, *(held.task for held in self._held.values())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def spawn(self, work: Coroutine[Any, Any, None], what: str) -> None:
        """Runs `work` in a task and logs errors with the description `what`."""

        async def run() -> None:
            try:
                await work
            except (RequestError, StoreError) as error:
                log.warning("%s: %s", what, error)
            except asyncio.CancelledError:
                raise
            except BaseException:
                # A plugin may raise anything, even SystemExit, which must not end the daemon.
                log.exception("%s failed", what)

        task = asyncio.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())  # if it was cancelled before its start


async def _may_read_nothing(folder: str, owner: str) -> bool:
    return False


def _inputs(
    named: Sequence[tuple[str, Path | bytes | str]], root: Path | None, blobs: BlobStore
) -> list[Input]:
    """Returns files and blobs as inputs; files in the project at `root`, and others that are named without
    links, must still be there when they are read. Raises RequestError `not_found` for a missing blob."""
    inputs = []
    for name, source in named:
        if isinstance(source, bytes):
            inputs.append(Input(name, str(blobs.path(blobs.put(source, private=True)))))
        elif isinstance(source, str):
            inputs.append(Input(name, str(blobs.use(source))))
        else:
            found = os.path.realpath(source)
            is_inside = root is not None and Path(found).is_relative_to(root)
            is_plain = is_inside or found == str(source)
            inputs.append(Input(name, found, confined=True) if is_plain else Input(name, str(source)))
    return inputs


def _project_of(live: LiveSession) -> str:
    """Returns the project whose textures a session's popups are about; without one, the session's own."""
    return live.view.project or f"session {live.id}"


_items_decoder = msgspec.json.Decoder(list[PopupItem])


def _with_items(blobs: BlobStore, popup: Popup, items: Sequence[PopupItem]) -> Popup:
    """Returns the popup with its list, as a blob if it is long.

    Raises RequestError if the blob can't be stored, TypeError and ValueError for an invalid list.
    """
    try:
        encoded = msgspec.json.encode(items)
        decoded = _items_decoder.decode(encoded)
    except msgspec.ValidationError as error:
        raise ValueError(f"the popup can't be sent: {error}") from None
    PopupRows(decoded)
    if len(encoded) <= MAX_INLINE:
        return msgspec.structs.replace(popup, items=decoded)
    return msgspec.structs.replace(popup, items_blob=blobs.put(encoded, private=True))


def _resolve_from_blob(blobs: BlobStore, popup: Popup, answer: Answer) -> Answer:
    assert isinstance(popup.items_blob, str)
    items = _items_decoder.decode(blobs.plain(blobs.use(popup.items_blob)).read_bytes())
    return resolve(popup, items, answer)
