"""Is the file whole, what is in it."""

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
from bridge.core.messages import Answer, Identify, Popup
from bridge.store.database import (
    applied_migrations,
    declared_migrations,
    newer_migrations,
    open_for_inspection,
    wal_size,
)
from bridge.store.database import migrations as main_migrations
from bridge.store.receipts import read_receipt
from bridge.store.records import FAILURES, Row, StoredPopup, StoredSession, Unreadable, as_record, unpack


def _session(row: Row) -> None:
    unpack(as_record("sessions", row, StoredSession).identify, Identify)


def _popup(row: Row) -> None:
    popup = as_record("popups", row, StoredPopup)
    unpack(popup.message, Popup)
    unpack(popup.state)
    unpack(popup.answer, Answer)


READ: Mapping[str, tuple[str, Callable[[Row], object]]] = {
    "sessions": ("closed = 0", _session),
    "popups": ("status != 'settled'", _popup),
    "receipts": ("1", read_receipt),
}
"""Which rows somebody may ask for once more, by table, and how each is read."""


def find_unreadable(connection: sqlite3.Connection, table: str) -> Iterator[tuple[int, str]]:
    """The numbers of the rows of `table` that can't be read, and why. Raises sqlite3.Error."""
    where, read = READ[table]
    cursor = connection.execute(f"SELECT rowid AS number, * FROM {table} WHERE {where} ORDER BY rowid")
    names = [column[0] for column in cursor.description]
    for values in cursor:
        row = dict(zip(names, values, strict=True))
        try:
            read(row)
        except (Unreadable, DecodeError) as error:
            yield row["number"], str(error)


MOST = 20
"""Most problems that are named."""


class Report(Struct, kw_only=True):
    """What is known of a database file."""

    path: Path
    size: int
    """Bytes of the file."""
    wal: int
    """Bytes that were written and aren't in the file itself yet; they count."""
    schema: list[str] = field(default_factory=list)
    """The migrations that made it, in order."""
    newer: list[str] = field(default_factory=list)
    """Those of them that this PopBridge doesn't know."""
    rows: dict[str, int | None] = field(default_factory=dict)
    """How many rows each table has; None where they can't all be read."""
    free: int = 0
    """Bytes of the file that nothing uses."""
    problems: list[AnyText] = field(default_factory=list)
    """What is wrong, for people; none for a whole file."""


def inspect(path: Path, *, quick: bool = False, schema: Migrations = main_migrations) -> Report:
    """Looks at the database; `quick` doesn't compare indexes with their tables. Raises FileNotFoundError."""
    report = Report(path=path, size=path.stat().st_size, wal=wal_size(path))
    try:
        with contextlib.closing(open_for_inspection(path)) as connection:
            _look(report, connection, schema, "quick_check" if quick else "integrity_check")
    except FAILURES as error:
        report.problems.append(str(error))
    return report


def _look(report: Report, connection: sqlite3.Connection, schema: Migrations, pragma: str) -> None:
    db = Database(connection)
    with _noting(report):
        report.schema = applied_migrations(db, schema)
        report.newer = sorted(newer_migrations(db, schema))
        if not report.schema:
            report.problems.append(text("it isn't PopBridge's"))
    for table in tables(connection):
        report.rows[table] = None
        with _noting(report):
            (report.rows[table],) = connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()
    with _noting(report):
        (pages,), (size,) = (
            connection.execute(f"PRAGMA {name}").fetchone() for name in ("freelist_count", "page_size")
        )
        report.free = pages * size
    with _noting(report):
        found = [answer for (answer,) in connection.execute(f"PRAGMA {pragma}({MOST})")]
        report.problems += [line for answer in found if answer != "ok" for line in answer.splitlines()]
    for table in report.rows:
        with _noting(report):
            report.problems += _no_utf8(connection, table)
    # What isn't UTF-8 was told.
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    for table in sorted(report.rows.keys() & READ) if _is_of_now(report) else ():
        with _noting(report):
            broken = islice(find_unreadable(connection, table), MOST)
            report.problems += [
                text("row {number} of {table} can't be read: {why}", number=number, table=table, why=why)
                for number, why in broken
            ]
    with _noting(report):
        for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check").fetchmany(MOST):
            report.problems.append(
                text(
                    "row {row} of {table} names a row of {parent} that isn't there",
                    row=row,
                    table=table,
                    parent=parent,
                )
            )


def _is_of_now(report: Report) -> bool:
    """Whether its rows are as this PopBridge writes them."""
    return report.schema == declared_migrations(main_migrations)


def tables(connection: sqlite3.Connection) -> list[str]:
    """The tables with rows of PopBridge, by name. Raises sqlite3.Error."""
    rows = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' "
        "AND name NOT LIKE '\\_sqlite%' ESCAPE '\\' ORDER BY name"
    )
    return [name for (name,) in rows]


def _no_utf8(connection: sqlite3.Connection, table: str) -> list[AnyText]:
    """The columns with text that isn't UTF-8, which no check of SQLite's sees. Raises sqlite3.Error."""
    columns = [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]
    # As bytes, since nobody else can read it; of what is no text, nothing.
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
def _noting(report: Report) -> Iterator[None]:
    try:
        yield
    except FAILURES as error:
        if str(error) not in report.problems:
            report.problems.append(str(error))
