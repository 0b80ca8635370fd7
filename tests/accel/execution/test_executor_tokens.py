import asyncio

import pytest

from accel.execution.batching import Batcher
from accel.execution.cost_model import Device
from accel.execution.device_router import DeviceQueue, DeviceRouter
from accel.execution.executor import CancelToken, LocalExecutor
from tests.accel import workloads
from tests.accel.asking import go, held
from tests.accel.conftest import until

pytestmark = pytest.mark.filterwarnings("error")


def single(executor: LocalExecutor):
    return executor, workloads.say


def several(executor: LocalExecutor):
    return Batcher(executor, lambda workload: 8), workloads.many


def routed(executor: LocalExecutor):
    return DeviceRouter(
        DeviceQueue(Device("cpu", "CPU"), Batcher(executor, lambda workload: 8)), None, {}
    ), workloads.many


@pytest.mark.parametrize("form", [single, several, routed])
async def test_a_job_counts_as_started_once_a_worker_has_it(executor, tmp_path, form):
    by, workload = form(executor)
    token = CancelToken()
    async with held(executor, tmp_path):
        task = asyncio.create_task(go(by, workload, "x", token=token))
        await until(lambda: executor.pool.waiting, "the job to queue")
        assert not token.started
    assert (await task).value["text"] == "x"
    assert token.started


async def test_a_cancelled_job_never_starts(executor, tmp_path):
    batcher = Batcher(executor, lambda workload: 8)
    token = CancelToken()
    async with held(executor, tmp_path):
        late = asyncio.create_task(go(batcher, workloads.many, "a", token=token))
        other = asyncio.create_task(go(batcher, workloads.many, "b"))
        await until(lambda: executor.pool.waiting, "the jobs to queue")
        token.cancelled = True  # it is told, and its task isn't yet
    assert (await other).batch == 1
    assert not token.started and not late.done()
    late.cancel()
    assert (await asyncio.gather(late, go(batcher, workloads.many, "c"), return_exceptions=True))[
        1
    ].batch == 1


async def test_an_inline_job_starts_at_once(executor):
    token = CancelToken()
    await go(executor, workloads.here, token=token)
    assert token.started


@pytest.mark.parametrize("overdue", [True, False])
async def test_an_overdue_job_that_is_cancelled_delays_its_batch_no_longer(executor, tmp_path, overdue):
    batcher = Batcher(executor, lambda workload: 8, least_s=0.0)
    file = tmp_path / "stays"
    file.touch()
    token = CancelToken()
    async with held(executor, tmp_path):
        hanging = asyncio.create_task(go(batcher, workloads.many, f"hold {file}", token=token))
        other = asyncio.create_task(go(batcher, workloads.many, "b"))
        await until(lambda: executor.pool.waiting, "the jobs to queue")
    await until(file.with_suffix(".held").exists, "the batch to begin")
    token.overdue = overdue
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging
    if not overdue:  # the others' batch goes on
        assert not other.done()
        file.unlink()
    assert (await other).batch == (1 if overdue else 2)
