import asyncio
import hashlib
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import uvloop

from accel.executor import Executor, LocalExecutor, cores
from accel.noop import echo
from accel.process import LOOK_S
from accel.workload import Input, Limits, WorkloadError
from tests.accel import workloads
from tests.accel.conftest import runs, until

pytestmark = pytest.mark.filterwarnings("error")
LONG = 60.0


def go(executor: Executor, function, text: str = "", inputs=(), *, deadline_s=LONG, size=0, **options):
    """Runs one of the test workloads."""
    params = {"text": text, "size": size}
    return executor.run(function.workload, params, inputs, deadline_s=deadline_s, **options)


async def refused(awaitable, code: str) -> WorkloadError:
    with pytest.raises(WorkloadError) as caught:
        await awaitable
    assert caught.value.code == code
    return caught.value


async def test_a_job_runs_in_another_process_and_tells_what_it_took(executor):
    result = await go(executor, workloads.say, "hello")
    assert result.value["text"] == "hello"
    assert result.value["pid"] in executor.pool.pids and result.value["pid"] != os.getpid()
    assert result.value["limits"] == Limits().max_pixels
    assert result.device == "CPU"
    assert result.run_ms > 0 and result.queued_ms >= 0


async def test_start_returns_long_before_the_workers_are_warm():
    local = LocalExecutor(2, Limits(), 0)
    begin = time.perf_counter()
    await local.start()
    took = time.perf_counter() - begin
    assert len(local.pool.pids) == 2
    await local.close()
    assert took < 0.3


async def test_workers_are_one_per_core_unless_set():
    local = LocalExecutor(0, Limits(), 0, warm=())
    await local.start()
    assert len(local.pool.pids) == cores() <= (os.cpu_count() or 1)
    await local.close()


async def test_whoever_waits_for_workers_finds_them_warm(make_executor, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    marks = "import os, pathlib; pathlib.Path(__file__).with_name(f'{os.getpid()}.warm').touch()"
    (tmp_path / "marking.py").write_text(marks)
    local = await make_executor(2, warm=("marking",))
    await local.ready()
    assert {int(path.stem) for path in tmp_path.glob("*.warm")} == set(local.pool.pids)


async def test_a_worker_whose_warm_up_fails_still_works(make_executor):
    local = await make_executor(warm=("no.such.module",))
    assert (await go(local, workloads.say, "x")).value["text"] == "x"
    await local.close()


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_it_works_on_the_default_loop_and_on_uvloop(loop, tmp_path):
    async def all_of_it():
        local = LocalExecutor(2, Limits(), 0, warm=())
        await local.start()
        results = await asyncio.gather(*(go(local, workloads.say, str(n)) for n in range(8)))
        assert [result.value["text"] for result in results] == list("01234567")
        await refused(go(local, workloads.crash, "exit"), "worker_crashed")
        await refused(go(local, workloads.hang, str(tmp_path / "hang"), deadline_s=1), "deadline_exceeded")
        await go(local, workloads.say)
        await local.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(all_of_it())


async def test_an_inline_workload_runs_in_this_process(executor, tmp_path):
    result = await go(executor, workloads.here, out_dir=tmp_path)
    assert result.value == {
        "pid": os.getpid(),
        "nested": {"max_pixels": 3, "models": "models"},
        "raw": b"\0\1",
    }
    assert Path(result.files[0].path).read_bytes() == b"inline"
    assert (await go(executor, workloads.here)).files[0].data == b"inline"


async def test_the_echo_gives_back_whatever_it_is_given(executor):
    for value in (None, {"a": [1, 2.5, "x", b"raw"]}):
        assert (await executor.run(echo.workload, {"value": value}, [], deadline_s=1)).value == value


async def test_output_files_come_as_bytes_without_a_folder(executor):
    first, second = (await go(executor, workloads.files, "abc", size=2)).files
    assert (first.name, first.media_type, first.data, first.path, first.size) == (
        "first",
        "text/plain",
        b"abcabc",
        None,
        6,
    )
    assert first.sha256 == hashlib.sha256(b"abcabc").hexdigest()
    assert second.data == b"2"


async def test_a_large_output_crosses_the_pipe_whole(executor):
    result = await go(executor, workloads.files, "x", size=20_000_000)
    assert len(result.files[0].data) == 20_000_000


async def test_output_files_are_written_to_a_folder_by_their_hash(executor, tmp_path):
    for _ in range(2):  # the second time they are there already
        first, _second = (await go(executor, workloads.files, "abc", out_dir=tmp_path)).files
        assert Path(first.path) == tmp_path / hashlib.sha256(b"abc").hexdigest()
        assert Path(first.path).read_bytes() == b"abc" and first.data is None and first.size == 3
    assert len(list(tmp_path.iterdir())) == 2


async def test_a_folder_that_cannot_be_written_fails_that_job_alone(executor, tmp_path):
    await refused(go(executor, workloads.files, "abc", out_dir=tmp_path / "missing"), "internal")
    await go(executor, workloads.say)


async def test_wrong_parameters_are_refused_before_they_queue(executor):
    error = await refused(executor.run(workloads.say.workload, {"size": "x"}, [], deadline_s=1), "bad_params")
    assert "size" in error.reason
    await refused(go(executor, workloads.say, inputs=[Input("a", "a")] * 10), "bad_params")
    error = await refused(go(executor, workloads.say, priority="urgent"), "bad_params")
    assert "interactive, normal, bulk" in error.reason


async def test_a_workload_s_own_refusal_comes_back_as_it_was_raised(executor):
    error = await refused(go(executor, workloads.refuse, "sky.png"), "unsupported")
    assert (error.reason, error.name) == ("is too blue", "sky.png")
    error = await refused(go(executor, workloads.refuse, "", [Input("sea.png", "x")]), "unsupported")
    assert error.name == "sea.png"


@pytest.mark.parametrize("function", [workloads.bug, workloads.unspeakable])
async def test_a_bug_shows_its_inside_only_in_the_log(executor, function, caplog):
    with caplog.at_level(logging.ERROR):
        error = await refused(go(executor, function, "", [Input("a.png", "x")]), "internal")
    assert "the inside of it" not in error.reason and "Traceback" not in error.reason
    assert error.name == "a.png"
    assert "Traceback" in caplog.text and function.workload.name in caplog.text
    await go(executor, workloads.say)


async def test_prints_of_a_job_do_not_disturb_the_replies(executor):
    for _ in range(3):
        assert (await go(executor, workloads.chatter)).value == ""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits address space")
async def test_a_job_that_needs_too_much_memory_is_told_so(make_executor):
    local = await make_executor(memory_mib=1024, warm=())
    error = await refused(go(local, workloads.greedy, "", [Input("huge.png", "x")], size=4096), "too_large")
    assert "1024 MiB" in error.reason and error.name == "huge.png"
    assert (await go(local, workloads.greedy, size=1)).value == 1 << 20
    await local.close()


async def test_a_worker_that_holds_on_to_memory_after_its_job_is_replaced(make_executor):
    local = await make_executor(warm=(), keep_mib=256)
    first = (await go(local, workloads.say)).value["pid"]
    assert (await go(local, workloads.say)).value["pid"] == first
    await asyncio.sleep(LOOK_S)  # a look at its memory may be as old as that
    await go(local, workloads.hoard, size=300)
    await until(lambda: not runs(first), "the worker's end")
    assert (await go(local, workloads.say)).value["pid"] != first
    assert local.pool.ended == {"crashed": 0, "cancelled": 0, "memory": 1}


@pytest.mark.parametrize(("how", "says"), [("exit", "exit code 3"), ("segv", "SIGSEGV")])
async def test_a_job_that_crashes_its_worker_twice_is_blamed_alone(executor, how, says):
    name = [Input("evil.png", "x")]
    crash, *others = await asyncio.gather(
        refused(go(executor, workloads.crash, how, name), "worker_crashed"),
        *(go(executor, workloads.say, str(n)) for n in range(5)),
    )
    assert crash.name == "evil.png"
    assert sys.platform == "win32" or says in crash.reason
    assert [other.value["text"] for other in others] == list("01234")


async def test_a_job_whose_worker_died_once_is_done_by_another(executor, tmp_path):
    assert (await go(executor, workloads.crash, str(tmp_path / "mark"))).value == "second time"


async def test_many_inputs_at_fault_are_named_in_short(executor):
    inputs = [Input(f"{n}.png", "x") for n in range(5)]
    error = await refused(go(executor, workloads.crash, "exit", inputs), "worker_crashed")
    assert error.name == "0.png, 1.png, 2.png and 2 more"


async def test_a_hanging_job_ends_at_its_deadline_and_its_worker_is_replaced(executor, tmp_path):
    mark = tmp_path / "pid"
    hanging = go(executor, workloads.hang, str(mark), [Input("slow.png", "x")], deadline_s=3)
    error = await refused(hanging, "deadline_exceeded")
    assert error.name == "slow.png" and "3000 ms" in error.reason
    pid = int(mark.read_text())
    await until(lambda: not runs(pid), "the hanging worker's end")
    assert (await go(executor, workloads.say)).value["pid"] != pid


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
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    local = LocalExecutor(2, Limits(), 0)
    with pytest.raises(OSError):
        await local.start()


async def test_a_replacement_that_the_system_refuses_is_tried_again(executor, monkeypatch, caplog):
    with caplog.at_level(logging.ERROR), monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/no/such/python")
        crashing = asyncio.create_task(go(executor, workloads.crash, "exit"))
        await until(lambda: "can't start a worker process" in caplog.text, "a refusal")
    await refused(crashing, "worker_crashed")
    await go(executor, workloads.say)


async def test_closing_waits_for_no_replacement(make_executor, monkeypatch, caplog):
    local = await make_executor(warm=())
    with caplog.at_level(logging.ERROR), monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/no/such/python")
        crashing = asyncio.create_task(go(local, workloads.crash, "exit"))
        await until(lambda: caplog.text.count("can't start") >= 2, "two refusals")
        await local.close()
    await refused(crashing, "shutting_down")


async def test_a_module_in_the_folder_one_stands_in_is_not_mistaken_for_a_library(
    make_executor, tmp_path, monkeypatch
):
    (tmp_path / "numpy.py").write_text("raise SystemExit('hijacked')")
    monkeypatch.chdir(tmp_path)
    local = await make_executor()
    assert (await go(local, workloads.greedy, size=1)).value == 1 << 20
    await local.close()


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
@pytest.mark.parametrize("busy", [False, True])
def test_workers_end_with_a_parent_that_was_killed(tmp_path, busy):
    code = f"""
import asyncio
from accel.executor import LocalExecutor
from accel.workload import Limits
from tests.accel import workloads
async def main():
    local = LocalExecutor(1, Limits(), 0, warm=())
    await local.start()
    pid = (await local.run(workloads.say.workload, {{}}, [], deadline_s=60)).value["pid"]
    if {busy}:
        hang = local.run(workloads.hang.workload, {{"text": {str(tmp_path / "hang")!r}}}, [], deadline_s=60)
        asyncio.ensure_future(hang)
        while not __import__("os").path.exists({str(tmp_path / "hang")!r}):
            await asyncio.sleep(0.01)
    print(pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment) as parent:
        pid = int(parent.stdout.readline())
        assert runs(pid)
        parent.kill()
    asyncio.run(until(lambda: not runs(pid), "the orphan's end", 5))


class held:
    """Keeps the only worker busy; gives its process."""

    def __init__(self, executor, folder):
        self.executor, self.file = executor, folder / "hold.file"

    async def __aenter__(self):
        pid = (await go(self.executor, workloads.say)).value["pid"]
        self.file.touch()
        self.task = asyncio.create_task(go(self.executor, workloads.hold, str(self.file)))
        await until(self.file.with_suffix(".held").exists, "the worker to be busy")
        return pid

    async def __aexit__(self, *error):
        self.file.unlink()
        await self.task


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
