"""Latency of small messages while blobs move and workers are busy: `python -m tools.bench.control [SECONDS]`.

One client measures a ping, `bridge.echo`, and a popup answer until it is confirmed, alternating with a
message to a bare echo server, which shows the share of the machine. Another process PUTs and GETs blobs of 8
MiB continuously, and each worker has a job that uses a whole core.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect

from bridge.paths import ConnectionFile
from tests.server import wire
from tests.server.daemons import ProcessDaemon
from tools.bench.daemons import echo

SECONDS = 60.0
PAUSE_S = 0.005
"""Seconds between two round trips."""
WORKERS = 2
AIM_MS = 10.0
PEER = "a bare echo server, run at the same time"
KINDS = ("ping", "bridge.echo", "popup's answer", PEER)

TEMPLATE = """## Latency during transfers

Round trips of one client while another process uploads and downloads blobs of 8 MiB without a pause and
{workers} workers use one core each, over {seconds:.0f} s (`tools/bench/control.py`). The aim: p99 under
{aim:.0f} ms. {reached}

| | messages | median | p99 | worst |
|---|---|---|---|---|
{rows}

Meanwhile {moved:,.0f} MiB/s of blobs were uploaded and downloaded.
"""


@contextlib.contextmanager
def mover(file: Path) -> Iterator[subprocess.Popen[str]]:
    """Yields a process that moves blobs until its stdin closes and then prints the MiB."""
    command = [sys.executable, "-m", "tools.bench.blob_mover", str(file)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        assert process.stdout.readline() == "moving\n"
        yield process
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()


@contextlib.asynccontextmanager
async def busy(file: ConnectionFile) -> AsyncIterator[None]:
    """Keeps every worker busy."""

    async def one(number: int) -> None:
        async with wire.session(file) as peer:
            while True:
                answer = await peer.request(number, "test.burn", {"seconds": 0.5}, deadline_ms=60_000)
                assert answer["type"] == "result", answer
                await peer.send("ack", seq=answer["seq"])

    tasks = [asyncio.create_task(one(number)) for number in range(WORKERS + 1)]
    try:
        yield
        # If the load ended by itself, there was none.
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def round_trips(file: ConnectionFile, bare: str, seconds: float) -> dict[str, list[float]]:
    """Returns the round-trip times of each message, milliseconds, measured in turns."""
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    async with wire.session(file) as peer, connect(bare, compression=None, proxy=None) as other:
        await peer.request(0, "bridge.echo")
        end, number = time.perf_counter() + seconds, 0
        while time.perf_counter() < end:
            number += 1
            await peer.send("event", name="test.popup", data={"count": 1})
            popup = await peer.until("popup")
            begin = time.perf_counter()
            await (await peer.socket.ping())
            found["ping"].append(time.perf_counter() - begin)
            await asyncio.sleep(PAUSE_S)
            begin = time.perf_counter()
            answer = await peer.request(number, "bridge.echo", {"value": "x" * 64})
            found["bridge.echo"].append(time.perf_counter() - begin)
            await asyncio.sleep(PAUSE_S)
            begin = time.perf_counter()
            await peer.send("answer", id=popup["id"], state="answered", action="yes")
            await peer.until("popup_close")
            found["popup's answer"].append(time.perf_counter() - begin)
            await peer.send("ack", seq=answer["seq"])
            await asyncio.sleep(PAUSE_S)
            begin = time.perf_counter()
            await other.send(b"x" * 64)
            await other.recv()
            found[PEER].append(time.perf_counter() - begin)
            await asyncio.sleep(PAUSE_S)
    return {kind: [each * 1000 for each in times] for kind, times in found.items()}


async def _measured(file: ConnectionFile, bare: str, seconds: float) -> dict[str, list[float]]:
    async with busy(file):
        await asyncio.sleep(1)
        return await round_trips(file, bare, seconds)


def run(home: Path, seconds: float) -> tuple[dict[str, list[float]], float]:
    """Returns the round-trip times, and the MiB/s moved meanwhile."""
    daemon = ProcessDaemon(home, POPBRIDGE_WORKERS=str(WORKERS))
    try:
        file = daemon.start()
        with mover(daemon.paths.connection_file) as moving, echo() as (bare, _):
            begin = time.perf_counter()
            found = asyncio.run(_measured(file, bare, seconds))
            assert moving.stdin is not None
            assert moving.stdout is not None
            moving.stdin.close()
            moved = float(moving.stdout.readline()) / (time.perf_counter() - begin)
    finally:
        daemon.end()
    return found, moved


def measure(seconds: float = SECONDS) -> str:
    """Returns the section of docs/explanation/reliability.md."""
    with tempfile.TemporaryDirectory(prefix="popbridge-control-") as folder:
        found, moved = run(Path(folder, "home"), seconds)
    rows = []
    for kind, times in found.items():
        p99 = statistics.quantiles(times, n=100)[98]
        rows.append(
            f"| {kind} | {len(times):,} | {statistics.median(times):.2f} ms | **{p99:.1f} ms** "
            f"| {max(times):.1f} ms |"
        )
    values: dict[str, Any] = {"workers": WORKERS, "seconds": seconds, "aim": AIM_MS, "moved": moved}
    return TEMPLATE.format(rows="\n".join(rows), reached=_reached(found), **values)


def _reached(found: Mapping[str, Sequence[float]]) -> str:
    missed = [
        kind for kind, times in found.items()
        if kind != PEER and statistics.quantiles(times, n=100)[98] >= AIM_MS
    ]  # fmt: skip
    return f"Not reached by: {', '.join(missed)}." if missed else "All reached it."


def main() -> None:
    print(measure(float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS))


if __name__ == "__main__":
    main()
