"""Runs work on the writing connection: group commits and checkpoints of the write-ahead log."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct
from sqlite_utils import Database

from accel.text import AnyText
from bridge.core.errors import StoreError
from bridge.store.database import BUSY_TIMEOUT_MS
from bridge.store.records import FAILURES, Failure, as_store_error

Value = TypeVar("Value")
Work = Callable[[Database], Any]
Done = Callable[[Any, BaseException | None], None]
"""Receives a task's value or error, on the writer's thread."""
Outcome = tuple[Done, Any, BaseException | None]
"""The callback and its value or error."""

CHECKPOINT_WORKS = 256
"""Number of tasks between checkpoints: about 1000 pages, SQLite's own default."""
CHECKPOINT_BYTES = 4 << 20
"""Growth of the log that triggers an earlier checkpoint."""


class Task(Struct, frozen=True):
    """Queued work and its callback."""

    work: Work
    done: Done
    synced: bool
    """Whether its commit must be on disk before it counts."""
    bare: bool = False
    """Whether it runs outside of a transaction."""


class _NotBegun(Exception):
    def __init__(self, cause: Failure) -> None:
        super().__init__(str(cause))
        self.cause = cause


class CommitGroups:
    """The transactions of a connection, used by one thread at a time."""

    def __init__(self, db: Database, path: Path, *, durable: bool = True) -> None:
        """Unless `durable`, no commit waits for the disk. Raises FAILURES."""
        self._db = db
        self._path = path
        self._durable = durable
        self._synced: bool | None = None
        self._busy_timeout_ms = BUSY_TIMEOUT_MS
        self._connection = db.conn
        # Commits must not wait for automatic checkpoints.
        self._connection.execute("PRAGMA wal_autocheckpoint = 0")
        self._log = Path(f"{path}-wal")
        self._checkpoint_writes = 0
        self._checkpoint_size = 0
        self._log_is_new = True
        self.trouble: AnyText = ""
        """Why the last commit failed; empty if it succeeded."""
        self.commits = 0
        """Number of transactions so far."""
        self.writes = 0
        """Number of tasks in them."""

    def close(self) -> None:
        self._connection.close()

    def group(self, tasks: Sequence[Task]) -> list[Outcome]:
        """Runs the tasks in one transaction and returns their outcomes."""
        if len(tasks) == 1:
            return [self._run_one(tasks[0])]
        if any(task.bare for task in tasks):
            return [self._run_one(task) for task in tasks]
        try:
            return self._run_without_savepoints(tasks) or self._run_in_savepoints(tasks)
        except _NotBegun as error:
            failure = self._failed(error.cause)
            return [(task.done, None, failure) for task in tasks]
        except FAILURES:
            # A failing task must not fail the others.
            return [self._run_one(task) for task in tasks]

    def run_inline(self, work: Callable[[Database], Value]) -> tuple[Value] | None:
        """Runs unsynced work without waiting and returns its value in a tuple.

        Returns None if it would have to wait for another connection or the disk, or if SQLite fails; the
        writer's thread then retries and reports the error. Raises what `work` raises.
        """
        # https://www.sqlite.org/pragma.html#pragma_synchronous: "the WAL file header is synchronized when a
        # WAL file begins to be reused after a checkpoint".
        if self._log_is_new or self.checkpoint_due:
            return None
        try:
            self._begin(False, busy_timeout_ms=0)
            value = work(self._db)
            self._connection.execute("COMMIT")
        except (_NotBegun, *FAILURES):
            self._roll_back()
            return None
        except BaseException:
            self._roll_back()
            raise
        self._committed(1, "")
        return (value,)

    def checkpoint(self) -> None:
        """Runs a checkpoint (https://www.sqlite.org/wal.html#ckpt)."""
        self._checkpoint_writes, self._checkpoint_size = self.writes, self._log_size()
        # After a failure, the data stay in the log, and the next write reports the error.
        with contextlib.suppress(*FAILURES):
            self._sync(self._durable)
            _, pages, moved = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            self._log_is_new = pages == moved

    @property
    def checkpoint_due(self) -> bool:
        """Whether a checkpoint is due before the next commit."""
        # The size of a long log doesn't show how much of it is in use.
        is_long = self._checkpoint_size >= CHECKPOINT_BYTES
        if self.writes - self._checkpoint_writes >= (CHECKPOINT_WORKS // 4 if is_long else CHECKPOINT_WORKS):
            return True
        return self._log_size() - self._checkpoint_size >= CHECKPOINT_BYTES

    def _log_size(self) -> int:
        try:
            return self._log.stat().st_size
        except OSError:
            return 0

    def _run_one(self, task: Task) -> Outcome:
        if task.bare:
            return self._run_bare(task)
        # Without a savepoint, because each statement releases and reacquires the GIL.
        try:
            self._begin(task.synced)
        except _NotBegun as error:
            return task.done, None, self._failed(error.cause)
        try:
            value = task.work(self._db)
            self._connection.execute("COMMIT")
        # A task may raise anything; its changes are rolled back, and the caller gets the error.
        except BaseException as error:
            self._roll_back()
            if isinstance(error, FAILURES):
                return task.done, None, self._failed(error)
            return task.done, None, error
        self._committed(1, "")
        self._log_is_new = False
        return task.done, value, None

    def _run_bare(self, task: Task) -> Outcome:
        self._roll_back()
        try:
            return task.done, task.work(self._db), None
        except BaseException as error:
            self._roll_back()
            return task.done, None, self._failed(error) if isinstance(error, FAILURES) else error

    def _run_without_savepoints(self, tasks: Sequence[Task]) -> list[Outcome] | None:
        """Like `_run_in_savepoints`, but without savepoints. Returns None if a task fails."""
        self._begin(any(task.synced for task in tasks))
        try:
            outcomes: list[Outcome] = []
            for task in tasks:
                outcomes.append((task.done, task.work(self._db), None))
                # If it ended the transaction, later tasks would be committed here and run again.
                if not self._connection.in_transaction:
                    return None
            self._connection.execute("COMMIT")
        # Savepoints will then show which task failed.
        except BaseException:
            self._roll_back()
            return None
        self._committed(len(tasks), "")
        self._log_is_new = False
        return outcomes

    def _run_in_savepoints(self, tasks: Sequence[Task]) -> list[Outcome]:
        """Runs each task in a savepoint. Raises FAILURES or _NotBegun if nothing was committed."""
        self._begin(any(task.synced for task in tasks))
        try:
            outcomes = [(task.done, *self._try(task.work)) for task in tasks]
            self._connection.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        self._committed(len(tasks), next((e.reason for _, _, e in outcomes if isinstance(e, StoreError)), ""))
        self._log_is_new = False
        return outcomes

    def _begin(self, synced: bool, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> None:
        self._roll_back()
        try:
            self._sync(synced)
            if busy_timeout_ms != self._busy_timeout_ms:
                self._connection.execute(f"PRAGMA busy_timeout = {busy_timeout_ms}")
                self._busy_timeout_ms = busy_timeout_ms
            self._connection.execute("BEGIN IMMEDIATE")
        except FAILURES as error:
            raise _NotBegun(error) from None

    def _roll_back(self) -> None:
        # SQLite itself ends the transaction after some errors (https://www.sqlite.org/lang_transaction.html).
        if self._connection.in_transaction:
            # A failed rollback is repeated before the next transaction and must not end the thread.
            with contextlib.suppress(*FAILURES):
                self._connection.execute("ROLLBACK")

    def _committed(self, works: int, trouble: AnyText) -> None:
        self.trouble = trouble
        self.commits += 1
        self.writes += works

    def _failed(self, error: Failure) -> BaseException:
        """Converts an error with `as_store_error` and records the reason as `trouble`."""
        known = as_store_error(error, self._path)
        if isinstance(known, StoreError):
            self.trouble = known.reason
        return known

    def _sync(self, synced: bool) -> None:
        # https://www.sqlite.org/pragma.html#pragma_synchronous: in WAL mode, FULL syncs after each commit,
        # NORMAL only before checkpoints, so a power failure may lose the last commits as a whole.
        if self._durable and synced != self._synced:
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if synced else 'NORMAL'}")
            self._synced = synced

    def _try(self, work: Work) -> tuple[Any, BaseException | None]:
        execute = self._connection.execute
        execute("SAVEPOINT work")
        try:
            value = work(self._db)
        # A task may raise anything; its changes are rolled back, and the caller gets the error.
        except BaseException as error:
            if not self._connection.in_transaction:
                if isinstance(error, FAILURES):
                    raise
                raise sqlite3.OperationalError("a work has ended its group's transaction") from error
            execute("ROLLBACK TO work")
            execute("RELEASE work")
            return None, as_store_error(error, self._path) if isinstance(error, FAILURES) else error
        execute("RELEASE work")
        return value, None
