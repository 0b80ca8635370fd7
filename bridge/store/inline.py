"""A little of the database's work on the event loop itself, where that is quicker than a thread."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from bridge.store.failures import FAILURES
from bridge.store.looking import connect_readonly

Value = TypeVar("Value")

MAX_OPS = 1000
"""SQLite's operations of such a read: about 30 µs. A row by its key takes twenty, ten rows a hundred."""
TURN_S = 0.001
"""What one turn of the loop may spend on the database; everything else that is ready waits meanwhile."""
SLOW_S = 0.02
"""What takes so long was waiting for a disk."""
REST_S = 10.0
"""How long the loop then leaves all of it to threads."""


class Allowance:
    """Whether the loop may do the next work itself, by what the ones before have taken."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._spent = 0.0
        self._rests_until = 0.0

    def left(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether this turn of `loop` may do one more."""
        if loop is not self._loop:
            self._loop, self._spent = loop, 0.0
        return self._spent < TURN_S and time.perf_counter() >= self._rests_until

    def charge(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        """One has taken so long."""
        if not self._spent:
            loop.call_soon(self._renew)
        self._spent += seconds
        if seconds > SLOW_S:
            self._rests_until = time.perf_counter() + REST_S

    def _renew(self) -> None:
        self._spent = 0.0


class InlineReader:
    """A connection that can't write, for reads that end after few operations."""

    def __init__(self, path: Path) -> None:
        """Raises FAILURES."""
        self._connection = connect_readonly(path)
        self._connection.execute("PRAGMA busy_timeout = 0")
        self._connection.set_progress_handler(lambda: 1, MAX_OPS)
        self._lock = threading.Lock()

    def read(self, work: Callable[[sqlite3.Connection], Value]) -> tuple[Value] | None:
        """What `work` reads; None where it is too much, or fails in SQLite: then it is a thread's."""
        if not self._lock.acquire(blocking=False):
            return None
        try:
            return (work(self._connection),)
        except FAILURES:
            return None
        finally:
            self._lock.release()

    def close(self) -> None:
        with self._lock:
            self._connection.close()
