"""Jobs on worker processes of this command's own, with no daemon."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bridge.commands.run.jobs import Job
from bridge.core.errors import UserError

if TYPE_CHECKING:
    from accel.executor import Executor, ExecutorResult
    from bridge.commands.run.plan import Plan


class Local:
    """Does jobs on an executor."""

    def __init__(self, executor: Executor, plan: Plan, deadline_s: float, at_once: int) -> None:
        self._executor = executor
        self._plan = plan
        self._deadline_s = deadline_s
        self.at_once = at_once

    async def run(self, job: Job, folder: Path | None) -> ExecutorResult:
        """The result, its files in `folder` if there is one. Raises WorkloadError."""
        from accel.workload import Input

        inputs = [Input(file, os.path.abspath(file)) for file in job.files]
        return await self._executor.run(
            self._plan.workload, self._plan.params, inputs, deadline_s=self._deadline_s, out_dir=folder
        )


@contextlib.asynccontextmanager
async def local(plan: Plan, settings: Mapping[str, Any], count: int) -> AsyncIterator[Local]:
    """Workers for `count` jobs, as many as the settings say. Raises UserError."""
    from accel.executor import LocalExecutor, cores
    from accel.workload import Limits
    from bridge.paths import Paths

    workers = min(settings["workers"] or cores(), max(count, 1))
    limits = Limits(settings["images.max_pixels"], str(Paths.find().models(settings["models.folder"])))
    executor = LocalExecutor(
        workers, limits, settings["worker.memory_mib"], keep_mib=settings["worker.keep_mib"]
    )
    try:
        await executor.start()
    except OSError as error:
        raise UserError(f"No worker process can be started ({error}).") from None
    try:
        yield Local(executor, plan, settings["deadline_ms"] / 1000, 2 * workers)
    finally:
        await executor.close()
