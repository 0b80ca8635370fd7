"""A local flood without a token, and what the door costs: `python -m tools.bench.door [BEFORE]`.

Another process, of another user where root runs this, opens idle sockets, dripping bodies and unread
pipelines, and opens those that are dropped anew. Meanwhile an identified editor sends echoes, and new clients
with a token come.

BEFORE is a checkout of the code to compare with: CPU time of the daemon's event loop for a request over a new
connection, for a session with one echo, and for an echo on an open connection, in alternating rounds.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from bridge.client.client import Client
from bridge.core.errors import UserError
from bridge.paths import ConnectionFile
from tools.bench.daemons import bridge, cpu_seconds

IDLE, BODIES, PIPELINES = 1_100, 9_500, 50
SECONDS = 20.0
PAUSE_S = 0.005
NEWCOMERS = 50
ROUNDS = 24
HTTP_REQUESTS, SESSIONS, ECHOES = 150, 40, 2_000


@contextlib.asynccontextmanager
async def flood(port: int) -> AsyncIterator[None]:
    """The other process, until the context ends."""
    counts = [str(count) for count in (port, IDLE, BODIES, PIPELINES)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.security.flood", *counts], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        await asyncio.to_thread(process.stdout.readline)
        yield
    finally:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()


async def echoes(client: Client, seconds: float) -> list[float]:
    """Returns the sorted times of echoes in milliseconds."""
    took, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        begin = time.perf_counter()
        await client.request("bridge.echo", {"value": "x"})
        took.append((time.perf_counter() - begin) * 1000)
        await asyncio.sleep(PAUSE_S)
    return sorted(took)


async def newcomers(path: Path) -> list[float]:
    """Returns the sorted times of new clients that got in, in milliseconds."""
    took = []
    for _ in range(NEWCOMERS):
        begin = time.perf_counter()
        with contextlib.suppress(UserError):
            async with await Client.connect(path) as client:
                await client.request("bridge.echo", {"value": "x"})
            took.append((time.perf_counter() - begin) * 1000)
        await asyncio.sleep(0.1)
    return sorted(took)


def said(name: str, took: list[float]) -> str:
    if not took:
        return f"{name}: none"
    at = [took[min(int(len(took) * part), len(took) - 1)] for part in (0.5, 0.99)]
    return f"{name}: {len(took)}, median {at[0]:.1f} ms, p99 {at[1]:.1f} ms, worst {took[-1]:.1f} ms"


async def attack() -> None:
    with bridge("--workers", "1") as (path, daemon):
        port = urlsplit(ConnectionFile.read(path).ws).port or 0
        async with await Client.connect(path) as editor:
            print(said("echoes before", await echoes(editor, 3.0)))
            # While it begins, connections come fastest.
            during = asyncio.create_task(echoes(editor, 5.0))
            async with flood(port):
                print(said("echoes while the flood begins", await during))
                during, spent = asyncio.create_task(echoes(editor, SECONDS)), cpu_seconds(daemon)
                print(said(f"new clients of {NEWCOMERS}", await newcomers(path)))
                print(said("echoes during the flood", await during))
                spent = cpu_seconds(daemon) - spent
                size = f"{daemon.num_fds()} descriptors, {daemon.memory_info().rss >> 20} MiB"
                print(f"daemon: {spent / SECONDS:.0%} of a core, {size}")
                metrics = HTTPConnection("127.0.0.1", port)
                metrics.request("GET", "/metrics", headers=bearer(path))
                for line in metrics.getresponse().read().decode().splitlines():
                    if line.startswith(("popbridge_connections", "popbridge_rate")):
                        print(f"  {line}")


def bearer(path: Path) -> dict[str, str]:
    return {"Authorization": f"Bearer {ConnectionFile.read(path).token}"}


async def http_requests(path: Path) -> int:
    """Requests with a token, each on a new connection."""
    address, headers = urlsplit(ConnectionFile.read(path).http).netloc, bearer(path)

    def ask() -> None:
        for _ in range(HTTP_REQUESTS):
            connection = HTTPConnection(address)
            connection.request("HEAD", f"/blobs/{'0' * 64}/upload", headers=headers)
            assert connection.getresponse().status == 204
            connection.close()

    await asyncio.to_thread(ask)
    return HTTP_REQUESTS


async def sessions(path: Path) -> int:
    """Clients that connect, identify, and ask once."""
    for _ in range(SESSIONS):
        async with await Client.connect(path) as client:
            await client.request("bridge.echo", {"value": "x"})
    return SESSIONS


async def open_connection(path: Path) -> int:
    """Echoes on one connection, sixteen at a time."""
    async with await Client.connect(path) as client:

        async def ask() -> None:
            for _ in range(ECHOES // 16):
                await client.request("bridge.echo", {"value": "x"})

        await asyncio.gather(*(ask() for _ in range(16)))
    return ECHOES


CASES: dict[str, Callable[[Path], Awaitable[int]]] = {
    "request over a new connection": http_requests,
    "session with one echo": sessions,
    "echo on an open connection": open_connection,
}


def loop_seconds(pid: int) -> float:
    """Returns the CPU time of a daemon's event loop; psutil's has steps of 10 ms."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


@contextlib.contextmanager
def daemon_of(folder: Path) -> Iterator[tuple[Path, psutil.Process]]:
    """A daemon that runs the code of a checkout."""
    with contextlib.chdir(folder), bridge("--workers", "1", limits_requests_s=0) as found:
        yield found


async def cost(before: Path) -> None:
    with daemon_of(before) as old, daemon_of(Path(__file__).parents[2]) as new:
        for name, ask in CASES.items():
            spent: dict[str, list[float]] = {"before": [], "now": []}
            for number in range(ROUNDS + 1):
                for label, (path, process) in (("before", old), ("now", new)):
                    begin = loop_seconds(process.pid)
                    count = await ask(path)
                    if number:
                        spent[label].append((loop_seconds(process.pid) - begin) / count * 1e6)
            # Other load on the machine only adds time.
            then, now = (statistics.quantiles(each, n=8)[0] for each in spent.values())
            print(f"{name}: {then:.0f} µs before, {now:.0f} µs now, {now / then - 1:+.1%}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(cost(Path(sys.argv[1]).resolve()))
    else:
        asyncio.run(attack())
