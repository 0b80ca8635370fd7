"""Transactions of the connection that writes: a group's, one alone, one at once; and moving the log."""

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
"""Takes what a work came to; called on the writer's thread."""
Outcome = tuple[Done, Any, BaseException | None]
"""Who is told, and what: a value or an error."""

CHECKPOINT_WORKS = 256
"""After so many the log is moved into the file: about the thousand pages after which SQLite itself would."""
CHECKPOINT_BYTES = 4 << 20
"""Or when it has grown by so much."""


class Task(Struct, frozen=True):
    """A work that waits."""

    work: Work
    done: Done
    synced: bool
    """Whether its commit has to reach the disk before it counts."""


class _NotBegun(Exception):
    def __init__(self, cause: Failure) -> None:
        super().__init__(str(cause))
        self.cause = cause


class CommitGroups:
    """What is done with the connection, by one thread at a time."""

    def __init__(self, db: Database, path: Path, *, durable: bool = True) -> None:
        """Without `durable` no commit waits for the disk. Raises FAILURES."""
        self._db = db
        self._path = path
        self._durable = durable
        self._synced: bool | None = None
        self._patience_ms = BUSY_TIMEOUT_MS
        self._connection = db.conn
        # Whoever waits for a commit needn't wait for the log to be moved, too.
        self._connection.execute("PRAGMA wal_autocheckpoint = 0")
        self._log = Path(f"{path}-wal")
        self._moved_at = 0
        self._size_moved = 0
        self._log_is_new = True
        self.trouble: AnyText = ""
        """Why the last group couldn't be committed; empty while all is well."""
        self.commits = 0
        """Transactions so far."""
        self.writes = 0
        """Works in them."""

    def close(self) -> None:
        self._connection.close()

    def group(self, tasks: Sequence[Task]) -> list[Outcome]:
        """What each came to, in one transaction."""
        if len(tasks) == 1:
            return [self._alone(tasks[0])]
        try:
            return self._trusting(tasks) or self._together(tasks)
        except _NotBegun as error:
            failure = self._failed(error.cause)
            return [(task.done, None, failure) for task in tasks]
        except FAILURES:
            # One that needs too much must not cost the others theirs.
            return [self._alone(task) for task in tasks]

    def at_once(self, work: Callable[[Database], Value]) -> tuple[Value] | None:
        """What an unsynced work gives; None where it would have to wait for others, or for the disk.

        So it would where SQLite fails: whoever has the time for it finds out why. Raises what `work` raises.
        """
        # https://www.sqlite.org/pragma.html#pragma_synchronous: "the WAL file header is synchronized when a
        # WAL file begins to be reused after a checkpoint".
        if self._log_is_new or self.move_is_due:
            return None
        try:
            self._begin(False, patience_ms=0)
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

    def move_log(self) -> None:
        """Moves the log into the file (https://www.sqlite.org/wal.html#ckpt)."""
        self._moved_at, self._size_moved = self.writes, self._log_size()
        # What can't be moved now stays in the log, and whoever writes next hears what is wrong.
        with contextlib.suppress(*FAILURES):
            self._sync(self._durable)
            _, pages, moved = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            self._log_is_new = pages == moved

    @property
    def move_is_due(self) -> bool:
        """Whether the log should be moved before anything else is committed."""
        # A log that is long already doesn't tell by its size how much of it is in use.
        is_long = self._size_moved >= CHECKPOINT_BYTES
        if self.writes - self._moved_at >= (CHECKPOINT_WORKS // 4 if is_long else CHECKPOINT_WORKS):
            return True
        return self._log_size() - self._size_moved >= CHECKPOINT_BYTES

    def _log_size(self) -> int:
        try:
            return self._log.stat().st_size
        except OSError:
            return 0

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
            if isinstance(error, FAILURES):
                return task.done, None, self._failed(error)
            return task.done, None, error
        self._committed(1, "")
        self._log_is_new = False
        return task.done, value, None

    def _trusting(self, tasks: Sequence[Task]) -> list[Outcome] | None:
        """As `_together`, where no work fails: without two savepoint statements for each."""
        self._begin(any(task.synced for task in tasks))
        try:
            outcomes: list[Outcome] = []
            for task in tasks:
                outcomes.append((task.done, task.work(self._db), None))
                # Whatever follows a transaction that has ended would be kept at once, and done twice.
                if not self._connection.in_transaction:
                    return None
            self._connection.execute("COMMIT")
        # Whose work it was, and whether the others' can be kept, is found out with savepoints.
        except BaseException:
            self._roll_back()
            return None
        self._committed(len(tasks), "")
        self._log_is_new = False
        return outcomes

    def _together(self, tasks: Sequence[Task]) -> list[Outcome]:
        """What each work gives. Raises FAILURES or _NotBegun: nothing of the group was committed."""
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

    def _begin(self, synced: bool, patience_ms: int = BUSY_TIMEOUT_MS) -> None:
        self._roll_back()
        try:
            self._sync(synced)
            if patience_ms != self._patience_ms:
                self._connection.execute(f"PRAGMA busy_timeout = {patience_ms}")
                self._patience_ms = patience_ms
            self._connection.execute("BEGIN IMMEDIATE")
        except FAILURES as error:
            raise _NotBegun(error) from None

    def _roll_back(self) -> None:
        # SQLite itself ends the transaction after some errors (https://www.sqlite.org/lang_transaction.html).
        if self._connection.in_transaction:
            # Where that fails, it is done before the next is begun: nobody's error may end the thread.
            with contextlib.suppress(*FAILURES):
                self._connection.execute("ROLLBACK")

    def _committed(self, works: int, trouble: AnyText) -> None:
        self.trouble = trouble
        self.commits += 1
        self.writes += works

    def _failed(self, error: Failure) -> BaseException:
        """In words; a mistake of a statement, and none of the file's, stays as it is."""
        known = as_store_error(error, self._path)
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
                if isinstance(error, FAILURES):
                    raise
                raise sqlite3.OperationalError("a work has ended its group's transaction") from error
            execute("ROLLBACK TO work")
            execute("RELEASE work")
            return None, as_store_error(error, self._path) if isinstance(error, FAILURES) else error
        execute("RELEASE work")
        return value, None
