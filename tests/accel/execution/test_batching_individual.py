"""One worker throughout, so that whoever hangs is in everybody's way."""

import asyncio
import logging

import pytest

from accel.execution.batching import Batcher
from accel.execution.executor import CancelToken
from accel.workload import Input
from tests.accel import workloads
from tests.accel.asking import go, held, refused
from tests.accel.conftest import runs, until

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def batcher(executor):
    """Batches that are stopped soon."""
    return Batcher(executor, lambda workload: 8, least_s=1.0)


@pytest.fixture
def stays(tmp_path):
    """A file for which a job waits to be gone."""
    file = tmp_path / "stays"
    file.touch()
    return file


async def together(batcher, executor, folder, *jobs):
    """Tasks of jobs, each a text and seconds, that one worker has taken at once."""
    async with held(executor, folder):
        tasks = [
            asyncio.create_task(go(batcher, workloads.many, text, [Input(f"{n}.png", "x")], deadline_s=end))
            for n, (text, end) in enumerate(jobs)
        ]
        await until(lambda: executor.pool.waiting, "the jobs to queue")
        await asyncio.sleep(0)
    return tasks


async def test_a_job_that_hangs_fails_alone_although_all_have_the_same_deadline(
    batcher, executor, tmp_path, stays, caplog
):
    await asyncio.gather(*await together(batcher, executor, tmp_path, *((text, 60) for text in "abcd")))
    with caplog.at_level(logging.WARNING):
        hanging, *others = await together(
            batcher, executor, tmp_path, (f"hold {stays}", 8), *((text, 8) for text in "abc")
        )
        done = await asyncio.gather(*others)
    assert [(one.value["text"], one.batch) for one in done] == [("a", 1), ("b", 1), ("c", 1)]
    assert "4 of them run one by one" in caplog.text
    assert (await refused(hanging, "deadline_exceeded")).name == "0.png"
    # With the batch, to give way to the others, and at its deadline.
    assert executor.pool.ended["cancelled"] == 3


async def test_a_hang_in_the_first_batch_fails_alone_if_batches_have_a_limit(executor, tmp_path, stays):
    batcher = Batcher(executor, lambda workload: 8, least_s=1.0, most_s=2.0)
    jobs = [(f"hold {stays}", 8), *((text, 8) for text in "abc")]
    hanging, *others = await together(batcher, executor, tmp_path, *jobs)
    assert [one.batch for one in await asyncio.gather(*others)] == [1, 1, 1]
    assert (await refused(hanging, "deadline_exceeded")).name == "0.png"


async def test_a_slow_job_is_tried_again_after_one_that_hangs(batcher, executor, tmp_path, stays):
    await asyncio.gather(*await together(batcher, executor, tmp_path, *((text, 60) for text in "abc")))
    slow, hanging = await together(batcher, executor, tmp_path, ("work 1600", 30), (f"hold {stays}", 30))
    assert (await slow).batch == 1 and not hanging.done()
    hanging.cancel()


async def test_a_token_has_the_size_of_its_batch(batcher, executor, tmp_path):
    tokens = [CancelToken(), CancelToken()]
    async with held(executor, tmp_path):
        tasks = [asyncio.create_task(go(batcher, workloads.many, "a", token=token)) for token in tokens]
        await until(lambda: executor.pool.waiting, "the jobs to queue")
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert [token.batch_size for token in tokens] == [2, 2]


async def ended(batcher, executor, folder, *jobs):
    """How many jobs ran at once, for each; no worker was ended."""
    done = await asyncio.gather(*await together(batcher, executor, folder, *jobs))
    assert executor.pool.ended["cancelled"] == 0
    return [one.batch for one in done]


async def test_a_slow_batch_runs_until_the_deadline_of_its_jobs(batcher, executor, tmp_path):
    # What one took says nothing about eight.
    assert await ended(batcher, executor, tmp_path, ("work 1", 60)) == [1]
    assert await ended(batcher, executor, tmp_path, *[("work 300", 4)] * 8) == [8] * 8


async def test_a_first_batch_that_loads_a_model_runs_until_the_deadline_of_its_jobs(
    batcher, executor, tmp_path
):
    assert await ended(batcher, executor, tmp_path, *[("load 2000", 3.5)] * 8) == [8] * 8


async def test_the_time_limit_is_three_times_the_longest_run_single_runs_included(executor, tmp_path):
    most = 1
    batcher = Batcher(executor, lambda workload: most, least_s=0.2)
    await go(batcher, workloads.many, "work 900")
    most = 8
    assert await ended(batcher, executor, tmp_path, ("a", 60), ("b", 60)) == [2, 2]
    assert await ended(batcher, executor, tmp_path, ("work 700", 60), ("work 700", 60)) == [2, 2]


async def test_slow_jobs_finish_when_they_run_one_by_one(executor, tmp_path):
    batcher = Batcher(executor, lambda workload: 8, least_s=0.2)
    early, *others = await together(
        batcher, executor, tmp_path, ("work 1300", 0.3), *((f"work 130{n}", 20) for n in range(3))
    )
    await refused(early, "deadline_exceeded")
    assert [one.batch for one in await asyncio.gather(*others)] == [1, 1, 1]
    # Whoever takes long gives way; the time grows with each that did.
    assert executor.pool.ended["cancelled"] <= 5


async def test_cancelling_a_job_does_not_affect_its_batch(batcher, executor, tmp_path):
    first, other = await together(batcher, executor, tmp_path, ("work 900", 2.4), ("work 900", 60))
    await asyncio.sleep(0.1)
    first.cancel()
    assert (await other).batch == 2
    assert executor.pool.ended["cancelled"] == 0


async def test_a_hanging_job_fails_alone_when_another_is_overdue(batcher, executor, tmp_path, stays):
    hanging, early, other = await together(
        batcher, executor, tmp_path, (f"hold {stays}", 60), ("a", 1), ("b", 60)
    )
    assert (await refused(early, "deadline_exceeded")).name == "1.png"
    async with asyncio.timeout(20):
        assert (await other).value["text"] == "b"
    assert not hanging.done()
    stays.unlink()
    # It had time until its own deadline.
    assert (await hanging).batch == 1


async def test_a_job_that_is_cancelled_while_it_hangs_by_itself_ends_its_worker(
    batcher, executor, tmp_path, stays
):
    hanging, early, other = await together(
        batcher, executor, tmp_path, (f"hold {stays}", 60), ("a", 0.5), ("b", 60)
    )
    await asyncio.gather(early, other, return_exceptions=True)
    [pid] = executor.pool.pids
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging
    await until(lambda: not runs(pid), "the worker's end")
    assert (await go(batcher, workloads.many, "c")).batch == 1


async def test_an_early_deadline_does_not_affect_the_rest_of_the_batch(executor, tmp_path, stays):
    batcher = Batcher(executor, lambda workload: 8)
    slow, other = await together(batcher, executor, tmp_path, (f"hold {stays}", 1), ("b", 60))
    await refused(slow, "deadline_exceeded")
    stays.unlink()
    assert (await other).batch == 2
    assert executor.pool.ended["cancelled"] == 0


async def test_the_job_that_crashes_alone_is_blamed_for_the_batch(batcher, executor, tmp_path):
    bad, other = await together(batcher, executor, tmp_path, ("exit", 60), ("b", 60))
    assert (await refused(bad, "worker_crashed")).name == "0.png"
    assert (await other).value["text"] == "b"


async def test_an_internal_error_of_a_run_fails_its_job(batcher, executor, tmp_path, monkeypatch):
    async def broken(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr(executor, "run", broken)
    asked = asyncio.create_task(go(batcher, workloads.many, "exit", [Input("a.png", "x")]))
    assert (await refused(asked, "internal")).name == "a.png"


@pytest.mark.parametrize("before", [True, False], ids=["before a worker comes", "after it has"])
async def test_an_internal_error_of_a_batch_makes_its_jobs_run_one_by_one(
    batcher, executor, tmp_path, monkeypatch, caplog, before
):
    async def broken(workload, take, **_):
        if not before:
            take()
        raise ZeroDivisionError

    monkeypatch.setattr(executor, "run_batch", broken)
    tokens = [CancelToken(), CancelToken()]
    jobs = (go(batcher, workloads.many, text, token=token) for text, token in zip("ab", tokens, strict=True))
    assert [one.value["text"] for one in await asyncio.gather(*jobs)] == ["a", "b"]
    assert "ZeroDivisionError" in caplog.text and all(token.started for token in tokens)
    monkeypatch.undo()
    assert (await go(batcher, workloads.many, "c")).batch == 1
