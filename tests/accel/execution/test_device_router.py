"""The second form is the graphs' on the CPU provider: real workers, real measurements."""

import asyncio

import msgspec
import pytest
import pyvips
from msgspec.structs import replace

from accel.devices import current
from accel.devices.current import CPU
from accel.devices.driver import Gpu
from accel.devices.report import WANTED, Devices, Report
from accel.execution import device_router
from accel.execution.backoff import KeyedBackoff
from accel.execution.batch_tuning import Sample, image_sample
from accel.execution.cost_model import Cost, Device, DeviceChoice
from accel.execution.device_router import DeviceQueue, DeviceRouter, find_gpu, gpu_queue, join_router
from accel.execution.executor import CancelToken, Job, LocalExecutor
from accel.image.operations.pipeline import OPERATIONS
from accel.workload import Input, Limits, Params, WorkloadError
from tests.accel import full, workloads
from tests.accel.asking import held
from tests.accel.conftest import until
from tests.accel.execution.test_backoff import Clock
from tests.accel.gpu_ops.comparison import check_agree

pytestmark = pytest.mark.usefixtures("shared_workers")

NORMALS = OPERATIONS["image.normal_from_height"].workload
SAMPLE = image_sample(1, sides=(16, 64))
SAY, ROOT = workloads.say.workload, full.root.workload


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def routed(tmp_path, clock):
    """A CPU's lane with two workers, nothing measured."""
    first = DeviceQueue(Device("cpu", "CPU"), LocalExecutor(2, Limits(), 0, warm=()), 2)
    samples = {NORMALS.name: SAMPLE, SAY.name: SAMPLE}
    made = DeviceRouter(
        first,
        tmp_path / "routing.json",
        samples,
        troubles=tmp_path / "troubles.json",
        retries=KeyedBackoff(clock),
    )
    await made.start()
    yield made
    await made.close()


@pytest.fixture
async def both(routed):
    """With a stand-in for a GPU."""
    await routed.add(gpu_queue(CPU, Devices((), (Gpu("Stand-in"),)), Limits()))
    stand_in = routed._queues[1]
    stand_in.device = Device("graphs", "graphs, Stand-in")
    return routed


def keep(routed, workload, cpu: Cost, graphs: Cost) -> None:
    """Makes costs up."""
    name = f"{workload.name} {workload.version}"
    routed.routing._known |= {f"{name} CPU": cpu, f"{name} graphs, Stand-in": graphs}


async def normals(routed, tmp_path, **more):
    params, inputs = SAMPLE.make(64, tmp_path)
    return await routed.run(Job.parse(NORMALS, params, inputs, deadline_s=60, **more))


async def test_with_one_form_nothing_is_measured_and_nothing_said(routed, tmp_path):
    done = await normals(routed, tmp_path)
    assert (done.device, done.reason) == ("CPU", "")
    assert not (tmp_path / "routing.json").exists() and not routed.routing._measuring


async def test_two_forms_are_measured_by_real_runs_and_chosen_by_that(both, tmp_path):
    done = await normals(both, tmp_path)
    assert done.device == "CPU" and done.reason == "the other device is being measured"
    await until((tmp_path / "routing.json").exists, "the measurement", 60)
    kept = msgspec.json.decode((tmp_path / "routing.json").read_bytes(), type=dict[str, Cost])
    named = f"{NORMALS.name} {NORMALS.version} "
    assert set(kept) == {f"{named}CPU", f"{named}graphs, Stand-in"}
    assert all(cost.ms(64 * 64) > 0 for cost in kept.values())
    again = await normals(both, tmp_path)
    costs = {name.removeprefix(named): cost.ms(64 * 64) for name, cost in kept.items()}
    assert again.device == min(costs, key=costs.__getitem__)
    assert str(again.reason).startswith("about ") and "Stand-in" in again.reason and "CPU" in again.reason


async def test_both_forms_give_the_same_picture(both, tmp_path):
    keep(both, NORMALS, Cost(1, 0), Cost(2, 0))
    by_cpu = await normals(both, tmp_path)
    keep(both, NORMALS, Cost(2, 0), Cost(1, 0))
    by_graph = await normals(both, tmp_path)
    assert (by_cpu.device, by_graph.device) == ("CPU", "graphs, Stand-in")
    pixels = [pyvips.Image.new_from_buffer(one.files[0].data, "").numpy() for one in (by_cpu, by_graph)]
    check_agree(*pixels)


async def test_what_waits_for_one_form_sends_the_next_job_to_the_other(both):
    keep(both, SAY, Cost(100, 0), Cost(80, 0))
    jobs = [both.run(Job.parse(SAY, {"text": str(at)}, [], deadline_s=60)) for at in range(4)]
    done = await asyncio.gather(*jobs)
    assert [one.device for one in done] == ["graphs, Stand-in", "CPU", "CPU", "graphs, Stand-in"]
    assert "80 ms of work wait for graphs, Stand-in" in done[1].reason
    assert all(one.pending_ms == 0 for one in both._queues)


async def test_work_that_was_never_measured_counts_by_what_it_took_last(both):
    note = workloads.path.workload
    first = await both.run(Job.parse(note, {}, [Input("a", "a")], deadline_s=60))
    task = asyncio.create_task(both.run(Job.parse(note, {}, [Input("a", "a")], deadline_s=60)))
    await asyncio.sleep(0)
    assert both._queues[0].pending_ms == first.run_ms > 0
    await task
    assert both._queues[0].pending_ms == 0


async def test_a_device_that_fails_costs_nobody_the_result_and_rests_for_a_while(both, tmp_path, clock):
    keep(both, NORMALS, Cost(100, 0), Cost(1, 0))
    target = both._queues[1].target
    both._queues[1].target = lambda name: "tests.accel.workloads:broken_normals"
    done = await normals(both, tmp_path)
    assert done.device == "CPU" and str(done.reason).startswith("graphs, Stand-in failed: ")
    assert str(done.reason).endswith("; it is tried again in 30 s")
    both._queues[1].target = target
    again = await normals(both, tmp_path)
    assert again.device == "CPU" and str(again.reason).startswith("graphs, Stand-in failed before: ")
    clock.now += 30
    assert (await normals(both, tmp_path)).device == "graphs, Stand-in"
    assert (await normals(both, tmp_path)).device == "graphs, Stand-in"


@pytest.mark.parametrize("how", ["told", "cancelled"])
async def test_a_device_that_hangs_rests_for_a_while(both, tmp_path, how):
    keep(both, SAY, Cost(100, 0), Cost(1, 0))
    target = both._queues[1].target
    both._queues[1].target = lambda name: "tests.accel.workloads:hang"
    token, mark = CancelToken(), tmp_path / "hang"
    more = {"deadline_s": 3 if how == "told" else 60, "token": token}
    task = asyncio.create_task(both.run(Job.parse(SAY, {"text": str(mark)}, [], **more)))
    if how == "cancelled":
        await until(mark.exists, "the job to begin")
        await asyncio.sleep(2)
        token.overdue = True
        task.cancel()
    with pytest.raises((WorkloadError, asyncio.CancelledError)):
        await task
    both._queues[1].target = target
    again = await both.run(Job.parse(SAY, {}, [], deadline_s=60))
    assert again.device == "CPU" and "graphs, Stand-in failed before: it gave nothing in " in again.reason


@pytest.mark.parametrize(("among", "rests"), [(1, True), (15, False)])
async def test_a_device_has_the_time_of_all_jobs_that_it_took_together(both, among, rests, caplog):
    stand_in, token = both._queues[1], CancelToken()
    token.batch_size = among
    token.start()
    token.started_at -= 3
    both._suspect(Job(SAY, Params(), token=token), stand_in, DeviceChoice(stand_in.device, "", 200))
    assert ("it gave nothing in 3 s" in caplog.text) == rests


async def test_a_device_that_others_kept_busy_is_not_said_to_hang(both, tmp_path, caplog):
    keep(both, SAY, Cost(1000, 0), Cost(1, 0))
    (gpu,) = both._queues[1:]
    await both.run(Job.parse(SAY, {}, [], deadline_s=60))
    gpu.target = lambda name: "tests.accel.workloads:hang"
    async with held(gpu.executor._executor, tmp_path):
        late = asyncio.create_task(
            both.run(Job.parse(SAY, {"text": str(tmp_path / "hang")}, [], deadline_s=3))
        )
        await asyncio.sleep(2.3)
    with pytest.raises(WorkloadError):
        await late
    gpu.target = lambda name: None
    assert (await both.run(Job.parse(SAY, {}, [], deadline_s=60))).device == "graphs, Stand-in"
    assert "failed at" not in caplog.text


async def test_a_deadline_that_leaves_a_device_no_time_blames_none(both, tmp_path):
    keep(both, SAY, Cost(100, 0), Cost(1, 0))
    await both.run(Job.parse(SAY, {}, [], deadline_s=60))
    both._queues[1].target = lambda name: "tests.accel.workloads:hang"
    with pytest.raises(WorkloadError):
        await both.run(Job.parse(SAY, {"text": str(tmp_path / "hang")}, [], deadline_s=0.5))
    both._queues[1].target = lambda name: None
    assert (await both.run(Job.parse(SAY, {}, [], deadline_s=60))).device == "graphs, Stand-in"


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), ValueError("no such sample")])
async def test_a_sample_that_cannot_be_made_is_tried_again_after_a_while(both, error, caplog):
    def fail(side, folder):
        raise error

    both._samples[SAY.name] = Sample(fail)
    assert (
        await both.run(Job.parse(SAY, {}, [], deadline_s=60))
    ).reason == "the other device is being measured"
    await until(lambda: "can't be measured on every device" in caplog.text, "the failure")
    again = await both.run(Job.parse(SAY, {}, [], deadline_s=60))
    assert "the other device couldn't be measured" in again.reason


async def test_a_mistake_is_told_at_once_and_blames_no_device(both, tmp_path):
    keep(both, NORMALS, Cost(100, 0), Cost(1, 0))
    _, inputs = SAMPLE.make(64, tmp_path)
    with pytest.raises(WorkloadError) as caught:
        await both.run(Job.parse(NORMALS, {"channel": "a"}, inputs, deadline_s=60))
    assert caught.value.code == "bad_params"
    assert (await normals(both, tmp_path)).device == "graphs, Stand-in"


async def test_a_workload_that_fails_everywhere_blames_no_device(both):
    broken = msgspec.structs.replace(SAY, target="tests.accel.workloads:bug")
    keep(both, SAY, Cost(100, 0), Cost(1, 0))
    with pytest.raises(WorkloadError):
        await both.run(Job.parse(broken, {}, [], deadline_s=60))
    assert (await both.run(Job.parse(SAY, {}, [], deadline_s=60))).device == "graphs, Stand-in"


@pytest.fixture
async def small(routed, tmp_path):
    """With a stand-in for a GPU with little memory, which is the faster one."""
    worker = LocalExecutor(1, Limits(), 0, env={WANTED: "cuda"}, warm=())
    executor = device_router.GpuExecutor(worker, None, "CUDA, Small")
    executor._max_rows = lambda workload: 32
    await routed.add(DeviceQueue(Device("cuda", "CUDA, Small"), executor))
    # The CPU's worker has as little memory here, which only its own jobs may show.
    routed._samples[ROOT.name] = image_sample(1)
    routed.routing._known |= {"test.root 1 CPU": Cost(1e6, 0), "test.root 1 CUDA, Small": Cost(1, 0)}
    routed.worker = worker
    return routed


def root(routed, **params):
    return routed.run(Job.parse(ROOT, params, [], deadline_s=60))


async def test_a_batch_that_a_gpu_has_no_memory_for_runs_in_smaller_ones_there(small):
    first = asyncio.create_task(root(small, value=1.0))
    done = await asyncio.gather(*(root(small, value=float(at * at)) for at in range(16)), first)
    assert [one.value["roots"][0] for one in done] == pytest.approx([*range(16), 1])
    assert {one.device for one in done} == {"CUDA, Small"}
    assert max(one.batch for one in done) >= 2 * full.FITS > max(one.value["at_once"] for one in done)


async def test_what_does_not_fit_on_the_gpu_even_alone_is_done_by_the_cpu_which_says_so(
    small, tmp_path, clock
):
    small._queues[0].executor = Wrapped(small._queues[0].executor)
    done = await root(small, value=4.0, rows=full.FITS * 4)
    assert done.value["roots"] == [2.0] and done.device == "CPU"
    assert done.reason == "CUDA, Small failed: the GPU's memory is full; it is tried again in 30 s"
    (trouble,) = device_router.read(tmp_path / "troubles.json")
    assert (trouble.device, trouble.workload) == ("CUDA, Small", "test.root")
    # Its other workloads still run there, and this one once it had time.
    keep_small(small, SAY)
    assert (await small.run(Job.parse(SAY, {}, [], deadline_s=60))).device == "CUDA, Small"
    resting = await root(small, value=4.0)
    assert resting.device == "CPU" and "the GPU's memory is full; it is tried again in 30 s" in resting.reason
    clock.now += 31
    assert (await root(small, value=4.0)).device == "CUDA, Small"
    assert device_router.read(tmp_path / "troubles.json") == []


async def test_a_gpu_that_is_gone_rests_for_all_workloads_and_gets_a_new_process(small, tmp_path, clock):
    small._queues[0].executor = Wrapped(small._queues[0].executor)
    (before,) = small.worker.pool.pids
    done = await root(small, value=9.0, gone=True)
    assert done.device == "CPU" and "failed: the GPU is gone; it is tried again" in done.reason
    keep_small(small, SAY)
    other = await small.run(Job.parse(SAY, {}, [], deadline_s=60))
    assert other.device == "CPU" and "CUDA, Small failed before: the GPU is gone" in other.reason
    assert [one.workload for one in device_router.read(tmp_path / "troubles.json")] == [""]
    clock.now += 31
    back = await root(small, value=9.0)
    assert back.device == "CUDA, Small" and back.value["pid"] != before
    assert (await small.run(Job.parse(SAY, {}, [], deadline_s=60))).device == "CUDA, Small"
    assert device_router.read(tmp_path / "troubles.json") == []


def keep_small(routed, workload) -> None:
    name = f"{workload.name} {workload.version}"
    routed.routing._known |= {f"{name} CPU": Cost(1e6, 0), f"{name} CUDA, Small": Cost(1, 0)}


class Wrapped:
    """A CPU that has memory for everything."""

    def __init__(self, executor) -> None:
        self._executor = executor

    async def run(self, job):
        if job.workload.name == ROOT.name:
            job = replace(job, params=full.Rows(value=job.params.value))
        return await self._executor.run(job)

    async def close(self):
        await self._executor.close()


async def test_a_gpu_whose_memory_was_full_joins_when_there_is_room(routed, tmp_path, monkeypatch):
    file = tmp_path / "devices.json"
    current.save(Devices((Report("cuda", False, "the GPU's memory is full"),)), file)
    looks = []

    def look(file):
        looks.append(1)
        return (CPU, Devices((), (Gpu("Stand-in"),))) if len(looks) > 2 else None

    monkeypatch.setattr(device_router, "find_gpu", look)
    await join_router(routed, file, Limits(), again_s=0)
    assert len(looks) == 3 and [one.device.label for one in routed._queues] == ["CPU", "CPU, Stand-in"]


def test_a_gpu_that_was_full_is_tried_anew_and_one_that_is_broken_is_not(tmp_path, monkeypatch):
    file = tmp_path / "devices.json"
    current.save(Devices((Report("cuda", False, "the GPU's memory is full"), Report("cpu", True, ""))), file)
    works = Devices((Report("cuda", True, "works"), Report("cpu", True, "works")), (Gpu("Some GPU"),))
    monkeypatch.setattr(device_router, "try_providers", lambda: works)
    assert find_gpu(file, lambda name: None)[0].name == "cuda" and current.load(file) == works
    current.save(Devices((Report("cuda", False, "broken"), Report("cpu", True, ""))), file)
    assert find_gpu(file, lambda name: None) is None
    assert current.load(tmp_path / "none.json") == Devices(())


def test_without_a_driver_there_is_no_gpu_and_nothing_is_tried(tmp_path):
    def missing(name):
        raise OSError(name)

    assert find_gpu(tmp_path / "devices.json", missing) is None
    assert not (tmp_path / "devices.json").exists()


def test_a_gpu_is_named_by_its_provider_and_its_own_name():
    assert gpu_queue(CPU, Devices((), (Gpu("NVIDIA H100"),)), Limits()).device == Device(
        "cpu", "CPU, NVIDIA H100"
    )
    assert gpu_queue(CPU, Devices(()), Limits()).device.label == "CPU"


async def test_who_does_not_want_the_gpu_gets_none(routed, tmp_path):
    await join_router(routed, tmp_path / "devices.json", Limits(), wanted=False)
    assert len(routed._queues) == 1 and not (tmp_path / "devices.json").exists()


def test_a_gpu_that_works_is_found_with_its_name(tmp_path):
    file = tmp_path / "devices.json"
    reports = (Report("cuda", True, "works"), Report("cpu", True, "works"))
    current.save(Devices(reports, (Gpu("Some GPU"),)), file)
    choice, devices = find_gpu(file, lambda name: None)
    assert choice.name == "cuda" and gpu_queue(choice, devices, Limits()).device == Device(
        "cuda", "CUDA, Some GPU"
    )
    current.save(Devices((Report("cuda", False, "broken"), Report("cpu", True, "works"))), file)
    assert find_gpu(file, lambda name: None) is None


async def test_a_gpu_joins_while_the_cpu_works_and_then_does_jobs(routed, tmp_path, monkeypatch):
    stand_in = CPU, Devices((), (Gpu("Stand-in"),))
    monkeypatch.setattr(device_router, "find_gpu", lambda file: stand_in)
    await join_router(routed, tmp_path / "devices.json", Limits())
    assert [one.device.label for one in routed._queues] == ["CPU", "CPU, Stand-in"]


async def test_a_gpu_whose_process_cannot_start_is_done_without(routed, tmp_path, monkeypatch, caplog):
    async def refuse(lane):
        raise OSError("no more processes")

    monkeypatch.setattr(device_router, "find_gpu", lambda file: (CPU, Devices(())))
    monkeypatch.setattr(routed, "add", refuse)
    await join_router(routed, tmp_path / "devices.json", Limits())
    assert "no process can be started" in caplog.text and len(routed._queues) == 1


async def test_who_gives_up_on_a_gpu_that_starts_leaves_no_process_behind(routed, monkeypatch):
    added = gpu_queue(CPU, Devices(()), Limits())
    ended = []
    close = added.executor.close

    async def start():
        raise asyncio.CancelledError

    async def counted():
        ended.append(1)
        await close()

    monkeypatch.setattr(added.executor, "start", start)
    monkeypatch.setattr(added.executor, "close", counted)
    with pytest.raises(asyncio.CancelledError):
        await routed.add(added)
    assert ended == [1] and len(routed._queues) == 1
