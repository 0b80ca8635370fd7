"""What can still be read of a damaged database, written into a fresh one."""

from __future__ import annotations

import contextlib
import heapq
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct
from sqlite_utils import Database, Migrations

from bridge.store.database import connect
from bridge.store.database import migrations as main_migrations
from bridge.store.inspect import open_to_look, tables

MAX_TRIES = 5_000
"""Most places of one table at which reading is tried again behind damage."""

MAX_ROW = 2**63 - 1
"""SQLite's highest row number."""


class Salvaged(Struct):
    """What came of the rows of a damaged database, by table."""

    rows: dict[str, int]
    """How many are kept."""
    lost: dict[str, int | None]
    """About how many aren't, of tables that lost any; None where nobody can tell."""


class _Damaged(Exception):
    pass


def salvage(damaged: Path, fresh: Path, schema: Migrations = main_migrations) -> Salvaged:
    """Makes the database `fresh` of the rows that `damaged` still gives.

    Rows that can't be read are left out, and those in which bytes were flipped unseen aren't. Raises
    sqlite3.Error where nothing can be read, or `fresh` can't be written, and OSError.
    """
    with contextlib.closing(open_to_look(damaged)) as source:
        # Text that is no UTF-8 any more is better than none.
        source.text_factory = lambda data: data.decode("utf-8", "replace")
        older = _as_old_as(source, schema)
        with contextlib.closing(connect(fresh, older, durable=False).conn) as target:
            target.execute("BEGIN")
            made = Salvaged({}, {})
            for table in tables(target):
                if table in tables(source):
                    made.rows[table], unread = _save(source, target, table)
                    if unread:
                        made.lost[table] = _lost(source, table, made.rows[table], unread)
            target.execute("COMMIT")
    with contextlib.closing(connect(fresh, schema, durable=False).conn) as target:
        # Alone and at rest it is one file.
        target.execute("PRAGMA journal_mode = DELETE")
    return made


def _lost(source: sqlite3.Connection, table: str, kept: int, unread: int) -> int | None:
    """About how many rows of a table are lost, where `unread` row numbers can't be asked for."""
    with contextlib.suppress(sqlite3.Error):
        # SQLite counts in an index where there is one, which may be whole.
        (count,) = source.execute(f'SELECT count(*) FROM "{table}"').fetchone()
        return max(int(count) - kept, 0)
    (pages,), (size,) = (source.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size"))
    # Where the end of a table is damaged, its numbers have none; no file holds more rows than bytes.
    return unread if unread < pages * size else None


def _as_old_as(source: sqlite3.Connection, schema: Migrations) -> Migrations:
    """The migrations that made `source`: its rows fit what they make; all, where that can't be read."""
    try:
        applied = {one.name for one in schema.applied(Database(source))}
    except sqlite3.Error:
        return schema
    older = Migrations(schema.name)
    for one in schema.pending(Database(memory=True)):
        if one.name in applied:
            older(name=one.name)(one.fn)
    return older if applied else schema


def _save(source: sqlite3.Connection, target: sqlite3.Connection, table: str) -> tuple[int, int]:
    """How many rows were copied, and how many row numbers nothing could be read of."""
    there = _columns(source, table)
    columns = [f'"{name}"' for name in _columns(target, table) if name in there]
    before = target.total_changes
    if _is_numbered(target, table):
        # rowid too: some rows are told apart, and sorted, by nothing else.
        unread = _copy_readable(_copier(source, target, table, ["rowid", *columns]))
    else:
        unread = _copy_from_both_ends(source, target, table, columns)
    return target.total_changes - before, unread


def _is_numbered(connection: sqlite3.Connection, table: str) -> bool:
    """Whether its rows have numbers: not in a table WITHOUT ROWID."""
    try:
        connection.execute(f'SELECT rowid FROM "{table}" LIMIT 0')
    except sqlite3.OperationalError:
        return False
    return True


def _copier(
    source: sqlite3.Connection, target: sqlite3.Connection, table: str, columns: Sequence[str]
) -> Callable[[str, int, int], tuple[int | None, bool]]:
    names = ", ".join(columns)
    select = f'SELECT {names} FROM "{table}" NOT INDEXED WHERE rowid BETWEEN ? AND ? ORDER BY rowid'
    insert = _insert(table, columns)

    def copy(order: str, low: int, high: int) -> tuple[int | None, bool]:
        """The last row that was read, and whether damage ended it."""
        last = None
        try:
            for row in _rows(source, f"{select} {order}", low, high):
                last = row[0]
                target.execute(insert, row)
        except _Damaged:
            return last, True
        return last, False

    return copy


def _copy_from_both_ends(
    source: sqlite3.Connection, target: sqlite3.Connection, table: str, columns: Sequence[str]
) -> int:
    """By the primary key, as far as it goes; how many rows lie between the two ends nobody knows."""
    keys = sorted((row[5], row[1]) for row in target.execute(f'PRAGMA table_info("{table}")') if row[5])
    select = f'SELECT {", ".join(columns)} FROM "{table}" NOT INDEXED ORDER BY '
    for order in ("ASC", "DESC"):
        try:
            for row in _rows(source, select + ", ".join(f'"{name}" {order}' for _, name in keys)):
                target.execute(_insert(table, columns), row)
        except _Damaged:
            continue
        return 0
    return MAX_ROW


def _insert(table: str, columns: Sequence[str]) -> str:
    marks = ", ".join("?" * len(columns))
    return f'INSERT OR IGNORE INTO "{table}" ({", ".join(columns)}) VALUES ({marks})'


def _rows(source: sqlite3.Connection, select: str, *span: int) -> Iterator[tuple[Any, ...]]:
    """Raises _Damaged; what fails on the side of who asks stays what it is."""
    try:
        yield from source.execute(select, span)
    except sqlite3.Error:
        raise _Damaged from None


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]


def _copy_readable(copy: Callable[[str, int, int], tuple[int | None, bool]]) -> int:
    """From both ends as far as it goes, then so in both halves of what is left, the shortest first.

    Gives how many row numbers lie where nothing could be read.
    """
    unread = 0
    spans = [(MAX_ROW, 1, MAX_ROW)]
    for _ in range(MAX_TRIES):
        if not spans:
            break
        _, low, high = heapq.heappop(spans)
        last, damaged = copy("ASC", low, high)
        if not damaged:
            continue
        low = low if last is None else last + 1
        last, _ = copy("DESC", low, high)
        high = high if last is None else last - 1
        if low >= high:
            unread += high - low + 1
            continue
        middle = (low + high) // 2
        for span in ((low, middle), (middle + 1, high)):
            heapq.heappush(spans, (span[1] - span[0], *span))
    return unread + sum(high - low + 1 for _, low, high in spans)
