"""Commands to editors, each with its receipt: sent, answered, waited for, reverted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from sqlite_utils import Database

from accel.text import AnyText, joined, text
from bridge.core import errors
from bridge.core.errors import RequestError, StoreError
from bridge.core.messages import Command, Error, Numbered, Result
from bridge.core.reverting import REVERT, putting_back, way_back
from bridge.server.addons import too_old
from bridge.server.live import LiveSession
from bridge.server.sendable import sendable
from bridge.server.sessions import Sessions
from bridge.server.workspace import mates
from bridge.store.failures import LastingDamage
from bridge.store.receipts import ReceiptStore
from bridge.store.records import AUDIT_FIX, Receipt
from bridge.store.sessions import SessionStore
from bridge.store.store import Store

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
            way_back(receipt.command),
            {"changes": putting_back(receipt.before, receipt.after, [each.after for each in earlier])},
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
        except LastingDamage:
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
            listed = "; ".join(f"{live.id} ({live.described})" for live in editors.values())
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
    says = too_old(live.identify, live.choice.adapter if live.choice else None)
    return msgspec.structs.replace(reply, message=says or reply.message)


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
    ways = [f"`popbridge revert {receipt.id} --editor {s.id}` ({s.described})" for s in moved.values()]
    return (
        text(
            "If the project was moved, this puts it back there: {ways}.",
            ways=joined(ways, text("{head}, or {rest}")),
        )
        if ways
        else None
    )
