"""Runs workloads on blobs, files and inline data, and converts their errors to wire errors."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET

from accel.execution.executor import CancelToken, Job
from accel.text import text
from accel.workload import Input, Limits, Workload, WorkloadError, validate_output
from bridge.core import errors
from bridge.core.errors import RequestError
from bridge.core.messages import MAX_INLINE, Error, InputRef, Request, Result, ResultMeta, Translatable
from bridge.project.privacy import ProjectPrivacy
from bridge.server.cache import CachedExecutor
from bridge.server.executors import BlobExecutor, Response, output_ref
from bridge.server.project_paths import confine
from bridge.store.blob_encryption import is_encrypted
from bridge.store.blobs import BlobStore

log = logging.getLogger(__name__)

INTERVAL_S = 0.25
"""Minimum seconds between two progress messages of a request."""
INLINE = ResultMeta(device="inline", batch=1)
BY_NAME = {code.name: code for code in errors.ERROR_CODES}


class Throttle:
    """Sends the latest progress report of a job, at most every INTERVAL_S; the others are dropped."""

    def __init__(self, send: Callable[[float, str], Awaitable[None]]) -> None:
        """`send` takes a fraction (0 to 1) and the stage."""
        self._send = send
        self._latest: tuple[float, str] | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def __call__(self, fraction: float, stage: str) -> None:
        if self._closed:
            return
        self._latest = (fraction, stage)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._send_latest())

    def close(self) -> None:
        """Drops unsent reports, because the answer comes next."""
        self._closed, self._latest = True, None
        if self._task is not None:
            self._task.cancel()

    async def _send_latest(self) -> None:
        try:
            while self._latest is not None:
                latest, self._latest = self._latest, None
                await self._send(*latest)
                await asyncio.sleep(INTERVAL_S)
        # A report that can't be sent must not end the job.
        except Exception:
            log.exception("progress can't be sent")
        finally:
            self._task = None


class Runner:
    """Runs workloads by name, through the cache and the executor."""

    def __init__(
        self,
        workloads: Mapping[str, Workload],
        executor: BlobExecutor,
        blobs: BlobStore,
        limits: Limits,
        inline: int = MAX_INLINE,
        cache: CachedExecutor | None = None,
        private: Sequence[str] = (),
    ) -> None:
        """`inline` is the maximum size of `data` in a frame, in bytes; `private` is as for `confine`."""
        self._private = private
        self.workloads = workloads
        self._executor = executor
        self._cache = cache
        self._blobs = blobs
        self._limits = limits
        self._max_inline = inline
        self._privacy = ProjectPrivacy()
        self._inline = {name: w.load() for name, w in workloads.items() if w.inline}

    def is_inline(self, request: Request) -> bool:
        """Whether `request` runs in the daemon itself."""
        return request.workload in self._inline and not request.inputs

    def run_inline(self, request: Request) -> Result:
        """Runs an inline workload. Raises RequestError."""
        workload = self.workloads[request.workload]
        try:
            workload.check_inputs(0)
            output = validate_output(
                self._inline[request.workload]([], workload.parse(request.params), self._limits)
            )
        except WorkloadError as error:
            raise as_request_error(error, request.workload, 0) from None
        outputs = [
            output_ref(f.name, f.media_type, len(f.data), self._blobs.put(bytes(f.data)))
            for f in output.files
        ]
        return Result(id=request.id, value=output.value, outputs=outputs, meta=INLINE)

    async def run(
        self,
        name: str,
        params: Mapping[str, Any],
        inputs: Sequence[Input],
        *,
        deadline_ms: int | None = 60_000,
        priority: str = "normal",
        cache: bool = True,
        token: CancelToken | None = None,
    ) -> Response:
        """Runs a workload, or with `cache` may return a stored response.

        Raises RequestError. `deadline_exceeded` has the outcome `not_started` if no worker had started.
        """
        token = token or CancelToken()
        workload = self.workloads.get(name)
        if workload is None:
            raise RequestError(errors.UNKNOWN_WORKLOAD, workload=name)
        deadline_s = None if deadline_ms is None else deadline_ms / 1000
        inputs = await self._plain(inputs)
        try:
            job = Job.parse(workload, params, inputs, deadline_s=deadline_s, priority=priority, token=token)
            if self._cache is None:
                return await self._executor.run(job)
            return await self._cache.run(job, fresh=not cache)
        except WorkloadError as error:
            raise as_request_error(error, name, deadline_ms, token) from None

    async def _plain(self, inputs: Sequence[Input]) -> Sequence[Input]:
        """Replaces encrypted blobs by their plain copies. Raises RequestError `not_found`."""
        folder = str(self._blobs.folder)
        if not any(os.path.dirname(one.path) == folder and is_encrypted(one.path) for one in inputs):
            return inputs

        def copies() -> list[Input]:
            return [
                Input(one.name, str(self._blobs.plain(Path(one.path))))
                if os.path.dirname(one.path) == folder
                else one
                for one in inputs
            ]

        return await asyncio.to_thread(copies)

    def resolve(self, refs: Sequence[InputRef], root: Path | None) -> list[Input]:
        """Returns a request's inputs as files. Raises RequestError `not_found`, `forbidden`, `bad_input`."""
        return [self._resolve(ref, root) for ref in refs]

    def durable(self, refs: Sequence[InputRef], root: Path | None) -> list[InputRef]:
        """Stores inline data as blobs and returns the inputs. Raises RequestError like `resolve`."""
        found = zip(refs, self.resolve(refs, root), strict=True)
        return [
            InputRef(name=ref.name, blob=Path(one.path).name) if isinstance(ref.data, bytes) else ref
            for ref, one in found
        ]

    def has_outputs(self, answer: Result | Error) -> bool:
        """Whether all files of an answer exist; records a use, so that they aren't deleted."""
        outputs = answer.outputs if isinstance(answer, Result) else ()
        try:
            for name in (one.blob for one in outputs if isinstance(one.blob, str)):
                self._blobs.use(name)
        except RequestError:
            return False
        return True

    def _resolve(self, ref: InputRef, root: Path | None) -> Input:
        if sum(value is not UNSET for value in (ref.blob, ref.data, ref.path)) != 1:
            reason = text("exactly one of blob, data and path is needed")
            raise RequestError(errors.BAD_INPUT, name=ref.name, reason=reason)
        if isinstance(ref.blob, str):
            return Input(ref.name, str(self._blobs.use(ref.blob)))
        if isinstance(ref.data, bytes):
            if len(ref.data) > self._max_inline:
                size, limit = f"{len(ref.data)} bytes", f"{self._max_inline} bytes in a frame"
                hint = text("Upload it to /blobs and refer to the blob instead.")
                raise RequestError(errors.TOO_LARGE, hint, name=ref.name, size=size, limit=limit, setting="")
            private = root is not None and self._privacy.covers(root / ref.name)
            return Input(ref.name, str(self._blobs.path(self._blobs.put(ref.data, private=private))))
        assert isinstance(ref.path, str)
        return Input(ref.name, confine(ref.path, root, self._private, fixed=True), confined=True)


def deadline_exceeded(workload: str, deadline_ms: int | None, *, begun: bool) -> RequestError:
    """Returns the error for a passed deadline. `begun` means that a worker started the job, or may have."""
    outcome = "unknown" if begun else "not_started"
    return RequestError(errors.DEADLINE_EXCEEDED, workload=workload, deadline_ms=deadline_ms, outcome=outcome)


def as_request_error(
    error: WorkloadError, workload: str, deadline_ms: int | None, token: CancelToken | None = None
) -> RequestError:
    """Converts an error of a workload or executor to a wire error; `token` is the job's."""
    code = BY_NAME.get(error.code, errors.INTERNAL)
    if code is errors.INTERNAL:
        log.error("%s on %s failed: %s", workload, error.name or "no input", error.reason)
    if code in (errors.BAD_INPUT, errors.UNSUPPORTED, errors.FORBIDDEN):
        return RequestError(code, name=error.name or workload, reason=error.reason)
    if code is errors.BAD_PARAMS:
        return RequestError(code, workload=workload, reason=error.reason)
    if code is errors.WORKER_CRASHED:
        return RequestError(code, workload=workload, name=error.name or "no input", reason=error.reason)
    if code is errors.DEADLINE_EXCEEDED:
        return deadline_exceeded(workload, deadline_ms, begun=token is None or token.started)
    if code is errors.INTERNAL:
        return RequestError(code, what=f"{workload} ({error.step})" if error.step else workload)
    # The sentences of other codes have fields that are unknown here, so use the reason instead.
    plain = msgspec.structs.replace(code, text="{message}", hint="")
    if error.name and error.name not in str(error.reason):
        named = text("{name}: {reason}", name=error.name, reason=error.reason)
        return RequestError(plain, message=named)
    return RequestError(plain, message=error.reason)


def as_message(error: RequestError, request_id: int, outcome: str = "") -> Error:
    """Returns the `error` message; `outcome` is used if the error has none."""
    return Error(
        id=request_id,
        code=error.code.name,
        message=error.message[:4096],
        hint=error.hint or UNSET,
        message_text=Translatable.of(error.text),
        hint_text=Translatable.of(error.hint_text),
        retryable=error.code.retryable,
        retry_after_ms=error.retry_after_ms or UNSET,
        outcome=outcome or error.outcome,  # type: ignore[arg-type]
    )
