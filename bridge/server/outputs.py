"""An executor whose output files are blobs: they count against the quota, and stay while work means them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from accel.executor import Executor, ExecutorResult
from accel.text import text
from accel.watch import Watch
from accel.workload import Input, Workload, WorkloadError
from bridge.core import errors
from bridge.core.errors import RequestError
from bridge.server.keeper import Keeper
from bridge.store.blobs import BlobStore, full


class KeptOutputs:
    """Runs on another executor.

    How much a workload will make isn't known before: what is under way when the quota is reached may go
    beyond it, and nothing is begun until there is room again.
    """

    def __init__(self, inner: Executor, blobs: BlobStore, keeper: Keeper) -> None:
        self._inner = inner
        self._blobs = blobs
        self._keeper = keeper

    async def start(self) -> None:
        await self._inner.start()

    async def close(self) -> None:
        await self._inner.close()

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
        """As `Executor.run`; WorkloadError `storage_full` as well."""
        end = time.monotonic() + deadline_s
        with self._blobs.working():
            try:
                await self._keeper.room(text("What it makes"), 1)
                self._blobs.ready()
            except RequestError as error:
                raise WorkloadError(error.code.name, error.text) from None
            except OSError as error:
                said = full(text("What it makes"), error).text
                raise WorkloadError(errors.STORAGE_FULL.name, said) from None
            more: dict[str, Any] = {"priority": priority, "out_dir": out_dir, "watch": watch}
            try:
                done = await self._inner.run(workload, params, inputs, deadline_s=deadline_s, **more)
            except WorkloadError as error:
                if error.code != errors.STORAGE_FULL.name:
                    raise
                left = end - time.monotonic()
                if left <= 0 or not await self._keeper.free(0):
                    # A client may keep files on a disk of its own.
                    where = text("{reason} in the daemon's data folder", reason=error.reason)
                    raise WorkloadError(error.code, where, error.name) from None
                done = await self._inner.run(workload, params, inputs, deadline_s=left, **more)
            for file in done.files:
                if file.fresh:
                    self._blobs.came(file.sha256, file.size)
            return done
