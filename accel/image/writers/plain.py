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
    half = image.pixels.dtype.kind == "f" and bits(image, params) == 16
    first, *layers = (_levels(each, half) for each in (image, *image.layers))
    kind = f"{first[0].dtype.kind}{first[0].dtype.itemsize}"
    channels = first[0].shape[2]
    format = PLAIN[kind, channels, image.transfer == "srgb"]
    data, *others = ([_little(level) for level in levels] for levels in (first, *layers))
    swizzle = "rrr1" if channels == 1 else ""
    return Texture(
        format, image.width, image.height, data, swizzle, image.blends, others, image.cube, image.array
    )


def _levels(image: Raster, half: bool) -> list[Pixels]:
    """The levels of one image with one channel or four."""
    levels = [image.pixels, *image.mips]
    if image.channels == 2 or (image.channels == 1 and image.transfer == "srgb"):
        levels = [colored(level) for level in levels]
    if half:
        # A smaller level may be brighter than the first, by which the depth was chosen.
        levels = [level.clip(-exr.LARGEST, exr.LARGEST).astype(np.float16) for level in levels]
    return [with_alpha(level) if level.shape[2] == 3 else level for level in levels]


def _little(pixels: Pixels) -> bytes:
    return pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()


def bits(image: Raster, params: Writing) -> int:
    """Of a channel, as `plain` makes it: of floats 16 or 32, by the same rule as OpenEXR's."""
    if image.bit_depth < 32:
        return image.bit_depth
    return max(exr.bits(each, params) for each in (image, *image.layers))


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
