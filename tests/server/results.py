"""A project whose workload logs each run, and what a daemon's cache says of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from accel.execution.pool import PRIORITIES
from bridge.server.app import Bridge
from tests.server.daemons import PATIENCE_S, ThreadDaemon
from tests.server.wire import Wire, session

Start = Callable[..., ThreadDaemon]


class Bench:
    """A project with a file, and a workload that logs each run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root / "log"
        self.log.touch()
        self.hold = root / "hold"
        self.file = root / "in.txt"
        self.file.write_bytes(b"one")

    @property
    def runs(self) -> int:
        return len(self.log.read_text().splitlines())

    def request(self, number: float = 1, *, workload: str = "test.note", **more: Any) -> dict[str, Any]:
        params = {"log": str(self.log), "hold": str(self.hold), "number": number}
        inputs = [{"name": "in", "path": "in.txt"}]
        return {"workload": workload, "params": params, "inputs": inputs, **more}

    def session(self, daemon: ThreadDaemon) -> contextlib.AbstractAsyncContextManager[Wire]:
        return session(daemon.file, project={"id": "p", "name": "P", "root": str(self.root)})


async def until(ready: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not ready():
            await asyncio.sleep(0.005)


def counters(daemon: ThreadDaemon) -> tuple[int, int, int]:
    cache = cache_of(daemon.bridge)
    found: tuple[int, int, int] = daemon.look(lambda: (cache.hits, cache.misses, cache.shared))
    return found


def cache_of(bridge: Bridge) -> Any:
    assert bridge.cache is not None
    return bridge.cache


async def kept(daemon: ThreadDaemon, count: int) -> None:
    """Waits until so many results are kept: that comes after the answer."""
    await until(lambda: daemon.look(lambda: cache_of(daemon.bridge).responses.entries) == count)


async def ask(wire: Wire, request_id: int, request: dict[str, Any]) -> dict[str, Any]:
    return await wire.request(request_id, **request)


def counters_waiting(daemon: ThreadDaemon) -> int:
    flights = cache_of(daemon.bridge)._in_flight._open
    waiting: int = daemon.look(lambda: sum(len(flight._waiting) for flight in flights.values()))
    return waiting


def queued(daemon: ThreadDaemon, priority: str) -> int:
    """Jobs that wait for a worker."""
    batcher: Any = daemon.bridge._executor._queues[0].executor
    turns = batcher._executor.pool._turns._classes[PRIORITIES.index(priority)]
    return daemon.look(lambda: len(turns))  # type: ignore[no-any-return]
