"""Jobs, and the executor that runs them in worker processes on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import math
import os
import re
import shutil
import stat
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from accel import workload
from accel.execution.memory_budget import MemoryBudget
from accel.execution.pool import PRIORITIES, Pool, Worker, WorkerDied
from accel.execution.protocol import (
    DEVICE,
    BatchReply,
    Failed,
    JobFrame,
    JobInput,
    JobItem,
    PackedBatchFrame,
    Reply,
    ResultFile,
    Setup,
    pack,
)
from accel.execution.sandbox import WRITABLE, Sandbox
from accel.execution.worker import NO_ROOM, output_files
from accel.progress import OnProgress
from accel.text import AnyText, text
from accel.workload import Input, Limits, Params, Workload, WorkloadError, names, validate_output

WARM = ("accel.image.inspect",)
"""Slow modules that a worker imports before its first job."""
MAX_TRIES = 2
"""Number of workers that may crash on a job, or lack memory for it, before the job fails."""
SANDBOX = Sandbox("")
"""The default sandbox, with workers' folders among the system's temporary files."""
MAX_RESERVATIONS = 4
"""Number of times that a job may ask for more memory; the last time it gets all that there is."""
LARGE_BYTES = 256 << 20
"""A worker uses more than this only if an earlier job was large."""

log = logging.getLogger(__name__)


class CancelToken:
    """State of a job that its caller and executor share: started, cancelled, overdue."""

    __slots__ = (
        "batch_size",
        "cancelled",
        "on_progress",
        "on_start",
        "overdue",
        "requeued",
        "started",
        "started_at",
    )

    def __init__(
        self, on_start: Callable[[], None] | None = None, on_progress: OnProgress | None = None
    ) -> None:
        """`on_start` is called whenever a worker takes the job. If a worker dies, another takes it and
        progress restarts from 0."""
        self.on_start = on_start
        self.on_progress = on_progress
        self.requeued = False
        """Whether the job had a worker before, which puts it at the front of its priority."""
        self.batch_size = 1
        """Number of jobs in the worker's batch, including this one."""
        self.started = False
        """Whether a worker has taken the job; until then, cancelling it costs nothing."""
        self.started_at = math.inf
        """When a worker last took it, by `time.monotonic`."""
        self.cancelled = False
        """Set by the caller before it cancels the job. No worker will take the job, so the caller may report
        that it never started."""
        self.overdue = False
        """Set by the caller before it cancels a job whose deadline has passed; it may hold up its batch."""

    def start(self) -> None:
        """Records that a worker has taken the job."""
        self.started, self.started_at = True, time.monotonic()
        if self.on_start is not None:
            self.on_start()

    def progress(self, fraction: float, stage: str) -> None:
        """Reports the workload's progress, 0 to 1."""
        if self.on_progress is not None:
            self.on_progress(fraction, stage)


class Job(Struct, frozen=True, eq=False):
    """One run of a workload."""

    workload: Workload
    params: Params
    """Parsed by `workload`."""
    inputs: Sequence[Input] = ()
    deadline: float = math.inf
    """By `time.monotonic`; includes time in queues."""
    priority: str = "normal"
    """One of PRIORITIES."""
    out_dir: Path | None = None
    """An existing folder where output files are written under their SHA-256 and returned as paths; None
    returns them as bytes."""
    token: CancelToken = msgspec.field(default_factory=CancelToken)

    @classmethod
    def parse(
        cls,
        workload: Workload,
        params: Mapping[str, Any],
        inputs: Sequence[Input] = (),
        *,
        deadline_s: float | None = None,
        priority: str = "normal",
        out_dir: Path | None = None,
        token: CancelToken | None = None,
    ) -> Job:
        """Returns a job whose deadline is in `deadline_s` seconds. Raises WorkloadError `bad_params`."""
        workload.check_inputs(len(inputs))
        parsed = workload.parse(dict(params))
        if priority not in PRIORITIES:
            reason = text(
                "priority is one of {priorities}, not {priority}",
                priorities=[*PRIORITIES],
                priority=repr(priority),
            )
            raise WorkloadError("bad_params", reason)
        deadline = math.inf if deadline_s is None else time.monotonic() + deadline_s
        return cls(workload, parsed, inputs, deadline, priority, out_dir, token or CancelToken())

    @property
    def expired(self) -> bool:
        """Whether the deadline has passed."""
        return time.monotonic() >= self.deadline

    def timeout(self) -> asyncio.Timeout:
        """Returns a context manager that raises TimeoutError at the deadline."""
        return asyncio.timeout(None if self.deadline == math.inf else self.deadline - time.monotonic())

    def deadline_exceeded(self) -> WorkloadError:
        """Returns the error for a job whose deadline has passed."""
        return WorkloadError("deadline_exceeded", text("wasn't done before its deadline"), names(self.inputs))


class ExecutorResult(Struct, frozen=True):
    """A job's result and resource use."""

    value: Any
    files: Sequence[ResultFile]
    queued_ms: float
    """Milliseconds until a worker started."""
    run_ms: float
    device: str
    batch: int = 1
    """Size of the batch. `run_ms` is this job's share."""
    reason: AnyText = ""
    """Why this device was chosen; empty if there was no choice."""
    cpu_ms: float = 0.0
    """The worker's CPU time within `run_ms`; equal to it if the system's clock is too coarse."""


class Executor(Protocol):
    async def start(self) -> None:
        """Starts the workers without waiting until they are warm. Raises OSError."""

    async def run(self, job: Job) -> ExecutorResult:
        """Runs one job. Cancelling the awaiting task ends the job, wherever it is.

        Raises WorkloadError: the workload's own, `deadline_exceeded`, `worker_crashed`, `shutting_down`, or
        `internal`, with details in the log.
        """

    async def close(self) -> None:
        """Ends all jobs and workers."""


class PackedJob(Protocol):
    @property
    def packed(self) -> msgspec.Raw:
        """The result of `packed_item`."""


class BatchExecutor(Executor, Protocol):
    """An executor that can also run several jobs of a workload at once."""

    async def run_batch(
        self,
        workload: Workload,
        take: Callable[[], Sequence[PackedJob]],
        *,
        priority: str,
        out_dir: Path | None,
    ) -> Sequence[ExecutorResult | WorkloadError]:
        """Runs the jobs that `take` returns once a worker is free, and returns their outcomes.

        Cancelling the awaiting task ends the whole batch. Raises WorkloadError `worker_crashed` or
        `shutting_down`, for which no job is to blame.
        """


def cores() -> int:
    """Returns the number of cores that this process may use; a container may limit them."""
    if sys.version_info >= (3, 13):
        return os.process_cpu_count() or 1
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class LocalExecutor:
    """Runs jobs in worker processes on this machine. One that crashes or hangs doesn't affect the others."""

    def __init__(
        self,
        workers: int,
        limits: Limits,
        memory_mib: int,
        *,
        keep_mib: int = 0,
        idle_s: float = 0.0,
        env: Mapping[str, str] | None = None,
        warm: Sequence[str] = WARM,
        sandbox: Sandbox | None = SANDBOX,
        budget: MemoryBudget | None = None,
    ) -> None:
        """`workers` 0 means one per core, `memory_mib` 0 unlimited. Unless `keep_mib` is 0, a worker that
        uses more than that after a job is replaced. With `idle_s`, workers start when jobs wait and end after
        that many idle seconds. `env` is added to the workers' environment. `sandbox` restricts them on Linux;
        its `folder` is where each worker gets its own, best on the disk of the outputs. `budget` is the
        memory of all workers together, of other executors, too."""
        self._limits = limits
        if sandbox is not None:
            more = (*sandbox.writable, *WRITABLE)
            sandbox = msgspec.structs.replace(sandbox, writable=more) if sys.platform == "linux" else None
        setup = Setup(limits, memory_mib, tuple(warm), sandbox)
        warm_up = _frame(Job(workload.echo.workload, workload.Echo()))
        self.pool = Pool(
            workers or cores(), setup, env or {}, keep_mib, idle_s=idle_s, warm_up=warm_up, budget=budget
        )

    async def start(self) -> None:
        await self.pool.start()

    async def ready(self) -> None:
        """Waits until every worker is warm, since imports would count towards the deadlines of jobs."""
        idle = Job(workload.echo.workload, workload.Echo())
        # Each worker is leased once before any is leased twice. Errors here would recur in a job.
        await asyncio.gather(*(self._ask(idle) for _ in self.pool.pids), return_exceptions=True)

    async def close(self) -> None:
        await self.pool.close()

    async def run(self, job: Job) -> ExecutorResult:
        if job.workload.inline:
            job.token.start()
            return _run_here(job, self._limits)
        try:
            async with job.timeout():
                return _result(job.workload, *await self._ask(job))
        except TimeoutError:
            raise job.deadline_exceeded() from None

    async def run_batch(
        self,
        workload: Workload,
        take: Callable[[], Sequence[PackedJob]],
        *,
        priority: str,
        out_dir: Path | None,
    ) -> Sequence[ExecutorResult | WorkloadError]:
        begin = time.perf_counter()
        worker = await self.pool.acquire(priority)
        queued = (time.perf_counter() - begin) * 1000
        try:
            if not (parts := take()):
                self.pool.release(worker)
                return []
            reply = await worker.ask(_batch_frame(workload, parts, out_dir), workload.name)
            assert isinstance(reply, BatchReply)
            outcomes = [await _with_moved_files(one, worker, out_dir) for one in reply.replies]
        except WorkerDied as error:
            self.pool.discard(worker)
            raise WorkloadError("worker_crashed", str(error)) from None
        except BaseException:
            self.pool.discard(worker)
            raise
        full = _is_full(worker, outcomes)
        self._release(worker, outcomes, full)
        replies = outcomes if full else map(_final, outcomes)
        return [_outcome(workload, one, queued, len(parts)) for one in replies]

    async def _ask(self, job: Job) -> tuple[Reply, float]:
        """Returns a worker's reply, and the milliseconds until a worker and its memory were free."""
        reply, queued = await self._try(job)
        for again in range(MAX_RESERVATIONS):
            if not isinstance(reply, Failed) or reply.fault != "budget":
                break
            # An image may be larger than the first that was.
            last = again == MAX_RESERVATIONS - 1
            size = max(reply.needed, self.pool.budget.capacity) if last else reply.needed
            begin = time.perf_counter()
            async with self.pool.budget.reserve(size, reply.reason, reply.name or names(job.inputs)):
                waited = (time.perf_counter() - begin) * 1000
                reply, more = await self._try(job, size)
                queued += waited + more
        return reply, queued

    async def _try(self, job: Job, granted: int = 0) -> tuple[Reply, float]:
        """Like `_ask`, but the reply may be that the job needs more memory than `granted`, in bytes."""
        frame = _frame(job, granted)
        queued = 0.0
        died = ""
        for tried in range(1, MAX_TRIES + 1):
            begin = time.perf_counter()
            worker = await self.pool.acquire(job.priority, again=job.token.requeued or tried > 1)
            queued += (time.perf_counter() - begin) * 1000
            try:
                job.token.start()
                reply = await worker.ask(frame, job.workload.name, job.token.progress)
                assert not isinstance(reply, BatchReply)
                reply = await _with_moved_files(reply, worker, job.out_dir)
            except WorkerDied as error:
                self.pool.discard(worker)
                if worker.shortage:
                    raise WorkloadError("too_large", worker.shortage, names(job.inputs)) from None
                died = str(error)
            except asyncio.CancelledError:
                self.pool.stop(worker)
                raise
            except BaseException:
                self.pool.discard(worker)
                raise
            else:
                full = tried < MAX_TRIES and _is_full(worker, [reply])
                self._release(worker, [reply], full)
                if not full:
                    return reply, queued
        raise WorkloadError("worker_crashed", died, names(job.inputs))

    def _release(self, worker: Worker, replies: Sequence[Reply], full: bool) -> None:
        """Returns a worker to the pool. It is replaced if it is `full` or its GPU is gone, as a new process
        may get the GPU back."""
        if any(isinstance(one, Failed) and one.fault == "gone" for one in replies):
            self.pool.discard(worker)
        elif full:
            self.pool.discard(worker, "memory")
        else:
            self.pool.release(worker)


_DIGEST = re.compile(r"[0-9a-f]{64}")


async def _with_moved_files(reply: Reply, worker: Worker, out_dir: Path | None) -> Reply:
    """Moves new files from a worker's own folder to `out_dir`; returns the reply with their paths there.

    The worker may be in the power of a file that it has read: it can't name other files, nor replace one that
    exists.
    """
    if out_dir is None or worker.folder is None or isinstance(reply, Failed) or not reply.files:
        return reply
    files: list[ResultFile] = []
    moved: set[str] = set()
    for file in reply.files:
        source, target = worker.folder / file.sha256, os.path.join(out_dir, file.sha256)
        try:
            if not _DIGEST.fullmatch(file.sha256):
                raise OSError(errno.EBADMSG, os.strerror(errno.EBADMSG))
            # Files with the same contents are one.
            fresh = file.fresh and file.sha256 not in moved and await _move(source, target, file.size)
        except OSError as error:
            code = "storage_full" if error.errno in NO_ROOM else "internal"
            said = (error.strerror or str(error)).lower()
            return Failed(code, text("the file {file} can't be written ({said})", file=file.name, said=said))
        moved.add(file.sha256)
        files.append(msgspec.structs.replace(file, path=target, fresh=fresh))
    return msgspec.structs.replace(reply, files=files)


async def _move(source: Path, target: str, size: int) -> bool:
    """Moves a file unless `target` exists with the same size. Returns whether it did. Raises OSError."""
    found = os.lstat(source)
    if not stat.S_ISREG(found.st_mode) or found.st_size != size:
        raise OSError(errno.EBADMSG, os.strerror(errno.EBADMSG))
    with contextlib.suppress(FileNotFoundError):
        # After a power failure, an empty file may have this name.
        if os.stat(target).st_size == size:
            os.utime(target)
            os.unlink(source)
            return False
    try:
        os.rename(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        draft = os.path.join(os.path.dirname(target), f".{uuid.uuid4().hex}.part")
        try:
            await asyncio.to_thread(shutil.copyfile, source, draft)
            os.rename(draft, target)
        finally:
            for name in (draft, source):
                with contextlib.suppress(OSError):
                    os.unlink(name)
    return True


def _is_full(worker: Worker, replies: Sequence[Reply]) -> bool:
    """Whether a job lacks memory that this worker's earlier jobs took and a new process may have."""
    wanting = any(isinstance(one, Failed) and one.fault == "process" for one in replies)
    return wanting and worker.last_memory > LARGE_BYTES


def _final(reply: Reply) -> Reply:
    """Marks a lack of memory as final, since a new process would have no more."""
    if isinstance(reply, Failed) and reply.fault == "process":
        return msgspec.structs.replace(reply, fault="")
    return reply


def _frame(job: Job, granted: int = 0) -> bytes:
    """Returns the frame for a worker. Raises WorkloadError `bad_params` for values that msgpack lacks."""
    inputs = [JobInput.of(one) for one in job.inputs]
    out_dir = None if job.out_dir is None else str(job.out_dir)
    return pack(_encoded(JobFrame(job.workload.target, job.params, inputs, out_dir, granted)))


def _batch_frame(workload: Workload, parts: Sequence[PackedJob], out_dir: Path | None) -> bytes:
    items = [part.packed for part in parts]
    return pack(PackedBatchFrame(workload.target, items, None if out_dir is None else str(out_dir)))


def packed_item(job: Job) -> msgspec.Raw:
    """Encodes the job as part of a batch. Raises WorkloadError `bad_params`."""
    return _encoded(JobItem(job.params, [JobInput.of(one) for one in job.inputs]))


def _encoded(message: Struct) -> msgspec.Raw:
    try:
        return msgspec.Raw(msgspec.msgpack.encode(message))
    except UnicodeEncodeError:
        raise WorkloadError("bad_params", text("a text isn't valid Unicode")) from None
    except OverflowError:
        raise WorkloadError("bad_params", text("a whole number has more than 64 bits")) from None


def _outcome(
    workload: Workload, reply: Reply, queued_ms: float, batch: int
) -> ExecutorResult | WorkloadError:
    try:
        return msgspec.structs.replace(_result(workload, reply, queued_ms), batch=batch)
    except WorkloadError as error:
        return error


def _result(workload: Workload, reply: Reply, queued_ms: float) -> ExecutorResult:
    if isinstance(reply, Failed):
        if reply.trace:
            log.error("%s failed on %s\n%s", workload.name, reply.name or "no input", reply.trace)
        raise WorkloadError(reply.code, reply.reason, reply.name, fault=reply.fault, step=reply.step)
    run, cpu = reply.run_ms, reply.cpu_ms
    return ExecutorResult(reply.value, reply.files, queued_ms, run, reply.device, cpu_ms=cpu)


def _run_here(job: Job, limits: Limits) -> ExecutorResult:
    """Runs an inline workload in this process. Converts its exceptions to WorkloadError."""
    begin = time.perf_counter()
    try:
        # A plugin's output must not mix with the program's own.
        with contextlib.redirect_stdout(sys.stderr):
            output = validate_output(job.workload.load()(job.inputs, job.params, limits))
    except WorkloadError:
        raise
    # Third-party code may raise anything; only its own job may fail.
    except (Exception, SystemExit) as error:
        log.exception("%s failed on %s", job.workload.name, names(job.inputs) or "no input")
        reason = text("the workload failed ({name})", name=type(error).__name__)
        raise WorkloadError("internal", reason, names(job.inputs)) from None
    files = output_files(output, job.out_dir)
    return ExecutorResult(output.value, files, 0.0, (time.perf_counter() - begin) * 1000, DEVICE)
