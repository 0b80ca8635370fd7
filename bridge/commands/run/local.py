"""On own workers."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from accel.text import text
from bridge.commands.run.inputs import Job
from bridge.core.errors import UserError

if TYPE_CHECKING:
    from accel.execution.executor import ExecutorResult, LocalExecutor
    from accel.progress import OnProgress
    from accel.workload import WorkloadError
    from bridge.commands.run.outputs import Inputs
    from bridge.commands.run.plan import Plan


class Local:
    """Does jobs on an executor."""

    def __init__(self, executor: LocalExecutor, plan: Plan, workers: int, timeout_s: float | None) -> None:
        """A job may take `timeout_s`; None is as long as it wants."""
        self._executor = executor
        self._plan = plan
        self._timeout_s = timeout_s
        self.watched: Watched = contextlib.nullcontext
        # More keep the workers busy, but would wait in the queue while their time runs.
        self.at_once = 2 * workers if timeout_s is None else workers

    async def run(self, job: Job, folder: Path | None) -> ExecutorResult:
        """The result, its files in `folder` if there is one. Raises WorkloadError."""
        from accel.execution import executor
        from accel.workload import Input, WorkloadError

        inputs = [Input(file, os.path.abspath(file)) for file in job.files]
        try:
            with self.watched() as on_progress:
                return await self._executor.run(
                    executor.Job.parse(
                        self._plan.workload,
                        self._plan.given(job.name),
                        inputs,
                        deadline_s=self._timeout_s,
                        out_dir=folder,
                        token=executor.CancelToken(on_progress=on_progress),
                    )
                )
        except WorkloadError as error:
            match error.code:
                case "deadline_exceeded":
                    reason = text(
                        "wasn't done within {timeout_s} s; --timeout SECONDS allows more",
                        timeout_s=f"{self._timeout_s:g}",
                    )
                case "storage_full":
                    reason = text("{reason}: make room on the disk of --out", reason=error.reason)
                case _:
                    raise
            raise WorkloadError(error.code, reason, error.name) from None


@contextlib.asynccontextmanager
async def local(
    plan: Plan, settings: Mapping[str, Any], count: int, timeout_s: float | None
) -> AsyncIterator[Local]:
    """Workers for `count` jobs of `timeout_s` at most, as many as the settings say. Raises UserError."""
    from accel.execution.executor import LocalExecutor, cores
    from accel.workload import Limits
    from bridge.paths import Paths

    workers = min(settings["workers"] or cores(), max(count, 1))
    models = str(Paths.find().models(settings["models.folder"]))
    limits = Limits(settings["images.max_pixels"], models, plan.operations)
    executor = LocalExecutor(
        workers, limits, settings["worker.memory_mib"], keep_mib=settings["worker.recycle_mib"]
    )
    try:
        await executor.start()
    except OSError as error:
        raise UserError(text("No worker process can be started ({reason}).", reason=error)) from None
    try:
        if timeout_s is not None:
            await executor.ready()
        yield Local(executor, plan, workers, timeout_s)
    finally:
        await executor.close()


AHEAD = 256
"""Jobs at most that are under way or done while the first of them isn't."""


Watched = Callable[[], AbstractContextManager["OnProgress | None"]]


class Outcome(Struct, frozen=True):
    """What came of a job: one of the first three is there."""

    result: ExecutorResult | None = None
    error: WorkloadError | None = None
    current: Sequence[str] | None = None
    """The outputs of an earlier run, where nothing needed to be done."""
    inputs: Inputs = ()
    """What the files were like before."""
    folder: Path | None = None
    """Where the result's files lie."""


class JobFunction(Protocol):
    """Who does the jobs."""

    at_once: int
    """How many to give it at a time."""
    watched: Watched
    """Each job is done within one; it gives what is told how far the job is."""

    async def run(self, job: Job, folder: Path | None) -> ExecutorResult:
        """The result, its files in `folder` if there is one. Raises WorkloadError, and UserError where no
        other job can be done either."""


class OutputSink(Protocol):
    """Who takes what comes out."""

    drafts: Path | None
    """The folder for files that aren't in their place yet; None drops what the jobs make."""

    def inputs(self, job: Job) -> Inputs:
        """What its files are like now."""

    def current(self, job: Job, inputs: Inputs) -> Sequence[str] | None:
        """The outputs of a job that needn't be done once more."""

    def take(self, job: Job, outcome: Outcome) -> None:
        """Puts the files in their place and tells of them. Raises UserError where nothing can be written."""


class DraftFolders:
    """Folders for the files of one job each: what two jobs make of equal content has equal names.

    They are used again and again, as to remove a folder takes milliseconds.
    """

    def __init__(self, root: Path | None) -> None:
        """Without a root there are no folders, and nothing is kept."""
        self._root = root
        self._free: list[Path] = []
        self._made = 0

    def lend(self) -> Path | None:
        """An empty folder. Raises UserError."""
        if self._root is None:
            return None
        if self._free:
            return self._free.pop()
        folder = self._root / str(self._made)
        self._made += 1
        try:
            folder.mkdir()
        except OSError as error:
            raise UserError(
                text("{folder} can't be made ({reason}).", folder=folder, reason=error.strerror)
            ) from None
        return folder

    def take_back(self, folder: Path | None) -> None:
        """The folder of a job that is done with; what is left in it is dropped."""
        if folder is None:
            return
        with contextlib.suppress(OSError):
            for left in folder.iterdir():
                left.unlink()
            self._free.append(folder)


class Batch:
    """Jobs on their way from a doer to a taker."""

    def __init__(self, doer: JobFunction, taker: OutputSink) -> None:
        self._doer = doer
        self._taker = taker
        self._places = asyncio.Semaphore(doer.at_once)
        self._waiting: deque[tuple[Job, asyncio.Task[Outcome]]] = deque()
        self._drafts = DraftFolders(taker.drafts)

    async def run(self, jobs: Iterable[Job]) -> None:
        """Does all jobs; when this is cancelled or fails, what is done by then is still taken."""
        try:
            for job in jobs:
                self._begin(job)
                if len(self._waiting) >= AHEAD:
                    await self._next()
            while self._waiting:
                await self._next()
        finally:
            await self._end()

    def _begin(self, job: Job) -> None:
        self._waiting.append((job, asyncio.create_task(self._do(job))))

    async def _next(self) -> None:
        job, task = self._waiting[0]
        outcome = await task
        self._waiting.popleft()
        self._hand_over(job, outcome)

    async def _end(self) -> None:
        tasks = [task for _, task in self._waiting]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for job, task in self._waiting:
            if not task.cancelled() and task.exception() is None:
                # Nobody can be told, perhaps, but what is done is kept.
                with contextlib.suppress(UserError, OSError):
                    self._hand_over(job, task.result())

    def _hand_over(self, job: Job, outcome: Outcome) -> None:
        try:
            self._taker.take(job, outcome)
        finally:
            self._drafts.take_back(outcome.folder)

    async def _do(self, job: Job) -> Outcome:
        from accel.workload import WorkloadError

        if job.problem is not None:
            return Outcome(error=WorkloadError(job.problem.code, job.problem.reason))
        async with self._places:
            inputs = self._taker.inputs(job)
            current = self._taker.current(job, inputs)
            if current is not None:
                return Outcome(current=current)
            folder = self._drafts.lend()
            try:
                result = await self._doer.run(job, folder)
            except WorkloadError as error:
                self._drafts.take_back(folder)
                return Outcome(error=error)
        if folder is None:
            # Many may wait to be told of, and nobody keeps these bytes.
            result = replace(result, files=[replace(file, data=None) for file in result.files])
        return Outcome(result, inputs=inputs, folder=folder)
