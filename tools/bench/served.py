"""`text.embed` for many clients through servers: the daemon's WebSocket beside LitServe and Ray Serve."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from msgspec import Struct

from bridge.client.client import Client
from tools.bench.daemons import bridge, cpu_seconds
from tools.bench.peer_servers import Missing, served

ROUNDS = 3
COUNT = 1200
"""Requests per round."""
TRIED = ((16, 0.0), (16, 0.01), (32, 0.01), (64, 0.05))
"""Batch sizes and seconds to wait for a full batch; each peer uses its best."""
PATIENCE_S = 60.0
PEERS = {"LitServe": "litserve_app.py", "Ray Serve": "ray_app.py"}

TEMPLATE = """The same texts through servers: {clients} clients of one process over loopback, each with its
own connection and one request at a time, one worker process each, the same ONNX Runtime, model and tokenizer
(`tools/bench/served.py`, medians of {rounds} alternating rounds of {count} requests). PopBridge is the
daemon over its WebSocket, with its measured batching policy. The peers answer over HTTP keep-alive with
the best of {tried} rows and seconds to wait. LitServe uses its ZeroMQ queue, Ray Serve its throughput
settings, and both encode answers with msgspec, which is faster than in their tutorials.

CPU is that of all serving processes.

| server | requests/s | of the bare loop | CPU for each | slowest of 100 | settings |
|---|---|---|---|---|---|
{rows}
| bare loop in batches | {base:,.0f} | 1.00 | {cpu:.2f} ms | - | 16 rows |
"""

Ask = Callable[[str], Awaitable[None]]
"""Sends one text and waits for its vector."""


class Round(Struct):
    """One round."""

    rate: float
    """Requests per second."""
    p99: float
    """Seconds."""
    cpu: float
    """Seconds per request."""


class Served(Struct):
    """The results of one server."""

    rounds: list[Round]
    settings: str


def table(texts: Sequence[str], models: Path, clients: int, bare: Callable[[], float]) -> str:
    """Returns a part of the section; `bare` is a round of the bare loop in batches, texts/s.

    `texts` are all different, so that no answer comes from a cache.
    """
    found, loop, missing = asyncio.run(_all(texts, models, clients, bare))
    base = statistics.median(each.rate for each in loop)
    lines = [_line(name, one, base) for name, one in found.items()]
    lines += [f"| {name} | not measured: {why} | | | | |" for name, why in missing.items()]
    return TEMPLATE.format(
        clients=clients,
        rounds=ROUNDS,
        count=COUNT,
        tried=", ".join(f"{size} and {wait:g}" for size, wait in TRIED),
        rows="\n".join(lines),
        base=base,
        cpu=statistics.median(each.cpu for each in loop) * 1000,
    )


def _line(name: str, one: Served, base: float) -> str:
    rate = statistics.median(each.rate for each in one.rounds)
    slow = statistics.median(each.p99 for each in one.rounds) * 1000
    cpu = statistics.median(each.cpu for each in one.rounds) * 1000
    ratio = f"{rate / base:.2f}"
    bold = f"**{ratio}**" if name == "PopBridge" else ratio
    return f"| {name} | {rate:,.0f} | {bold} | {cpu:.2f} ms | {slow:,.0f} ms | {one.settings} |"


async def _all(
    texts: Sequence[str], models: Path, clients: int, bare: Callable[[], float]
) -> tuple[dict[str, Served], list[Round], dict[str, str]]:
    found: dict[str, Served] = {"PopBridge": Served([], "as measured by itself")}
    missing: dict[str, str] = {}
    settings: dict[str, tuple[int, float]] = {}
    for name, script in PEERS.items():
        try:
            settings[name] = await _best(script, texts, models, clients)
        except Missing as error:
            missing[name] = str(error)
    loop: list[Round] = []
    for _ in range(ROUNDS):
        # In sequence: Ray needs a part of a core for itself.
        with _daemon(models) as (file, process):
            found["PopBridge"].rounds.append(await _bridge(file, process, texts, clients))
        for name, (size, wait) in settings.items():
            with served(PEERS[name], str(models), str(size), str(wait)) as (url, process):
                one = found.setdefault(name, Served([], f"{size} rows, {wait:g} s"))
                one.rounds.append(await _http(url, process, texts, clients))
        loop.append(_loop(bare))
    return found, loop, missing


async def _best(script: str, texts: Sequence[str], models: Path, clients: int) -> tuple[int, float]:
    rates: dict[tuple[int, float], float] = {}
    for size, wait in TRIED:
        with served(script, str(models), str(size), str(wait)) as (url, process):
            rates[size, wait] = (await _http(url, process, texts, clients)).rate
    return max(rates, key=rates.__getitem__)


@contextlib.contextmanager
def _daemon(models: Path) -> Iterator[tuple[Path, psutil.Process]]:
    os.environ["POPBRIDGE_MODELS_FOLDER"] = str(models)
    with bridge("--workers", "1") as both:
        yield both


def _loop(bare: Callable[[], float]) -> Round:
    before, begin = time.process_time(), time.perf_counter()
    rate = bare()
    count = rate * (time.perf_counter() - begin)
    return Round(rate, 0.0, (time.process_time() - before) / count)


async def _bridge(file: Path, process: psutil.Process, texts: Sequence[str], clients: int) -> Round:
    async with contextlib.AsyncExitStack() as stack:
        each = [await stack.enter_async_context(await Client.connect(file)) for _ in range(clients)]

        def ask(client: Client) -> Ask:
            async def one(text: str) -> None:
                done = await client.request("text.embed", {"texts": [text]})
                assert len(done.value["vectors"][0]) == 384

            return one

        await _policy(each[0], file.parent)
        return await _round([ask(client) for client in each], process, texts)


async def _policy(client: Client, home: Path) -> None:
    """Triggers the measurement of batch sizes in the background; the daemon keeps the result."""
    await client.request("text.embed", {"texts": ["first"]})
    async with asyncio.timeout(PATIENCE_S):
        while next(home.rglob("batching.json"), None) is None:
            await asyncio.sleep(0.1)


async def _http(url: str, process: psutil.Process, texts: Sequence[str], clients: int) -> Round:
    async with contextlib.AsyncExitStack() as stack:
        each = [await stack.enter_async_context(connection(url)) for _ in range(clients)]
        return await _round(each, process, texts)


async def _round(asks: Sequence[Ask], process: psutil.Process, texts: Sequence[str]) -> Round:
    warm = texts[COUNT:]
    await _sent(asks, warm, len(warm))
    before, begin = _cpu(process), time.perf_counter()
    took = await _sent(asks, texts, COUNT)
    rate = COUNT / (time.perf_counter() - begin)
    return Round(rate, sorted(took)[len(took) * 99 // 100], (_cpu(process) - before) / COUNT)


def _cpu(process: psutil.Process) -> float:
    """Returns the CPU seconds of a process and its descendants."""
    return sum(map(cpu_seconds, (process, *process.children(recursive=True))))


async def _sent(asks: Sequence[Ask], texts: Sequence[str], count: int) -> list[float]:
    took: list[float] = []

    async def client(first: int, ask: Ask) -> None:
        for n in range(first, count, len(asks)):
            begin = time.perf_counter()
            await ask(texts[n % len(texts)])
            took.append(time.perf_counter() - begin)

    await asyncio.gather(*(client(first, ask) for first, ask in enumerate(asks)))
    return took


@contextlib.asynccontextmanager
async def connection(url: str) -> AsyncIterator[Ask]:
    """Yields a minimal HTTP/1.1 client, so that it costs the peers next to nothing."""
    at = urlsplit(url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port, limit=1 << 20)

    async def ask(text: str) -> None:
        body = json.dumps({"texts": [text]}).encode()
        writer.write(
            f"POST {at.path} HTTP/1.1\r\nHost: {at.netloc}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert head.startswith(b"http/1.1 200"), head
        size = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        assert len(json.loads(await reader.readexactly(size))["vectors"][0]) == 384

    yield ask
    writer.close()
    await writer.wait_closed()
