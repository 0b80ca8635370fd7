"""The worker process: reads frames, runs jobs and batches, and writes output files."""

from __future__ import annotations

import contextlib
import errno
import faulthandler
import hashlib
import importlib
import logging
import os
import signal
import sys
import threading
import time
import traceback
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue
from types import ModuleType
from typing import IO, Any, NoReturn, Protocol

import msgspec
import psutil
from msgspec import Raw

from accel.atomic_file import replace_file
from accel.confinement import opened
from accel.devices.report import FULL, DeviceGone, fault_of, uses_device
from accel.execution import pool
from accel.execution.protocol import (
    DEVICE,
    HEADER,
    BatchFrame,
    Cancel,
    Done,
    Failed,
    JobFrame,
    JobInput,
    JobItem,
    PackedBatchReply,
    Progress,
    ResultFile,
    Setup,
    jobs,
    pack,
    setups,
    writable,
)
from accel.execution.sandbox import close_inherited, is_refusal, restrict
from accel.memory import Claims, claimed_from
from accel.progress import Cancelled, OnProgress, reported_to
from accel.text import AnyText, Text, text
from accel.workload import (
    Batching,
    Input,
    Item,
    Limits,
    Outcome,
    Output,
    OutputFile,
    Workload,
    WorkloadError,
    file_error_code,
    load,
    names,
    validate_output,
)

_ending = threading.Lock()


class FrameSource(Protocol):
    """Frames from a parent that sends the next one only after the reply."""

    def take(self) -> bytes:
        """Waits for the next frame and returns it."""

    def idle(self) -> bool:
        """Whether no frame is waiting."""


def open_frame_source(requests: IO[bytes]) -> FrameSource:
    return PolledFrames(requests) if sys.platform == "linux" else QueuedFrames(requests)


class PolledFrames:
    """For Linux: the main thread reads, and another only waits for a hangup."""

    def __init__(self, requests: IO[bytes]) -> None:
        self._requests = requests
        # With too little memory for a thread, the first job is refused, and prctl(2) ends the process.
        with contextlib.suppress(RuntimeError, MemoryError):
            threading.Thread(target=_end_after, args=(requests.fileno(),), daemon=True).start()

    def take(self) -> bytes:
        return _next(self._requests)

    def idle(self) -> bool:
        import select

        readable, _, _ = select.select([self._requests], [], [], 0)
        return not readable


class QueuedFrames:
    """For other systems, which report a hangup only to readers: a second thread reads (0.03 ms per job)."""

    def __init__(self, requests: IO[bytes]) -> None:
        self._frames: SimpleQueue[bytes] = SimpleQueue()
        threading.Thread(target=self._read, args=(requests,), daemon=True).start()

    def take(self) -> bytes:
        return self._frames.get()

    def idle(self) -> bool:
        return self._frames.empty()

    def _read(self, requests: IO[bytes]) -> None:
        while True:
            self._frames.put(_next(requests))


def _end_after(fd: int) -> None:
    """Ends the process when the other end of the pipe closes."""
    if sys.platform == "linux":
        import select

        waiting = select.poll()
        # With no event requested, poll(2) reports only a hangup.
        waiting.register(fd, 0)
        waiting.poll()
        _end()


def _next(requests: IO[bytes]) -> bytes:
    header = requests.read(HEADER)
    size = int.from_bytes(header, "big")
    body = requests.read(size)
    if len(header) < HEADER or len(body) < size:
        # The parent is gone, so nobody waits for a reply.
        _end()
    return body


def _end() -> NoReturn:
    """Ends the process. A second thread that calls it waits."""
    # Both threads notice a hangup, but exit hooks (such as coverage's) must not run twice.
    with _ending:
        os._exit(0)


NO_ROOM = frozenset(getattr(errno, name) for name in ("ENOSPC", "EDQUOT") if hasattr(errno, name))
"""Error numbers for a full disk or quota."""


def result_file(file: OutputFile) -> ResultFile:
    """Returns the file with its digest, in memory."""
    digest = hashlib.sha256(file.data).hexdigest()
    return ResultFile(file.name, file.media_type, len(file.data), digest, data=file.data)


def store_output(file: OutputFile, folder: str | Path, staging: str = "") -> ResultFile:
    """Writes the file to `folder`, named by its digest. If it exists, its modification time is updated. A new
    file is left in the folder `staging`, if given.

    Raises WorkloadError if it can't be written: `storage_full` on a full disk, `out_of_descriptors`, or
    `internal`.
    """
    digest = hashlib.sha256(file.data).hexdigest()
    # A string, because building a `Path` takes longer than the system call.
    path = os.path.join(folder, digest)
    try:
        if is_new := not _touch(path, len(file.data)):
            path = os.path.join(staging or folder, digest)
            _write(Path(path), file.data)
    except OSError as error:
        code = "storage_full" if error.errno in NO_ROOM else file_error_code(error, "internal")
        reason = (error.strerror or str(error)).lower()
        raise WorkloadError(
            code, text("the file {file} can't be written ({said})", file=file.name, said=reason)
        ) from None
    return ResultFile(file.name, file.media_type, len(file.data), digest, path=path, fresh=is_new)


def _touch(path: str, size: int) -> bool:
    """Updates the modification time of a file, so that it isn't deleted as old. Returns whether it exists."""
    try:
        # After a power failure, an empty file may have this name.
        if os.stat(path).st_size != size:
            return False
        os.utime(path)
    except FileNotFoundError:
        return False
    except PermissionError:
        # A file that can't be touched can't be deleted either.
        return True
    return True


def _write(path: Path, data: bytes) -> None:
    draft = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        draft.write_bytes(data)
        # On Windows this fails if another worker has just written the file and a process has it open.
        replace_file(draft, path, done=path.is_file)
    finally:
        # Sweeping the folder deletes whatever remains.
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


COARSE_CPU_CLOCK = sys.platform == "win32"
"""Windows counts CPU time in steps of 16 ms, which is too coarse for short jobs."""

MIN_FREE_BYTES = 64 << 20
"""Address space needed to open libraries and models."""

WORKLOAD_ERRORS = (Exception, SystemExit, KeyboardInterrupt)
"""Exceptions that a workload may raise; a library may call sys.exit."""

Duration = tuple[float, float]
"""Milliseconds of wall time and CPU time."""

log = logging.getLogger(__name__)


class Stopwatch:
    def __init__(self) -> None:
        self._begin, self._cpu = time.perf_counter(), time.process_time()

    def share(self, parts: int = 1) -> Duration:
        """Returns the time since creation, divided by `parts`."""
        run = (time.perf_counter() - self._begin) * 1000 / parts
        if COARSE_CPU_CLOCK:
            return run, run
        return run, (time.process_time() - self._cpu) * 1000 / parts


def run(frame: JobFrame | BatchFrame, setup: Setup, listener: OnProgress | None = None) -> bytes:
    """Runs a job or batch and returns the encoded reply. Errors become a `Failed`.

    `listener` is called with the progress of a single job.
    """
    if isinstance(frame, BatchFrame):
        return pack(PackedBatchReply(_several(frame, setup)))
    claims = Claims(max(frame.granted, setup.free), limit=setup.memory_mib << 20)
    with reported_to(listener), claimed_from(claims):
        return pack(_reply(frame.inputs, setup, claims, lambda inputs: _done(frame, inputs, setup, claims)))


def _several(batch: BatchFrame, setup: Setup) -> list[Raw]:
    workload = load(batch.target).workload
    assert workload.batching is not None
    watch = Stopwatch()
    claims = Claims(setup.free, workload.memory, setup.memory_mib << 20)
    with claimed_from(claims):
        outcomes = _outcomes(workload, workload.batching, batch.items, setup)
    share = watch.share(len(batch.items))

    def reply(item: JobItem, outcome: Outcome | BaseException) -> Raw:
        return _reply(
            item.inputs, setup, claims, lambda inputs: _batch_reply(outcome, batch.out_dir, setup, share)
        )

    return [reply(item, outcome) for item, outcome in zip(batch.items, outcomes, strict=True)]


def _outcomes(
    workload: Workload, batching: Batching, items: Sequence[JobItem], setup: Setup
) -> list[Outcome | BaseException]:
    """Runs items as one batch, in halves if memory is full, or one by one if that fails; returns their
    outcomes."""
    with contextlib.ExitStack() as files:
        parsed = [_parsed(workload, item, files) for item in items]
        good = [item for item in parsed if isinstance(item, Item)]
        result = iter(_at_once(workload, batching, good, setup.limits))
    return [next(result) if isinstance(item, Item) else item for item in parsed]


def _at_once(
    workload: Workload, batching: Batching, items: Sequence[Item], limits: Limits
) -> list[Outcome | BaseException]:
    try:
        return list(_checked(_together(batching.target)(items, limits), len(items)))
    # A plugin may raise anything because of one job; the others must still get their results.
    except WORKLOAD_ERRORS as error:
        fault = fault_of(error)
        if fault == "memory" and len(items) > 1:
            half = len(items) // 2
            log.info("%s: %d jobs at once need more memory than there is", workload.name, len(items))
            parts = (items[:half], items[half:])
            return [one for part in parts for one in _at_once(workload, batching, part, limits)]
        if fault == "gone":
            return [error] * len(items)
        message = "%s failed on %d jobs at once; they run one by one: %s"
        known = isinstance(error, WorkloadError)
        level = logging.INFO if known else logging.WARNING
        log.log(level, message, workload.name, len(items), error, exc_info=not known)
        return [_alone(workload, item, limits) for item in items]


def _together(target: str) -> Callable[[Sequence[Item], Limits], Sequence[Outcome]]:
    function: Any = load(target)
    return function  # type: ignore[no-any-return]


def _checked(outcomes: Sequence[Outcome], count: int) -> Sequence[Outcome]:
    if len(outcomes) != count:
        raise ValueError(f"the workload gave {len(outcomes)} outcomes for {count} jobs")
    return outcomes


def _alone(workload: Workload, item: Item, limits: Limits) -> Output | BaseException:
    try:
        return workload.load()(item.inputs, item.params, limits)
    # Third-party code may raise anything; only its own job may fail.
    except WORKLOAD_ERRORS as error:
        return error


def _parsed(workload: Workload, item: JobItem, files: contextlib.ExitStack) -> Item | WorkloadError:
    """Returns the item with its confined files open until `files` ends."""
    try:
        inputs = files.enter_context(opened([one.input() for one in item.inputs]))
        return Item(inputs, workload.decode(item.params))
    except WorkloadError as error:
        return error


def _done(frame: JobFrame, inputs: Sequence[Input], setup: Setup, claims: Claims) -> Done:
    function = load(frame.target)
    claims.factor = function.workload.memory
    # Load it before timing: a worker does this only once, so it isn't part of an expected run time.
    watch = Stopwatch()
    with opened(inputs) as files:
        output = validate_output(function(files, function.workload.decode(frame.params), setup.limits))
    return _timed(output, output_files(output, frame.out_dir, _staging(setup)), watch.share())


def _batch_reply(outcome: Outcome | BaseException, out_dir: str | None, setup: Setup, took: Duration) -> Done:
    if isinstance(outcome, BaseException):
        raise outcome
    output = validate_output(outcome)
    return _timed(output, output_files(output, out_dir, _staging(setup)), took)


def _staging(setup: Setup) -> str:
    return setup.sandbox.folder if setup.sandbox is not None else ""


def _timed(output: Output, files: list[Any], took: Duration) -> Done:
    run_ms, cpu_ms = took
    return Done(output.value, files, run_ms, DEVICE, cpu_ms)


def output_files(output: Output, out_dir: str | Path | None, staging: str = "") -> list[ResultFile]:
    """Stores the output's files in `out_dir`, or new ones in `staging`, or in memory if `out_dir` is None."""
    if out_dir is None:
        return [result_file(file) for file in output.files]
    return [store_output(file, out_dir, staging) for file in output.files]


def _call(work: Callable[[Sequence[Input]], Done], inputs: Sequence[Input]) -> Done:
    """Calls `work`. If it fails, closes files that its traceback keeps open."""
    try:
        return work(inputs)
    except WORKLOAD_ERRORS as error:
        failed: BaseException | None = error
        # Windows can't replace or delete an open file.
        while failed is not None:
            traceback.clear_frames(failed.__traceback__)
            failed = failed.__context__
        raise


def _reply(
    sources: Sequence[JobInput], setup: Setup, claims: Claims, work: Callable[[Sequence[Input]], Done]
) -> Raw:
    """Runs a job and returns its encoded reply."""
    inputs = [one.input() for one in sources]
    try:
        return Raw(msgspec.msgpack.encode(_call(work, inputs)))
    except WorkloadError as error:
        if error.code == "internal" and _is_full():
            return _too_large(inputs, setup)
        if error.code == "too_large" and claims.needed:
            return _failed(error.code, error.reason, error.name, fault="budget", needed=claims.needed)
        # An error with a cause comes from a plugin, and the log should show where.
        trace = traceback.format_exc() if error.code == "internal" and error.__cause__ else ""
        named = error.name or names(inputs)
        return _failed(error.code, error.reason, named, trace, fault=error.fault, step=error.step)
    # A worker replies to every job, even if it raises.
    except WORKLOAD_ERRORS as error:
        fault = fault_of(error)
        if uses_device() and fault:
            reason, code = (FULL, "too_large") if fault == "memory" else (_gone(error), "internal")
            return _failed(code, reason, names(inputs), fault=fault)
        if fault == "memory" or _is_full():
            return _too_large(inputs, setup)
        kind = type(error).__name__
        if setup.sandbox is not None and is_refusal(error):
            reason = text(
                "the workload failed ({name}): a worker can't write outside its own folder or use the "
                "network; the setting worker.sandbox turns this off",
                name=kind,
            )
            return _failed("unsupported", reason, names(inputs), traceback.format_exc())
        reason = text("the workload failed ({name})", name=kind)
        return _failed("internal", reason, names(inputs), traceback.format_exc())


def _failed(
    code: str,
    reason: AnyText,
    name: str,
    trace: str = "",
    *,
    fault: str = "",
    step: str = "",
    needed: int = 0,
) -> Raw:
    encodable = reason.map(writable) if isinstance(reason, Text) else writable(str(reason))
    failed = Failed(writable(code), encodable, writable(name), writable(trace), fault, step, needed)
    return Raw(msgspec.msgpack.encode(failed))


def _is_full() -> bool:
    """Whether the process has used nearly all of its address space. Libraries then fail in many ways, or
    report that a file is damaged."""
    if sys.platform != "linux":
        return False
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    # -1 means no limit.
    return 0 <= limit < int(psutil.Process().memory_info().vms) + MIN_FREE_BYTES


def _too_large(inputs: Sequence[Input], setup: Setup) -> Raw:
    reason = text("needs more memory than a worker may take")
    if setup.memory_mib:
        reason = text("{reason} ({memory} MiB)", reason=reason, memory=setup.memory_mib)
    return _failed("too_large", reason, names(inputs), fault="process")


def _gone(error: BaseException) -> Text:
    if isinstance(error, DeviceGone):
        return text("the GPU is gone ({reason})", reason=error)
    return text("the GPU is gone")


MAX_STEP_S = 30.0
"""Time limit for a step of background work. If it ends this worker, a waiting job goes to the next."""


class IdleTasks:
    """Background work that a worker process does while no job is waiting."""

    def __init__(self) -> None:
        self._waiting: deque[Iterator[None]] = deque()

    def later(self, steps: Iterator[None]) -> None:
        """Adds work that yields after each step, so that a job waits for one step at most. Errors end the
        process."""
        self._waiting.append(steps)

    def spend(self, idle: Callable[[], bool]) -> None:
        """Runs steps as long as `idle` returns true before each."""
        while self._waiting and idle():
            with _ended_after(MAX_STEP_S):
                try:
                    next(self._waiting[0])
                except StopIteration:
                    self._waiting.popleft()


@contextlib.contextmanager
def _ended_after(seconds: float) -> Iterator[None]:
    """Ends the process after `seconds`, even inside a library call that never returns."""
    with contextlib.suppress(OSError, ValueError, RuntimeError, AttributeError):  # if there is no stderr
        faulthandler.dump_traceback_later(seconds, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


SPARE = IdleTasks()
"""This process's background work."""


PR_SET_PDEATHSIG = 1
"""From prctl(2)."""

REPORT_S = 0.1
"""Minimum time between two progress reports of a job."""

NICE = 10
"""Nice value of workers."""


def main() -> None:
    """Runs jobs until stdin closes."""
    # Ctrl-C reaches the whole process group, but only the parent ends workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    close_inherited()
    end_with_parent()
    pool.suppress_error_dialogs()
    # libvips also logs the errors that it raises.
    logging.getLogger("pyvips").setLevel(logging.ERROR)
    lower_priority()
    requests, replies = _detach(0, "rb"), _detach(1, "wb")
    with contextlib.suppress(OSError, ValueError, AttributeError):  # if there is no stderr
        faulthandler.enable(all_threads=False)
    # Before a second thread starts, which would stay unrestricted.
    setup = setups.decode(_next(requests))
    limit_memory(setup.memory_mib)
    # Python may still write what it compiles of these.
    modules = [module for name in setup.warm if (module := imported(name)) is not None]
    if setup.sandbox is not None:
        try:
            restrict(setup.sandbox)
        except OSError as error:
            log.error("this worker process runs without a sandbox: %s", error)
    frames = open_frame_source(requests)
    for module in modules:
        warm(module)
    _serve(frames, replies, setup)


def _serve(frames: FrameSource, replies: IO[bytes], setup: Setup) -> None:
    # If the parent is gone, another thread ends the process. A worker without its GPU ends and is replaced.
    with contextlib.suppress(BrokenPipeError, DeviceGone):
        while True:
            job = jobs.decode(frames.take())
            # The job finished before it could be cancelled.
            if isinstance(job, Cancel):
                continue
            replies.write(run(job, setup, Reporter(frames, replies)))
            replies.flush()
            SPARE.spend(frames.idle)


class Reporter:
    """Sends a job's progress, and raises Cancelled if the job was cancelled."""

    def __init__(self, frames: FrameSource, replies: IO[bytes]) -> None:
        self._frames = frames
        self._replies = replies
        self._next = 0.0

    def __call__(self, fraction: float, stage: str) -> None:
        # During a job, the parent sends only cancellations.
        if not self._frames.idle():
            raise Cancelled
        now = time.monotonic()
        if now >= self._next:
            self._next = now + REPORT_S
            self._replies.write(pack(Progress(fraction, writable(stage))))
            self._replies.flush()


def _detach(fd: int, mode: str) -> IO[bytes]:
    """Moves stdin or stdout to another descriptor, because native libraries may read or print."""
    own = os.fdopen(os.dup(fd), mode)
    if fd == 1:
        os.dup2(2, 1)
        sys.stdout = sys.stderr
    else:
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, fd)
        os.close(null)
    return own


def end_with_parent() -> None:
    """Makes Linux end this process with its parent, even while native code holds the GIL."""
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def lower_priority() -> None:
    """Lowers this process's priority below that of the daemon and the editor."""
    lower = psutil.BELOW_NORMAL_PRIORITY_CLASS if sys.platform == "win32" else NICE
    with contextlib.suppress(psutil.Error, OSError):
        own = psutil.Process()
        if sys.platform == "win32" or own.nice() < lower:
            own.nice(lower)


def limit_memory(mib: int) -> None:
    """Limits this process's address space in MiB; 0 means unlimited."""
    if mib and sys.platform == "linux":
        import resource

        limit = mib << 20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def imported(name: str) -> ModuleType | None:
    """Imports a module before the first job. Returns None on an error, which the job will report."""
    with contextlib.suppress(Exception):
        return importlib.import_module(name)
    return None


def warm(module: ModuleType) -> None:
    """Calls the module's function `warm`, if it has one. Ignores errors, which a job will report."""
    with contextlib.suppress(Exception):
        ready = getattr(module, "warm", None)
        if ready is not None:
            ready()
