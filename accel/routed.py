"""An executor of several forms: each job goes where it is expected to be done first, and says why."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from accel.executor import Executor, ExecutorResult
from accel.pool import Pool
from accel.routing import Choice, Form, Routing
from accel.sample import Sample, pixels_of
from accel.workload import Input, Workload, WorkloadError

DEADLINE_S = 60.0
"""Of one job that is measured."""

FAILURES = frozenset({"internal", "worker_crashed", "too_large"})
"""What a device can be to blame for (its memory is full, say) when the CPU isn't."""


class Lane(Struct):
    """A form, and what is under way by it."""

    form: Form
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


class Routed:
    """An executor over others. Its first lane does everything, the further ones what has a sample, by which
    it can be measured."""

    def __init__(self, first: Lane, file: Path | None, samples: Mapping[str, Sample]) -> None:
        """`file` is where measurements are kept; `samples` are by workloads' names."""
        self._lanes = [first]
        self._samples = samples
        self._failed: set[tuple[str, str]] = set()
        self._took: dict[tuple[str, str], float] = {}
        self.routing = Routing(file, self._sampled)

    @property
    def lanes(self) -> Sequence[Lane]:
        """The forms that there are now, the first of them first."""
        return tuple(self._lanes)

    async def start(self) -> None:
        for lane in self._lanes:
            await lane.executor.start()

    async def add(self, lane: Lane) -> None:
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

    async def run(
        self,
        workload: Workload,
        params: Mapping[str, Any],
        inputs: Sequence[Input],
        *,
        deadline_s: float,
        priority: str = "normal",
        out_dir: Path | None = None,
    ) -> ExecutorResult:
        end = time.monotonic() + deadline_s
        choice, lane = self._choose(workload, inputs)
        more: dict[str, Any] = {"priority": priority, "out_dir": out_dir}
        try:
            return await self._run(lane, choice, workload, params, inputs, deadline_s=deadline_s, **more)
        except WorkloadError as error:
            first = self._lanes[0]
            left = end - time.monotonic()
            if lane is first or error.code not in FAILURES or left <= 0:
                raise
            again = Choice(first.form, f"{lane.form.device} failed: {error.reason}")
            done = await self._run(first, again, workload, params, inputs, deadline_s=left, **more)
            # So it was the device's fault, which isn't tried again with every job.
            self._failed.add((workload.name, lane.form.name))
            return done

    def _choose(self, workload: Workload, inputs: Sequence[Input]) -> tuple[Choice, Lane]:
        lanes = self._lanes[:1]
        if workload.name in self._samples:
            lanes += [lane for lane in self._lanes[1:] if (workload.name, lane.form.name) not in self._failed]
        queued = {lane.form.name: lane.queued_ms for lane in lanes}
        pixels = pixels_of(inputs) if len(lanes) > 1 else 0
        sides = self._samples[workload.name].sides if len(lanes) > 1 else ()
        choice = self.routing.choose(workload, [lane.form for lane in lanes], pixels, queued, sides)
        return choice, next(lane for lane in lanes if lane.form is choice.form)

    async def _run(
        self,
        lane: Lane,
        choice: Choice,
        workload: Workload,
        params: Mapping[str, Any],
        inputs: Sequence[Input],
        **more: Any,
    ) -> ExecutorResult:
        key = (workload.name, lane.form.name)
        # What was never measured takes what it took last.
        expected = choice.ms or self._took.get(key, 0.0)
        lane.pending_ms += expected
        try:
            done = await lane.executor.run(_by(lane, workload), params, inputs, **more)
        finally:
            lane.pending_ms -= expected
        self._took[key] = done.run_ms
        device = done.device if lane is self._lanes[0] else lane.form.device
        return msgspec.structs.replace(done, device=device, reason=choice.reason)

    async def _sampled(self, workload: Workload, form: Form, side: int) -> float:
        """Milliseconds in the worker, from files to files."""
        lane = next(lane for lane in self._lanes if lane.form is form)
        with tempfile.TemporaryDirectory(prefix="popbridge-") as folder:
            params, inputs = await asyncio.to_thread(self._samples[workload.name].make, side, Path(folder))
            done = await lane.executor.run(
                _by(lane, workload),
                params,
                inputs,
                deadline_s=DEADLINE_S,
                priority="bulk",
                out_dir=Path(folder),
            )
        return done.run_ms


def _by(lane: Lane, workload: Workload) -> Workload:
    target = lane.target(workload.name)
    return workload if target is None else msgspec.structs.replace(workload, target=target)
