"""Their tables; LRU, Bloom filter, write-behind."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from sqlite_utils import Database, Migrations

from bridge.store.records import FAILURES

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


def open_cache(path: Path | None, version: int, tables: str) -> sqlite3.Connection:
    """The file's tables, or tables in memory; each statement is a transaction of its own.

    `tables` makes those that aren't there and sets `user_version`. Raises FAILURES, also for a file of
    another version, and OSError.
    """
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(":memory:" if path is None else path, timeout=0.5, isolation_level=None)
    try:
        # What a power failure breaks is made anew.
        db.execute("PRAGMA synchronous = OFF")
        db.execute("PRAGMA journal_mode = WAL")
        if db.execute("PRAGMA user_version").fetchone()[0] not in (0, version):
            raise sqlite3.DatabaseError("made by another version")
        db.executescript(tables)
    except FAILURES:
        db.close()
        raise
    return db


class LruCache:
    """Packed values by key; the least recently used go first."""

    def __init__(self, most: int, largest: int) -> None:
        """`most` bytes in all; values of more than `largest` bytes aren't taken."""
        self._most = most
        self._largest = largest
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: bytes) -> bytes | None:
        """The value, which counts as used; None for none."""
        value = self._kept.get(key)
        if value is not None:
            self._kept.move_to_end(key)
        return value

    def put(self, key: bytes, value: bytes) -> None:
        """Keeps `value`, if it isn't too large, and forgets what there is no room for."""
        self.drop([key])
        if len(value) > self._largest:
            return
        self._kept[key] = value
        self.bytes += len(value)
        while self.bytes > self._most:
            self.drop([next(iter(self._kept))])

    def drop(self, keys: Iterable[bytes]) -> None:
        """Forgets values that are there or not."""
        for key in keys:
            value = self._kept.pop(key, None)
            if value is not None:
                self.bytes -= len(value)

    def clear(self) -> None:
        self.drop(tuple(self._kept))


BITS = 1 << 21
"""A quarter of a mebibyte; 100,000 numbers fill a twentieth of it, which is how often a yes is wrong."""


class BloomFilters:
    """A set of numbers that is never asked to forget one: what was evicted is asked for in vain, no more."""

    def __init__(self) -> None:
        self._bits = bytearray(BITS // 8)

    def add(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            at = number % BITS
            self._bits[at >> 3] |= 1 << (at & 7)

    def __contains__(self, number: int) -> bool:
        at = number % BITS
        return bool(self._bits[at >> 3] & 1 << (at & 7))

    def clear(self) -> None:
        self._bits = bytearray(BITS // 8)


BEHIND_S = 0.2
"""How long they wait for others; what a killed daemon loses is made again."""
MOST_BYTES = 8 << 20
"""More than so much isn't held back."""


Write = Callable[[Sequence[Kept], Collection[bytes]], Awaitable[None]]
"""Removes the responses of these keys, then keeps those."""


class WriteBehind:
    """What waits, until `write` has it."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._waiting: dict[bytes, Kept] = {}
        self._writing: dict[bytes, Kept] = {}
        self._gone: set[bytes] = set()
        self._going: set[bytes] = set()
        self._bytes = 0
        self._turn = asyncio.Lock()
        self._later: asyncio.Task[None] | None = None

    def get(self, key: bytes) -> Kept | None:
        """The response, if it isn't on disk yet."""
        kept = self._waiting.get(key)
        return kept if kept or key in self._gone else self._writing.get(key)

    def hides(self, key: bytes) -> bool:
        """Whether what the disk still has under a key was removed."""
        return key in self._gone or key in self._going

    def __len__(self) -> int:
        return len(self._waiting) + len(self._writing)

    @property
    def size(self) -> int:
        """Bytes of those that wait, their files included."""
        return sum(one.size for one in (*self._waiting.values(), *self._writing.values()))

    @property
    def blobs(self) -> set[str]:
        """The names of all files that belong to those that wait."""
        kept = (*self._waiting.values(), *self._writing.values())
        return {name for one in kept for name in one.blobs}

    async def add(self, kept: Kept) -> None:
        """Has it written soon, or at once where too much waits."""
        self._drop(kept.key)
        self._waiting[kept.key] = kept
        self._bytes += len(kept.packed)
        if self._bytes > MOST_BYTES:
            await self.flush()
        else:
            self._begin()

    def remove(self, key: bytes) -> None:
        """Has what is kept under a key removed soon; from now on it isn't found."""
        self._drop(key)
        self._gone.add(key)
        self._begin()

    def _drop(self, key: bytes) -> None:
        if kept := self._waiting.pop(key, None):
            self._bytes -= len(kept.packed)

    def _begin(self) -> None:
        if self._later is None:
            self._later = asyncio.create_task(self._soon())

    async def flush(self) -> None:
        """Writes all that waits."""
        async with self._turn:
            self._writing, self._waiting, self._bytes = self._waiting, {}, 0
            self._going, self._gone = self._gone, set()
            try:
                if self._writing or self._going:
                    await self._write(tuple(self._writing.values()), self._going)
            finally:
                self._writing, self._going = {}, set()

    async def close(self) -> None:
        """Writes all that waits, and waits for nothing more."""
        if self._later is not None:
            self._later.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._later
        await self.flush()

    async def _soon(self) -> None:
        await asyncio.sleep(BEHIND_S)
        self._later = None
        await self.flush()
