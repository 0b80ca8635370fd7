"""Worker processes: spawn, lease by priority, kill, replace."""

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
from typing import Any, Generic, TypeVar, cast

import msgspec
import psutil
from msgspec import Struct

from accel.execution.backoff import Backoff
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
from accel.progress import OnProgress
from accel.text import text
from accel.workload import WorkloadError

MOST_CODE = 0xFFFF
"""Beyond it exit codes are those of Windows, which are read as hexadecimal."""
NTSTATUS = {
    0xC0000005: "access violation",
    0xC0000017: "out of memory",
    0xC000001D: "illegal instruction",
    0xC0000135: "a DLL is missing",
    0xC0000374: "heap corruption",
    0xC0000409: "abort",
    0xC00000FD: "stack overflow",
}
"""How Windows says that a process has crashed."""


def describe_exit(code: int | None) -> str:
    """A process's exit code for people."""
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    if code is not None and code > MOST_CODE:
        return NTSTATUS.get(code, f"exit code 0x{code:08X}")
    return f"exit code {code}"


# Every worker is one core's work: a thread pool in each would only fight for the same cores.
SINGLE_THREADED = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "VIPS_CONCURRENCY": "1"}

MAPPED_BYTES = 32 << 20
"""The most that glibc takes for the threshold."""
KEPT_BYTES = 64 << 20
"""What opening a texture of 2048 x 2048 takes, and what is made of it."""
HEAP = {"MALLOC_MMAP_THRESHOLD_": f"{MAPPED_BYTES}", "MALLOC_TRIM_THRESHOLD_": f"{KEPT_BYTES}"}
"""Has glibc keep so much of what a job has freed for the next one: the system gives each page of fresh memory
by itself, which for the buffers of one large image takes longer than filling them."""

GRACE_S = 1.0
"""How long a process that has closed its pipes may take to end."""

END_S = 10.0
"""How long a process that was killed may take to end; one in a driver that hangs never does."""

BASE: str = getattr(sys, "_base_executable", sys.executable)
"""The interpreter that a virtual environment is made of."""

STOP_S = 0.5
"""How long a job that reports how far it is may take to end once it is asked to."""

LOOK_S = 0.5
"""How old what is known of a process's memory may be: a look costs as much as a small job."""
LONG_S = 0.02
"""A job that takes longer may have filled so much that what is known is out of date at once."""


class WorkerDied(Exception):
    """The process ended before it replied; says how."""


class Worker:
    """A running worker process; serves one job at a time."""

    def __init__(self, transport: asyncio.SubprocessTransport, wire: _Wire) -> None:
        stdin = cast(asyncio.WriteTransport, transport.get_pipe_transport(0))
        self._transport = transport
        self._stdin = stdin
        self._wire = wire
        self.pid = transport.get_pid()
        self.doing = ""
        """Which workload, for people; empty where it does nothing."""
        self.since = time.monotonic()
        """When it began that, or ended the last, by `time.monotonic`."""
        self.held_idle = 0
        """What it held when it was last looked at, bytes."""
        self._look_again = 0.0

    @classmethod
    async def spawn(cls, setup: Setup, env: Mapping[str, str]) -> Worker:
        """Starts a process and doesn't wait until it is ready. Raises OSError."""
        loop = asyncio.get_running_loop()
        python, more = interpreter(sys.platform, sys.executable, BASE)
        transport, wire = await loop.subprocess_exec(
            _Wire,
            python,
            # Modules in the folder that the daemon happens to be started from are none of ours.
            *("-P", "-m", "accel.execution.worker"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # A Windows program without a console has none that could be inherited, whatever stands for it.
            stderr=subprocess.DEVNULL if None in (sys.stderr, sys.__stderr__) else None,
            env=environment({**more, **env}),
            creationflags=no_window(loop),
            # A terminal's Ctrl-C would meet workers that are still starting, and be told as their failure.
            # What a worker starts itself is of its group.
            start_new_session=True,
        )
        worker = cls(transport, wire)
        worker._write(pack(setup))
        return worker

    @property
    def alive(self) -> bool:
        return not self._wire.ended

    async def ask(
        self, job: bytes, doing: str = "", on_progress: OnProgress | None = None
    ) -> Reply | BatchReply:
        """The reply to a job's frame; `doing` is its workload. Raises WorkerDied."""
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
            if time.monotonic() - self.since > LONG_S:
                self._look_again = 0.0
            self._turn_to("")

    @property
    def reports(self) -> bool:
        """Whether its last job has told how far it is: such a job can be asked to end."""
        return self._wire.reports

    async def stop(self) -> bool:
        """Asks the job whose reply nobody waits for to end; whether it has, so that the next can come."""
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
            # uvloop takes nothing for a pipe that has closed: the process is gone, or will be.
            self.kill()

    def held(self) -> int:
        """Resident memory, bytes, by a look that is at most LOOK_S old; 0 where the system doesn't tell."""
        if (now := time.monotonic()) >= self._look_again:
            self._look_again = now + LOOK_S
            with contextlib.suppress(psutil.Error):
                self.held_idle = self._process.memory_info().rss
        return self.held_idle

    @functools.cached_property
    def _process(self) -> psutil.Process:
        """Made once: finding out when the process began costs twice as much as what it holds."""
        return psutil.Process(self.pid)

    def kill(self) -> None:
        """Ends the process at once, whatever it is doing."""
        self._wire.kill()

    async def end(self) -> None:
        """Ends the process and waits until it is gone, or for END_S."""
        self.kill()
        self._stdin.close()
        try:
            async with asyncio.timeout(END_S):
                await self._wire.gone.wait()
        except TimeoutError:
            said = "worker process %d was killed and doesn't end: the system holds it, for a device perhaps"
            log.error(said, self.pid)
        self._transport.close()


class _Wire(asyncio.SubprocessProtocol):
    """Bytes from a process's stdout become frames; one is expected at a time."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.ended = False
        self._buffer = bytearray()
        self._frame: asyncio.Future[bytes] | None = None
        self._on_progress: OnProgress | None = None
        self.reports = False
        self._backstop: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transport has the methods of SubprocessTransport without being one.
        self._transport = cast(asyncio.SubprocessTransport, transport)

    def kill(self) -> None:
        """Kills the process, unless it is about to end anyway."""
        # Once only, and not while it ends: `Popen.kill` would take the exit code before asyncio can.
        if not self.ended:
            self._stop()
            self._kill()

    def expect(self, on_progress: OnProgress | None = None) -> asyncio.Future[bytes]:
        """The next reply's body; EOFError if the process ends first.

        `on_progress` is told what the job reports before that.
        """
        self._frame = asyncio.get_running_loop().create_future()
        self._on_progress = on_progress
        self.reports = False
        # That of a job that was given up may be there.
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
                self._tell(body)
            elif self._frame is not None:
                self._frame.set_result(body)

    def _tell(self, body: bytes) -> None:
        self.reports = True
        # Where the reply is awaited no more, nobody wants to know.
        if self._on_progress is None or self._frame is None or self._frame.done():
            return
        try:
            said = progresses.decode(body)
            self._on_progress(said.fraction, said.stage)
        # Whatever becomes of a report, the job goes on.
        except Exception:
            log.exception("a worker's report of how far it is can't be passed on")

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if not self.ended:
            # Without its pipes it is of no use, even if it still runs.
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
                # With all that it has started, a tool that a plugin runs for example.
                os.killpg(self._transport.get_pid(), signal.SIGKILL)
                return
        with contextlib.suppress(ProcessLookupError):
            self._transport.kill()

    def _stop(self) -> None:
        self.ended = True
        if self._frame is not None and not self._frame.done():
            self._frame.set_exception(EOFError())


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """A worker's environment: it finds every module that this process finds."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return {**os.environ, **SINGLE_THREADED, **HEAP, "PYTHONPATH": path, **extra}


def interpreter(platform: str, executable: str, base: str) -> tuple[str, Mapping[str, str]]:
    """What starts a Python as `executable` is, and variables for it; `base` is that of its environment."""
    # On Windows a virtual environment's python.exe starts that of its base and waits for it: the process that
    # is known here would be another than the one that works. multiprocessing passes it by in this way, too.
    if platform == "win32" and os.path.normcase(executable) != os.path.normcase(base):
        return base, {"__PYVENV_LAUNCHER__": executable}
    return executable, {}


def no_window(loop: asyncio.AbstractEventLoop) -> int:
    """The flag with which Windows opens no console for a worker, where `loop` takes any."""
    # Loops that aren't asyncio's own (winloop) raise ValueError for every flag but 0.
    if sys.platform == "win32" and isinstance(loop, asyncio.BaseEventLoop):
        return subprocess.CREATE_NO_WINDOW
    return 0


Waiter = TypeVar("Waiter")

PRIORITIES = ("interactive", "normal", "bulk")
"""Most urgent first."""

PATIENCE = 8
"""How often a class is passed over before it gets a turn all the same."""


class FairTurns(Generic[Waiter]):
    """Waiters by priority; within one class, whoever came first."""

    def __init__(self) -> None:
        self._classes: tuple[deque[Waiter], ...] = tuple(deque() for _ in PRIORITIES)
        self._passed = [0] * len(PRIORITIES)

    def __len__(self) -> int:
        return sum(map(len, self._classes))

    @property
    def waiting(self) -> dict[str, int]:
        """How many wait, by priority."""
        return {priority: len(self._classes[at]) for at, priority in enumerate(PRIORITIES)}

    def add(self, waiter: Waiter, priority: str, *, again: bool = False) -> None:
        """Queues `waiter`; one that had its turn and needs it `again` comes first in its class. Raises
        ValueError for a priority that is none."""
        waiters = self._classes[PRIORITIES.index(priority)]
        if again:
            waiters.appendleft(waiter)
        else:
            waiters.append(waiter)

    def remove(self, waiter: Waiter) -> bool:
        """Forgets `waiter`; whether it still waited."""
        for waiting in self._classes:
            if waiter in waiting:
                waiting.remove(waiter)
                return True
        return False

    def next(self, fits: Callable[[Waiter], bool] = lambda waiter: True) -> Waiter | None:
        """Takes out whose turn it is; None if nobody waits, or if it doesn't fit: it stays the next one."""
        waiting = [i for i, waiters in enumerate(self._classes) if waiters]
        if not waiting:
            return None
        starved = [i for i in waiting if self._passed[i] >= PATIENCE]
        chosen = (starved or waiting)[0]
        if not fits(self._classes[chosen][0]):
            return None
        for i in waiting:
            self._passed[i] += 1
        self._passed[chosen] = 0
        return self._classes[chosen].popleft()


RESPAWN = Backoff(first_s=0.1, most_s=5.0, factor=4.0)
"""For starting a process that the system refused."""

log = logging.getLogger(__name__)


class WorkerState(Struct, frozen=True):
    """A worker process, as it is now."""

    pid: int
    busy: bool
    """Whether it is lent for a job."""
    doing: str
    """The job's workload; empty where there is none, or none is known."""
    for_s: float
    """How long it has been at it, or idle, seconds."""


class Pool:
    """Up to `size` workers; whoever asks gets one when it is its turn."""

    def __init__(self, size: int, setup: Setup, env: Mapping[str, str], keep_mib: int = 0) -> None:
        """A worker that still holds more than `keep_mib` after a job is replaced; 0 keeps every one."""
        self._keep = keep_mib << 20
        self._setup = setup
        self._env = env
        self._turns: FairTurns[asyncio.Future[Worker]] = FairTurns()
        self._idle: list[Worker] = []
        self._all: set[Worker] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()
        self.size = size
        self.on_ended: Callable[[int], None] | None = None
        """Told of each process that was ended here although it was sound, before another takes its place;
        called in a thread."""
        self.ended = {"crashed": 0, "cancelled": 0, "memory": 0}
        """How many were replaced, by reason: `cancelled` at work on what nobody wants any more, `memory` for
        what was held after a job."""

    @property
    def waiting(self) -> int:
        """How many ask for a worker and have none yet."""
        return len(self._turns)

    @property
    def waiting_by_priority(self) -> Mapping[str, int]:
        """The same, by priority; the jobs of a batch ask once."""
        return self._turns.waiting

    @property
    def states(self) -> Sequence[WorkerState]:
        """Every worker, by process."""
        now, idle = time.monotonic(), set(self._idle)
        return [
            WorkerState(worker.pid, worker not in idle, worker.doing, now - worker.since)
            for worker in sorted(self._all, key=lambda worker: worker.pid)
            if worker.alive
        ]

    @property
    def pids(self) -> list[int]:
        """The running processes."""
        return [worker.pid for worker in self._all]

    async def start(self) -> None:
        """Starts all processes; they get ready by themselves. Raises OSError."""
        started = await asyncio.gather(*(self._spawn() for _ in range(self.size)), return_exceptions=True)
        if failed := [error for error in started if error is not None]:
            await self.close()
            raise failed[0]

    async def acquire(self, priority: str, *, again: bool = False) -> Worker:
        """A worker, lent until `release` or `discard`; at once where the same job had one `again`.

        Raises WorkloadError `shutting_down`.
        """
        if self._closing.is_set():
            raise _closing()
        # Where nobody waits, nobody's turn has to be found.
        if not self._turns and (worker := self._free()) is not None:
            return worker
        turn: asyncio.Future[Worker] = asyncio.get_running_loop().create_future()
        self._turns.add(turn, priority, again=again)
        self._lend()
        try:
            return await turn
        except asyncio.CancelledError:
            self._turns.remove(turn)
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.release(turn.result())
            raise

    def release(self, worker: Worker) -> None:
        """Takes back a worker that has replied."""
        held = worker.held()
        if self._keep and held > self._keep:
            # Allocators rarely give back what was freed; the system gets all of it from a process that ends.
            log.info("a worker that holds %d MiB after its job is replaced", held >> 20)
            self.discard(worker, "memory")
            return
        self._idle.append(worker)
        self._lend()

    def stop(self, worker: Worker) -> None:
        """Frees a worker of a job that nobody wants.

        A job that reports how far it is is asked to end; any other is ended with its process.
        """
        if worker.alive and worker.reports and not self._closing.is_set():
            self._in_background(self._stopped(worker))
        else:
            self.discard(worker)

    async def _stopped(self, worker: Worker) -> None:
        if await worker.stop():
            self.release(worker)
        else:
            self.discard(worker)

    def discard(self, worker: Worker, reason: str = "cancelled") -> None:
        """Ends a worker that is busy with what nobody wants, or is dead already, and starts another.

        `reason` is one of `ended`; a dead one has crashed.
        """
        crashed = not worker.alive
        worker.kill()
        if crashed and not self._closing.is_set():
            log.warning(
                "worker process %d ended by itself, or was killed; another takes its place", worker.pid
            )
        if not self._closing.is_set():
            self.ended["crashed" if crashed else reason] += 1
            self._in_background(self._replace(worker, sound=not crashed))

    async def close(self) -> None:
        """Ends all processes; whoever still waits gets WorkloadError `shutting_down`."""
        self._closing.set()
        while (turn := self._turns.next()) is not None:
            if not turn.done():
                turn.set_exception(_closing())
        await asyncio.gather(*(worker.end() for worker in self._all), *self._tasks)
        self._all.clear()
        self._idle.clear()

    def _free(self) -> Worker | None:
        """One that lives and has nothing to do."""
        while self._idle:
            worker = self._idle.pop()
            if worker.alive:
                return worker
            # Killed from outside while it had nothing to do.
            self.discard(worker)
        return None

    def _lend(self) -> None:
        while self._turns and (worker := self._free()) is not None:
            turn = self._turns.next()
            if turn is None or turn.done():
                self._idle.append(worker)
            else:
                turn.set_result(worker)

    async def _spawn(self) -> None:
        worker = await Worker.spawn(self._setup, self._env)
        if self._closing.is_set():
            return await worker.end()
        self._all.add(worker)
        self.release(worker)

    async def _replace(self, worker: Worker, *, sound: bool) -> None:
        await worker.end()
        self._all.discard(worker)
        if sound:
            await self._tell(worker.pid)
        tries = 0
        while not await self._closed_within(RESPAWN.pause_s(tries - 1) if tries else 0.0):
            try:
                return await self._spawn()
            except OSError as error:
                tries += 1
                log.error("can't start a worker process: %s", error)
            # Whatever it is, a pool that gives up a worker for good ends up with none.
            except Exception:
                tries += 1
                log.exception("can't start a worker process")

    async def _tell(self, pid: int) -> None:
        if self.on_ended is None:
            return
        try:
            await asyncio.to_thread(self.on_ended, pid)
        # However looking after it fails, it costs no worker.
        except Exception:
            log.exception("what worker process %d has left can't be looked after", pid)

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
    """Has this process fail at once: nobody may be there who closes a box, and it stays as long as that."""
    if sys.platform == "win32":
        import msvcrt

        boxes = msvcrt.SEM_FAILCRITICALERRORS | msvcrt.SEM_NOGPFAULTERRORBOX | msvcrt.SEM_NOOPENFILEERRORBOX
        msvcrt.SetErrorMode(boxes)
