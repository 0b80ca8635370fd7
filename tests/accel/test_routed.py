"""The second form is the graphs' on the CPU provider: real workers, real measurements."""

import asyncio

import msgspec
import pytest
import pyvips

from accel import gpu
from accel.devices import kept
from accel.devices.driver import Gpu
from accel.devices.here import CPU
from accel.devices.report import Devices, Report
from accel.executor import LocalExecutor
from accel.gpu import find, join, lane
from accel.image.catalogue import OPERATIONS
from accel.routed import Lane, Routed
from accel.routing import Cost, Form
from accel.sample import image_sample
from accel.workload import Input, Limits, WorkloadError
from tests.accel import workloads
from tests.accel.conftest import until
from tests.accel.graphs.agreeing import check_agree

NORMALS = OPERATIONS["image.normal_from_height"].workload
SAMPLE = image_sample(1, sides=(16, 64))
SAY = workloads.say.workload


@pytest.fixture
async def routed(tmp_path):
    """A CPU's lane with two workers, nothing measured."""
    first = Lane(Form("cpu", "CPU"), LocalExecutor(2, Limits(), 0, warm=()), 2)
    made = Routed(first, tmp_path / "routing.json", {NORMALS.name: SAMPLE, SAY.name: SAMPLE})
    await made.start()
    yield made
    await made.close()


@pytest.fixture
async def both(routed):
    """With a stand-in for a GPU."""
    await routed.add(lane(CPU, Devices((), (Gpu("Stand-in"),)), Limits()))
    stand_in = routed._lanes[1]
    stand_in.form = Form("graphs", "graphs, Stand-in")
    return routed


def keep(routed, workload, cpu: Cost, graphs: Cost) -> None:
    """Makes costs up."""
    name = f"{workload.name} {workload.version}"
    routed.routing._known |= {f"{name} CPU": cpu, f"{name} graphs, Stand-in": graphs}


async def normals(routed, tmp_path, **more):
    params, inputs = SAMPLE.make(64, tmp_path)
    return await routed.run(NORMALS, params, inputs, deadline_s=60, **more)


async def test_with_one_form_nothing_is_measured_and_nothing_said(routed, tmp_path):
    done = await normals(routed, tmp_path)
    assert (done.device, done.reason) == ("CPU", "")
    assert not (tmp_path / "routing.json").exists() and not routed.routing._measuring


async def test_two_forms_are_measured_by_real_runs_and_chosen_by_that(both, tmp_path):
    done = await normals(both, tmp_path)
    assert done.device == "CPU" and done.reason == "the other form is being measured"
    await until((tmp_path / "routing.json").exists, "the measurement", 60)
    kept = msgspec.json.decode((tmp_path / "routing.json").read_bytes(), type=dict[str, Cost])
    assert set(kept) == {
        "image.normal_from_height 1 CPU",
        "image.normal_from_height 1 graphs, Stand-in",
    }
    assert all(cost.ms(64 * 64) > 0 for cost in kept.values())
    again = await normals(both, tmp_path)
    costs = {name.rpartition("1 ")[2]: cost.ms(64 * 64) for name, cost in kept.items()}
    assert again.device == min(costs, key=costs.__getitem__)
    assert again.reason.startswith("about ") and "Stand-in" in again.reason and "CPU" in again.reason


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
    jobs = [both.run(SAY, {"text": str(at)}, [], deadline_s=60) for at in range(4)]
    done = await asyncio.gather(*jobs)
    assert [one.device for one in done] == ["graphs, Stand-in", "CPU", "CPU", "graphs, Stand-in"]
    assert "80 ms of work wait for graphs, Stand-in" in done[1].reason
    assert all(one.pending_ms == 0 for one in both._lanes)


async def test_work_that_was_never_measured_counts_by_what_it_took_last(both):
    note = workloads.path.workload
    first = await both.run(note, {}, [Input("a", "a")], deadline_s=60)
    task = asyncio.create_task(both.run(note, {}, [Input("a", "a")], deadline_s=60))
    await asyncio.sleep(0)
    assert both._lanes[0].pending_ms == first.run_ms > 0
    await task
    assert both._lanes[0].pending_ms == 0


async def test_a_device_that_fails_costs_nobody_the_result_and_is_not_tried_again(both, tmp_path):
    keep(both, NORMALS, Cost(100, 0), Cost(1, 0))
    both._lanes[1].target = lambda name: "tests.accel.workloads:bug"
    done = await normals(both, tmp_path)
    assert done.device == "CPU" and done.reason.startswith("graphs, Stand-in failed: ")
    again = await normals(both, tmp_path)
    assert (again.device, again.reason) == ("CPU", "")


async def test_a_mistake_is_told_at_once_and_blames_no_device(both, tmp_path):
    keep(both, NORMALS, Cost(100, 0), Cost(1, 0))
    _, inputs = SAMPLE.make(64, tmp_path)
    with pytest.raises(WorkloadError) as caught:
        await both.run(NORMALS, {"channel": "a"}, inputs, deadline_s=60)
    assert caught.value.code == "bad_params" and not both._failed


async def test_a_workload_that_fails_everywhere_blames_no_device(both):
    broken = msgspec.structs.replace(SAY, target="tests.accel.workloads:bug")
    keep(both, SAY, Cost(100, 0), Cost(1, 0))
    with pytest.raises(WorkloadError):
        await both.run(broken, {}, [], deadline_s=60)
    assert not both._failed


def test_without_a_driver_there_is_no_gpu_and_nothing_is_tried(tmp_path):
    def missing(name):
        raise OSError(name)

    assert find(tmp_path / "devices.json", missing) is None
    assert not (tmp_path / "devices.json").exists()


def test_a_gpu_is_named_by_its_provider_and_its_own_name():
    assert lane(CPU, Devices((), (Gpu("NVIDIA H100"),)), Limits()).form == Form("cpu", "CPU, NVIDIA H100")
    assert lane(CPU, Devices(()), Limits()).form.device == "CPU"


async def test_who_does_not_want_the_gpu_gets_none(routed, tmp_path):
    await join(routed, tmp_path / "devices.json", Limits(), wanted=False)
    assert len(routed._lanes) == 1 and not (tmp_path / "devices.json").exists()


def test_a_gpu_that_works_is_found_with_its_name(tmp_path):
    file = tmp_path / "devices.json"
    reports = (Report("cuda", True, "works"), Report("cpu", True, "works"))
    kept.keep(Devices(reports, (Gpu("Some GPU"),)), file)
    choice, devices = find(file, lambda name: None)
    assert choice.name == "cuda" and lane(choice, devices, Limits()).form == Form("cuda", "CUDA, Some GPU")
    kept.keep(Devices((Report("cuda", False, "broken"), Report("cpu", True, "works"))), file)
    assert find(file, lambda name: None) is None


async def test_a_gpu_joins_while_the_cpu_works_and_then_does_jobs(routed, tmp_path, monkeypatch):
    stand_in = CPU, Devices((), (Gpu("Stand-in"),))
    monkeypatch.setattr(gpu, "find", lambda file: stand_in)
    await join(routed, tmp_path / "devices.json", Limits())
    assert [one.form.device for one in routed._lanes] == ["CPU", "CPU, Stand-in"]


async def test_a_gpu_whose_process_cannot_start_is_done_without(routed, tmp_path, monkeypatch, caplog):
    async def refuse(lane):
        raise OSError("no more processes")

    monkeypatch.setattr(gpu, "find", lambda file: (CPU, Devices(())))
    monkeypatch.setattr(routed, "add", refuse)
    await join(routed, tmp_path / "devices.json", Limits())
    assert "no process can be started" in caplog.text and len(routed._lanes) == 1


async def test_who_gives_up_on_a_gpu_that_starts_leaves_no_process_behind(routed, monkeypatch):
    added = lane(CPU, Devices(()), Limits())
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
    assert ended == [1] and len(routed._lanes) == 1
