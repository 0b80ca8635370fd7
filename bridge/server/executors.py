"""Executor decorators: metrics, blob outputs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from accel.execution.executor import CancelToken, Executor, ExecutorResult
from accel.text import text
from accel.workload import Input, Workload, WorkloadError
from bridge.core import errors
from bridge.core.errors import RequestError
from bridge.core.messages import OutputRef, ResultMeta
from bridge.core.metrics import Counts
from bridge.core.router import Load
from bridge.server.blobs import BlobCollector
from bridge.store.blobs import BlobStore, storage_full_error


class MeasuredExecutor:
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
        watch: CancelToken | None = None,
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


class BlobOutputs:
    """Runs on another executor.

    How much a workload will make isn't known before: what is under way when the quota is reached may go
    beyond it, and nothing is begun until there is room again.
    """

    def __init__(self, inner: Executor, blobs: BlobStore, keeper: BlobCollector) -> None:
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
        watch: CancelToken | None = None,
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
                said = storage_full_error(text("What it makes"), error).text
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


LONGEST = 128
"""Most characters of a file's name on the wire; a workload may make longer ones of the inputs' names."""


def output_ref(name: str, media_type: str, size: int, blob: str) -> OutputRef:
    """A file that a workload made; of a name that is too long, which no client could read, both ends."""
    half = LONGEST // 2
    called = name if len(name) <= LONGEST else f"{name[: half - 1]}…{name[-half:]}"
    return OutputRef(name=called, media_type=media_type, size=size, blob=blob)


class Ask(Struct, frozen=True):
    """A request to a workload."""

    workload: Workload
    params: Mapping[str, Any]
    inputs: Sequence[Input]
    priority: str
    deadline_s: float
    watch: CancelToken | None = None
    """Who asks wants to know when a worker begins."""


class Response(Struct, frozen=True):
    """What a workload has given."""

    value: Any
    outputs: list[OutputRef]
    meta: ResultMeta
    names: list[str] = []
    """What the workload calls the outputs, where one of these names is too long for the wire."""

    @property
    def blobs(self) -> Mapping[str, str]:
        """By the workload's names."""
        names = self.names or [output.name for output in self.outputs]
        return {name: str(output.blob) for name, output in zip(names, self.outputs, strict=True)}


class Execution:
    """An executor that leaves files in the folder of blobs."""

    def __init__(self, executor: Executor, folder: Path) -> None:
        self._executor = executor
        self._folder = folder

    async def run(self, ask: Ask, watch: CancelToken | None = None) -> Response:
        """Raises WorkloadError."""
        done = await self._executor.run(
            ask.workload,
            dict(ask.params),
            ask.inputs,
            deadline_s=ask.deadline_s,
            priority=ask.priority,
            out_dir=self._folder,
            watch=watch,
        )
        outputs = [output_ref(f.name, f.media_type, f.size, f.sha256) for f in done.files]
        meta = ResultMeta(
            device=done.device, reason=done.reason,
            batch=done.batch, queued_ms=done.queued_ms, run_ms=done.run_ms,
        )  # fmt: skip
        names = [f.name for f in done.files]
        return Response(done.value, outputs, meta, names if max(map(len, names), default=0) > LONGEST else [])
