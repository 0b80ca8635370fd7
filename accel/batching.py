"""Dynamic batching: jobs that wait for a worker anyway run together, as far as that is worth it.

There is no delay: a batch is what is waiting when a worker is free, so that an idle machine answers at once
and a busy one in batches.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from accel.executor import BatchExecutor, ExecutorResult, packed_item
from accel.priorities import PRIORITIES, Turns
from accel.watch import Watch
from accel.workload import Batching, Input, Workload, WorkloadError, names

MaxRows = Callable[[Workload], int]
"""The policy: how many rows at once are worth it here; 1 where running one by one is better."""


class Batcher:
    """An executor that runs jobs of one workload together where its policy says so."""

    def __init__(self, executor: BatchExecutor, max_rows: MaxRows) -> None:
        self._executor = executor
        self._max_rows = max_rows
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
            return await self._executor.run(
                workload,
                params,
                inputs,
                deadline_s=deadline_s,
                priority=priority,
                out_dir=out_dir,
                watch=watch,
            )
        workload.check_inputs(len(inputs))
        parsed = workload.parse(dict(params))
        rows = workload.batching.rows(parsed)
        waiting = Waiting(params, inputs, rows, priority, time.monotonic() + deadline_s, watch)
        queue = self._queue(workload, workload.batching, parsed, out_dir)
        return await queue.run(waiting, most)

    def _most(self, workload: Workload) -> int:
        if workload.batching is None:
            return 1
        return min(self._max_rows(workload), workload.batching.max_rows)

    def _queue(self, workload: Workload, batching: Batching, parsed: Any, out_dir: Path | None) -> _Queue:
        key = (workload.name, batching.bucket(parsed), out_dir)
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = _Queue(self._executor, workload, out_dir, lambda: self._forget(key))
        return queue

    def _forget(self, key: tuple[str, str, Path | None]) -> None:
        self._queues.pop(key, None)


class Waiting:
    """A job in a queue or in a batch, until its `result` is known. Raises WorkloadError for parameters that
    can't be sent."""

    def __init__(
        self,
        params: Mapping[str, Any],
        inputs: Sequence[Input],
        rows: int,
        priority: str,
        end: float,
        watch: Watch | None = None,
    ) -> None:
        self.params = params
        self.inputs = inputs
        self.packed = packed_item(params, inputs)
        self.rows = rows
        self.priority = priority
        self.end = end
        """Its deadline, by `time.monotonic`."""
        self.watch = watch or Watch()
        self.result: asyncio.Future[ExecutorResult] = asyncio.get_running_loop().create_future()


class _Batch:
    """Jobs that a worker has taken together, and the task in which it does them."""

    def __init__(self, jobs: Sequence[Waiting]) -> None:
        self.jobs = jobs
        self.task = asyncio.current_task()

    @property
    def wanted(self) -> bool:
        return any(not job.result.done() for job in self.jobs)

    def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()


class _Queue:
    """The jobs of one workload that may run together."""

    def __init__(
        self, executor: BatchExecutor, workload: Workload, out_dir: Path | None, forget: Callable[[], None]
    ) -> None:
        self._executor = executor
        self._workload = workload
        self._out_dir = out_dir
        self._forget = forget
        self._turns: Turns[Waiting] = Turns()
        self._rows = 0
        self._asking: list[str] = []
        """The priorities of those tasks that ask for a worker and have none yet."""
        self._batches: dict[int, _Batch] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, job: Waiting, most: int) -> ExecutorResult:
        self._turns.add(job, job.priority)
        self._rows += job.rows
        if self._rows > most * len(self._asking) or self._is_most_urgent(job.priority):
            self._ask(job.priority, most)
        try:
            async with asyncio.timeout(job.end - time.monotonic()):
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
        return all(rank < PRIORITIES.index(asking) for asking in self._asking)

    def _ask(self, priority: str, most: int) -> None:
        self._asking.append(priority)
        task = asyncio.get_running_loop().create_task(self._serve(priority, most))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not self._tasks and not len(self._turns):
            self._forget()

    async def _serve(self, priority: str, most: int) -> None:
        """Runs one batch: whatever waits when a worker is free."""
        taken: list[Waiting] = []

        def take() -> Sequence[Waiting]:
            self._asking.remove(priority)
            taken.extend(self._take(most))
            if taken:
                self._batches[id(taken)] = _Batch(taken)
            return taken

        try:
            done = await self._executor.run_batch(
                self._workload, take, priority=priority, out_dir=self._out_dir
            )
            for job, outcome in zip(taken, done, strict=True):
                _settle(job, outcome)
        except WorkloadError as error:
            if not taken:  # no worker comes any more
                self._asking.remove(priority)
                taken.extend(self._take(self._rows))
                for job in taken:
                    _settle(job, error)
            await self._one_by_one(taken)
        except asyncio.CancelledError:
            # One of them is overdue: it may be the one that holds up the others.
            self._batches.pop(id(taken), None)
            await self._one_by_one(taken)
        finally:
            self._batches.pop(id(taken), None)

    def _take(self, most: int) -> list[Waiting]:
        """Jobs in the order of their turns, up to `most` rows and at least one."""
        taken: list[Waiting] = []
        rows = 0

        def fits(job: Waiting) -> bool:
            return not rows or rows + job.rows <= most

        while (job := self._turns.next(fits)) is not None:
            self._rows -= job.rows
            if job.watch.unwanted:  # whoever gave it up may say that it never began
                continue
            rows += job.rows
            job.watch.begin()
            taken.append(job)
        return taken

    async def _one_by_one(self, jobs: Sequence[Waiting]) -> None:
        await asyncio.gather(*(self._alone(job) for job in jobs if not job.result.done()))

    async def _alone(self, job: Waiting) -> None:
        try:
            left = max(0.001, job.end - time.monotonic())
            done = await self._executor.run(
                self._workload, job.params, job.inputs,
                deadline_s=left, priority=job.priority, out_dir=self._out_dir,
            )  # fmt: skip
        except WorkloadError as error:
            _settle(job, error)
        else:
            _settle(job, done)

    def _leave(self, job: Waiting, overdue: bool) -> None:
        """Nobody waits for `job` any more."""
        job.result.cancel()
        if self._turns.remove(job):
            self._rows -= job.rows
        for batch in tuple(self._batches.values()):
            if job in batch.jobs and (overdue or not batch.wanted):
                batch.stop()


def _settle(job: Waiting, outcome: ExecutorResult | WorkloadError) -> None:
    if job.result.done():
        return
    if isinstance(outcome, WorkloadError):
        job.result.set_exception(outcome)
    else:
        job.result.set_result(outcome)


def overdue(job: Waiting) -> WorkloadError:
    """That `job` wasn't done before its deadline."""
    return WorkloadError("deadline_exceeded", "wasn't done before its deadline", names(job.inputs))
