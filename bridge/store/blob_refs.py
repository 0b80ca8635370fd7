"""Which rows of the database name blobs, and the names in them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from functools import partial

from msgspec import Struct

from bridge.store.store import Store

SLICE = 200
"""Rows that are read at once: each may be as large as a frame."""
PIECE = 256 << 10
"""Bytes that are looked through in one go, for which Python's lock is held: less than a millisecond."""
_NAME = b"x" * 64
_DIGITS = bytes(ord("x" if chr(byte) in "0123456789abcdef" else " ") for byte in range(256))
"""Turns each digit into an x: looking for so many of them takes a tenth of what a pattern does."""


class BlobColumn(Struct, frozen=True):
    """A table whose rows name blobs in packed columns."""

    table: str
    columns: Sequence[str]
    where: str = "1"
    """Which of its rows count."""


_ANSWERED = "finished IS NOT NULL AND NOT EXISTS (SELECT 1 FROM waiters WHERE job = jobs.id)"

HOLDERS = (
    BlobColumn("popups", ("message", "state", "answer"), "status != 'settled'"),
    BlobColumn("receipts", ("args", "before", "after", "errors")),
    BlobColumn("jobs", ("params", "inputs", "answer"), f"NOT ({_ANSWERED})"),
    BlobColumn("outbox", ("message",)),
)
"""In the daemon's database. A table that gets packed columns gets a line here, or in NAMELESS."""

ANSWERS = (BlobColumn("jobs", ("answer",), _ANSWERED),)
"""What is there for whoever asks with a key again, with its inputs: it stays while there is room."""

NAMELESS = frozenset({("sessions", "identify"), ("jobs", "digest"), ("marks", "mark")})
"""Packed columns in which no blob is ever named."""


async def blob_references(store: Store, holders: Iterable[BlobColumn] = HOLDERS) -> set[str]:
    """All names in these rows. Raises StoreError."""
    found: set[str] = set()
    for holder in holders:
        after: int | None = -(1 << 63)
        while after is not None:
            after, names = await store.read(partial(_slice, holder, after))
            found |= names
    return found


def blob_names_in(data: bytes) -> set[str]:
    """What may be names of blobs in packed values."""
    found, end = set(), 0
    for at in range(0, len(data), PIECE):
        # A name may begin in the piece before.
        begin = max(at - len(_NAME) + 1, end)
        digits = data[begin : at + PIECE].translate(_DIGITS)
        hit = digits.find(_NAME)
        while hit >= 0:
            end = begin + hit + len(_NAME)
            found.add(data[begin + hit : end].decode())
            hit = digits.find(_NAME, hit + len(_NAME))
    return found


def _slice(holder: BlobColumn, after: int, connection: sqlite3.Connection) -> tuple[int | None, set[str]]:
    """The last row that was read, None after the end; and the names."""
    # Rows that don't count are among those: else one slice might look through all of a large table.
    rows = connection.execute(
        f"SELECT rowid, {holder.where}, {', '.join(holder.columns)} FROM {holder.table} "
        f"WHERE rowid > ? ORDER BY rowid LIMIT {SLICE}",
        (after,),
    ).fetchall()
    counted = (value for row in rows if row[1] for value in row[2:])
    names = {name for value in counted for name in blob_names_in(_bytes(value))}
    return (rows[-1][0] if rows else None), names


def _bytes(value: object) -> bytes:
    # In a damaged file it may be of any type.
    return value.encode() if isinstance(value, str) else value if isinstance(value, bytes) else b""
