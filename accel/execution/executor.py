"""Executor protocol, Job record with CancelToken, LocalExecutor."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from accel import workload
from accel.execution.pool import PRIORITIES, Pool, Worker, WorkerDied
from accel.execution.protocol import (
    DEVICE,
    BatchReply,
    Failed,
    Job,
    JobInput,
    JobItem,
    PackedBatch,
    Reply,
    ResultFile,
    Setup,
    pack,
)
from accel.execution.worker import result_file, store_output
from accel.progress import OnProgress
from accel.text import text
from accel.workload import Input, Limits, Output, Workload, WorkloadError, names, validate_output


class CancelToken:
    """Given to `Executor.run`, which keeps `begun` and says how far the job is.

    Whoever gives up the job says so with `unwanted`, and why with `overdue`.
    """

    __slots__ = ("again", "among", "begun", "on_begin", "on_progress", "overdue", "since", "unwanted")

    def __init__(
        self, on_begin: Callable[[], None] | None = None, on_progress: OnProgress | None = None
    ) -> None:
        """`on_begin` is called each time that a worker takes the job: once more where the first has died, and
        then what `on_progress` is told begins anew, too."""
        self.on_begin = on_begin
        self.on_progress = on_progress
        self.again = False
        """Whether it has had its turn for a worker before: it comes first in its class."""
        self.among = 1
        """How many jobs its worker took together, with itself."""
        self.begun = False
        """Whether a worker has taken the job: until then it can be cancelled at no cost."""
        self.since = math.inf
        """When a worker has taken it, the last one, by `time.monotonic`."""
        self.unwanted = False
        """Set before the job is cancelled: no worker takes it any more, so that it may be said never to have
        begun."""
        self.overdue = False
        """Set before the job is cancelled because its deadline has passed: it may be what holds up others."""

    def begin(self) -> None:
        """A worker has taken the job."""
        self.begun, self.since = True, time.monotonic()
        if self.on_begin is not None:
            self.on_begin()

    def progress(self, fraction: float, stage: str) -> None:
        """The workload has come so far, 0 to 1."""
        if self.on_progress is not None:
            self.on_progress(fraction, stage)


WARM = ("accel.image.inspect",)
"""What a worker imports before its first job: the costly ones."""

TRIES = 2
"""How many workers a job may cost before it is blamed itself: by crashing them, or as they have no memory
left."""

MUCH = 256 << 20
"""What a worker that hasn't done anything large never holds, bytes."""

log = logging.getLogger(__name__)


class ExecutorResult(Struct, frozen=True):
    """What a workload gave, and what it took."""

    value: Any
    files: Sequence[ResultFile]
    queued_ms: float
    """From the call until a worker began."""
    run_ms: float
    device: str
    batch: int = 1
    """How many jobs ran together, this one included; `run_ms` is its share."""
    reason: str = ""
    """Why on this device, for people; empty where there was nothing to choose."""
    cpu_ms: float = 0.0
    """Of `run_ms` what the worker computed, without what other work on the machine took of it; the same where
    the system counts too coarsely."""


class Executor(Protocol):
    """Runs workloads somewhere."""

    async def start(self) -> None:
        """Makes ready; returns before the workers are warm. Raises OSError."""

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
        """Runs one workload. Cancelling the awaiting task ends the job, wherever it is.

        `deadline_s` counts from the call, time in the queue included. `priority` is `interactive`,
        `normal` or `bulk`. With `out_dir`, an existing folder, output files are written there under
        their SHA-256 and come back as paths, else as bytes. `watch` is told once a worker has begun, and how
        far the job is where the workload says so.

        Raises WorkloadError: the workload's own, or `bad_params`, `deadline_exceeded`,
        `worker_crashed`, `shutting_down`, or `internal`, whose details are in the log.
        """

    async def close(self) -> None:
        """Ends all jobs and workers."""


class Part(Protocol):
    """A job of a batch."""

    @property
    def packed(self) -> msgspec.Raw:
        """By `packed_item`."""


class BatchExecutor(Executor, Protocol):
    """Runs several jobs of a workload as one, too."""

    async def run_batch(
        self,
        workload: Workload,
        take: Callable[[], Sequence[Part]],
        *,
        priority: str,
        out_dir: Path | None,
    ) -> Sequence[ExecutorResult | WorkloadError]:
        """What each of the jobs comes to that `take` gives once a worker is free; none if it gives none.

        Cancelling the awaiting task ends the whole batch. Raises WorkloadError where that was no job's own
        fault: `worker_crashed` or `shutting_down`.
        """


def cores() -> int:
    """How many cores this process may use: fewer than the machine has where a container limits it."""
    if sys.version_info >= (3, 13):
        return os.process_cpu_count() or 1
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class LocalExecutor:
    """Worker processes on this machine; a job that crashes or hangs costs itself alone."""

    def __init__(
        self,
        workers: int,
        limits: Limits,
        memory_mib: int,
        *,
        keep_mib: int = 0,
        env: Mapping[str, str] | None = None,
        warm: Sequence[str] = WARM,
    ) -> None:
        """`workers` 0 is one per core; `memory_mib` 0 is no limit. A worker that still holds more than
        `keep_mib` after a job is replaced; 0 keeps it. `env` adds to the workers' environment."""
        self._limits = limits
        self._pool = Pool(workers or cores(), Setup(limits, memory_mib, tuple(warm)), env or {}, keep_mib)

    @property
    def pool(self) -> Pool:
        """The processes, for whoever shows their state."""
        return self._pool

    async def start(self) -> None:
        await self._pool.start()

    async def ready(self) -> None:
        """Waits until every worker is warm: what they import first counts against the deadlines of jobs."""
        idle = pack(Job(f"{workload.__name__}:echo", {}, [], None))
        # All of them are lent before the first can be lent once more. One that fails fails in a job as well.
        asked = (self._ask(idle, "normal", (), "") for _ in self._pool.pids)
        await asyncio.gather(*asked, return_exceptions=True)

    async def close(self) -> None:
        await self._pool.close()

    async def run(
        self,
        workload: Workload,
        params: Mapping[str, Any],
        inputs: Sequence[Input],
        *,
        deadline_s: float | None,
        priority: str = "normal",
        out_dir: Path | None = None,
        watch: CancelToken | None = None,
    ) -> ExecutorResult:
        """As `Executor.run`; None is no deadline."""
        workload.check_inputs(len(inputs))
        parsed = workload.parse(dict(params))
        if workload.inline:
            if watch is not None:
                watch.begin()
            return _run_here(workload, parsed, inputs, self._limits, out_dir)
        if priority not in PRIORITIES:
            raise WorkloadError(
                "bad_params",
                text(
                    "priority is one of {priorities}, not {priority}",
                    priorities=[*PRIORITIES],
                    priority=repr(priority),
                ),
            )
        job = _frame(workload, params, inputs, out_dir)
        try:
            async with asyncio.timeout(deadline_s):
                asked = self._ask(job, priority, inputs, workload.name, watch)
                return _result(workload, *await asked)
        except TimeoutError:
            assert deadline_s is not None
            reason = text("wasn't done within {deadline_s} ms", deadline_s=f"{(deadline_s * 1000):.0f}")
            raise WorkloadError("deadline_exceeded", reason, names(inputs)) from None

    async def run_batch(
        self,
        workload: Workload,
        take: Callable[[], Sequence[Part]],
        *,
        priority: str,
        out_dir: Path | None,
    ) -> Sequence[ExecutorResult | WorkloadError]:
        begin = time.perf_counter()
        worker = await self._pool.acquire(priority)
        queued = (time.perf_counter() - begin) * 1000
        try:
            if not (parts := take()):
                self._pool.release(worker)
                return []
            reply = await worker.ask(_batch_frame(workload, parts, out_dir), workload.name)
            assert isinstance(reply, BatchReply)
        except WorkerDied as error:
            self._pool.discard(worker)
            raise WorkloadError("worker_crashed", str(error)) from None
        except BaseException:
            self._pool.discard(worker)
            raise
        full = _is_full(worker, reply.replies)
        self._took_back(worker, reply.replies, full)
        replies = reply.replies if full else map(_final, reply.replies)
        return [_outcome(workload, one, queued, len(parts)) for one in replies]

    async def _ask(
        self, job: bytes, priority: str, inputs: Sequence[Input], doing: str, watch: CancelToken | None = None
    ) -> tuple[Reply, float]:
        """A worker's reply, and the milliseconds until one was free."""
        queued = 0.0
        died = ""
        watch = watch or CancelToken()
        for tried in range(1, TRIES + 1):
            begin = time.perf_counter()
            worker = await self._pool.acquire(priority, again=watch.again or tried > 1)
            queued += (time.perf_counter() - begin) * 1000
            try:
                watch.begin()
                reply = await worker.ask(job, doing, watch.progress)
                assert not isinstance(reply, BatchReply)
            except WorkerDied as error:
                self._pool.discard(worker)
                died = str(error)
            except asyncio.CancelledError:
                self._pool.stop(worker)
                raise
            except BaseException:
                self._pool.discard(worker)
                raise
            else:
                full = tried < TRIES and _is_full(worker, [reply])
                self._took_back(worker, [reply], full)
                if not full:
                    return reply, queued
        raise WorkloadError("worker_crashed", died, names(inputs))

    def _took_back(self, worker: Worker, replies: Sequence[Reply], full: bool) -> None:
        """For the next job, unless it is too full for this one; a process whose GPU is gone never gets it
        back, another may."""
        if any(isinstance(one, Failed) and one.fault == "gone" for one in replies):
            self._pool.discard(worker)
        elif full:
            self._pool.discard(worker, "memory")
        else:
            self._pool.release(worker)


def _is_full(worker: Worker, replies: Sequence[Reply]) -> bool:
    """Whether another process may have the memory that this one has given to earlier jobs."""
    wanting = any(isinstance(one, Failed) and one.fault == "process" for one in replies)
    return wanting and worker.held_idle > MUCH


def _final(reply: Reply) -> Reply:
    """One that no other process would better."""
    if isinstance(reply, Failed) and reply.fault == "process":
        return msgspec.structs.replace(reply, fault="")
    return reply


def _frame(
    workload: Workload, params: Mapping[str, Any], inputs: Sequence[Input], out_dir: Path | None
) -> bytes:
    given = [JobInput.of(one) for one in inputs]
    job = Job(workload.target, dict(params), given, None if out_dir is None else str(out_dir))
    return pack(msgspec.Raw(_encoded(job)))


def _batch_frame(workload: Workload, parts: Sequence[Part], out_dir: Path | None) -> bytes:
    items = [part.packed for part in parts]
    return pack(PackedBatch(workload.target, items, None if out_dir is None else str(out_dir)))


def packed_item(params: Mapping[str, Any], inputs: Sequence[Input]) -> msgspec.Raw:
    """A job as a part of a batch. Raises WorkloadError `bad_params`."""
    return msgspec.Raw(_encoded(JobItem(dict(params), [JobInput.of(one) for one in inputs])))


def _encoded(message: msgspec.Struct) -> bytes:
    try:
        return msgspec.msgpack.encode(message)
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


def _run_here(
    workload: Workload, params: Any, inputs: Sequence[Input], limits: Limits, out_dir: Path | None
) -> ExecutorResult:
    begin = time.perf_counter()
    output = _called_here(workload, inputs, params, limits)
    files = [result_file(file) if out_dir is None else store_output(file, out_dir) for file in output.files]
    return ExecutorResult(output.value, files, 0.0, (time.perf_counter() - begin) * 1000, DEVICE)


def _called_here(workload: Workload, inputs: Sequence[Input], params: Any, limits: Limits) -> Output:
    """What a workload gives in this process. Raises WorkloadError for whatever it raises."""
    try:
        # What a plugin prints is no line of a program's output.
        with contextlib.redirect_stdout(sys.stderr):
            return validate_output(workload.load()(inputs, params, limits))
    except WorkloadError:
        raise
    # A third party's code may raise anything: it costs its own job alone.
    except (Exception, SystemExit) as error:
        log.exception("%s failed on %s", workload.name, names(inputs) or "no input")
        reason = text("the workload failed ({name})", name=type(error).__name__)
        raise WorkloadError("internal", reason, names(inputs)) from None
