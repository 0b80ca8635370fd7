"""Worker processes by number: lent one job at a time, replaced when they are gone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from msgspec import Struct

from accel.frames import Setup
from accel.priorities import Turns
from accel.process import Worker
from accel.retries import Backoff
from accel.text import text
from accel.workload import WorkloadError

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
        self._turns: Turns[asyncio.Future[Worker]] = Turns()
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
