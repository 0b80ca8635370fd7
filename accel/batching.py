"""Dynamic batching: jobs that wait for a worker anyway run together, as far as that is worth it.

There is no delay: a batch is what is waiting when a worker is free, so that an idle machine answers at once
and a busy one in batches.
"""

from __future__ import annotations

import asyncio
import logging
import math
import operator
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from accel.apart import Apart
from accel.batch import Batch, Waiting, overdue, settle
from accel.executor import BatchExecutor, ExecutorResult
from accel.pace import LEAST_S, Pace
from accel.priorities import PRIORITIES, Turns
from accel.text import text
from accel.watch import Watch
from accel.workload import Batching, Input, Workload, WorkloadError

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
        self._paces: defaultdict[str, Pace] = defaultdict(lambda: Pace(least_s, most_s))
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
        watch: Watch | None = None,
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
        waiting = Waiting(params, inputs, rows, priority, time.monotonic() + deadline_s, watch)
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
        pace: Pace,
        forget: Callable[[], None],
    ) -> None:
        self._executor = executor
        self._workload = workload
        self._bucket = bucket
        self._out_dir = out_dir
        self._pace = pace
        self._forget = forget
        self._turns: Turns[Waiting] = Turns()
        self._rows = 0
        self._asking: dict[asyncio.Task[None] | None, str] = {}
        """The priorities of those tasks that ask for a worker and have none yet."""
        self._batches: set[Batch] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, job: Waiting, most: int) -> ExecutorResult:
        self._turns.add(job, job.priority)
        self._rows += job.rows
        if self._rows > most * len(self._asking) or self._is_most_urgent(job.priority):
            self._ask(job.priority, most)
        try:
            async with asyncio.timeout(job.deadline - time.monotonic()):
                return await job.result
        except TimeoutError:
            self._leave(job, overdue=True)
            raise overdue(job) from None
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
            await Apart(self._executor, self._workload, self._out_dir, batch.jobs, self._pace).run()

    async def _together(self, batch: Batch, priority: str, most: int) -> None:
        """Leaves those jobs without a result that have to be tried by themselves."""

        def take() -> Sequence[Waiting]:
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
                    settle(job, error)
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
                settle(job, outcome)

    def _learn(self, batch: Batch, done: Sequence[ExecutorResult | WorkloadError]) -> None:
        # What is refused at once says nothing.
        good = [
            job.rows for job, one in zip(batch.jobs, done, strict=True) if isinstance(one, ExecutorResult)
        ]
        if good:
            self._pace.learn(batch.took_s, self._bucket, sum(good))

    def _take(self, most: int) -> list[Waiting]:
        """Jobs in the order of their turns, up to `most` rows and at least one."""
        taken: list[Waiting] = []
        rows = 0

        def fits(job: Waiting) -> bool:
            return not rows or rows + job.rows <= most

        while (job := self._turns.next(fits)) is not None:
            self._rows -= job.rows
            # Whoever gave it up may say that it never began, or is about to see that its time is over.
            if job.watch.unwanted or job.result.done():
                continue
            rows += job.rows
            taken.append(job)
        return taken

    def _leave(self, job: Waiting, overdue: bool) -> None:
        """Nobody waits for `job` any more."""
        job.result.cancel()
        if self._turns.remove(job):
            self._rows -= job.rows
        for batch in tuple(self._batches):
            if job in batch.jobs:
                batch.left(overdue)
