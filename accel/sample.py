"""Typical jobs by which workloads are measured, and how large a job is: its pixels, or its texts."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from accel.workload import Input

Make = Callable[[int, Path], tuple[Mapping[str, Any], Sequence[Input]]]
"""Parameters and inputs of a job on square images of that side (or with so many texts), whose files are
written to that folder."""
MPX = 1_000_000

SIDES = (256, 1024, 2048)
"""Pixels of the square images that are measured: two sizes make a line, the third shows whether it is one."""
SLOW_SIDES = (64, 128, 256)
"""For networks, which take seconds for a megapixel on a CPU."""


class Scale(Struct, frozen=True):
    """What a workload's cost grows by."""

    sides: Sequence[int] = SIDES
    """Of the samples that are measured."""
    size: Callable[[int], int] = lambda side: side * side
    """Of the sample of a side."""
    unit: str = "megapixels"
    per: int = MPX
    """Of what sizes are counted in, in a unit."""


PIXELS = Scale()


class Sample(Struct, frozen=True):
    """Jobs of one workload."""

    make: Make
    scale: Scale = PIXELS
    size: Callable[[Mapping[str, Any], Sequence[Input]], int] = lambda params, inputs: pixels_of(inputs)
    """Of any job."""


BYTES = 1.5
"""Of a pixel in a file, about, where its header isn't read here: textures of games come to 0.5 to 4."""


def pixels_of(inputs: Sequence[Input]) -> int:
    """Pixels of all inputs: exact for PNG, else by the files' sizes; 0 for what can't be read."""
    return sum(map(_pixels, inputs))


def _pixels(source: Input) -> int:
    try:
        with open(source.path, "rb") as file:
            head = file.read(24)
            size = os.fstat(file.fileno()).st_size
    except OSError:
        return 0
    # PNG (ISO/IEC 15948), clause 11.2.1: IHDR comes first, with width and height.
    if head[:8] == b"\x89PNG\r\n\x1a\n" and head[12:16] == b"IHDR":
        return int.from_bytes(head[16:20], "big") * int.from_bytes(head[20:24], "big")
    return int(size / BYTES)


def image_sample(channels: int, count: int = 1, sides: Sequence[int] = SIDES, **params: Any) -> Sample:
    """Jobs with `count` images of waves and noise, as PNG."""

    def make(side: int, folder: Path) -> tuple[Mapping[str, Any], Sequence[Input]]:
        return params, [_written(side, channels, folder / f"{at}.png") for at in range(count)]

    return Sample(make, Scale(sides, lambda side: count * side * side))


TEXTS = Scale((1, 8, 64), lambda side: side, "texts", 1)


def text_sample() -> Sample:
    """Jobs with texts of some words each."""

    def make(side: int, folder: Path) -> tuple[Mapping[str, Any], Sequence[Input]]:
        words = ("rusty", "metal", "plate", "brick", "wall", "mossy", "rock", "oak", "planks", "sky")
        return {
            "texts": [
                " ".join(words[(n * 3 + at) % len(words)] for at in range(2 + n % 5)) for n in range(side)
            ]
        }, []

    return Sample(make, TEXTS, _texts_of)


def _texts_of(params: Mapping[str, Any], inputs: Sequence[Input]) -> int:
    # What was asked for may be anything: the workload itself says so afterwards.
    texts = params.get("texts")
    return len(inputs) + (len(texts) if isinstance(texts, list | tuple) else 0)


def _written(side: int, channels: int, file: Path) -> Input:
    import numpy as np
    import pyvips

    y, x = np.mgrid[:side, :side].astype(np.float32)
    waves = 110 + 60 * np.sin(x / 37) * np.cos(y / 23)
    noise = np.random.default_rng(1).integers(0, 16, (side, side, channels), np.uint8)
    pixels = np.ascontiguousarray(waves.astype(np.uint8)[..., None] + noise)
    image: Any = pyvips.Image.new_from_memory(pixels.data, side, side, channels, "uchar")
    kind = "srgb" if channels > 2 else "b-w"
    image.copy(interpretation=kind).pngsave(str(file), compression=1)
    return Input(file.name, str(file))


SAMPLES: dict[str, Sample] = {
    # Those with a form for GPUs of their own (accel.graphs.forms).
    "image.normal_from_height": image_sample(1),
    "image.resize": image_sample(4, factor=0.5),
    "image.mipmaps": image_sample(4, format="ktx2"),
    "image.pack_channels": image_sample(1, 3),
    # Those that run networks: the same function by another provider.
    "image.upscale": image_sample(3, sides=SLOW_SIDES),
    "image.remove_background": image_sample(3, sides=SLOW_SIDES),
    "image.ocr": image_sample(3, sides=SLOW_SIDES),
    "image.embed": image_sample(3, sides=SLOW_SIDES),
    "text.embed": text_sample(),
}
"""By the workload's name."""
