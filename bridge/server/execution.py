"""A request to a workload, and what comes of it on an executor, its files as blobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from accel.executor import Executor
from accel.watch import Watch
from accel.workload import Input, Workload
from bridge.core.messages import OutputRef, ResultMeta

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
    watch: Watch | None = None
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

    async def run(self, ask: Ask, watch: Watch | None = None) -> Response:
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
