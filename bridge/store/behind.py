"""Responses that are in memory and not on disk yet: many are written together, and nobody waits for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

from bridge.store.responsetables import Kept

BEHIND_S = 0.2
"""How long they wait for others; what a killed daemon loses is made again."""
MOST_BYTES = 8 << 20
"""More than so much isn't held back."""


class Behind:
    """What waits, until `write` has it."""

    def __init__(self, write: Callable[[Sequence[Kept]], Awaitable[None]]) -> None:
        self._write = write
        self._waiting: dict[bytes, Kept] = {}
        self._writing: dict[bytes, Kept] = {}
        self._bytes = 0
        self._turn = asyncio.Lock()
        self._later: asyncio.Task[None] | None = None

    def get(self, key: bytes) -> Kept | None:
        """The response, if it isn't on disk yet."""
        return self._waiting.get(key) or self._writing.get(key)

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
        self.drop(kept.key)
        self._waiting[kept.key] = kept
        self._bytes += len(kept.packed)
        if self._bytes > MOST_BYTES:
            await self.flush()
        elif self._later is None:
            self._later = asyncio.create_task(self._soon())

    def drop(self, key: bytes) -> None:
        """Forgets what waits under a key. What is being written is there for a moment yet."""
        if kept := self._waiting.pop(key, None):
            self._bytes -= len(kept.packed)

    async def flush(self) -> None:
        """Writes all that waits."""
        async with self._turn:
            self._writing, self._waiting, self._bytes = self._waiting, {}, 0
            try:
                if self._writing:
                    await self._write(tuple(self._writing.values()))
            finally:
                self._writing = {}

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
