"""`image.convert` beside Pillow and OpenCV: one PNG, decoded and written in another format."""

from __future__ import annotations

import io
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from msgspec import Struct
from PIL import Image

from accel.image.operations.geometry import Convert, convert
from accel.workload import Input, Limits
from bridge.demo.textures import noise, tint

SIDE = 2048
ROUNDS = 3
QUALITY = 90
SAME = ("png", "tga", "tiff")
"""Lossless formats, for which all programs must write the same texels."""
AIM = 1.0
"""Largest accepted share of Pillow's CPU time."""

Write = Callable[[Path], bytes]


class Figure(Struct, frozen=True):
    """The cost of a program: median milliseconds of CPU, and the KiB that it writes."""

    ms: float
    kib: float


def draw(path: Path) -> None:
    """Draws a relief of brown stone with a tenth cut out."""
    relief = noise(1, SIDE)
    pixels = np.empty((SIDE, SIDE, 4), np.uint8)
    pixels[..., :3] = np.clip(tint(relief, (0.5, 0.4, 0.3)), 0, 1) * 255 + 0.5
    pixels[..., 3] = np.where(relief > np.quantile(relief, 0.1), 255, 0)
    Image.fromarray(pixels).save(path, compress_level=6)


def programs(format: str) -> dict[str, Write]:
    """Returns the programs that write a format, with equal settings (deflated TIFF, run-length TGA)."""
    found = {"PopBridge": _ours(format), "Pillow": _pillow(format)}
    if format != "tga":
        found["OpenCV"] = _opencv(format)
    return found


def _ours(format: str) -> Write:
    params = cast(Convert, convert.workload.parse({"format": format, "quality": QUALITY}))
    return lambda path: convert([Input(path.name, str(path))], params, Limits()).files[0].data


def _pillow(format: str) -> Write:
    options: dict[str, Any] = {
        "webp": {"quality": QUALITY, "exact": True}, "tga": {"compression": "tga_rle"},
        "tiff": {"compression": "tiff_adobe_deflate"},
    }.get(format, {})  # fmt: skip

    def write(path: Path) -> bytes:
        out = io.BytesIO()
        with Image.open(path) as image:
            image.save(out, format, **options)
        return out.getvalue()

    return write


def _opencv(format: str) -> Write:
    options = {
        "webp": [cv2.IMWRITE_WEBP_QUALITY, QUALITY],
        "tiff": [cv2.IMWRITE_TIFF_COMPRESSION, cv2.IMWRITE_TIFF_COMPRESSION_ADOBE_DEFLATE],
    }.get(format, [])

    def write(path: Path) -> bytes:
        pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert pixels is not None
        done, data = cv2.imencode(f".{format}", pixels, options)
        assert done
        return data.tobytes()

    return write


def compare(path: Path, format: str) -> dict[str, Figure]:
    """Measures all programs in alternating rounds, so that other load affects all alike."""
    writers = programs(format)
    times: dict[str, list[float]] = {name: [] for name in writers}
    made = {name: write(path) for name, write in writers.items()}
    _check(format, made)
    for _ in range(ROUNDS):
        for name, write in writers.items():
            begin = time.process_time()
            write(path)
            times[name].append((time.process_time() - begin) * 1000)
    return {name: Figure(statistics.median(times[name]), len(made[name]) / 1024) for name in writers}


def _check(format: str, made: dict[str, bytes]) -> None:
    """Checks that all programs write the same texels."""
    if format in SAME:
        read = [np.asarray(Image.open(io.BytesIO(data)).convert("RGBA")) for data in made.values()]
        assert all(np.array_equal(read[0], one) for one in read[1:]), format


def measure() -> str:
    """Returns the section of docs/explanation/performance.md."""
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory(prefix="popbridge-bench-") as folder:
        path = Path(folder, "stone.png")
        draw(path)
        rows = [_row(format, compare(path, format)) for format in ("png", "webp", "tga", "tiff")]
    return f"""## Converting

A PNG of {SIDE} x {SIDE} pixels, RGBA, to other formats: `image.convert` beside Pillow {Image.__version__}
and OpenCV {cv2.__version__} with the same settings, decoding included. CPU time of one thread, medians of
{ROUNDS} alternating rounds (`tools/bench/convert.py`). Lossless outputs are checked to hold the same
texels. PNG compression levels: PopBridge 3, Pillow 6, OpenCV 1 (the defaults). The aim: at most {AIM:g}
times Pillow's time.

| to | PopBridge | Pillow | OpenCV | of Pillow's | size, of Pillow's |
|---|---|---|---|---|---|
{chr(10).join(rows)}
"""


def _row(format: str, found: dict[str, Figure]) -> str:
    ours, pillow, other = found["PopBridge"], found["Pillow"], found.get("OpenCV")
    theirs = "-" if other is None else f"{other.ms:.0f} ms"
    return (
        f"| {format.upper()} | {ours.ms:.0f} ms | {pillow.ms:.0f} ms | {theirs} "
        f"| **{ours.ms / pillow.ms:.2f}** | {ours.kib / pillow.kib:.2f} |"
    )


if __name__ == "__main__":
    print(measure())
