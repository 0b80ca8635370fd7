"""Receipts of commands that change something, and rules of projects."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import msgspec
from msgspec import UNSET
from sqlite_utils import Database

from accel.text import AnyText
from bridge.core.access import LOCAL_ID
from bridge.core.errors import StoreError
from bridge.core.messages import Command, Error, Result
from bridge.core.revert import APPLY, REVERT
from bridge.core.verification import EDITOR, Observed, as_changes, by_path, is_same, verify_result
from bridge.store.column_encryption import next_id, opened, sealed
from bridge.store.records import (
    AUDIT_FIX,
    FAILURES,
    DamagedReceipt,
    Receipt,
    as_record,
    as_store_error,
    is_damage,
    now_text,
    pack,
)

MAX_ID = 2**63 - 1


class ReceiptStore:
    """The table `receipts`. A receipt's id is its command's id."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._connection = db.conn
        self._table = db.table("receipts")

    def open(
        self,
        session_id: str,
        project: str,
        project_name: str,
        command: Command,
        note: AnyText,
        *,
        reverts: int | None = None,
        parent: tuple[int, int] | None = None,
        before: Observed | None = None,
        errors: Sequence[Mapping[str, Any]] | None = None,
        owner: str = LOCAL_ID,
    ) -> tuple[int, bool]:
        """Inserts the receipt of a command before it is sent. Returns its id and True.

        `parent` is a popup and a step of its answer. If it already made a receipt, returns that one's id and
        False. `before` are all settings of the files that the command is about to change, as the daemon read
        them, and `errors` those of changes that aren't sent. `owner` is the token of the session.
        """
        if parent is not None and (found := self.made(parent)) is not None:
            return found, False
        row = {
            "id": next_id(self._connection, "receipts"),
            "session": session_id,
            "owner": owner,
            "project": project,
            "project_name": project_name,
            "command": command.name,
            "args": pack(command.args),
            "deadline_ms": command.deadline_ms,
            "note": str(note),
            "state": "sent",
            "before": None if before is None else pack(as_changes(before)),
            "errors": None if errors is None else pack(errors),
            "reverts": reverts,
            "parent": parent[0] if parent else None,
            "step": parent[1] if parent else None,
            "created": now_text(),
        }
        self._table.insert(sealed(self._connection, "receipts", row))
        return cast(int, row["id"]), True

    def made(self, parent: tuple[int, int]) -> int | None:
        """Returns the id of the receipt for a popup and a step of its answer, or None."""
        found = self._connection.execute(
            "SELECT id FROM receipts WHERE parent = ? AND step = ?", parent
        ).fetchone()
        return int(found[0]) if found else None

    def sent(self, command: Command) -> None:
        """Stores the `seq` of the command."""
        self._table.update(command.id, {"seq": command.seq or None})

    def answered(
        self,
        command_id: int,
        reply: Result | Error,
        observed: Observed | None = None,
        reporter: AnyText = EDITOR,
    ) -> Receipt | None:
        """Stores the reply; returns the receipt, or None if it was answered before.

        `observed` are the settings of the changed files, as the daemon read them after the change: they
        count, not what `reporter` replied.
        """
        with self._db.atomic():
            opened = self.get(command_id)
            if opened is None or opened.state != "sent":
                return None
            before, after, failures = _outcome(opened, reply, observed or {}, reporter)
            errors = [*(opened.errors or ()), *failures] or None
            state = "failed" if errors and not after else "applied"
            row = {"id": command_id, "before": pack(before), "after": pack(after), "errors": pack(errors)}
            changed = self._connection.execute(
                "UPDATE receipts SET state = :state, before = :before, after = :after, errors = :errors, "
                "answered = :answered WHERE id = :id AND state = 'sent'",
                {**sealed(self._connection, "receipts", row), "state": state, "answered": now_text()},
            ).rowcount
        return self.get(command_id) if changed else None

    def get(self, receipt_id: int) -> Receipt | None:
        found = self._receipts("id = ?", receipt_id)
        return found[0] if found else None

    def unanswered(self, session_id: str) -> list[Receipt]:
        """Returns the unanswered receipts of a session, oldest first."""
        return self._receipts("state = 'sent' AND session = ?", session_id)

    def reverted_by(self, receipt_id: int) -> Receipt | None:
        """Returns the receipt that reverted this one, at least in part, unless it was itself reverted."""
        chain: list[Receipt] = []
        # Require rising ids: a damaged file could contain a cycle.
        while found := self._receipts(
            "id = (SELECT max(id) FROM receipts WHERE reverts = ?1 AND id > ?1 AND state != 'failed')",
            chain[-1].id if chain else receipt_id,
        ):
            chain += found
        return chain[0] if len(chain) % 2 else None

    def standing(self, receipt_id: int) -> list[Receipt]:
        """Returns the receipts that reverted this one, at least in part, and weren't themselves reverted,
        newest first."""
        found = self._receipts("reverts = ?1 AND id > ?1 AND state = 'applied'", receipt_id)
        return [each for each in reversed(found) if self.reverted_by(each.id) is None]

    def latest(self, limit: int = 100) -> list[Receipt]:
        """Returns the newest readable receipts, newest first."""
        return [receipt for receipt in self.newest(limit) if isinstance(receipt, Receipt)]

    def newest(
        self, limit: int, before: int = MAX_ID, owner: str | None = None
    ) -> Iterator[Receipt | DamagedReceipt]:
        """Yields receipts with ids below `before`, newest first: up to `limit` readable ones, and the damaged
        ones between them. With `owner`, only those of its sessions."""
        # One query each: damage such as invalid UTF-8 would end a query for all.
        # A database of 0.2.0 that is only read has no owners.
        where, values = ("", (before,)) if owner is None else ("AND owner = ?", (before, owner))
        select = f"SELECT id FROM receipts WHERE id < ? {where} ORDER BY id DESC"
        with contextlib.closing(self._connection.execute(select, values)) as ids:
            for (number,) in ids:
                if limit < 1:
                    return
                if found := self._unless_damaged(number):
                    limit -= isinstance(found, Receipt)
                    yield found

    def _unless_damaged(self, receipt_id: int) -> Receipt | DamagedReceipt | None:
        try:
            return self.get(receipt_id)
        except FAILURES as error:
            failure = as_store_error(error)
            if isinstance(failure, StoreError) and is_damage(failure):
                return DamagedReceipt(id=receipt_id)
            raise

    def _receipts(self, where: str, *values: object) -> list[Receipt]:
        rows = self._db.query(f"SELECT * FROM receipts WHERE {where} ORDER BY id", list(values))
        return [read_receipt(opened(self._connection, "receipts", row)) for row in rows]


class RuleStore:
    """The table `rules`: findings to fix without asking, by folder.

    Only for projects on other machines; local projects have their rules in popbridge.toml.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(self, project: str, folder: str, finding: str) -> None:
        self._db.table("rules").insert(
            {"project": project, "folder": folder, "finding": finding, "created": now_text()}, ignore=True
        )

    def of(self, project: str) -> dict[str, list[str]]:
        """Returns the findings by folder."""
        rules: dict[str, list[str]] = {}
        for row in self._db.query("SELECT folder, finding FROM rules WHERE project = ?", [project]):
            rules.setdefault(row["folder"], []).append(row["finding"])
        return rules

    def forget(self, project: str, rules: Mapping[str, Sequence[str]]) -> None:
        """Deletes these rules."""
        rows = [(project, folder, finding) for folder, findings in rules.items() for finding in findings]
        with self._db.atomic():
            self._db.conn.executemany(
                "DELETE FROM rules WHERE project = ? AND folder = ? AND finding = ?", rows
            )


VERIFIED = frozenset({APPLY, REVERT, AUDIT_FIX})
"""Commands whose `changes` are import settings by path."""


def _outcome(
    opened: Receipt, reply: Result | Error, observed: Observed, reporter: AnyText
) -> tuple[Any, Any, Sequence[Any]]:
    """Returns the values before and after the change, and the errors."""
    error: dict[str, Any] = {}
    if isinstance(reply, Error):
        error["message"] = reply.message
        if reply.message_text is not UNSET:
            error["message_text"] = msgspec.to_builtins(reply.message_text)
    value = reply.value if isinstance(reply, Result) and isinstance(reply.value, Mapping) else {}
    if opened.command in VERIFIED:
        before = by_path(opened.before)
        if error:
            # It may have changed files all the same, which then can be reverted.
            asked = by_path(opened.args.get("changes"))
            before = {
                path: was
                for path, was in before.items()
                if _has_changed({name: was.get(name) for name in asked.get(path, was)}, observed.get(path))
            }
            observed = {path: observed[path] for path in before}
        value = verify_result(
            opened.args.get("changes"), value, before, observed, reporter, whole=opened.command != AUDIT_FIX
        )
    if error:
        return value.get("before") or None, value.get("after") or None, [error]
    errors = value.get("errors")
    listed = errors if isinstance(errors, list) else [errors] if errors else []
    return value.get("before"), value.get("after"), listed


def _has_changed(was: Mapping[str, Any], now: Mapping[str, Any] | None) -> bool:
    return now is not None and any(not is_same(value, now.get(name)) for name, value in was.items())


def read_receipt(row: Mapping[str, Any]) -> Receipt:
    """Converts an opened row to a receipt. Raises UnreadableRow."""
    return as_record("receipts", row, Receipt, dict.fromkeys(("args", "before", "after", "errors"), Any))
