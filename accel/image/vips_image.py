"""Pixels as libvips' images, which works on them where they are."""

from __future__ import annotations

import numpy as np
import pyvips

from accel.image.decoded import Pixels


def image_of(pixels: Pixels, model: str) -> pyvips.Image:
    """Pixels for libvips, by its name of a colour model."""
    return stored(pixels).copy(interpretation=model)


def stored(pixels: Pixels) -> pyvips.Image:
    """The same, whatever their channels stand for."""
    height, width, bands = pixels.shape
    kind = {"uint8": "uchar", "uint16": "ushort", "float32": "float"}[pixels.dtype.name]
    return pyvips.Image.new_from_memory(np.ascontiguousarray(pixels), width, height, bands, kind)
