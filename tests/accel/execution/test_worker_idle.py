import asyncio

import pytest

from accel.devices.report import WANTED
from accel.execution.executor import Job, LocalExecutor
from accel.execution.worker import IdleTasks
from accel.workload import Limits
from tests.accel.workloads import later


def test_background_work_runs_in_order_while_the_process_is_idle():
    spare, done = IdleTasks(), []

    def pieces(name):
        for piece in (1, 2):
            done.append(f"{name}{piece}")
            yield

    for name in "abc":
        spare.later(pieces(name))
    spare.spend(lambda: len(done) < 3)
    assert done == ["a1", "a2", "b1"]
    spare.spend(lambda: False)
    spare.spend(lambda: True)
    spare.spend(lambda: True)
    assert done == ["a1", "a2", "b1", "b2", "c1", "c2"]


@pytest.fixture
async def worker():
    local = LocalExecutor(1, Limits(), 0, warm=(), env={WANTED: "cpu"})
    await local.start()
    yield local
    await local.close()


async def run(worker, text):
    return (await worker.run(Job.parse(later.workload, {"text": text}, [], deadline_s=60))).value


async def test_background_work_runs_after_a_reply_when_no_job_waits(worker):
    first = await run(worker, "note")
    assert first["done"] == 0
    async with asyncio.timeout(60):
        while not (again := await run(worker, "look"))["done"]:
            pass
    assert again == {"pid": first["pid"], "done": 1}


async def test_a_worker_whose_device_is_gone_is_replaced(worker):
    first = await run(worker, "gone")
    async with asyncio.timeout(60):
        while (await run(worker, "look"))["pid"] == first["pid"]:
            pass
    assert worker.pool.ended["crashed"] == 1


async def test_background_work_that_hangs_ends_the_worker_and_no_job(worker):
    first = await run(worker, "hang")
    async with asyncio.timeout(60):
        while (await run(worker, "look"))["pid"] == first["pid"]:
            pass
    assert worker.pool.ended["crashed"] == 1
