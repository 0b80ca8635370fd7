"""Parts of the response cache: tables, an LRU cache in memory, a Bloom filter and a write-behind queue."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import cast

from msgspec import Struct
from sqlite_utils import Database, Migrations

from accel.atomic_file import make_private_folder
from bridge.paths import create_private
from bridge.store.column_encryption import STATE_TABLE, has_state, seal, unseal
from bridge.store.records import FAILURES, UnreadableRow

migrations = Migrations("responses")

EVICTION_TARGET = 0.95
"""Share of the maximum size that is left after an eviction."""
ROW_OVERHEAD = 512
"""Estimated bytes of a row besides its value: keys, indexes and half a page."""


@migrations()
def tables(db: Database) -> None:
    """Creates responses, their blobs, and totals kept up to date by triggers, because counting rows is
    slow."""
    for statement in _TABLES:
        db.conn.execute(statement)


@migrations()
def encryption(db: Database) -> None:
    """Creates the state of encryption."""
    db.conn.execute(STATE_TABLE)


_TABLES = (
    """CREATE TABLE responses (
        key BLOB PRIMARY KEY, outline INTEGER NOT NULL, size INTEGER NOT NULL, used INTEGER NOT NULL,
        packed BLOB NOT NULL)""",
    # Covers the queries over all rows, which are large.
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


class CachedResponse(Struct, frozen=True):
    """A packed response with its metadata."""

    key: bytes
    """SHA-256 of everything that the response depends on."""
    outline: int
    """Signed 64-bit hash of the facts known before the inputs are read."""
    packed: bytes
    blobs: Mapping[str, int]
    """Sizes of its files, by blob name."""
    used: int = 0
    """When it was last used, as a count of uses."""

    @property
    def size(self) -> int:
        """Total bytes of the value, its files and the row."""
        return len(self.packed) + sum(self.blobs.values()) + ROW_OVERHEAD


class Totals(Struct, frozen=True):
    """Number of entries, and total bytes."""

    entries: int
    bytes: int
    """Total bytes of responses and their blobs."""


class Survey(Struct, frozen=True):
    """What the cache reads from an existing file."""

    used: int
    """The highest use count."""
    outlines: list[int]


def survey(connection: sqlite3.Connection) -> Survey:
    rows = connection.execute("SELECT used, outline FROM responses INDEXED BY by_use").fetchall()
    return Survey(max((used for used, _ in rows), default=0), [outline for _, outline in rows])


def is_earlier(connection: sqlite3.Connection) -> bool:
    """Whether the file is of a version that didn't encrypt."""
    return not has_state(connection) and bool(connection.execute("SELECT 1 FROM sqlite_schema").fetchone())


def insert(connection: sqlite3.Connection, response: CachedResponse) -> None:
    """Inserts or replaces a response."""
    packed = seal(connection, "responses", (response.key,), "packed", response.packed)
    # REPLACE wouldn't run the delete trigger.
    connection.execute("DELETE FROM responses WHERE key = ?", (response.key,))
    row = (response.key, response.outline, response.size, response.used, packed)
    connection.execute("INSERT INTO responses (key, outline, size, used, packed) VALUES (?, ?, ?, ?, ?)", row)
    connection.executemany(
        "INSERT INTO response_blobs VALUES (?, ?)", [(response.key, blob) for blob in response.blobs]
    )


def remove(connection: sqlite3.Connection, keys: Iterable[bytes]) -> None:
    connection.executemany("DELETE FROM responses WHERE key = ?", [(key,) for key in keys])


def touch(connection: sqlite3.Connection, touched: Mapping[bytes, int]) -> None:
    """Stores use counts by key."""
    connection.executemany(
        "UPDATE responses SET used = ? WHERE key = ?", [(used, key) for key, used in touched.items()]
    )


def evict(connection: sqlite3.Connection, most: int) -> tuple[list[bytes], Totals]:
    """Evicts the least recently used responses beyond `most` bytes. Returns their keys and the totals."""
    totals = _totals(connection)
    evicted: list[bytes] = []
    if totals.bytes <= most:
        return evicted, totals
    left = totals.bytes
    for key, size in connection.execute("SELECT key, size FROM responses ORDER BY used"):
        if left <= most * EVICTION_TARGET:
            break
        left -= size
        evicted.append(key)
    remove(connection, evicted)
    return evicted, _totals(connection)


def read(connection: sqlite3.Connection, key: bytes) -> bytes | None:
    """Returns the packed response, or None, also if it can't be opened."""
    row = connection.execute("SELECT packed FROM responses WHERE key = ?", (key,)).fetchone()
    # In a damaged file, a value may have any type.
    if row is None or not isinstance(row[0], bytes):
        return None
    with contextlib.suppress(UnreadableRow):
        return cast(bytes, unseal(connection, "responses", (key,), "packed", row[0]))
    return None


def blobs(connection: sqlite3.Connection) -> set[str]:
    """Returns the names of all blobs that responses refer to."""
    return {name for (name,) in connection.execute("SELECT DISTINCT blob FROM response_blobs")}


def _totals(connection: sqlite3.Connection) -> Totals:
    return Totals(*connection.execute("SELECT entries, bytes FROM totals").fetchone())


def open_cache(path: Path | None, version: int, tables: str) -> sqlite3.Connection:
    """Opens a cache database in autocommit mode, or in memory if `path` is None.

    The script `tables` creates missing tables and sets `user_version`. Raises FAILURES, also for a file of
    another version, and OSError.
    """
    if path is not None:
        make_private_folder(path.parent)
        create_private(path)
    db = sqlite3.connect(":memory:" if path is None else path, timeout=0.5, isolation_level=None)
    try:
        # A file broken by a power failure will be recreated.
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
    """An LRU cache of packed values."""

    def __init__(self, most: int, largest: int) -> None:
        """`most` limits the total bytes. Values larger than `largest` bytes aren't stored."""
        self._most = most
        self._largest = largest
        self._values: OrderedDict[bytes, bytes] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: bytes) -> bytes | None:
        """Returns the value and records its use, or returns None."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: bytes, value: bytes) -> None:
        """Stores `value` unless it is too large, evicting others if necessary."""
        self.drop([key])
        if len(value) > self._largest:
            return
        self._values[key] = value
        self.bytes += len(value)
        while self.bytes > self._most:
            self.drop([next(iter(self._values))])

    def drop(self, keys: Iterable[bytes]) -> None:
        """Deletes values; missing keys are ignored."""
        for key in keys:
            value = self._values.pop(key, None)
            if value is not None:
                self.bytes -= len(value)

    def clear(self) -> None:
        self.drop(tuple(self._values))


BITS = 1 << 21
"""256 KiB. With 100,000 numbers, 5 % of the bits are set, which is the rate of false positives."""


class BloomFilter:
    """A Bloom filter with a single hash function; evicted numbers stay in it."""

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


WRITE_DELAY_S = 0.2
"""Seconds for which writes are collected. A killed daemon loses these responses."""
MAX_PENDING_BYTES = 8 << 20
"""Pending bytes above which the queue is written immediately."""


Write = Callable[[Sequence[CachedResponse], Collection[bytes]], Awaitable[None]]
"""Deletes the responses with these keys, then inserts others."""


class WriteBehind:
    """A write-behind queue that collects responses and deletions until `write` stores them."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._waiting: dict[bytes, CachedResponse] = {}
        self._writing: dict[bytes, CachedResponse] = {}
        self._removed: set[bytes] = set()
        self._removing: set[bytes] = set()
        self._bytes = 0
        self._write_lock = asyncio.Lock()
        self._timer: asyncio.Task[None] | None = None

    def get(self, key: bytes) -> CachedResponse | None:
        """Returns the response if it hasn't been written yet."""
        response = self._waiting.get(key)
        return response if response or key in self._removed else self._writing.get(key)

    def hides(self, key: bytes) -> bool:
        """Whether the key was removed although its row may still exist."""
        return key in self._removed or key in self._removing

    def __len__(self) -> int:
        return len(self._waiting) + len(self._writing)

    @property
    def size(self) -> int:
        """Total bytes of pending responses and their files."""
        return sum(one.size for one in (*self._waiting.values(), *self._writing.values()))

    @property
    def blobs(self) -> set[str]:
        """Names of the files of pending responses."""
        response = (*self._waiting.values(), *self._writing.values())
        return {name for one in response for name in one.blobs}

    async def add(self, response: CachedResponse) -> None:
        """Queues a response. If too many bytes are pending, writes all of them."""
        self._drop(response.key)
        self._waiting[response.key] = response
        self._bytes += len(response.packed)
        if self._bytes > MAX_PENDING_BYTES:
            await self.flush()
        else:
            self._start_timer()

    def remove(self, key: bytes) -> None:
        """Queues the deletion of a key and hides it immediately."""
        self._drop(key)
        self._removed.add(key)
        self._start_timer()

    def _drop(self, key: bytes) -> None:
        if response := self._waiting.pop(key, None):
            self._bytes -= len(response.packed)

    def _start_timer(self) -> None:
        if self._timer is None:
            self._timer = asyncio.create_task(self._soon())

    async def flush(self) -> None:
        """Writes all pending responses and deletions."""
        async with self._write_lock:
            self._writing, self._waiting, self._bytes = self._waiting, {}, 0
            self._removing, self._removed = self._removed, set()
            try:
                if self._writing or self._removing:
                    await self._write(tuple(self._writing.values()), self._removing)
            finally:
                self._writing, self._removing = {}, set()

    async def close(self) -> None:
        """Writes everything and stops the timer."""
        if self._timer is not None:
            self._timer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._timer
        await self.flush()

    async def _soon(self) -> None:
        await asyncio.sleep(WRITE_DELAY_S)
        self._timer = None
        await self.flush()
