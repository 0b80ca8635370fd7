"""`popbridge audit` by the number of textures, and its CPU time for a texture of one megapixel.

Each run is a process of its own, as a user starts it. The CPU time of a texture excludes starting up
(workers, libraries, the model): it is the difference between two runs, divided by the difference in textures.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyvips
from msgspec import Struct

from accel.execution.executor import cores
from bridge.api import EditorSupport
from bridge.demo.textures import noise, normals, tint
from bridge.host import host

COUNTS = (100, 1_000, 10_000)
"""Textures of SMALL x SMALL pixels."""
SMALL = 64
LARGE = 1024
"""One megapixel."""
LARGE_COUNTS = (16, 208)
FILTERS = {"unfiltered": "none", "filtered": "all"}
"""PNG row filters, by libvips' names."""
FOLDER = 100
"""Textures in one folder."""
POLL_S = 0.05
OPTIONS: Mapping[str, Any] = {"compress/mode": 0, "compress/normal_map": 0, "mipmaps/generate": False}


TEMPLATE = """## Auditing a project

`popbridge audit` on {workers} cores (`tools/bench/audit.py`). Each run is a new process, and its start
counts. Every texture has wrong settings, so every texture has a row in the report, which takes the most
memory. The second run finds nothing changed; the aim for it is a tenth of the time.

| textures, {small} x {small} | first run | for each | second run | of the first | memory | largest worker |
|---|---|---|---|---|---|---|
{audit_rows}

Textures of a megapixel (PNG, 8-bit RGB, noisy albedo and normal maps), with everything included. The aim
is at most 15 ms of CPU per texture. Some PNG writers, such as libvips, store rows unfiltered; most filter
each row.

| rows | textures/s | CPU per texture | of these, decoding with pyvips alone |
|---|---|---|---|
{large_rows}
"""


class Run(Struct):
    """One run of the command."""

    seconds: float
    cpu: float
    """Seconds, of the process and its workers."""
    memory: float
    """Peak MiB of the process."""
    workers: float
    """Peak MiB of the largest worker."""


class Count(Struct):
    """Two runs over a number of textures; the second finds nothing new to examine."""

    textures: int
    first: Run
    again: Run


class Large(Struct):
    """The cost of textures of one megapixel."""

    cpu_ms: float
    """Milliseconds of CPU per texture."""
    rate: float
    """Textures per second."""
    decode_ms: float
    """Milliseconds of CPU that pyvips takes to decode one in this process."""


class Times(Struct):
    """All results."""

    counts: list[Count]
    large: dict[str, Large]
    """By row filter."""


def draw(folder: Path, count: int, size: int, filters: str = "none") -> list[str]:
    """Draws albedo and normal maps of equal cost and different content: the same reliefs, shifted."""
    relief = noise(1, size)
    pixels = [(p * 255 + 0.5).astype(np.uint8) for p in (tint(relief, (0.5, 0.4, 0.3)), normals(relief, 2.0))]
    names = []
    for number in range(count):
        shown = np.ascontiguousarray(np.roll(pixels[number % 2], 37 * number + number // size, axis=(0, 1)))
        # Shifts repeat, so a unique pixel makes each file different.
        shown[0, 0] = number % 251, number // 251 % 251, 128
        name = f"{number // FOLDER:03}/{number:05}_{'albedo' if number % 2 == 0 else 'normal'}.png"
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image: Any = pyvips.Image.new_from_memory(shown.data, size, size, 3, "uchar")
        image.copy(interpretation="srgb").pngsave(str(path), compression=6, filter=filters)
        names.append(name)
    return names


def support() -> EditorSupport:
    """Returns the adapter that can create a project of the newest engine."""
    able = [adapter.editor for adapter in host.load().adapters if adapter.editor and adapter.project]
    return able[-1]


def project(folder: Path, count: int, size: int, filters: str = "none") -> Path:
    """Creates a project of textures that are imported wrongly."""
    names = draw(folder, count, size, filters)
    support().create_project(folder, dict.fromkeys(names, OPTIONS))
    return folder


def audit(folder: Path, home: Path) -> Run:
    """Runs the command once; discards its report."""
    command = [sys.executable, "-m", "bridge.cli", "audit", str(folder), "--json", os.devnull]
    env = {**os.environ, "POPBRIDGE_HOME": str(home)}
    begin = time.perf_counter()
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    memory, workers = _watched(process)
    seconds = time.perf_counter() - begin
    assert process.returncode in (0, 1), process.returncode
    return Run(seconds, 0.0, memory, workers)


def _watched(process: subprocess.Popen[bytes]) -> tuple[float, float]:
    """Waits for a process and returns the peak memory of it and of its largest worker, MiB."""
    memory = workers = 0.0
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        try:
            memory = max(memory, watched.memory_info().rss / 2**20)
            workers = max([workers, *(w.memory_info().rss / 2**20 for w in watched.children())])
        except psutil.NoSuchProcess:
            continue
        time.sleep(POLL_S)
    return memory, workers


def measured(folder: Path, home: Path) -> Run:
    """Runs once and returns the CPU time of the process and the children that it waited for."""
    before = _children_cpu()
    run = audit(folder, home)
    run.cpu = _children_cpu() - before
    return run


def _children_cpu() -> float:
    times = os.times()
    return times.children_user + times.children_system


def counts() -> Iterator[Count]:
    """Runs projects of small textures, each twice."""
    for count in COUNTS:
        with tempfile.TemporaryDirectory(prefix="popbridge-bench-") as folder:
            made = project(Path(folder, "game"), count, SMALL)
            # Files this young are read again: they may change within the clock's resolution.
            time.sleep(2.5)
            yield Count(count, measured(made, Path(folder, "home")), measured(made, Path(folder, "home")))


def large(filters: str) -> Large:
    """Measures textures of one megapixel with the given PNG row filter."""
    runs = []
    with tempfile.TemporaryDirectory(prefix="popbridge-bench-") as folder:
        for count in LARGE_COUNTS:
            made = project(Path(folder, f"game{count}"), count, LARGE, filters)
            runs.append(measured(made, Path(folder, f"home{count}")))
        more = LARGE_COUNTS[1] - LARGE_COUNTS[0]
        decode = _decode_ms(sorted(made.rglob("*.png"))[:20])
    few, many = runs
    return Large((many.cpu - few.cpu) / more * 1000, more / (many.seconds - few.seconds), decode)


def _decode_ms(paths: list[Path]) -> float:
    pyvips.cache_set_max(0)
    begin = time.process_time()
    for path in paths:
        image: Any = pyvips.Image.new_from_file(str(path), access="sequential")
        image.write_to_memory()
    return (time.process_time() - begin) / len(paths) * 1000


def run() -> Times:
    """Measures everything in sequence."""
    megapixels = {rows: large(filters) for rows, filters in FILTERS.items()}
    return Times(list(counts()), megapixels)


def _row(count: Count) -> str:
    """Returns a row of the table of whole projects."""
    first, again = count.first, count.again
    return (
        f"| {count.textures:,} | {first.seconds:.1f} s | {first.seconds / count.textures * 1000:.1f} ms "
        f"| {again.seconds:.1f} s | {again.seconds / first.seconds:.0%} "
        f"| {max(first.memory, again.memory):.0f} MiB | {first.workers:.0f} MiB |"
    )


def measure() -> str:
    """Returns the section of docs/explanation/performance.md."""
    times = run()
    return TEMPLATE.format(
        workers=cores(),
        small=SMALL,
        audit_rows="\n".join(map(_row, times.counts)),
        large_rows="\n".join(
            f"| {rows} | {one.rate:.0f} | **{one.cpu_ms:.1f} ms** | {one.decode_ms:.1f} ms |"
            for rows, one in times.large.items()
        ),
    )


if __name__ == "__main__":
    print(measure())
