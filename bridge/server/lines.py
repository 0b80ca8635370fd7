"""Answers of one session that are ready at the same time: numbered, and kept, together."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Callable, Mapping, Sequence

from sqlite_utils import Database

from bridge.core.counts import Counts
from bridge.core.errors import StoreError
from bridge.core.router import Router
from bridge.server.live import LiveSession
from bridge.store.outbox import Answer, Delivery
from bridge.store.store import Store

log = logging.getLogger(__name__)

Number = Callable[[Database, Mapping[str, int]], Delivery | None]
"""Ends a job, perhaps, and numbers its answer above the last numbers of these sessions."""
Waiting = tuple[Number, "asyncio.Future[Delivery | None]"]

MOST = 64
"""Answers that one commit takes."""


class Lines:
    """What waits to be numbered, by session: a commit for each would hold up the next for as long."""

    def __init__(self, store: Store, router: Router, counts: Counts) -> None:
        self._store = store
        self._router = router
        self._counts = counts
        self._waiting: dict[str, list[Waiting]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def send(self, live: LiveSession, number: Number) -> Delivery | None:
        """What `number` gives, once it is kept; its answers to `live` follow.

        Raises what `number` raises, and StoreError: nothing was numbered then.
        """
        future: asyncio.Future[Delivery | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(live.id, []).append((number, future))
        if live.id not in self._tasks:
            self._tasks[live.id] = asyncio.create_task(self._run(live))
        return await future

    async def drain(self, timeout_s: float) -> None:
        """Waits until what is kept was sent."""
        if self._tasks:
            await asyncio.wait(tuple(self._tasks.values()), timeout=timeout_s)

    async def pass_on(self, live: LiveSession, answers: Sequence[Answer]) -> None:
        """What is kept under its number takes its place, and goes out; the caller holds `live.sending`."""
        self._take_up(live, answers)
        await _write(live, answers)

    def _take_up(self, live: LiveSession, answers: Sequence[Answer]) -> None:
        for message in answers:
            live.take_up(message, time.monotonic())
            assert isinstance(message.id, int)
            # One whose deadline has passed isn't open any more.
            if ticket := self._router.finish(live.id, message.id):
                self._counts.answered(ticket.name, message)

    async def _run(self, live: LiveSession) -> None:
        try:
            while self._waiting.get(live.id):
                async with live.sending:
                    waiting = self._waiting.pop(live.id)
                    self._waiting[live.id] = waiting[MOST:]
                    answers = await self._keep(live, waiting[:MOST])
                    await _write(live, answers)
        finally:
            del self._tasks[live.id]
            if not self._waiting.get(live.id):
                self._waiting.pop(live.id, None)

    async def _keep(self, live: LiveSession, waiting: Sequence[Waiting]) -> list[Answer]:
        """What was kept, and has taken its place."""
        work = functools.partial(_all, [number for number, _ in waiting], live.id, live.session.seq)
        try:
            deliveries = await self._store.write(work)
        except StoreError as error:
            _fail(waiting, error)
            return []
        # An answer holds what a third party's code gave: whose fault it is shows when each is kept by itself.
        except Exception as error:
            if len(waiting) == 1:
                _fail(waiting, error)
                return []
            return [answer for one in waiting for answer in await self._keep(live, [one])]
        answers = [answer for one in deliveries if one for _, answer in one.numbered]
        self._take_up(live, answers)
        for (_, future), delivery in zip(waiting, deliveries, strict=True):
            if not future.done():
                future.set_result(delivery)
        return answers


async def _write(live: LiveSession, answers: Sequence[Answer]) -> None:
    try:
        for message in answers:
            await live.write(message)
    # They have their numbers, and come again with the next connection; others wait for this line.
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
