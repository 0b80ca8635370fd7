"""Dynamic batching: queues, batches with a time limit, and a fallback that runs jobs one by one.

Batching adds no delay: a batch contains the jobs that are waiting when a worker becomes free. So an idle
machine answers immediately, and a busy one works in batches.
"""

from __future__ import annotations

import asyncio
import logging
import math
import operator
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from accel.execution.executor import BatchExecutor, CancelToken, Executor, ExecutorResult, Job, packed_item
from accel.execution.pool import PRIORITIES, FairTurns
from accel.text import text
from accel.workload import Workload, WorkloadError, names

MIN_LIMIT_S = 5.0
"""Minimum time limit of a run, whatever was measured: a new worker first loads libraries and a model."""
LIMIT_FACTOR = 3
"""A batch that takes this many times as long as the slowest recent run is considered stuck."""
REMEMBERED_RUNS = 100
"""Number of runs to remember: an old one may have been slow because it loaded a model."""
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Batch sizes that are measured, compiled and captured."""

MaxRows = Callable[[Workload], int]
"""Returns the maximum rows of a batch that are worth it on this machine; 1 for no batching."""

log = logging.getLogger(__name__)


def bucket_key(count: int) -> int:
    """Returns the smallest of SIZES that is at least `count`, or `count` itself above the largest."""
    return next((size for size in SIZES if size >= count), count)


class Batcher:
    """An executor that batches jobs of the same workload according to its policy."""

    def __init__(
        self,
        executor: BatchExecutor,
        max_rows: MaxRows,
        *,
        least_s: float = MIN_LIMIT_S,
        most_s: float = math.inf,
    ) -> None:
        """Stops a batch after `least_s` seconds if a deadline of its jobs passes or it takes far longer than
        earlier batches, and after `most_s` in any case.

        Its jobs then run one by one, because the daemon can't tell which of them is stuck. `most_s` leaves
        time for that if all have the same deadline.
        """
        self._executor = executor
        self._max_rows = max_rows
        self._timeouts: defaultdict[str, BatchTimeout] = defaultdict(lambda: BatchTimeout(least_s, most_s))
        self._queues: dict[tuple[str, str, Path | None], _Queue] = {}

    async def start(self) -> None:
        await self._executor.start()

    async def close(self) -> None:
        await self._executor.close()
        for queue in tuple(self._queues.values()):
            await queue.close()

    async def run(self, job: Job) -> ExecutorResult:
        workload, batching = job.workload, job.workload.batching
        most = 1 if batching is None else min(self._max_rows(workload), batching.max_rows)
        if most <= 1 or batching is None:
            done = await self._executor.run(job)
            self._timeouts[workload.name].learn(done.run_ms / 1000)
            return done
        item = BatchItem(job, _rows(batching.rows(job.params)))
        return await self._queue(workload, batching.bucket(job.params), job.out_dir).run(item, most)

    def _queue(self, workload: Workload, bucket: str, out_dir: Path | None) -> _Queue:
        key = (workload.name, bucket, out_dir)
        queue = self._queues.get(key)
        if queue is None:
            timeout = self._timeouts[workload.name]
            queue = self._queues[key] = _Queue(
                self._executor, workload, bucket, out_dir, timeout, lambda: self._queues.pop(key, None)
            )
        return queue


def _rows(value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        reason = text(
            "its number of rows is {given}; it must be a whole number", given=format(repr(value), ".80")
        )
        raise WorkloadError("internal", reason) from None


class BatchItem:
    """A queued or batched job with its future result."""

    def __init__(self, job: Job, rows: int) -> None:
        """Raises WorkloadError `bad_params` for parameters that can't be encoded."""
        self.job = job
        self.packed = packed_item(job)
        self.rows = rows
        self.result: asyncio.Future[ExecutorResult] = asyncio.get_running_loop().create_future()

    def settle(self, outcome: ExecutorResult | WorkloadError) -> None:
        """Sets the result, unless it is already set or the caller was cancelled."""
        if self.result.done():
            return
        if isinstance(outcome, WorkloadError):
            self.result.set_exception(outcome)
        else:
            self.result.set_result(outcome)


class BatchTimeout:
    """Time limits for batches of one workload, based on the run times of earlier batches."""

    def __init__(self, least_s: float = MIN_LIMIT_S, most_s: float = math.inf) -> None:
        self.least_s = least_s
        self._most_s = most_s
        self._took_s: deque[float] = deque(maxlen=REMEMBERED_RUNS)
        self._rows: dict[str, int] = {}
        """Largest finished batch in rows, by bucket."""

    def learn(self, took_s: float, bucket: str = "", rows: int = 0) -> None:
        """Records a finished run of `rows` rows; 0 if it wasn't a batch."""
        # Runs of other buckets count too, because a new worker loads the same model for them.
        self._took_s.append(took_s)
        self._rows[bucket] = max(self._rows.get(bucket, 0), rows)

    @property
    def longest_s(self) -> float:
        """Time of the slowest recent run in seconds, at least `least_s`."""
        return max(self.least_s, self._slowest_s)

    def limit_s(self, bucket: str, rows: int) -> float:
        """Returns the seconds after which a batch of `rows` is considered stuck; `most_s` if none as large
        has finished yet."""
        if rows > self._rows.get(bucket, 0):
            return self._most_s
        return min(self._most_s, max(self.least_s, LIMIT_FACTOR * self._slowest_s))

    @property
    def _slowest_s(self) -> float:
        return max(self._took_s, default=0.0)


class Batch:
    """Jobs that a worker runs together. The time limit is needed because one of them may be stuck, and the
    daemon can't tell which."""

    def __init__(self, stop: Callable[[], object], least_s: float) -> None:
        """`stop` ends the worker's run. In the first `least_s` seconds it is only called if no request is
        waiting for the batch any more."""
        self.items: Sequence[BatchItem] = ()
        self.stopped = False
        self._stop, self._least_s = stop, least_s
        self._started_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self, items: Sequence[BatchItem], limit_s: float) -> None:
        """Records that a worker has taken the items. Two or more are stopped after `limit_s` seconds."""
        self.items, self._started_at = items, time.monotonic()
        for item in items:
            item.job.token.batch_size = len(items)
            item.job.token.start()
        if len(items) > 1 and limit_s < math.inf:
            self._stop_after(limit_s)

    def leave(self, overdue: bool) -> None:
        """Records that no request is waiting for one item any more. An `overdue` item may be what delays the
        others."""
        if all(item.result.done() for item in self.items):
            self.stop()
        elif overdue:
            self._stop_after(self._least_s)

    def stop(self) -> None:
        """Ends the worker's run."""
        self.end()
        self.stopped = True
        self._stop()

    @property
    def took_s(self) -> float:
        """Seconds since it started."""
        return time.monotonic() - self._started_at

    def end(self) -> None:
        """Cancels the time limit, because the run is over."""
        if self._timer is not None:
            self._timer.cancel()

    def _stop_after(self, seconds: float) -> None:
        """Stops the run this many seconds after its start."""
        self.end()
        self._timer = asyncio.get_running_loop().call_later(max(0.0, seconds - self.took_s), self.stop)


class _Queue:
    """Jobs of the same workload, bucket and output folder, which may run together."""

    def __init__(
        self,
        executor: BatchExecutor,
        workload: Workload,
        bucket: str,
        out_dir: Path | None,
        timeout: BatchTimeout,
        forget: Callable[[], object],
    ) -> None:
        self._executor = executor
        self._workload = workload
        self._bucket = bucket
        self._out_dir = out_dir
        self._timeout = timeout
        self._forget = forget
        self._turns: FairTurns[BatchItem] = FairTurns()
        self._rows = 0
        self._asking: dict[asyncio.Task[None] | None, str] = {}
        """Priorities of the tasks that are waiting for a worker."""
        self._batches: set[Batch] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, item: BatchItem, most: int) -> ExecutorResult:
        job = item.job
        self._turns.add(item, job.priority)
        self._rows += item.rows
        if self._rows > most * len(self._asking) or self._is_most_urgent(job.priority):
            self._ask(job.priority, most)
        try:
            async with job.timeout():
                return await item.result
        except TimeoutError:
            self._leave(item, overdue=True)
            raise job.deadline_exceeded() from None
        except asyncio.CancelledError:
            self._leave(item, overdue=job.token.overdue)
            raise

    async def close(self) -> None:
        """Waits until all running batches have noticed that the workers are gone."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _is_most_urgent(self, priority: str) -> bool:
        rank = PRIORITIES.index(priority)
        return all(rank < PRIORITIES.index(asking) for asking in self._asking.values())

    def _ask(self, priority: str, most: int) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(priority, most))
        self._asking[task] = priority
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ask_for_rest(self, most: int) -> None:
        """Requests a worker for items that didn't fit, unless a task of their priority already has."""
        first = next((priority for priority, count in self._turns.waiting.items() if count), None)
        if first is not None and self._is_most_urgent(first):
            self._ask(first, most)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not self._tasks and not len(self._turns):
            self._forget()

    async def _serve(self, priority: str, most: int) -> None:
        """Runs one batch: the items that are waiting when a worker becomes free."""
        task = asyncio.current_task()
        assert task is not None
        batch = Batch(task.cancel, self._timeout.least_s)
        self._batches.add(batch)
        try:
            await self._run_batch(batch, priority, most)
        finally:
            batch.end()
            self._batches.discard(batch)
            self._asking.pop(task, None)
        if any(not item.result.done() for item in batch.items):
            await IndividualRuns(self._executor, batch.items, self._timeout).run()

    async def _run_batch(self, batch: Batch, priority: str, most: int) -> None:
        """Runs the batch. Items that have to run one by one are left without a result."""

        def take() -> Sequence[BatchItem]:
            self._asking.pop(asyncio.current_task(), None)
            items = self._take(most)
            batch.start(items, self._timeout.limit_s(self._bucket, sum(item.rows for item in items)))
            self._ask_for_rest(most)
            return batch.items

        try:
            done = await self._executor.run_batch(
                self._workload, take, priority=priority, out_dir=self._out_dir
            )
            self._settle(batch, done)
        except WorkloadError as error:
            if not batch.items:  # no worker took any
                for item in self._take(self._rows):
                    item.settle(error)
        except Exception:  # a bug must not leave a request waiting
            log.exception("%s: the batch can't be run; its jobs run one by one", self._workload.name)
            if not batch.items:
                batch.start(self._take(self._rows), math.inf)
        except asyncio.CancelledError:
            if not batch.stopped:
                raise
            if left := sum(not item.result.done() for item in batch.items):
                message = "%s: a batch of %d jobs took too long; %d of them run one by one"
                log.warning(message, self._workload.name, len(batch.items), left)

    def _settle(self, batch: Batch, done: Sequence[ExecutorResult | WorkloadError]) -> None:
        outcomes = list(zip(batch.items, done, strict=True))
        # A job that is rejected immediately says nothing about a batch's run time.
        if good := [item.rows for item, outcome in outcomes if isinstance(outcome, ExecutorResult)]:
            self._timeout.learn(batch.took_s, self._bucket, sum(good))
        for item, outcome in outcomes:
            # Another process may have the memory that this one lacks.
            if not isinstance(outcome, WorkloadError) or outcome.fault not in ("process", "budget"):
                item.settle(outcome)

    def _take(self, most: int) -> list[BatchItem]:
        """Returns items in the order of their turns, up to `most` rows but at least one item."""
        items: list[BatchItem] = []
        rows = 0

        def fits(item: BatchItem) -> bool:
            return not rows or rows + item.rows <= most

        while (item := self._turns.next(fits)) is not None:
            self._rows -= item.rows
            # Its caller may report that it never started, or is about to see that its deadline has passed.
            if item.job.token.cancelled or item.result.done():
                continue
            rows += item.rows
            items.append(item)
        return items

    def _leave(self, item: BatchItem, overdue: bool) -> None:
        """Records that no request is waiting for `item` any more."""
        item.result.cancel()
        if self._turns.remove(item):
            self._rows -= item.rows
        for batch in tuple(self._batches):
            if item in batch.items:
                batch.leave(overdue)


class IndividualRuns:
    """Runs the jobs of a failed batch one by one."""

    def __init__(self, executor: Executor, items: Sequence[BatchItem], timeout: BatchTimeout) -> None:
        self._executor = executor
        self._items = items
        self._timeout = timeout
        self._limit_s = 0.0
        """Minimum time for each, once one took longer than any known run."""
        self._queued: set[BatchItem] = set()
        """Items that no worker has taken yet."""
        self._limits: dict[asyncio.Timeout, float] = {}
        """Seconds granted to each running item."""

    async def run(self) -> None:
        """Settles every item. One that takes long makes room for the others and is tried again after them
        with twice the time, until its deadline: it may only be slow."""
        while self._open:
            self._queued = set(self._open)
            # The pool serves requeued jobs in reverse order.
            await asyncio.gather(*map(self._run, reversed(self._open)))

    @property
    def _open(self) -> list[BatchItem]:
        return [item for item in self._items if not item.result.done()]

    async def _run(self, item: BatchItem) -> None:
        task = asyncio.current_task()
        assert task is not None
        # This also ends the worker if no request is waiting any more.
        item.result.add_done_callback(lambda _: task.cancel())
        try:
            async with asyncio.timeout(None) as limit:
                # With its own token: the caller's limit on worker time counts from the start of the batch.
                token = CancelToken(lambda: self._started(item, limit))
                token.requeued = True
                done = await self._executor.run(replace(item.job, token=token))
            self._timeout.learn(done.run_ms / 1000)
            item.settle(done)
        except WorkloadError as error:
            item.settle(error)
        # Out of time, or a bug: neither may leave a request waiting.
        except Exception:
            if limit.expired():  # the others come first
                self._limit_s = max(self._limit_s, 2 * self._limits[limit])
                return
            log.exception("%s can't be run", item.job.workload.name)
            item.settle(WorkloadError("internal", text("can't be run"), names(item.job.inputs)))
        except asyncio.CancelledError:
            if not item.result.done():
                raise
        finally:
            self._limits.pop(limit, None)
            self._dequeued(item)

    def _started(self, item: BatchItem, limit: asyncio.Timeout) -> None:
        token = item.job.token
        token.batch_size, token.started_at = 1, time.monotonic()
        self._limits[limit] = max(self._limit_s, self._timeout.longest_s)
        limit.reschedule(asyncio.get_running_loop().time() + self._limits[limit])
        self._dequeued(item)

    def _dequeued(self, item: BatchItem) -> None:
        """Records that `item` no longer waits for a worker. Once none waits and no run has made room, limits
        are lifted, since the running items delay no others."""
        self._queued.discard(item)
        running = [limit for limit in self._limits if not limit.expired()]
        if not self._queued and len(running) >= len(self._open):
            for limit in running:
                limit.reschedule(None)
