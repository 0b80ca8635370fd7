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
async def test_a_job_has_begun_once_a_worker_has_it(executor, tmp_path, form):
    by, workload = form(executor)
    watch = CancelToken()
    async with held(executor, tmp_path):
        task = asyncio.create_task(go(by, workload, "x", watch=watch))
        await until(lambda: executor.pool.waiting, "the job to queue")
        assert not watch.begun
    assert (await task).value["text"] == "x"
    assert watch.begun


async def test_a_job_that_was_given_up_is_never_begun(executor, tmp_path):
    batcher = Batcher(executor, lambda workload: 8)
    watch = CancelToken()
    async with held(executor, tmp_path):
        late = asyncio.create_task(go(batcher, workloads.many, "a", watch=watch))
        other = asyncio.create_task(go(batcher, workloads.many, "b"))
        await until(lambda: executor.pool.waiting, "the jobs to queue")
        watch.unwanted = True  # it is told, and its task isn't yet
    assert (await other).batch == 1
    assert not watch.begun and not late.done()
    late.cancel()
    assert (await asyncio.gather(late, go(batcher, workloads.many, "c"), return_exceptions=True))[
        1
    ].batch == 1


async def test_an_inline_job_has_begun_where_it_was_asked_for(executor):
    watch = CancelToken()
    await go(executor, workloads.here, watch=watch)
    assert watch.begun


@pytest.mark.parametrize("overdue", [True, False])
async def test_a_job_that_is_given_up_as_overdue_holds_up_its_batch_no_longer(executor, tmp_path, overdue):
    batcher = Batcher(executor, lambda workload: 8, least_s=0.0)
    file = tmp_path / "stays"
    file.touch()
    watch = CancelToken()
    async with held(executor, tmp_path):
        hanging = asyncio.create_task(go(batcher, workloads.many, f"hold {file}", watch=watch))
        other = asyncio.create_task(go(batcher, workloads.many, "b"))
        await until(lambda: executor.pool.waiting, "the jobs to queue")
    await until(file.with_suffix(".held").exists, "the batch to begin")
    watch.overdue = overdue
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging
    if not overdue:  # the others' batch goes on
        assert not other.done()
        file.unlink()
    assert (await other).batch == (1 if overdue else 2)
