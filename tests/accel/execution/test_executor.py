import asyncio
import hashlib
import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from accel.execution.batching import Batcher
from accel.execution.executor import CancelToken, Job, LocalExecutor, cores
from accel.image.operations.geometry import thumbnail
from accel.texture.workloads import classify, estimate_pbr
from accel.workload import Input, Limits, echo
from tests.accel import workloads
from tests.accel.asking import go, held, refused
from tests.accel.conftest import runs, until
from tests.accel.loops import LOOPS

pytestmark = pytest.mark.filterwarnings("error")


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


async def test_ready_waits_until_all_workers_are_warm(make_executor, tmp_path, monkeypatch):
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


@pytest.mark.parametrize("loop", LOOPS)
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
        "nested": {"max_pixels": 3, "models": "models", "operations": ()},
        "raw": b"\0\1",
    }
    assert Path(result.files[0].path).read_bytes() == b"inline"
    assert (await go(executor, workloads.here)).files[0].data == b"inline"


async def test_the_echo_gives_back_whatever_it_is_given(executor):
    for value in (None, {"a": [1, 2.5, "x", b"raw"]}):
        assert (
            await executor.run(Job.parse(echo.workload, {"value": value}, [], deadline_s=1))
        ).value == value


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
    error = await refused(go(executor, workloads.say, size="x"), "bad_params")
    assert "size" in error.reason
    await refused(go(executor, workloads.say, inputs=[Input("a", "a")] * 10), "bad_params")
    error = await refused(go(executor, workloads.say, priority="urgent"), "bad_params")
    assert "interactive, normal, bulk" in error.reason


async def test_a_number_that_no_worker_can_be_sent_is_refused(executor):
    anything = msgspec.structs.replace(echo.workload, inline=False)
    asked = executor.run(Job.parse(anything, {"value": 2**64}, [], deadline_s=60))
    assert (await refused(asked, "bad_params")).reason == "a whole number has more than 64 bits"


async def test_a_workload_s_own_refusal_comes_back_as_it_was_raised(executor):
    error = await refused(go(executor, workloads.refuse, "sky.png"), "unsupported")
    assert (error.reason, error.name) == ("is too blue", "sky.png")
    error = await refused(go(executor, workloads.refuse, "", [Input("sea.png", "x")]), "unsupported")
    assert error.name == "sea.png"


@pytest.mark.parametrize("function", [workloads.bug, workloads.leaves, workloads.interrupts, workloads.mute])
async def test_a_bug_shows_its_inside_only_in_the_log(executor, function, caplog):
    with caplog.at_level(logging.ERROR):
        error = await refused(go(executor, function, "", [Input("a.png", "x")]), "internal")
    assert "the inside of it" not in error.reason and "Traceback" not in error.reason
    assert error.name == "a.png"
    assert "Traceback" in caplog.text and function.workload.name in caplog.text
    await go(executor, workloads.say)


async def test_a_job_that_raises_anything_ends_no_worker(executor):
    before = executor.pool.pids
    for function in (workloads.leaves, workloads.interrupts, workloads.mute, workloads.vague):
        await refused(go(executor, function), "internal")
    assert executor.pool.pids == before


async def test_a_value_that_is_not_plain_is_told_with_its_place(executor):
    error = await refused(go(executor, workloads.unspeakable, "", [Input("a.png", "x")]), "internal")
    assert (error.name, error.reason) == ("a.png", "the workload's value is object, which isn't a plain type")


@pytest.mark.parametrize("how", ["raise", "exit", "nothing"])
async def test_an_inline_workload_that_fails_costs_its_own_job_alone(executor, how, capsys):
    await refused(go(executor, workloads.here_fails, how), "internal")
    assert capsys.readouterr().out == ""


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


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits address space")
async def test_a_job_without_memory_left_moves_to_a_new_worker(make_executor, tmp_path):
    local = await make_executor(memory_mib=1024, warm=())
    assert [(await go(local, workloads.hoard, size=600)).value for _ in range(4)] == [1, 1, 1, 1]
    assert local.pool.ended == {"crashed": 0, "cancelled": 0, "memory": 3}
    # What fits into none costs one that holds much, and none that doesn't.
    for _ in range(2):
        await refused(go(local, workloads.greedy, size=4096), "too_large")
    assert local.pool.ended["memory"] == 4


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits address space")
@pytest.mark.parametrize(
    ("left_mib", "work", "warm"),
    [
        (8, thumbnail, ()),  # libvips can't be loaded
        (32, thumbnail, ()),  # it is, but can't start a thread
        (48, classify, ("accel.image.inspect",)),  # onnxruntime can't be loaded
        (48, classify, ("accel.image.inspect", "onnxruntime")),  # a model can't be opened
        (8, estimate_pbr, ("accel.image.inspect", "onnxruntime")),
    ],
)
async def test_a_file_that_no_memory_is_left_to_open_moves_to_a_new_worker(
    make_executor, save, photo, left_mib, work, warm
):
    picture = save("photo.png", photo)
    local = await make_executor(memory_mib=1024, warm=("numpy", *warm))
    await go(local, workloads.crowd, size=left_mib)
    assert (await local.run(Job.parse(work.workload, {}, [picture], deadline_s=60))).files is not None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits address space")
async def test_a_job_that_is_simply_too_large_costs_no_worker(make_executor):
    local = await make_executor(2, memory_mib=1024, warm=())
    await local.ready()
    batcher = Batcher(local, lambda workload: 8)
    await asyncio.gather(*(go(local, workloads.say) for _ in range(4)))
    pids = set(local.pool.pids)
    await refused(go(local, workloads.greedy, size=4096), "too_large")
    first, large, last = [go(batcher, workloads.many, text, size=size)
                          for text, size in (("a", 0), ("hoard", 4096), ("b", 0))]  # fmt: skip
    await asyncio.gather(first, refused(large, "too_large"), last)
    assert set(local.pool.pids) == pids and local.pool.ended["memory"] == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits address space")
async def test_batched_jobs_without_memory_left_move_to_a_new_worker(make_executor, tmp_path):
    local = await make_executor(memory_mib=1024, warm=())
    await go(local, workloads.hoard, size=600)
    batcher = Batcher(local, lambda workload: 8)
    assert (await go(batcher, workloads.many, "hoard", size=600)).value["text"] == "hoard"
    assert (await refused(go(batcher, workloads.many, "hoard", size=4096), "too_large")).code == "too_large"


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


async def test_a_job_whose_worker_died_does_not_queue_anew(executor, tmp_path):
    done = []
    async with held(executor, tmp_path):
        texts = [(workloads.crash, str(tmp_path / "mark")), *((workloads.say, text) for text in "abc")]
        tasks = [asyncio.create_task(go(executor, *one)) for one in texts]
        for task in tasks:
            task.add_done_callback(lambda task: done.append(task.result().value))
        await until(lambda: executor.pool.waiting == 4, "the jobs to queue")
    await asyncio.gather(*tasks)
    assert done[0] == "second time"


async def test_jobs_that_may_have_begun_elsewhere_keep_their_order(executor, tmp_path):
    done = []
    async with held(executor, tmp_path):
        for text in "abc":
            token = CancelToken()
            token.started = text != "a"  # as a request has it that was promised before a restart
            task = asyncio.create_task(go(executor, workloads.say, text, token=token))
            task.add_done_callback(lambda task: done.append(task.result().value["text"]))
        await until(lambda: executor.pool.waiting == 3, "the jobs to queue")
    await until(lambda: len(done) == 3, "their end")
    assert done == ["a", "b", "c"]


async def test_a_bug_in_what_makes_up_a_batch_costs_no_worker(executor):
    def take():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await executor.run_batch(workloads.many.workload, take, priority="normal", out_dir=None)
    assert (await go(executor, workloads.say, "x")).value["text"] == "x"


async def test_many_inputs_at_fault_are_named_in_short(executor):
    inputs = [Input(f"{n}.png", "x") for n in range(5)]
    error = await refused(go(executor, workloads.crash, "exit", inputs), "worker_crashed")
    assert error.name == "0.png, 1.png, 2.png and 2 more"


async def test_a_hanging_job_ends_at_its_deadline_and_its_worker_is_replaced(executor, tmp_path):
    mark = tmp_path / "pid"
    hanging = go(executor, workloads.hang, str(mark), [Input("slow.png", "x")], deadline_s=3)
    error = await refused(hanging, "deadline_exceeded")
    assert error.name == "slow.png"
    pid = int(mark.read_text())
    await until(lambda: not runs(pid), "the hanging worker's end")
    assert (await go(executor, workloads.say)).value["pid"] != pid


@pytest.mark.skipif(sys.platform == "win32", reason="what a job starts outlives it there")
@pytest.mark.parametrize("loop", LOOPS)
def test_what_a_job_has_started_ends_with_its_worker(loop, tmp_path):
    async def main():
        local = LocalExecutor(1, Limits(), 0, warm=())
        await local.start()
        mark = tmp_path / "pid"
        task = asyncio.create_task(go(local, workloads.child, str(mark)))
        pid = int(await until(lambda: mark.exists() and mark.read_text(), "the job to begin"))
        task.cancel()
        await until(lambda: not runs(pid), "its end", 5)
        await local.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())


async def test_a_module_in_the_current_folder_does_not_shadow_a_library(make_executor, tmp_path, monkeypatch):
    (tmp_path / "numpy.py").write_text("raise SystemExit('hijacked')")
    monkeypatch.chdir(tmp_path)
    local = await make_executor()
    assert (await go(local, workloads.greedy, size=1)).value == 1 << 20
    await local.close()


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
@pytest.mark.parametrize("busy", ["", "hang", "stuck"])
def test_workers_end_with_a_parent_that_was_killed(tmp_path, busy):
    if busy == "stuck" and sys.platform != "linux":
        pytest.skip("only Linux ends a process whose threads all wait")
    code = f"""
import asyncio
from accel.execution.executor import Job, LocalExecutor
from accel.execution.sandbox import Sandbox
from accel.workload import Limits
from tests.accel import workloads
async def main():
    local = LocalExecutor(1, Limits(), 0, warm=(), sandbox=Sandbox("", [{str(tmp_path)!r}]))
    await local.start()
    pid = (await local.run(Job.parse(workloads.say.workload, {{}}, deadline_s=60))).value["pid"]
    if {busy!r}:
        hang = workloads.{busy or "hang"}.workload
        job = Job.parse(hang, {{"text": {str(tmp_path / "hang")!r}}}, deadline_s=60)
        asyncio.ensure_future(local.run(job))
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
