"""What a worker process does with a frame: one job, or a batch of them, and whatever goes wrong in it."""

from __future__ import annotations

import logging
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import psutil
from msgspec import Raw

from accel.devices.faults import FULL, DeviceGone, fault_of, on_device
from accel.frames import DEVICE, Batch, Done, Failed, Job, JobItem, PackedSeveral, Setup, pack, writable
from accel.given import checked
from accel.outputs import named, stored
from accel.progress import OnProgress, reported_to
from accel.text import AnyText, Text, text
from accel.workload import (
    Batching,
    Input,
    Item,
    Limits,
    Outcome,
    Output,
    Workload,
    WorkloadError,
    load,
    names,
)

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


def run(frame: Job | Batch, setup: Setup, listener: OnProgress | None = None) -> bytes:
    """Does the work and gives the frame of its reply; whatever is raised becomes a `Failed`.

    `listener` is told how far a single job is.
    """
    if isinstance(frame, Batch):
        return pack(PackedSeveral(_several(frame, setup)))
    item = JobItem(frame.params, frame.inputs)
    with reported_to(listener):
        return pack(
            _reply(item, setup, lambda inputs: _done(frame.target, item, inputs, frame.out_dir, setup))
        )


def _several(batch: Batch, setup: Setup) -> list[Raw]:
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
        return Item([one.input() for one in item.inputs], workload.parse(item.params))
    except WorkloadError as error:
        return error


def _done(target: str, item: JobItem, inputs: Sequence[Input], out_dir: str | None, setup: Setup) -> Done:
    function = load(target)
    # Each worker loads a module once: counted, it would be expected of every run.
    watch = Stopwatch()
    output = checked(function(inputs, function.workload.parse(item.params), setup.limits))
    return _timed(output, _files(output, out_dir), watch.share())


def _kept(outcome: Outcome | BaseException, out_dir: str | None, took: Took) -> Done:
    if isinstance(outcome, BaseException):
        raise outcome
    output = checked(outcome)
    return _timed(output, _files(output, out_dir), took)


def _timed(output: Output, files: list[Any], took: Took) -> Done:
    run_ms, cpu_ms = took
    return Done(output.value, files, run_ms, DEVICE, cpu_ms)


def _files(output: Output, out_dir: str | None) -> list[Any]:
    return [named(file) if out_dir is None else stored(file, out_dir) for file in output.files]


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
        if on_device() and fault:
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
