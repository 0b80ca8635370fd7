"""Keeps the blobs within their quota: looks through them now and then, and where room is needed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterable

from accel.text import AnyText
from bridge.core.errors import StoreError
from bridge.server.live import LiveSession
from bridge.store.blobs import PRESSED, BlobStore
from bridge.store.named import Holder, named, names_in
from bridge.store.records import pack
from bridge.store.store import Store
from bridge.store.sweep import Sweep

log = logging.getLogger(__name__)

Names = Callable[[], Awaitable[set[str]]]
"""Blobs that something still names."""

LOOKED_AT_ONCE = 512 << 10
"""Bytes of messages: about 2 ms."""
PAUSE_S = 10.0
"""Least time between two sweeps that little room led to, doubled while nothing may go: each looks at all."""
RELIEF = 64 << 20
"""Bytes that are freed at least where the disk is full."""


class Keeper:
    """Sweeps in threads, a slice at a time, one sweep at once."""

    def __init__(
        self, store: BlobStore, names: Names, cached: Names, *, keep_s: float, sweep_s: float
    ) -> None:
        """An unnamed blob stays for `keep_s` seconds after its last use; `sweep_s` lie between sweeps.

        What is `cached` stays longer, but goes too where room is needed.
        """
        self._store = store
        self._names = names
        self._cached = cached
        self._keep_s = keep_s
        self._sweep_s = sweep_s
        self._lock = asyncio.Lock()
        self._counted = asyncio.Event()
        self._pressed = asyncio.Event()
        self._fruitless_until = 0.0

    async def run(self) -> None:
        """Sweeps until it is cancelled."""
        loop = asyncio.get_running_loop()
        self._store.on_pressure = lambda: _wake(loop, self._pressed)
        pause = 0.0
        while True:
            before = self._store.removed
            try:
                await self.sweep()
            # Whatever it was, the next look may go well.
            except Exception:
                log.exception("looking for blobs that may go failed")
            # Where nothing may go, looking more often helps nobody.
            pause = min(PAUSE_S if self._store.removed > before else max(PAUSE_S, 2 * pause), self._sweep_s)
            await asyncio.sleep(pause)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._pressed.wait(), self._sweep_s - pause)
            self._pressed.clear()

    async def sweep(self) -> None:
        """Removes what may go, and makes room where little is left."""
        async with self._lock:
            await self._look(int(self._store.quota * (1 - PRESSED)))

    async def room(self, name: AnyText, size: int) -> None:
        """Makes room for `size` bytes more. Raises RequestError `storage_full` where there is none."""
        if self._store.quota:
            await self._counted.wait()
        if not self._store.over(size):
            return
        async with self._lock:
            if self._store.over(size) and time.monotonic() >= self._fruitless_until:
                await self._look(max(size, int(self._store.quota * (1 - PRESSED))))
                if self._store.over(size):
                    self._fruitless_until = time.monotonic() + PAUSE_S
        self._store.refuse_full(name, size)

    async def free(self, size: int) -> bool:
        """Whether some of a full disk could be freed."""
        async with self._lock:
            before = self._store.removed_bytes
            sweep = await self._look(0)
            if sweep is not None:
                await _relieve(sweep, max(size, RELIEF))
            return self._store.removed_bytes > before

    async def _look(self, spare: int) -> Sweep | None:
        """Looks at everything, then frees until `spare` bytes of the quota are free; None where it can't be
        known what is named."""
        names, cached = None, set[str]()
        try:
            names, cached = await self._names(), await self._cached()
        except StoreError as error:
            log.warning("no blob is removed, as the database can't say which are needed: %s", error.reason)
        kept = _Everything() if names is None else names
        sweep = await asyncio.to_thread(Sweep, self._store, kept, self._keep_s, cached)
        while await asyncio.to_thread(sweep.step):
            pass
        self._counted.set()
        if names is None:
            return None
        await _relieve(sweep, self._store.over(spare))
        return sweep


class _Everything:
    """Names all blobs."""

    def __contains__(self, name: object) -> bool:
        return True


async def _relieve(sweep: Sweep, size: int) -> None:
    while size > 0 and sweep.candidates:
        size -= await asyncio.to_thread(sweep.relieve, size)


def _wake(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    # Workers' replies may come while the loop ends.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(event.set)


async def all_names(store: Store, holders: Iterable[Holder], sessions: Iterable[LiveSession]) -> set[str]:
    """What rows of the database name, and messages that wait for their clients. Raises StoreError."""
    found = await named(store, holders)
    for live in sessions:
        looked = 0
        for message in live.session.waiting:
            packed = pack(message)
            found |= names_in(packed)
            looked += len(packed)
            # Nobody's frame waits for all that clients leave unacknowledged.
            if looked > LOOKED_AT_ONCE:
                looked = 0
                await asyncio.sleep(0)
        await asyncio.sleep(0)
    return found
