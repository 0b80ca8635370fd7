"""A few threads that read beside the writer, each with a connection that can't write."""

from __future__ import annotations

import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bridge.store.commits import Done, Outcome
from bridge.store.failures import FAILURES, as_store_error
from bridge.store.looking import connect_readonly
from bridge.store.writer import Settle

Read = Callable[[sqlite3.Connection], Any]
Waiting = queue.SimpleQueue[tuple[Read, float, Done] | None]

LIMIT_S = 2.0
"""How long a query may take, unless something else is said."""
CHECK_OPS = 4000
"""SQLite's operations between two looks at the clock: about a tenth of a millisecond."""
MAX_GROUP = 64
"""Most reads whose outcomes are passed on together."""


class Readers:
    """`count` threads; `settle` gets what they read. Raises FAILURES where the file can't be opened."""

    def __init__(self, path: Path, count: int, settle: Settle) -> None:
        self._waiting: Waiting = queue.SimpleQueue()
        readers: list[_Reader] = []
        try:
            for _ in range(count):
                readers.append(_Reader(connect_readonly(path), path, self._waiting, settle))
        except FAILURES:
            for reader in readers:
                reader.connection.close()
            raise
        self._threads = [
            threading.Thread(target=one.run, name=f"store-reader-{at}", daemon=True)
            for at, one in enumerate(readers)
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


class _Reader:
    """One connection, and the outcomes that nobody was told yet."""

    def __init__(self, connection: sqlite3.Connection, path: Path, waiting: Waiting, settle: Settle) -> None:
        self.connection = connection
        self._path = path
        self._waiting = waiting
        self._settle = settle
        self._outcomes: list[Outcome] = []
        self._end = 0.0
        connection.set_progress_handler(self._late, CHECK_OPS)

    def run(self) -> None:
        """Reads until the queue says that it ends."""
        while (one := self._waiting.get()) is not None:
            self._try(*one)
            # One at a time, so that none waits behind a slow one while another thread is free; their
            # outcomes together, as each waking of a loop is a system call.
            while len(self._outcomes) < MAX_GROUP and not self._waiting.empty():
                try:
                    one = self._waiting.get_nowait()
                except queue.Empty:
                    break
                if one is None:
                    self._waiting.put(None)
                    break
                self._try(*one)
            self._pass_on()
        self.connection.close()

    def _try(self, read: Read, limit_s: float, done: Done) -> None:
        self._end = time.monotonic() + limit_s
        outcome: Outcome
        try:
            outcome = done, read(self.connection), None
        except FAILURES as error:
            outcome = done, None, as_store_error(error, self._path)
        # Whatever it is, who waits for it is told; the thread goes on.
        except BaseException as error:
            outcome = done, None, error
        self._outcomes.append(outcome)

    def _late(self) -> bool:
        # Who waits for what is done already doesn't wait for a query that takes its time.
        self._pass_on()
        return time.monotonic() > self._end

    def _pass_on(self) -> None:
        if self._outcomes:
            outcomes, self._outcomes = self._outcomes, []
            self._settle(outcomes)
