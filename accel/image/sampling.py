"""A regular sample of an image's texels, values on a scale of 1, and their luminance."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from accel.image.decoded import Pixels

Floats = NDArray[np.floating[Any]]

SAMPLE = 256
"""Texels a side that are looked at, evenly spread, where an image has more."""


def sample(pixels: Pixels) -> Floats:
    """At most about 256 x 256 texels, evenly spread: an array of channels, 0..1, each in one piece."""
    down, right = steps(pixels)
    # Planes, as numpy takes ten times as long for sums over the three values of a texel; of integers still,
    # which is sooner done than while they are scaled.
    planes = np.ascontiguousarray(pixels[::down, ::right].transpose(2, 0, 1))
    return unit_scale(planes.reshape(len(planes), -1))


def grid(pixels: Pixels) -> tuple[int, int]:
    """The rows and columns of the sample."""
    down, right = steps(pixels)
    return -(-pixels.shape[0] // down), -(-pixels.shape[1] // right)


def steps(pixels: Pixels) -> tuple[int, int]:
    """How many rows and columns lie between two texels of the sample, from 1 on."""
    height, width = pixels.shape[:2]
    return max(1, -(-height // SAMPLE)), max(1, -(-width // SAMPLE))


def unit_scale(pixels: Pixels) -> Floats:
    """Values as 0..1 (floats as they are)."""
    return np.multiply(pixels, np.float32(1 / _TOPS.get(pixels.dtype.name, 1.0)), dtype=np.float32)


_TOPS = {"uint8": 255.0, "uint16": 65535.0}


def luminance(planes: Floats) -> Floats:
    """Of the first three channels, or the first where there are fewer (ITU-R BT.709)."""
    if len(planes) < 3:
        first: Floats = planes[0]
        return first
    # Not by a product of matrices, for which numpy would wake threads that cost more than the work.
    grey: Floats = planes[0] * np.float32(0.2126)
    grey += planes[1] * np.float32(0.7152)
    grey += planes[2] * np.float32(0.0722)
    return grey
