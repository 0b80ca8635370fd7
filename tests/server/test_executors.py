"""Jobs whose outputs become blobs, and what is counted of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from accel.execution.executor import Job, LocalExecutor
from accel.workload import Limits, WorkloadError
from bridge.core.metrics import Counts
from bridge.core.router import Load
from bridge.server.blobs import BlobCollector
from bridge.server.executors import BlobExecutor
from bridge.store.blobs import BlobStore
from tests.server import plugin

pytestmark = pytest.mark.own_workers


async def no_blobs() -> set[str]:
    return set()


async def test_jobs_that_ran_are_counted_and_failed_ones_are_not(tmp_path: Path) -> None:
    counts, load, blobs = Counts(), Load(1), BlobStore(tmp_path, 1)
    workers = LocalExecutor(1, Limits(), 0, warm=())
    collector = BlobCollector(blobs, no_blobs, no_blobs, keep_s=60, sweep_s=60)
    executor = BlobExecutor(workers, blobs, collector, counts, load)
    await workers.start()
    try:
        done = await executor.run(Job.parse(plugin.sleep.workload, {"seconds": 0.05}, deadline_s=60))
        with pytest.raises(WorkloadError):
            await executor.run(Job.parse(plugin.fail.workload, {}, deadline_s=60))
    finally:
        await workers.close()
    assert done.value == "awake"
    asked = counts.asked["test.sleep"]
    assert asked.run.sum == pytest.approx(done.meta.run_ms / 1000)
    assert asked.run.sum >= 0.05
    assert asked.queued.sum == pytest.approx(done.meta.queued_ms / 1000)
    assert load.means == {"test.sleep": asked.run.sum}
    assert "test.fail" not in counts.asked
