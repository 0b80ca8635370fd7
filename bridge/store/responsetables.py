"""The tables of kept responses: how rows go in, are used, and make room for others."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping

from msgspec import Struct
from sqlite_utils import Database, Migrations

migrations = Migrations("responses")

ROOM = 0.95
"""What is left of the most when it was exceeded: room for some time."""
ROW = 512
"""Bytes that a response takes beside what it says: keys, indexes, half a page."""


@migrations()
def tables(db: Database) -> None:
    """Responses, their blobs, and how much they are: counted by triggers, as counting rows takes too long."""
    for statement in _TABLES:
        db.conn.execute(statement)


_TABLES = (
    """CREATE TABLE responses (
        key BLOB PRIMARY KEY, outline INTEGER NOT NULL, size INTEGER NOT NULL, used INTEGER NOT NULL,
        packed BLOB NOT NULL)""",
    # It covers all that is asked of all rows: those themselves are large.
    "CREATE INDEX by_use ON responses (used, size, outline)",
    "CREATE TABLE response_blobs (key BLOB, blob TEXT, PRIMARY KEY (key, blob)) WITHOUT ROWID",
    "CREATE TABLE totals (entries INTEGER NOT NULL, bytes INTEGER NOT NULL)",
    "INSERT INTO totals VALUES (0, 0)",
    """CREATE TRIGGER counted AFTER INSERT ON responses BEGIN
        UPDATE totals SET entries = entries + 1, bytes = bytes + new.size; END""",
    """CREATE TRIGGER discounted AFTER DELETE ON responses BEGIN
        UPDATE totals SET entries = entries - 1, bytes = bytes - old.size;
        DELETE FROM response_blobs WHERE key = old.key; END""",
)


class Kept(Struct, frozen=True):
    """A response, packed, with what is known of it without unpacking."""

    key: bytes
    """The SHA-256 of all that it depends on."""
    outline: int
    """64 bits of what is known of that before inputs are read; negative ones are fine."""
    packed: bytes
    blobs: Mapping[str, int]
    """Size by name, of the files that belong to it."""
    used: int = 0
    """When it was used last, on a clock of uses."""

    @property
    def size(self) -> int:
        """Bytes, its files included, and what a row takes besides."""
        return len(self.packed) + sum(self.blobs.values()) + ROW


class Totals(Struct, frozen=True):
    """How much there is."""

    entries: int
    bytes: int
    """Responses and their blobs."""


class Survey(Struct, frozen=True):
    """What is known of a file when it is opened."""

    used: int
    """When the last use was, in uses."""
    outlines: list[int]


def survey(connection: sqlite3.Connection) -> Survey:
    rows = connection.execute("SELECT used, outline FROM responses INDEXED BY by_use").fetchall()
    return Survey(max((used for used, _ in rows), default=0), [outline for _, outline in rows])


def keep(connection: sqlite3.Connection, kept: Kept) -> None:
    """Adds a response, or replaces it."""
    # Not REPLACE, which tells no trigger what it deletes.
    connection.execute("DELETE FROM responses WHERE key = ?", (kept.key,))
    row = (kept.key, kept.outline, kept.size, kept.used, kept.packed)
    connection.execute("INSERT INTO responses (key, outline, size, used, packed) VALUES (?, ?, ?, ?, ?)", row)
    connection.executemany(
        "INSERT INTO response_blobs VALUES (?, ?)", [(kept.key, blob) for blob in kept.blobs]
    )


def remove(connection: sqlite3.Connection, keys: Iterable[bytes]) -> None:
    """Removes responses."""
    connection.executemany("DELETE FROM responses WHERE key = ?", [(key,) for key in keys])


def touch(connection: sqlite3.Connection, touched: Mapping[bytes, int]) -> None:
    """Notes when responses were used."""
    connection.executemany(
        "UPDATE responses SET used = ? WHERE key = ?", [(used, key) for key, used in touched.items()]
    )


def evict(connection: sqlite3.Connection, most: int) -> tuple[list[bytes], Totals]:
    """Removes what was used least recently, where there are more than `most` bytes; gives those keys."""
    totals = _totals(connection)
    gone: list[bytes] = []
    if totals.bytes <= most:
        return gone, totals
    left = totals.bytes
    for key, size in connection.execute("SELECT key, size FROM responses ORDER BY used"):
        if left <= most * ROOM:
            break
        left -= size
        gone.append(key)
    remove(connection, gone)
    return gone, _totals(connection)


def read(connection: sqlite3.Connection, key: bytes) -> bytes | None:
    """The packed response."""
    row = connection.execute("SELECT packed FROM responses WHERE key = ?", (key,)).fetchone()
    # In a damaged file a value may be of any type.
    return row[0] if row is not None and isinstance(row[0], bytes) else None


def blobs(connection: sqlite3.Connection) -> set[str]:
    """The names of all blobs of responses."""
    return {name for (name,) in connection.execute("SELECT DISTINCT blob FROM response_blobs")}


def _totals(connection: sqlite3.Connection) -> Totals:
    return Totals(*connection.execute("SELECT entries, bytes FROM totals").fetchone())
