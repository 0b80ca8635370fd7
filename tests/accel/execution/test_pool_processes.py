import asyncio
import contextlib
import os
import platform
import signal
import sys

import pytest

from accel.execution import pool
from accel.execution.pool import Worker, WorkerDied, environment, interpreter
from accel.execution.protocol import Done, JobFrame, Setup, pack, replies
from accel.workload import Limits
from tests.accel.conftest import runs, until
from tests.accel.loops import LOOPS

with contextlib.suppress(ImportError):  # Windows has none
    import resource

SETUP = Setup(Limits(), 0, ())
HELLO = pack(JobFrame("tests.accel.workloads:say", {"text": "hello"}, [], None))


async def test_a_worker_answers_and_ends():
    worker = await Worker.spawn(SETUP, {})
    assert worker.alive
    assert (await worker.ask(HELLO)).value["text"] == "hello"
    await worker.end()
    assert not worker.alive and not runs(worker.pid)


@pytest.mark.skipif(sys.platform == "win32", reason="a worker has no console there")
@pytest.mark.parametrize("loop", LOOPS)
def test_ctrl_c_does_not_reach_a_starting_worker(loop):
    async def session():
        worker = await Worker.spawn(SETUP, {})
        found = os.getsid(worker.pid)
        await worker.end()
        return found

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(session()) != os.getsid(0)


async def test_a_worker_that_is_gone_says_how():
    worker = await Worker.spawn(SETUP, {})
    worker.kill()
    await until(lambda: not worker.alive, "its end")
    with pytest.raises(WorkerDied, match=r"SIGKILL|exit code"):
        await worker.ask(HELLO)
    await worker.end()


@pytest.mark.skipif(sys.platform != "linux", reason="needs waitid and process groups")
async def test_a_worker_that_ends_at_once_when_it_is_killed_keeps_its_exit_code(monkeypatch, caplog):
    killpg = os.killpg

    def kill(pid, number):
        killpg(pid, number)
        # The loop may have seen its end already.
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)

    monkeypatch.setattr(os, "killpg", kill)
    worker = await Worker.spawn(SETUP, {})
    await worker.end()
    assert worker._transport.get_returncode() == -signal.SIGKILL
    assert not caplog.records


async def test_a_worker_that_cannot_even_be_loaded_has_died(capfd):
    worker = await Worker.spawn(SETUP, {"PYTHONPATH": os.devnull, "PYTHONHOME": os.devnull})
    with pytest.raises(WorkerDied, match="exit code 1"):
        await worker.ask(HELLO)
    await worker.end()


def forge(folder, code):
    """Writes a package in whose place the worker's would be."""
    (folder / "accel" / "execution").mkdir(parents=True)
    (folder / "accel" / "__init__.py").touch()
    (folder / "accel" / "execution" / "__init__.py").touch()
    (folder / "accel" / "execution" / "__main__.py").write_text(code)


async def test_a_reply_that_cannot_be_read_counts_as_a_death(monkeypatch, tmp_path):
    forged = (
        "import sys, time; sys.stdout.buffer.write(b'\\0\\0\\0\\1\\xc1'); sys.stdout.flush(); time.sleep(60)"
    )
    forge(tmp_path, forged)
    worker = await Worker.spawn(SETUP, {"PYTHONPATH": str(tmp_path)})
    with pytest.raises(WorkerDied, match="can't be read"):
        await worker.ask(HELLO)
    await worker.end()


async def test_a_process_that_closes_its_pipe_is_ended(tmp_path):
    forge(tmp_path, "import os, time; os.close(1); time.sleep(60)")
    worker = await Worker.spawn(SETUP, {"PYTHONPATH": str(tmp_path)})
    with pytest.raises(WorkerDied):
        await worker.ask(HELLO)
    await worker.end()


@pytest.mark.parametrize("name", ["stderr", "__stderr__"])
async def test_without_a_stderr_a_worker_starts_all_the_same(monkeypatch, name):
    monkeypatch.setattr(sys, name, None)
    worker = await Worker.spawn(SETUP, {})
    assert (await worker.ask(HELLO)).value["text"] == "hello"
    await worker.end()


async def test_waiting_for_a_process_that_never_ends_is_limited(monkeypatch, tmp_path, caplog):
    worker = await Worker.spawn(SETUP, {})
    mark = tmp_path / "pid"
    job = pack(JobFrame("tests.accel.workloads:stuck", {"text": str(mark)}, [], None))
    asked = asyncio.create_task(worker.ask(job))
    await until(mark.exists, "the job to begin")
    monkeypatch.setattr(pool, "END_S", 0.1)
    monkeypatch.setattr(worker._wire, "_kill", lambda: None)
    ended = asyncio.create_task(worker.end())
    await until(lambda: "doesn't end" in caplog.text, "it to be given up", 5)
    await ended
    with pytest.raises(WorkerDied):
        await asked


def test_a_frame_carries_its_length():
    frame = pack(Done({"a": 1}, [], 1.5, "CPU"))
    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    assert replies.decode(frame[4:]) == Done({"a": 1}, [], 1.5, "CPU")


def test_the_environment_can_be_added_to():
    made = environment({"X": "1", "OMP_NUM_THREADS": "2"})
    assert made["X"] == "1" and made["OMP_NUM_THREADS"] == "2" and made["OPENBLAS_NUM_THREADS"] == "1"
    assert made["PYTHONPATH"].split(os.pathsep) == [entry for entry in sys.path if entry]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="what other libraries keep, they decide")
async def test_a_job_gets_the_memory_that_the_one_before_has_freed():
    worker = await Worker.spawn(SETUP, {})
    pages = 16 * 2**20 // resource.getpagesize()
    job = pack(JobFrame("tests.accel.workloads:fresh", {"size": 16 * 2**20}, [], None))
    first, second = [(await worker.ask(job)).value for _ in range(2)]
    await worker.end()
    assert first < 1.5 * pages and second < pages // 10


def test_in_a_virtual_environment_on_windows_the_process_that_works_is_started_itself():
    venv, base = r"C:\project\venv\Scripts\python.exe", r"C:\Python\python.exe"
    assert interpreter("win32", venv, base) == (base, {"__PYVENV_LAUNCHER__": venv})
    assert interpreter("win32", base, base) == (base, {})
    assert interpreter("linux", "/venv/bin/python", "/usr/bin/python") == ("/venv/bin/python", {})


async def test_cancelling_a_question_leaves_nothing_behind():
    worker = await Worker.spawn(SETUP, {})
    task = asyncio.create_task(worker.ask(HELLO))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await worker.end()


@pytest.mark.parametrize("loop", LOOPS)
def test_a_worker_whose_pipe_was_closed_since_it_was_lent_has_died(loop):
    async def main():
        worker = await Worker.spawn(SETUP, {})
        worker._stdin.close()
        await asyncio.sleep(0)
        with pytest.raises(WorkerDied):
            await worker.ask(b"\0\0\0\1x")
        await worker.end()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())


@pytest.mark.parametrize("loop", LOOPS)
def test_a_process_that_ends_while_it_is_started_is_a_dead_worker_and_no_error(loop, monkeypatch):
    made = Worker.__init__

    def killed(self, transport, wire):
        made(self, transport, wire)
        self._stdin.close()

    monkeypatch.setattr(Worker, "__init__", killed)

    async def main():
        worker = await Worker.spawn(SETUP, {})
        await asyncio.sleep(0)
        with pytest.raises(WorkerDied):
            await worker.ask(HELLO)
        await worker.end()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())
