"""What can still be read of a damaged database, written into a fresh one."""

from __future__ import annotations

import contextlib
import heapq
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlite_utils import Database, Migrations

from bridge.store.database import connect
from bridge.store.database import migrations as main_migrations
from bridge.store.inspect import open_to_look, tables

MAX_TRIES = 5_000
"""Most places of one table at which reading is tried again behind damage."""

MAX_ROW = 2**63 - 1
"""SQLite's highest row number."""


class _Damaged(Exception):
    pass


def salvage(damaged: Path, fresh: Path, schema: Migrations = main_migrations) -> dict[str, int]:
    """Makes the database `fresh` of the rows that `damaged` still gives; how many, by table.

    Rows that can't be read are left out, and those in which bytes were flipped unseen aren't. Raises
    sqlite3.Error where nothing can be read, or `fresh` can't be written, and OSError.
    """
    with contextlib.closing(open_to_look(damaged)) as source:
        # Text that is no UTF-8 any more is better than none.
        source.text_factory = lambda data: data.decode("utf-8", "replace")
        older = _as_old_as(source, schema)
        with contextlib.closing(connect(fresh, older, durable=False).conn) as target:
            target.execute("BEGIN")
            saved = {
                table: _save(source, target, table) for table in tables(target) if table in tables(source)
            }
            target.execute("COMMIT")
    with contextlib.closing(connect(fresh, schema, durable=False).conn) as target:
        # Alone and at rest it is one file.
        target.execute("PRAGMA journal_mode = DELETE")
    return saved


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


def _save(source: sqlite3.Connection, target: sqlite3.Connection, table: str) -> int:
    there = _columns(source, table)
    columns = [name for name in _columns(target, table) if name in there]
    # rowid too: some rows are told apart, and sorted, by nothing else.
    names = ", ".join(["rowid", *(f'"{name}"' for name in columns)])
    select = f'SELECT {names} FROM "{table}" NOT INDEXED WHERE rowid BETWEEN ? AND ? ORDER BY rowid'
    marks = ", ".join("?" * (len(columns) + 1))
    insert = f'INSERT OR IGNORE INTO "{table}" ({names}) VALUES ({marks})'

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

    before = target.total_changes
    _copy_readable(copy)
    return target.total_changes - before


def _rows(source: sqlite3.Connection, select: str, low: int, high: int) -> Iterator[tuple[Any, ...]]:
    """Raises _Damaged; what fails on the side of who asks stays what it is."""
    try:
        yield from source.execute(select, (low, high))
    except sqlite3.Error:
        raise _Damaged from None


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]


def _copy_readable(copy: Callable[[str, int, int], tuple[int | None, bool]]) -> None:
    """From both ends as far as it goes, then so in both halves of what is left, the shortest first."""
    spans = [(MAX_ROW, 1, MAX_ROW)]
    for _ in range(MAX_TRIES):
        if not spans:
            return
        _, low, high = heapq.heappop(spans)
        last, damaged = copy("ASC", low, high)
        if not damaged:
            continue
        low = low if last is None else last + 1
        last, _ = copy("DESC", low, high)
        high = high if last is None else last - 1
        middle = (low + high) // 2
        for span in ((low, middle), (middle + 1, high)):
            if low < high:
                heapq.heappush(spans, (span[1] - span[0], *span))
