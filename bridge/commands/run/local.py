"""Jobs on worker processes of this command's own, with no daemon."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accel.text import text
from bridge.commands.run.jobs import Job
from bridge.core.errors import UserError

if TYPE_CHECKING:
    from accel.executor import ExecutorResult, LocalExecutor
    from bridge.commands.run.batch import Watched
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
        from accel.watch import Watch
        from accel.workload import Input, WorkloadError

        inputs = [Input(file, os.path.abspath(file)) for file in job.files]
        try:
            with self.watched() as on_progress:
                return await self._executor.run(
                    self._plan.workload,
                    self._plan.given(job.name),
                    inputs,
                    deadline_s=self._timeout_s,
                    out_dir=folder,
                    watch=Watch(on_progress=on_progress),
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
    from accel.executor import LocalExecutor, cores
    from accel.workload import Limits
    from bridge.paths import Paths

    workers = min(settings["workers"] or cores(), max(count, 1))
    models = str(Paths.find().models(settings["models.folder"]))
    limits = Limits(settings["images.max_pixels"], models, plan.operations)
    executor = LocalExecutor(
        workers, limits, settings["worker.memory_mib"], keep_mib=settings["worker.keep_mib"]
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
