"""Each job to the device expected to finish first; device health; the GPU worker."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import functools
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from accel.atomic_file import replaced
from accel.devices import current, proof_cache
from accel.devices.current import CACHE
from accel.devices.driver import library_of
from accel.devices.provider_probe import try_providers
from accel.devices.providers import BY_NAME, Choice, Wish, choose
from accel.devices.report import FULL, WANTED, Devices
from accel.execution.backoff import KeyedBackoff
from accel.execution.batch_tuning import BatchTuning, Sample
from accel.execution.batching import Batcher
from accel.execution.cost_model import Cost, CostModel, Device, DeviceChoice
from accel.execution.executor import Executor, ExecutorResult, Job, LocalExecutor
from accel.execution.pool import Pool
from accel.gpu_ops.implementations import FORMS
from accel.text import AnyText, text
from accel.workload import Limits, Workload, WorkloadError


class DeviceFailure(Struct, frozen=True):
    """A device that failed, and the CPU does its work meanwhile."""

    device: str
    """As results call it."""
    workload: str
    """With which; empty for all, as where the device is gone."""
    reason: AnyText
    """Why, for people."""
    again: float
    """From when on it is tried again, seconds since 1970."""


class DeviceHealth:
    """Those of this process; what an earlier one has left is forgotten."""

    def __init__(self, file: Path | None) -> None:
        """None keeps nothing."""
        self._file = file
        self._known: dict[tuple[str, str], DeviceFailure] = {}
        self._keep()

    def note(self, trouble: DeviceFailure) -> None:
        """Something failed."""
        self._known[trouble.device, trouble.workload] = trouble
        self._keep()

    def over(self, device: str, workload: str) -> None:
        """A device has done a workload."""
        for key in ((device, workload), (device, "")):
            self._known.pop(key, None)
        self._keep()

    def close(self) -> None:
        """Nothing fails any more."""
        self._known.clear()
        self._keep()

    def _keep(self) -> None:
        if self._file is None:
            return
        if self._known:
            replaced(self._file, msgspec.json.encode(list(self._known.values())))
        else:
            with contextlib.suppress(OSError):
                self._file.unlink(missing_ok=True)


def read(file: Path) -> list[DeviceFailure]:
    """Those of the daemon that runs; none where nobody can read the file."""
    with contextlib.suppress(OSError, ValueError):
        return msgspec.json.decode(file.read_bytes(), type=list[DeviceFailure])
    return []


DEADLINE_S = 60.0
"""Of one job that is measured."""

FAILURES = frozenset({"internal", "worker_crashed", "too_large"})
"""What a device can be to blame for (its memory is full, say) when the CPU isn't."""

HUNG = 10
"""Times as long as expected after which a device may hang, from HUNG_S seconds on."""
HUNG_S = 2.0

log = logging.getLogger(__name__)


class DeviceQueue(Struct):
    """A form, and what is under way by it."""

    form: Device
    executor: Executor
    workers: int = 1
    """Jobs that it does at once."""
    target: Callable[[str], str | None] = lambda name: None
    """`module:function` of this form of a workload by its name; None for the workload's own."""
    pending_ms: float = 0.0
    """What its jobs were expected to take that aren't done."""
    pool: Pool | None = None
    """Its processes, for whoever shows their state."""

    @property
    def queued_ms(self) -> float:
        """How long a new job waits."""
        return self.pending_ms / self.workers


class DeviceRouter:
    """An executor over others. Its first lane does everything, the further ones what has a sample, by which
    it can be measured. Where a further one fails the first does the job, and the other rests for a while."""

    def __init__(
        self,
        first: DeviceQueue,
        file: Path | None,
        samples: Mapping[str, Sample],
        *,
        troubles: Path | None = None,
        retries: KeyedBackoff | None = None,
    ) -> None:
        """`file` is where measurements are kept, `troubles` where it is told what fails; `samples` are by
        workloads' names."""
        self._lanes = [first]
        self._samples = samples
        self._retries = retries or KeyedBackoff()
        self._troubles = DeviceHealth(troubles)
        self._took: dict[tuple[str, str], float] = {}
        self.routing = CostModel(file, self._sampled, self._retries)

    @property
    def lanes(self) -> Sequence[DeviceQueue]:
        """The forms that there are now, the first of them first."""
        return tuple(self._lanes)

    async def start(self) -> None:
        for lane in self._lanes:
            await lane.executor.start()

    async def add(self, lane: DeviceQueue) -> None:
        """A further form; started here. Raises OSError."""
        try:
            await lane.executor.start()
        except BaseException:
            # Who adds it may give up meanwhile: no process is left behind.
            await lane.executor.close()
            raise
        self._lanes.append(lane)

    async def close(self) -> None:
        await self.routing.close()
        for lane in self._lanes:
            await lane.executor.close()
        self._troubles.close()

    async def run(self, job: Job) -> ExecutorResult:
        choice, lane = self._choose(job)
        first = self._lanes[0]
        try:
            done = await self._run(lane, choice, job)
        except WorkloadError as error:
            if error.code == "deadline_exceeded":
                self._suspect(job, lane, choice)
            if lane is first or error.code not in FAILURES or job.expired:
                raise
            reason = text("{device} failed: {reason}", device=lane.form.device, reason=error.reason)
            done = await self._run(first, DeviceChoice(first.form, reason), job)
            # The CPU did it: it was the device's fault.
            wait = self._blame(job.workload, lane, error)
            return replace(done, reason=f"{reason}; it is tried again in {wait:.0f} s")
        except asyncio.CancelledError:
            if job.token.overdue:
                self._suspect(job, lane, choice)
            raise
        if lane is not first:
            self._praise(job.workload, lane)
        return done

    async def measure(self, workload: Workload) -> Mapping[str, Cost]:
        """Measures a workload that has a sample anew by all forms; what they cost, by the forms' names.

        Raises WorkloadError, also where one form alone fails.
        """
        return await self.routing.measure(
            workload, [lane.form for lane in self._lanes], self._samples[workload.name].scale
        )

    def _suspect(self, job: Job, lane: DeviceQueue, choice: DeviceChoice) -> None:
        """Lets a device rest that took many times as long as expected: one that hangs looks like the fastest,
        as it never finishes a measured run."""
        # Time in queues isn't the device's fault.
        took_s = time.monotonic() - job.token.started_at
        # A batch takes at most as long as its jobs one by one.
        expected_s = choice.ms * job.token.batch_size / 1000
        if lane is not self._lanes[0] and took_s > max(HUNG_S, HUNG * expected_s):
            reason = text("it gave nothing in {took_s} s", took_s=f"{took_s:.0f}")
            self._blame(job.workload, lane, WorkloadError("deadline_exceeded", reason))

    def _blame(self, workload: Workload, lane: DeviceQueue, error: WorkloadError) -> float:
        """Lets a device rest, which isn't tried again with every job; gives the seconds."""
        gone = error.fault == "gone"
        wait = self._retries.failed(_key(lane) if gone else _key(lane, workload), error.reason)
        said = "%s failed at %s and rests for %.0f s: %s"
        log.warning(said, lane.form.device, workload.name, wait, error.reason)
        self._troubles.note(
            DeviceFailure(lane.form.device, "" if gone else workload.name, error.reason, time.time() + wait)
        )
        return wait

    def _praise(self, workload: Workload, lane: DeviceQueue) -> None:
        """A device works, perhaps once more."""
        known = [self._retries.worked(key) for key in (_key(lane), _key(lane, workload))]
        if any(known):
            self._troubles.over(lane.form.device, workload.name)

    def _resting(self, workload: Workload, lane: DeviceQueue) -> str:
        """Why a device isn't tried now; empty where it is."""
        keys = [key for key in (_key(lane), _key(lane, workload)) if self._retries.left_s(key)]
        if not keys:
            return ""
        left = max(map(self._retries.left_s, keys))
        reason = self._retries.reason(keys[0])
        return f"{lane.form.device} failed before: {reason}; it is tried again in {left:.0f} s"

    def _choose(self, job: Job) -> tuple[DeviceChoice, DeviceQueue]:
        workload = job.workload
        first, sample = self._lanes[0], self._samples.get(workload.name)
        if sample is None or len(self._lanes) == 1:
            return DeviceChoice(first.form, ""), first
        resting = {lane.form.name: self._resting(workload, lane) for lane in self._lanes[1:]}
        lanes = [first, *(lane for lane in self._lanes[1:] if not resting[lane.form.name])]
        if len(lanes) == 1:
            return DeviceChoice(first.form, "; ".join(resting.values())), first
        queued = {lane.form.name: lane.queued_ms for lane in lanes}
        size = sample.size(job)
        choice = self.routing.choose(workload, [lane.form for lane in lanes], size, queued, sample.scale)
        return choice, next(lane for lane in lanes if lane.form is choice.form)

    async def _run(self, lane: DeviceQueue, choice: DeviceChoice, job: Job) -> ExecutorResult:
        key = (job.workload.name, lane.form.name)
        # What was never measured takes what it took last.
        expected = choice.ms or self._took.get(key, 0.0)
        lane.pending_ms += expected
        try:
            done = await lane.executor.run(_by(lane, job))
        finally:
            lane.pending_ms -= expected
        self._took[key] = done.run_ms
        device = done.device if lane is self._lanes[0] else lane.form.device
        if (device, choice.reason) == (done.device, done.reason):
            return done
        return replace(done, device=device, reason=choice.reason)

    async def _sampled(self, workload: Workload, form: Device, side: int) -> float:
        """Milliseconds in the worker, from files to files. Raises WorkloadError."""
        lane = next(lane for lane in self._lanes if lane.form is form)
        try:
            return await self._sampled_in_files(workload, lane, side)
        except OSError as error:
            said = (error.strerror or str(error)).lower()
            raise WorkloadError(
                "internal", text("files to measure it by can't be written ({said})", said=said)
            ) from None

    async def _sampled_in_files(self, workload: Workload, lane: DeviceQueue, side: int) -> float:
        # A worker that is ended at its deadline may have one of them open a moment longer, which Windows then
        # doesn't remove.
        with tempfile.TemporaryDirectory(prefix="popbridge-", ignore_cleanup_errors=True) as folder:
            params, inputs = await asyncio.to_thread(self._samples[workload.name].make, side, Path(folder))
            job = Job.parse(
                workload, params, inputs, deadline_s=DEADLINE_S, priority="bulk", out_dir=Path(folder)
            )
            done = await lane.executor.run(_by(lane, job))
        return done.run_ms


def _key(lane: DeviceQueue, workload: Workload | None = None) -> tuple[str, ...]:
    """Of a device's failures: with one workload, or with all."""
    return (lane.form.device,) if workload is None else (lane.form.device, workload.name)


def _by(lane: DeviceQueue, job: Job) -> Job:
    """Returns the job with the lane's own implementation of its workload, if there is one."""
    target = lane.target(job.workload.name)
    return job if target is None else replace(job, workload=replace(job.workload, target=target))


WISH = Wish(("cuda",))
"""What runs any shape of image at once; TensorRT compiles each for minutes."""

LOOK_AGAIN_S = 120.0
"""After how long a GPU is tried again whose memory was full."""

Found = tuple[Choice, Devices]


class GpuExecutor(Batcher):
    """The GPU's one worker process, with batches by what is worth it there."""

    def __init__(
        self, worker: LocalExecutor, batching: Path | None, device: str, shapes: Path | None = None
    ) -> None:
        """`batching`: where what was measured is kept; `shapes`: where it is what the worker tried."""
        self._pool, self._shapes = worker.pool, shapes
        if shapes is not None:
            worker.pool.on_ended = functools.partial(proof_cache.is_cut_off, shapes)
        self.policies = BatchTuning(batching, worker, device)
        super().__init__(worker, self.policies.max_rows)

    async def close(self) -> None:
        ended = [state.pid for state in self._pool.states]
        await self.policies.close()
        await super().close()
        # A worker that does nothing may be trying something, and a run of few files ends just then.
        if self._shapes is not None and ended:
            await asyncio.to_thread(proof_cache.failure_reason, self._shapes, ended)


def find_gpu(file: Path, loader: Callable[[str], Any] = ctypes.CDLL) -> Found | None:
    """The GPU that works here, None for none; what was tried is kept in `file`. It may take seconds."""
    try:
        # Without a driver there is nothing to try, and no second to lose.
        loader(library_of(sys.platform))
    except OSError:
        return None
    found = current.devices(file)
    if is_memory_full(found):
        # That passes, unlike what else speaks against a GPU.
        found = try_providers()
        current.save(found, file)
    choice = choose(found, WISH)
    return None if choice.name == "cpu" else (choice, found)


def is_memory_full(devices: Devices) -> bool:
    """Whether a GPU would be used if there were room in its memory."""
    return any(one.name in WISH.order and one.reason == FULL for one in devices.reports)


def gpu_queue(
    choice: Choice,
    devices: Devices,
    limits: Limits,
    batching: Path | None = None,
    cache: Path | None = None,
) -> DeviceQueue:
    """Not started yet. `cache` is the folder for what providers compile; None keeps nothing."""
    title = BY_NAME[choice.name].title
    device = f"{title}, {devices.gpus[0].name}" if devices.gpus and devices.gpus[0].name else title
    # No limit of address space, of which CUDA takes more than there is memory.
    env = {WANTED: choice.name, CACHE: str(cache) if cache else ""}
    worker = LocalExecutor(1, limits, 0, env=env)
    executor = GpuExecutor(worker, batching, device, cache / proof_cache.FILE if cache else None)
    return DeviceQueue(Device(choice.name, device), executor, 1, _target, pool=worker.pool)


def _target(name: str) -> str | None:
    form = FORMS.get(name)
    return None if form is None else form.workload.target


async def join_router(
    routed: DeviceRouter,
    file: Path,
    limits: Limits,
    *,
    wanted: bool = True,
    batching: Path | None = None,
    again_s: float = LOOK_AGAIN_S,
) -> None:
    """Adds this machine's GPU, if it has one that works and is `wanted`, to an executor that runs already.

    While its memory is full it is tried again every `again_s` seconds. `file`: what was tried, as in `find`;
    `batching`: where it is kept what is worth a batch. What is compiled lies beside `file`.
    """
    found = await asyncio.to_thread(find_gpu, file) if wanted else None
    while found is None:
        if not wanted or not is_memory_full(await asyncio.to_thread(current.load, file)):
            return
        await asyncio.sleep(again_s)
        found = await asyncio.to_thread(find_gpu, file)
    added = gpu_queue(*found, limits, batching, file.parent)
    try:
        await routed.add(added)
    except OSError as error:
        log.warning("no process can be started for %s: %s", added.form.device, error)
    else:
        log.info("%s is used where it is measured to be faster", added.form.device)
