"""SHA-256 of files, on a few threads, the urgent first."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from accel.priorities import Turns

THREADS = 2
"""More would only take the workers' cores from them."""
CHUNK = 1 << 20
"""Bytes read at once."""


class Hashing:
    """Whoever gives up waiting ends the reading, too."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, "hashing")
        self._free = THREADS
        self._turns: Turns[asyncio.Future[None]] = Turns()

    async def digest(self, path: str, priority: str) -> bytes:
        """The digest of what is in a file. Raises OSError."""
        await self._enter(priority)
        given_up = threading.Event()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, _digest, path, given_up)
        finally:
            given_up.set()
            self._leave()

    def close(self) -> None:
        """Of what is under way, nothing is waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _enter(self, priority: str) -> None:
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turns.add(turn, priority)
        try:
            await turn
        except asyncio.CancelledError:
            if not self._turns.remove(turn):
                self._leave()
            raise

    def _leave(self) -> None:
        turn = self._turns.next()
        if turn is None:
            self._free += 1
        else:
            turn.set_result(None)


def _digest(path: str, given_up: threading.Event) -> bytes:
    made = hashlib.sha256()
    with Path(path).open("rb", buffering=0) as file:
        while not given_up.is_set() and (piece := file.read(CHUNK)):
            made.update(piece)
    return made.digest()
