"""What a workload reports on its way, and what becomes of it when it is cancelled."""

import asyncio
import contextlib

import pytest

from accel.execution.executor import CancelToken
from accel.progress import Cancelled, part, progress, reported_to, tracked
from tests.accel import workloads
from tests.accel.asking import go
from tests.accel.conftest import runs, until


def heard(work) -> list[tuple[float, str]]:
    told = []
    with reported_to(lambda fraction, stage: told.append((fraction, stage))):
        work()
    return told


def test_steps_count_for_the_part_that_they_are_of():
    def work():
        with part(0, 4, "first"):
            assert list(tracked("ab", "inner")) == ["a", "b"]
        with part(1, 4):
            progress(9, 3)

    assert heard(work) == [(0, "first"), (0, "first: inner"), (0.125, "first: inner"), (0.25, ""), (0.5, "")]


@pytest.mark.parametrize(("done", "total", "fraction"), [(1, 4, 0.25), (5, 4, 1), (-1, 4, 0), (1, 0, 0)])
def test_a_fraction_is_never_beyond_what_it_is_of(done, total, fraction):
    assert heard(lambda: progress(done, total, "x")) == [(fraction, "x")]


def test_nobody_need_listen():
    progress(1, 2)
    with part(0, 1):
        assert list(tracked([1])) == [1]


async def test_a_worker_s_reports_reach_whoever_waits_for_the_job(executor):
    told = []
    token = CancelToken(on_progress=lambda fraction, stage: told.append((fraction, stage)))
    await go(executor, workloads.halves, token=token)
    assert told[0] == (0, "a") and told[-1][0] >= 0.5 and told[-1][1].startswith("b")
    told.clear()
    await go(executor, workloads.steps, size=25, token=token)
    # Of 25 reports in half a second some five go further.
    assert 2 <= len(told) <= 12 and told == sorted(told) and told[0] == (0, "stepping")


async def test_a_listener_that_fails_costs_the_job_nothing(executor):
    def fail(fraction, stage):
        raise ValueError

    assert (await go(executor, workloads.steps, size=5, token=CancelToken(on_progress=fail))).value


async def test_a_job_that_reports_learns_that_it_is_cancelled_and_its_process_stays(executor, tmp_path):
    (pid,) = executor.pool.pids
    mark, begun = tmp_path / "mark", asyncio.Event()
    token = CancelToken(on_progress=lambda *_: begun.set())
    task = asyncio.create_task(go(executor, workloads.steps, str(mark), size=10_000, token=token))
    async with asyncio.timeout(20):
        await begun.wait()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await until(mark.exists, "the job to see that it is cancelled")
    assert (await go(executor, workloads.steps, size=1)).value == pid
    assert executor.pool.ended["cancelled"] == 0


async def test_a_job_that_doesn_t_look_is_ended_with_its_process(executor, tmp_path):
    mark = tmp_path / "mark"
    task = asyncio.create_task(go(executor, workloads.stubborn, str(mark)))
    await until(lambda: mark.exists() and mark.read_text(), "the job to begin")
    await until(lambda: next(iter(executor.pool._all)).reports, "its report")
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await until(lambda: not runs(int(mark.read_text())), "its process to end")
    assert (await go(executor, workloads.say, "x")).value["text"] == "x"


async def test_what_is_done_when_it_is_cancelled_leaves_the_process_for_the_next(executor, tmp_path):
    for _ in range(5):
        begun = asyncio.Event()
        token = CancelToken(on_progress=lambda *_, begun=begun: begun.set())
        task = asyncio.create_task(go(executor, workloads.steps, str(tmp_path / "mark"), size=2, token=token))
        await begun.wait()
        await asyncio.sleep(0.03)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert (await go(executor, workloads.say, "next")).value["text"] == "next"


def test_being_cancelled_is_no_failure_of_the_workload_s():
    assert Cancelled().code == "cancelled"
