"""An executor that counts what its jobs took."""

from __future__ import annotations

import pytest

from accel.execution.executor import LocalExecutor
from accel.workload import Limits, WorkloadError
from bridge.core.metrics import Counts
from bridge.core.router import Load
from bridge.server.executors import MeasuredExecutor
from tests.server import plugin

pytestmark = pytest.mark.own_workers


async def test_what_ran_is_counted_and_what_failed_isnt() -> None:
    counts, load = Counts(), Load(1)
    executor = MeasuredExecutor(LocalExecutor(1, Limits(), 0, warm=()), counts, load)
    await executor.start()
    try:
        done = await executor.run(plugin.sleep.workload, {"seconds": 0.05}, [], deadline_s=60)
        with pytest.raises(WorkloadError):
            await executor.run(plugin.fail.workload, {}, [], deadline_s=60)
    finally:
        await executor.close()
    assert done.value == "awake"
    asked = counts.asked["test.sleep"]
    assert asked.run.sum == pytest.approx(done.run_ms / 1000)
    assert asked.run.sum >= 0.05
    assert asked.queued.sum == pytest.approx(done.queued_ms / 1000)
    assert load.means == {"test.sleep": asked.run.sum}
    assert "test.fail" not in counts.asked
