"""Mip levels, resizing and alpha bleeding beside other libraries: `python -m tools.bench.mips`.

Measures CPU time on one thread; each round runs everything once, in turn, and medians are compared.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import cv2
import msgspec
import numba
import numpy as np
import pyvips
from numpy.typing import NDArray

from accel.execution.pool import SINGLE_THREADED
from accel.image import kernels
from accel.image.color import decode_table, encode_srgb
from accel.image.inpaint import bleed_colors
from accel.image.mip_levels import level_sizes, pixel_levels
from accel.image.pixel_coding import Coding, coding_of
from accel.image.raster import Raster
from accel.image.resample import axis, resample
from tools.bench.timing import alternating_medians

SIDE = 4096
ROUNDS = 7

Pixels = NDArray[Any]


def texture(side: int = SIDE) -> Raster:
    """Returns 8-bit RGBA with various content."""
    pixels = np.random.default_rng(1).integers(0, 256, (side, side, 4)).astype(np.uint8)
    return Raster("texture", pixels, True, "srgb", "png")


def opencv_levels(pixels: Pixels) -> None:
    while len(pixels) > 1:
        half = len(pixels) // 2
        pixels = cv2.resize(pixels, (half, half), interpolation=cv2.INTER_AREA)


TO_LIGHT = decode_table(np.uint8)
TO_CODES = (encode_srgb(np.linspace(0, 1, 65536, dtype=np.float32)) * 255 + 0.5).astype(np.uint8)


@numba.njit(cache=True)
def _straight(pixels: Pixels, made: Pixels, to_light: Pixels, to_codes: Pixels) -> None:
    """The obvious code: averages four texels through tables, divides by alpha, and converts back."""
    for y in range(made.shape[0]):
        for x in range(made.shape[1]):
            red = green = blue = weight = np.float32(0)
            for j in range(2):
                for i in range(2):
                    texel = pixels[2 * y + j, 2 * x + i]
                    alpha = np.float32(texel[3])
                    red += to_light[texel[0]] * alpha
                    green += to_light[texel[1]] * alpha
                    blue += to_light[texel[2]] * alpha
                    weight += alpha
            scale = np.float32(65535) / weight if weight > 0 else np.float32(0)
            made[y, x, 0] = to_codes[int(red * scale + np.float32(0.5))]
            made[y, x, 1] = to_codes[int(green * scale + np.float32(0.5))]
            made[y, x, 2] = to_codes[int(blue * scale + np.float32(0.5))]
            made[y, x, 3] = int(weight * np.float32(0.25) + np.float32(0.5))


def straight_levels(pixels: Pixels) -> None:
    while len(pixels) > 1:
        half = len(pixels) // 2
        made = np.empty((half, half, 4), np.uint8)
        _straight(pixels, made, TO_LIGHT, TO_CODES)
        pixels = made


def both(how: Coding) -> tuple[Coding, Coding]:
    """Runs the compiled loops, and those in numpy."""
    return how, msgspec.structs.replace(how, loops=kernels)


def levels() -> str:
    """Returns the rows of the table of mip levels."""
    image = texture()
    wanted = level_sizes(SIDE, SIDE)
    stored = both(coding_of(image, "color", False, False))
    light = both(coding_of(image, "color", True, True))
    cv2.setNumThreads(1)

    def chain(how: Coding) -> Callable[[], object]:
        return lambda: pixel_levels(image.pixels, how, wanted, "box", "clamp")

    found = alternating_medians(
        {
            "cv": lambda: opencv_levels(image.pixels),
            "stored": chain(stored[0]),
            "stored, numpy": chain(stored[1]),
            "straight": lambda: straight_levels(image.pixels),
            "light": chain(light[0]),
            "light, numpy": chain(light[1]),
        },
        ROUNDS,
    )
    rows = [
        ("as stored", "OpenCV, INTER_AREA level by level", "cv", "stored", 2.0),
        ("linear light, weighted by alpha", "the simplest loop, with numba", "straight", "light", 1.5),
    ]
    return "\n".join(
        f"| {what} | {peer}: {found[base]:.0f} ms | {found[mine]:.0f} ms | "
        f"**{found[mine] / found[base]:.2f}** (aim: at most {aim:g}) | {found[mine + ', numpy']:.0f} ms |"
        for what, peer, base, mine, aim in rows
    )


def resizes() -> str:
    """Returns the rows of the table of Lanczos resizing, in linear light and weighted by alpha."""
    image = texture()
    how = coding_of(image, "color", True, True)
    pyvips.concurrency_set(1)
    lazy = pyvips.Image.new_from_memory(image.pixels, SIDE, SIDE, 4, "uchar").copy(interpretation="srgb")
    rows = []
    for side in (2048, 1000):
        both_ways = axis(SIDE, side, "lanczos", "clamp")
        found = alternating_medians(
            {
                "vips": functools.partial(_by_libvips, lazy, side),
                "mine": functools.partial(resample, image.pixels, how, both_ways, both_ways),
            },
            3,
        )
        ratio = found["mine"] / found["vips"]
        rows.append(f"| {side} | {found['vips']:.0f} ms | {found['mine']:.0f} ms | **{ratio:.2f}** |")
    return "\n".join(rows)


def _by_libvips(image: Any, side: int) -> None:
    light = image.colourspace("scrgb").premultiply()
    small = light.resize(side / SIDE, kernel="lanczos3").unpremultiply()
    small.colourspace("srgb").cast("uchar").write_to_memory()


def bleeding() -> float:
    """Returns the milliseconds for a sprite of 2048×2048 with three quarters transparent."""
    image = texture(2048)
    pixels = image.pixels.copy()
    pixels[:, ::4, 3] = 0
    pixels[:1024] = 0
    return alternating_medians({"bled": lambda: bleed_colors(image.with_pixels(pixels), 0, "clamp")}, 3)[
        "bled"
    ]


TEMPLATE = """## Mip levels and resizing

CPU time of one thread for {side} x {side}, 8-bit RGBA, medians of alternating rounds
(`tools/bench/mips.py`). All levels down to 1 x 1:

| averaged | peer | PopBridge | ratio | without numba |
|---|---|---|---|---|
{levels}

Unlike both peers, PopBridge averages each level from unrounded values.

Resizing with a 3-lobe Lanczos filter, in linear light and weighted by alpha:

| to | libvips | PopBridge | ratio |
|---|---|---|---|
{resizes}

`image.bleed_alpha` of 2048 x 2048: {bleeding:.0f} ms."""


def measure() -> str:
    """Returns the section; call it in a process with single-threaded libraries, as in a worker."""
    command = [sys.executable, "-m", "tools.bench.mips"]
    env = {**os.environ, **SINGLE_THREADED}
    return subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def main() -> None:
    """Prints the section, from a child process if necessary."""
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        print(measure())
        return
    print(TEMPLATE.format(side=SIDE, levels=levels(), resizes=resizes(), bleeding=bleeding()))


if __name__ == "__main__":
    main()
