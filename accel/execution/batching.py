"""Dynamic batching: queue, batch, time limit, one-by-one fallback.

There is no delay: a batch is what is waiting when a worker is free, so that an idle machine answers at once
and a busy one in batches.
"""

from __future__ import annotations

import asyncio
import logging
import math
import operator
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from accel.execution.executor import BatchExecutor, CancelToken, Executor, ExecutorResult, packed_item
from accel.execution.pool import PRIORITIES, FairTurns
from accel.text import text
from accel.workload import Batching, Input, Workload, WorkloadError, names


class BatchItem:
    """A job in a queue or in a batch, until its `result` is known. Raises WorkloadError for parameters that
    can't be sent."""

    def __init__(
        self,
        params: Mapping[str, Any],
        inputs: Sequence[Input],
        rows: int,
        priority: str,
        deadline: float,
        watch: CancelToken | None = None,
    ) -> None:
        self.params = params
        self.inputs = inputs
        self.packed = packed_item(params, inputs)
        self.rows = rows
        self.priority = priority
        self.deadline = deadline
        """By `time.monotonic`."""
        self.watch = watch or CancelToken()
        self.result: asyncio.Future[ExecutorResult] = asyncio.get_running_loop().create_future()


class Batch:
    """Jobs that a worker has taken together, and how long they may hold it: one of them may never end, and
    nobody sees which."""

    def __init__(self, stop: Callable[[], object], least_s: float) -> None:
        """`stop` ends what the worker does; in the first `least_s` seconds only where nobody wants it."""
        self.jobs: Sequence[BatchItem] = ()
        self.stopped = False
        self._stop, self._least_s = stop, least_s
        self._begun = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, jobs: Sequence[BatchItem], limit_s: float) -> None:
        """A worker has `jobs` now. Several that take `limit_s` seconds hang."""
        self.jobs, self._begun = jobs, time.monotonic()
        for job in jobs:
            job.watch.among = len(jobs)
            job.watch.begin()
        if len(jobs) > 1 and limit_s < math.inf:
            self._stop_after(limit_s)

    def left(self, overdue: bool) -> None:
        """Nobody waits for one of the jobs any more; one that is `overdue` may hold up the others."""
        if all(job.result.done() for job in self.jobs):
            self.stop()
        elif overdue:
            self._stop_after(self._least_s)

    def stop(self) -> None:
        """Ends it."""
        self.end()
        self.stopped = True
        self._stop()

    @property
    def took_s(self) -> float:
        """How long a worker has had it, seconds."""
        return time.monotonic() - self._begun

    def end(self) -> None:
        """It has ended."""
        if self._timer is not None:
            self._timer.cancel()

    def _stop_after(self, seconds: float) -> None:
        """Counted from its begin."""
        self.end()
        self._timer = asyncio.get_running_loop().call_later(max(0.0, seconds - self.took_s), self.stop)


def settle_future(job: BatchItem, outcome: ExecutorResult | WorkloadError) -> None:
    """Tells whoever waits for `job`, if anybody does."""
    if job.result.done():
        return
    if isinstance(outcome, WorkloadError):
        job.result.set_exception(outcome)
    else:
        job.result.set_result(outcome)


def is_overdue(job: BatchItem) -> WorkloadError:
    """That `job` wasn't done before its deadline."""
    return WorkloadError("deadline_exceeded", text("wasn't done before its deadline"), names(job.inputs))


LEAST_S = 5.0
"""How long anything may take, whatever is known: a worker that has just started loads libraries and a model
first."""

TIMES = 3
"""A batch that takes so many times as long as any of the last runs hangs."""

LAST = 100
"""Runs that are remembered: one that was slow for once, as a model was loaded, is forgotten."""


class BatchTimeout:
    """What is known of one workload."""

    def __init__(self, least_s: float = LEAST_S, most_s: float = math.inf) -> None:
        self.least_s = least_s
        self._most_s = most_s
        self._took_s: deque[float] = deque(maxlen=LAST)
        self._rows: dict[str, int] = {}
        """The most rows that have ended together, by bucket."""

    def learn(self, took_s: float, bucket: str = "", rows: int = 0) -> None:
        """A run of so many `rows` has ended; of 0 where it says nothing of batches."""
        # Also of other buckets: what they have in common is the model that a new worker loads.
        self._took_s.append(took_s)
        self._rows[bucket] = max(self._rows.get(bucket, 0), rows)

    @property
    def longest_s(self) -> float:
        """The longest of the last runs, seconds, and `least_s` at least."""
        return max(self.least_s, self._slowest_s)

    def limit_s(self, bucket: str, rows: int) -> float:
        """After how many seconds a batch of `rows` hangs; `most_s` where none as large has ended yet."""
        if rows > self._rows.get(bucket, 0):
            return self._most_s
        return min(self._most_s, max(self.least_s, TIMES * self._slowest_s))

    @property
    def _slowest_s(self) -> float:
        return max(self._took_s, default=0.0)


class IndividualRuns:
    """Jobs of one workload, one by one."""

    def __init__(
        self,
        executor: Executor,
        workload: Workload,
        out_dir: Path | None,
        jobs: Sequence[BatchItem],
        pace: BatchTimeout,
    ) -> None:
        self._executor = executor
        self._workload = workload
        self._out_dir = out_dir
        self._jobs = jobs
        self._pace = pace
        self._limit_s = 0.0
        """What each has at least, where it takes longer than any is known to."""
        self._behind: set[BatchItem] = set()
        """Those that no worker has taken yet."""
        self._limits: dict[asyncio.Timeout, float] = {}
        """Of those that run, and how many seconds each has."""

    async def run(self) -> None:
        """Gives each that has no result its own. One that takes long gives way to those behind it, and is
        tried again after them: for twice as long, as it may be slow, until its deadline."""
        while self._open:
            self._behind = set(self._open)
            # The last one that asks for its turn again gets it first.
            await asyncio.gather(*map(self._alone, reversed(self._open)))

    @property
    def _open(self) -> list[BatchItem]:
        return [job for job in self._jobs if not job.result.done()]

    async def _alone(self, job: BatchItem) -> None:
        task = asyncio.current_task()
        assert task is not None
        # Also when nobody wants it any more, which ends its worker.
        job.result.add_done_callback(lambda _: task.cancel())
        try:
            async with asyncio.timeout(None) as limit:
                done = await self._run(job, lambda: self._began(job, limit))
            self._pace.learn(done.run_ms / 1000)
            settle_future(job, done)
        except WorkloadError as error:
            settle_future(job, is_overdue(job) if error.code == "deadline_exceeded" else error)
        # Its time is over, or it is a bug: neither may keep anybody waiting.
        except Exception:
            if limit.expired():  # the others first
                self._limit_s = max(self._limit_s, 2 * self._limits[limit])
                return
            log.exception("%s can't be run", self._workload.name)
            settle_future(job, WorkloadError("internal", text("can't be run"), names(job.inputs)))
        except asyncio.CancelledError:
            if not job.result.done():
                raise
        finally:
            self._limits.pop(limit, None)
            self._passed(job)

    async def _run(self, job: BatchItem, began: Callable[[], None]) -> ExecutorResult:
        # Of its own: whoever limits how long workers may have the job counts from when its batch began.
        watch = CancelToken(began)
        watch.again = True
        return await self._executor.run(
            self._workload, job.params, job.inputs,
            deadline_s=max(0.001, job.deadline - time.monotonic()),
            priority=job.priority, out_dir=self._out_dir, watch=watch,
        )  # fmt: skip

    def _began(self, job: BatchItem, limit: asyncio.Timeout) -> None:
        """A worker has taken `job`."""
        job.watch.among, job.watch.since = 1, time.monotonic()
        self._limits[limit] = max(self._limit_s, self._pace.longest_s)
        limit.reschedule(asyncio.get_running_loop().time() + self._limits[limit])
        self._passed(job)

    def _passed(self, job: BatchItem) -> None:
        """`job` waits for no worker. When none does, and none has given way, who runs is in nobody's way."""
        self._behind.discard(job)
        running = [limit for limit in self._limits if not limit.expired()]
        if not self._behind and len(running) >= len(self._open):
            for limit in running:
                limit.reschedule(None)


MaxRows = Callable[[Workload], int]
"""The policy: how many rows at once are worth it here; 1 where running one by one is better."""

log = logging.getLogger(__name__)


class Batcher:
    """An executor that runs jobs of one workload together where its policy says so."""

    def __init__(
        self,
        executor: BatchExecutor,
        max_rows: MaxRows,
        *,
        least_s: float = LEAST_S,
        most_s: float = math.inf,
    ) -> None:
        """A batch that is under way for `least_s` seconds is stopped when a deadline in it passes, or as it
        takes many times as long as any that has ended: who hangs in it can't be seen, and each is tried by
        itself. So is any after `most_s`, which leaves time for that where all have one deadline."""
        self._executor = executor
        self._max_rows = max_rows
        self._paces: defaultdict[str, BatchTimeout] = defaultdict(lambda: BatchTimeout(least_s, most_s))
        self._queues: dict[tuple[str, str, Path | None], _Queue] = {}

    async def start(self) -> None:
        await self._executor.start()

    async def close(self) -> None:
        await self._executor.close()
        for queue in tuple(self._queues.values()):
            await queue.close()

    async def run(
        self,
        workload: Workload,
        params: Mapping[str, Any],
        inputs: Sequence[Input],
        *,
        deadline_s: float,
        priority: str = "normal",
        out_dir: Path | None = None,
        watch: CancelToken | None = None,
    ) -> ExecutorResult:
        most = self._most(workload)
        if most <= 1 or workload.batching is None or priority not in PRIORITIES:
            done = await self._executor.run(
                workload,
                params,
                inputs,
                deadline_s=deadline_s,
                priority=priority,
                out_dir=out_dir,
                watch=watch,
            )
            self._paces[workload.name].learn(done.run_ms / 1000)
            return done
        workload.check_inputs(len(inputs))
        parsed = workload.parse(dict(params))
        rows = _rows(workload.batching.rows(parsed))
        waiting = BatchItem(params, inputs, rows, priority, time.monotonic() + deadline_s, watch)
        queue = self._queue(workload, workload.batching, parsed, out_dir)
        return await queue.run(waiting, most)

    def _most(self, workload: Workload) -> int:
        if workload.batching is None:
            return 1
        return min(self._max_rows(workload), workload.batching.max_rows)

    def _queue(self, workload: Workload, batching: Batching, parsed: Any, out_dir: Path | None) -> _Queue:
        bucket = batching.bucket(parsed)
        key = (workload.name, bucket, out_dir)
        queue = self._queues.get(key)
        if queue is None:
            pace = self._paces[workload.name]
            queue = self._queues[key] = _Queue(
                self._executor, workload, bucket, out_dir, pace, lambda: self._forget(key)
            )
        return queue

    def _forget(self, key: tuple[str, str, Path | None]) -> None:
        self._queues.pop(key, None)


def _rows(given: Any) -> int:
    try:
        return operator.index(given)
    except TypeError:
        reason = text("its rows are {given}, wanted a whole number", given=format(repr(given), ".80"))
        raise WorkloadError("internal", reason) from None


class _Queue:
    """The jobs of one workload that may run together."""

    def __init__(
        self,
        executor: BatchExecutor,
        workload: Workload,
        bucket: str,
        out_dir: Path | None,
        pace: BatchTimeout,
        forget: Callable[[], None],
    ) -> None:
        self._executor = executor
        self._workload = workload
        self._bucket = bucket
        self._out_dir = out_dir
        self._pace = pace
        self._forget = forget
        self._turns: FairTurns[BatchItem] = FairTurns()
        self._rows = 0
        self._asking: dict[asyncio.Task[None] | None, str] = {}
        """The priorities of those tasks that ask for a worker and have none yet."""
        self._batches: set[Batch] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, job: BatchItem, most: int) -> ExecutorResult:
        self._turns.add(job, job.priority)
        self._rows += job.rows
        if self._rows > most * len(self._asking) or self._is_most_urgent(job.priority):
            self._ask(job.priority, most)
        try:
            async with asyncio.timeout(job.deadline - time.monotonic()):
                return await job.result
        except TimeoutError:
            self._leave(job, overdue=True)
            raise is_overdue(job) from None
        except asyncio.CancelledError:
            self._leave(job, overdue=job.watch.overdue)
            raise

    async def close(self) -> None:
        """Waits for what is under way to be told that the workers are gone."""
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
        """What didn't fit may have nobody who asks for it, or somebody of a lower priority."""
        first = next((priority for priority, count in self._turns.waiting.items() if count), None)
        if first is not None and self._is_most_urgent(first):
            self._ask(first, most)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not self._tasks and not len(self._turns):
            self._forget()

    async def _serve(self, priority: str, most: int) -> None:
        """Runs one batch: whatever waits when a worker is free."""
        task = asyncio.current_task()
        assert task is not None
        batch = Batch(task.cancel, self._pace.least_s)
        self._batches.add(batch)
        try:
            await self._together(batch, priority, most)
        finally:
            batch.end()
            self._batches.discard(batch)
            self._asking.pop(task, None)
        if any(not job.result.done() for job in batch.jobs):
            await IndividualRuns(self._executor, self._workload, self._out_dir, batch.jobs, self._pace).run()

    async def _together(self, batch: Batch, priority: str, most: int) -> None:
        """Leaves those jobs without a result that have to be tried by themselves."""

        def take() -> Sequence[BatchItem]:
            self._asking.pop(asyncio.current_task(), None)
            jobs = self._take(most)
            batch.begin(jobs, self._pace.limit_s(self._bucket, sum(job.rows for job in jobs)))
            self._ask_for_rest(most)
            return batch.jobs

        try:
            done = await self._executor.run_batch(
                self._workload, take, priority=priority, out_dir=self._out_dir
            )
            self._settle(batch, done)
        except WorkloadError as error:
            if not batch.jobs:  # no worker comes any more
                for job in self._take(self._rows):
                    settle_future(job, error)
        except Exception:  # a bug, which must not keep anybody waiting
            log.exception("%s: what waits can't be run at once; it runs one by one", self._workload.name)
            if not batch.jobs:
                batch.begin(self._take(self._rows), math.inf)
        except asyncio.CancelledError:
            if not batch.stopped:
                raise
            if left := sum(not job.result.done() for job in batch.jobs):
                said = "%s: %d jobs at once took too long; %d of them run one by one"
                log.warning(said, self._workload.name, len(batch.jobs), left)

    def _settle(self, batch: Batch, done: Sequence[ExecutorResult | WorkloadError]) -> None:
        self._learn(batch, done)
        for job, outcome in zip(batch.jobs, done, strict=True):
            # What this process has no memory for another may have.
            if not isinstance(outcome, WorkloadError) or outcome.fault != "process":
                settle_future(job, outcome)

    def _learn(self, batch: Batch, done: Sequence[ExecutorResult | WorkloadError]) -> None:
        # What is refused at once says nothing.
        good = [
            job.rows for job, one in zip(batch.jobs, done, strict=True) if isinstance(one, ExecutorResult)
        ]
        if good:
            self._pace.learn(batch.took_s, self._bucket, sum(good))

    def _take(self, most: int) -> list[BatchItem]:
        """Jobs in the order of their turns, up to `most` rows and at least one."""
        taken: list[BatchItem] = []
        rows = 0

        def fits(job: BatchItem) -> bool:
            return not rows or rows + job.rows <= most

        while (job := self._turns.next(fits)) is not None:
            self._rows -= job.rows
            # Whoever gave it up may say that it never began, or is about to see that its time is over.
            if job.watch.unwanted or job.result.done():
                continue
            rows += job.rows
            taken.append(job)
        return taken

    def _leave(self, job: BatchItem, overdue: bool) -> None:
        """Nobody waits for `job` any more."""
        job.result.cancel()
        if self._turns.remove(job):
            self._rows -= job.rows
        for batch in tuple(self._batches):
            if job in batch.jobs:
                batch.left(overdue)


SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""What policies measure batches at, and what is compiled or captured once serves for."""


def bucket_key(count: int) -> int:
    """The least of SIZES that isn't below `count`; beyond the last, `count` itself."""
    return next((size for size in SIZES if size >= count), count)
