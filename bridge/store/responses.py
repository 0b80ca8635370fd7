"""The response cache: results of workloads on disk, with recently used ones in memory, too."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
from sqlite_utils import Database

from bridge.core.errors import StoreError, UserError
from bridge.store import response_tables as tables
from bridge.store.database import connect_readonly
from bridge.store.encryption import Vault
from bridge.store.records import FAILURES, is_damage
from bridge.store.response_tables import BloomFilter, CachedResponse, LruCache, Totals, WriteBehind
from bridge.store.store import Store

log = logging.getLogger(__name__)

MEMORY_BYTES = 16 << 20
MEMORY_MAX_ENTRY = 256 << 10
"""Larger responses stay only on disk: reading them costs less than sending them."""
USES_PER_WRITE = 512
"""Number of uses written at once, unless another write comes first."""
SURVEY_S = 30.0
"""Time limit in seconds for reading all rows."""

Value = TypeVar("Value")


class Responses:
    """The response cache. It never raises: a damaged file is recreated, and without a usable file the cache
    works in memory."""

    def __init__(self, path: Path, max_size: int, vault: Vault | None = None) -> None:
        """`max_size` limits the bytes of responses and their blobs. Call `open` first."""
        self._vault = vault
        self._path = path
        self._max_size = max_size
        self._store: Store | None = None
        self._memory = LruCache(min(MEMORY_BYTES, max_size), MEMORY_MAX_ENTRY)
        self._outlines: BloomFilter | None = None
        self._behind = WriteBehind(self._write)
        self._touched: dict[bytes, int] = {}
        self._clock = 0
        self._totals = Totals(0, 0)
        self._logged: set[str] = set()
        self.evictions = 0
        """Number of responses evicted since the start."""

    @property
    def entries(self) -> int:
        """Number of responses on disk or pending; without a file, of those in memory."""
        return self._totals.entries + len(self._behind) if self._store else len(self._memory)

    @property
    def size(self) -> int:
        """Total bytes of responses and their blobs."""
        return self._totals.bytes + self._behind.size if self._store else self._memory.bytes

    async def open(self) -> None:
        """Opens the file, recreating a damaged one."""
        if not await self._try_open():
            await self._renew()
        if self._store is None:
            self._log_once("the file can't be used; results are cached in memory only")

    async def close(self) -> None:
        """Writes pending responses and uses, and closes the file."""
        await self._behind.close()
        self._write_uses(1)
        await self._shut()

    def may_hold(self, outline: int) -> bool:
        """Whether a response with this outline may exist. False is certain."""
        return self._outlines is None or outline in self._outlines

    def hot(self, key: bytes) -> bytes | None:
        """Returns the packed response if it is in memory."""
        packed = self._memory.get(key)
        if packed is None and (response := self._behind.get(key)):
            packed = response.packed
        if packed is not None:
            self._use(key)
        return packed

    async def find(self, key: bytes) -> bytes | None:
        """Returns the packed response, or None."""
        packed = self.hot(key)
        if packed is not None or self._store is None or self._behind.hides(key):
            return packed
        found = await self._ask(lambda store: store.read(lambda connection: tables.read(connection, key)))
        if found is not None:
            self._memory.put(key, found)
            self._use(key)
        return found

    async def keep(self, response: CachedResponse) -> None:
        """Stores a response in memory, and soon on disk, unless it is too large."""
        if response.size > self._max_size:
            return
        self._memory.put(response.key, response.packed)
        if self._outlines is not None:
            self._outlines.add([response.outline])
        if self._store is not None:
            self._clock += 1
            self._touched.pop(response.key, None)
            await self._behind.add(msgspec.structs.replace(response, used=self._clock))

    async def flush(self) -> None:
        """Writes pending responses."""
        await self._behind.flush()

    def forget(self, key: bytes) -> None:
        """Deletes a response from memory, and soon from disk."""
        self._memory.drop([key])
        if self._store is not None:
            self._behind.remove(key)

    @property
    def store(self) -> Store | None:
        """The open file, if it can be used."""
        return self._store

    async def clear(self) -> int:
        """Deletes all responses and returns their number."""
        await self.flush()
        count = self.entries
        self._memory.clear()
        await self._ask(lambda store: store.write(lambda db: db.execute("DELETE FROM responses")))
        # Deleting rows doesn't shrink the file.
        await self._renew()
        return count

    async def blobs(self) -> set[str]:
        """Returns the names of all blobs that responses use, for garbage collection."""
        # Pending ones first, or those written in the meantime would be missed.
        waiting = self._behind.blobs
        written = await self._ask(lambda store: store.read(tables.blobs, limit_s=SURVEY_S)) or set()
        return written | waiting

    async def _write(self, many: Sequence[CachedResponse], removed: Collection[bytes]) -> None:
        await self._look_for_file()
        touched, self._touched = self._touched, {}

        def work(db: Database) -> tuple[list[bytes], Totals]:
            tables.remove(db.conn, removed)
            for one in many:
                tables.insert(db.conn, one)
            tables.touch(db.conn, touched)
            return tables.evict(db.conn, self._max_size)

        self._evicted(await self._ask(lambda store: store.write(work)))

    def _evicted(self, outcome: tuple[list[bytes], Totals] | None) -> None:
        if outcome is not None:
            evicted, self._totals = outcome
            self.evictions += len(evicted)
            self._memory.drop(evicted)

    def _use(self, key: bytes) -> None:
        if self._store is not None:
            self._clock += 1
            self._touched[key] = self._clock
            self._write_uses(USES_PER_WRITE)

    def _write_uses(self, least: int) -> None:
        if self._store is not None and len(self._touched) >= least:
            touched, self._touched = self._touched, {}
            if self._path.exists():
                self._store.submit(lambda db: tables.touch(db.conn, touched))

    async def _ask(self, question: Callable[[Store], Awaitable[Value]]) -> Value | None:
        """Returns the store's answer, or None on failure. A damaged file is recreated."""
        store = self._store
        if store is None:
            return None
        try:
            return await question(store)
        # In a damaged file, a value may have any type.
        except (StoreError, TypeError, *FAILURES) as error:
            if isinstance(error, StoreError) and not is_damage(error):
                self._log_once("a cached result can't be read or written: %s", error)
            # Another task may have replaced the file in the meantime.
            elif self._store is store:
                self._log_once("%s", error)
                await self._renew()
            return None

    async def _look_for_file(self) -> None:
        # SQLite keeps using a deleted file, which no later run will find.
        store = self._store
        if store is not None and not await asyncio.to_thread(self._path.exists) and self._store is store:
            self._log_once("the file was deleted while the daemon was running; it is created again")
            await self._renew()

    async def _renew(self) -> None:
        await self._shut()
        self._outlines = BloomFilter()
        self._totals = Totals(0, 0)
        await asyncio.to_thread(_remove, self._path)
        await self._try_open()

    async def _try_open(self) -> bool:
        store = None
        try:
            # Opening a large file would block the event loop.
            store = await asyncio.to_thread(_opened, self._path, self._vault)
            found = await store.read(tables.survey, limit_s=SURVEY_S)
            # The maximum size may have been larger when the file was written.
            self._evicted(await store.write(lambda db: tables.evict(db.conn, self._max_size)))
            outlines = BloomFilter()
            outlines.add(found.outlines)
            clock = max(self._clock, found.used)
        # In a damaged file, values may have any type and columns may be missing.
        except (UserError, StoreError, TypeError, KeyError, *FAILURES) as error:
            self._log_once("%s", error)
            if store is not None:
                await store.close()
            return False
        self._clock, self._outlines = clock, outlines
        self._store = store
        return True

    async def _shut(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            await store.close()

    def _log_once(self, text: str, *values: object) -> None:
        # Warn once, not for every request.
        level = logging.DEBUG if text in self._logged else logging.WARNING
        self._logged.add(text)
        log.log(level, f"response cache {self._path}: {text}", *values)


def _opened(path: Path, vault: Vault | None) -> Store:
    with contextlib.suppress(*FAILURES), contextlib.closing(connect_readonly(path)) as connection:
        # Its keys are digests that anyone can compute, which no request finds any more.
        if tables.is_earlier(connection):
            _remove(path)
    return Store(path, tables.migrations, readers=2, durable=False, vault=vault)


def _remove(path: Path) -> None:
    """Deletes the file, its log and its shared memory, if possible."""
    with contextlib.suppress(OSError):
        for ending in ("", "-wal", "-shm"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
