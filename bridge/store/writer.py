"""The one thread that writes: what is waiting when it is free is committed together."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlite_utils import Database

from accel.text import text
from bridge.core.errors import StoreError
from bridge.store.commits import Commits, Done, Outcome, Task, Work

Value = TypeVar("Value")
Settle = Callable[[Sequence[Outcome]], None]
"""Passes on what a whole group came to."""

MAX_GROUP = 512
"""Most works of one commit: nobody waits for longer than these take."""


class Writer:
    """A connection and its thread; `settle` gets what each work of a group came to."""

    def __init__(self, commits: Commits, settle: Settle) -> None:
        self._commits = commits
        self._settle = settle
        self._waiting: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        """Held by whoever changes `_unfinished`, or writes on its own thread because that is 0."""
        self._unfinished = 0
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Works that no group has taken yet."""
        return self._waiting.qsize()

    def put(self, work: Work, done: Done, *, synced: bool = True) -> None:
        """Queues `work`, which may be done twice, the first time undone: it only touches the database.

        What isn't `synced` outlives a killed process, and a power failure once the next synced one has come.
        """
        with self._lock:
            self._unfinished += 1
            self._waiting.put(Task(work, done, synced))

    def now(self, work: Callable[[Database], Value]) -> tuple[Value] | None:
        """What `work`, which isn't synced, gives on the caller's thread; None where it has to wait.

        Raises what `work` raises.
        """
        if not self._lock.acquire(blocking=False):
            return None
        try:
            # What was put before comes first.
            return None if self._unfinished else self._commits.at_once(work)
        finally:
            self._lock.release()

    def close(self) -> None:
        """Commits what is waiting, then ends; blocks until then."""
        self._waiting.put(None)
        self._thread.join()
        self._commits.close()

    def _run(self) -> None:
        ended = False
        while not ended:
            first = self._waiting.get()
            if first is None:
                return
            group = [first]
            while len(group) < MAX_GROUP and not ended:
                try:
                    more = self._waiting.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    ended = True
                else:
                    group.append(more)
            self._do(group)

    def _do(self, group: Sequence[Task]) -> None:
        outcomes = self._commits.group(group)
        is_due = self._commits.move_is_due
        if not is_due:
            self._finished(len(group))
        self._settle(outcomes)
        if is_due:
            self._commits.move_log()
            self._finished(len(group))

    def _finished(self, works: int) -> None:
        with self._lock:
            self._unfinished -= works


def closed() -> StoreError:
    """What is said to who asks a store that was closed."""
    return StoreError(text("the bridge is stopping"))
