"""Commands to editors with receipts."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct
from sqlite_utils import Database

from accel.text import AnyText, joined, text
from accel.workload import to_builtins
from bridge.api import Advisor, Answer, Context, Event, SessionView
from bridge.core import errors
from bridge.core.errors import RequestError, StoreError
from bridge.core.messages import MAX_FRAME, Command, Error, Numbered, Popup, Result, Translatable
from bridge.core.revert import REVERT, reverse_changes, revert_command
from bridge.host.host import RECEIPTS, RECEIPTS_ASKS
from bridge.server.handshake import too_old
from bridge.server.live_session import SPARE, LiveSession, mates
from bridge.server.sessions import Sessions
from bridge.store.receipts import ReceiptStore
from bridge.store.records import AUDIT_FIX, Damaged, PermanentDamage, Receipt
from bridge.store.sessions import SessionStore
from bridge.store.store import Store

Sent = TypeVar("Sent", Popup, Command)


def sendable(message: Sent, kind: type[Sent]) -> Sent:
    """`message` of plain types. Raises TypeError for what is no `kind`, ValueError that names a field."""
    called = kind.__name__.lower()
    if not isinstance(message, kind):
        raise TypeError(f"wanted a {kind.__name__}, got {message!r:.80}")
    try:
        return msgspec.convert(to_builtins(message, called), kind)
    except msgspec.ValidationError as error:
        raise ValueError(f"the {called} can't be sent: {str(error).replace('$.', f'{called}.')}") from None


log = logging.getLogger(__name__)

Found = TypeVar("Found")

DEADLINE_MS = 120_000
"""How long an editor has for one command."""


class Commands:
    """What the daemon asks of editors."""

    def __init__(self, store: Store, sessions: Sessions) -> None:
        self._store = store
        self._sessions = sessions
        self._waiting: dict[int, asyncio.Event] = {}
        self._unkept: set[asyncio.Task[None]] = set()

    async def send(
        self,
        live: LiveSession,
        name: str,
        args: Mapping[str, Any],
        note: AnyText,
        *,
        reverts: int | None = None,
        parent: tuple[int, int] | None = None,
    ) -> int:
        """Keeps and sends a command; gives its receipt's id. Raises RequestError where it can't be sent, and
        ValueError for one that no editor could read.

        The same step of the same `parent` popup is sent once, also by a daemon that does it over.
        """
        command = sendable(Command(id=0, name=name, args=dict(args), deadline_ms=DEADLINE_MS), Command)
        live.expect(command)
        view = live.view
        receipt_id, is_new = await self._store.write(
            lambda db: ReceiptStore(db).open(
                live.id, view.project, view.project_name, command, note, reverts=reverts, parent=parent
            )
        )
        if is_new:
            log.info("session %s: %s #%d (%s)", live.id, name, receipt_id, note)
            await self.present(live, msgspec.structs.replace(command, id=receipt_id))
        return receipt_id

    async def earlier(self, parent: tuple[int, int]) -> int | None:
        """The receipt of the command that this step of a popup's answer sent before; None where none was."""
        return await self._store.read(lambda connection: ReceiptStore(Database(connection)).made(parent))

    async def present(self, live: LiveSession, command: Command) -> None:
        """Sends a command whose receipt is kept; that keeps the number as well."""

        async def keep(numbered: Numbered) -> None:
            assert isinstance(numbered, Command)
            try:
                await self._store.write(lambda db: ReceiptStore(db).sent(numbered))
            except StoreError as error:
                # Without its number the next daemon would send it once more, under the same id.
                log.error("the number of %s #%d isn't kept: %s", command.name, command.id, error.reason)

        await live.send(command, keep)

    async def answered(self, live: LiveSession, command: Command, reply: Result | Error) -> None:
        """Keeps what the editor observed, and wakes whoever waits for it."""
        log.info("%s #%d is answered", command.name, command.id)
        reply = _in_words(live, command, reply)
        if self._store.trouble:
            self._keep_later(command, reply)
            return
        try:
            self._kept(
                command, await self._store.write(lambda db: ReceiptStore(db).answered(command.id, reply))
            )
        except StoreError:
            self._keep_later(command, reply)

    def _keep_later(self, command: Command, reply: Result | Error) -> None:
        # The editor won't say it again; its other messages needn't wait meanwhile.
        task = asyncio.create_task(self._persist(command, reply))
        self._unkept.add(task)
        task.add_done_callback(self._unkept.discard)

    async def _persist(self, command: Command, reply: Result | Error) -> None:
        try:
            kept = await self._store.persist(lambda db: ReceiptStore(db).answered(command.id, reply))
        except StoreError as error:
            log.error("what came of %s #%d isn't kept: %s", command.name, command.id, error.reason)
            # Who waits for it finds the same when reading it.
            kept = None
        self._kept(command, kept)

    def _kept(self, command: Command, receipt: Receipt | None) -> None:
        if receipt is not None and receipt.state == "failed":
            log.warning("%s #%d failed: %s", command.name, command.id, receipt.errors)
        self.wake(command.id)

    async def close(self) -> None:
        """Gives up what can't be kept."""
        for task in self._unkept:
            task.cancel()
        await asyncio.gather(*self._unkept, return_exceptions=True)

    def wake(self, receipt_id: int) -> None:
        if event := self._waiting.pop(receipt_id, None):
            event.set()

    async def wait(self, receipt_id: int) -> Receipt:
        """The receipt, once the editor has answered or its session has ended."""
        while True:
            # Before it is read: what is answered meanwhile wakes as well.
            answered = self._waiting.setdefault(receipt_id, asyncio.Event())
            receipt = await self._get(receipt_id)
            if receipt.state != "sent":
                return receipt
            await answered.wait()

    async def _get(self, receipt_id: int) -> Receipt:
        receipt = await self._store.read(
            lambda connection: ReceiptStore(Database(connection)).get(receipt_id)
        )
        if receipt is None or receipt.state != "sent":
            self._waiting.pop(receipt_id, None)
        if receipt is None:
            hint = text("`popbridge receipts` lists them.")
            raise RequestError(errors.NOT_FOUND, hint, name=text("Receipt {number}", number=receipt_id))
        return receipt

    async def revert(
        self,
        receipt_ids: Sequence[int],
        parent: tuple[int, int] | None = None,
        *,
        editor: str = "",
        asking: str = "",
    ) -> list[int]:
        """Puts back what receipts changed; gives the new receipts, which the editor has yet to answer.

        `editor` is the session of the one to do it; `asking` that of who asks. Raises RequestError: unknown,
        changed nothing, put back before, an audit's, no editor of that project, or several of which none is
        named, has asked or did it. An answer puts back what is left of several.
        """
        found = [await self._revertible(receipt_id) for receipt_id in receipt_ids]
        found.reverse()
        steps = [None if parent is None else (parent[0], parent[1] + number) for number in range(len(found))]
        refused = [await self._put_back(*each) for each in zip(found, steps, strict=True)]
        if any(refused) and (parent is None or all(refused)):
            raise next(error for error in reversed(refused) if error)
        return [
            await self._send_back(receipt, step, editor, asking)
            for receipt, step, error in zip(found, steps, refused, strict=True)
            if error is None
        ]

    async def _send_back(
        self, receipt: Receipt, step: tuple[int, int] | None, editor: str, asking: str
    ) -> int:
        own = self._answering(receipt, asking) if step is not None else None
        earlier = await self._standing(receipt.id)
        return await self.send(
            own or self._editor_of(receipt, await self._engine_of(receipt), editor, asking),
            reverse_changes(receipt.command),
            {"changes": revert_command(receipt.before, receipt.after, [each.after for each in earlier])},
            text("revert of {id}: {note}", id=receipt.id, note=receipt.note),
            reverts=receipt.id,
            parent=step,
        )

    def _answering(self, receipt: Receipt, asking: str) -> LiveSession | None:
        """Who puts back what was asked about: the editor of the answer, if it has the same project open.

        An answer may be acted on while its editor is away: its session keeps the command.
        """
        own, asker = self._sessions.by_id.get(receipt.session), self._sessions.by_id.get(asking)
        return asker if own is not None and asker in mates(own, self._sessions) else own

    async def _revertible(self, receipt_id: int) -> Receipt:
        receipt = await self._get(receipt_id)
        if receipt.command == AUDIT_FIX:
            reason = text(
                "`popbridge audit --fix` made it, and `popbridge revert {receipt}` puts it back",
                receipt=receipt_id,
            )
            raise RequestError(
                errors.UNSUPPORTED, name=text("Receipt {number}", number=receipt_id), reason=reason
            )
        if receipt.state == "sent":
            reason = text("its editor hasn't answered yet: `popbridge receipts` tells once it has")
            raise RequestError(
                errors.UNSUPPORTED, name=text("Receipt {number}", number=receipt_id), reason=reason
            )
        return receipt

    async def _put_back(self, receipt: Receipt, step: tuple[int, int] | None) -> RequestError | None:
        """Why it isn't put back, or not once more, by this `step` of an answer; None where it is."""
        if receipt.state != "applied" or not receipt.before:
            reason = text(
                "it changed nothing ({state}), so that nothing can be put back", state=receipt.state
            )
            return RequestError(
                errors.UNSUPPORTED, name=text("Receipt {number}", number=receipt.id), reason=reason
            )
        # An answer that is acted on once more finds what it did.
        if step is not None and await self.earlier(step) is not None:
            return None
        earlier = await self._reverted_by(receipt.id)
        # What couldn't be put back then may be tried again, and what isn't answered by another editor.
        if earlier is None or earlier.state != "applied" or earlier.errors:
            return None
        # One that put back only a part stands beside the one that finished it.
        again = _ways_back([each.id for each in await self._standing(receipt.id)] or [earlier.id])
        reason = text("it was put back already, by receipt {number}: {again}", number=earlier.id, again=again)
        return RequestError(
            errors.UNSUPPORTED, name=text("Receipt {number}", number=receipt.id), reason=reason
        )

    async def _reverted_by(self, receipt_id: int) -> Receipt | None:
        return await self._unless_damaged(lambda store: store.reverted_by(receipt_id))

    async def _standing(self, receipt_id: int) -> Sequence[Receipt]:
        return await self._unless_damaged(lambda store: store.standing(receipt_id)) or []

    async def _unless_damaged(self, look: Callable[[ReceiptStore], Found]) -> Found | None:
        try:
            return await self._store.read(lambda connection: look(ReceiptStore(Database(connection))))
        except PermanentDamage:
            # Damage to one receipt keeps no other from being put back.
            return None

    async def _engine_of(self, receipt: Receipt) -> str:
        return await self._store.read(
            lambda connection: SessionStore(Database(connection)).engine(receipt.session)
        )

    def _editor_of(self, receipt: Receipt, engine: str, editor: str, asking: str) -> LiveSession:
        editors = {s.id: s for s in self._sessions if s.is_editor and s.view.project == receipt.project}
        name = receipt.project_name or receipt.project
        moved = self._editors_elsewhere(receipt, engine)
        if editor in moved:
            return moved[editor]
        if not editors or (editor and editor not in editors):
            which = f"Editor {editor}" if editor else "An editor"
            hint = None if editors else _moved_hint(receipt, moved)
            raise RequestError(
                errors.EDITOR_GONE,
                hint,
                editor=text("{which} with the project {name}", which=which, name=repr(name)),
            )
        if editor:
            return editors[editor]
        for known in (receipt.session, asking):
            if known in editors:
                return editors[known]
        if len(editors) > 1:
            listed = "; ".join(f"{live.id} ({live.description})" for live in editors.values())
            raise RequestError(errors.AMBIGUOUS_EDITOR, editors=listed)
        return next(iter(editors.values()))

    def _editors_elsewhere(self, receipt: Receipt, engine: str) -> dict[str, LiveSession]:
        """Those that may have the receipt's project open in another folder, where it was moved to."""
        return {
            s.id: s
            for s in self._sessions
            if s.is_editor
            and s.view.project != receipt.project
            and (s.id == receipt.session or _is_alike(s, receipt.project_name, engine))
        }


def _in_words(live: LiveSession, command: Command, reply: Result | Error) -> Result | Error:
    """`reply`; with what to do where the editor is too old to put anything back."""
    if command.name != REVERT or not isinstance(reply, Error) or reply.code != errors.UNSUPPORTED.name:
        return reply
    log.info("%s #%d isn't known there: %s", command.name, command.id, reply.message)
    reason = too_old(live.identify, live.choice.adapter if live.choice else None)
    if not reason:
        return reply
    return msgspec.structs.replace(reply, message=str(reason), message_text=Translatable.of(reason))


def _is_alike(live: LiveSession, project_name: str, engine: str) -> bool:
    """Whether its project has this name and is of this engine; what isn't known is like nothing."""
    here = live.identify.engine
    same_engine = bool(here and engine) and here.name == engine
    return same_engine and bool(project_name) and live.view.project_name == project_name


def _ways_back(receipts: Sequence[int]) -> AnyText:
    """What brings a change back that these have put back, the newest first."""
    *first, last = [f"`popbridge revert {number}`" for number in receipts]
    if first:
        return text("{first} and then {last} bring the change back", first=first, last=last)
    return text("{last} brings the change back", last=last)


def _moved_hint(receipt: Receipt, moved: Mapping[str, LiveSession]) -> AnyText | None:
    """How to put it back all the same; None where no editor comes into question."""
    # A copy looks the same from here as what was moved: only a person knows which it is.
    ways = [f"`popbridge revert {receipt.id} --editor {s.id}` ({s.description})" for s in moved.values()]
    return (
        text(
            "If the project was moved, this puts it back there: {ways}.",
            ways=joined(ways, text("{head}, or {rest}")),
        )
        if ways
        else None
    )


ROOM = MAX_FRAME - SPARE
"""Bytes of a frame for receipts."""
NAMED = 1000
"""The most damaged ones that a list names."""
LARGE = ("args", "before", "after", "errors")
"""What grows with the files that a receipt is about."""


class Shown(Receipt, kw_only=True):
    """A receipt as clients get it."""

    abridged: bool = False
    """Whether it was too large for a frame, so that it comes without `args`, `before`, `after` and `errors`:
    `popbridge receipts --json` shows them."""


class ListParams(Struct, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    before: Annotated[int, Meta(ge=1, le=2**53 - 1)] = 2**53 - 1


class RevertParams(Struct, forbid_unknown_fields=True):
    id: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    editor: Annotated[str, Meta(max_length=128)] = ""


class Receipts(Advisor):
    """Lists what commands changed, and puts it back."""

    name = RECEIPTS
    asks = RECEIPTS_ASKS

    def __init__(self, store: Store) -> None:
        self._store = store

    async def on_ask(
        self, context: Context, session: SessionView, name: str, params: Mapping[str, Any]
    ) -> Any:
        if name == "receipts.list":
            wanted = _parse(name, params, ListParams)
            # Few rows for SQLite, and perhaps much in each.
            return await self._store.read(functools.partial(_listed, wanted), brief=False)
        asked = _parse(name, params, RevertParams)
        made = await context.revert([asked.id], editor=asked.editor)
        shown, _ = _shown(await context.receipt(made[0]))
        return {"receipt": shown}

    async def on_event(self, context: Context, session: SessionView, event: Event) -> None:
        raise AssertionError("watches nothing")

    async def on_answer(
        self, context: Context, session: SessionView, popup: Popup, state: Any, answer: Answer
    ) -> None:
        raise AssertionError("shows nothing")


def _listed(wanted: ListParams, connection: sqlite3.Connection) -> dict[str, Any]:
    """As many of the newest as fit into a frame, one at least if there is any that can be read."""
    listed: list[Any] = []
    damaged: list[int] = []
    room = ROOM
    for receipt in ReceiptStore(Database(connection)).newest(wanted.limit, wanted.before):
        if isinstance(receipt, Damaged):
            # Beyond these they are too many for anybody to look at.
            if len(damaged) < NAMED:
                damaged.append(receipt.id)
                room -= _size(receipt.id)
            continue
        value, size = _shown(msgspec.to_builtins(receipt), ROOM if listed else room)
        room -= size
        if listed and room < 0:
            # The next page names those below the last one.
            above = [number for number in damaged if number > listed[-1]["id"]]
            return {"receipts": listed, "more": True, "damaged": above}
        listed.append(value)
    return {"receipts": listed, "more": False, "damaged": damaged}


def _shown(receipt: Mapping[str, Any], room: int = ROOM) -> tuple[Mapping[str, Any], int]:
    """As in `Shown`, for so many bytes, and its own."""
    whole = {**receipt, "abridged": False}
    if (size := _size(whole)) <= room:
        return whole, size
    rest = {name: value for name, value in receipt.items() if name not in LARGE} | {"abridged": True}
    return rest, _size(rest)


def _size(value: Any) -> int:
    """Bytes that it takes in either subprotocol."""
    size = len(msgspec.msgpack.encode(value))
    # What an editor sent as msgpack may have keys that JSON hasn't.
    with contextlib.suppress(TypeError):
        size = max(size, len(msgspec.json.encode(value)))
    return size + 1


def _parse(name: str, params: Mapping[str, Any], kind: Any) -> Any:
    try:
        return msgspec.convert(params, kind)
    except msgspec.ValidationError as error:
        raise RequestError(errors.BAD_PARAMS, workload=name, reason=str(error)) from None
