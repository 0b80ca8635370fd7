"""Runs jobs on the running daemon."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from accel.execution.executor import ExecutorResult, cores
from accel.execution.protocol import ResultFile
from accel.execution.worker import NO_ROOM
from accel.text import AnyText, Text, sentences, text
from accel.texture.workloads import examine
from accel.workload import WorkloadError
from bridge.client.connection import backoff_s
from bridge.commands.connection import DAEMON_GONE, ReconnectingClient, WaitNotice, watch
from bridge.commands.options import show_notice
from bridge.commands.run.inputs import RunItem
from bridge.commands.run.local import ProgressContext
from bridge.commands.run.plan import Plan
from bridge.core import errors
from bridge.core.errors import RequestError, UserError
from bridge.core.messages import MAX_INPUTS, InputRef, OutputRef, ProjectInfo, Result, ResultMeta
from bridge.core.router import SESSION_SHARES
from bridge.paths import Paths
from bridge.store.roots import registered_for_run, resolved_root, root_refusal

DEADLINE_S = 3600.0
"""The shortest deadline of a job, including its time in the queue: the setting is for editors."""
MAX_NAME, MAX_PATH = 128, 4096
"""Characters of an input's name and path; see docs/reference/protocol.md."""

NAMED_REASONS = frozenset(
    code.text for code in (errors.BAD_PARAMS, errors.BAD_INPUT, errors.UNSUPPORTED, errors.FORBIDDEN)
)
"""Sentences of the form `{name}: {reason}.`"""
TRANSIENT_ERRORS = frozenset(
    code.name
    for code in (
        errors.OVERLOADED,
        errors.STORE_UNAVAILABLE,
        errors.OUT_OF_DESCRIPTORS,
        errors.RATE_LIMITED,
    )
)
"""Errors that may be over in a moment."""


class RemoteRunner:
    """Runs jobs on the daemon. Files below `root` are sent as paths, others as blobs."""

    def __init__(
        self,
        client: ReconnectingClient,
        notice: WaitNotice,
        plan: Plan,
        root: str | None,
        *,
        retry_s: float,
        deadline_s: float,
        priority: str,
    ) -> None:
        """`retry_s`: how long to retry if the daemon is overloaded; `deadline_s`: of each request."""
        self._client = client
        self._notice = notice
        self._plan = plan
        self._root = root
        self._retry_s = retry_s
        self._deadline_s = deadline_s
        self._priority = priority
        self.progress_context: ProgressContext = contextlib.nullcontext
        # More would wait in the daemon's queue while their deadlines run, or be refused.
        room = math.ceil(client.hello.limits.inflight * SESSION_SHARES[priority])
        self.concurrency = min(room, max(4, 2 * cores()))

    async def run(self, job: RunItem, folder: Path | None) -> ExecutorResult:
        """Returns the result, with its files in `folder` if given.

        Raises WorkloadError, and UserError if the daemon is gone.
        """
        if len(job.files) > MAX_INPUTS:
            reason = text(
                "the daemon takes at most {limit} files per job; run it without --daemon", limit=MAX_INPUTS
            )
            raise WorkloadError("too_large", reason)
        try:
            result = await self._request(job)
            files = [await self._fetch(output, folder) for output in result.outputs]
        except RequestError as error:
            if error.code.name == errors.DEADLINE_EXCEEDED.name:
                reason = text(
                    "took longer than {seconds} s; --timeout or the setting deadline_ms allows more",
                    seconds=f"{self._deadline_s:g}",
                )
                raise WorkloadError(error.code.name, reason) from None
            raise _workload_error(error, [self._plan.workload.name, *map(_name, job.files)]) from None
        meta = result.meta or ResultMeta()
        return ExecutorResult(
            result.value, files, meta.queued_ms, meta.run_ms, meta.device, reason=meta.reason
        )

    async def _request(self, job: RunItem) -> Result:
        plan = job.plan or self._plan
        params = plan.params_for(job.name, job.texture.channels if job.texture else "")
        return await self._ask(plan.workload.name, params, job.files)

    async def examine(self, file: str) -> Mapping[str, Any]:
        """Returns the value of `texture.examine`. Raises WorkloadError."""
        try:
            value: Mapping[str, Any] = (await self._ask(examine.workload.name, {}, [file])).value
        except RequestError as error:
            raise _workload_error(error, [examine.workload.name, _name(file)]) from None
        return value

    async def _ask(self, workload: str, params: Mapping[str, Any], files: Sequence[str]) -> Result:
        paths = [self._path_input(file) for file in files]
        if None not in paths:
            try:
                return await self._request_with_retries(workload, params, [path for path in paths if path])
            except RequestError as error:
                # A link may lead out of the root, and a daemon in a container sees other files.
                if error.code.name not in (errors.FORBIDDEN.name, errors.NOT_FOUND.name):
                    raise
        uploads = [await self._upload(file) for file in files]
        return await self._request_with_retries(workload, params, uploads)

    def _path_input(self, file: str) -> InputRef | None:
        """Returns a file as a path; None if the daemon wouldn't accept it."""
        path = os.path.abspath(file)
        if (
            self._root is None
            or not _below(path, self._root)
            or len(path) > MAX_PATH
            or not _is_unicode(path)
        ):
            return None
        return InputRef(name=_name(file), path=path)

    async def _upload(self, file: str) -> InputRef:
        try:
            return InputRef(
                name=_name(file), blob=await self._client.put_blob(Path(file), self._notice.upload)
            )
        except OSError as error:
            reason = text("can't be read ({reason})", reason=error.strerror or error)
            raise RequestError(errors.BAD_INPUT, name=_name(file), reason=reason) from None

    async def _request_with_retries(
        self, workload: str, params: Mapping[str, Any], inputs: Sequence[InputRef]
    ) -> Result:
        """Returns the result; retried while the daemon is overloaded or can't store the request."""
        tried, until = 0, time.monotonic() + self._retry_s
        while True:
            try:
                with self._notice.answer(), self.progress_context() as on_progress:
                    return await self._client.request(
                        workload,
                        params,
                        inputs=inputs,
                        priority=self._priority,
                        deadline_ms=max(round(self._deadline_s * 1000), 1),
                        on_progress=on_progress,
                    )
            except RequestError as error:
                left_s = until - time.monotonic()
                if error.code.name not in TRANSIENT_ERRORS or left_s < 0:
                    raise
                if error.code.name == errors.STORE_UNAVAILABLE.name:
                    self._notice.refused(error, left_s)
                await asyncio.sleep(backoff_s(error, tried))
                tried += 1

    async def _fetch(self, output: OutputRef, folder: Path | None) -> ResultFile:
        file = ResultFile(output.name, output.media_type, output.size, "")
        if folder is None:
            return file
        path = folder / f"{len(os.listdir(folder))}"
        try:
            if isinstance(output.data, bytes):
                await asyncio.to_thread(path.write_bytes, output.data)
            else:
                await self._client.get_blob(str(output.blob), path)
        except OSError as error:
            problem = text(
                "Can't write {name} to {folder} ({reason}).",
                name=output.name,
                folder=folder,
                reason=error.strerror,
            )
            hint = text("Free space on the disk of --out.") if error.errno in NO_ROOM else ""
            raise UserError(sentences((problem, hint))) from None
        return ResultFile(output.name, output.media_type, output.size, "", path=str(path))


def _workload_error(error: RequestError, names: Sequence[str]) -> WorkloadError:
    """Returns the daemon's error as a workload's own: without a leading name, if it is one of `names`."""
    if error.code.name == errors.EDITOR_GONE.name and error.code.retryable:
        raise UserError(DAEMON_GONE)
    reason = _without_name(error.text, names)
    if isinstance(reason, Text) and reason.id == errors.TOO_LARGE.text:
        # Only the daemon has that limit.
        reason = sentences((reason, text("Run it without --daemon.")))
    if error.code.name == errors.STORAGE_FULL.name:
        reason = sentences((reason, _free_space_hint(str(reason))))
    return WorkloadError(error.code.name, reason)


def _without_name(message: AnyText, names: Sequence[str]) -> AnyText:
    """Strips the leading name of the workload or file, and the final full stop."""
    if isinstance(message, Text):
        name = str(message.values.get("name", message.values.get("workload", "")))
        reason = message.values.get("reason")
        if message.id in NAMED_REASONS and name in names and isinstance(reason, Text | str):
            return reason
        return message
    for name in names:
        message = message.removeprefix(f"{name}: ")
    return message.removesuffix(".")


def _free_space_hint(message: str) -> AnyText:
    """Returns how to free space for the daemon: its quota or its disk is full."""
    folder = Paths.find().data
    if "blobs.quota" in message:
        return text(
            "Raise that setting (blobs are in {folder}), or try again in a few minutes: referenced blobs and "
            "those used in the last 5 minutes stay.",
            folder=folder,
        )
    return text("Free space on the disk of the daemon's data folder {folder}.", folder=folder)


def _name(file: str) -> str:
    """Returns the name of a file in messages: the end of a long path, with escapes for invalid Unicode."""
    name = file.encode("utf-8", "backslashreplace").decode()
    return name if len(name) <= MAX_NAME else f"...{name[3 - MAX_NAME :]}"


def _below(path: str, root: str) -> bool:
    try:
        return os.path.commonpath([path, root]) == root
    except ValueError:
        return False


def _is_unicode(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


@contextlib.asynccontextmanager
async def remote_runner(
    plan: Plan, jobs: Sequence[RunItem], deadline_s: float, timeout_s: float | None
) -> AsyncIterator[RemoteRunner]:
    """Yields a runner connected to the daemon; `deadline_s` is the setting. Raises UserError if none runs."""
    paths = Paths.find()
    root = _root(jobs)
    if root is not None and root_refusal(resolved_root(root), paths.own_folders):
        # The daemon wouldn't read it either; the files are uploaded.
        root = None
    project = ProjectInfo(id="popbridge.run", name="popbridge run", root=root) if root else None
    file = paths.connection_file
    async with contextlib.AsyncExitStack() as stack:
        if root is not None:
            # Whoever runs the command has named these files.
            await asyncio.to_thread(stack.enter_context, registered_for_run(paths.database, root))
        client = await ReconnectingClient.connect(file, show_notice, name="popbridge run", project=project)
        await stack.enter_async_context(contextlib.aclosing(client))
        notice = await stack.enter_async_context(watch(client, file, show_notice))
        known = {workload.name for workload in client.ready.workloads}
        if plan.workload.name not in known:
            raise UserError(
                text(
                    "The daemon has no workload {name}. Restart it, or leave out --daemon.",
                    name=repr(plan.workload.name),
                )
            )
        # Requests of editors go before bulk ones.
        priority = "bulk" if len(jobs) > 1 else "normal"
        longest = timeout_s or max(deadline_s, DEADLINE_S)
        yield RemoteRunner(
            client, notice, plan, root, retry_s=deadline_s, deadline_s=longest, priority=priority
        )


def _root(jobs: Sequence[RunItem]) -> str | None:
    """Returns the folder that contains all files; None if there is none, or its path isn't Unicode."""
    folders = {
        os.path.dirname(os.path.abspath(file)) for job in jobs if not job.problem for file in job.files
    }
    try:
        root = os.path.commonpath(folders)
    except ValueError:
        return None
    return root if _is_unicode(root) else None
