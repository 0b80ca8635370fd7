"""kill -9 at random moments under load: `python -m tools.bench.kills [WORKERS] [DAEMONS] [SEED]`.

Four clients request thumbnails with idempotency keys, at all priorities, while workers, the daemon, or both
are killed. Each request must be answered exactly once, with the right image.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyvips
from msgspec import Struct
from websockets.exceptions import WebSocketException

from bridge.core.errors import UserError
from bridge.paths import ConnectionFile
from tests.server import wire
from tests.server.daemons import ProcessDaemon

WORKER_KILLS = 1_000
DAEMON_KILLS = 300
CLIENTS = 4
PATIENCE_S = 120.0
"""Seconds in which accepted requests must be answered after the last kill."""

TEMPLATE = """## kill -9 at random moments

{clients} clients with {open} open requests each ask for thumbnails, with keys and all priorities.
Processes are killed at random moments, and the daemon is restarted at once (`tools/bench/kills.py`). Each
client resumes its session and repeats, with the same ids and keys, whatever has no answer yet. "Accepted"
counts the confirmations that arrived; if one was cut off, its request may still be answered. The aim:
nothing accepted is lost, and no answer arrives twice.

| killed | times | accepted | answered | lost | duplicate, failed or wrong | connections | time |
|---|---|---|---|---|---|---|---|
{rows}
"""


class Daemon(ProcessDaemon):
    """A `popbridge serve` process."""

    command = ("-m", "bridge.cli", "serve", "--port", "0", "--workers", "2")


Kill = Callable[[Daemon, int, random.Random], Awaitable[None]]
"""Kills a number of times, at random moments."""


class Result(Struct):
    """The result of one load."""

    what: str
    kills: int
    accepted: int
    answered: int
    lost: list[str]
    faults: list[str]
    connections: int
    seconds: float

    def row(self) -> str:
        counts = f"{self.kills:,} | {self.accepted:,} | {self.answered:,}"
        bad = f"**{len(self.lost)}** | **{len(self.faults)}**"
        return f"| {self.what} | {counts} | {bad} | {self.connections:,} | {self.seconds:.0f} s |"


def pictures(folder: Path) -> list[str]:
    """Writes a few PNGs of 256×256 and 1024×1024."""
    noise = np.random.default_rng(1)
    names = []
    for number, size in enumerate((256, 256, 1024, 1024)):
        pixels = noise.integers(0, 255, (size, size, 3), dtype=np.uint8)
        names.append(f"{number}.png")
        pyvips.Image.new_from_array(pixels).pngsave(str(folder / names[-1]))
    return names


@contextlib.asynccontextmanager
async def load(daemon: Daemon, folder: Path, seed: int) -> AsyncIterator[list[LoadClient]]:
    """Runs clients; at the end, waits until all of their requests are answered."""
    names = pictures(folder)
    askers = [LoadClient(f"client{n}", folder, names, seed * 100 + n) for n in range(CLIENTS)]
    running = [asyncio.create_task(asker.run(daemon.paths.connection_file)) for asker in askers]
    try:
        yield askers
        for asker in askers:
            asker.asking = False
        await asyncio.wait(running, timeout=PATIENCE_S)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    for task in running:
        if not task.cancelled() and (error := task.exception()):
            raise error


async def kill_workers(daemon: Daemon, count: int, chance: random.Random) -> None:
    """Kills one worker after another, each at a random age."""
    killed = 0
    while killed < count:
        await asyncio.sleep(chance.expovariate(2.0))
        if alive := workers(daemon):
            with contextlib.suppress(psutil.NoSuchProcess):
                chance.choice(alive).kill()
                killed += 1


async def kill_daemons(daemon: Daemon, count: int, chance: random.Random) -> None:
    """Kills the daemon repeatedly, every other time together with its workers."""
    for number in range(count):
        await asyncio.sleep(chance.uniform(0.0, 1.5))
        doomed = workers(daemon) if number % 2 else []
        await asyncio.to_thread(daemon.kill)
        for worker in doomed:
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.kill()
        await asyncio.to_thread(daemon.start)


def workers(daemon: Daemon) -> list[psutil.Process]:
    """Returns the daemon's worker processes."""
    assert daemon.process is not None
    with contextlib.suppress(psutil.NoSuchProcess):
        children = psutil.Process(daemon.process.pid).children()
        return [child for child in children if "accel.execution" in child.cmdline()]
    return []


async def kill_under_load(what: str, kill: Kill, count: int, seed: int) -> Result:
    """Kills `count` times under load and returns the result."""
    with tempfile.TemporaryDirectory(prefix="popbridge-kills-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary, "project")
        folder.mkdir()
        daemon = Daemon(Path(temporary, "home"))
        await asyncio.to_thread(daemon.start)
        begin = time.monotonic()
        try:
            async with load(daemon, folder, seed) as askers:
                await kill(daemon, count, random.Random(seed))
        finally:
            await asyncio.to_thread(daemon.stop)
        return Result(
            what,
            count,
            sum(asker.promised for asker in askers),
            sum(asker.answered for asker in askers),
            [line for asker in askers for line in asker.lost()],
            [line for asker in askers for line in asker.faults],
            sum(asker.connections for asker in askers),
            time.monotonic() - begin,
        )


async def run_all(worker_kills: int, daemon_kills: int, seed: int) -> list[Result]:
    """Runs two daemons at a time, each with its own killer."""
    return await asyncio.gather(
        kill_under_load("workers", kill_workers, worker_kills, seed),
        kill_under_load("the daemon; every second time, its workers too", kill_daemons, daemon_kills, seed),
    )


def measure(worker_kills: int = WORKER_KILLS, daemon_kills: int = DAEMON_KILLS, seed: int = 1) -> str:
    """Returns the section of docs/explanation/reliability.md."""
    found = asyncio.run(run_all(worker_kills, daemon_kills, seed))
    for one in found:
        for line in (one.lost + one.faults)[:20]:
            print(line, file=sys.stderr)
    return TEMPLATE.format(clients=CLIENTS, open=OPEN, rows="\n".join(one.row() for one in found))


PRIORITIES = ("interactive", "normal", "bulk", "bulk")
OPEN = 32
"""Requests of one client in flight."""
PAUSE_S = 0.02
"""Seconds before reconnecting to a daemon that isn't running."""


class LoadClient:
    """One session that requests thumbnails of `pictures`, below `root`, until `asking` is false.

    It reconnects as often as necessary and records what the daemon accepted.
    """

    def __init__(self, name: str, root: Path, pictures: list[str], seed: int) -> None:
        self.name = name
        self.asking = True
        self.faults: list[str] = []
        """Violations, as sentences."""
        self.connections = 0
        self._root = root
        self._pictures = pictures
        self._chance = random.Random(seed)
        self._wire: wire.Wire | None = None
        self._last_seq = 0
        self._next_id = 0
        self._open: dict[int, dict[str, Any]] = {}
        self._jobs: dict[int, str] = {}
        self._answers: collections.Counter[int] = collections.Counter()

    @property
    def answered(self) -> int:
        return len(self._answers)

    @property
    def promised(self) -> int:
        """The number of requests that the daemon accepted, as far as the client knows."""
        return len(self._jobs)

    @property
    def is_done(self) -> bool:
        """Whether no more requests are sent and all are answered."""
        return not self.asking and not self._open

    def lost(self) -> list[str]:
        """The requests that were accepted and never answered."""
        return [f"lost: request {number} of {self.name}" for number in self._open if number in self._jobs]

    async def run(self, connection_file: Path) -> None:
        """Reconnects until `is_done`."""
        while not self.is_done:
            with contextlib.suppress(WebSocketException, OSError, EOFError, UserError):
                await self._connected(ConnectionFile.read(connection_file))
            await asyncio.sleep(PAUSE_S)

    async def _connected(self, file: ConnectionFile) -> None:
        back = {"resume": wire.resume(self._wire, self._last_seq)} if self._wire else {}
        project = {"id": self.name, "name": self.name, "root": str(self._root)}
        async with wire.session(file, project=project, **back) as self._wire:
            self.connections += 1
            # Requests without an answer are sent again, with the same id and key.
            for request in tuple(self._open.values()):
                await self._wire.send("request", **request)
            while not self.is_done:
                while self.asking and len(self._open) < OPEN:
                    await self._wire.send("request", **self._new())
                await self._handle(await self._wire.receive())

    def _new(self) -> dict[str, Any]:
        self._next_id += 1
        request = {
            "id": self._next_id,
            "workload": "image.thumbnail",
            "params": {"size": self._chance.randrange(16, 256)},
            "inputs": [{"name": "picture", "path": self._chance.choice(self._pictures)}],
            "key": f"{self.name} {self._next_id}",
            "priority": self._chance.choice(PRIORITIES),
            "cache": False,
        }
        self._open[self._next_id] = request
        return request

    async def _handle(self, message: dict[str, Any]) -> None:
        if "seq" in message:
            if message["seq"] <= self._last_seq:
                self.faults.append(f"doubled: message {message['seq']} of {self.name}")
                return
            self._last_seq = message["seq"]
        if message["type"] == "accepted":
            self._accepted(message["id"], message["job"])
        elif message["type"] in ("result", "error"):
            self._answered(message)
        if self._chance.random() < 0.2 and self._wire is not None:
            await self._wire.send("ack", seq=self._last_seq)

    def _accepted(self, number: int, job: str) -> None:
        if self._jobs.setdefault(number, job) != job:
            self.faults.append(f"doubled: request {number} of {self.name} is two jobs")

    def _answered(self, message: dict[str, Any]) -> None:
        number = message["id"]
        self._answers[number] += 1
        if self._answers[number] > 1:
            self.faults.append(f"doubled: the answer to request {number} of {self.name}")
            return
        asked = self._open.pop(number)
        if message["type"] == "error":
            self.faults.append(f"failed: request {number} of {self.name}: {message['message']}")
        elif max(message["value"]["width"], message["value"]["height"]) != asked["params"]["size"]:
            self.faults.append(f"wrong: request {number} of {self.name}: {message['value']}")


if __name__ == "__main__":
    print(measure(*(int(argument) for argument in sys.argv[1:])))
