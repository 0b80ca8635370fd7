"""What a GPU's process was trying when it ended, and what that says of it."""

import psutil
import pytest

from accel.devices.proof_cache import ProofCache
from accel.devices.report import WANTED
from accel.execution import device_router
from accel.execution.executor import Job, LocalExecutor
from accel.workload import Limits, WorkloadError
from tests.accel import workloads
from tests.accel.conftest import until

SAY = workloads.say.workload


@pytest.fixture
async def trying(tmp_path):
    """A GPU's executor whose process tries something, the process, and what came of trials."""
    file = tmp_path / "shapes.json"
    worker = LocalExecutor(1, Limits(), 0, env={WANTED: "cpu"}, warm=())
    executor = device_router.GpuExecutor(worker, None, "CUDA, Small", file)
    await executor.start()
    pid = (
        await executor.run(Job.parse(workloads.trial.workload, {"text": str(file)}, [], deadline_s=60))
    ).value
    await until(file.exists, "the trial to begin")
    yield executor, pid, ProofCache(file, "here")
    await executor.close()


async def test_a_run_that_ends_while_its_gpu_tries_something_speaks_against_nothing(trying):
    executor, _, proofs = trying
    assert proofs.all[0].tries == 1
    await executor.close()
    assert proofs.all == []


async def test_a_deadline_that_passes_while_a_gpu_tries_something_is_none_of_the_tries_that_ended_it(trying):
    executor, _, proofs = trying
    with pytest.raises(WorkloadError):
        await executor.run(Job.parse(SAY, {}, [], deadline_s=0.05))
    # By a process that is started once it is noted.
    await executor.run(Job.parse(SAY, {}, [], deadline_s=60))
    assert [(one.tries, one.cut) for one in proofs.all] == [(0, 1)]


async def test_a_gpus_process_that_ends_by_itself_while_it_tries_something_is_one_of_the_tries(trying):
    executor, pid, proofs = trying
    psutil.Process(pid).kill()
    await executor.run(Job.parse(SAY, {}, [], deadline_s=60))
    assert [(one.tries, one.cut) for one in proofs.all] == [(1, 0)]


async def test_what_cannot_be_noted_of_a_process_that_is_ended_costs_no_worker(trying, caplog):
    executor, _, _ = trying

    def broken(pid):
        raise ZeroDivisionError

    executor._pool.on_ended = broken
    with pytest.raises(WorkloadError):
        await executor.run(Job.parse(SAY, {}, [], deadline_s=0.05))
    assert (await executor.run(Job.parse(SAY, {}, [], deadline_s=60))).value["pid"]
    assert "ZeroDivisionError" in caplog.text
