"""Requests without work through the whole bridge, beside a bare echo of the same frames: requests/s and CPU.

The client is the same for both: prepared frames, a fixed number in flight, one `ack` for every 32 results, as
a real client sends. Rounds alternate, so that other load on the machine affects both alike.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgpack
import psutil
from msgspec import Struct
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from bridge.client import trust
from bridge.paths import ConnectionFile
from tools.bench.daemons import bridge, cpu_seconds, echo

REQUESTS = 20_000
ROUNDS = 5
IN_FLIGHT = 16
ACK_EVERY = 32


TEMPLATE = """## The overhead of a request

`bridge.echo` does no work, but passes through everything: frame, codec, session, router, result and
acknowledgement. The peer is a bare `websockets` echo server with the same frames on the same event loop.
One connection has {inflight} requests in flight; medians of {rounds} alternating rounds of {count}
requests (`tools/bench/requests.py`).

| server | requests/s | server CPU for each request |
|---|---|---|
| PopBridge | {bridge_rate:,.0f} | {bridge_cpu:.1f} µs |
| bare echo | {echo_rate:,.0f} | {echo_cpu:.1f} µs |
| **ratio** | {rate_ratio:.2f} | **{cpu_ratio:.2f}** (aim: at most 3) |
"""


class Round(Struct):
    """One round: requests per second, and microseconds of server CPU per request."""

    rate: float
    cpu_us: float


def frames(first: int) -> list[bytes]:
    """Returns requests of a workload that returns its parameters."""
    return [
        msgpack.packb(
            {"type": "request", "id": first + i, "workload": "bridge.echo", "params": {"value": "x" * 64}}
        )
        for i in range(REQUESTS)
    ]


async def rounds_of(
    socket: ClientConnection, server: psutil.Process, sent: Sequence[bytes], acks: bool
) -> Round:
    """Sends all frames with IN_FLIGHT of them open, and waits for as many answers."""
    window = asyncio.Semaphore(IN_FLIGHT)

    async def read() -> None:
        for count in range(1, len(sent) + 1):
            frame = await socket.recv()
            window.release()
            if acks and count % ACK_EVERY == 0:
                seq = msgpack.unpackb(frame)["seq"]
                await socket.send(msgpack.packb({"type": "ack", "seq": seq}))
        last = msgpack.unpackb(frame)
        assert not acks or last["type"] == "result", last

    begin, cpu = time.perf_counter(), cpu_seconds(server)
    reader = asyncio.create_task(read())
    for frame in sent:
        await window.acquire()
        await socket.send(frame)
    await reader
    took = time.perf_counter() - begin
    return Round(len(sent) / took, (cpu_seconds(server) - cpu) / len(sent) * 1e6)


async def open_bridge(file: Path) -> ClientConnection:
    """Returns an identified connection."""
    found = ConnectionFile.read(file)
    socket = await connect(
        found.ws,
        ssl=trust.context(found),
        subprotocols=[Subprotocol("bridge.v1.msgpack")],
        compression=None,
        proxy=None,
    )
    await socket.recv()
    identify = {
        "type": "identify",
        "protocol": 1,
        "client": {"kind": "tool", "name": "bench", "version": "1"},
        "instance": "bench",
        "auth": {"token": found.token},
    }
    await socket.send(msgpack.packb(identify))
    await socket.recv()
    return socket


async def run() -> dict[str, Any]:
    """Measures both servers, warm, in alternating rounds; returns medians."""
    ours, theirs = [], []
    with bridge() as (file, daemon), echo() as (address, peer):
        mine = await open_bridge(file)
        bare = await connect(address, compression=None, proxy=None)
        for count in range(ROUNDS + 1):
            sent = frames(count * REQUESTS)
            ours.append(await rounds_of(mine, daemon, sent, acks=True))
            theirs.append(await rounds_of(bare, peer, sent, acks=False))
        await mine.close()
        await bare.close()
    # The first round is a warm-up.
    return {"bridge": middle(ours[1:]), "echo": middle(theirs[1:])}


def middle(rounds: Sequence[Round]) -> Round:
    return Round(statistics.median(r.rate for r in rounds), statistics.median(r.cpu_us for r in rounds))


def measure() -> str:
    """Returns the section of docs/explanation/performance.md."""
    found = asyncio.run(run())
    ours, theirs = found["bridge"], found["echo"]
    return TEMPLATE.format(
        inflight=IN_FLIGHT,
        rounds=ROUNDS,
        count=REQUESTS,
        bridge_rate=ours.rate,
        bridge_cpu=ours.cpu_us,
        echo_rate=theirs.rate,
        echo_cpu=theirs.cpu_us,
        rate_ratio=ours.rate / theirs.rate,
        cpu_ratio=ours.cpu_us / theirs.cpu_us,
    )


if __name__ == "__main__":
    print(measure())
