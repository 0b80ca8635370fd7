"""Jobs that a worker didn't get done together: each by itself, so that the one at fault fails alone."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from accel.batch import Waiting, overdue, settle
from accel.executor import Executor, ExecutorResult
from accel.pace import Pace
from accel.text import text
from accel.watch import Watch
from accel.workload import Workload, WorkloadError, names

log = logging.getLogger(__name__)


class Apart:
    """Jobs of one workload, one by one."""

    def __init__(
        self,
        executor: Executor,
        workload: Workload,
        out_dir: Path | None,
        jobs: Sequence[Waiting],
        pace: Pace,
    ) -> None:
        self._executor = executor
        self._workload = workload
        self._out_dir = out_dir
        self._jobs = jobs
        self._pace = pace
        self._limit_s = 0.0
        """What each has at least, where it takes longer than any is known to."""
        self._behind: set[Waiting] = set()
        """Those that no worker has taken yet."""
        self._limits: dict[asyncio.Timeout, float] = {}
        """Of those that run, and how many seconds each has."""

    async def run(self) -> None:
        """Gives each that has no result its own. One that takes long gives way to those behind it, and is
        tried again after them: for twice as long, as it may be slow, until its deadline."""
        while self._open:
            self._behind = set(self._open)
            # The last one that asks for its turn again gets it first.
            await asyncio.gather(*map(self._alone, reversed(self._open)))

    @property
    def _open(self) -> list[Waiting]:
        return [job for job in self._jobs if not job.result.done()]

    async def _alone(self, job: Waiting) -> None:
        task = asyncio.current_task()
        assert task is not None
        # Also when nobody wants it any more, which ends its worker.
        job.result.add_done_callback(lambda _: task.cancel())
        try:
            async with asyncio.timeout(None) as limit:
                done = await self._run(job, lambda: self._began(job, limit))
            self._pace.learn(done.run_ms / 1000)
            settle(job, done)
        except WorkloadError as error:
            settle(job, overdue(job) if error.code == "deadline_exceeded" else error)
        # Its time is over, or it is a bug: neither may keep anybody waiting.
        except Exception:
            if limit.expired():  # the others first
                self._limit_s = max(self._limit_s, 2 * self._limits[limit])
                return
            log.exception("%s can't be run", self._workload.name)
            settle(job, WorkloadError("internal", text("can't be run"), names(job.inputs)))
        except asyncio.CancelledError:
            if not job.result.done():
                raise
        finally:
            self._limits.pop(limit, None)
            self._passed(job)

    async def _run(self, job: Waiting, began: Callable[[], None]) -> ExecutorResult:
        # Of its own: whoever limits how long workers may have the job counts from when its batch began.
        watch = Watch(began)
        watch.again = True
        return await self._executor.run(
            self._workload, job.params, job.inputs,
            deadline_s=max(0.001, job.deadline - time.monotonic()),
            priority=job.priority, out_dir=self._out_dir, watch=watch,
        )  # fmt: skip

    def _began(self, job: Waiting, limit: asyncio.Timeout) -> None:
        """A worker has taken `job`."""
        job.watch.among, job.watch.since = 1, time.monotonic()
        self._limits[limit] = max(self._limit_s, self._pace.longest_s)
        limit.reschedule(asyncio.get_running_loop().time() + self._limits[limit])
        self._passed(job)

    def _passed(self, job: Waiting) -> None:
        """`job` waits for no worker. When none does, and none has given way, who runs is in nobody's way."""
        self._behind.discard(job)
        running = [limit for limit in self._limits if not limit.expired()]
        if not self._behind and len(running) >= len(self._open):
            for limit in running:
                limit.reschedule(None)
