"""Routes each job to the device expected to finish it first. Handles device failures and the GPU's worker."""

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

from accel.atomic_file import write_atomic
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
from accel.execution.executor import SANDBOX, Executor, ExecutorResult, Job, LocalExecutor
from accel.execution.memory_budget import MemoryBudget
from accel.execution.pool import Pool
from accel.execution.sandbox import Sandbox
from accel.gpu_ops.implementations import FORMS
from accel.text import AnyText, Text, clauses, text
from accel.workload import Limits, Workload, WorkloadError


class DeviceFailure(Struct, frozen=True):
    """A device that failed, so that the CPU takes over its work for a while."""

    device: str
    """The device's name in results."""
    workload: str
    """The workload that failed; empty for all, if the device is gone."""
    reason: AnyText
    again: float
    """When it is tried again, in seconds since 1970."""


class DeviceHealth:
    """Current device failures, stored in a file that `popbridge devices` reads."""

    def __init__(self, file: Path | None) -> None:
        """Forgets the failures of an earlier process. If `file` is None, nothing is stored."""
        self._file = file
        self._known: dict[tuple[str, str], DeviceFailure] = {}
        self._write()

    def add(self, failure: DeviceFailure) -> None:
        self._known[failure.device, failure.workload] = failure
        self._write()

    def resolve(self, device: str, workload: str) -> None:
        """Records that a device ran a workload successfully."""
        for key in ((device, workload), (device, "")):
            self._known.pop(key, None)
        self._write()

    def close(self) -> None:
        self._known.clear()
        self._write()

    def _write(self) -> None:
        if self._file is None:
            return
        if self._known:
            write_atomic(self._file, msgspec.json.encode(list(self._known.values())))
        else:
            with contextlib.suppress(OSError):
                self._file.unlink(missing_ok=True)


def read(file: Path) -> list[DeviceFailure]:
    """Returns the failures in a running daemon, or none if the file is missing or damaged."""
    with contextlib.suppress(OSError, ValueError):
        return msgspec.json.decode(file.read_bytes(), type=list[DeviceFailure])
    return []


DEADLINE_S = 60.0
"""Time limit for a measured job."""

FAILURES = frozenset({"internal", "worker_crashed", "too_large"})
"""Errors that a device may cause where the CPU would succeed, for example for lack of memory."""

HANG_FACTOR = 10
MIN_HANG_S = 2.0
"""A device may be stuck if it takes longer than this and HANG_FACTOR times the expected time."""

log = logging.getLogger(__name__)


class DeviceQueue(Struct):
    """A device, its executor and its expected backlog."""

    device: Device
    executor: Executor
    workers: int = 1
    """Number of jobs that run in parallel."""
    target: Callable[[str], str | None] = lambda name: None
    """Returns `module:function` of a workload's implementation for this device; None for the default."""
    pending_ms: float = 0.0
    """Expected milliseconds of its unfinished jobs."""
    pool: Pool | None = None
    """Its processes, for metrics."""

    @property
    def queued_ms(self) -> float:
        """Milliseconds that a new job has to wait."""
        return self.pending_ms / self.workers


class DeviceRouter:
    """An executor with one queue per device. The first, the CPU, runs everything; the others run workloads
    that have a sample to measure. If one fails, the CPU runs the job and the device rests for a while."""

    def __init__(
        self,
        first: DeviceQueue,
        file: Path | None,
        samples: Mapping[str, Sample],
        *,
        troubles: Path | None = None,
        retries: KeyedBackoff | None = None,
    ) -> None:
        """`file` stores measurements, `troubles` current failures. `samples` are by workload name."""
        self._queues = [first]
        self._samples = samples
        self._retries = retries or KeyedBackoff()
        self._health = DeviceHealth(troubles)
        self._took: dict[tuple[str, str], float] = {}
        self.routing = CostModel(file, self._sampled, self._retries)

    @property
    def queues(self) -> Sequence[DeviceQueue]:
        """The devices in use, CPU first."""
        return tuple(self._queues)

    async def start(self) -> None:
        for queue in self._queues:
            await queue.executor.start()

    async def add(self, queue: DeviceQueue) -> None:
        """Starts a device and adds it. Raises OSError."""
        try:
            await queue.executor.start()
        except BaseException:
            # If cancelled, too, no process may be left behind.
            await queue.executor.close()
            raise
        self._queues.append(queue)

    async def close(self) -> None:
        await self.routing.close()
        for queue in self._queues:
            await queue.executor.close()
        self._health.close()

    async def run(self, job: Job) -> ExecutorResult:
        choice, queue = self._choose(job)
        first = self._queues[0]
        try:
            done = await self._run(queue, choice, job)
        except WorkloadError as error:
            if error.code == "deadline_exceeded":
                self._suspect(job, queue, choice)
            if queue is first or error.code not in FAILURES or job.expired:
                raise
            reason = text("{device} failed: {reason}", device=queue.device.label, reason=error.reason)
            done = await self._run(first, DeviceChoice(first.device, reason), job)
            # The CPU succeeded, so the device was at fault.
            wait = self._blame(job.workload, queue, error)
            return replace(done, reason=clauses([reason, _retry_text(wait)]))
        except asyncio.CancelledError:
            if job.token.overdue:
                self._suspect(job, queue, choice)
            raise
        if queue is not first:
            self._praise(job.workload, queue)
        return done

    async def measure(self, workload: Workload) -> Mapping[str, Cost]:
        """Measures a workload that has a sample on all devices. Returns the costs by device name.

        Raises WorkloadError if any device fails.
        """
        return await self.routing.measure(
            workload, [queue.device for queue in self._queues], self._samples[workload.name].scale
        )

    def _suspect(self, job: Job, queue: DeviceQueue, choice: DeviceChoice) -> None:
        """Lets a device rest if it took many times as long as expected. One that is stuck would otherwise
        look fastest, as it never finishes a measured run."""
        # Time in queues isn't the device's fault.
        took_s = time.monotonic() - job.token.started_at
        # A batch takes at most as long as its jobs one by one.
        expected_s = choice.ms * job.token.batch_size / 1000
        if queue is not self._queues[0] and took_s > max(MIN_HANG_S, HANG_FACTOR * expected_s):
            reason = text("it gave nothing in {took_s} s", took_s=f"{took_s:.0f}")
            self._blame(job.workload, queue, WorkloadError("deadline_exceeded", reason))

    def _blame(self, workload: Workload, queue: DeviceQueue, error: WorkloadError) -> float:
        """Suspends a device after a failure; returns the suspension in seconds."""
        gone = error.fault == "gone"
        wait = self._retries.failed(_key(queue) if gone else _key(queue, workload), error.reason)
        message = "%s failed at %s; it is tried again in %.0f s: %s"
        log.warning(message, queue.device.label, workload.name, wait, error.reason)
        self._health.add(
            DeviceFailure(queue.device.label, "" if gone else workload.name, error.reason, time.time() + wait)
        )
        return wait

    def _praise(self, workload: Workload, queue: DeviceQueue) -> None:
        """Records that a device works, or works again."""
        known = [self._retries.worked(key) for key in (_key(queue), _key(queue, workload))]
        if any(known):
            self._health.resolve(queue.device.label, workload.name)

    def _resting(self, workload: Workload, queue: DeviceQueue) -> AnyText:
        """Returns why a device isn't used now; empty if it is."""
        keys = [key for key in (_key(queue), _key(queue, workload)) if self._retries.left_s(key)]
        if not keys:
            return ""
        left = max(map(self._retries.left_s, keys))
        reason = self._retries.reason(keys[0])
        return clauses(
            [
                text("{device} failed before: {reason}", device=queue.device.label, reason=reason),
                _retry_text(left),
            ]
        )

    def _choose(self, job: Job) -> tuple[DeviceChoice, DeviceQueue]:
        workload = job.workload
        first, sample = self._queues[0], self._samples.get(workload.name)
        if sample is None or len(self._queues) == 1:
            return DeviceChoice(first.device, ""), first
        resting = {queue.device.name: self._resting(workload, queue) for queue in self._queues[1:]}
        queues = [first, *(queue for queue in self._queues[1:] if not resting[queue.device.name])]
        if len(queues) == 1:
            return DeviceChoice(first.device, clauses(resting.values())), first
        queued = {queue.device.name: queue.queued_ms for queue in queues}
        size = sample.size(job)
        choice = self.routing.choose(workload, [queue.device for queue in queues], size, queued, sample.scale)
        return choice, next(queue for queue in queues if queue.device is choice.device)

    async def _run(self, queue: DeviceQueue, choice: DeviceChoice, job: Job) -> ExecutorResult:
        key = (job.workload.name, queue.device.name)
        # Without measurements, a job is expected to take as long as the last one.
        expected = choice.ms or self._took.get(key, 0.0)
        queue.pending_ms += expected
        try:
            done = await queue.executor.run(_by(queue, job))
        finally:
            queue.pending_ms -= expected
        self._took[key] = done.run_ms
        device = done.device if queue is self._queues[0] else queue.device.label
        if (device, choice.reason) == (done.device, done.reason):
            return done
        return replace(done, device=device, reason=choice.reason)

    async def _sampled(self, workload: Workload, device: Device, side: int) -> float:
        """Returns the milliseconds in the worker, from files to files. Raises WorkloadError."""
        queue = next(queue for queue in self._queues if queue.device is device)
        try:
            return await self._sampled_in_files(workload, queue, side)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise WorkloadError(
                "internal",
                text("the sample files for measuring it can't be written ({reason})", reason=reason),
            ) from None

    async def _sampled_in_files(self, workload: Workload, queue: DeviceQueue, side: int) -> float:
        # On Windows, a worker that is being killed may still have a file open.
        with tempfile.TemporaryDirectory(prefix="popbridge-", ignore_cleanup_errors=True) as folder:
            params, inputs = await asyncio.to_thread(self._samples[workload.name].make, side, Path(folder))
            job = Job.parse(
                workload, params, inputs, deadline_s=DEADLINE_S, priority="bulk", out_dir=Path(folder)
            )
            done = await queue.executor.run(_by(queue, job))
        return done.run_ms


def _retry_text(seconds: float) -> Text:
    return text("it is tried again in {seconds} s", seconds=f"{seconds:.0f}")


def _key(queue: DeviceQueue, workload: Workload | None = None) -> tuple[str, ...]:
    """Returns the key of a device's failures with one workload, or with all."""
    return (queue.device.label,) if workload is None else (queue.device.label, workload.name)


def _by(queue: DeviceQueue, job: Job) -> Job:
    """Returns the job with the queue's own implementation of its workload, if it has one."""
    target = queue.target(job.workload.name)
    return job if target is None else replace(job, workload=replace(job.workload, target=target))


WISH = Wish(("cuda",))
"""CUDA runs any image shape immediately; TensorRT takes minutes to compile each one."""

PROBE_INTERVAL_S = 120.0
"""Seconds between retries of a GPU whose memory is full."""

Found = tuple[Choice, Devices]


class GpuExecutor(Batcher):
    """The GPU's single worker process, with its own batch policies."""

    def __init__(
        self, worker: LocalExecutor, batching: Path | None, device: str, shapes: Path | None = None
    ) -> None:
        """`batching` stores batch policies, `shapes` the worker's trials."""
        self._pool, self._shapes = worker.pool, shapes
        if shapes is not None:
            worker.pool.on_ended = functools.partial(proof_cache.note_interruption, shapes)
        self.policies = BatchTuning(batching, worker, device)
        super().__init__(worker, self.policies.max_rows)

    async def close(self) -> None:
        ended = [state.pid for state in self._pool.states]
        await self.policies.close()
        await super().close()
        # An idle worker may be in the middle of a trial; ending it says nothing about the variant.
        if self._shapes is not None and ended:
            await asyncio.to_thread(proof_cache.retract_trials, self._shapes, ended)


def find_gpu(file: Path, loader: Callable[[str], Any] = ctypes.CDLL) -> Found | None:
    """Returns the usable GPU or None, and stores the probe in `file`. Can take seconds."""
    try:
        # Without a driver, a probe would only waste time.
        loader(library_of(sys.platform))
    except OSError:
        return None
    found = current.devices(file)
    if is_memory_full(found):
        # Unlike other causes, this one is temporary.
        found = try_providers()
        current.save(found, file)
    choice = choose(found, WISH)
    return None if choice.name == "cpu" else (choice, found)


def is_memory_full(devices: Devices) -> bool:
    """Whether lack of memory is the only reason why a GPU isn't used."""
    return any(one.name in WISH.order and one.reason == FULL for one in devices.reports)


def gpu_queue(
    choice: Choice,
    devices: Devices,
    limits: Limits,
    batching: Path | None = None,
    cache: Path | None = None,
    sandbox: Sandbox | None = SANDBOX,
    budget: MemoryBudget | None = None,
) -> DeviceQueue:
    """Returns the GPU's queue, not started. `cache` is the folder for compiled engines; None stores none.
    `sandbox` restricts its worker, with what a GPU needs added. `budget` is the memory of all
    workers."""
    title = BY_NAME[choice.name].title
    device = f"{title}, {devices.gpus[0].name}" if devices.gpus and devices.gpus[0].name else title
    # Don't limit the address space: CUDA reserves more than the machine's memory.
    env = {WANTED: choice.name, CACHE: str(cache) if cache else ""}
    if sandbox is not None:
        if cache is not None:
            # Otherwise the worker couldn't be allowed to write there.
            with contextlib.suppress(OSError):
                cache.mkdir(parents=True, exist_ok=True)
        writable = (*sandbox.writable, *([str(cache)] if cache else []))
        sandbox = replace(sandbox, writable=writable, gpu=True)
    worker = LocalExecutor(1, limits, 0, env=env, sandbox=sandbox, budget=budget)
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
    sandbox: Sandbox | None = SANDBOX,
    budget: MemoryBudget | None = None,
    again_s: float = PROBE_INTERVAL_S,
) -> None:
    """Adds this machine's GPU to a running executor, if it is usable and `wanted`.

    While its memory is full, it is tried again every `again_s` seconds. `file` stores the probe, `batching`
    the batch policies; compiled engines are stored next to `file`. `sandbox` and `budget` are as in
    `gpu_queue`.
    """
    found = await asyncio.to_thread(find_gpu, file) if wanted else None
    while found is None:
        if not wanted or not is_memory_full(await asyncio.to_thread(current.load, file)):
            return
        await asyncio.sleep(again_s)
        found = await asyncio.to_thread(find_gpu, file)
    added = gpu_queue(*found, limits, batching, file.parent, sandbox, budget)
    try:
        await routed.add(added)
    except OSError as error:
        log.warning("no process can be started for %s: %s", added.device.label, error)
    else:
        log.info("%s is used for jobs that it finishes earlier", added.device.label)
