"""One SQLite file for asyncio: a writer with group commit, a few readers, and errors in words."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from sqlite_utils import Database, Migrations

from accel.retries import Backoff
from accel.text import AnyText
from bridge.core.errors import StoreError
from bridge.store.commits import Commits, Done, Outcome
from bridge.store.database import connect, unusable
from bridge.store.failures import FAILURES, LastingDamage
from bridge.store.inline import Allowance, InlineReader
from bridge.store.readers import LIMIT_S, Readers
from bridge.store.writer import Writer, closed

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
                self._commits = Commits(db, path, durable=durable)
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
                if self._closed or isinstance(error, LastingDamage):
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
