"""kill -9 at random moments under load: `python -m tools.bench.kills [WORKERS] [DAEMONS] [SEED]`.

Four clients ask for thumbnails with keys, of all priorities, while workers, the daemon, or both are killed.
Each request is one promise: answered once, by the right picture, whatever died in between.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import numpy as np
import psutil
import pyvips
from msgspec import Struct

from tests.server.daemons import ProcessDaemon
from tools.bench.askers import OPEN, Asker

WORKER_KILLS = 1_000
DAEMON_KILLS = 300
CLIENTS = 4
PATIENCE_S = 120.0
"""How long what was promised may take once nothing is killed any more."""

TEMPLATE = """## kill -9 at random moments

{clients} clients with {open} open requests each ask for thumbnails, with keys and all priorities.
Processes are killed at random moments, and the daemon is restarted at once (`tools/bench/kills.py`). Each
client resumes its session and repeats, with the same ids and keys, whatever has no answer yet. "Accepted"
counts the confirmations that arrived; if one was cut off, only the answer may arrive. The aim: nothing
accepted is lost, and no answer arrives twice.

| killed | times | accepted | answered | lost | duplicate, failed or wrong | connections | time |
|---|---|---|---|---|---|---|---|
{rows}
"""


class Daemon(ProcessDaemon):
    """`popbridge serve`."""

    command = ("-m", "bridge.cli", "serve", "--port", "0", "--workers", "2")


Kill = Callable[[Daemon, int, random.Random], Awaitable[None]]
"""Kills so many times, at random moments."""


class Found(Struct):
    """What became of one load."""

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
    """A few PNGs of 256 x 256 and 1024 x 1024."""
    noise = np.random.default_rng(1)
    names = []
    for number, size in enumerate((256, 256, 1024, 1024)):
        pixels = noise.integers(0, 255, (size, size, 3), dtype=np.uint8)
        names.append(f"{number}.png")
        pyvips.Image.new_from_array(pixels).pngsave(str(folder / names[-1]))
    return names


@contextlib.asynccontextmanager
async def load(daemon: Daemon, folder: Path, seed: int) -> AsyncIterator[list[Asker]]:
    """Clients that ask; at the end they are let finish, as long as that takes."""
    names = pictures(folder)
    askers = [Asker(f"client{n}", folder, names, seed * 100 + n) for n in range(CLIENTS)]
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
    """One worker after the other, each at a random moment of its life."""
    killed = 0
    while killed < count:
        await asyncio.sleep(chance.expovariate(2.0))
        if alive := workers(daemon):
            with contextlib.suppress(psutil.NoSuchProcess):
                chance.choice(alive).kill()
                killed += 1


async def kill_daemons(daemon: Daemon, count: int, chance: random.Random) -> None:
    """The daemon, every other time with its workers."""
    for number in range(count):
        await asyncio.sleep(chance.uniform(0.0, 1.5))
        doomed = workers(daemon) if number % 2 else []
        await asyncio.to_thread(daemon.kill)
        for worker in doomed:
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.kill()
        await asyncio.to_thread(daemon.start)


def workers(daemon: Daemon) -> list[psutil.Process]:
    """The daemon's worker processes."""
    assert daemon.process is not None
    with contextlib.suppress(psutil.NoSuchProcess):
        children = psutil.Process(daemon.process.pid).children()
        return [child for child in children if "accel.worker" in " ".join(child.cmdline())]
    return []


async def torment(what: str, kill: Kill, count: int, seed: int) -> Found:
    """Kills `count` times under load, and gives the account."""
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
        return Found(
            what,
            count,
            sum(asker.promised for asker in askers),
            sum(asker.answered for asker in askers),
            [line for asker in askers for line in asker.lost()],
            [line for asker in askers for line in asker.faults],
            sum(asker.connections for asker in askers),
            time.monotonic() - begin,
        )


async def both(worker_kills: int, daemon_kills: int, seed: int) -> list[Found]:
    """Two daemons at a time, each with a killer of its own."""
    return await asyncio.gather(
        torment("workers", kill_workers, worker_kills, seed),
        torment("the daemon, every other time with its workers", kill_daemons, daemon_kills, seed),
    )


def measure(worker_kills: int = WORKER_KILLS, daemon_kills: int = DAEMON_KILLS, seed: int = 1) -> str:
    """The section of docs/reliability.md."""
    found = asyncio.run(both(worker_kills, daemon_kills, seed))
    for one in found:
        for line in (one.lost + one.faults)[:20]:
            print(line, file=sys.stderr)
    return TEMPLATE.format(clients=CLIENTS, open=OPEN, rows="\n".join(one.row() for one in found))


if __name__ == "__main__":
    print(measure(*(int(argument) for argument in sys.argv[1:])))
