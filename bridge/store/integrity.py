"""Checks a database file and reports on its contents."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path

from msgspec import DecodeError, Struct, field
from sqlite_utils import Database, Migrations

from accel.text import AnyText, text
from bridge.core.errors import UserError
from bridge.core.messages import Answer, Identify, Popup
from bridge.store.column_encryption import TABLES, VaultConnection, has_state, needed_key, opened
from bridge.store.database import (
    applied_migrations,
    declared_migrations,
    folder_vault,
    newer_migrations,
    open_for_inspection,
    wal_size,
)
from bridge.store.database import migrations as main_migrations
from bridge.store.encryption import missing_key_error
from bridge.store.receipts import read_receipt
from bridge.store.records import FAILURES, Row, StoredPopup, StoredSession, UnreadableRow, as_record, unpack
from bridge.store.tokens import read_token


def _session(row: Row) -> None:
    unpack(as_record("sessions", row, StoredSession).identify, Identify)


def _popup(row: Row) -> None:
    popup = as_record("popups", row, StoredPopup)
    unpack(popup.message, Popup)
    unpack(popup.state)
    unpack(popup.answer, Answer)


ROW_CHECKS: Mapping[str, tuple[str, Callable[[Row], object]]] = {
    "sessions": ("closed = 0", _session),
    "popups": ("status != 'settled'", _popup),
    "receipts": ("1", read_receipt),
    "tokens": ("1", read_token),
}
"""By table, the condition for the rows to check and the function that decodes a row."""


def find_unreadable(connection: sqlite3.Connection, table: str) -> Iterator[tuple[int, str]]:
    """Yields the rowid and error of each unreadable row of `table`. Raises sqlite3.Error."""
    where, read = ROW_CHECKS[table]
    cursor = connection.execute(f"SELECT rowid AS number, * FROM {table} WHERE {where} ORDER BY rowid")
    names = [column[0] for column in cursor.description]
    for values in cursor:
        row = dict(zip(names, values, strict=True))
        try:
            read(opened(connection, table, row) if table in TABLES else row)
        except (UnreadableRow, DecodeError) as error:
            yield row["number"], str(error)


MAX_PROBLEMS = 20
"""Maximum number of problems to list."""


class Report(Struct, kw_only=True):
    """The state of a database file."""

    path: Path
    size: int
    """Bytes of the file."""
    wal: int
    """Bytes of the write-ahead log."""
    schema: list[str] = field(default_factory=list)
    """Applied migrations, in order."""
    newer: list[str] = field(default_factory=list)
    """Applied migrations unknown to this PopBridge."""
    rows: dict[str, int | None] = field(default_factory=dict)
    """Number of rows by table; None if they can't be counted."""
    free: int = 0
    """Unused bytes in the file."""
    problems: list[AnyText] = field(default_factory=list)
    """Problems, for people; empty if the file is intact."""


def inspect(path: Path, *, quick: bool = False, schema: Migrations = main_migrations) -> Report:
    """Checks a database. `quick` doesn't compare indexes with tables. Raises FileNotFoundError."""
    report = Report(path=path, size=path.stat().st_size, wal=wal_size(path))
    try:
        with contextlib.closing(open_for_inspection(path)) as connection:
            _check(report, connection, schema, "quick_check" if quick else "integrity_check")
    except FAILURES as error:
        report.problems.append(str(error))
    return report


def _check(report: Report, connection: VaultConnection, schema: Migrations, pragma: str) -> None:
    db = Database(connection)
    is_locked = _unlock(report, connection)
    with _collecting_errors(report):
        report.schema = applied_migrations(db, schema)
        report.newer = sorted(newer_migrations(db, schema))
        if not report.schema:
            report.problems.append(text("it isn't PopBridge's"))
    for table in tables(connection):
        report.rows[table] = None
        with _collecting_errors(report):
            (report.rows[table],) = connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()
    with _collecting_errors(report):
        (pages,), (size,) = (
            connection.execute(f"PRAGMA {name}").fetchone() for name in ("freelist_count", "page_size")
        )
        report.free = pages * size
    with _collecting_errors(report):
        found = [answer for (answer,) in connection.execute(f"PRAGMA {pragma}({MAX_PROBLEMS})")]
        report.problems += [line for answer in found if answer != "ok" for line in answer.splitlines()]
    for table in report.rows:
        with _collecting_errors(report):
            report.problems += _find_invalid_utf8(connection, table)
    # Invalid UTF-8 has been reported above.
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    for table in sorted(report.rows.keys() & ROW_CHECKS) if _is_current(report) and not is_locked else ():
        with _collecting_errors(report):
            broken = islice(find_unreadable(connection, table), MAX_PROBLEMS)
            report.problems += [
                text(
                    "row {number} of {table} can't be read: {reason}",
                    number=number,
                    table=table,
                    reason=reason,
                )
                for number, reason in broken
            ]
    with _collecting_errors(report):
        for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check").fetchmany(MAX_PROBLEMS):
            report.problems.append(
                text(
                    "row {row} of {table} refers to a missing row of {parent}",
                    row=row,
                    table=table,
                    parent=parent,
                )
            )


def _unlock(report: Report, connection: VaultConnection) -> bool:
    """Gives the connection its vault. Returns whether the rows can't be opened."""
    try:
        needed = needed_key(connection) if has_state(connection) else None
        connection.vault = vault = folder_vault(report.path)
        if needed is not None and needed not in vault.ids:
            raise missing_key_error(report.path, needed, vault.place)
    except UserError as error:
        report.problems.append(error.text)
        return True
    # Reported below.
    except FAILURES:
        pass
    return False


def _is_current(report: Report) -> bool:
    """Whether its schema is this PopBridge's."""
    return report.schema == declared_migrations(main_migrations)


def tables(connection: sqlite3.Connection) -> list[str]:
    """Returns the sorted names of PopBridge's tables. Raises sqlite3.Error."""
    rows = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' "
        "AND name NOT LIKE '\\_sqlite%' ESCAPE '\\' ORDER BY name"
    )
    return [name for (name,) in rows]


def _find_invalid_utf8(connection: sqlite3.Connection, table: str) -> list[AnyText]:
    """Finds columns with text that isn't UTF-8, which SQLite doesn't check. Raises sqlite3.Error."""
    columns = [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]
    # Read as bytes, because sqlite3 can't decode it. Other types are skipped.
    texts = (f'CASE typeof("{name}") WHEN \'text\' THEN CAST("{name}" AS BLOB) END' for name in columns)
    wrong = Counter(
        column
        for row in connection.execute(f'SELECT {", ".join(texts)} FROM "{table}"')
        for column, value in zip(columns, row, strict=True)
        if value is not None and not _is_utf8(value)
    )
    return [
        text(
            "text in {count} rows of {table}, column {name}, isn't UTF-8", count=count, table=table, name=name
        )
        for name, count in wrong.items()
    ]


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


@contextlib.contextmanager
def _collecting_errors(report: Report) -> Iterator[None]:
    try:
        yield
    except FAILURES as error:
        if str(error) not in report.problems:
            report.problems.append(str(error))
