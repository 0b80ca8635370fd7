import asyncio
import logging
import os
import signal

import pytest

from accel.execution import pool
from accel.execution.executor import LocalExecutor
from accel.execution.pool import MEMORY_AGE_S, Worker
from accel.workload import Input, Limits
from tests.accel import workloads
from tests.accel.asking import go, held, refused
from tests.accel.conftest import runs, until

pytestmark = pytest.mark.filterwarnings("error")


def nowhere(*_):
    """The interpreter of a machine that has none."""
    return "/no/such/python", {}


async def test_a_worker_that_holds_on_to_memory_after_its_job_is_replaced(make_executor):
    local = await make_executor(warm=(), keep_mib=256)
    first = (await go(local, workloads.say)).value["pid"]
    assert (await go(local, workloads.say)).value["pid"] == first
    await asyncio.sleep(MEMORY_AGE_S)  # a look at its memory may be as old as that
    await go(local, workloads.hoard, size=300)
    await until(lambda: not runs(first), "the worker's end")
    assert (await go(local, workloads.say)).value["pid"] != first
    assert local.pool.ended == {"crashed": 0, "cancelled": 0, "memory": 1}


async def test_a_deadline_counts_the_time_in_the_queue(executor, tmp_path):
    async with held(executor, tmp_path) as pid:
        await refused(go(executor, workloads.say, deadline_s=0.05), "deadline_exceeded")
        assert executor.pool.waiting == 0
    assert (await go(executor, workloads.say)).value["pid"] == pid


async def test_cancelling_a_queued_job_leaves_the_running_one_alone(executor, tmp_path):
    note = tmp_path / "notes"
    async with held(executor, tmp_path) as pid:
        queued = asyncio.create_task(go(executor, workloads.note, "x", [Input("n", str(note))]))
        await until(lambda: executor.pool.waiting, "the job to queue")
        queued.cancel()
        with pytest.raises(asyncio.CancelledError):
            await queued
    assert (await go(executor, workloads.say)).value["pid"] == pid
    assert not note.exists()


async def test_cancelling_a_running_job_ends_its_worker(executor, tmp_path):
    mark = tmp_path / "pid"
    task = asyncio.create_task(go(executor, workloads.hang, str(mark)))
    pid = int(await until(lambda: mark.exists() and mark.read_text(), "the job to begin"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: not runs(pid), "the worker's end")
    await go(executor, workloads.say)


async def test_a_job_that_is_cancelled_as_its_turn_comes_gives_the_worker_back(executor, tmp_path):
    pid = (await go(executor, workloads.say)).value["pid"]
    worker = await executor.pool.acquire("normal")
    task = asyncio.create_task(executor.pool.acquire("normal"))
    await until(lambda: executor.pool.waiting, "the job to queue")
    executor.pool.release(worker)  # the turn has come, its task has not run yet
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await go(executor, workloads.say)).value["pid"] == pid


async def test_urgent_jobs_go_first_and_bulk_is_not_starved(executor, tmp_path):
    notes = tmp_path / "notes"
    inputs = [Input("notes", str(notes))]
    order = ["bulk"] * 2 + ["normal"] * 2 + ["interactive"] * 12
    async with held(executor, tmp_path):
        jobs = [
            asyncio.create_task(go(executor, workloads.note, kind, inputs, priority=kind)) for kind in order
        ]
        await until(lambda: executor.pool.waiting == len(order), "the jobs to queue")
    await asyncio.gather(*jobs)
    done = notes.read_text().split()
    assert done[:8] == ["interactive"] * 8
    assert done.index("bulk") < len(done) - 2 and done.index("normal") < done.index("bulk")


async def test_a_worker_killed_while_idle_costs_no_job(executor):
    pid = (await go(executor, workloads.say)).value["pid"]
    os.kill(pid, signal.SIGTERM)
    await until(lambda: not runs(pid), "the worker's end")
    assert (await go(executor, workloads.say)).value["pid"] != pid


async def test_closing_ends_running_and_waiting_jobs_and_leaves_no_process(make_executor, tmp_path):
    local = await make_executor(warm=())
    mark = tmp_path / "pid"
    running = asyncio.create_task(go(local, workloads.hang, str(mark)))
    pid = int(await until(lambda: mark.exists() and mark.read_text(), "the job to begin"))
    waiting = asyncio.create_task(go(local, workloads.say))
    await until(lambda: local.pool.waiting, "the job to queue")
    await local.close()
    await refused(running, "shutting_down")
    await refused(waiting, "shutting_down")
    await refused(go(local, workloads.say), "shutting_down")
    assert not runs(pid)
    await local.close()  # once more does no harm


async def test_a_process_that_cannot_be_started_is_an_error_at_start(monkeypatch):
    monkeypatch.setattr(pool, "interpreter", nowhere)
    local = LocalExecutor(2, Limits(), 0)
    with pytest.raises(OSError):
        await local.start()


async def test_a_start_that_fails_leaves_no_process(monkeypatch):
    spawn, pids = Worker.spawn, []

    async def slowly(setup, env):
        if not pids:
            pids.append(0)
            raise OSError("out of processes")
        await asyncio.sleep(0.01)  # the refusal comes first
        worker = await spawn(setup, env)
        pids.append(worker.pid)
        return worker

    monkeypatch.setattr(Worker, "spawn", slowly)
    local = LocalExecutor(3, Limits(), 0, warm=())
    with pytest.raises(OSError, match="out of processes"):
        await local.start()
    assert len(pids) == 3 and not any(map(runs, pids[1:]))


async def test_a_replacement_that_the_system_refuses_is_tried_again(executor, monkeypatch, caplog):
    with caplog.at_level(logging.ERROR), monkeypatch.context() as patch:
        patch.setattr(pool, "interpreter", nowhere)
        crashing = asyncio.create_task(go(executor, workloads.crash, "exit"))
        await until(lambda: "can't start a worker process" in caplog.text, "a refusal")
    await refused(crashing, "worker_crashed")
    await go(executor, workloads.say)


async def test_closing_waits_for_no_replacement(make_executor, monkeypatch, caplog):
    local = await make_executor(warm=())
    with caplog.at_level(logging.ERROR), monkeypatch.context() as patch:
        patch.setattr(pool, "interpreter", nowhere)
        crashing = asyncio.create_task(go(local, workloads.crash, "exit"))
        await until(lambda: caplog.text.count("can't start") >= 2, "two refusals")
        await local.close()
    await refused(crashing, "shutting_down")


async def test_workers_tell_what_they_do_and_who_waits_for_them(executor, tmp_path):
    pool = executor.pool
    await go(executor, workloads.say)
    [idle] = pool.states
    assert (idle.busy, idle.doing, idle.pid) == (False, "", pool.pids[0])
    async with held(executor, tmp_path) as pid:
        queued = asyncio.create_task(go(executor, workloads.say, priority="bulk"))
        await until(lambda: pool.waiting, "the job to queue")
        [busy] = pool.states
        assert (busy.busy, busy.pid) == (True, pid)
        assert busy.doing.startswith("test.") and busy.for_s >= 0
        assert pool.waiting_by_priority == {"interactive": 0, "normal": 0, "bulk": 1}
    await queued
    assert not pool.states[0].busy


async def test_replaced_workers_are_counted_by_reason(executor, tmp_path):
    await refused(go(executor, workloads.crash, "exit", [Input("x", "x")]), "worker_crashed")
    mark = tmp_path / "pid"
    await refused(
        go(executor, workloads.hang, str(mark), [Input("x", "x")], deadline_s=1), "deadline_exceeded"
    )
    ended = dict(executor.pool.ended)
    assert (ended["crashed"], ended["memory"]) == (2, 0)
    assert ended["cancelled"] == 1


class TestWorkersOnDemand:
    """A pool that starts workers as jobs wait, and ends those that were idle for long."""

    async def test_one_starts_and_more_follow_only_while_jobs_wait(self, make_executor, tmp_path):
        local = await make_executor(workers=3, warm=(), idle_s=60.0)
        assert len(local.pool.pids) == 1
        for _ in range(3):
            await go(local, workloads.say)
        assert len(local.pool.pids) == 1
        async with held(local, tmp_path) as pid:
            assert (await go(local, workloads.say)).value["pid"] != pid
            assert len(local.pool.pids) == 2

    async def test_no_more_start_than_allowed(self, make_executor):
        local = await make_executor(workers=2, warm=(), idle_s=60.0)
        done = await asyncio.gather(*(go(local, workloads.say) for _ in range(40)))
        assert len({each.value["pid"] for each in done}) <= 2
        assert len(local.pool.pids) <= 2

    async def test_idle_ones_end_and_the_next_job_starts_one(self, make_executor):
        local = await make_executor(workers=2, warm=(), idle_s=0.2)
        pid = (await go(local, workloads.say)).value["pid"]
        await until(lambda: not runs(pid), "the idle worker's end")
        await until(lambda: not local.pool.pids, "the pool to be empty")
        assert (await go(local, workloads.say)).value["pid"] != pid
        assert local.pool.ended == {"crashed": 0, "cancelled": 0, "memory": 0}

    async def test_a_pool_without_workers_can_be_woken_before_a_job_comes(self, make_executor):
        local = await make_executor(workers=2, warm=(), idle_s=0.2)
        await until(lambda: not local.pool.pids, "the idle workers' end")
        local.pool.wake()
        await until(lambda: local.pool.pids, "a worker")
        assert len(local.pool.pids) == 1

    async def test_a_start_that_the_system_refuses_is_tried_again(self, make_executor, monkeypatch, caplog):
        local = await make_executor(workers=2, warm=(), idle_s=0.2)
        await until(lambda: not local.pool.pids, "the idle workers' end")
        with caplog.at_level(logging.ERROR), monkeypatch.context() as patch:
            patch.setattr(pool, "interpreter", nowhere)
            job = asyncio.create_task(go(local, workloads.say))
            await until(lambda: "can't start a worker process" in caplog.text, "a refusal")
        assert (await job).value["pid"] in local.pool.pids

    async def test_one_that_dies_while_it_starts_costs_no_job(self, make_executor, tmp_path, monkeypatch):
        local = await make_executor(workers=2, warm=(), idle_s=60.0)
        spawn = Worker.spawn

        async def dying(setup, env):
            worker = await spawn(setup, env)
            worker.kill()
            return worker

        async with held(local, tmp_path):
            with monkeypatch.context() as patch:
                patch.setattr(Worker, "spawn", dying)
                job = asyncio.create_task(go(local, workloads.say))
                await until(lambda: local.pool.ended["crashed"], "the death of the second worker")
            await job

    async def test_a_crash_makes_no_more_than_allowed(self, make_executor):
        local = await make_executor(workers=1, warm=(), idle_s=60.0)
        for _ in range(2):
            await refused(go(local, workloads.crash, "exit"), "worker_crashed")
            await go(local, workloads.say)
            assert len(local.pool.pids) == 1

    async def test_a_job_that_comes_as_the_last_worker_is_ended_gets_another(self, make_executor):
        local = await make_executor(workers=1, warm=(), idle_s=60.0)
        pid = (await go(local, workloads.say)).value["pid"]
        local.pool._idle_s = 0.0
        local.pool._end_idle()  # nothing else has run since
        local.pool._idle_s = 60.0
        async with asyncio.timeout(20):
            assert (await go(local, workloads.say)).value["pid"] != pid
