"""A few threads that read beside the writer, each with a connection that can't write."""

from __future__ import annotations

import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bridge.store.database import connect_readonly
from bridge.store.failures import as_store_error

Read = Callable[[sqlite3.Connection], Any]
Done = Callable[[Any, BaseException | None], None]

CHECK_OPS = 4000
"""SQLite's operations between two looks at the clock: about a tenth of a millisecond."""


class Readers:
    """`count` threads. Raises sqlite3.Error where the file can't be opened."""

    def __init__(self, path: Path, count: int) -> None:
        self._waiting: queue.SimpleQueue[tuple[Read, float, Done] | None] = queue.SimpleQueue()
        connections: list[sqlite3.Connection] = []
        try:
            for _ in range(count):
                connections.append(connect_readonly(path))
        except sqlite3.Error:
            for connection in connections:
                connection.close()
            raise
        self._threads = [
            threading.Thread(target=self._run, args=(one,), name=f"store-reader-{at}", daemon=True)
            for at, one in enumerate(connections)
        ]
        for thread in self._threads:
            thread.start()

    def put(self, read: Read, limit_s: float, done: Done) -> None:
        """Queues `read`; a query that takes longer than `limit_s` is given up."""
        self._waiting.put((read, limit_s, done))

    def close(self) -> None:
        """Reads what is waiting, then ends; blocks until then."""
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self, connection: sqlite3.Connection) -> None:
        with contextlib.closing(connection):
            while (one := self._waiting.get()) is not None:
                read, limit_s, done = one
                done(*_try(read, connection, limit_s))


def _try(read: Read, connection: sqlite3.Connection, limit_s: float) -> tuple[Any, BaseException | None]:
    end = time.monotonic() + limit_s
    connection.set_progress_handler(lambda: time.monotonic() > end, CHECK_OPS)
    try:
        return read(connection), None
    except sqlite3.Error as error:
        return None, as_store_error(error)
    # Whatever it is, who waits for it is told; the thread goes on.
    except BaseException as error:
        return None, error
