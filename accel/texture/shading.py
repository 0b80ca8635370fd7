"""What brightness alone says of a surface: height by detail, roughness by a rule."""

from __future__ import annotations

from typing import Literal

import numpy as np

from accel.image.decoded import full_scale
from accel.image.filters import axis
from accel.image.light import Floats, srgb
from accel.image.raster import Raster
from accel.image.resampling import Held, strips, whole
from accel.image.sampling import luminance

STRIP = 1 << 18
"""Values in one go, so that what is computed stays in the cache."""

Edge = Literal["clamp", "wrap"]


def brightness(image: Raster) -> Floats:
    """Height x width of 0..1: ITU-R BT.709's sum of the colours as sRGB codes them, since equal steps of code
    are about equally visible. Alpha doesn't count; floats are cut to 0..1."""
    made = np.empty((image.height, image.width), np.float32)
    top = np.float32(full_scale(image.pixels.dtype))
    each = max(1, STRIP // image.width)
    for begin in range(0, image.height, each):
        rows = image.pixels[begin : begin + each, :, : image.colors]
        made[begin : begin + each] = luminance(np.moveaxis(coded(rows, top), 2, 0))
    return made


def coded(pixels: Floats, top: np.float32) -> Floats:
    """Colours as sRGB codes them, 0..1; `top` is full scale. Floats are light."""
    values = np.divide(pixels, top, dtype=np.float32)
    return srgb(values.clip(0, 1)) if pixels.dtype.kind == "f" else values


def without_shading(values: Floats, period: float, edge: Edge) -> Floats:
    """Values, height x width, less what changes only over about `period` texels or more, which is light or
    paint rather than height; 0 leaves all but the mean. With the edge `wrap` what tiles goes on tiling.

    What is taken away is sampled every `period` texels by a tent, and continued between the samples by
    Catmull-Rom's cubic: a slope that goes on is taken away wholly.
    """
    if not period:
        return values - np.float32(values.mean(dtype=np.float64))
    height, width = values.shape
    few, rows = max(1, round(width / period)), max(1, round(height / period))
    small = whole(Held(values[:, None]), axis(width, few, "linear", edge), axis(height, rows, "linear", edge))
    made = np.empty_like(values)
    across, down = axis(few, width, "cubic", edge), axis(rows, height, "cubic", edge)
    for begin, lines in strips(Held(small), across, down):
        band = slice(begin, begin + len(lines))
        np.subtract(values[band], lines[:, 0], out=made[band])
    return made
