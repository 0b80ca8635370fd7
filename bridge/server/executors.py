"""Runs jobs whose output files become blobs, and measures them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from accel.execution.executor import Executor, ExecutorResult, Job
from accel.text import text
from accel.workload import WorkloadError
from bridge.core import errors
from bridge.core.errors import RequestError
from bridge.core.messages import OutputRef, Result, ResultMeta
from bridge.core.metrics import Counts
from bridge.core.router import Load
from bridge.project.privacy import ProjectPrivacy
from bridge.server.blobs import BlobCollector
from bridge.store.blobs import BlobStore, write_error

MAX_NAME = 128
"""Maximum length of a file name on the wire. Workloads may derive longer ones from the names of inputs."""


class Response(Struct, frozen=True):
    """A workload's result with its files as blobs."""

    value: Any
    outputs: list[OutputRef]
    meta: ResultMeta
    names: list[str] = []
    """The workload's own names for the outputs, if one of them is too long for the wire."""

    @property
    def blobs(self) -> Mapping[str, str]:
        """Blobs by the workload's names for the outputs."""
        names = self.names or [output.name for output in self.outputs]
        return {name: str(output.blob) for name, output in zip(names, self.outputs, strict=True)}

    def message(self, request_id: int) -> Result:
        """Returns the `result` message of a request."""
        return Result(id=request_id, value=self.value, outputs=self.outputs, meta=self.meta)


class BlobExecutor:
    """Runs jobs on an executor and turns their output files into blobs.

    The size of outputs isn't known in advance. Jobs that are running when the quota is reached may exceed it,
    and no other starts until there is room again.
    """

    def __init__(
        self, executor: Executor, blobs: BlobStore, collector: BlobCollector, counts: Counts, load: Load
    ) -> None:
        self._executor = executor
        self._blobs = blobs
        self._collector = collector
        self._counts = counts
        self._load = load
        self._privacy = ProjectPrivacy()

    async def run(self, job: Job) -> Response:
        """Runs a job. Raises WorkloadError like `Executor.run`, `storage_full` and `out_of_descriptors`."""
        private = self._is_private(job)
        job = replace(job, out_dir=self._blobs.drafts if private else self._blobs.folder)
        with self._blobs.working():
            await self._make_room(job)
            try:
                done = await self._executor.run(job)
            except WorkloadError as error:
                if error.code != errors.STORAGE_FULL.name:
                    raise
                if job.expired or not await self._collector.free(0):
                    # A client may keep its files on another disk.
                    where = text("{reason} in the daemon's data folder", reason=error.reason)
                    raise WorkloadError(error.code, where, error.name) from None
                done = await self._executor.run(job)
            for file in done.files:
                if private:
                    await self._keep_private(file.sha256)
                elif file.fresh:
                    self._blobs.came(file.sha256, file.size)
        run_s = done.run_ms / 1000
        self._counts.ran(job.workload.name, run_s, done.queued_ms / 1000)
        self._load.ran(job.workload.name, run_s)
        return _response(done)

    def _is_private(self, job: Job) -> bool:
        """Whether the job's outputs are encrypted: they tell about a project that asks for it, or all are."""
        if not self._blobs.vault.form:
            return False
        return self._blobs.seals or any(
            self._blobs.is_copy(one.path) or self._privacy.covers(one.path) for one in job.inputs
        )

    async def _keep_private(self, name: str) -> None:
        try:
            await asyncio.to_thread(self._blobs.adopt_private, name)
        except OSError as error:
            failed = write_error(text("Blob {name}", name=name), error)
            raise WorkloadError(failed.code.name, failed.text) from None

    async def _make_room(self, job: Job) -> None:
        what = text("What it makes")
        try:
            await self._collector.room(what, 1)
            self._blobs.ready()
            if job.out_dir == self._blobs.drafts:
                job.out_dir.mkdir(mode=0o700, exist_ok=True)
        except RequestError as error:
            raise WorkloadError(error.code.name, error.text) from None
        except OSError as error:
            failed = write_error(what, error)
            raise WorkloadError(failed.code.name, failed.text) from None


def _response(done: ExecutorResult) -> Response:
    outputs = [output_ref(f.name, f.media_type, f.size, f.sha256) for f in done.files]
    meta = ResultMeta(
        device=done.device, reason=str(done.reason),
        batch=done.batch, queued_ms=done.queued_ms, run_ms=done.run_ms,
    )  # fmt: skip
    names = [f.name for f in done.files]
    return Response(done.value, outputs, meta, names if max(map(len, names), default=0) > MAX_NAME else [])


def output_ref(name: str, media_type: str, size: int, blob: str) -> OutputRef:
    """Returns the record of an output file, shortening a long name in the middle."""
    half = MAX_NAME // 2
    short = name if len(name) <= MAX_NAME else f"{name[: half - 1]}…{name[-half:]}"
    return OutputRef(name=short, media_type=media_type, size=size, blob=blob)
