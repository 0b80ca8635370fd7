"""Which form of a workload runs: the CPU's or a GPU's, by what both cost on this machine when measured."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from accel.atomic_file import replaced
from accel.execution.backoff import KeyedBackoff
from accel.execution.batch_tuning import MPX, PIXELS, Scale
from accel.text import AnyText
from accel.workload import Workload, WorkloadError

ROUNDS = 3
"""How often each size is measured; the best counts, as other work only slows down."""

log = logging.getLogger(__name__)


class Device(Struct, frozen=True):
    """One way to run a workload."""

    name: str
    """`cpu`, or a provider's name such as `cuda`."""
    device: str
    """As results call it, and by which measurements are kept: `CPU`, or `CUDA, NVIDIA GeForce RTX 4090`."""


class Cost(Struct, frozen=True):
    """What a job takes by its size (its pixels, or its texts), from input files to output files: transfers to
    a GPU are in it."""

    fixed_ms: float
    """For any job."""
    mpx_ms: float
    """For each million pixels or texts."""

    def ms(self, size: int) -> float:
        """Milliseconds of a job."""
        return self.fixed_ms + self.mpx_ms * size / MPX


class DeviceChoice(Struct, frozen=True):
    """The form that runs, and why it does."""

    form: Device
    reason: AnyText
    """For people."""
    ms: float = 0.0
    """What it is expected to take; 0 where that isn't known."""


Measure = Callable[[Workload, Device, int], Awaitable[float]]
"""Runs the sample of a workload of that side by a form; gives the milliseconds that it took.
Raises WorkloadError."""


class CostModel:
    """The costs on this machine; chooses by them. A workload without any is measured in the background the
    first time it is used with more than one form, and runs by the first until then. What can't be measured is
    tried again after a while."""

    def __init__(self, file: Path | None, measure: Measure, retries: KeyedBackoff | None = None) -> None:
        """`file` need not exist; None keeps nothing."""
        self._retries = retries or KeyedBackoff()
        self._file = file
        self._measure = measure
        self._known = read(file)
        self._measuring: dict[str, asyncio.Task[None]] = {}

    def choose(
        self,
        workload: Workload,
        forms: Sequence[Device],
        size: int,
        queued: Mapping[str, float],
        scale: Scale = PIXELS,
    ) -> DeviceChoice:
        """The form that is done first: what waits for it already (`queued`, ms by the forms' names), and the
        job's own cost. The first of `forms` is the CPU's."""
        first = forms[0]
        if len(forms) == 1:
            return DeviceChoice(first, "")
        costs = {form.name: self._known.get(_key(workload, form)) for form in forms}
        if any(cost is None for cost in costs.values()):
            return DeviceChoice(first, self._start(workload, forms, scale))
        found = {name: cost.ms(size) for name, cost in costs.items() if cost is not None}
        total = {name: ms + queued.get(name, 0.0) for name, ms in found.items()}
        best = min(forms, key=lambda form: total[form.name])
        shown = f"{size / scale.per:.2g} {scale.unit}"
        return DeviceChoice(best, _reason(best, forms, total, queued, shown), found[best.name])

    async def measure(
        self, workload: Workload, forms: Sequence[Device], scale: Scale = PIXELS
    ) -> Mapping[str, Cost]:
        """Measures all forms of a workload anew, in turns, and keeps what comes out, by the forms' names.

        Raises WorkloadError.
        """
        sides = scale.sides
        best = {form.name: dict.fromkeys(sides, float("inf")) for form in forms}
        for form in forms:
            # The first job also loads libraries and opens graphs.
            await self._measure(workload, form, sides[0])
        for _ in range(ROUNDS):
            for side in sides:
                for form in forms:
                    took = await self._measure(workload, form, side)
                    best[form.name][side] = min(best[form.name][side], took)
        costs = {
            name: fit_cost({scale.size(side): ms for side, ms in times.items()})
            for name, times in best.items()
        }
        # Another process may have measured others meanwhile, as `popbridge tune` does beside a daemon.
        self._known |= read(self._file) | {_key(workload, form): costs[form.name] for form in forms}
        write(self._file, self._known)
        return costs

    def known(self, workload: Workload, form: Device) -> Cost | None:
        """What was measured."""
        return self._known.get(_key(workload, form))

    async def close(self) -> None:
        """Ends the measurements that are under way."""
        for task in self._measuring.values():
            task.cancel()
        await asyncio.gather(*self._measuring.values(), return_exceptions=True)

    def _start(self, workload: Workload, forms: Sequence[Device], scale: Scale) -> str:
        """Measures in the background, unless that is under way or has failed lately; says which."""
        key = " ".join(_key(workload, form) for form in forms)
        if key in self._measuring and not self._measuring[key].done():
            return "the other form is being measured"
        if self._retries.left_s(key):
            return f"the other form couldn't be measured ({self._retries.reason(key)})"
        self._measuring[key] = asyncio.create_task(self._quietly(key, workload, forms, scale))
        return "the other form is being measured"

    async def _quietly(self, key: str, workload: Workload, forms: Sequence[Device], scale: Scale) -> None:
        begin = time.perf_counter()
        try:
            costs = await self.measure(workload, forms, scale)
        # What makes a sample may raise anything.
        except Exception as error:
            reason = error.reason if isinstance(error, WorkloadError) else repr(error)
            again = self._retries.failed(key, reason)
            said = "%s can't be measured on every device, and is again in %.0f s: %s"
            log.warning(said, workload.name, again, reason)
            return
        self._retries.worked(key)
        said = ", ".join(f"{name} {one.fixed_ms:.1f} + {one.mpx_ms:.1f}" for name, one in costs.items())
        took = time.perf_counter() - begin
        log.info("%s costs, in ms and ms a million: %s (measured in %.1f s)", workload.name, said, took)


def fit_cost(times: Mapping[int, float]) -> Cost:
    """The line through milliseconds by pixels, of the least squares of what is off in proportion: a small job
    counts as much as a large one. Neither part is below 0."""
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
    best: Device, forms: Sequence[Device], total: Mapping[str, float], queued: Mapping[str, float], size: str
) -> str:
    """For example: about 12 ms on CUDA, 48 ms on CPU (4.2 megapixels; 30 ms of work wait for CPU)."""
    order = [best, *(form for form in forms if form is not best)]
    expected = ", ".join(f"{total[form.name]:.3g} ms on {form.device}" for form in order)
    waits = [
        f"{queued[form.name]:.3g} ms of work wait for {form.device}"
        for form in order
        if queued.get(form.name)
    ]
    return f"about {expected} ({'; '.join([size, *waits])})"


def _key(workload: Workload, form: Device) -> str:
    return f"{workload.name} {workload.version} {form.device}"


def read(file: Path | None) -> dict[str, Cost]:
    """What was kept; nothing where there is no such file, or nobody can read it: it is only a measurement."""
    if file is not None:
        with contextlib.suppress(OSError, ValueError):
            return msgspec.json.decode(file.read_bytes(), type=dict[str, Cost])
    return {}


def write(file: Path | None, known: Mapping[str, Cost]) -> None:
    """Keeps it, if that can be done."""
    if file is not None:
        replaced(file, msgspec.json.format(msgspec.json.encode(known)))
