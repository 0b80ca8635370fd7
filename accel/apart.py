"""Jobs that a worker didn't get done together: each by itself, so that the one at fault fails alone."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from accel.batch import Waiting, half_left, overdue, settle
from accel.executor import Executor, ExecutorResult
from accel.watch import Watch
from accel.workload import Workload, WorkloadError, names

LEAST_S = 1.0
"""How long a job by itself may take in any case: its worker may have just taken the place of another."""

log = logging.getLogger(__name__)


class Apart:
    """Jobs of one workload, one by one."""

    def __init__(
        self,
        executor: Executor,
        workload: Workload,
        out_dir: Path | None,
        jobs: Sequence[Waiting],
        most_s: float,
    ) -> None:
        """`most_s`: what the jobs had together, seconds, which is time enough for one of them."""
        self._executor = executor
        self._workload = workload
        self._out_dir = out_dir
        self._jobs = jobs
        self._most_s = most_s
        self._behind: set[Waiting] = set()
        """Those that no worker has taken yet."""
        self._limits: set[asyncio.Timeout] = set()
        """Of those that run."""

    async def run(self) -> None:
        """Gives each that has no result its own. One that takes long gives way to those behind it, and is
        tried once more after them."""
        self._behind = set(self._open)
        for _ in range(2):
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
                settle(job, await self._run(job, lambda: self._began(job, limit)))
        except WorkloadError as error:
            settle(job, overdue(job) if error.code == "deadline_exceeded" else error)
        except TimeoutError:  # the others first
            pass
        except Exception:  # a bug, which must not keep anybody waiting
            log.exception("%s can't be run", self._workload.name)
            settle(job, WorkloadError("internal", "can't be run", names(job.inputs)))
        except asyncio.CancelledError:
            if not job.result.done():
                raise
        finally:
            self._limits.discard(limit)
            self._passed(job)

    async def _run(self, job: Waiting, began: Callable[[], None]) -> ExecutorResult:
        def begin() -> None:
            job.watch.begin()
            began()

        watch = Watch(begin)
        watch.begun = True  # it had its turn
        return await self._executor.run(
            self._workload, job.params, job.inputs,
            deadline_s=max(0.001, job.deadline - time.monotonic()),
            priority=job.priority, out_dir=self._out_dir, watch=watch,
        )  # fmt: skip

    def _began(self, job: Waiting, limit: asyncio.Timeout) -> None:
        """A worker has taken `job`."""
        seconds = max(LEAST_S, min(self._most_s, half_left(self._open)))
        limit.reschedule(asyncio.get_running_loop().time() + seconds)
        self._limits.add(limit)
        self._passed(job)

    def _passed(self, job: Waiting) -> None:
        """`job` waits for no worker; when none does, whoever runs is in nobody's way."""
        self._behind.discard(job)
        if not self._behind:
            for limit in self._limits:
                if not limit.expired():
                    limit.reschedule(None)
