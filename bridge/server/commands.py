"""Commands to editors, each with its receipt: sent, answered, waited for, reverted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from bridge.core import errors
from bridge.core.errors import RequestError
from bridge.core.messages import Command, Error, Result
from bridge.server.live import LiveSession, Sessions
from bridge.store.receipts import ReceiptStore
from bridge.store.records import Receipt

log = logging.getLogger(__name__)

DEADLINE_MS = 120_000
"""How long an editor has for one command."""


class Commands:
    """What the daemon asks of editors."""

    def __init__(self, receipts: ReceiptStore, sessions: Sessions) -> None:
        self._receipts = receipts
        self._sessions = sessions
        self._waiting: dict[int, asyncio.Event] = {}

    async def send(
        self,
        live: LiveSession,
        name: str,
        args: Mapping[str, Any],
        note: str,
        *,
        reverts: int | None = None,
        parent: tuple[int, int] | None = None,
    ) -> int:
        """Keeps and sends a command; gives its receipt's id. Raises RequestError where it can't be sent.

        The same step of the same `parent` popup is sent once, also by a daemon that does it over.
        """
        command = Command(id=0, name=name, args=dict(args), deadline_ms=DEADLINE_MS)
        live.expect(command)
        view = live.view
        receipt_id, is_new = self._receipts.open(
            live.id, view.project, view.project_name, command, note, reverts=reverts, parent=parent
        )
        if is_new:
            log.info("session %s: %s #%d (%s)", live.id, name, receipt_id, note)
            await live.write(self.number(live, msgspec.structs.replace(command, id=receipt_id)))
        return receipt_id

    def number(self, live: LiveSession, command: Command) -> Command:
        """Gives `command` its number, which its receipt keeps."""
        numbered = live.number(command)
        assert isinstance(numbered, Command)
        self._receipts.sent(numbered)
        return numbered

    def answered(self, command: Command, reply: Result | Error) -> None:
        """Keeps what the editor observed, and wakes whoever waits for it."""
        receipt = self._receipts.answered(command.id, reply)
        log.info("%s #%d is answered", command.name, command.id)
        if receipt is not None and receipt.state == "failed":
            log.warning("%s #%d failed: %s", command.name, command.id, receipt.errors)
        self.wake(command.id)

    def wake(self, receipt_id: int) -> None:
        if event := self._waiting.pop(receipt_id, None):
            event.set()

    async def wait(self, receipt_id: int) -> Receipt:
        """The receipt, once the editor has answered or its session has ended."""
        while True:
            receipt = self._receipts.get(receipt_id)
            if receipt is None:
                raise RequestError(
                    errors.NOT_FOUND, "`popbridge receipts` lists them.", name=f"Receipt {receipt_id}"
                )
            if receipt.state != "sent":
                return receipt
            await self._waiting.setdefault(receipt_id, asyncio.Event()).wait()

    async def revert(self, receipt_ids: Sequence[int], parent: tuple[int, int] | None = None) -> list[int]:
        """Puts back what receipts changed; gives the new receipts, which the editor has yet to answer.

        Raises RequestError: unknown, never applied, no editor of that project, or several.
        """
        found = [await self._revertible(receipt_id) for receipt_id in receipt_ids]
        made = []
        for step, receipt in enumerate(reversed(found)):
            # An answer may be acted on while its editor is away: its session keeps the command.
            own = self._sessions.by_id.get(receipt.session) if parent is not None else None
            live = own or self._editor_of(receipt)
            made.append(
                await self.send(
                    live,
                    receipt.command,
                    {"changes": receipt.before},
                    f"revert of {receipt.id}: {receipt.note}",
                    reverts=receipt.id,
                    parent=None if parent is None else (parent[0], parent[1] + step),
                )
            )
        return made

    async def _revertible(self, receipt_id: int) -> Receipt:
        receipt = self._receipts.get(receipt_id)
        if receipt is None:
            raise RequestError(
                errors.NOT_FOUND, "`popbridge receipts` lists them.", name=f"Receipt {receipt_id}"
            )
        if receipt.state != "applied" or not receipt.before:
            reason = f"it changed nothing ({receipt.state}), so that nothing can be put back"
            raise RequestError(errors.UNSUPPORTED, name=f"Receipt {receipt_id}", reason=reason)
        return receipt

    def _editor_of(self, receipt: Receipt) -> LiveSession:
        editors = [s for s in self._sessions if s.is_editor and s.view.project == receipt.project]
        name = receipt.project_name or receipt.project
        if not editors:
            raise RequestError(errors.EDITOR_GONE, editor=f"An editor with the project {name!r}")
        own = [s for s in editors if s.id == receipt.session]
        if len(editors) > 1 and not own:
            raise RequestError(errors.AMBIGUOUS_EDITOR, editors=", ".join(s.id for s in editors))
        return (own or editors)[0]
