"""Radiance HDR: three mantissas and a common exponent, each scanline run-length coded by component."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from accel.image.decoded import Pixels
from accel.image.raster import Raster
from accel.image.writers.runs import RADIANCE, coded

if TYPE_CHECKING:
    from accel.image.operation import Writing

_STRIP = 64
"""Rows in one go, so that what is computed stays in the cache."""

_CODED = range(8, 1 << 15)
"""Lengths of scanlines that the run-length code can tell."""


def hdr(image: Raster, params: Writing) -> bytes:
    """What Radiance calls `32-bit_rle_rgbe`: relative to the largest channel a 256th, below 0 is 0."""
    rgbe = np.empty((image.height, image.width, 4), np.uint8)
    for row in range(0, image.height, _STRIP):
        rgbe[row : row + _STRIP] = shared(image.pixels[row : row + _STRIP])
    head = f"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y {image.height} +X {image.width}\n".encode()
    return head + (_scanlines(rgbe) if image.width in _CODED else rgbe.tobytes())


def shared(pixels: Pixels) -> Pixels:
    """Red, green and blue as mantissas of 8 bits, rounded to the nearest, and their exponent plus 128."""
    light = np.clip(pixels, 0, np.float32(1e38))
    largest = light.max(axis=2)
    _, exponents = np.frexp(largest)
    # What would round up to 256 takes the next exponent.
    exponents += np.ldexp(largest, 8 - exponents) >= 255.5
    mantissas = np.ldexp(light, (8 - exponents)[..., None]) + np.float32(0.5)
    stored = np.concatenate([mantissas, (exponents + 128)[..., None]], axis=2)
    # Less than the smallest exponent is black, which is written as four zeros.
    stored[(largest == 0) | (exponents < -127)] = 0
    return stored.astype(np.uint8)


def _scanlines(rgbe: Pixels) -> bytes:
    height, width, _ = rgbe.shape
    planes = np.ascontiguousarray(rgbe.transpose(0, 2, 1)).reshape(height * 4, width, 1)
    data, sizes = coded(planes, RADIANCE)
    ends = np.cumsum(sizes.reshape(height, 4).sum(axis=1)).tolist()
    head = bytes((2, 2, width >> 8, width & 255))
    rows = (data[begin:end] for begin, end in zip([0, *ends], ends, strict=False))
    return b"".join(head + row for row in rows)
