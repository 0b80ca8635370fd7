"""The scheduler: leases journalled jobs, runs them on workers and ends each exactly once."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec
from sqlite_utils import Database

from accel.execution.executor import CancelToken
from accel.execution.pool import PRIORITIES
from accel.progress import OnProgress
from accel.text import text
from bridge.core import errors
from bridge.core.errors import RequestError, StoreError
from bridge.core.messages import MAX_FRAME, Error, InputRef, Result
from bridge.core.router import frees_key
from bridge.server.delivery import Deliveries
from bridge.server.live_session import SPARE, too_large
from bridge.server.runner import Runner, Throttle, as_message, deadline_exceeded
from bridge.store import journal
from bridge.store.journal import Answer, Delivery, JournalEntry
from bridge.store.records import pack, unpack
from bridge.store.store import Store

Value = TypeVar("Value")


async def with_run_deadline(
    run: Callable[[CancelToken], Awaitable[Value]], limit_s: float, on_progress: OnProgress | None = None
) -> Value:
    """Returns what `run` returns. Raises TimeoutError `limit_s` seconds after a worker started.

    If a worker dies, the next one gets the full time.
    """
    timer: asyncio.TimerHandle | None = None

    def start() -> None:
        nonlocal timer
        stop()
        timer = asyncio.get_running_loop().call_later(limit_s, give_up)

    def stop() -> None:
        if timer is not None:
            timer.cancel()

    def give_up() -> None:
        # Set before cancelling: it may hold up others in the same batch.
        token.overdue = True
        timeout.reschedule(asyncio.get_running_loop().time())

    token = CancelToken(start, on_progress)
    async with asyncio.timeout(None) as timeout:
        try:
            return await run(token)
        finally:
            stop()


SHORT_S = 0.1
"""Run time in seconds below which a job takes less room in the queue, so that more jobs fit and workers don't
wait for commits."""
MAX_SHORT = 64
"""Maximum number of short jobs that count as one."""


class WorkersCrashed(Exception):
    """The job's workers died. It may be retried."""


class JobRunner:
    """Runs journalled jobs and remembers how long they take."""

    def __init__(self, runner: Runner, deadline_ms: int) -> None:
        """`deadline_ms` limits runs of requests without a deadline."""
        self._runner = runner
        self._deadline_ms = deadline_ms
        self._took: dict[str, float] = {}
        """Moving average of seconds per run, by workload."""

    def cost(self, workload: str) -> float:
        """Returns the room that a job takes in the queue, which is less for batched or short workloads."""
        known = self._runner.workloads.get(workload)
        together = 1.0 if known is None or known.batching is None else 1 / known.batching.max_rows
        share = self._took.get(workload, SHORT_S) / SHORT_S
        return min(together, max(share, 1 / MAX_SHORT))

    async def answer(self, job: JournalEntry, on_progress: OnProgress | None = None) -> Answer | None:
        """Returns a job's result or error, or None if the daemon stops first. Raises WorkersCrashed."""
        try:
            result = await self._run(job, on_progress)
            self._learn(job.workload, result)
            return _fitting(result)
        except RequestError as error:
            if error.code is errors.SHUTTING_DOWN:
                return None
            if error.code is errors.WORKER_CRASHED and job.crashes + 1 < MAX_CRASHES:
                raise WorkersCrashed from None
            return as_message(error, 0)
        except BaseException as error:
            # A plugin's workload may raise anything; only its own job fails.
            if isinstance(error, asyncio.CancelledError) and asyncio.current_task().cancelling():  # type: ignore[union-attr]
                raise
            log.exception("job %d for %s failed", job.id, job.workload)
            return as_message(RequestError(errors.INTERNAL, what=job.workload), 0)

    async def _run(self, job: JournalEntry, on_progress: OnProgress | None) -> Result:
        """Raises RequestError."""
        if job.unreadable:
            raise _unreadable(job, job.unreadable)
        if job.deaths >= MAX_DEATHS:
            reason = text("the daemon was killed {deaths} times while running it", deaths=f"{job.deaths:.0f}")
            raise RequestError(
                errors.WORKER_CRASHED,
                message=text("{workload} was abandoned: {reason}.", workload=job.workload, reason=reason),
            )
        try:
            params: Mapping[str, object] = unpack(job.params, dict[str, object])
            refs = unpack(job.inputs, list[InputRef])
        except msgspec.DecodeError as error:
            raise _unreadable(job, str(error)) from None
        inputs = self._runner.resolve(refs, None if job.root is None else Path(job.root))

        async def run(deadline_ms: int | None, token: CancelToken) -> Result:
            response = await self._runner.run(
                job.workload, params, inputs,
                deadline_ms=deadline_ms, priority=PRIORITIES[job.priority], cache=job.cache, token=token,
            )  # fmt: skip
            return response.message(0)

        if job.deadline is not None:
            token = CancelToken(on_progress=on_progress)
            # An earlier daemon may have started it.
            token.started = job.fence > 1
            return await run(_left_ms(job), token)
        try:
            # Time spent waiting for more urgent jobs doesn't count.
            return await with_run_deadline(
                functools.partial(run, None), self._deadline_ms / 1000, on_progress
            )
        except TimeoutError:
            raise deadline_exceeded(job.workload, self._deadline_ms, begun=True) from None

    def _learn(self, workload: str, result: Result) -> None:
        took = result.meta.run_ms / 1000 if result.meta else 0.0
        before = self._took.get(workload, took)
        self._took[workload] = before + (took - before) / 4


def _unreadable(job: JournalEntry, why: str) -> RequestError:
    log.error(
        "job %d can't be read: popbridge.db is damaged (%s); stop the daemon and run `popbridge db check`",
        job.id, why,
    )  # fmt: skip
    says = f"The request can no longer be read because the daemon's database is damaged ({why})."
    return RequestError(
        errors.INTERNAL,
        text(
            "Send the request again. To check for other damage, stop the daemon and run `popbridge db check`."
        ),
        message=says,
    )


def _left_ms(job: JournalEntry) -> int:
    """Returns the milliseconds until the job's deadline. Raises RequestError if it has passed."""
    assert job.deadline is not None
    left_ms = round((job.deadline - time.monotonic()) * 1000)
    if left_ms <= 0:
        raise deadline_exceeded(job.workload, job.deadline_ms, begun=job.fence > 1)
    return left_ms


def _fitting(result: Result) -> Result:
    """Returns the result if it fits into a frame. Otherwise raises RequestError `too_large`, or TypeError."""
    size = len(pack(result))
    if size > MAX_FRAME - SPARE:
        raise too_large("The answer", size, MAX_FRAME)
    return msgspec.structs.replace(result, id=0)


log = logging.getLogger(__name__)

MAX_CRASHES = 5
"""Number of crashed runs after which a job fails. Each run tries accel.execution.executor.MAX_TRIES
workers."""
MAX_DEATHS = 10
"""Number of killed daemons after which a job fails.

A kill is divided equally among all leased jobs, because it doesn't show which of them caused it.
"""

PREFETCH_PER_WORKER = 2
"""Leased jobs per worker and priority, so that the next is ready when one ends."""
MAX_ENDING = 256
"""No job starts while this many answers are waiting to be stored."""
STORE_PAUSE_S = 1.0
"""Pause after the store failed."""
ENDING_S = 5.0
"""Seconds that a stopping daemon waits for answers to be stored."""


class JobCounter:
    """Number of jobs by state, for metrics."""

    def __init__(self) -> None:
        self.waiting = 0
        self.done = 0
        self.failed = 0
        self.cancelled = 0

    def ended(self, state: str) -> None:
        setattr(self, state, getattr(self, state) + 1)


class Scheduler:
    """Leases jobs, runs them and ends each exactly once."""

    def __init__(
        self, store: Store, runs: JobRunner, deliveries: Deliveries, owner: str, workers: int
    ) -> None:
        self._store = store
        self._runs = runs
        self._deliveries = deliveries
        self._owner = owner
        self._room = float(PREFETCH_PER_WORKER * workers)
        self._wake = asyncio.Event()
        self._leased = [0.0] * len(PRIORITIES)
        self._running: dict[int, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._loop: asyncio.Task[None] | None = None
        self.tally = JobCounter()

    @property
    def running(self) -> int:
        """Number of leased jobs: on a worker, or queued for one."""
        return len(self._running)

    def start(self) -> None:
        """Starts leasing jobs."""
        self._loop = asyncio.create_task(self._lease())
        self.wake()

    def wake(self) -> None:
        """Signals that a job may be waiting."""
        self._wake.set()

    def stop(self, job: int) -> bool:
        """Cancels a withdrawn job and returns whether it was leased."""
        if task := self._running.get(job):
            task.cancel()
        return task is not None

    async def drain(self, timeout_s: float) -> None:
        """Stops leasing. Jobs that don't end in time are left to the next daemon."""
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
            log.error("leased jobs can't be released: %s", error.reason)
        for ending in tuple(self._ending):
            ending.cancel()

    async def _lease(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            rooms = [self._room - load for load in self._leased]
            if len(self._ending) >= MAX_ENDING or max(rooms) <= 0:
                continue
            try:
                jobs = await self._store.write(
                    lambda db, rooms=rooms: journal.claim(db, self._owner, rooms, self._runs.cost)  # type: ignore[misc]
                )
            # All durable requests depend on this loop, so nothing may end it.
            except Exception as error:
                if isinstance(error, StoreError):
                    log.error("no job can be leased: %s", error.reason)
                else:
                    log.exception("no job can be leased")
                asyncio.get_running_loop().call_later(STORE_PAUSE_S, self.wake)
                continue
            for job in jobs:
                self._begin(job)

    def _begin(self, job: JournalEntry) -> None:
        self.tally.waiting -= 1
        cost = self._runs.cost(job.workload)
        self._leased[job.priority] += cost
        task = self._running[job.id] = asyncio.create_task(self._do(job))
        task.add_done_callback(functools.partial(self._done, job, cost))

    def _done(self, job: JournalEntry, cost: float, task: asyncio.Task[None]) -> None:
        # A retried job may have been leased again.
        if self._running.get(job.id) is task:
            del self._running[job.id]
        self._leased[job.priority] -= cost
        self.wake()

    async def _do(self, job: JournalEntry) -> None:
        on_progress = Throttle(functools.partial(self._deliveries.progress, job.id))
        try:
            answer = await self._runs.answer(job, on_progress)
        except WorkersCrashed:
            await self._retry(job)
            return
        finally:
            on_progress.close()
        if _is_late(answer) and await self._has_more_time(job):
            return
        if answer is not None:
            # Don't cancel from here on: an answer stored under a number must be sent.
            ending = asyncio.create_task(self._end(job, answer))
            self._ending.add(ending)
            ending.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._ending.discard(task)
        self.wake()

    async def _end(self, job: JournalEntry, answer: Answer) -> None:
        state = "failed" if isinstance(answer, Error) else "done"
        number = functools.partial(_finish, job, self._owner, answer)
        try:
            if await self._deliveries.send(number, job.sessions, job.id):
                self.tally.ended(state)
        except StoreError as error:
            log.error("job %d will run again: %s", job.id, error.reason)
        # A plugin's value may not be storable; then the client gets an error.
        except Exception:
            log.exception("the answer of job %d can't be stored", job.id)
            if isinstance(answer, Result):
                await self._end(job, as_message(RequestError(errors.INTERNAL, what=job.workload), 0))

    async def _retry(self, job: JournalEntry) -> None:
        log.warning("job %d for %s crashed its workers; retrying", job.id, job.workload)
        try:
            if await self._store.persist(
                functools.partial(journal.retry, job=job, owner=self._owner, crashed=True)
            ):
                self.tally.waiting += 1
        except StoreError as error:
            log.error("job %d is left to the next daemon: %s", job.id, error.reason)

    async def _has_more_time(self, job: JournalEntry) -> bool:
        """Queues the job again if a request with a later deadline has joined it; returns whether it has."""
        try:
            prolonged = await self._store.persist(
                functools.partial(journal.extend, job=job, owner=self._owner)
            )
        except StoreError as error:
            log.error("job %d is left to the next daemon: %s", job.id, error.reason)
            return True
        self.tally.waiting += prolonged
        return prolonged


def _is_late(answer: Answer | None) -> bool:
    return isinstance(answer, Error) and answer.code == errors.DEADLINE_EXCEEDED.name


def _finish(
    job: JournalEntry, owner: str, answer: Answer, db: Database, last: Mapping[str, int]
) -> Delivery | None:
    is_error = isinstance(answer, Error)
    return journal.finish(
        db, job, owner, "failed" if is_error else "done", answer, last,
        frees_key=isinstance(answer, Error) and frees_key(answer),
    )  # fmt: skip
