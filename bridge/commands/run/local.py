"""Runs jobs concurrently on worker processes of this command, and hands their results on in order."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from accel.execution import executor
from accel.execution.executor import CancelToken, ExecutorResult, LocalExecutor, cores
from accel.execution.memory_budget import MemoryBudget
from accel.execution.sandbox import Sandbox
from accel.progress import OnProgress
from accel.text import text
from accel.texture.workloads import examine
from accel.workload import Input, Limits, WorkloadError
from bridge.commands.run.inputs import RunItem, TextureKind
from bridge.commands.run.outputs import Inputs
from bridge.commands.run.plan import Plan
from bridge.core.errors import UserError
from bridge.paths import Paths


class LocalRunner:
    """Runs jobs on an executor."""

    def __init__(self, executor: LocalExecutor, plan: Plan, workers: int, timeout_s: float | None) -> None:
        """`timeout_s` limits each job; None for no limit."""
        self._executor = executor
        self._plan = plan
        self._timeout_s = timeout_s
        self.progress_context: ProgressContext = contextlib.nullcontext
        # More jobs than workers keep these busy, but with a time limit they would wait while it runs.
        self.concurrency = 2 * workers if timeout_s is None else workers

    async def run(self, job: RunItem, folder: Path | None) -> ExecutorResult:
        """Returns the result, with its files in `folder` if given. Raises WorkloadError."""
        inputs = [Input(file, os.path.abspath(file)) for file in job.files]
        plan = job.plan or self._plan
        kind = job.texture.channels if job.texture else ""
        try:
            with self.progress_context() as on_progress:
                return await self._executor.run(
                    executor.Job.parse(
                        plan.workload,
                        plan.params_for(job.name, kind),
                        inputs,
                        deadline_s=self._timeout_s,
                        out_dir=folder,
                        token=CancelToken(on_progress=on_progress),
                    )
                )
        except WorkloadError as error:
            match error.code:
                case "deadline_exceeded":
                    reason = text(
                        "took longer than {seconds} s; --timeout allows more",
                        seconds=f"{self._timeout_s:g}",
                    )
                case "storage_full":
                    reason = text("{reason}: free space on the disk of --out", reason=error.reason)
                case _:
                    raise
            raise WorkloadError(error.code, reason, error.name) from None

    async def examine(self, file: str) -> Mapping[str, Any]:
        """Returns the value of `texture.examine`. Raises WorkloadError."""
        inputs = [Input(file, os.path.abspath(file))]
        job = executor.Job.parse(examine.workload, {}, inputs, deadline_s=self._timeout_s)
        value: Mapping[str, Any] = (await self._executor.run(job)).value
        return value


@contextlib.asynccontextmanager
async def local_runner(
    plan: Plan, settings: Mapping[str, Any], count: int, timeout_s: float | None
) -> AsyncIterator[LocalRunner]:
    """Yields a runner with as many workers as the settings say, at most `count`. Raises UserError."""
    workers = min(settings["workers"] or cores(), max(count, 1))
    models = str(Paths.find().models(settings["models.folder"]))
    limits = Limits(settings["images.max_pixels"], models, plan.operations)
    executor = LocalExecutor(
        workers,
        limits,
        settings["worker.memory_mib"],
        keep_mib=settings["worker.recycle_mib"],
        sandbox=Sandbox("", settings["worker.writable"]) if settings["worker.sandbox"] else None,
        budget=MemoryBudget(settings["worker.total_mib"]),
    )
    try:
        await executor.start()
    except OSError as error:
        raise UserError(text("Can't start a worker process ({reason}).", reason=error)) from None
    try:
        if timeout_s is not None:
            await executor.ready()
        yield LocalRunner(executor, plan, workers, timeout_s)
    finally:
        await executor.close()


MAX_WAITING = 256
"""Jobs that may run or be finished while the first of them isn't."""

ProgressContext = Callable[[], AbstractContextManager[OnProgress | None]]
"""A context for one job, which yields its progress callback."""


class Outcome(Struct, frozen=True):
    """Outcome of a job; exactly one of the first three fields is set."""

    result: ExecutorResult | None = None
    error: WorkloadError | None = None
    current: Sequence[str] | None = None
    """The outputs of an earlier run, which are up to date."""
    inputs: Inputs = ()
    """Size and time of the input files before the job began."""
    folder: Path | None = None
    """The staging folder with the result's files."""
    texture: TextureKind | None = None
    """The classifier's answer, if it was asked."""


class JobRunner(Protocol):
    """Runs single jobs."""

    concurrency: int
    """Number of jobs to run at a time."""
    progress_context: ProgressContext

    async def run(self, job: RunItem, folder: Path | None) -> ExecutorResult:
        """Returns the result, with its files in `folder` if given.

        Raises WorkloadError if this job failed, and UserError if every other job would fail, too.
        """

    async def examine(self, file: str) -> Mapping[str, Any]:
        """Returns the value of `texture.examine` for a file. Raises WorkloadError."""


class OutputSink(Protocol):
    """Stores and reports the results of jobs."""

    staging: Path | None
    """The folder for files before they are moved to their place; None to drop the files."""

    def inputs(self, job: RunItem) -> Inputs:
        """Returns the size and time of the job's input files."""

    def current(self, job: RunItem, inputs: Inputs) -> Sequence[str] | None:
        """Returns the outputs of an earlier run, if they are up to date."""

    def store(self, job: RunItem, outcome: Outcome) -> None:
        """Moves the files to their place and reports them. Raises UserError if nothing can be written."""


class StagingFolders:
    """A pool of folders, one per running job: equal outputs of two jobs have equal names.

    Folders are reused, because removing one takes milliseconds.
    """

    def __init__(self, root: Path | None) -> None:
        """Creates no folders without a root."""
        self._root = root
        self._free: list[Path] = []
        self._count = 0

    def acquire(self) -> Path | None:
        """Returns an empty folder; None without a root. Raises UserError."""
        if self._root is None:
            return None
        if self._free:
            return self._free.pop()
        folder = self._root / str(self._count)
        self._count += 1
        try:
            folder.mkdir()
        except OSError as error:
            raise UserError(
                text("Can't create {folder} ({reason}).", folder=folder, reason=error.strerror)
            ) from None
        return folder

    def release(self, folder: Path | None) -> None:
        """Takes a folder back and empties it."""
        if folder is None:
            return
        with contextlib.suppress(OSError):
            for file in folder.iterdir():
                file.unlink()
            self._free.append(folder)


class Batch:
    """Runs jobs concurrently and stores their outcomes in order."""

    def __init__(self, runner: JobRunner, sink: OutputSink) -> None:
        self._runner = runner
        self._sink = sink
        self._slots = asyncio.Semaphore(runner.concurrency)
        self._waiting: deque[tuple[RunItem, asyncio.Task[Outcome]]] = deque()
        self._folders = StagingFolders(sink.staging)

    async def run(self, jobs: Iterable[RunItem]) -> None:
        """Runs all jobs. If it fails or is cancelled, finished jobs are still stored."""
        try:
            for job in jobs:
                self._waiting.append((job, asyncio.create_task(self._run_job(job))))
                if len(self._waiting) >= MAX_WAITING:
                    await self._store_next()
            while self._waiting:
                await self._store_next()
        finally:
            await self._end()

    async def _store_next(self) -> None:
        job, task = self._waiting[0]
        outcome = await task
        self._waiting.popleft()
        self._store(job, outcome)

    async def _end(self) -> None:
        tasks = [task for _, task in self._waiting]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for job, task in self._waiting:
            if not task.cancelled() and task.exception() is None:
                # Another failure ends the run; this one would hide it.
                with contextlib.suppress(UserError, OSError):
                    self._store(job, task.result())

    def _store(self, job: RunItem, outcome: Outcome) -> None:
        try:
            self._sink.store(replace(job, texture=outcome.texture), outcome)
        finally:
            self._folders.release(outcome.folder)

    async def _run_job(self, job: RunItem) -> Outcome:
        if job.problem is not None:
            return Outcome(error=WorkloadError(job.problem.code, job.problem.reason))
        async with self._slots:
            inputs = self._sink.inputs(job)
            current = self._sink.current(job, inputs)
            if current is not None:
                return Outcome(current=current)
            job = replace(job, texture=await self._texture_kind(job))
            folder = self._folders.acquire()
            try:
                result = await self._runner.run(job, folder)
            except WorkloadError as error:
                self._folders.release(folder)
                return Outcome(error=error)
        if folder is None:
            # No code needs the bytes, and many results may wait for the first job.
            result = replace(result, files=[replace(file, data=None) for file in result.files])
        return Outcome(result, inputs=inputs, folder=folder, texture=job.texture)

    async def _texture_kind(self, job: RunItem) -> TextureKind | None:
        """Asks the classifier where it decides how channels are read; None where it doesn't, or can't say."""
        if job.plan is None or len(job.files) != 1 or not job.plan.kind_steps:
            return None
        # The workload itself says what is wrong with the file.
        with contextlib.suppress(WorkloadError):
            return TextureKind.of(await self._runner.examine(job.files[0]))
        return None
