"""One worker process, seen from the parent: started, asked, ended."""

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
from collections.abc import Mapping
from typing import cast

import msgspec
import psutil

from accel.exits import describe
from accel.frames import CANCEL, HEADER, PROGRESS, Failed, Reply, Setup, Several, pack, progresses, replies
from accel.progress import OnProgress

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

log = logging.getLogger(__name__)


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
            *("-P", "-m", "accel.worker"),
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
    ) -> Reply | Several:
        """The reply to a job's frame; `doing` is its workload. Raises WorkerDied."""
        frame = self._wire.expect(on_progress)
        self._write(job)
        self._turn_to(doing)
        try:
            return replies.decode(await frame)
        except EOFError:
            await self._wire.gone.wait()
            raise WorkerDied(describe(self._transport.get_returncode())) from None
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
