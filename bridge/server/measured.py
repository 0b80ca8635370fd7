"""An executor that counts what its jobs took, whoever asked for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from accel.executor import Executor, ExecutorResult
from accel.watch import Watch
from accel.workload import Input, Workload
from bridge.core.counts import Counts
from bridge.core.load import Load


class Measured:
    """As the executor that it is made of; what a cache answers never gets here."""

    def __init__(self, executor: Executor, counts: Counts, load: Load) -> None:
        self._executor = executor
        self._counts = counts
        self._load = load

    async def start(self) -> None:
        await self._executor.start()

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
        done = await self._executor.run(
            workload, params, inputs, deadline_s=deadline_s, priority=priority, out_dir=out_dir, watch=watch
        )
        run_s = done.run_ms / 1000
        self._counts.ran(workload.name, run_s, done.queued_ms / 1000)
        self._load.ran(workload.name, run_s)
        return done

    async def close(self) -> None:
        await self._executor.close()
