"""Jobs that wait to run together, and those that a worker has taken at once."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from accel.executor import ExecutorResult, packed_item
from accel.text import text
from accel.watch import Watch
from accel.workload import Input, WorkloadError, names


class Waiting:
    """A job in a queue or in a batch, until its `result` is known. Raises WorkloadError for parameters that
    can't be sent."""

    def __init__(
        self,
        params: Mapping[str, Any],
        inputs: Sequence[Input],
        rows: int,
        priority: str,
        deadline: float,
        watch: Watch | None = None,
    ) -> None:
        self.params = params
        self.inputs = inputs
        self.packed = packed_item(params, inputs)
        self.rows = rows
        self.priority = priority
        self.deadline = deadline
        """By `time.monotonic`."""
        self.watch = watch or Watch()
        self.result: asyncio.Future[ExecutorResult] = asyncio.get_running_loop().create_future()


class Batch:
    """Jobs that a worker has taken together, and how long they may hold it: one of them may never end, and
    nobody sees which."""

    def __init__(self, stop: Callable[[], object], least_s: float) -> None:
        """`stop` ends what the worker does; in the first `least_s` seconds only where nobody wants it."""
        self.jobs: Sequence[Waiting] = ()
        self.stopped = False
        self._stop, self._least_s = stop, least_s
        self._begun = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, jobs: Sequence[Waiting], limit_s: float) -> None:
        """A worker has `jobs` now. Several that take `limit_s` seconds hang."""
        self.jobs, self._begun = jobs, time.monotonic()
        for job in jobs:
            job.watch.among = len(jobs)
            job.watch.begin()
        if len(jobs) > 1 and limit_s < math.inf:
            self._stop_after(limit_s)

    def left(self, overdue: bool) -> None:
        """Nobody waits for one of the jobs any more; one that is `overdue` may hold up the others."""
        if all(job.result.done() for job in self.jobs):
            self.stop()
        elif overdue:
            self._stop_after(self._least_s)

    def stop(self) -> None:
        """Ends it."""
        self.end()
        self.stopped = True
        self._stop()

    @property
    def took_s(self) -> float:
        """How long a worker has had it, seconds."""
        return time.monotonic() - self._begun

    def end(self) -> None:
        """It has ended."""
        if self._timer is not None:
            self._timer.cancel()

    def _stop_after(self, seconds: float) -> None:
        """Counted from its begin."""
        self.end()
        self._timer = asyncio.get_running_loop().call_later(max(0.0, seconds - self.took_s), self.stop)


def settle(job: Waiting, outcome: ExecutorResult | WorkloadError) -> None:
    """Tells whoever waits for `job`, if anybody does."""
    if job.result.done():
        return
    if isinstance(outcome, WorkloadError):
        job.result.set_exception(outcome)
    else:
        job.result.set_result(outcome)


def overdue(job: Waiting) -> WorkloadError:
    """That `job` wasn't done before its deadline."""
    return WorkloadError("deadline_exceeded", text("wasn't done before its deadline"), names(job.inputs))
