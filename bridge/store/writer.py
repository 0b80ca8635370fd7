"""The one thread that writes: what is waiting when it is free is committed together."""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct
from sqlite_utils import Database

from bridge.core.errors import StoreError
from bridge.store.failures import as_store_error

Work = Callable[[Database], Any]
Done = Callable[[Any, BaseException | None], None]
"""Takes what a work came to; called on the writer's thread."""
Outcome = tuple[Done, Any, BaseException | None]
"""Who is told, and what: a value or an error."""
Settle = Callable[[Sequence[Outcome]], None]
"""Passes on what a whole group came to."""

MAX_GROUP = 512
"""Most works of one commit: nobody waits for longer than these take."""


class Task(Struct, frozen=True):
    """A work that waits."""

    work: Work
    done: Done
    synced: bool
    """Whether its commit has to reach the disk before it counts."""


class _NotBegun(Exception):
    def __init__(self, cause: sqlite3.Error) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Writer:
    """A connection and its thread; `settle` gets what each work of a group came to."""

    def __init__(self, db: Database, settle: Settle, *, durable: bool = True) -> None:
        """Without `durable` no commit waits for the disk."""
        self._db = db
        self._durable = durable
        self._synced: bool | None = None
        self._connection = db.conn
        self._settle = settle
        self._waiting: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self.trouble = ""
        """Why the last group couldn't be committed; empty once one could."""
        self.commits = 0
        """Groups that were committed."""
        self.writes = 0
        """Works in them."""
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Works that no group has taken yet."""
        return self._waiting.qsize()

    def put(self, work: Work, done: Done, *, synced: bool = True) -> None:
        """Queues `work`, which may be done twice, the first time undone: it only touches the database.

        What isn't `synced` outlives a killed process, and a power failure once the next synced one has come.
        """
        self._waiting.put(Task(work, done, synced))

    def close(self) -> None:
        """Commits what is waiting, then ends; blocks until then."""
        self._waiting.put(None)
        self._thread.join()
        self._connection.close()

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
        if len(group) == 1:
            self._settle([self._alone(group[0])])
            return
        try:
            outcomes = self._commit(group)
        except _NotBegun as error:
            failure = self._failed(error.cause)
            outcomes = [(task.done, None, failure) for task in group]
        except sqlite3.Error:
            # One that needs too much must not cost the others theirs.
            outcomes = [self._alone(task) for task in group]
        self._settle(outcomes)

    def _alone(self, task: Task) -> Outcome:
        # Without a savepoint: each statement lets go of Python, and waits until it has it back.
        try:
            self._begin(task.synced)
        except _NotBegun as error:
            return task.done, None, self._failed(error.cause)
        try:
            value = task.work(self._db)
            self._connection.execute("COMMIT")
        # A work may fail in any way: its changes are undone, and whoever waits for it is told.
        except BaseException as error:
            self._roll_back()
            if isinstance(error, sqlite3.Error):
                return task.done, None, self._failed(error)
            return task.done, None, error
        self._committed(1, "")
        return task.done, value, None

    def _commit(self, group: Sequence[Task]) -> list[Outcome]:
        """What each work gives. Raises sqlite3.Error or _NotBegun: nothing of the group was committed."""
        self._begin(any(task.synced for task in group))
        try:
            outcomes = [(task.done, *self._try(task.work)) for task in group]
            self._connection.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        self._committed(len(group), next((e.reason for _, _, e in outcomes if isinstance(e, StoreError)), ""))
        return outcomes

    def _begin(self, synced: bool) -> None:
        try:
            self._sync(synced)
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise _NotBegun(error) from None

    def _roll_back(self) -> None:
        # SQLite itself ends the transaction after some errors (https://www.sqlite.org/lang_transaction.html).
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _committed(self, works: int, trouble: str) -> None:
        self.trouble = trouble
        self.commits += 1
        self.writes += works

    def _failed(self, error: sqlite3.Error) -> BaseException:
        """In words; a mistake of a statement, and none of the file's, stays as it is."""
        known = as_store_error(error)
        if isinstance(known, StoreError):
            self.trouble = known.reason
        return known

    def _sync(self, synced: bool) -> None:
        # https://www.sqlite.org/pragma.html#pragma_synchronous: in WAL mode FULL syncs after each commit,
        # NORMAL before checkpoints alone, so that a power failure may take the last commits, whole ones.
        if self._durable and synced != self._synced:
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if synced else 'NORMAL'}")
            self._synced = synced

    def _try(self, work: Work) -> tuple[Any, BaseException | None]:
        execute = self._connection.execute
        execute("SAVEPOINT work")
        try:
            value = work(self._db)
        # A work may fail in any way: its own changes are undone, and whoever waits for it is told.
        except BaseException as error:
            if not self._connection.in_transaction:
                if isinstance(error, sqlite3.Error):
                    raise
                raise sqlite3.OperationalError("a work has ended its group's transaction") from error
            execute("ROLLBACK TO work")
            execute("RELEASE work")
            return None, as_store_error(error) if isinstance(error, sqlite3.Error) else error
        execute("RELEASE work")
        return value, None


def closed() -> StoreError:
    """What is said to who asks a store that was closed."""
    return StoreError("the bridge is stopping")
