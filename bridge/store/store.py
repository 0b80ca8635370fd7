"""Async facade: group commit, readers."""

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
from bridge.store.database import connect, connect_readonly, unusable
from bridge.store.records import FAILURES, PermanentDamage, as_store_error
from bridge.store.transactions import CommitGroups, Done, Outcome, Task, Work

Settle = Callable[[Sequence[Outcome]], None]
"""Passes on what a whole group came to."""

MAX_GROUP = 512
"""Most works of one commit: nobody waits for longer than these take."""


class Writer:
    """A connection and its thread; `settle` gets what each work of a group came to."""

    def __init__(self, commits: CommitGroups, settle: Settle) -> None:
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


Read = Callable[[sqlite3.Connection], Any]
Waiting = queue.SimpleQueue[tuple[Read, float, Done] | None]

LIMIT_S = 2.0
"""How long a query may take, unless something else is said."""
CHECK_OPS = 4000
"""SQLite's operations between two looks at the clock: about a tenth of a millisecond."""
MAX_READ_GROUP = 64
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
            while len(self._outcomes) < MAX_READ_GROUP and not self._waiting.empty():
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


log = logging.getLogger(__name__)

Value = TypeVar("Value")
Source = TypeVar("Source", Database, sqlite3.Connection)

RETRY = Backoff(first_s=0.05, most_s=5.0, factor=4.0)
"""Waits before further tries of what must be kept."""


class Store:
    """Reads and writes in order of calls; a write that has returned is committed, and seen by later reads."""

    def __init__(self, path: Path, migrations: Migrations, *, readers: int = 3, durable: bool = True) -> None:
        """Opens and migrates the file; `durable` false is for what may be lost with the machine's power.

        Raises UserError where the file can't be used.
        """
        self.path = path
        self._closed = False
        try:
            with contextlib.ExitStack() as undo:
                db = connect(path, migrations, durable=durable)
                undo.callback(db.conn.close)
                self._commits = CommitGroups(db, path, durable=durable)
                self._inline = InlineReader(path)
                undo.callback(self._inline.close)
                self._readers = Readers(path, readers, _settle)
                undo.pop_all()
        except (*FAILURES, OSError) as error:
            raise unusable(path, error) from None
        self._allowance = Allowance()
        self._reading = 0
        self._writer = Writer(self._commits, _settle)

    @property
    def closed(self) -> bool:
        """Whether nothing can be kept any more."""
        return self._closed

    @property
    def waiting(self) -> int:
        """Writes that wait for a commit."""
        return self._writer.waiting

    @property
    def trouble(self) -> AnyText:
        """Why nothing can be kept now; empty while all is well."""
        return self._commits.trouble

    @property
    def commits(self) -> int:
        """Transactions so far."""
        return self._commits.commits

    @property
    def writes(self) -> int:
        """Writes in them."""
        return self._commits.writes

    async def write(
        self, work: Callable[[Database], Value], *, synced: bool = True, brief: bool = True
    ) -> Value:
        """What `work` gives, once it is committed with whatever else was waiting.

        What isn't `synced` doesn't wait for the disk, and where nothing else is under way, if it is `brief`,
        not even for a thread: it outlives a killed process, but perhaps no power failure.

        `work` is undone where it raises, and its error comes here; it may be done twice, the first time
        undone, and must neither commit nor touch anything but the database. Cancelling the wait doesn't
        cancel the work. Raises StoreError: full, locked, damaged, closed.
        """
        if self._closed:
            raise closed()
        loop = asyncio.get_running_loop()
        if brief and not synced and (found := self._at_once(loop, self._writer.now, work)):
            return found[0]
        future: asyncio.Future[Value] = loop.create_future()
        self._writer.put(work, _Waiter(future, loop), synced=synced)
        return await future

    def submit(self, work: Callable[[Database], Any], failed: Callable[[], None] | None = None) -> None:
        """As `write`, not `synced`; nobody waits.

        A failure is logged, or, if it is given, told to `failed` in the loop that runs now.
        """
        if not self._closed:
            self._writer.put(work, _telling(failed) if failed else _log_failure, synced=False)

    def write_now(self, work: Callable[[Database], Value]) -> Value:
        """As `write`, blocking: for where no loop runs."""
        if self._closed:
            raise closed()
        future: concurrent.futures.Future[Value] = concurrent.futures.Future()
        self._writer.put(work, _into(future))
        return future.result()

    async def persist(self, work: Callable[[Database], Value], *, synced: bool = True) -> Value:
        """As `write`, tried again until it is kept.

        Raises StoreError only once the store is closed, and LastingDamage.
        """
        return await self.insist(lambda: self.write(work, synced=synced))

    async def insist(self, ask: Callable[[], Awaitable[Value]]) -> Value:
        """What `ask` gives, which is asked again while it raises StoreError.

        Raises that only once the store is closed, and LastingDamage: what can't be read stays so.
        """
        tries = 0
        while True:
            try:
                return await ask()
            except StoreError as error:
                if self._closed or isinstance(error, PermanentDamage):
                    raise
                level = logging.DEBUG if tries else logging.ERROR
                log.log(level, "what must be kept is tried again: %s", error.reason)
            await asyncio.sleep(RETRY.pause_s(tries))
            tries += 1

    async def read(
        self,
        work: Callable[[sqlite3.Connection], Value],
        *,
        limit_s: float = LIMIT_S,
        brief: bool = True,
    ) -> Value:
        """What `work` reads. Raises StoreError, also after `limit_s` seconds.

        What a few of SQLite's operations find is read at once, all else on a thread, as is whatever asks for
        more time than others, or isn't `brief` since its rows may be large: `work` may be begun twice.
        `work` gives values and no cursor: one that is left open keeps its connection in the past.
        """
        if self._closed:
            raise closed()
        loop = asyncio.get_running_loop()
        # Behind what threads are at work on nothing overtakes: where there is much, they share it best.
        is_next = limit_s <= LIMIT_S and not self._reading
        if brief and is_next and (found := self._at_once(loop, self._inline.read, work)):
            return found[0]
        future: asyncio.Future[Value] = loop.create_future()
        self._reading += 1
        try:
            self._readers.put(work, limit_s, _Waiter(future, loop))
            return await future
        finally:
            self._reading -= 1

    def _at_once(
        self,
        loop: asyncio.AbstractEventLoop,
        do: Callable[[Callable[[Source], Value]], tuple[Value] | None],
        work: Callable[[Source], Value],
    ) -> tuple[Value] | None:
        """What `work` gives on this thread; None where that isn't quicker than another one."""
        if not self._allowance.left(loop):
            return None
        begin = time.perf_counter()
        try:
            return do(work)
        finally:
            self._allowance.charge(loop, time.perf_counter() - begin)

    async def close(self) -> None:
        """Commits what is waiting and closes the file; may be called again."""
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self._end)

    def close_now(self) -> None:
        """As `close`, blocking: for where no loop runs."""
        if not self._closed:
            self._closed = True
            self._end()

    def _end(self) -> None:
        self._inline.close()
        self._readers.close()
        self._writer.close()


class _Waiter:
    """Hands an outcome to a future of a loop, from another thread."""

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
    # A loop is woken once for a group: each wake-up is a system call.
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
            log.debug("%d outcomes for a loop that has ended", len(group))


def _hand_over(group: Sequence[Outcome]) -> None:
    for done, value, error in group:
        done(value, error)


def _log_failure(value: Any, error: BaseException | None) -> None:
    if isinstance(error, StoreError):
        log.error("something can't be kept: %s", error.reason)
    elif error is not None:
        log.error("something can't be kept", exc_info=error)


def _telling(failed: Callable[[], None]) -> Done:
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
