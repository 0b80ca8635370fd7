"""Chooses the device for a job by its measured cost on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from accel.atomic_file import write_atomic
from accel.execution.backoff import KeyedBackoff
from accel.execution.batch_tuning import MPX, PIXELS, Scale
from accel.text import AnyText, Text, clauses, text
from accel.workload import Workload, WorkloadError

ROUNDS = 3
"""Number of measurements per size. The best counts, because other work only slows one down."""

log = logging.getLogger(__name__)


class Device(Struct, frozen=True):
    """A device that runs workloads."""

    name: str
    """`cpu`, or a provider's name such as `cuda`."""
    label: str
    """The name in results and stored measurements: `CPU`, or `CUDA, NVIDIA GeForce RTX 4090`."""


class Cost(Struct, frozen=True):
    """The time a job takes by its size (pixels or texts): from input files to output files, including
    transfers to a GPU."""

    fixed_ms: float
    """Milliseconds that any job takes."""
    mpx_ms: float
    """Milliseconds per million pixels or texts."""

    def ms(self, size: int) -> float:
        """Returns the milliseconds of a job."""
        return self.fixed_ms + self.mpx_ms * size / MPX


class DeviceChoice(Struct, frozen=True):
    device: Device
    reason: AnyText
    """For people."""
    ms: float = 0.0
    """Expected milliseconds; 0 if unknown."""


Measure = Callable[[Workload, Device, int], Awaitable[float]]
"""Runs a workload's sample with a given side on a device and returns the milliseconds. Raises
WorkloadError."""


class CostModel:
    """Measured costs by workload and device. With several devices, an unknown workload is measured in the
    background on first use and runs on the first device until then. Failed measurements are retried."""

    def __init__(self, file: Path | None, measure: Measure, retries: KeyedBackoff | None = None) -> None:
        """`file` need not exist; None stores nothing."""
        self._retries = retries or KeyedBackoff()
        self._file = file
        self._measure = measure
        self._known = read(file)
        self._measuring: dict[str, asyncio.Task[None]] = {}

    def choose(
        self,
        workload: Workload,
        devices: Sequence[Device],
        size: int,
        queued: Mapping[str, float],
        scale: Scale = PIXELS,
    ) -> DeviceChoice:
        """Returns the device expected to finish first, given its queue (`queued`, milliseconds by device
        name) and the job's cost. The first of `devices` is the CPU."""
        first = devices[0]
        if len(devices) == 1:
            return DeviceChoice(first, "")
        costs = {device.name: self._known.get(_key(workload, device)) for device in devices}
        if any(cost is None for cost in costs.values()):
            return DeviceChoice(first, self._start(workload, devices, scale))
        found = {name: cost.ms(size) for name, cost in costs.items() if cost is not None}
        total = {name: ms + queued.get(name, 0.0) for name, ms in found.items()}
        best = min(devices, key=lambda device: total[device.name])
        shown = text("{count} {unit}", count=f"{size / scale.per:.2g}", unit=scale.unit)
        return DeviceChoice(best, _reason(best, devices, total, queued, shown), found[best.name])

    async def measure(
        self, workload: Workload, devices: Sequence[Device], scale: Scale = PIXELS
    ) -> Mapping[str, Cost]:
        """Measures a workload on each device in turn. Stores and returns the costs by device name.

        Raises WorkloadError.
        """
        sides = scale.sides
        best = {device.name: dict.fromkeys(sides, float("inf")) for device in devices}
        for device in devices:
            # The first job also loads libraries and opens graphs.
            await self._measure(workload, device, sides[0])
        for _ in range(ROUNDS):
            for side in sides:
                for device in devices:
                    took = await self._measure(workload, device, side)
                    best[device.name][side] = min(best[device.name][side], took)
        costs = {
            name: fit_cost({scale.size(side): ms for side, ms in times.items()})
            for name, times in best.items()
        }
        # Another process, such as `popbridge tune`, may have measured other workloads in the meantime.
        self._known |= read(self._file) | {_key(workload, device): costs[device.name] for device in devices}
        write(self._file, self._known)
        return costs

    def known(self, workload: Workload, device: Device) -> Cost | None:
        """Returns the measured cost."""
        return self._known.get(_key(workload, device))

    async def close(self) -> None:
        """Cancels running measurements."""
        for task in self._measuring.values():
            task.cancel()
        await asyncio.gather(*self._measuring.values(), return_exceptions=True)

    def _start(self, workload: Workload, devices: Sequence[Device], scale: Scale) -> AnyText:
        """Starts a measurement, unless one is running or failed recently. Returns a sentence on which."""
        key = " ".join(_key(workload, device) for device in devices)
        if key in self._measuring and not self._measuring[key].done():
            return text("the other device is being measured")
        if self._retries.left_s(key):
            return text("the other device couldn't be measured ({reason})", reason=self._retries.reason(key))
        self._measuring[key] = asyncio.create_task(self._quietly(key, workload, devices, scale))
        return text("the other device is being measured")

    async def _quietly(self, key: str, workload: Workload, devices: Sequence[Device], scale: Scale) -> None:
        begin = time.perf_counter()
        try:
            costs = await self.measure(workload, devices, scale)
        # A plugin's sample may raise anything.
        except Exception as error:
            reason = error.reason if isinstance(error, WorkloadError) else repr(error)
            again = self._retries.failed(key, reason)
            message = "%s can't be measured on every device; retrying in %.0f s: %s"
            log.warning(message, workload.name, again, reason)
            return
        self._retries.worked(key)
        message = ", ".join(f"{name} {one.fixed_ms:.1f} + {one.mpx_ms:.1f}" for name, one in costs.items())
        took = time.perf_counter() - begin
        log.info("%s costs, in ms and ms a million: %s (measured in %.1f s)", workload.name, message, took)


def fit_cost(times: Mapping[int, float]) -> Cost:
    """Fits a line through milliseconds by pixels, with both coefficients at least 0.

    Minimises squares of relative errors, so that small jobs count as much as large ones.
    """
    weights = {pixels: 1 / max(ms, 1e-6) ** 2 for pixels, ms in times.items()}
    whole = sum(weights.values())
    mean_x = sum(w * pixels for pixels, w in weights.items()) / whole
    mean_y = sum(w * times[pixels] for pixels, w in weights.items()) / whole
    spread = sum(w * (pixels - mean_x) ** 2 for pixels, w in weights.items())
    both = sum(w * (pixels - mean_x) * (times[pixels] - mean_y) for pixels, w in weights.items())
    slope = max(0.0, both / spread) if spread else 0.0
    fixed = mean_y - slope * mean_x
    if fixed < 0:
        squares = sum(w * pixels * pixels for pixels, w in weights.items())
        return Cost(0.0, sum(w * pixels * times[pixels] for pixels, w in weights.items()) / squares * MPX)
    return Cost(fixed, slope * MPX)


def _reason(
    best: Device,
    devices: Sequence[Device],
    total: Mapping[str, float],
    queued: Mapping[str, float],
    size: AnyText,
) -> Text:
    """Returns, for example, "about 12 ms on CUDA, 48 ms on CPU (4.2 megapixels; 30 ms of work wait for
    CPU)"."""
    order = [best, *(device for device in devices if device is not best)]
    expected = [
        text("{ms} ms on {device}", ms=f"{total[device.name]:.3g}", device=device.label) for device in order
    ]
    waits = [
        text("{ms} ms of work wait for {device}", ms=f"{queued[device.name]:.3g}", device=device.label)
        for device in order
        if queued.get(device.name)
    ]
    return text("about {expected} ({details})", expected=expected, details=clauses([size, *waits]))


def _key(workload: Workload, device: Device) -> str:
    return f"{workload.name} {workload.version} {device.label}"


def read(file: Path | None) -> dict[str, Cost]:
    """Returns the stored costs, or none if the file is missing or damaged."""
    if file is not None:
        with contextlib.suppress(OSError, ValueError):
            return msgspec.json.decode(file.read_bytes(), type=dict[str, Cost])
    return {}


def write(file: Path | None, known: Mapping[str, Cost]) -> None:
    """Stores costs, if possible."""
    if file is not None:
        write_atomic(file, msgspec.json.format(msgspec.json.encode(known)))
