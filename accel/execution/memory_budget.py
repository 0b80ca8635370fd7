"""The memory of all worker processes together: admission of large jobs, and a watchdog."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections import deque
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Protocol

import psutil

from accel.execution import job_object
from accel.text import AnyText, text
from accel.workload import WorkloadError

FREE_BYTES = 256 << 20
"""Memory that a job may take without asking, unless the budget is too small for as many workers."""
MIN_BYTES = 512 << 20
"""The smallest default, in which a single worker can run."""
WATCH_S = 0.25
"""Seconds between two measurements while jobs run."""

log = logging.getLogger(__name__)


class BusyProcess(Protocol):
    """A worker process, as the watchdog sees it."""

    doing: str

    @property
    def alive(self) -> bool: ...

    def resident(self) -> int:
        """Returns its resident memory in bytes; 0 if unknown."""

    def end_for_memory(self, reason: AnyText) -> None:
        """Kills it; its job fails for this reason."""


class MemoryBudget:
    """Memory in bytes that the workers of one or more pools share.

    A job whose image, by its header, needs more than `free` waits in turn until there is as much. If workers
    take more than `total` nevertheless, the watchdog ends the largest.
    """

    def __init__(self, total_mib: int = 0) -> None:
        """`total_mib` 0 means half of the machine's memory, or of the container's limit."""
        self.total = total_mib << 20 if total_mib else max(MIN_BYTES, available_bytes() // 2)
        self._workers = 0
        self._granted = 0
        self._turns: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._groups: list[tuple[Iterable[BusyProcess], int]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._job = job_object.JobObject(self.total)

    def add(self, processes: Iterable[BusyProcess], most: int, limit: int) -> None:
        """Adds a pool of at most `most` workers, of which each may take `limit` bytes; 0 for no limit."""
        self._workers += most
        self._groups.append((processes, 0 if sys.platform == "linux" else limit))

    def remove(self, processes: Iterable[BusyProcess], most: int) -> None:
        """Removes a pool."""
        if any(group is processes for group, _ in self._groups):
            self._workers -= most
            self._groups = [one for one in self._groups if one[0] is not processes]
        if not self._groups:
            self.close()

    def assign(self, pid: int, limit: int) -> None:
        """Makes the system itself limit a new worker, where that takes a call from outside (Windows)."""
        self._job.assign(pid, limit)

    @property
    def free(self) -> int:
        """Bytes that every job may take without asking."""
        return min(FREE_BYTES, self.total // (4 * max(1, self._workers)))

    @property
    def capacity(self) -> int:
        """Bytes that jobs which ask can be granted together."""
        return self.total - self.free * max(0, self._workers - 1)

    @property
    def waiting(self) -> int:
        """Number of jobs that wait for memory."""
        return len(self._turns)

    @contextlib.asynccontextmanager
    async def reserve(self, size: int, reason: AnyText, name: str) -> AsyncIterator[None]:
        """Waits for `size` bytes and holds them. Raises WorkloadError `too_large` if there are never as many;
        `reason` says what `name` needs."""
        if size > self.capacity:
            reason = text(
                "{reason}, more than all worker processes together have for it ({limit} MiB); raise "
                "worker.total_mib or send a smaller image",
                reason=reason,
                limit=self.capacity >> 20,
            )
            raise WorkloadError("too_large", reason, name)
        await self._wait(size)
        try:
            yield
        finally:
            self._granted -= size
            self._assign()

    async def _wait(self, size: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (size, turn)
        self._turns.append(entry)
        self._assign()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._granted -= size
            else:
                self._turns.remove(entry)
            self._assign()
            raise

    def _assign(self) -> None:
        """Grants what fits, first come first served, so that a large job isn't passed for ever."""
        while self._turns and self._granted + self._turns[0][0] <= self.capacity:
            size, turn = self._turns.popleft()
            if not turn.done():
                self._granted += size
                turn.set_result(None)

    def watch(self) -> None:
        """Measures the workers until none is busy. Called whenever one becomes busy."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(WATCH_S, self._measure)

    def close(self) -> None:
        """Stops the watchdog."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _measure(self) -> None:
        self._timer = None
        measured = [
            (one.resident(), one, limit) for group, limit in self._groups for one in tuple(group) if one.alive
        ]
        busy = [each for each in measured if each[1].doing]
        for size, worker, limit in busy:
            if limit and size > limit:
                log.warning("%s takes %d MiB; its worker process is ended", worker.doing, size >> 20)
                worker.end_for_memory(
                    text("needs more memory than a worker may take ({memory} MiB)", memory=limit >> 20)
                )
        total = sum(size for size, worker, _ in measured if worker.alive)
        if total > self.total and busy:
            size, worker, _ = max(busy, key=lambda each: each[0])
            log.warning(
                "the worker processes take %d MiB together; the largest, %s with %d MiB, is ended",
                total >> 20, worker.doing, size >> 20,
            )  # fmt: skip
            worker.end_for_memory(
                text(
                    "needs more memory than the worker processes may take together ({memory} MiB); raise "
                    "worker.total_mib",
                    memory=self.total >> 20,
                )
            )
        if busy:
            self.watch()


def available_bytes(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int:
    """Returns the machine's memory in bytes, or the limit of this process's control group if that is less."""
    sizes = [int(psutil.virtual_memory().total)]
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            for line in own.read_text().splitlines():
                _, controllers, path = line.split(":", 2)
                if not controllers:
                    sizes += _limits(root, path, "memory.max")
                elif "memory" in controllers.split(","):
                    sizes += _limits(root / "memory", path, "memory.limit_in_bytes")
    return min(sizes)


def _limits(root: Path, path: str, file: str) -> Iterable[int]:
    """Yields the limits of a control group and those around it; a container may see its own as the root."""
    folder = root / path.lstrip("/")
    for group in (folder, *folder.parents):
        if not group.is_relative_to(root):
            return
        # Version 2 says "max" for none, version 1 a number larger than any memory.
        with contextlib.suppress(OSError, ValueError):
            yield int((group / file).read_text())
