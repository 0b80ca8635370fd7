"""What a worker process does with a frame: one job, or a batch of them, and whatever goes wrong in it."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw

from accel.frames import DEVICE, Batch, Done, Failed, Job, JobItem, PackedSeveral, Setup, pack, writable
from accel.outputs import named, stored
from accel.workload import (
    Batching,
    Input,
    Item,
    Limits,
    Outcome,
    Output,
    Workload,
    WorkloadError,
    checked,
    load,
    names,
)

log = logging.getLogger(__name__)


def run(frame: Job | Batch, setup: Setup) -> bytes:
    """Does the work and gives the frame of its reply; whatever is raised becomes a `Failed`."""
    if isinstance(frame, Batch):
        return pack(PackedSeveral(_several(frame, setup)))
    item = JobItem(frame.params, frame.inputs)
    return pack(_reply(item, setup, lambda inputs: _done(frame.target, item, inputs, frame.out_dir, setup)))


def _several(batch: Batch, setup: Setup) -> list[Raw]:
    workload = load(batch.target).workload
    assert workload.batching is not None
    begin = time.perf_counter()
    outcomes = _outcomes(workload, workload.batching, batch.items, setup)
    share = (time.perf_counter() - begin) * 1000 / len(batch.items)
    return [
        _reply(item, setup, lambda inputs, outcome=outcome: _kept(outcome, batch.out_dir, share))  # type: ignore[misc]
        for item, outcome in zip(batch.items, outcomes, strict=True)
    ]


def _outcomes(
    workload: Workload, batching: Batching, given: Sequence[JobItem], setup: Setup
) -> list[Outcome | Exception]:
    """What each item comes to: in one go, or one by one where that fails."""
    parsed = [_parsed(workload, item) for item in given]
    good = [item for item in parsed if isinstance(item, Item)]
    try:
        made: Any = iter(_checked(_together(batching.target)(good, setup.limits), len(good)))
    # A plugin's code: whatever it raises for one job must not cost the others their result, and each shows
    # for itself what is wrong with it.
    except Exception:
        said = "%s failed on %d jobs at once; they run one by one"
        log.warning(said, workload.name, len(good), exc_info=True)
        made = (_alone(workload, item, setup.limits) for item in good)
    return [next(made) if isinstance(item, Item) else item for item in parsed]


def _together(target: str) -> Callable[[Sequence[Item], Limits], Sequence[Outcome]]:
    function: Any = load(target)
    return function  # type: ignore[no-any-return]


def _checked(outcomes: Sequence[Outcome], count: int) -> Sequence[Outcome]:
    if len(outcomes) != count:
        raise ValueError(f"the workload gave {len(outcomes)} outcomes for {count} jobs")
    return outcomes


def _alone(workload: Workload, item: Item, limits: Limits) -> Output | Exception:
    try:
        return workload.load()(item.inputs, item.params, limits)
    except Exception as error:
        return error


def _parsed(workload: Workload, item: JobItem) -> Item | WorkloadError:
    try:
        return Item([one.input() for one in item.inputs], workload.parse(item.params))
    except WorkloadError as error:
        return error


def _done(target: str, item: JobItem, inputs: Sequence[Input], out_dir: str | None, setup: Setup) -> Done:
    begin = time.perf_counter()
    function = load(target)
    output = function(inputs, function.workload.parse(item.params), setup.limits)
    files = _files(checked(output), out_dir)
    return Done(output.value, files, (time.perf_counter() - begin) * 1000, DEVICE)


def _kept(outcome: Outcome | Exception, out_dir: str | None, run_ms: float) -> Done:
    if isinstance(outcome, Exception):
        raise outcome
    return Done(checked(outcome).value, _files(outcome, out_dir), run_ms, DEVICE)


def _files(output: Output, out_dir: str | None) -> list[Any]:
    folder = Path(out_dir) if out_dir is not None else None
    return [named(file) if folder is None else stored(file, folder) for file in output.files]


def _reply(item: JobItem, setup: Setup, work: Callable[[Sequence[Input]], Done]) -> Raw:
    """The encoded reply of one job."""
    inputs = [one.input() for one in item.inputs]
    try:
        return Raw(msgspec.msgpack.encode(work(inputs)))
    except WorkloadError as error:
        return _failed(error.code, error.reason, error.name or names(inputs))
    except Exception as error:
        if isinstance(error, MemoryError) or "out of memory" in str(error):
            reason = "needs more memory than a worker may take" + _limit(setup.memory_mib)
            return _failed("too_large", reason, names(inputs))
        reason = f"the workload failed ({type(error).__name__})"
        return _failed("internal", reason, names(inputs), traceback.format_exc())


def _failed(*texts: str) -> Raw:
    return Raw(msgspec.msgpack.encode(Failed(*map(writable, texts))))


def _limit(mib: int) -> str:
    return f" ({mib} MiB)" if mib else ""
