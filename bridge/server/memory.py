"""What the daemon's processes hold and have used, as the system tells it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence

import psutil
from msgspec import Struct


class Held(Struct, frozen=True):
    """One look."""

    daemon: int = 0
    """Resident memory of the daemon itself, bytes."""
    cpu_s: float = 0.0
    """User and system time of the daemon itself, seconds."""
    began: float = 0.0
    """When the daemon began, Unix time, seconds."""
    workers: Mapping[int, int] = {}
    """Resident memory of each worker, bytes, by process; those that are gone by now are missing."""


async def look(pids: Sequence[int]) -> Held:
    """In a thread: the system may take a while for many processes."""
    return await asyncio.to_thread(_look, pids)


def _look(pids: Sequence[int]) -> Held:
    own = psutil.Process()
    with own.oneshot():
        times = own.cpu_times()
        workers = {}
        for pid in pids:
            with contextlib.suppress(psutil.Error):
                workers[pid] = psutil.Process(pid).memory_info().rss
        return Held(own.memory_info().rss, times.user + times.system, own.create_time(), workers)
