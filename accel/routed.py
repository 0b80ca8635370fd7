"""An executor of several forms: each job goes where it is expected to be done first, and says why."""

from __future__ import annotations

import asyncio
import logging
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from accel.executor import Executor, ExecutorResult
from accel.pool import Pool
from accel.retries import KeyedBackoff
from accel.routing import Choice, Cost, Form, Routing
from accel.sample import Sample
from accel.text import text
from accel.troubles import Trouble, Troubles
from accel.watch import Watch
from accel.workload import Input, Workload, WorkloadError

DEADLINE_S = 60.0
"""Of one job that is measured."""

FAILURES = frozenset({"internal", "worker_crashed", "too_large"})
"""What a device can be to blame for (its memory is full, say) when the CPU isn't."""

HUNG = 10
"""Times as long as expected after which a device may hang, from HUNG_S seconds on."""
HUNG_S = 2.0

log = logging.getLogger(__name__)


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
    it can be measured. Where a further one fails the first does the job, and the other rests for a while."""

    def __init__(
        self,
        first: Lane,
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
        self._troubles = Troubles(troubles)
        self._took: dict[tuple[str, str], float] = {}
        self.routing = Routing(file, self._sampled, self._retries)

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
        self._troubles.close()

    async def run(
        self,
        workload: Workload,
        params: Mapping[str, Any],
        inputs: Sequence[Input],
        *,
        deadline_s: float,
        priority: str = "normal",
        out_dir: Path | None = None,
        watch: Watch | None = None,
    ) -> ExecutorResult:
        end = time.monotonic() + deadline_s
        choice, lane = self._choose(workload, params, inputs)
        watch = watch or Watch()
        more: dict[str, Any] = {"priority": priority, "out_dir": out_dir, "watch": watch}
        first = self._lanes[0]
        try:
            done = await self._run(lane, choice, workload, params, inputs, deadline_s=deadline_s, **more)
        except WorkloadError as error:
            left = end - time.monotonic()
            if error.code == "deadline_exceeded":
                self._suspect(workload, lane, watch, choice)
            if lane is first or error.code not in FAILURES or left <= 0:
                raise
            reason = text("{device} failed: {reason}", device=lane.form.device, reason=error.reason)
            again = Choice(first.form, reason)
            done = await self._run(first, again, workload, params, inputs, deadline_s=left, **more)
            # So it was the device's fault.
            wait = self._blame(workload, lane, error)
            return msgspec.structs.replace(done, reason=f"{reason}; it is tried again in {wait:.0f} s")
        except asyncio.CancelledError:
            if watch.overdue:
                self._suspect(workload, lane, watch, choice)
            raise
        if lane is not first:
            self._praise(workload, lane)
        return done

    async def measure(self, workload: Workload) -> Mapping[str, Cost]:
        """Measures a workload that has a sample anew by all forms; what they cost, by the forms' names.

        Raises WorkloadError, also where one form alone fails.
        """
        return await self.routing.measure(
            workload, [lane.form for lane in self._lanes], self._samples[workload.name].scale
        )

    def _suspect(self, workload: Workload, lane: Lane, watch: Watch, choice: Choice) -> None:
        """Lets a device rest that gave nothing in many times what it was expected to take: one that hangs
        looks like the fastest to whoever chooses by what was measured."""
        # How long it waited for a worker is others' fault.
        took_s = time.monotonic() - watch.since
        # A batch takes as long as its jobs one by one, at most.
        expected_s = choice.ms * watch.among / 1000
        if lane is not self._lanes[0] and took_s > max(HUNG_S, HUNG * expected_s):
            self._blame(
                workload,
                lane,
                WorkloadError(
                    "deadline_exceeded", text("it gave nothing in {took_s} s", took_s=f"{took_s:.0f}")
                ),
            )

    def _blame(self, workload: Workload, lane: Lane, error: WorkloadError) -> float:
        """Lets a device rest, which isn't tried again with every job; gives the seconds."""
        gone = error.fault == "gone"
        wait = self._retries.failed(_key(lane) if gone else _key(lane, workload), error.reason)
        said = "%s failed at %s and rests for %.0f s: %s"
        log.warning(said, lane.form.device, workload.name, wait, error.reason)
        self._troubles.note(
            Trouble(lane.form.device, "" if gone else workload.name, error.reason, time.time() + wait)
        )
        return wait

    def _praise(self, workload: Workload, lane: Lane) -> None:
        """A device works, perhaps once more."""
        known = [self._retries.worked(key) for key in (_key(lane), _key(lane, workload))]
        if any(known):
            self._troubles.over(lane.form.device, workload.name)

    def _resting(self, workload: Workload, lane: Lane) -> str:
        """Why a device isn't tried now; empty where it is."""
        keys = [key for key in (_key(lane), _key(lane, workload)) if self._retries.left_s(key)]
        if not keys:
            return ""
        left = max(map(self._retries.left_s, keys))
        reason = self._retries.reason(keys[0])
        return f"{lane.form.device} failed before: {reason}; it is tried again in {left:.0f} s"

    def _choose(
        self, workload: Workload, params: Mapping[str, Any], inputs: Sequence[Input]
    ) -> tuple[Choice, Lane]:
        first, sample = self._lanes[0], self._samples.get(workload.name)
        if sample is None or len(self._lanes) == 1:
            return Choice(first.form, ""), first
        resting = {lane.form.name: self._resting(workload, lane) for lane in self._lanes[1:]}
        lanes = [first, *(lane for lane in self._lanes[1:] if not resting[lane.form.name])]
        if len(lanes) == 1:
            return Choice(first.form, "; ".join(resting.values())), first
        queued = {lane.form.name: lane.queued_ms for lane in lanes}
        size = sample.size(params, inputs)
        choice = self.routing.choose(workload, [lane.form for lane in lanes], size, queued, sample.scale)
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
        if (device, choice.reason) == (done.device, done.reason):
            return done
        return msgspec.structs.replace(done, device=device, reason=choice.reason)

    async def _sampled(self, workload: Workload, form: Form, side: int) -> float:
        """Milliseconds in the worker, from files to files. Raises WorkloadError."""
        lane = next(lane for lane in self._lanes if lane.form is form)
        try:
            return await self._sampled_in_files(workload, lane, side)
        except OSError as error:
            said = (error.strerror or str(error)).lower()
            raise WorkloadError(
                "internal", text("files to measure it by can't be written ({said})", said=said)
            ) from None

    async def _sampled_in_files(self, workload: Workload, lane: Lane, side: int) -> float:
        # A worker that is ended at its deadline may have one of them open a moment longer, which Windows then
        # doesn't remove.
        with tempfile.TemporaryDirectory(prefix="popbridge-", ignore_cleanup_errors=True) as folder:
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


def _key(lane: Lane, workload: Workload | None = None) -> tuple[str, ...]:
    """Of a device's failures: with one workload, or with all."""
    return (lane.form.device,) if workload is None else (lane.form.device, workload.name)


def _by(lane: Lane, workload: Workload) -> Workload:
    target = lane.target(workload.name)
    return workload if target is None else msgspec.structs.replace(workload, target=target)
