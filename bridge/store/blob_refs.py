"""Finds the blobs that database rows refer to."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from functools import partial

from msgspec import Struct

from bridge.store.column_encryption import TABLES, LockedRow, unseal
from bridge.store.records import UnreadableRow
from bridge.store.store import Store

ROWS_PER_READ = 200
"""Rows per read; each may be as large as a frame."""
CHUNK_BYTES = 256 << 10
"""Bytes per search, which takes less than a millisecond and holds the GIL."""
_NAME = b"x" * 64
_DIGITS = bytes(ord("x" if chr(byte) in "0123456789abcdef" else " ") for byte in range(256))
"""Maps hex digits to x. Searching for 64 of them is ten times as fast as a regular expression."""


class BlobColumn(Struct, frozen=True):
    """A table with packed columns that may contain blob names."""

    table: str
    columns: Sequence[str]
    where: str = "1"
    """SQL condition for the rows that count."""


_ANSWERED = "finished IS NOT NULL AND NOT EXISTS (SELECT 1 FROM waiters WHERE job = jobs.id)"

REFERENCES = (
    BlobColumn("popups", ("message", "state", "answer"), "status != 'settled'"),
    BlobColumn("receipts", ("args", "before", "after", "errors")),
    BlobColumn("jobs", ("params", "inputs", "answer"), f"NOT ({_ANSWERED})"),
    BlobColumn("outbox", ("message",)),
)
"""References in the daemon's database. Each packed column is listed here or in COLUMNS_WITHOUT_BLOBS."""

ANSWER_REFERENCES = (BlobColumn("jobs", ("answer",), _ANSWERED),)
"""Answers stored for repeated keys; their blobs stay while there is room."""

COLUMNS_WITHOUT_BLOBS = frozenset(
    {
        ("sessions", "identify"),
        ("jobs", "digest"),
        ("marks", "mark"),
        ("popup_textures", "textures"),
        ("encryption", "value"),
        ("tokens", "stored_key"),
        ("tokens", "server_key"),
    }
)
"""Packed columns that never contain the name of a blob."""


async def blob_references(store: Store, holders: Iterable[BlobColumn] = REFERENCES) -> set[str]:
    """Returns the blob names in the rows of `holders`. Raises StoreError."""
    found: set[str] = set()
    for holder in holders:
        after: int | None = -(1 << 63)
        while after is not None:
            after, names = await store.read(partial(_slice, holder, after))
            found |= names
    return found


def blob_names_in(data: bytes) -> set[str]:
    """Returns all runs of 64 hex digits in a packed value."""
    found, end = set(), 0
    for at in range(0, len(data), CHUNK_BYTES):
        # A name may begin in the previous chunk.
        begin = max(at - len(_NAME) + 1, end)
        digits = data[begin : at + CHUNK_BYTES].translate(_DIGITS)
        hit = digits.find(_NAME)
        while hit >= 0:
            end = begin + hit + len(_NAME)
            found.add(data[begin + hit : end].decode())
            hit = digits.find(_NAME, hit + len(_NAME))
    return found


def _slice(holder: BlobColumn, after: int, connection: sqlite3.Connection) -> tuple[int | None, set[str]]:
    """Returns the last row read (None after the end) and the names found."""
    # Rows that don't count are read too: otherwise one slice might scan a whole large table.
    key = TABLES[holder.table].key
    rows = connection.execute(
        f"SELECT rowid, {holder.where}, {', '.join((*key, *holder.columns))} FROM {holder.table} "
        f"WHERE rowid > ? ORDER BY rowid LIMIT {ROWS_PER_READ}",
        (after,),
    ).fetchall()
    names: set[str] = set()
    for row in rows:
        if row[1]:
            place = row[2 : 2 + len(key)]
            for column, value in zip(holder.columns, row[2 + len(key) :], strict=True):
                try:
                    names |= blob_names_in(_bytes(unseal(connection, holder.table, place, column, value)))
                except LockedRow:
                    # Its blobs are needed once the key is back.
                    raise
                except UnreadableRow:
                    continue
    return (rows[-1][0] if rows else None), names


def _bytes(value: object) -> bytes:
    # In a damaged file, a value may have any type.
    return value.encode() if isinstance(value, str) else value if isinstance(value, bytes) else b""
