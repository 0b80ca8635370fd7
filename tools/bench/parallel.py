"""Scaling from one worker to one per core, and `popbridge run` on 100 to 10,000 images.

Run it with `python -m tools.bench.parallel`. Scaling is measured on warm workers, in alternating rounds,
beside the scaling of the machine itself: the same loop in as many separate processes, which share only
caches, memory and other load.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyvips
from msgspec import Struct

from accel.execution.executor import Job, LocalExecutor, cores
from accel.image.operations.geometry import convert, thumbnail
from accel.workload import Input, Limits, Workload
from bridge.demo.textures import noise, tint
from tools.bench.thumbnails import alone, by_pyvips

FILES = 32
"""Textures of a megapixel, PNG."""
SIDE = 1024
ROUNDS = 5
JOBS: Sequence[tuple[Workload, Mapping[str, Any]]] = (
    (thumbnail.workload, {"size": 256}),
    (convert.workload, {"format": "png"}),
)
COUNTS = (100, 1_000, 10_000)
"""Images of SMALL x SMALL pixels for `popbridge run`."""
SMALL = 64
POLL_S = 0.05


class Scaled(Struct):
    """Median seconds of a round, by number of workers."""

    name: str
    seconds: Mapping[int, float]


class Many(Struct):
    """`popbridge run` on a number of images."""

    count: int
    seconds: float
    memory: float
    """Peak MiB of the command."""
    worker: float
    """Peak MiB of its largest worker."""


def draw(folder: Path, count: int, side: int) -> list[Path]:
    """Draws the same picture, shifted, with one unique pixel."""
    pixels = (tint(noise(1, side), (0.5, 0.4, 0.3)) * 255 + 0.5).astype(np.uint8)
    paths = []
    for number in range(count):
        shown = np.ascontiguousarray(np.roll(pixels, 37 * number, axis=(0, 1)))
        shown[0, 0] = number % 251, number // 251 % 251, 128
        image: Any = pyvips.Image.new_from_memory(shown.data, side, side, 3, "uchar")
        path = folder / f"{number // 100:03}" / f"{number:05}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.copy(interpretation="srgb").pngsave(str(path), compression=6)
        paths.append(path)
    return paths


def workers() -> list[int]:
    """Returns 1, 2, 4, ... and the number of cores."""
    return sorted({1, *(2**power for power in range(1, 9) if 2**power <= cores()), cores()})


async def scaled(paths: Sequence[Path], blobs: Path) -> list[Scaled]:
    """Runs each workload with each number of workers, in alternating rounds."""
    found: dict[tuple[str, int], list[float]] = {}
    async with contextlib.AsyncExitStack() as stack:
        executors = {}
        for count in workers():
            executors[count] = executor = LocalExecutor(count, Limits(), 0)
            await executor.start()
            stack.push_async_callback(executor.close)
        for number in range(ROUNDS + 1):
            for workload, params in JOBS:
                for count, executor in executors.items():
                    seconds = await _round(executor, count, workload, params, paths, blobs / str(number))
                    if number:  # The first round is a warm-up.
                        found.setdefault((workload.name, count), []).append(seconds)
    return [
        Scaled(workload.name, {count: statistics.median(found[workload.name, count]) for count in workers()})
        for workload, _ in JOBS
    ]


async def _round(
    executor: LocalExecutor,
    count: int,
    workload: Workload,
    params: Mapping[str, Any],
    paths: Sequence[Path],
    blobs: Path,
) -> float:
    # A new folder, as existing files aren't written again.
    folder = blobs / workload.name / str(count)
    folder.mkdir(parents=True)
    begin = time.perf_counter()
    await asyncio.gather(
        *(
            executor.run(
                Job.parse(workload, params, [Input(path.name, str(path))], deadline_s=600, out_dir=folder)
            )
            for path in paths
        )
    )
    return time.perf_counter() - begin


def machine(paths: Sequence[Path], folder: Path) -> Scaled:
    """Runs the bare loop over the same thumbnails in a number of processes."""
    jobs = [(str(path), str(folder / path.name)) for path in paths]
    found: dict[int, list[float]] = {}
    with contextlib.ExitStack() as stack:
        spawn = multiprocessing.get_context("spawn")
        pools = {count: stack.enter_context(spawn.Pool(count, alone)) for count in workers()}
        for number in range(ROUNDS + 1):
            for count, pool in pools.items():
                begin = time.perf_counter()
                for _ in pool.imap_unordered(by_pyvips, jobs):
                    pass
                if number:
                    found.setdefault(count, []).append(time.perf_counter() - begin)
    return Scaled("pyvips alone", {count: statistics.median(each) for count, each in found.items()})


def many() -> Iterator[Many]:
    """Runs the command on more and more images, each run in a new process."""
    with tempfile.TemporaryDirectory(prefix="popbridge-bench-") as folder:
        paths = draw(Path(folder, "textures"), max(COUNTS), SMALL)
        for count in COUNTS:
            here = Path(folder, str(count))
            for path in paths[:count]:
                target = here / path.parent.name / path.name
                target.parent.mkdir(parents=True, exist_ok=True)
                os.link(path, target)
            yield _command(count, here, Path(folder, f"out{count}"), Path(folder, "home"))


def _command(count: int, textures: Path, out: Path, home: Path) -> Many:
    command = [sys.executable, "-m", "bridge.cli", "run", "image.thumbnail", str(textures), "--recursive"]
    command += ["--param", "size=32", "--out", str(out), "--json"]
    env = {**os.environ, "POPBRIDGE_HOME": str(home)}
    begin = time.perf_counter()
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    memory = worker = 0.0
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            memory = max(memory, watched.memory_info().rss / 2**20)
            worker = max([worker, *(each.memory_info().rss / 2**20 for each in watched.children())])
        time.sleep(POLL_S)
    assert process.returncode == 0, process.returncode
    return Many(count, time.perf_counter() - begin, memory, worker)


def measure() -> str:
    """Returns the section of the report."""
    with tempfile.TemporaryDirectory(prefix="popbridge-bench-") as name:
        folder = Path(name)
        paths = draw(folder / "textures", FILES, SIDE)
        rows = [machine(paths, folder), *asyncio.run(scaled(paths, folder / "blobs"))]
    counts = workers()
    heads = "".join(f" {count} worker{'s' if count > 1 else ''} |" for count in counts)
    table = "\n".join(_row(each, counts) for each in rows)
    return f"""## Scaling over cores

{FILES} textures of a megapixel (PNG, 8-bit RGB) on warm workers, files/s; medians of {ROUNDS} alternating
rounds (`tools/bench/parallel.py`). The aim is 0.9 N with N workers on N cores. The first row shows what
this machine gives to independent processes.

| jobs |{heads} of N |
|---|{"---|" * len(counts)}---|
{table}

`popbridge run image.thumbnail` on images of {SMALL} x {SMALL} pixels with {cores()} workers. Each run is
a new process, and its start counts. The aim is time in proportion to the number of images, and constant
memory.

| images | time | for each | memory | largest worker |
|---|---|---|---|---|
{chr(10).join(map(_many_row, many()))}
"""


def _row(each: Scaled, counts: Sequence[int]) -> str:
    rates = "".join(f" {FILES / each.seconds[count]:.1f} |" for count in counts)
    most = counts[-1]
    share = each.seconds[1] / each.seconds[most] / most
    return f"| {each.name} |{rates} **{share:.2f}** |"


def _many_row(run: Many) -> str:
    return (
        f"| {run.count:,} | {run.seconds:.1f} s | {run.seconds / run.count * 1000:.1f} ms "
        f"| {run.memory:.0f} MiB | {run.worker:.0f} MiB |"
    )


if __name__ == "__main__":
    print(measure())
