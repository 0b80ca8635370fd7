"""What the disk doesn't know of responses yet, new or gone: written together, and nobody waits for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Sequence

from bridge.store.responsetables import Kept

BEHIND_S = 0.2
"""How long they wait for others; what a killed daemon loses is made again."""
MOST_BYTES = 8 << 20
"""More than so much isn't held back."""


Write = Callable[[Sequence[Kept], Collection[bytes]], Awaitable[None]]
"""Removes the responses of these keys, then keeps those."""


class Behind:
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
