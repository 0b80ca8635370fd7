"""Sends commands to editors, stores their receipts, and reverts them."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
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
from bridge.core.revert import APPLY, REVERT, file_error, reverse_changes, revert_command
from bridge.core.verification import Observed, by_path
from bridge.host.host import RECEIPTS, RECEIPTS_ASKS
from bridge.host.observation import file_of, read_settings
from bridge.server.handshake import outdated_addon
from bridge.server.live_session import SPARE, LiveSession, mates
from bridge.server.runner import as_message
from bridge.server.sessions import Sessions
from bridge.server.texture_states import expecting, named_states, stale_reasons
from bridge.store.audit_log import AuditLog
from bridge.store.claims import States
from bridge.store.receipts import VERIFIED, ReceiptStore
from bridge.store.records import AUDIT_FIX, DamagedReceipt, PermanentDamage, Receipt
from bridge.store.sessions import SessionStore
from bridge.store.store import Store

Sent = TypeVar("Sent", Popup, Command)


def sendable(message: Sent, kind: type[Sent]) -> Sent:
    """Converts `message` to plain types. Raises TypeError for another type, and ValueError with the field."""
    called = kind.__name__.lower()
    if not isinstance(message, kind):
        raise TypeError(f"expected a {kind.__name__}, got {message!r:.80}")
    try:
        return msgspec.convert(to_builtins(message, called), kind)
    except msgspec.ValidationError as error:
        raise ValueError(f"the {called} can't be sent: {str(error).replace('$.', f'{called}.')}") from None


log = logging.getLogger(__name__)

Found = TypeVar("Found")

DEADLINE_MS = 120_000
"""Time limit for an editor to carry out a command, in milliseconds."""


NO_STATES: States = {}


class Commands:
    """Commands to editors and the receipts of their replies."""

    def __init__(self, store: Store, sessions: Sessions, audit: AuditLog) -> None:
        self._store = store
        self._audit = audit
        self._sessions = sessions
        self.on_revert: Callable[[Receipt], None] = lambda receipt: None
        """Called with the receipt of each revert that an editor has carried out, at least in part."""
        self.on_stale: Callable[[LiveSession, States], None] = lambda live, states: None
        """Called with textures that changed after the advice on them was made."""
        self._waiting: dict[int, asyncio.Event] = {}
        self._unstored: set[asyncio.Task[None]] = set()

    async def send(
        self,
        live: LiveSession,
        name: str,
        args: Mapping[str, Any],
        note: AnyText,
        *,
        reverts: int | None = None,
        parent: tuple[int, int] | None = None,
        states: States = NO_STATES,
        asking: LiveSession | None = None,
    ) -> int:
        """Stores and sends a command, and returns its receipt's id.

        `states` are the textures that the advice was made from: of those that changed since, nothing is sent,
        the receipt has the reason, and advisors are asked anew. The same step of a `parent` answer is sent
        only once, even after a restart. `asking` is the session that asks, if it is another one. If the audit
        log can't record it, nothing is sent, and the receipt has the error. Raises RequestError if it can't
        be sent, and ValueError for invalid arguments.
        """
        command = sendable(Command(id=0, name=name, args=dict(args), deadline_ms=DEADLINE_MS), Command)
        live.expect(command)
        view = live.view
        present = await _observe(live, command)
        stale: dict[str, list[AnyText]] = {}
        if name == APPLY and isinstance(command.args.get("changes"), list):
            command, stale = await asyncio.to_thread(_without_stale, command, states, present, view.root)
        refused = [file_error(path, reason) for path, reasons in stale.items() for reason in reasons]
        # All settings: an editor that changes others along with them doesn't say alone what they were.
        before = {path: present[path] for path in by_path(command.args.get("changes")) if path in present}
        receipt_id, is_new = await self._store.write(
            lambda db: ReceiptStore(db).open(
                live.id,
                view.project,
                view.project_name,
                command,
                note,
                reverts=reverts,
                parent=parent,
                before=before if name in VERIFIED else None,
                errors=refused or None,
                owner=live.owner,
            )
        )
        command = msgspec.structs.replace(command, id=receipt_id)
        if not is_new:
            return receipt_id
        if refused and not command.args["changes"]:
            await self.answered(live, command, Result(id=receipt_id, value={}))
        else:
            # What it changes is in the receipt, which is encrypted.
            log.info("session %s: %s #%d", live.id, name, receipt_id)
            await self.present(live, command, asking)
        if stale:
            self.on_stale(live, named_states(stale, states))
        return receipt_id

    async def earlier(self, parent: tuple[int, int]) -> int | None:
        """Returns the receipt that this step of an answer created earlier, or None."""
        return await self._store.read(lambda connection: ReceiptStore(Database(connection)).made(parent))

    async def present(self, live: LiveSession, command: Command, asking: LiveSession | None = None) -> None:
        """Records the command of a stored receipt in the audit log, sends it, and stores its `seq`.

        If it can't be recorded, the receipt fails.
        """
        changes = command.args.get("changes")
        try:
            await self._audit.record(
                "command.revert" if command.name == REVERT else "command.apply",
                principal=(asking or live).owner,
                session=(asking or live).id,
                subject=live.view.project_name or live.view.project,
                detail={
                    "command": command.name,
                    "change": command.id,
                    "files": len(changes) if isinstance(changes, list) else 0,
                    "client": live.identify.client.name,
                    "editor": live.id,
                },
            )
        except RequestError as error:
            log.error("%s #%d isn't sent: %s", command.name, command.id, error)
            await self.answered(live, command, as_message(error, command.id))
            return

        async def keep(numbered: Numbered) -> None:
            assert isinstance(numbered, Command)
            try:
                await self._store.write(lambda db: ReceiptStore(db).sent(numbered))
            except StoreError as error:
                # Without its `seq`, the next daemon sends it again with the same id.
                log.error("the seq of %s #%d is not stored: %s", command.name, command.id, error.reason)

        await live.send(command, keep)

    async def answered(self, live: LiveSession, command: Command, reply: Result | Error) -> None:
        """Stores the editor's reply and wakes those waiting for it."""
        log.info("%s #%d was answered", command.name, command.id)
        reply = _explain_unsupported(live, command, reply)
        # Read before the editor's next message is handled, which may be of a newer import.
        observed = await _observe(live, command)

        def store(db: Database) -> Receipt | None:
            return ReceiptStore(db).answered(command.id, reply, observed)

        if self._store.trouble:
            self._store_later(command, store)
            return
        try:
            self._stored(command, await self._store.write(store))
        except StoreError:
            self._store_later(command, store)

    def _store_later(self, command: Command, store: Callable[[Database], Receipt | None]) -> None:
        # The editor won't repeat it; its other messages must not wait.
        task = asyncio.create_task(self._persist(command, store))
        self._unstored.add(task)
        task.add_done_callback(self._unstored.discard)

    async def _persist(self, command: Command, store: Callable[[Database], Receipt | None]) -> None:
        try:
            receipt = await self._store.persist(store)
        except StoreError as error:
            log.error("the reply to %s #%d is not stored: %s", command.name, command.id, error.reason)
            # Those waiting get the same error when they read the receipt.
            receipt = None
        self._stored(command, receipt)

    def _stored(self, command: Command, receipt: Receipt | None) -> None:
        if receipt is not None and receipt.state == "failed":
            log.warning("%s #%d failed; see `popbridge receipts`", command.name, command.id)
        self.wake(command.id)
        if receipt is not None and receipt.state == "applied" and receipt.reverts is not None:
            self.on_revert(receipt)

    async def close(self) -> None:
        """Cancels writes that haven't succeeded yet."""
        for task in self._unstored:
            task.cancel()
        await asyncio.gather(*self._unstored, return_exceptions=True)

    def wake(self, receipt_id: int) -> None:
        if event := self._waiting.pop(receipt_id, None):
            event.set()

    async def wait(self, receipt_id: int) -> Receipt:
        """Waits until the editor has replied or its session has ended, and returns the receipt."""
        while True:
            # Before reading, so that no reply is missed.
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
            raise _unknown(receipt_id)
        return receipt

    async def revert(
        self,
        receipt_ids: Sequence[int],
        parent: tuple[int, int] | None = None,
        *,
        editor: str = "",
        asking: LiveSession,
    ) -> list[int]:
        """Sends the commands that revert receipts, and returns the ids of their receipts.

        `editor` is the session that should do it, `asking` the session that asks. For an answer (`parent`),
        receipts that can't be reverted are skipped if others can. Raises RequestError if a receipt is
        unknown, another token's or project's, changed nothing, was already reverted or made by an audit, if
        no editor has the project open, or if several do and none was chosen.
        """
        found = [await self._revertible(receipt_id, asking) for receipt_id in receipt_ids]
        found.reverse()
        steps = [None if parent is None else (parent[0], parent[1] + number) for number in range(len(found))]
        problems = [await self._revert_problem(*each) for each in zip(found, steps, strict=True)]
        if any(problems) and (parent is None or all(problems)):
            raise next(error for error in reversed(problems) if error)
        return [
            await self._send_revert(receipt, step, editor, asking)
            for receipt, step, error in zip(found, steps, problems, strict=True)
            if error is None
        ]

    async def _send_revert(
        self, receipt: Receipt, step: tuple[int, int] | None, editor: str, asking: LiveSession
    ) -> int:
        own = self._answering(receipt, asking) if step is not None else None
        earlier = await self._standing(receipt.id)
        return await self.send(
            own or self._editor_of(receipt, await self._engine_of(receipt), editor, asking.id),
            reverse_changes(receipt.command),
            {"changes": revert_command(receipt.before, receipt.after, [each.after for each in earlier])},
            text("revert of {id}: {note}", id=receipt.id, note=receipt.note),
            reverts=receipt.id,
            parent=step,
            asking=asking,
        )

    def _answering(self, receipt: Receipt, asking: LiveSession) -> LiveSession | None:
        """Returns the session that reverts for an answer: the answering one, if it has the same project open.

        Its editor may be disconnected, because the session stores the command.
        """
        own = self._sessions.by_id.get(receipt.session)
        return asking if own is not None and asking in mates(own, self._sessions) else own

    async def _revertible(self, receipt_id: int, asking: LiveSession) -> Receipt:
        receipt = await self._get(receipt_id)
        if asking.principal.may("admin"):
            pass
        elif receipt.owner != asking.owner:
            # As if it didn't exist: numbers of others' changes are none of this client's business.
            raise _unknown(receipt_id)
        elif receipt.project != asking.view.project:
            raise RequestError(
                errors.FORBIDDEN,
                name=text("Change {number}", number=receipt_id),
                reason=text("it was made in another project; open that one, or use `popbridge revert`"),
            )
        if receipt.command == AUDIT_FIX:
            reason = text(
                "it was made by `popbridge audit --fix`; revert it with `popbridge revert {receipt}`",
                receipt=receipt_id,
            )
            raise RequestError(
                errors.UNSUPPORTED, name=text("Change {number}", number=receipt_id), reason=reason
            )
        if receipt.state == "sent":
            reason = text("its editor hasn't answered yet; `popbridge receipts` shows the state")
            raise RequestError(
                errors.UNSUPPORTED, name=text("Change {number}", number=receipt_id), reason=reason
            )
        return receipt

    async def _revert_problem(self, receipt: Receipt, step: tuple[int, int] | None) -> RequestError | None:
        """Returns why a receipt can't be reverted (again) by this `step` of an answer, or None."""
        if receipt.state != "applied" or not receipt.before:
            reason = text("it changed nothing ({state})", state=receipt.state)
            return RequestError(
                errors.UNSUPPORTED, name=text("Change {number}", number=receipt.id), reason=reason
            )
        # If an answer is processed again, its earlier command counts.
        if step is not None and await self.earlier(step) is not None:
            return None
        earlier = await self._reverted_by(receipt.id)
        # A failed revert may be retried, and an unanswered one by another editor.
        if earlier is None or earlier.state != "applied" or earlier.errors:
            return None
        # Several receipts may each have reverted a part.
        again = _redo_hint([each.id for each in await self._standing(receipt.id)] or [earlier.id])
        reason = text("it was already reverted by change {number}; {again}", number=earlier.id, again=again)
        return RequestError(
            errors.UNSUPPORTED, name=text("Change {number}", number=receipt.id), reason=reason
        )

    async def _reverted_by(self, receipt_id: int) -> Receipt | None:
        return await self._unless_damaged(lambda store: store.reverted_by(receipt_id))

    async def _standing(self, receipt_id: int) -> Sequence[Receipt]:
        return await self._unless_damaged(lambda store: store.standing(receipt_id)) or []

    async def _unless_damaged(self, look: Callable[[ReceiptStore], Found]) -> Found | None:
        try:
            return await self._store.read(lambda connection: look(ReceiptStore(Database(connection))))
        except PermanentDamage:
            # A damaged receipt must not keep others from being reverted.
            return None

    async def _engine_of(self, receipt: Receipt) -> str:
        return await self._store.read(
            lambda connection: SessionStore(Database(connection)).engine(receipt.session)
        )

    def _editor_of(self, receipt: Receipt, engine: str, editor: str, asking: str) -> LiveSession:
        editors = {
            s.id: s
            for s in self._sessions
            if s.is_editor and s.owner == receipt.owner and s.view.project == receipt.project
        }
        name = receipt.project_name or receipt.project
        moved = self._editors_elsewhere(receipt, engine)
        if editor in moved:
            return moved[editor]
        if not editors or (editor and editor not in editors):
            which = text("Editor {id}", id=editor) if editor else text("An editor")
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
        """Returns the editors that may have the receipt's project open in another folder, by session."""
        return {
            s.id: s
            for s in self._sessions
            if s.is_editor
            and s.owner == receipt.owner
            and s.view.project != receipt.project
            and (s.id == receipt.session or _is_alike(s, receipt.project_name, engine))
        }


def _unknown(receipt_id: int) -> RequestError:
    hint = text("`popbridge receipts` lists all changes.")
    return RequestError(errors.NOT_FOUND, hint, name=text("Change {number}", number=receipt_id))


def _without_stale(
    command: Command, states: States, present: Observed, root: Path | None
) -> tuple[Command, dict[str, list[AnyText]]]:
    """Returns the command without changes of textures that changed since, and the reasons by path."""
    asked = command.args["changes"]
    stale: dict[str, list[AnyText]] = {}
    changes = []
    for change, guarded in zip(asked, expecting(asked, states), strict=True):
        own = isinstance(change, Mapping) and "expected" in change
        if reasons := stale_reasons(guarded, states, own, present, root):
            stale.setdefault(str(change["path"]), []).extend(reasons)
        else:
            changes.append(guarded)
    return msgspec.structs.replace(command, args={**command.args, "changes": changes}), stale


async def _observe(live: LiveSession, command: Command) -> Observed:
    """Returns the present settings of the textures that the command changes, as far as they can be read."""
    paths = by_path(command.args.get("changes")) if command.name in VERIFIED else {}
    view = live.view
    if not paths or view.root is None or view.adapter is None:
        return {}
    support, root = view.adapter.project, view.root
    files = {path: file_of(path) for path in paths}
    return await asyncio.to_thread(lambda: read_settings(support, root.resolve(), files))


def _explain_unsupported(live: LiveSession, command: Command, reply: Result | Error) -> Result | Error:
    """Replaces the message of `reply` if the editor's addon is too old to revert changes."""
    if command.name != REVERT or not isinstance(reply, Error) or reply.code != errors.UNSUPPORTED.name:
        return reply
    log.info("%s #%d isn't supported by the editor: %s", command.name, command.id, reply.message)
    reason = outdated_addon(live.identify, live.choice.adapter if live.choice else None)
    if not reason:
        return reply
    return msgspec.structs.replace(reply, message=str(reason), message_text=Translatable.of(reason))


def _is_alike(live: LiveSession, project_name: str, engine: str) -> bool:
    """Whether the session's project has this name and engine, and both are known."""
    here = live.identify.engine
    same_engine = bool(here and engine) and here.name == engine
    return same_engine and bool(project_name) and live.view.project_name == project_name


def _redo_hint(receipts: Sequence[int]) -> AnyText:
    """Returns how to apply a change again, by reverting these reverts, newest first."""
    *first, last = [f"`popbridge revert {number}`" for number in receipts]
    if first:
        return text("to apply it again: {first}, then {last}", first=first, last=last)
    return text("to apply it again: {last}", last=last)


def _moved_hint(receipt: Receipt, moved: Mapping[str, LiveSession]) -> AnyText | None:
    """Suggests editors with a similar project in another folder, or returns None if there are none."""
    # A copied project looks the same as a moved one, so a person must decide.
    commands = [f"`popbridge revert {receipt.id} --editor {s.id}` ({s.description})" for s in moved.values()]
    return (
        text(
            "If the project was moved: {commands}.",
            commands=joined(commands, text("{head}, or {rest}")),
        )
        if commands
        else None
    )


MAX_LIST_BYTES = MAX_FRAME - SPARE
"""Maximum bytes of a list of receipts in a frame."""
MAX_DAMAGED = 1000
"""Maximum number of damaged receipts in a list."""
LARGE_FIELDS = ("args", "before", "after", "errors")
"""Fields whose size grows with the number of files."""


class ReceiptView(Receipt, kw_only=True):
    """A receipt as sent to a client."""

    abridged: bool = False
    """Whether `args`, `before`, `after` and `errors` were left out because they don't fit into a frame;
    `popbridge receipts --json` shows them."""


class ListParams(Struct, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    before: Annotated[int, Meta(ge=1, le=2**53 - 1)] = 2**53 - 1


class RevertParams(Struct, forbid_unknown_fields=True):
    id: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    editor: Annotated[str, Meta(max_length=128)] = ""


class Receipts(Advisor):
    """The advisor that lists and reverts changes."""

    name = RECEIPTS
    asks = RECEIPTS_ASKS

    def __init__(self, store: Store, sessions: Sessions) -> None:
        self._store = store
        self._sessions = sessions

    async def on_ask(
        self, context: Context, session: SessionView, name: str, params: Mapping[str, Any]
    ) -> Any:
        if name == "receipts.list":
            wanted = _parse(name, params, ListParams)
            live = self._sessions.by_id[session.id]
            owner = None if live.principal.may("admin") else live.owner
            # The rows may be large.
            return await self._store.read(functools.partial(_listed, wanted, owner), brief=False)
        asked = _parse(name, params, RevertParams)
        result = await context.revert([asked.id], editor=asked.editor)
        shown, _ = _view(await context.receipt(result[0]))
        return {"receipt": shown}

    async def on_event(self, context: Context, session: SessionView, event: Event) -> None:
        raise AssertionError("has no events")

    async def on_answer(
        self, context: Context, session: SessionView, popup: Popup, state: Any, answer: Answer
    ) -> None:
        raise AssertionError("has no popups")


def _listed(wanted: ListParams, owner: str | None, connection: sqlite3.Connection) -> dict[str, Any]:
    """Returns the newest receipts, or those of one token, that fit into a frame: at least one if any is
    readable."""
    listed: list[Any] = []
    damaged: list[int] = []
    room = MAX_LIST_BYTES
    for receipt in ReceiptStore(Database(connection)).newest(wanted.limit, wanted.before, owner):
        if isinstance(receipt, DamagedReceipt):
            # More of them would be of no use.
            if len(damaged) < MAX_DAMAGED:
                damaged.append(receipt.id)
                room -= _size(receipt.id)
            continue
        value, size = _view(msgspec.to_builtins(receipt), MAX_LIST_BYTES if listed else room)
        room -= size
        if listed and room < 0:
            # The next page continues below the last one.
            above = [number for number in damaged if number > listed[-1]["id"]]
            return {"receipts": listed, "more": True, "damaged": above}
        listed.append(value)
    return {"receipts": listed, "more": False, "damaged": damaged}


def _view(receipt: Mapping[str, Any], room: int = MAX_LIST_BYTES) -> tuple[Mapping[str, Any], int]:
    """Returns a receipt as a `ReceiptView` of at most `room` bytes, and its size."""
    whole = {**receipt, "abridged": False}
    if (size := _size(whole)) <= room:
        return whole, size
    rest = {name: value for name, value in receipt.items() if name not in LARGE_FIELDS} | {"abridged": True}
    return rest, _size(rest)


def _size(value: Any) -> int:
    """Returns the larger of the sizes in both subprotocols, in bytes."""
    size = len(msgspec.msgpack.encode(value))
    # Values sent as msgpack may have keys that JSON doesn't support.
    with contextlib.suppress(TypeError):
        size = max(size, len(msgspec.json.encode(value)))
    return size + 1


def _parse(name: str, params: Mapping[str, Any], kind: Any) -> Any:
    try:
        return msgspec.convert(params, kind)
    except msgspec.ValidationError as error:
        raise RequestError(errors.BAD_PARAMS, workload=name, reason=str(error)) from None
