"""Thumbnails of 256 pixels through the whole bridge, beside libraries on the same files.

Run it with `python -m tools.bench.thumbnails`. A daemon with two workers has 16 requests in flight on one
connection, reads files by path and stores outputs as blobs. Each peer has two warm processes (sharp: two jobs
at a time) and writes a PNG per file. Rounds alternate, so that other load on the machine affects all alike.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyvips
from msgspec import Struct

from accel.image.inspect import thumbnail_file
from accel.workload import Input, Limits
from bridge.client.client import Client
from bridge.core.messages import InputRef, ProjectInfo
from bridge.demo.textures import noise, normals, tint
from bridge.server.cache_key import RACY_NS
from tools.bench.daemons import bridge, cpu_seconds

SIDES = (1024, 1448, 2048)
"""1, 2 and 4 megapixels."""
FILES = 48
"""Half of them PNG, half JPEG."""
ROUNDS = 10
IN_FLIGHT = 16
PROCESSES = 2
SHARP = "sharp@0.34"

Measure = Callable[[], float]
"""Makes thumbnails of all files; returns the seconds."""


class Round(Struct):
    """One round over all files."""

    seconds: float
    cpu: float
    """CPU seconds of all serving processes; for the daemon, without the client."""


class Peer(Struct):
    """A peer and its processes."""

    measure: Measure
    pids: Sequence[int]


def draw(folder: Path) -> list[Path]:
    """Draws albedo and normal maps of equal cost and different content: the same reliefs, shifted."""
    paths = []
    for side in SIDES:
        relief = noise(1, side)
        kinds = [
            (p * 255 + 0.5).astype(np.uint8) for p in (tint(relief, (0.5, 0.4, 0.3)), normals(relief, 2.0))
        ]
        for number in range(FILES // len(SIDES)):
            shown = np.ascontiguousarray(np.roll(kinds[number % 2], 37 * number, axis=(0, 1)))
            suffix = ".png" if number // 2 % 2 == 0 else ".jpg"
            image: Any = pyvips.Image.new_from_memory(shown.data, side, side, 3, "uchar")
            path = folder / f"{side}-{number:02}{suffix}"
            options = {"compression": 6} if suffix == ".png" else {"Q": 90}
            image.copy(interpretation="srgb").write_to_file(str(path), **options)
            paths.append(path)
    return paths


def by_pyvips(job: tuple[str, str]) -> None:
    """The obvious loop."""
    source, target = job
    image: Any = pyvips.Image.thumbnail(source, SIZE, height=SIZE, size="down")
    image.write_to_file(target, compression=1, keep="none")


def by_pillow(job: tuple[str, str]) -> None:
    """Uses `thumbnail`, which calls `draft` to decode JPEGs at a smaller size."""
    from PIL import Image

    source, target = job
    with Image.open(source) as image:
        image.thumbnail((SIZE, SIZE), reducing_gap=2.0)
        image.save(target, compress_level=1)


def cpu_of(pids: Sequence[int]) -> float:
    """Returns the seconds of CPU so far of processes and their descendants."""
    served = [psutil.Process(pid) for pid in pids]
    served += [child for each in served for child in each.children(recursive=True)]
    return sum(map(cpu_seconds, served))


@contextlib.contextmanager
def processes(do: Callable[[tuple[str, str]], None], jobs: Sequence[tuple[str, str]]) -> Iterator[Peer]:
    """Yields a library in two processes."""
    before = {child.pid for child in multiprocessing.active_children()}
    with multiprocessing.get_context("spawn").Pool(PROCESSES, alone) as pool:
        pids = [child.pid for child in multiprocessing.active_children() if child.pid not in before]

        def measure() -> float:
            begin = time.perf_counter()
            for _ in pool.imap_unordered(do, jobs):
                pass
            return time.perf_counter() - begin

        yield Peer(measure, [pid for pid in pids if pid])


NODE = """
const sharp = require("sharp");
sharp.concurrency(1); sharp.cache(false);
const lines = require("readline").createInterface({ input: process.stdin });
const jobs = JSON.parse(process.argv[2]);
lines.on("line", async () => {
  const begin = process.hrtime.bigint();
  const waiting = jobs[Symbol.iterator]();
  const work = async () => {
    for (const [source, target] of waiting)
      await sharp(source).resize(256, 256, { fit: "inside", withoutEnlargement: true })
        .png({ compressionLevel: 1 }).toFile(target);
  };
  await Promise.all(Array.from({ length: +process.argv[3] }, work));
  console.log(Number(process.hrtime.bigint() - begin) / 1e9);
});
"""


@contextlib.contextmanager
def sharp(jobs: Sequence[tuple[str, str]], folder: Path) -> Iterator[Peer | None]:
    """Yields sharp in node, installed into `folder`; None if it can't be installed."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None or not installed(npm, folder):
        yield None
        return
    script = folder / "thumbnails.js"
    script.write_text(NODE, encoding="utf-8")
    command = [node, str(script), json.dumps(jobs), str(PROCESSES)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def measure() -> float:
            stdin.write("go\n")
            stdin.flush()
            return float(stdout.readline())

        yield Peer(measure, [process.pid])
        stdin.close()


def installed(npm: str, folder: Path) -> bool:
    """Whether sharp could be installed."""
    command = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder), SHARP]
    try:
        return subprocess.run(command, capture_output=True, timeout=120).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


async def through(client: Client, paths: Sequence[Path]) -> float:
    """Sends all files through the daemon, with a fixed number in flight."""
    places = asyncio.Semaphore(IN_FLIGHT)

    async def one(path: Path) -> None:
        async with places:
            done = await client.request(
                "image.thumbnail", {"size": SIZE}, inputs=[reference(path)], cache=False
            )
            assert done.outputs

    begin = time.perf_counter()
    await asyncio.gather(*map(one, paths))
    return time.perf_counter() - begin


async def run() -> tuple[dict[str, Round | None], list[Added]]:
    """Returns the median round by name, and the times of single requests."""
    rounds: dict[str, list[Round]] = {}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="popbridge-bench-")))
        paths, little = draw(folder), small(folder)
        jobs = [(str(path), str(folder / f"{path.stem}.out.png")) for path in paths]
        alone()
        file, daemon = stack.enter_context(bridge("--workers", str(PROCESSES)))
        peers: dict[str, Peer | None] = {
            "pyvips": stack.enter_context(processes(by_pyvips, jobs)),
            "Pillow": stack.enter_context(processes(by_pillow, jobs)),
            "sharp": stack.enter_context(sharp(jobs, folder / "node")),
        }
        project = ProjectInfo(id="bench", name="bench", root=str(folder))
        async with await Client.connect(file, project=project) as client:
            # The first round is a warm-up.
            for number in range(ROUNDS + 1):
                before = cpu_of([daemon.pid])
                seconds = await through(client, paths)
                found = {"PopBridge": Round(seconds, cpu_of([daemon.pid]) - before)}
                for name, peer in peers.items():
                    if peer is not None:
                        before = cpu_of(peer.pids)
                        seconds = await asyncio.to_thread(peer.measure)
                        found[name] = Round(seconds, cpu_of(peer.pids) - before)
                for name, each in found.items() if number else ():
                    rounds.setdefault(name, []).append(each)
            # The cache doesn't trust the timestamps of new files and reads them.
            await asyncio.sleep(RACY_NS / 1e9)
            singles = [await added(client, path) for path in (little, paths[0])]
    return {name: middle(rounds.get(name)) for name in ("PopBridge", *peers)}, singles


def middle(rounds: Sequence[Round] | None) -> Round | None:
    """Returns medians; None if nothing was measured."""
    if not rounds:
        return None
    return Round(statistics.median(r.seconds for r in rounds), statistics.median(r.cpu for r in rounds))


def small(folder: Path) -> Path:
    """Writes a file so small that overhead is most of the time."""
    path = folder / "small.png"
    pixels = (noise(1, 64)[..., None].repeat(3, -1) * 255).astype(np.uint8)
    image: Any = pyvips.Image.new_from_memory(pixels.tobytes(), 64, 64, 3, "uchar")
    image.copy(interpretation="srgb").pngsave(str(path))
    return path


def measure() -> str:
    """Returns the section of the report."""
    found, singles = asyncio.run(run())
    peer = found["pyvips"]
    assert peer is not None
    rows = "\n".join(_row(name, each, peer) for name, each in found.items())
    lines = "\n".join(
        f"| {each.pixels / 1e6:.3g} Mpx | {each.bare:.2f} ms | {each.request:.2f} ms "
        f"| **{each.added:.2f} ms** | {each.pipe:.2f} ms |"
        for each in singles
    )
    return f"""## Thumbnails

{FILES} textures of 1 to 4 megapixels, half PNG and half JPEG, albedo and normal maps, to PNGs of {SIZE}
pixels (`tools/bench/thumbnails.py`). PopBridge has {PROCESSES} workers and {IN_FLIGHT} requests in
flight, with inputs by path and outputs as blobs. The libraries run in {PROCESSES} warm processes on the
same files. Medians of {ROUNDS} alternating rounds; the aim is 0.9 of pyvips' rate. CPU is that of all
serving processes, the daemon included.

| program | files/s | of pyvips' rate | CPU per file | of pyvips' |
|---|---|---|---|---|
{rows}

The overhead of a single warm request (socket, daemon, pipe and blob) over the bare call in the same
process; medians of {BLOCKS} alternating blocks of {SINGLES}. The aim is at most 1 ms. The last column is
the overhead of a bare pipe to another process: waking that process and this one, with cold CPU caches.

| file | bare call | request | added | a bare pipe adds |
|---|---|---|---|---|
{lines}
"""


def _row(name: str, found: Round | None, peer: Round) -> str:
    if found is None:
        return f"| {name} | not measured | | | |"
    rate = f"{peer.seconds / found.seconds:.2f}"
    return (
        f"| {name} | {FILES / found.seconds:.1f} | {f'**{rate}**' if name == 'PopBridge' else rate} "
        f"| {found.cpu / FILES * 1000:.1f} ms | {found.cpu / peer.cpu:.2f} |"
    )


SIZE = 256
BLOCKS, SINGLES = 25, 20
"""Number of blocks, and of requests in each, one after another."""


class Added(Struct):
    """Medians, milliseconds, of a warm single request and of the bare call in this process."""

    pixels: int
    request: float
    bare: float
    added: float
    """Median of the differences of the blocks."""
    pipe: float
    """Overhead of the same call in another process, behind a bare pipe."""


def alone() -> None:
    """Configures a peer's process: one thread, and no cache that would remember the last round's files."""
    pyvips.concurrency_set(1)
    pyvips.cache_set_max(0)


def reference(path: Path) -> InputRef:
    return InputRef(name=path.name, path=path.name)


async def added(client: Client, path: Path) -> Added:
    """Measures the daemon's overhead on a call, one request at a time."""
    job = Input(path.name, str(path)), SIZE, "png", Limits()
    width = pyvips.Image.new_from_file(str(path)).width
    blocks = []
    with other_process() as other:
        for _ in range(BLOCKS):
            # In blocks: a client that has just decoded an image itself has cold caches.
            bare = [_milliseconds(lambda: thumbnail_file(*job)) for _ in range(SINGLES)]
            pipe = [_milliseconds(lambda: (other.send(job), other.recv())) for _ in range(SINGLES)]
            request = []
            for _ in range(SINGLES):
                begin = time.perf_counter()
                await client.request("image.thumbnail", {"size": SIZE}, inputs=[reference(path)], cache=False)
                request.append((time.perf_counter() - begin) * 1000)
            blocks.append([statistics.median(each) for each in (request, bare, pipe)])
    requests, calls, _ = zip(*blocks, strict=True)
    extra, behind = [r - call for r, call, _ in blocks], [pipe - call for _, call, pipe in blocks]
    return Added(width * width, *(statistics.median(each) for each in (requests, calls, extra, behind)))


@contextlib.contextmanager
def other_process() -> Iterator[Connection]:
    """Yields a pipe to a process that makes thumbnails and reports each."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        process.join()


def _serve(connection: Connection) -> None:
    alone()
    with contextlib.suppress(EOFError):
        while True:
            thumbnail_file(*connection.recv())
            connection.send(True)


def _milliseconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return (time.perf_counter() - begin) * 1000


if __name__ == "__main__":
    print(measure())
