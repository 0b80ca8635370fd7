"""Rasters as uncompressed textures: the layouts that every GPU samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from accel.image.decoded import Pixels, full_scale
from accel.image.raster import Raster
from accel.image.readers.packed import reordered
from accel.image.writers import exr
from accel.image.writers.texels import PLAIN, Texture

if TYPE_CHECKING:
    from accel.image.operation import Writing


def plain(image: Raster, params: Writing) -> Texture:
    """One channel for grey, else four: no GPU reads three of 8 or 16 bits, and alpha has its own place.

    Grey that is sRGB becomes RGB, as one channel can't be.
    """
    levels = [image.pixels, *image.mips]
    if image.channels == 2 or (image.channels == 1 and image.transfer == "srgb"):
        levels = [colored(level) for level in levels]
    if image.pixels.dtype.kind == "f" and bits(image, params) == 16:
        # A smaller level may be brighter than the first, by which the depth was chosen.
        levels = [level.clip(-exr.LARGEST, exr.LARGEST).astype(np.float16) for level in levels]
    levels = [with_alpha(level) if level.shape[2] == 3 else level for level in levels]
    first = levels[0]
    kind = f"{first.dtype.kind}{first.dtype.itemsize}"
    format = PLAIN[kind, first.shape[2], image.transfer == "srgb"]
    little = first.dtype.newbyteorder("<")
    data = [level.astype(little, copy=False).tobytes() for level in levels]
    swizzle = "rrr1" if first.shape[2] == 1 else ""
    return Texture(format, image.width, image.height, data, swizzle, image.blends)


def bits(image: Raster, params: Writing) -> int:
    """Of a channel, as `plain` makes it: of floats 16 or 32, by the same rule as OpenEXR's."""
    return image.bit_depth if image.bit_depth < 32 else exr.bits(image, params)


def colored(pixels: Pixels) -> Pixels:
    """Grey, with or without alpha, as RGB or RGBA."""
    return reordered(pixels, [0, 0, 0, 1][: pixels.shape[2] + 2])


def with_alpha(pixels: Pixels) -> Pixels:
    """RGBA of RGB, full."""
    made = np.empty((*pixels.shape[:2], 4), pixels.dtype)
    for index in range(3):
        made[..., index] = pixels[..., index]
    made[..., 3] = full_scale(pixels.dtype)
    return made
