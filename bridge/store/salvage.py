"""What can still be read of a damaged database, written into a fresh one."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct
from sqlite_utils import Database, Migrations

from bridge.store.database import applied_migrations, connect
from bridge.store.database import migrations as main_migrations
from bridge.store.failures import FAILURES
from bridge.store.inspect import tables
from bridge.store.looking import open_to_look
from bridge.store.readable import MAX_ROW, Keep, Numbered, read_keyed, whole_indexes
from bridge.store.rows import unreadable
from bridge.store.splits import Splits

MAX_SEQUENCE = 2**53
"""Row numbers beyond that nobody has given: they are damage, and no more would fit behind them."""


class Salvaged(Struct):
    """What came of the rows of a damaged database, by table."""

    rows: dict[str, int]
    """How many are kept."""
    lost: dict[str, int | None]
    """About how many aren't, of tables that lost any; None where nobody can tell."""


def salvage(damaged: Path, fresh: Path, schema: Migrations = main_migrations) -> Salvaged:
    """Makes the database `fresh` of the rows that `damaged` still gives.

    Rows that can't be read are left out, and those in which bytes were flipped unseen aren't. Raises
    sqlite3.Error where nothing can be read, or `fresh` can't be written, and OSError.
    """
    splits = Splits(damaged)
    with contextlib.closing(open_to_look(damaged)) as source:
        # Text that is no UTF-8 any more is better than none.
        source.text_factory = lambda data: data.decode("utf-8", "replace")
        older = _as_old_as(source, schema)
        with contextlib.closing(connect(fresh, older, durable=False).conn) as target:
            target.execute("BEGIN")
            made = Salvaged({}, {})
            for table in tables(target):
                if table in tables(source):
                    made.rows[table], unread = _save(source, target, table, splits)
                    if unread:
                        made.lost[table] = _lost(source, table, made.rows[table], unread)
            target.execute("COMMIT")
    with contextlib.closing(connect(fresh, schema, durable=False).conn) as target:
        if schema is main_migrations:
            _leave_out(target, "receipts", made)
        # Alone and at rest it is one file.
        target.execute("PRAGMA journal_mode = DELETE")
    return made


def _leave_out(target: sqlite3.Connection, table: str, made: Salvaged) -> None:
    """Removes the rows for whose sake nobody could read the others any more."""
    if table in made.rows:
        numbers = [(number,) for number, _ in unreadable(target, table)]
        target.executemany(f"DELETE FROM {table} WHERE rowid = ?", numbers)
        made.rows[table] -= len(numbers)
        lost = made.lost.get(table, 0)
        if numbers and lost is not None:
            made.lost[table] = lost + len(numbers)


def _lost(source: sqlite3.Connection, table: str, kept: int, unread: int) -> int | None:
    """About how many rows of a table are lost, where `unread` row numbers can't be asked for."""
    for index in ("NOT INDEXED", *(f'INDEXED BY "{name}"' for name in whole_indexes(source, table))):
        with contextlib.suppress(*FAILURES):
            (count,) = source.execute(f'SELECT count(*) FROM "{table}" {index}').fetchone()
            return max(int(count) - kept, 0)
    (pages,), (size,) = (source.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size"))
    # Where the end of a table is damaged, its numbers have none; no file holds more rows than bytes.
    return unread if unread < pages * size else None


def _as_old_as(source: sqlite3.Connection, schema: Migrations) -> Migrations:
    """The migrations that made `source`: its rows fit what they make; all, where that can't be read."""
    try:
        applied = applied_migrations(Database(source), schema)
    except FAILURES:
        return schema
    declared = schema.pending(Database(memory=True))
    # Each was made upon those before it: else the list is damaged, and whose tables are there isn't known.
    if not applied or applied != [one.name for one in declared[: len(applied)]]:
        return schema
    older = Migrations(schema.name)
    for one in declared[: len(applied)]:
        older(name=one.name)(one.fn)
    return older


def _save(
    source: sqlite3.Connection, target: sqlite3.Connection, table: str, splits: Splits
) -> tuple[int, int]:
    """How many rows were copied, and how many row numbers nothing could be read of."""
    there = _columns(source, table)
    columns = [f'"{name}"' for name in _columns(target, table) if name in there]
    before = target.total_changes
    if _is_numbered(target, table):
        insert = _insert(target, table, ["rowid", *columns])
        top = _sequence(source, table)
        unread = Numbered(source, table, columns, splits.of(_root(source, table)), top or MAX_ROW).read(
            insert
        )
        copied = target.total_changes - before
        _go_on_from(target, table, top)
        return copied, unread
    keyed = sorted((row[5], row[1]) for row in target.execute(f'PRAGMA table_info("{table}")') if row[5])
    insert = _insert(target, table, columns)
    whole = read_keyed(source, table, columns, [f'"{name}"' for _, name in keyed], insert)
    return target.total_changes - before, 0 if whole else MAX_ROW


def _is_numbered(connection: sqlite3.Connection, table: str) -> bool:
    """Whether its rows have numbers: not in a table WITHOUT ROWID."""
    try:
        connection.execute(f'SELECT rowid FROM "{table}" LIMIT 0')
    except sqlite3.OperationalError:
        return False
    return True


def _root(source: sqlite3.Connection, table: str) -> int:
    """Its root page."""
    found = source.execute("SELECT rootpage FROM sqlite_schema WHERE type = 'table' AND name = ?", (table,))
    return int(found.fetchone()[0])


def _sequence(source: sqlite3.Connection, table: str) -> int:
    """The highest row number that was ever given in a table with AUTOINCREMENT; else 0."""
    with contextlib.suppress(*FAILURES):
        row = source.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
        if row and isinstance(row[0], int) and 0 < row[0] < MAX_SEQUENCE:
            return row[0]
    return 0


def _go_on_from(target: sqlite3.Connection, table: str, sequence: int) -> None:
    """No number that was given, and whose row is lost or was removed, is given again."""
    if sequence:
        target.execute("DELETE FROM sqlite_sequence WHERE name = ? AND seq < ?", (table, sequence))
        target.execute(
            "INSERT INTO sqlite_sequence (name, seq) SELECT ?1, ?2 "
            "WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?1)",
            (table, sequence),
        )


def _insert(target: sqlite3.Connection, table: str, columns: Sequence[str]) -> Keep:
    marks = ", ".join("?" * len(columns))
    statement = f'INSERT OR IGNORE INTO "{table}" ({", ".join(columns)}) VALUES ({marks})'
    return lambda row: target.execute(statement, row)


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]
