"""The worker process: read frames, run a job or batch, write outputs."""

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
from typing import IO, Any, NoReturn, Protocol

import msgspec
import psutil
from msgspec import Raw

from accel.atomic_file import replace_file
from accel.devices.report import FULL, DeviceGone, fault_of, is_device_error
from accel.execution import pool
from accel.execution.protocol import (
    DEVICE,
    HEADER,
    BatchFrame,
    Cancel,
    Done,
    Failed,
    JobFrame,
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
    load,
    names,
    validate_output,
)

_ending = threading.Lock()


class FrameSource(Protocol):
    """Frames of a parent that sends the next one when it has the reply to the last."""

    def take(self) -> bytes:
        """The next frame; waits for it."""

    def idle(self) -> bool:
        """Whether none waits."""


def open_frame_source(requests: IO[bytes]) -> FrameSource:
    """The frames of a pipe, or of a pair of sockets."""
    return PolledFrames(requests) if sys.platform == "linux" else QueuedFrames(requests)


class PolledFrames:
    """On Linux: whoever works reads, and a thread is only told of a hangup."""

    def __init__(self, requests: IO[bytes]) -> None:
        self._requests = requests
        threading.Thread(target=_end_after, args=(requests.fileno(),), daemon=True).start()

    def take(self) -> bytes:
        return _next(self._requests)

    def idle(self) -> bool:
        import select

        readable, _, _ = select.select([self._requests], [], [], 0)
        return not readable


class QueuedFrames:
    """Elsewhere one has to read to hear of a hangup; that a second thread must wake costs 0.03 ms a job."""

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
    """Ends the process once the other end is closed."""
    if sys.platform == "linux":
        import select

        waiting = select.poll()
        # No event is asked for: what remains is a hangup, which is always told (poll(2)).
        waiting.register(fd, 0)
        waiting.poll()
        _end()


def _next(requests: IO[bytes]) -> bytes:
    header = requests.read(HEADER)
    size = int.from_bytes(header, "big")
    body = requests.read(size)
    if len(header) < HEADER or len(body) < size:
        # The parent is gone, perhaps in the middle of a job: nobody is left to answer.
        _end()
    return body


def _end() -> NoReturn:
    """Ends the process; whoever comes second waits for that."""
    # A hangup is told to both threads, and what has a hook here (coverage's data file) isn't made for two.
    with _ending:
        os._exit(0)


NO_ROOM = frozenset(getattr(errno, name) for name in ("ENOSPC", "EDQUOT") if hasattr(errno, name))
"""How systems say that a disk is full."""


def result_file(file: OutputFile) -> ResultFile:
    """`file` with its digest, its bytes in memory."""
    digest = hashlib.sha256(file.data).hexdigest()
    return ResultFile(file.name, file.media_type, len(file.data), digest, data=file.data)


def store_output(file: OutputFile, folder: str | Path) -> ResultFile:
    """`file` with its digest, its bytes in `folder` under that name; one that is there is dated anew.

    Raises WorkloadError where it can't be written: `storage_full` on a full disk, else `internal`.
    """
    digest = hashlib.sha256(file.data).hexdigest()
    # As text: whoever asked waits, and for a file that is there `Path` takes longer than the system.
    path = os.path.join(folder, digest)
    try:
        if is_new := not _renewed(path, len(file.data)):
            _write(Path(path), file.data)
    except OSError as error:
        code = "storage_full" if error.errno in NO_ROOM else "internal"
        said = (error.strerror or str(error)).lower()
        raise WorkloadError(
            code, text("the file {file} can't be written ({said})", file=file.name, said=said)
        ) from None
    return ResultFile(file.name, file.media_type, len(file.data), digest, path=path, fresh=is_new)


def _renewed(path: str, size: int) -> bool:
    """Whether the file is there already; if so its time is now, as it might be about to go for its age."""
    try:
        # A machine that lost its power may have left the name and nothing in it.
        if os.stat(path).st_size != size:
            return False
        os.utime(path)
    except FileNotFoundError:
        return False
    except PermissionError:
        # What can't be dated anew can't be removed either.
        return True
    return True


def _write(path: Path, data: bytes) -> None:
    draft = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        draft.write_bytes(data)
        # Where it can't be replaced, another worker may have made it in between, and it is being read.
        replace_file(draft, path, done=path.is_file)
    finally:
        # What can't be removed now goes as the folder is swept.
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


COARSE = sys.platform == "win32"
"""Whether a process's time is counted in steps of 16 ms, by which nothing short can be told; that Windows'
clock says that its resolution is 100 ns is true of the unit alone."""

LEAST_LEFT = 64 << 20
"""Bytes of address space without which libraries and models can't be opened."""

THEIRS = (Exception, SystemExit, KeyboardInterrupt)
"""What a workload's own code may raise: nobody else here interrupts, and a library may call sys.exit."""

Took = tuple[float, float]
"""Milliseconds, and those of them that this process computed."""

log = logging.getLogger(__name__)


class Stopwatch:
    """How long something takes, from now on."""

    def __init__(self) -> None:
        self._begin, self._cpu = time.perf_counter(), time.process_time()

    def share(self, parts: int = 1) -> Took:
        """Each part's."""
        run = (time.perf_counter() - self._begin) * 1000 / parts
        if COARSE:
            return run, run
        return run, (time.process_time() - self._cpu) * 1000 / parts


def run(frame: JobFrame | BatchFrame, setup: Setup, listener: OnProgress | None = None) -> bytes:
    """Does the work and gives the frame of its reply; whatever is raised becomes a `Failed`.

    `listener` is told how far a single job is.
    """
    if isinstance(frame, BatchFrame):
        return pack(PackedBatchReply(_several(frame, setup)))
    item = JobItem(frame.params, frame.inputs)
    with reported_to(listener):
        return pack(
            _reply(item, setup, lambda inputs: _done(frame.target, item, inputs, frame.out_dir, setup))
        )


def _several(batch: BatchFrame, setup: Setup) -> list[Raw]:
    workload = load(batch.target).workload
    assert workload.batching is not None
    watch = Stopwatch()
    outcomes = _outcomes(workload, workload.batching, batch.items, setup)
    share = watch.share(len(batch.items))
    return [
        _reply(item, setup, lambda inputs, outcome=outcome: _kept(outcome, batch.out_dir, share))  # type: ignore[misc]
        for item, outcome in zip(batch.items, outcomes, strict=True)
    ]


def _outcomes(
    workload: Workload, batching: Batching, given: Sequence[JobItem], setup: Setup
) -> list[Outcome | BaseException]:
    """What each item comes to: in one go, in halves where memory is full, or one by one where that fails."""
    parsed = [_parsed(workload, item) for item in given]
    good = [item for item in parsed if isinstance(item, Item)]
    made = iter(_at_once(workload, batching, good, setup.limits))
    return [next(made) if isinstance(item, Item) else item for item in parsed]


def _at_once(
    workload: Workload, batching: Batching, items: Sequence[Item], limits: Limits
) -> list[Outcome | BaseException]:
    try:
        return list(_checked(_together(batching.target)(items, limits), len(items)))
    # A plugin's code: whatever it raises for one job must not cost the others their result, and each shows
    # for itself what is wrong with it.
    except THEIRS as error:
        fault = fault_of(error)
        if fault == "memory" and len(items) > 1:
            half = len(items) // 2
            log.info("%s: %d jobs at once need more memory than there is", workload.name, len(items))
            parts = (items[:half], items[half:])
            return [one for part in parts for one in _at_once(workload, batching, part, limits)]
        if fault == "gone":
            return [error] * len(items)
        said = "%s failed on %d jobs at once; they run one by one: %s"
        known = isinstance(error, WorkloadError)
        level = logging.INFO if known else logging.WARNING
        log.log(level, said, workload.name, len(items), error, exc_info=not known)
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
    # A third party's workload may raise anything: it costs its own job alone.
    except THEIRS as error:
        return error


def _parsed(workload: Workload, item: JobItem) -> Item | WorkloadError:
    try:
        return Item([one.input() for one in item.inputs], workload.decode(item.params))
    except WorkloadError as error:
        return error


def _done(target: str, item: JobItem, inputs: Sequence[Input], out_dir: str | None, setup: Setup) -> Done:
    function = load(target)
    # Each worker loads a module once: counted, it would be expected of every run.
    watch = Stopwatch()
    output = validate_output(function(inputs, function.workload.decode(item.params), setup.limits))
    return _timed(output, output_files(output, out_dir), watch.share())


def _kept(outcome: Outcome | BaseException, out_dir: str | None, took: Took) -> Done:
    if isinstance(outcome, BaseException):
        raise outcome
    output = validate_output(outcome)
    return _timed(output, output_files(output, out_dir), took)


def _timed(output: Output, files: list[Any], took: Took) -> Done:
    run_ms, cpu_ms = took
    return Done(output.value, files, run_ms, DEVICE, cpu_ms)


def output_files(output: Output, out_dir: str | Path | None) -> list[ResultFile]:
    """Returns the output's files: in `out_dir`, or in memory where it is None."""
    return [result_file(file) if out_dir is None else store_output(file, out_dir) for file in output.files]


def _freed(work: Callable[[Sequence[Input]], Done], inputs: Sequence[Input]) -> Done:
    """What `work` gives; where it fails, no file stays open until Python happens to collect what failed."""
    try:
        return work(inputs)
    except THEIRS as error:
        failed: BaseException | None = error
        # Windows lets nobody replace or remove what is open: the artist who mends the file.
        while failed is not None:
            traceback.clear_frames(failed.__traceback__)
            failed = failed.__context__
        raise


def _reply(item: JobItem, setup: Setup, work: Callable[[Sequence[Input]], Done]) -> Raw:
    """The encoded reply of one job."""
    inputs = [one.input() for one in item.inputs]
    try:
        return Raw(msgspec.msgpack.encode(_freed(work, inputs)))
    except WorkloadError as error:
        if error.code == "internal" and _is_full():
            return _too_large(inputs, setup)
        # What has a cause is told of a plugin's code, whose place the log has to say.
        trace = traceback.format_exc() if error.code == "internal" and error.__cause__ else ""
        named = error.name or names(inputs)
        return _failed(error.code, error.reason, named, trace, fault=error.fault, step=error.step)
    # As above: a worker answers every job, whatever it raises.
    except THEIRS as error:
        fault = fault_of(error)
        if is_device_error() and fault:
            reason, code = (FULL, "too_large") if fault == "memory" else (_gone(error), "internal")
            return _failed(code, reason, names(inputs), fault=fault)
        if fault == "memory" or _is_full():
            return _too_large(inputs, setup)
        reason = text("the workload failed ({name})", name=type(error).__name__)
        return _failed("internal", reason, names(inputs), traceback.format_exc())


def _failed(
    code: str, reason: AnyText, name: str, trace: str = "", *, fault: str = "", step: str = ""
) -> Raw:
    said = reason.map(writable) if isinstance(reason, Text) else writable(str(reason))
    failed = Failed(writable(code), said, writable(name), writable(trace), fault, step)
    return Raw(msgspec.msgpack.encode(failed))


def _is_full() -> bool:
    """Whether this process has taken nearly all the address space that it may: what can't be loaded or opened
    for want of it says so in a hundred ways, or that a file is damaged."""
    if sys.platform != "linux":
        return False
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    # No limit is -1.
    return 0 <= limit < int(psutil.Process().memory_info().vms) + LEAST_LEFT


def _too_large(inputs: Sequence[Input], setup: Setup) -> Raw:
    reason = text("needs more memory than a worker may take")
    if setup.memory_mib:
        reason = text("{reason} ({memory} MiB)", reason=reason, memory=setup.memory_mib)
    return _failed("too_large", reason, names(inputs), fault="process")


def _gone(error: BaseException) -> Text:
    if isinstance(error, DeviceGone):
        return text("the GPU is gone ({reason})", reason=error)
    return text("the GPU is gone")


LONGEST_S = 30.0
"""How long a piece may take. A job that waits for it is done by the next worker where this one ends, and is
lost where its own deadline passes."""


class IdleTasks:
    """Work for later, in its order. Only a worker process ever gets to it."""

    def __init__(self) -> None:
        self._waiting: deque[Iterator[None]] = deque()

    def later(self, pieces: Iterator[None]) -> None:
        """Adds work, a piece up to each of its yields: a job waits for one of them at most. Errors end the
        process."""
        self._waiting.append(pieces)

    def spend(self, idle: Callable[[], bool]) -> None:
        """Does what waits, as long as the process is idle before each piece."""
        while self._waiting and idle():
            with _ended_after(LONGEST_S):
                try:
                    next(self._waiting[0])
                except StopIteration:
                    self._waiting.popleft()


@contextlib.contextmanager
def _ended_after(seconds: float) -> Iterator[None]:
    """Ends the process where what is done takes longer, also in a library that never returns."""
    with contextlib.suppress(OSError, ValueError, RuntimeError, AttributeError):  # where there is no stderr
        faulthandler.dump_traceback_later(seconds, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


SPARE = IdleTasks()
"""That of this process."""


PR_SET_PDEATHSIG = 1
"""Of prctl(2)."""

REPORT_S = 0.1
"""How long a job's next report is kept to itself after one."""

NICE = 10
"""How much less than others a worker gets where the system has a scale from -20 to 19."""


def main() -> None:
    """Serves until stdin ends."""
    # Ctrl-C in a terminal reaches the whole process group; only the parent decides when a worker ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    pool.suppress_error_dialogs()
    # libvips reports what it also raises.
    logging.getLogger("pyvips").setLevel(logging.ERROR)
    give_way()
    requests, replies = _take(0, "rb"), _take(1, "wb")
    with contextlib.suppress(OSError, ValueError, AttributeError):  # where there is no stderr
        faulthandler.enable(all_threads=False)
    _serve(open_frame_source(requests), replies)


def _serve(frames: FrameSource, replies: IO[bytes]) -> None:
    setup = setups.decode(frames.take())
    limit_memory(setup.memory_mib)
    for module in setup.warm:
        warm(module)
    # A parent that is gone needs no reply; the thread that sees it go ends the process. One whose GPU is gone
    # ends by itself, and another takes its place.
    with contextlib.suppress(BrokenPipeError, DeviceGone):
        while True:
            job = jobs.decode(frames.take())
            # The job that it meant was done before it came.
            if isinstance(job, Cancel):
                continue
            replies.write(run(job, setup, Reporter(frames, replies)))
            replies.flush()
            SPARE.spend(frames.idle)


class Reporter:
    """Passes on what one job reports, and raises Cancelled in it where nobody wants it any more."""

    def __init__(self, frames: FrameSource, replies: IO[bytes]) -> None:
        self._frames = frames
        self._replies = replies
        self._next = 0.0

    def __call__(self, fraction: float, stage: str) -> None:
        # In the middle of a job nothing comes but that it is cancelled.
        if not self._frames.idle():
            raise Cancelled
        now = time.monotonic()
        if now >= self._next:
            self._next = now + REPORT_S
            self._replies.write(pack(Progress(fraction, writable(stage))))
            self._replies.flush()


def _take(fd: int, mode: str) -> IO[bytes]:
    """Moves stdin or stdout out of the way of whatever a native library may read or print."""
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
    """Has Linux end this process with whoever started it, even where it computes without ever letting go of
    the interpreter's lock: no thread of it would see the parent go then (accel.execution.worker)."""
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def give_way() -> None:
    """Leaves the cores, where all are at work, to what people wait for: the daemon and the editor."""
    lower = psutil.BELOW_NORMAL_PRIORITY_CLASS if sys.platform == "win32" else NICE
    with contextlib.suppress(psutil.Error, OSError):
        own = psutil.Process()
        if sys.platform == "win32" or own.nice() < lower:
            own.nice(lower)


def limit_memory(mib: int) -> None:
    """Caps this process's address space; 0 is no limit."""
    if mib and sys.platform == "linux":
        import resource

        limit = mib << 20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def warm(module: str) -> None:
    """Imports `module` ahead of the first job; what fails here fails in the job, where it is reported."""
    with contextlib.suppress(Exception):
        ready = getattr(importlib.import_module(module), "warm", None)
        if ready is not None:
            ready()
