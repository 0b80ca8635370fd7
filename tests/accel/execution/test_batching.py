import asyncio
import contextlib

import msgspec
import numpy
import pytest

from accel.execution.batching import Batcher
from accel.execution.executor import Job, LocalExecutor
from accel.workload import Input, Limits, WorkloadError
from tests.accel import workloads
from tests.accel.asking import go, held, refused
from tests.accel.conftest import runs, until


@pytest.fixture
def batcher(executor):
    """Batches of up to 8 rows, on one worker."""
    return Batcher(executor, lambda workload: 8)


async def queued(batcher, executor, folder, *texts, **options):
    """The results of jobs that all came while the worker was busy."""
    async with held(executor, folder):
        tasks = [asyncio.create_task(go(batcher, workloads.many, text, **options)) for text in texts]
        await until(lambda: executor.pool.waiting, "the jobs to queue")
        await asyncio.sleep(0)
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_jobs_that_wait_for_a_worker_run_as_a_batch(batcher, executor, tmp_path):
    done = await queued(batcher, executor, tmp_path, "a", "b", "c")
    assert [(one.value["text"], one.value["of"], one.batch) for one in done] == [
        ("a", 3, 3), ("b", 3, 3), ("c", 3, 3),
    ]  # fmt: skip
    assert all(one.run_ms > 0 and one.queued_ms > 0 for one in done)


async def test_a_job_runs_at_once_if_a_worker_is_free(batcher):
    one = await go(batcher, workloads.many, "a")
    assert (one.value["of"], one.batch) == (1, 1)


async def test_a_batch_has_at_most_the_measured_number_of_rows(batcher, executor, tmp_path):
    done = await queued(batcher, executor, tmp_path, *"abcdefghij")
    assert [one.value["of"] for one in done] == [8] * 8 + [2] * 2
    done = await queued(batcher, executor, tmp_path, *"abc", size=3)
    assert [one.value["of"] for one in done] == [2, 2, 1]
    (one,) = await queued(batcher, executor, tmp_path, "large", size=99)
    assert one.value["of"] == 1


async def test_the_workload_s_own_limit_holds_whatever_the_policy_says(executor, tmp_path):
    done = await queued(Batcher(executor, lambda workload: 1000), executor, tmp_path, *map(str, range(20)))
    assert [one.value["of"] for one in done] == [16] * 16 + [4] * 4


async def test_jobs_of_different_buckets_run_apart(batcher, executor, tmp_path):
    done = await queued(batcher, executor, tmp_path, "x:1", "y:1", "x:2")
    assert [one.value["of"] for one in done] == [2, 1, 2]


async def test_where_batches_are_not_worth_it_jobs_run_one_by_one(executor, tmp_path):
    done = await queued(Batcher(executor, lambda workload: 1), executor, tmp_path, "a", "b")
    assert [one.batch for one in done] == [1, 1]


async def test_a_workload_without_batches_runs_as_ever(batcher):
    assert (await go(batcher, workloads.say, "x")).value["text"] == "x"


async def test_rows_may_be_of_any_type_that_is_a_whole_number(batcher, executor, tmp_path):
    counted = msgspec.structs.replace(workloads.many.workload.batching, rows=lambda params: numpy.int64(4))
    several = msgspec.structs.replace(workloads.many.workload, batching=counted)
    async with held(executor, tmp_path):
        asked = [batcher.run(Job.parse(several, {"text": text}, [], deadline_s=30.0)) for text in "abc"]
        tasks = [asyncio.create_task(one) for one in asked]
        await until(lambda: executor.pool.waiting, "the jobs to queue")
        await asyncio.sleep(0)
    assert [one.value["of"] for one in await asyncio.gather(*tasks)] == [2, 2, 1]
    text = msgspec.structs.replace(
        several, batching=msgspec.structs.replace(counted, rows=lambda params: "4")
    )
    with pytest.raises(WorkloadError, match="its number of rows is '4'; it must be a whole number"):
        await batcher.run(Job.parse(text, {"text": "a"}, [], deadline_s=30.0))


async def test_one_bad_job_fails_alone(batcher, executor, tmp_path):
    first, bad, third = await queued(batcher, executor, tmp_path, "a", "refuse", "c")
    assert (first.batch, third.batch) == (3, 3)
    assert isinstance(bad, WorkloadError) and bad.code == "unsupported"


async def test_a_job_that_crashes_the_worker_is_blamed_alone(batcher, executor, tmp_path):
    first, bad, third = await queued(batcher, executor, tmp_path, "a", "exit", "c")
    assert (first.value["text"], third.value["text"]) == ("a", "c")
    assert isinstance(bad, WorkloadError) and bad.code == "worker_crashed"


async def test_a_job_that_fits_no_pending_batch_gets_its_own(batcher, executor, tmp_path):
    async with held(executor, tmp_path):
        tasks = [asyncio.create_task(go(batcher, workloads.many, "a", size=rows)) for rows in (5, 6, 5)]
        await until(lambda: executor.pool.waiting == 2, "the jobs to queue")
    assert [one.batch for one in await asyncio.gather(*tasks)] == [1, 1, 1]


async def test_urgent_jobs_beyond_one_batch_do_not_wait_for_less_urgent_ones(batcher, executor, tmp_path):
    done = []

    def start(kind, count, function=workloads.many):
        for _ in range(count):
            task = asyncio.create_task(go(batcher, function, kind, priority=kind))
            task.add_done_callback(lambda _: done.append(kind))
            tasks.append(task)

    tasks = []
    async with held(executor, tmp_path):
        start("bulk", 17)
        await until(lambda: executor.pool.waiting == 3, "the bulk to queue")
        start("normal", 1, workloads.say)
        start("interactive", 15)
        await until(lambda: executor.pool.waiting == 5, "the others to queue")
    await asyncio.gather(*tasks)
    assert done[: done.index("normal")].count("interactive") == 15


async def test_a_job_past_its_deadline_joins_no_batch(batcher, executor, tmp_path):
    async with held(executor, tmp_path):
        late, other = [asyncio.create_task(go(batcher, workloads.many, text)) for text in "ab"]
        await until(lambda: executor.pool.waiting, "the jobs to queue")
        [queue] = batcher._queues.values()
        late.cancel()
        [taken] = queue._take(8)
        assert taken.job.params.text == "b" and queue._rows == 0
        other.cancel()
    await asyncio.gather(late, other, return_exceptions=True)


async def test_a_deadline_passes_in_the_queue_and_costs_no_worker(batcher, executor, tmp_path):
    async with held(executor, tmp_path) as pid:
        await refused(go(batcher, workloads.many, "late", deadline_s=0.05), "deadline_exceeded")
    assert (await go(batcher, workloads.many, "a")).value["pid"] == pid


async def test_a_cancelled_job_is_left_out_of_the_batch(batcher, executor, tmp_path):
    async with held(executor, tmp_path):
        tasks = [asyncio.create_task(go(batcher, workloads.many, text)) for text in "abc"]
        await until(lambda: executor.pool.waiting, "the jobs to queue")
        tasks[1].cancel()
        with pytest.raises(asyncio.CancelledError):
            await tasks[1]
    assert (await tasks[0]).value["of"] == (await tasks[2]).value["of"] == 2


async def test_a_batch_whose_jobs_are_all_cancelled_ends_its_worker(batcher, executor, tmp_path):
    file = tmp_path / "stays"
    file.touch()
    pid = (await go(executor, workloads.say)).value["pid"]
    task = asyncio.create_task(go(batcher, workloads.many, f"hold {file}"))
    await until(file.with_suffix(".held").exists, "the batch to begin")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: not runs(pid), "the worker's end")
    assert (await go(batcher, workloads.many, "a")).value["of"] == 1


async def test_a_cancelled_job_leaves_the_others_of_its_batch_alone(batcher, executor, tmp_path):
    file = tmp_path / "stays"
    file.touch()
    async with held(executor, tmp_path):
        tasks = [asyncio.create_task(go(batcher, workloads.many, text)) for text in (f"hold {file}", "b")]
        await until(lambda: executor.pool.waiting, "the jobs to queue")
    await until(file.with_suffix(".held").exists, "the batch to begin")
    tasks[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    file.unlink()
    assert (await tasks[1]).value["of"] == 2


async def test_an_urgent_job_is_not_kept_waiting_by_bulk_of_the_same_kind(batcher, executor, tmp_path):
    async with held(executor, tmp_path):
        bulk = [asyncio.create_task(go(batcher, workloads.many, str(n), priority="bulk")) for n in range(16)]
        await until(lambda: executor.pool.waiting, "the bulk to queue")
        urgent = asyncio.create_task(go(batcher, workloads.many, "now", priority="interactive"))
        await until(lambda: executor.pool.waiting >= 3, "the urgent job to queue")
    await urgent
    assert sum(task.done() for task in bulk) < 16
    await asyncio.gather(*bulk)


async def test_closing_fails_all_waiting_jobs(tmp_path):
    executor = LocalExecutor(1, Limits(), 0, warm=())
    batcher = Batcher(executor, lambda workload: 8)
    await batcher.start()
    with contextlib.suppress(WorkloadError):
        async with held(executor, tmp_path):
            tasks = [asyncio.create_task(go(batcher, workloads.many, text)) for text in "ab"]
            await until(lambda: executor.pool.waiting, "the jobs to queue")
            await batcher.close()
    for task in tasks:
        await refused(task, "shutting_down")
    await refused(go(batcher, workloads.many, "late"), "shutting_down")


async def test_what_cannot_be_sent_is_refused_before_it_joins_a_batch(batcher):
    error = await refused(go(batcher, workloads.many, "\ud800"), "bad_params")
    assert "Unicode" in error.reason
    await refused(go(batcher, workloads.many, inputs=[Input("a", "a")] * 10), "bad_params")
    await refused(go(batcher, workloads.many, priority="urgent"), "bad_params")
