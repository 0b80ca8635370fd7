"""Damaged files by the thousand, through real workers: `python -m tools.bench.fuzz --files 3000 --seed 1`.

Each file is of one of the formats, with some bytes changed, cut or repeated. A worker may report an error or
decode what it can; it must not fail with a traceback, hang, leak memory or leave processes behind. A crash in
a library is counted and may only affect its own file.
"""

from __future__ import annotations

import asyncio
import collections
import random
import struct
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import psutil
import pyvips
from msgspec import Struct, field

from accel.execution.executor import Job, LocalExecutor
from accel.image.encode import WRITERS, save
from accel.image.operation import Operation
from accel.image.operations.geometry import Convert, convert, thumbnail
from accel.image.pixel_data import vips_image
from accel.image.raster import Raster
from accel.workload import Function, Input, Limits, WorkloadError

SIZE = (16, 24)
"""Height and width of every file."""
WORKERS = 2
MEMORY_MIB = 4096
MAX_PIXELS = 1 << 22
DEADLINE_S = 60.0
HEADER = 160
"""Leading bytes that get half of all changes: headers matter most."""
REFUSED = ("bad_input", "unsupported", "too_large")


class Tally(Struct):
    """The outcomes of the files of one format."""

    ok: int = 0
    refused: int = 0
    crashed: int = 0
    """A library crashed the worker, and the pool started another."""
    late: int = 0
    failed: int = 0
    """An unexpected exception: a bug of ours."""


class Report(Struct):
    """All results."""

    tallies: dict[str, Tally] = field(default_factory=lambda: collections.defaultdict(Tally))
    faults: list[str] = []
    """The names of files that crashed, hung or failed, with the message."""
    processes: tuple[int, int] = (0, 0)
    """Children of this process, before and after."""
    memory: tuple[float, float] = (0.0, 0.0)
    """MiB of the largest worker when warm, and at the end."""


def seeds() -> dict[str, list[bytes]]:
    """Returns intact files by format."""
    found: dict[str, list[bytes]] = {}
    for format in WRITERS:
        for channels, dtype in ((1, "uint8"), (3, "float32"), (4, "uint8"), (4, "uint16")):
            (file, *_), _ = save("seed", _raster(channels, dtype), Convert(format=format))  # type: ignore[arg-type]
            found.setdefault(format, []).append(file.data)
    lazy = vips_image(_raster(4, "uint8").pixels, "srgb")
    found["png"] += [lazy.pngsave_buffer(interlace=True), lazy.pngsave_buffer(palette=True)]
    found["jpeg"] += [lazy.extract_band(0, n=3).jpegsave_buffer(interlace=True), _inks().jpegsave_buffer()]
    found["tiff"] += [_inks().tiffsave_buffer(compression="lzw"), lazy.tiffsave_buffer(tile=True)]
    found["gif"] = [lazy.gifsave_buffer(), lazy.gifsave_buffer(interlace=True)]
    return found | _by_hand()


def _raster(channels: int, dtype: str) -> Raster:
    made = np.random.default_rng(channels).integers(0, 256, (*SIZE, channels))
    made[:, ::2] = made[:, :1]
    pixels = made.astype(dtype) if dtype == "uint8" else (made * 257).astype(dtype)
    if dtype == "float32":
        pixels /= np.float32(65535)
    return Raster("seed", np.ascontiguousarray(pixels), channels == 4, "linear", "png")


def _inks() -> pyvips.Image:
    return vips_image(_raster(4, "uint8").pixels, "cmyk")


def _by_hand() -> dict[str, list[bytes]]:
    """Returns files of formats that the program doesn't write, uncompressed."""
    height, width = SIZE
    pixels = _raster(4, "uint8").pixels.tobytes()
    bitmap = struct.pack("<2sIII", b"BM", 54 + len(pixels), 0, 54)
    bitmap += struct.pack("<IiiHHIIiiII", 40, width, height, 1, 32, 0, len(pixels), 0, 0, 0, 0)
    surface = struct.pack("<4s7I44x", b"DDS ", 124, 0x1007, height, width, 0, 0, 1)
    surface += struct.pack("<2I4s5I", 32, 4, b"DX10", 0, 0, 0, 0, 0) + struct.pack("<I16x", 0x1000)
    surface += struct.pack("<5I", 28, 3, 0, 1, 0)
    texture = b"\xabKTX 20\xbb\r\n\x1a\n" + struct.pack("<9I", 37, 1, width, height, 0, 0, 1, 1, 0)
    texture += struct.pack("<4I2Q", 112, 4, 0, 0, 0, 0) + struct.pack("<3Q", 116, len(pixels), len(pixels))
    return {"bmp": [bitmap + pixels], "dds": [surface + pixels], "ktx2": [texture + bytes(12) + pixels]}


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Changes one to eight bytes, or cuts, repeats or inserts some, or truncates the file."""
    made = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        begin = chance.randrange(min(len(made), HEADER) if chance.random() < 0.5 else len(made))
        length = chance.randrange(1, 16)
        match chance.randrange(8):
            case 0:
                del made[begin : begin + length]
            case 1:
                made[begin:begin] = made[begin : begin + length]
            case 2:
                made[begin : begin + length] = chance.randbytes(length)
            case 3:
                made[begin] ^= 1 << chance.randrange(8)
            case _:
                made[begin] = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))
        made = made or bytearray(b"\0")
    return bytes(made[: chance.randrange(1, len(made) + 1)] if chance.random() < 0.1 else made)


def fix_checksums(data: bytes) -> bytes:
    """Corrects the checksums of a PNG; otherwise readers stop at the first chunk."""
    made, at = bytearray(data), 8
    while at + 12 <= len(made):
        end = at + 8 + int.from_bytes(made[at : at + 4], "big")
        if end + 4 <= len(made):
            made[end : end + 4] = zlib.crc32(made[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(made)


def files(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yields damaged files, of each format in turn."""
    chance, whole = random.Random(seed), sorted(seeds().items())
    for index in range(count):
        format, examples = whole[index % len(whole)]
        data = damaged(chance.choice(examples), chance)
        yield format, fix_checksums(data) if format == "png" and chance.random() < 0.5 else data


async def fuzz(count: int, seed: int) -> Report:
    """Runs `image.convert` and `image.thumbnail` in turn over a number of files."""
    report = Report()
    before = len(psutil.Process().children())
    local = LocalExecutor(WORKERS, Limits(MAX_PIXELS), MEMORY_MIB)
    await local.start()
    try:
        with tempfile.TemporaryDirectory(prefix="popbridge-fuzz-") as folder:
            await _all(local, Path(folder), count, seed, report)
        assert len(local.pool.pids) == WORKERS, local.pool.pids
    finally:
        await local.close()
    report.processes = (before, len(psutil.Process().children()))
    return report


async def _all(local: LocalExecutor, folder: Path, count: int, seed: int, report: Report) -> None:
    warm = await _whole(local, folder)
    pending = iter(enumerate(files(count, seed)))

    async def work() -> None:
        for index, (format, data) in pending:
            path = folder / f"{index:06}.bin"
            path.write_bytes(data)
            function: Function | Operation = convert if index % 2 else thumbnail
            params = {"format": sorted(WRITERS)[index // 2 % len(WRITERS)]} if index % 2 else {}
            await _one(local, function, params, Input(f"{format} {index}", str(path)), report)
            path.unlink()

    await asyncio.gather(*(work() for _ in range(2 * WORKERS)))
    report.memory = (warm, _largest(local))


async def _whole(local: LocalExecutor, folder: Path) -> float:
    """Runs all intact files twice per worker, to load every library; returns the MiB after that."""
    for number, data in enumerate(data for examples in seeds().values() for data in examples):
        path = folder / f"whole{number}.bin"
        path.write_bytes(data)
        source = Input(path.name, str(path))
        for function in (convert, thumbnail) * WORKERS:
            await local.run(Job.parse(function.workload, {}, [source], deadline_s=DEADLINE_S))
    return _largest(local)


def _largest(local: LocalExecutor) -> float:
    return max(float(psutil.Process(pid).memory_info().rss) for pid in local.pool.pids) / 2**20


async def _one(
    local: LocalExecutor, function: Any, params: dict[str, Any], source: Input, report: Report
) -> None:
    tally = report.tallies[source.name.partition(" ")[0]]
    try:
        await local.run(Job.parse(function.workload, params, [source], deadline_s=DEADLINE_S))
        tally.ok += 1
        return
    except WorkloadError as error:
        if error.code in REFUSED and error.name == source.name:
            tally.refused += 1
            return
        if error.code == "worker_crashed":
            tally.crashed += 1
        elif error.code == "deadline_exceeded":
            tally.late += 1
        else:
            tally.failed += 1
        report.faults.append(
            f"{function.workload.name} {params}, {source.name}: {error.code}, {error.reason}"
        )


def shown(report: Report) -> str:
    """Returns the table by format."""
    rows: Sequence[tuple[str, Tally]] = sorted(report.tallies.items())
    lines = [f"| {name} | {t.ok} | {t.refused} | {t.crashed} | {t.late} | {t.failed} |" for name, t in rows]
    head = "| format | ok | refused | crashed | late | failed |\n|---|---|---|---|---|---|"
    warm, end = report.memory
    before, after = report.processes
    return "\n".join(
        [head, *lines, "", f"Largest worker: {warm:.0f} MiB once warm, {end:.0f} MiB in the end. "
         f"Processes: {before} before, {after} after.", *report.faults]
    )  # fmt: skip


@click.command()
@click.option("--files", "count", default=3000, show_default=True, help="How many files.")
@click.option("--seed", default=1, show_default=True, help="Another number, other files.")
def main(count: int, seed: int) -> None:
    """Damages files of every format and reports how workers handle them."""
    report = asyncio.run(fuzz(count, seed))
    click.echo(shown(report))
    bad = any(tally.failed or tally.late for tally in report.tallies.values())
    raise SystemExit(1 if bad else 0)


if __name__ == "__main__":
    main()
