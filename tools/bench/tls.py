"""What TLS costs: requests, handshakes and idle connections, each with and without it.

`python -m tools.bench.tls`. The two daemons differ in the setting `tls` alone and take turns.
"""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from bridge.client import trust
from bridge.paths import ConnectionFile
from tools.bench import idle
from tools.bench.daemons import bridge, cpu_seconds
from tools.bench.requests import IN_FLIGHT, REQUESTS, ROUNDS, Round, frames, middle, open_bridge, rounds_of

HANDSHAKES = 500
IDLE, SETTLE_S, WATCHED_S = 2_000, 22.0, 10.0

TEMPLATE = """## TLS

CPU and memory of the same daemon with the setting `tls` off and on. Requests: `bridge.echo`, {inflight} in
flight, medians of {rounds} alternating rounds of {count:,}. Opening: {handshakes} connections that end at
once. Idle: {idle:,} identified sessions that answer pings (`tools/bench/tls.py`).

| | off | on |
|---|---|---|
| CPU for each request | {plain.cpu_us:.0f} µs | {tls.cpu_us:.0f} µs |
| CPU for each connection that opens | {open_plain:.0f} µs | {open_tls:.0f} µs |
| KiB for each idle connection | {kib_plain:.1f} | **{kib_tls:.1f}** (aim: at most {aim:.0f}) |
"""


async def requests(
    plain: tuple[Path, psutil.Process], tls: tuple[Path, psutil.Process]
) -> tuple[Round, Round]:
    """Returns the medians of both daemons, warm."""
    found: tuple[list[Round], list[Round]] = ([], [])
    sockets = [await open_bridge(plain[0]), await open_bridge(tls[0])]
    for count in range(ROUNDS + 1):
        sent = frames(count * REQUESTS)
        for rounds, each, (_, daemon) in zip(found, sockets, (plain, tls), strict=True):
            rounds.append(await rounds_of(each, daemon, sent, acks=True))
    for each in sockets:
        await each.close()
    # The first round is a warm-up.
    return middle(found[0][1:]), middle(found[1][1:])


def open_us(path: Path, daemon: psutil.Process) -> float:
    """Returns the daemon's CPU for a connection that ends after its handshake, in µs."""
    file = ConnectionFile.read(path)
    address = (urlsplit(file.ws).hostname, urlsplit(file.ws).port)
    context = trust.context(file)
    before = cpu_seconds(daemon)
    for _ in range(HANDSHAKES):
        with socket.create_connection(address) as made:
            if context is not None:
                context.wrap_socket(made).close()
    return (cpu_seconds(daemon) - before) / HANDSHAKES * 1e6


def measure() -> str:
    """Returns the section of docs/explanation/performance.md."""
    with bridge() as plain, bridge(tls=True) as tls:
        slow, fast = open_us(*tls), open_us(*plain)
        rates = asyncio.run(requests(plain, tls))
    idle_kib = [idle.watch(IDLE, SETTLE_S, WATCHED_S, on).kib for on in (False, True)]
    return TEMPLATE.format(
        inflight=IN_FLIGHT, rounds=ROUNDS, count=REQUESTS, handshakes=HANDSHAKES, idle=IDLE,
        plain=rates[0], tls=rates[1], open_plain=fast, open_tls=slow,
        kib_plain=idle_kib[0], kib_tls=idle_kib[1], aim=idle.AIM_TLS_KIB,
    )  # fmt: skip


if __name__ == "__main__":
    print(measure())
