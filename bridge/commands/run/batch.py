"""Many jobs, a few at a time: handed over in their order, and ended cleanly by Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct
from msgspec.structs import replace

from accel.text import text
from bridge.commands.run.jobs import Job
from bridge.core.errors import UserError

if TYPE_CHECKING:
    from accel.executor import ExecutorResult
    from accel.progress import OnProgress
    from accel.workload import WorkloadError
    from bridge.commands.run.made import Inputs

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


class Doer(Protocol):
    """Who does the jobs."""

    at_once: int
    """How many to give it at a time."""
    watched: Watched
    """Each job is done within one; it gives what is told how far the job is."""

    async def run(self, job: Job, folder: Path | None) -> ExecutorResult:
        """The result, its files in `folder` if there is one. Raises WorkloadError, and UserError where no
        other job can be done either."""


class Taker(Protocol):
    """Who takes what comes out."""

    drafts: Path | None
    """The folder for files that aren't in their place yet; None drops what the jobs make."""

    def inputs(self, job: Job) -> Inputs:
        """What its files are like now."""

    def current(self, job: Job, inputs: Inputs) -> Sequence[str] | None:
        """The outputs of a job that needn't be done once more."""

    def take(self, job: Job, outcome: Outcome) -> None:
        """Puts the files in their place and tells of them. Raises UserError where nothing can be written."""


class Drafts:
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

    def __init__(self, doer: Doer, taker: Taker) -> None:
        self._doer = doer
        self._taker = taker
        self._places = asyncio.Semaphore(doer.at_once)
        self._waiting: deque[tuple[Job, asyncio.Task[Outcome]]] = deque()
        self._drafts = Drafts(taker.drafts)

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
