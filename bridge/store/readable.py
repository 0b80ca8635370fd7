"""Which rows of a table with damaged pages can be read: all but those that lie in these pages."""

from __future__ import annotations

import bisect
import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bridge.store.failures import FAILURES

MAX_ROW = 2**63 - 1
"""SQLite's highest row number."""

Keep = Callable[[tuple[Any, ...]], object]


class Damaged(Exception):
    """What SQLite can't read of the source; what fails on the side of who asks stays what it is."""


class Numbered:
    """A table whose rows have numbers. `ends` are the last ones of its pages, as far as is known."""

    def __init__(
        self, source: sqlite3.Connection, table: str, columns: Sequence[str], ends: Sequence[int], top: int
    ) -> None:
        """`top` is the highest number that a row may have had; it is for counting alone."""
        # rowid too: some rows are told apart, and sorted, by nothing else.
        self._select = f'SELECT rowid, {", ".join(columns)} FROM "{table}" NOT INDEXED WHERE rowid '
        # One at a time: Python loses a row where SQLite can't take the step behind it.
        self._next = f'SELECT rowid FROM "{table}" NOT INDEXED WHERE rowid BETWEEN ? AND ? ORDER BY rowid '
        self._source = source
        self._ends = ends
        self._top = top

    def read(self, keep: Keep) -> int:
        """Gives each row, with its number first, to `keep`; says how many numbers couldn't be asked for."""
        low, unread = 1, 0
        while low <= MAX_ROW:
            last, damaged = self._copy(keep, ">= ? ORDER BY rowid", low)
            if not damaged:
                break
            low = low if last is None else last + 1
            at = bisect.bisect_left(self._ends, low)
            # Behind the last page that is known there is one more, without an end.
            high = self._ends[at] if at < len(self._ends) else MAX_ROW
            unread += self._copy_page(keep, low, high)
            low = high + 1
        return unread

    def _copy(self, keep: Keep, which: str, number: int) -> tuple[int | None, bool]:
        """The last row that was read, and whether damage ended it."""
        last = None
        try:
            for row in rows(self._source, self._select + which, number):
                last = row[0]
                keep(row)
        except Damaged:
            return last, True
        return last, False

    def _copy_page(self, keep: Keep, low: int, high: int) -> int:
        """Row by row: where only the rest of a long row is broken, which lies elsewhere, its page isn't."""
        numbers, unread = self._numbers(low, high)
        return unread + sum(self._copy(keep, "= ?", number)[1] for number in numbers)

    def _numbers(self, low: int, high: int) -> tuple[list[int], int]:
        """Those that can be read from both ends, and how many there may be between."""
        found: list[int] = []
        try:
            while number := self._end(low, high, "ASC"):
                found.append(number)
                low = number + 1
        except Damaged:
            with contextlib.suppress(Damaged):
                while number := self._end(low, high, "DESC"):
                    found.append(number)
                    high = number - 1
            return found, max(min(high, self._top) - low + 1, 0)
        return found, 0

    def _end(self, low: int, high: int, order: str) -> int | None:
        """The first number, or the last, from `low` to `high`. Raises Damaged."""
        return next(
            (number for (number,) in rows(self._source, f"{self._next} {order} LIMIT 1", low, high)), None
        )


def read_keyed(
    source: sqlite3.Connection, table: str, columns: Sequence[str], key: Sequence[str], keep: Keep
) -> bool:
    """Gives each row of a table WITHOUT ROWID to `keep`; says whether all could be read.

    By the primary `key` from both ends, and by what the table's indexes say between.
    """
    select = f'SELECT {", ".join(columns)} FROM "{table}" '
    if all(_from_both_ends(source, f"{select} NOT INDEXED", key, keep)):
        return True
    one = f"{select} WHERE {' AND '.join(f'{name} = ?' for name in key)}"
    for found in _keys(source, table, key):
        try:
            for row in rows(source, one, *found):
                keep(row)
        except Damaged:
            continue
    return False


def _from_both_ends(source: sqlite3.Connection, select: str, by: Sequence[str], keep: Keep) -> Iterator[bool]:
    """Whether that end came to the other one."""
    for order in ("ASC", "DESC"):
        try:
            for row in rows(source, f"{select} ORDER BY {', '.join(f'{name} {order}' for name in by)}"):
                keep(row)
        except Damaged:
            yield False
        else:
            yield True
            return


def _keys(source: sqlite3.Connection, table: str, key: Sequence[str]) -> set[tuple[Any, ...]]:
    """The primary keys that can be read in indexes of the table, each entry of which has one."""
    found: set[tuple[Any, ...]] = set()
    for index in whole_indexes(source, table):
        by = [f'"{row[2]}"' for row in source.execute(f'PRAGMA index_info("{index}")')]
        select = f'SELECT {", ".join(key)} FROM "{table}" INDEXED BY "{index}"'
        for _ in _from_both_ends(source, select, [*by, *key], found.add):
            pass
    return found


def whole_indexes(source: sqlite3.Connection, table: str) -> list[str]:
    """Those that name each row of the table, without its primary key."""
    listed = source.execute(f'PRAGMA index_list("{table}")').fetchall()
    return [name for _, name, _, origin, partial in listed if origin != "pk" and not partial]


def rows(source: sqlite3.Connection, select: str, *given: Any) -> Iterator[tuple[Any, ...]]:
    """Raises Damaged."""
    try:
        yield from source.execute(select, given)
    except FAILURES:
        raise Damaged from None
