"""The async interface to a database: group commits on a writer thread, and reads on threads or inline."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from sqlite_utils import Database, Migrations

from accel.execution.backoff import Backoff
from accel.text import AnyText, text
from bridge.core.errors import StoreError
from bridge.store.database import connect, connect_readonly, unusable_error
from bridge.store.encryption import Vault
from bridge.store.records import FAILURES, PermanentDamage, as_store_error
from bridge.store.transactions import CommitGroups, Done, Outcome, Task, Work

Settle = Callable[[Sequence[Outcome]], None]
"""Delivers the outcomes of a group."""

MAX_GROUP = 512
"""Maximum number of tasks per commit, which bounds its duration."""


class Writer:
    """The writing connection and its thread. `settle` receives the outcomes of each group."""

    def __init__(self, commits: CommitGroups, settle: Settle) -> None:
        self._commits = commits
        self._settle = settle
        self._waiting: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        """Guards `_unfinished`, and the connection while another thread writes because that is 0."""
        self._unfinished = 0
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Number of queued tasks."""
        return self._waiting.qsize()

    def put(self, work: Work, done: Done, *, synced: bool = True, bare: bool = False) -> None:
        """Queues `work`, which must only touch the database: it may run twice, the first time rolled back.

        Work that isn't `synced` survives a killed process, but a power failure only after the next synced
        commit. `bare` work runs once, outside of a transaction.
        """
        with self._lock:
            self._unfinished += 1
            self._waiting.put(Task(work, done, synced, bare))

    def run_inline(self, work: Callable[[Database], Value]) -> tuple[Value] | None:
        """Runs an unsynced `work` on the caller's thread. Returns its value in a tuple, or None if it must
        wait.

        Raises what `work` raises.
        """
        if not self._lock.acquire(blocking=False):
            return None
        try:
            # Queued tasks come first.
            return None if self._unfinished else self._commits.run_inline(work)
        finally:
            self._lock.release()

    def close(self) -> None:
        """Commits all queued tasks and ends the thread. Blocks until then."""
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
        is_due = self._commits.checkpoint_due
        if not is_due:
            self._finished(len(group))
        self._settle(outcomes)
        if is_due:
            self._commits.checkpoint()
            self._finished(len(group))

    def _finished(self, works: int) -> None:
        with self._lock:
            self._unfinished -= works


def closed_error() -> StoreError:
    """Returns the error for a closed store."""
    return StoreError(text("the daemon is stopping"))


Read = Callable[[sqlite3.Connection], Any]
Waiting = queue.SimpleQueue[tuple[Read, float, Done] | None]

READ_TIMEOUT_S = 2.0
"""The default time limit of a query in seconds."""
CHECK_OPS = 4000
"""SQLite operations between checks of the time limit: about 0.1 ms."""
MAX_READ_GROUP = 64
"""Maximum number of reads whose outcomes are delivered at once."""


class Readers:
    """A pool of `count` reader threads. `settle` receives their outcomes. Raises FAILURES if opening
    fails."""

    def __init__(self, path: Path, count: int, settle: Settle, vault: Vault | None = None) -> None:
        self._waiting: Waiting = queue.SimpleQueue()
        readers: list[_Reader] = []
        try:
            for _ in range(count):
                readers.append(_Reader(connect_readonly(path, vault), path, self._waiting, settle))
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
        """Queues `read`. A query that takes longer than `limit_s` is interrupted."""
        self._waiting.put((read, limit_s, done))

    def close(self) -> None:
        """Finishes all queued reads and ends the threads. Blocks until then."""
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()


class _Reader:
    """A connection and its undelivered outcomes."""

    def __init__(self, connection: sqlite3.Connection, path: Path, waiting: Waiting, settle: Settle) -> None:
        self.connection = connection
        self._path = path
        self._waiting = waiting
        self._settle = settle
        self._outcomes: list[Outcome] = []
        self._end = 0.0
        self._limit()

    def run(self) -> None:
        """Reads until the queue ends."""
        while (one := self._waiting.get()) is not None:
            self._try(*one)
            # Take one read at a time, so that none waits behind a slow one while another thread is free.
            # Deliver outcomes together, because each wake-up of a loop is a system call.
            while len(self._outcomes) < MAX_READ_GROUP and not self._waiting.empty():
                try:
                    one = self._waiting.get_nowait()
                except queue.Empty:
                    break
                if one is None:
                    self._waiting.put(None)
                    break
                self._try(*one)
            self._deliver()
        self.connection.close()

    def _try(self, read: Read, limit_s: float, done: Done) -> None:
        self._end = time.monotonic() + limit_s
        outcome: Outcome
        try:
            outcome = done, read(self.connection), None
        except FAILURES as error:
            outcome = done, None, as_store_error(error, self._path)
        # The caller gets any error, and the thread must continue.
        except BaseException as error:
            outcome = done, None, error
        _end_transaction(self.connection, self._limit)
        self._outcomes.append(outcome)

    def _limit(self) -> None:
        self.connection.set_progress_handler(self._late, CHECK_OPS)

    def _late(self) -> bool:
        # Finished reads must not wait for a slow query.
        self._deliver()
        return time.monotonic() > self._end

    def _deliver(self) -> None:
        if self._outcomes:
            outcomes, self._outcomes = self._outcomes, []
            self._settle(outcomes)


def _end_transaction(connection: sqlite3.Connection, limit: Callable[[], None]) -> None:
    """Ends a savepoint that sqlite_utils' `query` left open because it was interrupted, which would keep the
    connection in the past. `limit` sets the connection's progress handler anew."""
    if connection.in_transaction:
        connection.set_progress_handler(None, 0)
        connection.execute("ROLLBACK")
        limit()


MAX_OPS = 1000
"""SQLite operations per inline read, about 30 µs. Reading a row by key takes 20 operations, ten rows 100."""
TURN_BUDGET_S = 0.001
"""Seconds that an iteration of the event loop may spend on the database."""
SLOW_S = 0.02
"""Work that takes longer than this had to wait for the disk."""
PAUSE_S = 10.0
"""Seconds for which threads then do all the work."""


class LoopBudget:
    """Limits the time that an event loop spends on database work."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._spent = 0.0
        self._rests_until = 0.0

    def left(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether this iteration of `loop` may do more work."""
        if loop is not self._loop:
            self._loop, self._spent = loop, 0.0
        return self._spent < TURN_BUDGET_S and time.perf_counter() >= self._rests_until

    def charge(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        """Records the duration of a piece of work."""
        if not self._spent:
            loop.call_soon(self._renew)
        self._spent += seconds
        if seconds > SLOW_S:
            self._rests_until = time.perf_counter() + PAUSE_S

    def _renew(self) -> None:
        self._spent = 0.0


class InlineReader:
    """A read-only connection for reads with few operations."""

    def __init__(self, path: Path, vault: Vault | None = None) -> None:
        """Raises FAILURES."""
        self._connection = connect_readonly(path, vault)
        self._connection.execute("PRAGMA busy_timeout = 0")
        self._limit()
        self._lock = threading.Lock()

    def _limit(self) -> None:
        self._connection.set_progress_handler(lambda: 1, MAX_OPS)

    def read(self, work: Callable[[sqlite3.Connection], Value]) -> tuple[Value] | None:
        """Returns the result of `work` in a tuple, or None if it takes too long or fails; then a thread
        should retry."""
        if not self._lock.acquire(blocking=False):
            return None
        try:
            return (work(self._connection),)
        except FAILURES:
            return None
        finally:
            _end_transaction(self._connection, self._limit)
            self._lock.release()

    def close(self) -> None:
        with self._lock:
            self._connection.close()


log = logging.getLogger(__name__)

Value = TypeVar("Value")
Source = TypeVar("Source", Database, sqlite3.Connection)

RETRY = Backoff(first_s=0.05, most_s=5.0, factor=4.0)
"""Pauses between attempts at writes that must succeed."""


class Store:
    """A database. Writes run in the order of calls, and later reads see every write that has returned."""

    def __init__(
        self,
        path: Path,
        migrations: Migrations,
        *,
        readers: int = 3,
        durable: bool = True,
        vault: Vault | None = None,
    ) -> None:
        """Opens and migrates the file. Unless `durable`, a power failure may lose data. Encrypted columns are
        sealed and opened with `vault`.

        Raises UserError if the file can't be used, or its master key is missing.
        """
        self.path = path
        self.vault = vault or Vault()
        self._closed = False
        try:
            with contextlib.ExitStack() as undo:
                db = connect(path, migrations, durable=durable, vault=vault)
                undo.callback(db.conn.close)
                self._commits = CommitGroups(db, path, durable=durable)
                self._inline = InlineReader(path, vault)
                undo.callback(self._inline.close)
                self._readers = Readers(path, readers, _settle, vault)
                undo.pop_all()
        except (*FAILURES, OSError) as error:
            raise unusable_error(path, error) from None
        self._allowance = LoopBudget()
        self._reading = 0
        self._writer = Writer(self._commits, _settle)

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def waiting(self) -> int:
        """Number of queued writes."""
        return self._writer.waiting

    @property
    def trouble(self) -> AnyText:
        """Why writes currently fail; empty if they don't."""
        return self._commits.trouble

    @property
    def commits(self) -> int:
        """Number of transactions since the start."""
        return self._commits.commits

    @property
    def writes(self) -> int:
        """Number of writes since the start."""
        return self._commits.writes

    async def write(
        self, work: Callable[[Database], Value], *, synced: bool = True, brief: bool = True
    ) -> Value:
        """Runs `work` in a group commit and returns its value after the commit.

        Unless `synced`, it doesn't wait for the disk, and a power failure may lose it. If it is also `brief`
        and nothing else is running, it doesn't even wait for the thread.

        If `work` raises, it is rolled back. It may run twice, the first time rolled back, so it must not
        commit or touch anything but the database. Cancelling the wait doesn't cancel the work. Raises
        StoreError if the disk is full, the database is locked or damaged, or the store is closed.
        """
        if self._closed:
            raise closed_error()
        loop = asyncio.get_running_loop()
        if brief and not synced and (found := self._try_inline(loop, self._writer.run_inline, work)):
            return found[0]
        future: asyncio.Future[Value] = loop.create_future()
        self._writer.put(work, _Waiter(future, loop), synced=synced)
        return await future

    async def maintain(self, work: Callable[[Database], Value]) -> Value:
        """Runs `work` outside of a transaction, after all earlier writes, for statements such as VACUUM.

        Later writes wait for it. Raises StoreError.
        """
        if self._closed:
            raise closed_error()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Value] = loop.create_future()
        self._writer.put(work, _Waiter(future, loop), bare=True)
        return await future

    def submit(self, work: Callable[[Database], Any], failed: Callable[[], None] | None = None) -> None:
        """Queues an unsynced `write` without waiting.

        On failure, calls `failed` in the running loop or, if that is None, logs the error.
        """
        if not self._closed:
            self._writer.put(work, _notifying(failed) if failed else _log_failure, synced=False)

    def write_now(self, work: Callable[[Database], Value]) -> Value:
        """Like `write`, but blocks; for code without an event loop."""
        if self._closed:
            raise closed_error()
        future: concurrent.futures.Future[Value] = concurrent.futures.Future()
        self._writer.put(work, _into(future))
        return future.result()

    async def persist(self, work: Callable[[Database], Value], *, synced: bool = True) -> Value:
        """Like `write`, but retries until it succeeds. Raises StoreError like `insist`."""
        return await self.insist(lambda: self.write(work, synced=synced))

    async def insist(self, access: Callable[[], Awaitable[Value]]) -> Value:
        """Calls `access` until it doesn't raise StoreError, and returns its value.

        Raises StoreError only if the store is closed, and PermanentDamage.
        """
        tries = 0
        while True:
            try:
                return await access()
            except StoreError as error:
                if self._closed or isinstance(error, PermanentDamage):
                    raise
                level = logging.DEBUG if tries else logging.ERROR
                log.log(level, "a database access that must succeed is retried: %s", error.reason)
            await asyncio.sleep(RETRY.pause_s(tries))
            tries += 1

    async def read(
        self,
        work: Callable[[sqlite3.Connection], Value],
        *,
        limit_s: float = READ_TIMEOUT_S,
        brief: bool = True,
    ) -> Value:
        """Runs `work` on a read-only connection. Raises StoreError, also after `limit_s` seconds.

        Reads with few SQLite operations run inline; others, those with a longer time limit, and those that
        aren't `brief` because their rows may be large run on a thread. `work` may be started twice. It must
        not return a cursor, because an open cursor keeps its connection in the past.
        """
        if self._closed:
            raise closed_error()
        loop = asyncio.get_running_loop()
        # Under load, reads are best shared by the threads.
        is_next = limit_s <= READ_TIMEOUT_S and not self._reading
        if brief and is_next and (found := self._try_inline(loop, self._inline.read, work)):
            return found[0]
        future: asyncio.Future[Value] = loop.create_future()
        self._reading += 1
        try:
            self._readers.put(work, limit_s, _Waiter(future, loop))
            return await future
        finally:
            self._reading -= 1

    def _try_inline(
        self,
        loop: asyncio.AbstractEventLoop,
        do: Callable[[Callable[[Source], Value]], tuple[Value] | None],
        work: Callable[[Source], Value],
    ) -> tuple[Value] | None:
        """Runs `work` on this thread, or returns None if another thread should run it."""
        if not self._allowance.left(loop):
            return None
        begin = time.perf_counter()
        try:
            return do(work)
        finally:
            self._allowance.charge(loop, time.perf_counter() - begin)

    async def close(self) -> None:
        """Commits queued writes and closes the file. Idempotent."""
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self._end)

    def close_now(self) -> None:
        """Like `close`, but blocks; for code without an event loop."""
        if not self._closed:
            self._closed = True
            self._end()

    def _end(self) -> None:
        self._inline.close()
        self._readers.close()
        self._writer.close()


class _Waiter:
    """Sets a future. `_settle` calls it in the future's loop."""

    def __init__(self, future: asyncio.Future[Any], loop: asyncio.AbstractEventLoop) -> None:
        self._future = future
        self.loop = loop

    def __call__(self, value: Any, error: BaseException | None) -> None:
        if self._future.done():
            return
        if error is None:
            self._future.set_result(value)
        else:
            self._future.set_exception(error)


def _settle(outcomes: Sequence[Outcome]) -> None:
    # Wake each loop once per group, because each wake-up is a system call.
    by_loop: dict[asyncio.AbstractEventLoop, list[Outcome]] = {}
    for outcome in outcomes:
        done, value, error = outcome
        if isinstance(done, _Waiter):
            by_loop.setdefault(done.loop, []).append(outcome)
        else:
            done(value, error)
    for loop, group in by_loop.items():
        try:
            loop.call_soon_threadsafe(_hand_over, group)
        except RuntimeError:
            log.debug("%d outcomes are dropped: their event loop has ended", len(group))


def _hand_over(group: Sequence[Outcome]) -> None:
    for done, value, error in group:
        done(value, error)


def _log_failure(value: Any, error: BaseException | None) -> None:
    if isinstance(error, StoreError):
        log.error("a write failed: %s", error.reason)
    elif error is not None:
        log.error("a write failed", exc_info=error)


def _notifying(failed: Callable[[], None]) -> Done:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()
    future.add_done_callback(lambda done: failed() if done.exception() else None)
    return _Waiter(future, loop)


def _into(future: concurrent.futures.Future[Any]) -> Done:
    def done(value: Any, error: BaseException | None) -> None:
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)

    return done
