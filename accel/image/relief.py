"""The normals of a height field."""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.image.decoded import Pixels
from accel.image.planes import plane
from accel.image.raster import Raster

Floats = NDArray[np.float32]

STRIP = 64
"""Rows worked on in one go, so that what is computed stays in the cache: whole images take seven times as
long."""

WEIGHTS = {"sobel": (1.0, 2.0), "scharr": (3.0, 10.0), "central": (0.0, 1.0)}
"""Of the two outer and the middle one of three rows or columns, over which a kernel averages."""


class Relief(Struct, frozen=True):
    """How heights become normals."""

    strength: float
    """Texels that full scale is high; negative where dark is high."""
    kernel: str
    """A name of WEIGHTS."""
    wrap: bool
    """Whether the opposite edge lies beyond an edge; else the edge itself."""
    green_down: bool
    """Whether y points down (DirectX)."""
    channel: str
    """As `planes.plane` takes it."""


def normals(image: Raster, relief: Relief, dtype: Any) -> Pixels:
    """Height x width x 3 of uint8 or uint16: 0 is -1 and full scale 1. Raises WorkloadError `bad_params`."""
    made = np.empty((image.height, image.width, 3), dtype)
    for top in range(0, image.height, STRIP):
        bottom = min(top + STRIP, image.height)
        across, down = _slopes(_padded(image, relief, top, bottom), *WEIGHTS[relief.kernel])
        _store(made[top:bottom], across, down, relief.green_down)
    return made


def _padded(image: Raster, relief: Relief, top: int, bottom: int) -> Floats:
    """The heights of some rows and of one texel around them; in texels, over the sum of the weights."""
    outer, middle = WEIGHTS[relief.kernel]
    full = 1 if image.pixels.dtype.kind == "f" else int(np.iinfo(image.pixels.dtype).max)
    # Two steps lie between the texels that are compared.
    scale = np.float32(relief.strength / full / (2 * (2 * outer + middle)))
    padded = np.empty((bottom - top + 2, image.width + 2), np.float32)
    for begin, end in ((top - 1, top), (top, bottom), (bottom, bottom + 1)):
        source = _within(begin, image.height, relief.wrap)
        rows = plane(image, relief.channel, source, source + end - begin)
        np.multiply(rows, scale, out=padded[begin - top + 1 : end - top + 1, 1:-1], casting="unsafe")
    padded[:, 0] = padded[:, -2 if relief.wrap else 1]
    padded[:, -1] = padded[:, 1 if relief.wrap else -2]
    return padded


def _within(row: int, height: int, wrap: bool) -> int:
    return row % height if wrap else min(max(row, 0), height - 1)


def _slopes(heights: Floats, outer: float, middle: float) -> tuple[Floats, Floats]:
    """-dh/dx, and dh/dy with y running down."""
    down = heights[2:] - heights[:-2]
    if outer == 0:
        return heights[1:-1, :-2] - heights[1:-1, 2:], down[:, 1:-1]
    mean = _weighted(heights[:-2], heights[1:-1], heights[2:], outer, middle)
    return mean[:, :-2] - mean[:, 2:], _weighted(down[:, :-2], down[:, 1:-1], down[:, 2:], outer, middle)


def _weighted(one: Floats, between: Floats, other: Floats, outer: float, middle: float) -> Floats:
    summed = one + other
    if outer != 1:
        summed *= np.float32(outer)
    summed += between * np.float32(middle)
    return summed


def _store(texels: Pixels, across: Floats, down: Floats, green_down: bool) -> None:
    half = np.float32(np.iinfo(texels.dtype).max / 2)
    scale = across * across
    scale += down * down
    scale += 1
    np.sqrt(scale, out=scale)
    np.divide(half, scale, out=scale)
    # Half a step for rounding, half of full scale for 0.
    zero = half + np.float32(0.5)
    across *= scale
    across += zero
    down = down * (-scale if green_down else scale)
    down += zero
    scale += zero
    for index, values in enumerate((across, down, scale)):
        texels[..., index] = values
