"""Results of workloads that may be given again: on disk up to a size, the recently used in memory too."""

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
from bridge.store.records import FAILURES, is_damage
from bridge.store.response_tables import BloomFilters, Kept, LruCache, Totals, WriteBehind
from bridge.store.store import Store

log = logging.getLogger(__name__)

HOT_BYTES = 16 << 20
HOT_LARGEST = 256 << 10
"""Larger ones are read from the disk, which then costs less than sending them."""
TOUCHES = 512
"""Uses that are noted together, where no write comes by earlier."""
SURVEY_S = 30.0
"""How long a look at all rows may take, seconds."""

Value = TypeVar("Value")


class Responses:
    """The file and the memory. It is never worth an error: a broken file is made anew, and where none can be
    used, memory has to do."""

    def __init__(self, path: Path, max_size: int) -> None:
        """`max_size`: bytes of responses and their blobs; opened by `open`."""
        self._path = path
        self._max_size = max_size
        self._store: Store | None = None
        self._hot = LruCache(min(HOT_BYTES, max_size), HOT_LARGEST)
        self._outlines: BloomFilters | None = None
        self._behind = WriteBehind(self._write)
        self._touched: dict[bytes, int] = {}
        self._clock = 0
        self._totals = Totals(0, 0)
        self._said: set[str] = set()
        self.evictions = 0
        """Responses that went because there was no room for them."""

    @property
    def entries(self) -> int:
        """Responses on disk or on their way to it; those in memory where there is no disk."""
        return self._totals.entries + len(self._behind) if self._store else len(self._hot)

    @property
    def size(self) -> int:
        """What they take, their blobs included."""
        return self._totals.bytes + self._behind.size if self._store else self._hot.bytes

    async def open(self) -> None:
        """Opens the file, or makes it anew."""
        if not await self._try_open():
            await self._renew()
        if self._store is None:
            self._say("it can't be used, so that results are kept in memory only")

    async def close(self) -> None:
        """Writes what waits, notes what was used last, and closes the file."""
        await self._behind.close()
        self._note_uses(1)
        await self._shut()

    def may_hold(self, outline: int) -> bool:
        """Whether a response of that outline may be there; no is certain."""
        return self._outlines is None or outline in self._outlines

    def hot(self, key: bytes) -> bytes | None:
        """The packed response, if it is in memory."""
        packed = self._hot.get(key)
        if packed is None and (kept := self._behind.get(key)):
            packed = kept.packed
        if packed is not None:
            self._use(key)
        return packed

    async def find(self, key: bytes) -> bytes | None:
        """The packed response; None where there is none."""
        packed = self.hot(key)
        if packed is not None or self._store is None or self._behind.hides(key):
            return packed
        found = await self._ask(lambda store: store.read(lambda connection: tables.read(connection, key)))
        if found is not None:
            self._hot.put(key, found)
            self._use(key)
        return found

    async def keep(self, kept: Kept) -> None:
        """Keeps a response, from now on in memory, soon on disk; what is too large isn't kept."""
        if kept.size > self._max_size:
            return
        self._hot.put(kept.key, kept.packed)
        if self._outlines is not None:
            self._outlines.add([kept.outline])
        if self._store is not None:
            self._clock += 1
            self._touched.pop(kept.key, None)
            await self._behind.add(msgspec.structs.replace(kept, used=self._clock))

    async def flush(self) -> None:
        """Writes what isn't on disk yet."""
        await self._behind.flush()

    def forget(self, key: bytes) -> None:
        """Removes one response, from now on in memory, soon on disk."""
        self._hot.drop([key])
        if self._store is not None:
            self._behind.remove(key)

    async def clear(self) -> int:
        """Removes all; gives how many there were."""
        await self.flush()
        count = self.entries
        self._hot.clear()
        await self._ask(lambda store: store.write(lambda db: db.execute("DELETE FROM responses")))
        # Deleting rows gives the disk nothing back.
        await self._renew()
        return count

    async def blobs(self) -> set[str]:
        """The names of all files that belong to responses: whoever collects garbage leaves them."""
        # First: what is written meanwhile may be seen in neither place otherwise.
        waiting = self._behind.blobs
        written = await self._ask(lambda store: store.read(tables.blobs, limit_s=SURVEY_S)) or set()
        return written | waiting

    async def _write(self, many: Sequence[Kept], gone: Collection[bytes]) -> None:
        await self._look_for_file()
        touched, self._touched = self._touched, {}

        def work(db: Database) -> tuple[list[bytes], Totals]:
            tables.remove(db.conn, gone)
            for one in many:
                tables.keep(db.conn, one)
            tables.touch(db.conn, touched)
            return tables.evict(db.conn, self._max_size)

        self._evicted(await self._ask(lambda store: store.write(work)))

    def _evicted(self, outcome: tuple[list[bytes], Totals] | None) -> None:
        if outcome is not None:
            gone, self._totals = outcome
            self.evictions += len(gone)
            self._hot.drop(gone)

    def _use(self, key: bytes) -> None:
        if self._store is not None:
            self._clock += 1
            self._touched[key] = self._clock
            self._note_uses(TOUCHES)

    def _note_uses(self, least: int) -> None:
        if self._store is not None and len(self._touched) >= least:
            touched, self._touched = self._touched, {}
            if self._path.exists():
                self._store.submit(lambda db: tables.touch(db.conn, touched))

    async def _ask(self, question: Callable[[Store], Awaitable[Value]]) -> Value | None:
        """What the store answers; None where it can't. A broken one is made anew."""
        store = self._store
        if store is None:
            return None
        try:
            return await question(store)
        # In a damaged file a value may be of any type.
        except (StoreError, TypeError, *FAILURES) as error:
            if isinstance(error, StoreError) and not is_damage(error):
                self._say("a kept result can't be read or written: %s", error)
            # Others may have met the same damage meanwhile.
            elif self._store is store:
                self._say("%s", error)
                await self._renew()
            return None

    async def _look_for_file(self) -> None:
        # SQLite goes on with a file that has no name any more, where nobody will find what it holds.
        store = self._store
        if store is not None and not await asyncio.to_thread(self._path.exists) and self._store is store:
            self._say("it was removed while the daemon ran; it is made anew, and what it held is run again")
            await self._renew()

    async def _renew(self) -> None:
        await self._shut()
        self._outlines = BloomFilters()
        self._totals = Totals(0, 0)
        await asyncio.to_thread(_remove, self._path)
        await self._try_open()

    async def _try_open(self) -> bool:
        store = None
        try:
            # A file of many responses takes a moment, which the event loop doesn't have.
            store = await asyncio.to_thread(_opened, self._path)
            found = await store.read(tables.survey, limit_s=SURVEY_S)
            # The most may have been more when it was written.
            self._evicted(await store.write(lambda db: tables.evict(db.conn, self._max_size)))
            outlines = BloomFilters()
            outlines.add(found.outlines)
            clock = max(self._clock, found.used)
        # In a damaged file a value may be of any type, and a column have any name.
        except (UserError, StoreError, TypeError, KeyError, *FAILURES) as error:
            self._say("%s", error)
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

    def _say(self, text: str, *values: object) -> None:
        # Once: what is broken would else be told with every request.
        level = logging.DEBUG if text in self._said else logging.WARNING
        self._said.add(text)
        log.log(level, f"response cache {self._path}: {text}", *values)


def _opened(path: Path) -> Store:
    return Store(path, tables.migrations, readers=2, durable=False)


def _remove(path: Path) -> None:
    """Removes the file and what belongs to it, if that can be done."""
    with contextlib.suppress(OSError):
        for ending in ("", "-wal", "-shm"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
