"""Worker processes: starts them, leases them by priority, kills and replaces them."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import msgspec
import psutil
from msgspec import Struct
from msgspec.structs import replace

from accel.execution.backoff import Backoff
from accel.execution.memory_budget import MemoryBudget
from accel.execution.protocol import (
    CANCEL,
    HEADER,
    PROGRESS,
    BatchReply,
    Failed,
    Reply,
    Setup,
    pack,
    progresses,
    replies,
)
from accel.execution.sandbox import make_folder, remove_folder, sandbox_environment
from accel.progress import OnProgress
from accel.text import AnyText, text
from accel.workload import WorkloadError

MAX_POSIX_CODE = 0xFFFF
"""Larger exit codes are Windows NTSTATUS values, shown in hexadecimal."""
NTSTATUS = {
    0xC0000005: "access violation",
    0xC0000017: "out of memory",
    0xC000001D: "illegal instruction",
    0xC0000135: "a DLL is missing",
    0xC0000374: "heap corruption",
    0xC0000409: "abort",
    0xC00000FD: "stack overflow",
}
"""NTSTATUS values of crashed Windows processes."""


def describe_exit(code: int | None) -> str:
    """Describes a process's exit code in words."""
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    if code is not None and code > MAX_POSIX_CODE:
        return NTSTATUS.get(code, f"exit code 0x{code:08X}")
    return f"exit code {code}"


# Each worker uses one core; thread pools would make workers compete for cores.
SINGLE_THREADED = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "VIPS_CONCURRENCY": "1"}

MAPPED_BYTES = 32 << 20
"""The largest threshold that glibc accepts."""
HEAP_BYTES = 64 << 20
"""Enough to open and process a 2048 x 2048 texture."""
HEAP = {"MALLOC_MMAP_THRESHOLD_": f"{MAPPED_BYTES}", "MALLOC_TRIM_THRESHOLD_": f"{HEAP_BYTES}"}
"""Makes glibc retain freed memory for the next job: page faults on fresh memory take longer than filling the
buffers of a large image."""

GRACE_S = 1.0
"""Time limit for a process to end after it closed its pipes."""

END_S = 10.0
"""Time limit for a killed process to end; one stuck in a driver never does."""

BASE: str = getattr(sys, "_base_executable", sys.executable)
"""The interpreter that the virtual environment was created from."""

STOP_S = 0.5
"""Time limit for a cancelled job that reports progress to end."""

MEMORY_AGE_S = 0.5
"""Maximum age in seconds of a memory measurement, which costs as much as a small job."""
LONG_JOB_S = 0.02
"""Run time in seconds above which memory is measured right after the job."""


class WorkerDied(Exception):
    """The process ended before it replied. The message contains the exit status."""


class Worker:
    """A worker process, which runs one job at a time."""

    def __init__(self, transport: asyncio.SubprocessTransport, wire: _Wire) -> None:
        stdin = cast(asyncio.WriteTransport, transport.get_pipe_transport(0))
        self._transport = transport
        self._stdin = stdin
        self._wire = wire
        self.pid = transport.get_pid()
        self.folder: Path | None = None
        """The folder that it may write to; None if it isn't in a sandbox."""
        self.doing = ""
        """Name of the running workload; empty when idle."""
        self.since = time.monotonic()
        """When it became busy or idle, by `time.monotonic`."""
        self.shortage: AnyText = ""
        """Why it was killed, if that was for its memory."""
        self.last_memory = 0
        """Resident memory in bytes when last measured."""
        self._measure_at = 0.0

    @classmethod
    async def spawn(cls, setup: Setup, env: Mapping[str, str]) -> Worker:
        """Starts a process without waiting until it is ready. Raises OSError."""
        loop = asyncio.get_running_loop()
        python, more = interpreter(sys.platform, sys.executable, BASE)
        variables, folder = environment({**more, **env}), None
        if setup.sandbox is not None:
            folder = make_folder(setup.sandbox.folder)
            setup = replace(setup, sandbox=replace(setup.sandbox, folder=str(folder)))
            variables = sandbox_environment(variables, folder)
        try:
            transport, wire = await loop.subprocess_exec(
                _Wire,
                python,
                # Without -P, modules in the current folder would shadow libraries.
                *("-P", "-m", "accel.execution"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                # A Windows program without a console has no stderr to inherit.
                stderr=subprocess.DEVNULL if None in (sys.stderr, sys.__stderr__) else None,
                env=variables,
                creationflags=no_window(loop),
                # A terminal's Ctrl-C would end workers that are still starting. Processes that a worker
                # starts belong to its group.
                start_new_session=True,
            )
        except BaseException:
            if folder is not None:
                remove_folder(folder)
            raise
        worker = cls(transport, wire)
        worker.folder = folder
        worker._write(pack(setup))
        return worker

    @property
    def alive(self) -> bool:
        return not self._wire.ended

    async def ask(
        self, job: bytes, doing: str = "", on_progress: OnProgress | None = None
    ) -> Reply | BatchReply:
        """Sends a job's frame and returns the reply; `doing` is the workload's name. Raises WorkerDied."""
        frame = self._wire.expect(on_progress)
        self._write(job)
        self._turn_to(doing)
        try:
            return replies.decode(await frame)
        except EOFError:
            await self._wire.gone.wait()
            raise WorkerDied(describe_exit(self._transport.get_returncode())) from None
        except msgspec.DecodeError as error:
            raise WorkerDied(f"its reply can't be read: {error}") from None
        finally:
            if time.monotonic() - self.since > LONG_JOB_S:
                self._measure_at = 0.0
            self._turn_to("")

    @property
    def reports(self) -> bool:
        """Whether its job has reported progress, which means that it can be asked to end."""
        return self._wire.reports

    async def stop(self) -> bool:
        """Asks a cancelled job to end. Returns whether it did, so that the worker can take the next one."""
        frame = self._wire.expect()
        self._write(CANCEL)
        try:
            async with asyncio.timeout(STOP_S):
                reply = replies.decode(await frame)
        except (TimeoutError, EOFError, msgspec.DecodeError):
            return False
        return not isinstance(reply, Failed) or not reply.fault

    def _turn_to(self, doing: str) -> None:
        self.doing, self.since = doing, time.monotonic()

    def _write(self, frame: bytes) -> None:
        try:
            self._stdin.write(frame)
        except RuntimeError:
            # uvloop refuses to write to a closed pipe; the process is gone or about to end.
            self.kill()

    def memory(self) -> int:
        """Returns resident memory in bytes, at most MEMORY_AGE_S old; 0 if the system doesn't report it."""
        if (now := time.monotonic()) >= self._measure_at:
            self._measure_at = now + MEMORY_AGE_S
            with contextlib.suppress(psutil.Error):
                self.last_memory = self._process.memory_info().rss
        return self.last_memory

    def resident(self) -> int:
        """Returns resident memory in bytes now; what was measured last if the system doesn't report it."""
        self._measure_at = 0.0
        return self.memory()

    def end_for_memory(self, reason: AnyText) -> None:
        """Kills it; its job fails for this reason."""
        self.shortage = reason
        self.kill()

    @functools.cached_property
    def _process(self) -> psutil.Process:
        """Created once, because that reads the start time, which takes twice as long as the memory."""
        return psutil.Process(self.pid)

    def kill(self) -> None:
        self._wire.kill()

    async def end(self) -> None:
        """Kills the process and waits up to END_S until it has ended."""
        self.kill()
        self._stdin.close()
        try:
            async with asyncio.timeout(END_S):
                await self._wire.gone.wait()
        except TimeoutError:
            log.error("worker process %d was killed but doesn't end; perhaps a device driver hangs", self.pid)
        self._transport.close()
        if self.folder is not None:
            # Its jobs may have left large files.
            await asyncio.to_thread(remove_folder, self.folder)


class _Wire(asyncio.SubprocessProtocol):
    """Reads frames from a process's stdout. Only one reply is expected at a time."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.ended = False
        self._buffer = bytearray()
        self._frame: asyncio.Future[bytes] | None = None
        self._on_progress: OnProgress | None = None
        self.reports = False
        self._backstop: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transport has the methods of SubprocessTransport but isn't a subclass.
        self._transport = cast(asyncio.SubprocessTransport, transport)

    def kill(self) -> None:
        """Kills the process, unless it is already ending."""
        # Only once, and not while it ends: `Popen.kill` would take the exit code before asyncio can.
        if not self.ended:
            self._stop()
            self._kill()

    def expect(self, on_progress: OnProgress | None = None) -> asyncio.Future[bytes]:
        """Returns a future for the body of the next reply; it raises EOFError if the process ends first.

        Until then, `on_progress` is called with the job's progress.
        """
        self._frame = asyncio.get_running_loop().create_future()
        self._on_progress = on_progress
        self.reports = False
        # The reply of a cancelled job may already have arrived.
        self._read()
        if self.ended and not self._frame.done():
            self._frame.set_exception(EOFError())
        return self._frame

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._buffer += data
        self._read()

    def _read(self) -> None:
        while len(self._buffer) >= HEADER:
            size = int.from_bytes(self._buffer[:HEADER], "big")
            if len(self._buffer) < HEADER + size:
                return
            is_progress = self._buffer.startswith(PROGRESS, HEADER)
            if not is_progress and (self._frame is None or self._frame.done()):
                return
            body = bytes(self._buffer[HEADER : HEADER + size])
            del self._buffer[: HEADER + size]
            if is_progress:
                self._report(body)
            elif self._frame is not None:
                self._frame.set_result(body)

    def _report(self, body: bytes) -> None:
        self.reports = True
        # No request is waiting for the reply any more.
        if self._on_progress is None or self._frame is None or self._frame.done():
            return
        try:
            report = progresses.decode(body)
            self._on_progress(report.fraction, report.stage)
        # A failing callback must not end the job.
        except Exception:
            log.exception("a worker's progress can't be passed on")

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if not self.ended:
            # Without its pipes the process is useless, even if it still runs.
            self._backstop = asyncio.get_running_loop().call_later(GRACE_S, self._kill)
        self._stop()

    def process_exited(self) -> None:
        self._stop()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._backstop is not None:
            self._backstop.cancel()
        self._stop()
        self.gone.set()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if sys.platform != "win32":
                # Kill processes that it started, too, such as a plugin's tool.
                os.killpg(self._transport.get_pid(), signal.SIGKILL)
                return
        with contextlib.suppress(ProcessLookupError):
            self._transport.kill()

    def _stop(self) -> None:
        self.ended = True
        if self._frame is not None and not self._frame.done():
            self._frame.set_exception(EOFError())


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Returns a worker's environment, in which it finds the same modules as this process."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return {**os.environ, **SINGLE_THREADED, **HEAP, "PYTHONPATH": path, **extra}


def interpreter(platform: str, executable: str, base: str) -> tuple[str, Mapping[str, str]]:
    """Returns the program to run for `executable`, and its variables; `base` is the base interpreter."""
    # On Windows, a virtual environment's python.exe starts the base interpreter and waits for it, so the
    # worker would be a grandchild. multiprocessing avoids it the same way.
    if platform == "win32" and os.path.normcase(executable) != os.path.normcase(base):
        return base, {"__PYVENV_LAUNCHER__": executable}
    return executable, {}


def no_window(loop: asyncio.AbstractEventLoop) -> int:
    """Returns the flag that keeps Windows from opening a console, if `loop` accepts flags."""
    # winloop raises ValueError for every flag but 0.
    if sys.platform == "win32" and isinstance(loop, asyncio.BaseEventLoop):
        return subprocess.CREATE_NO_WINDOW
    return 0


Waiter = TypeVar("Waiter")

PRIORITIES = ("interactive", "normal", "bulk")
"""Most urgent first."""

MAX_PASSED = 8
"""Number of times that a priority can be skipped before it gets a turn."""


class FairTurns(Generic[Waiter]):
    """Waiters by priority; first come, first served within a priority."""

    def __init__(self) -> None:
        self._classes: tuple[deque[Waiter], ...] = tuple(deque() for _ in PRIORITIES)
        self._passed = [0] * len(PRIORITIES)

    def __len__(self) -> int:
        return sum(map(len, self._classes))

    @property
    def waiting(self) -> dict[str, int]:
        """Number of waiters by priority."""
        return {priority: len(self._classes[at]) for at, priority in enumerate(PRIORITIES)}

    def add(self, waiter: Waiter, priority: str, *, again: bool = False) -> None:
        """Queues a waiter. One that waits `again` goes to the front of its priority.

        Raises ValueError for an unknown priority.
        """
        waiters = self._classes[PRIORITIES.index(priority)]
        if again:
            waiters.appendleft(waiter)
        else:
            waiters.append(waiter)

    def remove(self, waiter: Waiter) -> bool:
        """Removes a waiter and returns whether it was still waiting."""
        for waiting in self._classes:
            if waiter in waiting:
                waiting.remove(waiter)
                return True
        return False

    def next(self, fits: Callable[[Waiter], bool] = lambda waiter: True) -> Waiter | None:
        """Removes and returns the next waiter, or None if there is none or it doesn't fit."""
        waiting = [i for i, waiters in enumerate(self._classes) if waiters]
        if not waiting:
            return None
        starved = [i for i in waiting if self._passed[i] >= MAX_PASSED]
        chosen = (starved or waiting)[0]
        if not fits(self._classes[chosen][0]):
            return None
        for i in waiting:
            self._passed[i] += 1
        self._passed[chosen] = 0
        return self._classes[chosen].popleft()


GROW_S = 0.02
"""A job waits this long for a busy worker before another is started, which takes far longer."""

RESPAWN = Backoff(first_s=0.1, most_s=5.0, factor=4.0)
"""Pauses after the system refused to start a process."""

log = logging.getLogger(__name__)


class WorkerState(Struct, frozen=True):
    pid: int
    busy: bool
    """Whether it is leased to a job."""
    doing: str
    """Workload of its job; empty if idle or unknown."""
    for_s: float
    """Seconds since it became busy or idle."""


class Pool:
    """Up to `size` worker processes, leased to jobs in the order of their turns."""

    def __init__(
        self,
        size: int,
        setup: Setup,
        env: Mapping[str, str],
        keep_mib: int = 0,
        *,
        idle_s: float = 0.0,
        warm_up: bytes = b"",
        budget: MemoryBudget | None = None,
    ) -> None:
        """Replaces a worker that uses more than `keep_mib` after a job; 0 disables this.

        With `idle_s`, it starts with one worker, adds more while jobs wait, and ends each that was idle for
        `idle_s` seconds; otherwise all run all the time. `warm_up` is the frame of a job that makes an
        added worker ready before it is leased. `budget` limits the memory of all workers together.
        """
        self.budget = budget or MemoryBudget()
        self._keep = keep_mib << 20
        self._idle_s = idle_s
        self._warm_up = warm_up
        self._setup = setup
        self._env = env
        self._growing = False
        self._starting = 0
        """Workers that are made ready."""
        self._spawning = 0
        """Processes that are being started, and aren't among all yet."""
        self._idle_timer: asyncio.TimerHandle | None = None
        self._turns: FairTurns[asyncio.Future[Worker]] = FairTurns()
        self._idle: list[Worker] = []
        self._all: set[Worker] = set()
        self.budget.add(self._all, size, setup.memory_mib << 20)
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()
        self.size = size
        self.on_ended: Callable[[int], None] | None = None
        """Called in a thread with the pid of each healthy process that was ended, before it is replaced."""
        self.ended = {"crashed": 0, "cancelled": 0, "memory": 0}
        """Number of replaced processes by reason: `cancelled` while running a cancelled job, `memory` for
        using too much after a job."""

    @property
    def waiting(self) -> int:
        """Number of jobs waiting for a worker."""
        return len(self._turns)

    @property
    def waiting_by_priority(self) -> Mapping[str, int]:
        """Number of waiting jobs by priority; a batch counts as one."""
        return self._turns.waiting

    @property
    def states(self) -> Sequence[WorkerState]:
        """The state of each worker, sorted by process id."""
        now, idle = time.monotonic(), set(self._idle)
        return [
            WorkerState(worker.pid, worker not in idle, worker.doing, now - worker.since)
            for worker in sorted(self._all, key=lambda worker: worker.pid)
            if worker.alive
        ]

    @property
    def pids(self) -> list[int]:
        return [worker.pid for worker in self._all]

    async def start(self) -> None:
        """Starts all processes, or the first, without waiting until they are ready. Raises OSError."""
        count = 1 if self._idle_s else self.size
        started = await asyncio.gather(*(self._spawn() for _ in range(count)), return_exceptions=True)
        if failed := [error for error in started if error is not None]:
            await self.close()
            raise failed[0]

    def wake(self) -> None:
        """Starts a worker if none runs: a job is likely to come."""
        if not self._count and not self._growing and not self._closing.is_set():
            self._growing = True
            self._in_background(self._grow())

    async def acquire(self, priority: str, *, again: bool = False) -> Worker:
        """Leases a worker until `release` or `discard`. A job that needs one `again` goes first.

        Raises WorkloadError `shutting_down`.
        """
        if self._closing.is_set():
            raise _closing()
        self.budget.watch()
        # The common case needs no future.
        if not self._turns and (worker := self._free()) is not None:
            return worker
        turn: asyncio.Future[Worker] = asyncio.get_running_loop().create_future()
        self._turns.add(turn, priority, again=again)
        self._assign()
        if self._turns and self._idle_s and not self._growing and self._count < self.size:
            self._growing = True
            self._in_background(self._grow())
        try:
            return await turn
        except asyncio.CancelledError:
            self._turns.remove(turn)
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.release(turn.result())
            raise

    def release(self, worker: Worker) -> None:
        """Returns a worker that has replied to the pool."""
        held = worker.memory()
        if self._keep and held > self._keep:
            # Allocators rarely return freed memory to the system; ending the process returns all of it.
            log.info("replacing a worker that holds %d MiB after its job", held >> 20)
            self.discard(worker, "memory")
            return
        self._idle.append(worker)
        self._assign()
        if self._idle_s and self._idle and self._idle_timer is None:
            self._end_idle()

    def stop(self, worker: Worker) -> None:
        """Takes a worker back from a cancelled job.

        A job that reports progress is asked to end; otherwise its process is killed.
        """
        if worker.alive and worker.reports and not self._closing.is_set():
            self._in_background(self._stop(worker))
        else:
            self.discard(worker)

    async def _stop(self, worker: Worker) -> None:
        if await worker.stop():
            self.release(worker)
        else:
            self.discard(worker)

    def discard(self, worker: Worker, reason: str = "cancelled") -> None:
        """Kills a worker that runs a cancelled job or has died, and starts another.

        `reason` is a key of `ended`; a dead worker counts as crashed.
        """
        crashed = not worker.alive and not worker.shortage
        if worker.shortage:
            reason = "memory"
        worker.kill()
        if crashed and not self._closing.is_set():
            log.warning("worker process %d ended by itself or was killed; starting another", worker.pid)
        if not self._closing.is_set():
            self.ended["crashed" if crashed else reason] += 1
            self._in_background(self._replace(worker, healthy=not crashed))

    async def close(self) -> None:
        """Ends all processes. Waiting jobs fail with WorkloadError `shutting_down`."""
        self._closing.set()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        while (turn := self._turns.next()) is not None:
            if not turn.done():
                turn.set_exception(_closing())
        await asyncio.gather(*(worker.end() for worker in self._all), *self._tasks)
        self.budget.remove(self._all, self.size)
        self._all.clear()
        self._idle.clear()

    def _free(self) -> Worker | None:
        """Returns a living idle worker."""
        while self._idle:
            worker = self._idle.pop()
            if worker.alive:
                return worker
            # Killed from outside while idle.
            self.discard(worker)
        return None

    def _assign(self) -> None:
        """Assigns idle workers to waiters in turn."""
        while self._turns and (worker := self._free()) is not None:
            turn = self._turns.next()
            if turn is None or turn.done():
                self._idle.append(worker)
            else:
                turn.set_result(worker)

    async def _grow(self) -> None:
        """Starts workers for jobs that wait: at once if none runs, else after GROW_S."""
        tries = 0
        try:
            while (self._turns or not self._count) and self._count < self.size:
                pause = RESPAWN.pause_s(tries - 1) if tries else GROW_S if self._count else 0.0
                if await self._closed_within(pause):
                    return
                try:
                    if not self._count:
                        await self._spawn()
                    # A worker that died may be replaced meanwhile.
                    while self._starting < len(self._turns) and self._count < self.size:
                        await self._spawn(warm=True)
                    tries = 0
                # Jobs that wait get no worker unless this goes on.
                except Exception as error:
                    tries += 1
                    log.error("can't start a worker process: %s", error)
        finally:
            self._growing = False

    async def _warm(self, worker: Worker) -> None:
        """Makes a new worker ready while others serve the jobs that wait."""
        try:
            await worker.ask(self._warm_up)
        except WorkerDied:
            # A job that meets a dead worker is told so, and another is started with a pause.
            log.warning("worker process %d ended while it started", worker.pid)
        finally:
            self._starting -= 1
        self.release(worker)

    def _end_idle(self) -> None:
        """Ends workers that have been idle for long, and sets the timer for the next."""
        self._idle_timer = None
        now = time.monotonic()
        while self._idle and now - self._idle[0].since >= self._idle_s:
            worker = self._idle.pop(0)
            # At once: a job that comes before the process has ended must not count on it.
            self._all.discard(worker)
            self._in_background(self._retire(worker))
        if self._idle:
            due = self._idle[0].since + self._idle_s - now
            self._idle_timer = asyncio.get_running_loop().call_later(max(due, 0.01), self._end_idle)

    async def _retire(self, worker: Worker) -> None:
        await worker.end()
        await self._report_end(worker.pid)

    @property
    def _count(self) -> int:
        return len(self._all) + self._spawning

    async def _spawn(self, *, warm: bool = False) -> None:
        self._spawning += 1
        try:
            setup = replace(self._setup, free=self.budget.free)
            worker = await Worker.spawn(setup, self._env)
        finally:
            self._spawning -= 1
        if self._closing.is_set():
            return await worker.end()
        if setup.memory_mib:
            self.budget.assign(worker.pid, setup.memory_mib << 20)
        self._all.add(worker)
        if warm:
            self._starting += 1
            self._in_background(self._warm(worker))
        else:
            self.release(worker)

    async def _replace(self, worker: Worker, *, healthy: bool) -> None:
        await worker.end()
        self._all.discard(worker)
        if healthy:
            await self._report_end(worker.pid)
        if self._idle_s and (self._count >= self.size or (self._count and not self._turns)):
            return
        tries = 0
        while not await self._closed_within(RESPAWN.pause_s(tries - 1) if tries else 0.0):
            try:
                return await self._spawn()
            except OSError as error:
                tries += 1
                log.error("can't start a worker process: %s", error)
            # If replacing ever stopped, the pool would end up without workers.
            except Exception:
                tries += 1
                log.exception("can't start a worker process")

    async def _report_end(self, pid: int) -> None:
        if self.on_ended is None:
            return
        try:
            await asyncio.to_thread(self.on_ended, pid)
        # A failing callback must not cost a worker.
        except Exception:
            log.exception("the callback for ended worker process %d failed", pid)

    async def _closed_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        return self._closing.is_set()

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _closing() -> WorkloadError:
    return WorkloadError("shutting_down", text("the workers are shutting down"))


def suppress_error_dialogs() -> None:
    """Disables error dialogs, which would keep a failed process alive until a user closes them."""
    if sys.platform == "win32":
        import msvcrt

        boxes = msvcrt.SEM_FAILCRITICALERRORS | msvcrt.SEM_NOGPFAULTERRORBOX | msvcrt.SEM_NOOPENFILEERRORBOX
        msvcrt.SetErrorMode(boxes)
