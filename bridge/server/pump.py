"""Jobs from the journal to the workers: few in hand, the others wait in the database."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Mapping

from sqlite_utils import Database

from accel.priorities import PRIORITIES
from bridge.core import errors
from bridge.core.errors import RequestError, StoreError
from bridge.core.journal import frees_key
from bridge.core.messages import Error, Result
from bridge.server.answers import as_message
from bridge.server.delivery import Deliveries
from bridge.server.progress import Throttle
from bridge.server.runs import Crashed, Runs
from bridge.store import journal, outbox
from bridge.store.journal import Job
from bridge.store.outbox import Answer, Delivery
from bridge.store.store import Store

log = logging.getLogger(__name__)

AHEAD = 2
"""Jobs in hand per worker, of each priority: the next is there when one is done."""
MAX_ENDING = 256
"""Most jobs that are done and whose answers aren't kept yet: beyond them no other is begun."""
STORE_PAUSE_S = 1.0
"""How long nothing is begun after the store failed."""
ENDING_S = 5.0
"""How long a stopping daemon waits for answers to be kept."""


class Tally:
    """How many jobs there are, for whoever shows it."""

    def __init__(self) -> None:
        self.waiting = 0
        self.done = 0
        self.failed = 0
        self.cancelled = 0

    def ended(self, state: str) -> None:
        setattr(self, state, getattr(self, state) + 1)


class Pump:
    """Leases jobs, has them run, and ends each once."""

    def __init__(self, store: Store, runs: Runs, deliveries: Deliveries, owner: str, workers: int) -> None:
        self._store = store
        self._runs = runs
        self._deliveries = deliveries
        self._owner = owner
        self._room = float(AHEAD * workers)
        self._wake = asyncio.Event()
        self._in_hand = [0.0] * len(PRIORITIES)
        self._running: dict[int, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._loop: asyncio.Task[None] | None = None
        self.tally = Tally()

    @property
    def running(self) -> int:
        """Jobs in hand: on a worker, or next in its queue."""
        return len(self._running)

    def start(self) -> None:
        """Begins with what waits."""
        self._loop = asyncio.create_task(self._claim_for_ever())
        self.wake()

    def wake(self) -> None:
        """There may be something to begin."""
        self._wake.set()

    def stop(self, job: int) -> bool:
        """Frees the worker of a job that was given up; whether it was in hand."""
        if task := self._running.get(job):
            task.cancel()
        return task is not None

    async def drain(self, timeout_s: float) -> None:
        """Begins nothing more; what isn't done in time is left to the next daemon."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
        if self._running:
            await asyncio.wait(tuple(self._running.values()), timeout=timeout_s)
        running = tuple(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        if self._ending:
            await asyncio.wait(tuple(self._ending), timeout=ENDING_S)
        await self._deliveries.drain(ENDING_S)
        try:
            await self._store.write(functools.partial(journal.release, owner=self._owner))
        except StoreError as error:
            log.error("jobs in hand can't be given back: %s", error.reason)
        for ending in tuple(self._ending):
            ending.cancel()

    # One job.

    async def _claim_for_ever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            rooms = [self._room - load for load in self._in_hand]
            if len(self._ending) >= MAX_ENDING or max(rooms) <= 0:
                continue
            try:
                jobs = await self._store.write(
                    lambda db, rooms=rooms: journal.claim(db, self._owner, rooms, self._runs.cost)  # type: ignore[misc]
                )
            # All promised work hangs on this loop: no failure may end it.
            except Exception as error:
                if isinstance(error, StoreError):
                    log.error("no job can be begun: %s", error.reason)
                else:
                    log.exception("no job can be begun")
                asyncio.get_running_loop().call_later(STORE_PAUSE_S, self.wake)
                continue
            for job in jobs:
                self._begin(job)

    def _begin(self, job: Job) -> None:
        self.tally.waiting -= 1
        cost = self._runs.cost(job.workload)
        self._in_hand[job.priority] += cost
        task = self._running[job.id] = asyncio.create_task(self._do(job))
        task.add_done_callback(functools.partial(self._done, job, cost))

    def _done(self, job: Job, cost: float, task: asyncio.Task[None]) -> None:
        # One that is done again may have been leased anew by now.
        if self._running.get(job.id) is task:
            del self._running[job.id]
        self._in_hand[job.priority] -= cost
        self.wake()

    async def _do(self, job: Job) -> None:
        on_progress = Throttle(functools.partial(self._deliveries.progress, job.id))
        try:
            answer = await self._runs.answer(job, on_progress)
        except Crashed:
            await self._again(job)
            return
        finally:
            on_progress.close()
        if _is_late(answer) and await self._has_more_time(job):
            return
        if answer is not None:
            # From here on it isn't cancelled any more: an answer that is kept under a number has to be sent.
            ending = asyncio.create_task(self._end(job, answer))
            self._ending.add(ending)
            ending.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._ending.discard(task)
        self.wake()

    async def _end(self, job: Job, answer: Answer) -> None:
        state = "failed" if isinstance(answer, Error) else "done"
        number = functools.partial(_finish, job, self._owner, answer)
        try:
            if await self._deliveries.send(number, job.sessions, job.id):
                self.tally.ended(state)
        except StoreError as error:
            log.error("job %d is left to be done again: %s", job.id, error.reason)
        # A third party's answer may hold anything: who asked is told that it failed.
        except Exception:
            log.exception("job %d has an answer that can't be kept", job.id)
            if isinstance(answer, Result):
                await self._end(job, as_message(RequestError(errors.INTERNAL, what=job.workload), 0))

    async def _again(self, job: Job) -> None:
        log.warning("job %d for %s crashed its workers; it is tried again", job.id, job.workload)
        try:
            if await self._store.persist(
                functools.partial(journal.retry, job=job, owner=self._owner, crashed=True)
            ):
                self.tally.waiting += 1
        except StoreError as error:
            log.error("job %d is left to the next daemon: %s", job.id, error.reason)

    async def _has_more_time(self, job: Job) -> bool:
        """Whether somebody with more patience has joined it meanwhile, so that it waits for its turn anew."""
        try:
            prolonged = await self._store.persist(
                functools.partial(journal.prolong, job=job, owner=self._owner)
            )
        except StoreError as error:
            log.error("job %d is left to the next daemon: %s", job.id, error.reason)
            return True
        self.tally.waiting += prolonged
        return prolonged


def _is_late(answer: Answer | None) -> bool:
    return isinstance(answer, Error) and answer.code == errors.DEADLINE_EXCEEDED.name


def _finish(job: Job, owner: str, answer: Answer, db: Database, last: Mapping[str, int]) -> Delivery | None:
    is_error = isinstance(answer, Error)
    return outbox.finish(
        db, job, owner, "failed" if is_error else "done", answer, last,
        frees_key=isinstance(answer, Error) and frees_key(answer),
    )  # fmt: skip
