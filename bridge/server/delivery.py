"""Answers of jobs on their way: numbered and kept in one transaction with the job's end, then sent."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence

from sqlite_utils import Database

from bridge.core.counts import Counts
from bridge.core.errors import StoreError
from bridge.core.messages import Error, Progress
from bridge.core.router import Router
from bridge.server.lines import Lines, Number
from bridge.server.live import LiveSession
from bridge.server.sessions import Sessions
from bridge.store import outbox
from bridge.store.outbox import Answer, Delivery, Withdrawal
from bridge.store.store import RETRY, Store

log = logging.getLogger(__name__)

Withdraw = Callable[[Database, int], Withdrawal | None]


class Deliveries:
    """Who waits for a job gets its answer once, whatever dies in between."""

    def __init__(self, store: Store, sessions: Sessions, router: Router, counts: Counts) -> None:
        self._store = store
        self._sessions = sessions
        self._lines = Lines(store, router, counts)

    async def answer(self, job: int) -> None:
        """Sends a finished job's answer to all who wait. Raises StoreError once the store is closed."""
        await self.send(functools.partial(_deliver, job), (), job)

    async def send(self, number: Number, sessions: Iterable[str], job: int) -> bool:
        """Does `number` for those who wait in `sessions`, then the same for whoever came to wait meanwhile.

        Tried again until it is kept. False where `number` gives None: the job isn't ours any more. Raises
        StoreError once the store is closed.
        """
        waiting = set(sessions)
        while True:
            left = await self._kept(functools.partial(self._send, number, waiting))
            if left is None:
                return False
            waiting = {session for session in left if session in self._sessions.by_id}
            for session in set(left) - waiting:
                self._store.submit(functools.partial(outbox.forget_waiters, session=session))
            if not waiting:
                return True
            number = functools.partial(_deliver, job)

    async def progress(self, job: int, fraction: float, stage: str) -> None:
        """Tells all who wait for a job how far it is."""
        try:
            waiting = await self._store.read(functools.partial(outbox.waiting_for, job=job))
        except StoreError:
            return
        for session, request in waiting:
            live = self._sessions.by_id.get(session)
            # It may have been answered, and even asked anew by the same id, since the store was read; a word
            # too many does no harm then.
            if live is not None and request in live.session.requests:
                await live.write(Progress(id=request, fraction=fraction, stage=stage))

    async def drain(self, timeout_s: float) -> None:
        """Waits until what is kept was sent."""
        await self._lines.drain(timeout_s)

    async def withdraw(self, live: LiveSession, work: Withdraw) -> Withdrawal | None:
        """Does `work`, which takes the session's last number, and sends the error that it gives.

        Raises StoreError: nothing has happened.
        """
        async with live.sending:
            withdrawal = await self._store.write(lambda db: work(db, live.session.seq))
            if withdrawal is not None:
                await self._lines.pass_on(live, [withdrawal.message])
        return withdrawal

    async def _send(self, number: Number, sessions: Iterable[str]) -> Sequence[str] | None:
        lives = [live for session in sorted(sessions) if (live := self._sessions.by_id.get(session))]
        if len(lives) == 1:
            alone = await self._lines.send(lives[0], number)
            return None if alone is None else alone.left
        async with _all_of(lives):
            last = {live.id: live.session.seq for live in lives}
            delivery = await self._store.write(lambda db: number(db, last))
            if delivery is None:
                return None
            parts = (self._lines.pass_on(live, list(_of(live.id, delivery))) for live in lives)
            await asyncio.gather(*parts)
            return delivery.left

    async def _kept(self, work: Callable[[], Awaitable[Sequence[str] | None]]) -> Sequence[str] | None:
        # The sessions are let go between the tries: what needs no store goes on in them.
        for tries in itertools.count():
            try:
                return await work()
            except StoreError as error:
                if self._store.closed:
                    raise
                log.error("an answer can't be kept; it is tried again: %s", error.reason)
            await asyncio.sleep(RETRY.pause_s(tries))
        raise AssertionError


@contextlib.asynccontextmanager
async def _all_of(lives: Sequence[LiveSession]) -> AsyncIterator[None]:
    """Nothing else is numbered in these sessions meanwhile; they come in one order, or two might wait for one
    another for ever."""
    async with contextlib.AsyncExitStack() as stack:
        for live in lives:
            await stack.enter_async_context(live.sending)
        yield


def _deliver(job: int, db: Database, last: Mapping[str, int]) -> Delivery:
    return outbox.deliver(db, job, last)


def _of(session: str, delivery: Delivery) -> Iterator[Answer]:
    return (message for name, message in delivery.numbered if name == session)


def withdrawing(session: str, error: Error, state: str) -> Withdraw:
    """The work that answers a waiting request by `error`."""
    return lambda db, last: outbox.withdraw(db, session, error, last, state)  # type: ignore[arg-type]
