import asyncio
import logging
import sys

import msgspec
import pytest

from accel.execution import worker
from accel.execution.backoff import KeyedBackoff
from accel.execution.batch_tuning import BatchPolicy, BatchTuning, chosen, rates
from accel.workload import Batching, WorkloadError
from tests.accel import workloads
from tests.accel.asking import go
from tests.accel.conftest import until
from tests.accel.execution.test_backoff import Clock

pytestmark = pytest.mark.usefixtures("shared_workers")

MANY = workloads.many.workload


@pytest.mark.parametrize(
    ("rates", "rows"),
    [
        ({1: 100, 2: 190, 4: 300, 8: 310, 16: 312}, 4),
        ({1: 100, 2: 103, 4: 104}, 1),
        ({1: 100, 2: 80, 4: 70}, 1),
        ({1: 100}, 1),
    ],
)
def test_the_smallest_batch_that_is_nearly_the_best_is_chosen(rates, rows):
    assert chosen(rates).max_rows == rows


async def test_a_workload_is_measured_the_first_time_it_is_used_and_then_known(executor, tmp_path):
    file = tmp_path / "made" / "batching.json"
    policies = BatchTuning(file, executor)
    assert policies.max_rows(MANY) == 1
    await until(file.exists, "the measurement")
    known = msgspec.json.decode(file.read_bytes(), type=dict[str, BatchPolicy])
    assert set(known["test.many 1 CPU"].rates) == {1, 2, 4, 8, 16}
    again = BatchTuning(file, executor)
    assert again.max_rows(MANY) == known["test.many 1 CPU"].max_rows == policies.max_rows(MANY)
    await policies.close()


async def test_another_device_is_measured_for_itself(executor, tmp_path):
    file = tmp_path / "batching.json"
    file.write_bytes(msgspec.json.encode({"test.many 1 CPU": BatchPolicy(8, {1: 1.0, 8: 8.0})}))
    assert BatchTuning(file, executor).max_rows(MANY) == 8
    gpu = BatchTuning(file, executor, "CUDA")
    assert gpu.max_rows(MANY) == 1
    await gpu.close()


@pytest.mark.parametrize("content", [b"not JSON", b'{"\xff": null}'])
async def test_a_file_that_nobody_can_read_is_measured_anew(executor, tmp_path, content):
    file = tmp_path / "batching.json"
    file.write_bytes(content)
    policies = BatchTuning(file, executor)
    await policies.measure(MANY)
    assert BatchTuning(file, executor).max_rows(MANY) == policies.max_rows(MANY)


async def test_a_place_that_cannot_be_written_costs_only_the_memory_of_it(executor, tmp_path):
    (tmp_path / "file").touch()
    policies = BatchTuning(tmp_path / "file" / "batching.json", executor)
    assert (await policies.measure(MANY)).max_rows == policies.max_rows(MANY)
    nowhere = BatchTuning(None, executor)
    assert (await nowhere.measure(MANY)).max_rows == nowhere.max_rows(MANY)


async def test_a_workload_that_fails_on_its_samples_runs_one_by_one_until_it_is_tried_again(executor, caplog):
    broken = Batching(MANY.batching.target, 4, lambda p: 1, lambda p: "", lambda index: {"text": "refuse"})
    workload = msgspec.structs.replace(MANY, batching=broken)
    with pytest.raises(WorkloadError):
        await rates(executor, workload)
    clock = Clock()
    policies = BatchTuning(None, executor, retries=KeyedBackoff(clock))
    with caplog.at_level(logging.WARNING):
        assert policies.max_rows(workload) == 1
        await until(lambda: "can't be measured" in caplog.text, "the failure")
    works = msgspec.structs.replace(broken, sample=lambda index: {"text": "a"})
    workload = msgspec.structs.replace(workload, batching=works)
    assert policies.max_rows(workload) == 1 and len(policies._known) == 0
    clock.now += 30
    assert policies.max_rows(workload) == 1
    await until(lambda: policies._known, "the measurement")
    assert policies.max_rows(workload) >= 1


async def test_a_sample_that_never_ends_costs_a_worker_and_no_more(executor, tmp_path):
    file = tmp_path / "stays"
    file.touch()
    hangs = msgspec.structs.replace(MANY.batching, sample=lambda index: {"text": f"hold {file}"})
    workload = msgspec.structs.replace(MANY, batching=hangs)
    with pytest.raises(WorkloadError, match="samples weren't done within 1 s"):
        await rates(executor, workload, limit_s=1.0)
    assert (await go(executor, workloads.say, "x")).value["text"] == "x"


async def test_sizes_that_do_not_end_are_left_out(executor, caplog):
    few = msgspec.structs.replace(MANY.batching, sample=lambda index: {"text": "few 2"})
    workload = msgspec.structs.replace(MANY, batching=few)
    assert set(await rates(executor, workload, limit_s=2.0)) == {1, 2}
    assert "test.many isn't measured in batches of 4: samples weren't done within 2 s" in caplog.text


@pytest.mark.parametrize("bug", [lambda index: {}["no such thing"], lambda index: sys.exit(3)])
async def test_a_bug_in_what_makes_samples_is_told_once_and_not_with_each_job(executor, caplog, bug):
    broken = msgspec.structs.replace(MANY.batching, sample=bug)
    workload = msgspec.structs.replace(MANY, batching=broken)
    policies = BatchTuning(None, executor)
    with caplog.at_level(logging.WARNING):
        assert policies.max_rows(workload) == 1
        await until(lambda: "can't be measured" in caplog.text, "the failure")
    assert policies.max_rows(workload) == 1 and policies._retries.left_s("test.many 1 CPU") > 0
    await policies.close()


async def test_two_devices_keep_what_they_measure_in_one_file(executor, tmp_path):
    file = tmp_path / "batching.json"
    cpu, cuda = BatchTuning(file, executor), BatchTuning(file, executor, "CUDA, Some GPU")
    await cpu.measure(MANY)
    await cuda.measure(MANY)
    assert set(BatchTuning(file, executor)._known) == {"test.many 1 CPU", "test.many 1 CUDA, Some GPU"}


@pytest.mark.skipif(worker.COARSE_CPU_CLOCK, reason="what short samples compute can't be told there")
async def test_what_a_worker_computes_counts_and_not_what_it_waits_for(executor):
    sleepy = msgspec.structs.replace(
        MANY.batching, max_rows=1, sample=lambda index: {"text": "rest", "size": 20}
    )
    workload = msgspec.structs.replace(MANY, batching=sleepy)
    by_all, computed = [(await rates(executor, workload, computed=kind))[1] for kind in (False, True)]
    assert by_all <= 50 < computed


async def test_closing_ends_a_measurement_under_way(executor):
    policies = BatchTuning(None, executor)
    policies.max_rows(MANY)
    await asyncio.sleep(0)
    await policies.close()
    assert policies.max_rows(MANY) == 1


class Speechless(Exception):
    def __str__(self):
        raise self


def speechless(index):
    raise Speechless


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        ({"sample": lambda n: None}, "internal", "its sample of a job failed (TypeError: 'NoneType'"),
        ({"sample": lambda n: 1 // 0}, "internal", "its sample of a job failed (ZeroDivisionError: "),
        ({"sample": lambda n: sys.exit(3)}, "internal", "its sample of a job failed (SystemExit: 3)"),
        ({"sample": speechless}, "internal", "Speechless: <exception str() failed>)"),
        ({"sample": lambda n: {"txt": ""}}, "bad_params", "there is no parameter 'txt'"),
    ],
)
async def test_a_sample_that_is_no_job_is_told_as_such(executor, changes, code, says):
    odd = msgspec.structs.replace(MANY, batching=msgspec.structs.replace(MANY.batching, **changes))
    with pytest.raises(WorkloadError) as error:
        await BatchTuning(None, executor).measure(odd)
    assert error.value.code == code and says in error.value.reason


async def test_a_workload_that_needs_an_input_runs_one_by_one_and_is_measured_by_nobody(executor, caplog):
    needy = msgspec.structs.replace(MANY, inputs=(1, 1))
    policies = BatchTuning(None, executor)
    assert policies.max_rows(needy) == 1
    with pytest.raises(WorkloadError, match="jobs that have no inputs"):
        await policies.measure(needy)
    await policies.close()
    assert caplog.text == ""
