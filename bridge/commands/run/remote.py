"""Jobs through the running daemon: its workers and models are warm."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accel.text import AnyText, Text, sentences, text
from bridge.client.connection import backoff_s
from bridge.commands.connection import STAYS_AWAY, ReconnectingClient, WaitNotice, watch
from bridge.commands.options import show_remark
from bridge.commands.run.inputs import Job
from bridge.core import errors
from bridge.core.errors import RequestError, UserError
from bridge.core.messages import MAX_INPUTS, InputRef, OutputRef, ProjectInfo, Result, ResultMeta
from bridge.core.router import SESSION_SHARES
from bridge.paths import Paths

if TYPE_CHECKING:
    from accel.execution.executor import ExecutorResult
    from accel.execution.protocol import ResultFile
    from accel.workload import WorkloadError
    from bridge.commands.run.local import Watched
    from bridge.commands.run.plan import Plan


DEADLINE_S = 3600.0
"""What a job may take at least, its wait in the daemon's queue included: editors' deadlines are short."""
LONGEST_NAME, LONGEST_PATH = 128, 4096
"""Characters of an input's name and path: docs/reference/protocol.md."""


HEADED = frozenset(
    code.text for code in (errors.BAD_PARAMS, errors.BAD_INPUT, errors.UNSUPPORTED, errors.FORBIDDEN)
)
"""Sentences that are a reason with the name of what it is of before it."""
WAITED_FOR = frozenset({errors.OVERLOADED.name, errors.STORE_UNAVAILABLE.name})
"""What may be over in a moment."""


class Remote:
    """Asks the daemon; files below `root` are named to it, all others are sent."""

    def __init__(
        self,
        client: ReconnectingClient,
        waiting: WaitNotice,
        plan: Plan,
        root: str | None,
        *,
        patience_s: float,
        deadline_s: float,
        priority: str,
    ) -> None:
        """`patience_s` is how long a job waits at most for a daemon that is full, `deadline_s` how long it
        may take there."""
        from accel.execution.executor import cores

        self._client = client
        self._waiting = waiting
        self._plan = plan
        self._root = root
        self._patience_s = patience_s
        self._deadline_s = deadline_s
        self._priority = priority
        self.watched: Watched = contextlib.nullcontext
        # More would only wait there, while their deadlines run, or find the daemon full of their likes.
        room = math.ceil(client.hello.limits.inflight * SESSION_SHARES[priority])
        self.at_once = min(room, max(4, 2 * cores()))

    async def run(self, job: Job, folder: Path | None) -> ExecutorResult:
        """The result, its files in `folder` if there is one. Raises WorkloadError, and UserError where the
        daemon is gone."""
        from accel.workload import WorkloadError

        if len(job.files) > MAX_INPUTS:
            reason = text(
                "a daemon takes at most {most} files at once; run it without --daemon", most=MAX_INPUTS
            )
            raise WorkloadError("too_large", reason)
        try:
            result = await self._asked(job)
            files = [await self._fetched(output, folder) for output in result.outputs]
        except RequestError as error:
            heads = [self._plan.workload.name, *map(_name, job.files)]
            raise self._timed(error) or _translated(error, heads) from None
        return _outcome(result, files)

    def _timed(self, error: RequestError) -> WorkloadError | None:
        """What is said of a job that took too long."""
        from accel.workload import WorkloadError

        if error.code.name != errors.DEADLINE_EXCEEDED.name:
            return None
        reason = text(
            "wasn't done within {seconds} s; --timeout SECONDS or a higher setting deadline_ms allows more",
            seconds=f"{self._deadline_s:g}",
        )
        return WorkloadError(error.code.name, reason)

    async def _asked(self, job: Job) -> Result:
        params = self._plan.given(job.name)
        named = [self._named(file) for file in job.files]
        if None not in named:
            try:
                return await self._patiently(params, [each for each in named if each])
            except RequestError as error:
                # Links may lead out of the root, and a daemon in a container sees other files.
                if error.code.name not in (errors.FORBIDDEN.name, errors.NOT_FOUND.name):
                    raise
        return await self._patiently(params, [await self._sent(file) for file in job.files])

    def _named(self, file: str) -> InputRef | None:
        """A file by its path; None where the daemon couldn't take it so."""
        path = os.path.abspath(file)
        if self._root is None or not _below(path, self._root) or len(path) > LONGEST_PATH or not _text(path):
            return None
        return InputRef(name=_name(file), path=path)

    async def _sent(self, file: str) -> InputRef:
        try:
            return InputRef(
                name=_name(file), blob=await self._client.put_blob(Path(file), self._waiting.upload)
            )
        except OSError as error:
            reason = text("can't be read ({reason})", reason=error.strerror or error)
            raise RequestError(errors.BAD_INPUT, name=_name(file), reason=reason) from None

    async def _patiently(self, params: Mapping[str, Any], inputs: Sequence[InputRef]) -> Result:
        """The answer, as soon as the daemon has room for the question and can keep it."""
        tried, until = 0, time.monotonic() + self._patience_s
        while True:
            try:
                with self._waiting.answer(), self.watched() as on_progress:
                    return await self._client.request(
                        self._plan.workload.name,
                        params,
                        inputs=inputs,
                        priority=self._priority,
                        deadline_ms=max(round(self._deadline_s * 1000), 1),
                        on_progress=on_progress,
                    )
            except RequestError as error:
                left_s = until - time.monotonic()
                if error.code.name not in WAITED_FOR or left_s < 0:
                    raise
                if error.code.name == errors.STORE_UNAVAILABLE.name:
                    self._waiting.refused(error, left_s)
                await asyncio.sleep(backoff_s(error, tried))
                tried += 1

    async def _fetched(self, output: OutputRef, folder: Path | None) -> ResultFile:
        from accel.execution.protocol import ResultFile
        from accel.execution.worker import NO_ROOM

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
            room = text(": make room on the disk of --out") if error.errno in NO_ROOM else ""
            where = {"name": output.name, "folder": folder, "reason": error.strerror}
            raise UserError(
                text("{name} can't be written to {folder} ({reason}){room}.", **where, room=room)
            ) from None
        return ResultFile(output.name, output.media_type, output.size, "", path=str(path))


def _outcome(result: Result, files: Sequence[ResultFile]) -> ExecutorResult:
    from accel.execution.executor import ExecutorResult

    meta = result.meta or ResultMeta()
    return ExecutorResult(result.value, files, meta.queued_ms, meta.run_ms, meta.device, reason=meta.reason)


def _translated(error: RequestError, heads: Sequence[str]) -> WorkloadError:
    """The daemon's words as a workload's own: without its name or a file's in front, one of `heads`."""
    from accel.workload import WorkloadError

    if error.code.name == errors.EDITOR_GONE.name and error.code.retryable:
        raise UserError(STAYS_AWAY)
    said = _bare(error.text, heads)
    if isinstance(said, Text) and said.id == errors.TOO_LARGE.text:
        # The daemon alone has that limit.
        said = sentences((said, text("Run it without --daemon.")))
    if error.code.name == errors.STORAGE_FULL.name:
        said = sentences((said, _room(str(said))))
    return WorkloadError(error.code.name, said)


def _bare(said: AnyText, heads: Sequence[str]) -> AnyText:
    """Without a full stop, and without the name of the workload or a file in front."""
    if isinstance(said, Text):
        # `{name}: {reason}.` and its like.
        name = str(said.values.get("name", said.values.get("workload", "")))
        reason = said.values.get("reason")
        if said.id in HEADED and name in heads and isinstance(reason, Text | str):
            return reason
        return said
    for head in heads:
        said = said.removeprefix(f"{head}: ")
    return said.removesuffix(".")


def _room(said: str) -> AnyText:
    """What makes room in the daemon's data folder, by what it says is full."""
    folder = Paths.find().data
    if "blobs.quota" in said:
        return text(
            "Raise that setting for the daemon's data folder {folder}; or try again in a few minutes: what "
            "was used in the last 5 stays there, as does what open popups, receipts and requests need.",
            folder=folder,
        )
    return text("It is the daemon's data folder {folder} that is full: make room there.", folder=folder)


def _name(file: str) -> str:
    """What messages call a file: its end, where it is long, with escapes for what isn't Unicode."""
    text = file.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= LONGEST_NAME else f"...{text[3 - LONGEST_NAME :]}"


def _below(path: str, root: str) -> bool:
    try:
        return os.path.commonpath([path, root]) == root
    except ValueError:
        return False


def _text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


@contextlib.asynccontextmanager
async def remote(
    plan: Plan, jobs: Sequence[Job], deadline_s: float, timeout_s: float | None
) -> AsyncIterator[Remote]:
    """A connection to the daemon that runs now; `deadline_s` is the setting. Raises UserError where none
    runs."""
    root = _root(jobs)
    project = ProjectInfo(id="popbridge.run", name="popbridge run", root=root) if root else None
    file = Paths.find().connection_file
    client = await ReconnectingClient.connect(file, show_remark, name="popbridge run", project=project)
    async with contextlib.aclosing(client), watch(client, file, show_remark) as waiting:
        known = {workload.name for workload in client.ready.workloads}
        if plan.workload.name not in known:
            raise UserError(
                text(
                    "The daemon has no workload {name}: restart it, or leave out --daemon.",
                    name=repr(plan.workload.name),
                )
            )
        # Editors go first where there is much to do.
        priority = "bulk" if len(jobs) > 1 else "normal"
        longest = timeout_s or max(deadline_s, DEADLINE_S)
        yield Remote(
            client, waiting, plan, root, patience_s=deadline_s, deadline_s=longest, priority=priority
        )


def _root(jobs: Sequence[Job]) -> str | None:
    """The folder that all files lie below; None where there is none, or where it can't be written as text."""
    folders = {
        os.path.dirname(os.path.abspath(file)) for job in jobs if not job.problem for file in job.files
    }
    try:
        root = os.path.commonpath(folders)
    except ValueError:
        return None
    return root if _text(root) else None
