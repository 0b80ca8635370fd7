"""Delivers answers to durable requests: numbers, stores and sends them."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence

from sqlite_utils import Database

from bridge.core.errors import StoreError
from bridge.core.messages import Error, Progress
from bridge.core.metrics import Counts
from bridge.core.router import Router
from bridge.server.live_session import LiveSession
from bridge.server.sessions import Sessions
from bridge.store import journal
from bridge.store.journal import Answer, Delivery, Withdrawal
from bridge.store.store import RETRY, Store

Number = Callable[[Database, Mapping[str, int]], Delivery | None]
"""Numbers a job's answer, above the last numbers of sessions, and may end the job."""
Waiting = tuple[Number, "asyncio.Future[Delivery | None]"]

MAX_ANSWERS = 64
"""Maximum number of answers per commit."""


class OutboxBatch:
    """Answers that wait to be numbered, by session. Those that wait together share a commit."""

    def __init__(self, store: Store, router: Router, counts: Counts) -> None:
        self._store = store
        self._router = router
        self._counts = counts
        self._waiting: dict[str, list[Waiting]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def send(self, live: LiveSession, number: Number) -> Delivery | None:
        """Returns the result of `number` once it is stored; its answers are sent afterwards.

        Raises what `number` raises, and StoreError; then nothing was numbered.
        """
        future: asyncio.Future[Delivery | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(live.id, []).append((number, future))
        if live.id not in self._tasks:
            self._tasks[live.id] = asyncio.create_task(self._run(live))
        return await future

    async def drain(self, timeout_s: float) -> None:
        """Waits until stored answers are sent."""
        if self._tasks:
            await asyncio.wait(tuple(self._tasks.values()), timeout=timeout_s)

    async def send_stored(self, live: LiveSession, answers: Sequence[Answer]) -> None:
        """Sends answers stored under their numbers. The caller must hold `live.sending`."""
        self._register(live, answers)
        await _write(live, answers)

    def _register(self, live: LiveSession, answers: Sequence[Answer]) -> None:
        for message in answers:
            live.register(message, time.monotonic())
            assert isinstance(message.id, int)
            # Without a ticket, its deadline has passed and it was already answered.
            if ticket := self._router.finish(live.id, message.id):
                self._counts.answered(ticket.name, message)

    async def _run(self, live: LiveSession) -> None:
        try:
            while self._waiting.get(live.id):
                async with live.sending:
                    waiting = self._waiting.pop(live.id)
                    self._waiting[live.id] = waiting[MAX_ANSWERS:]
                    answers = await self._store_answers(live, waiting[:MAX_ANSWERS])
                    await _write(live, answers)
        finally:
            del self._tasks[live.id]
            if not self._waiting.get(live.id):
                self._waiting.pop(live.id, None)

    async def _store_answers(self, live: LiveSession, waiting: Sequence[Waiting]) -> list[Answer]:
        """Stores answers and returns those that were stored."""
        work = functools.partial(_all, [number for number, _ in waiting], live.id, live.session.seq)
        try:
            deliveries = await self._store.write(work)
        except StoreError as error:
            _fail(waiting, error)
            return []
        # A plugin's value may not be storable. Storing each one separately shows which.
        except Exception as error:
            if len(waiting) == 1:
                _fail(waiting, error)
                return []
            return [answer for one in waiting for answer in await self._store_answers(live, [one])]
        answers = [answer for one in deliveries if one for _, answer in one.numbered]
        self._register(live, answers)
        for (_, future), delivery in zip(waiting, deliveries, strict=True):
            if not future.done():
                future.set_result(delivery)
        return answers


async def _write(live: LiveSession, answers: Sequence[Answer]) -> None:
    try:
        for message in answers:
            await live.write(message)
    # The answers are numbered, so they are sent again on the next connection.
    except Exception:
        log.exception("session %s can't be written to", live.id)


def _all(numbers: Sequence[Number], session: str, last: int, db: Database) -> list[Delivery | None]:
    deliveries = []
    for number in numbers:
        delivery = number(db, {session: last})
        last += len(delivery.numbered) if delivery else 0
        deliveries.append(delivery)
    return deliveries


def _fail(waiting: Sequence[Waiting], error: Exception) -> None:
    for _, future in waiting:
        if not future.done():
            future.set_exception(error)


log = logging.getLogger(__name__)

Withdraw = Callable[[Database, int], Withdrawal | None]


class Deliveries:
    """Delivers each answer exactly once to every waiting session, even across crashes."""

    def __init__(self, store: Store, sessions: Sessions, router: Router, counts: Counts) -> None:
        self._store = store
        self._sessions = sessions
        self._outbox = OutboxBatch(store, router, counts)

    async def answer(self, job: int) -> None:
        """Sends a finished job's answer to all waiting sessions. Raises StoreError if the store is closed."""
        await self.send(functools.partial(_deliver, job), (), job)

    async def send(self, number: Number, sessions: Iterable[str], job: int) -> bool:
        """Numbers and sends a job's answer to `sessions`, then to those that joined in the meantime.

        Retries until it is stored. Returns False if `number` returns None because another daemon has the job.
        Raises StoreError if the store is closed.
        """
        waiting = set(sessions)
        while True:
            left = await self._retry(functools.partial(self._send, number, waiting))
            if left is None:
                return False
            waiting = {session for session in left if session in self._sessions.by_id}
            for session in set(left) - waiting:
                self._store.submit(functools.partial(journal.forget_waiters, session=session))
            if not waiting:
                return True
            number = functools.partial(_deliver, job)

    async def progress(self, job: int, fraction: float, stage: str) -> None:
        """Sends a job's progress to all waiting sessions."""
        try:
            waiting = await self._store.read(functools.partial(journal.waiting_for, job=job))
        except StoreError:
            return
        for session, request in waiting:
            live = self._sessions.by_id.get(session)
            # If the id was reused since the store was read, an extra progress message does no harm.
            if live is not None and request in live.session.requests:
                await live.write(Progress(id=request, fraction=fraction, stage=stage))

    async def drain(self, timeout_s: float) -> None:
        """Waits until stored answers are sent."""
        await self._outbox.drain(timeout_s)

    async def withdraw(self, live: LiveSession, work: Withdraw) -> Withdrawal | None:
        """Runs `work` with the session's last number and sends the error that it returns.

        Raises StoreError; then nothing has happened.
        """
        async with live.sending:
            withdrawal = await self._store.write(lambda db: work(db, live.session.seq))
            if withdrawal is not None:
                await self._outbox.send_stored(live, [withdrawal.message])
        return withdrawal

    async def _send(self, number: Number, sessions: Iterable[str]) -> Sequence[str] | None:
        lives = [live for session in sorted(sessions) if (live := self._sessions.by_id.get(session))]
        if len(lives) == 1:
            alone = await self._outbox.send(lives[0], number)
            return None if alone is None else alone.left
        async with _all_of(lives):
            last = {live.id: live.session.seq for live in lives}
            delivery = await self._store.write(lambda db: number(db, last))
            if delivery is None:
                return None
            parts = (self._outbox.send_stored(live, list(_of(live.id, delivery))) for live in lives)
            await asyncio.gather(*parts)
            return delivery.left

    async def _retry(self, work: Callable[[], Awaitable[Sequence[str] | None]]) -> Sequence[str] | None:
        # Sessions are unlocked between attempts, so that messages which need no store continue.
        for tries in itertools.count():
            try:
                return await work()
            except StoreError as error:
                if self._store.closed:
                    raise
                log.error("an answer can't be stored; retrying: %s", error.reason)
            await asyncio.sleep(RETRY.pause_s(tries))
        raise AssertionError


@contextlib.asynccontextmanager
async def _all_of(lives: Sequence[LiveSession]) -> AsyncIterator[None]:
    """Locks numbering in these sessions, in a fixed order to prevent deadlocks."""
    async with contextlib.AsyncExitStack() as stack:
        for live in lives:
            await stack.enter_async_context(live.sending)
        yield


def _deliver(job: int, db: Database, last: Mapping[str, int]) -> Delivery:
    return journal.deliver(db, job, last)


def _of(session: str, delivery: Delivery) -> Iterator[Answer]:
    return (message for name, message in delivery.numbered if name == session)


def withdraw_request(session: str, error: Error, state: str) -> Withdraw:
    """Returns the work that answers a waiting request with `error`."""
    return lambda db, last: journal.withdraw(db, session, error, last, state)  # type: ignore[arg-type]
