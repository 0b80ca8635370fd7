"""Targa: 8 bit grey, RGB and RGBA, run-length coded where that is smaller."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from accel.image.raster import Raster
from accel.image.readers.packed import reordered
from accel.image.writers.runs import TARGA, coded

if TYPE_CHECKING:
    from accel.image.operation import Writing

_COLOR, _GREY, _RLE = 2, 3, 8
_FOOTER = struct.pack("<II18s", 0, 0, b"TRUEVISION-XFILE.\0")
"""Marks a file of version 2, without an extension area or a developer directory."""


def tga(image: Raster, params: Writing) -> bytes:
    """Truevision TGA 2.0, from the lower left, as the oldest readers take it; alpha is straight."""
    stored = _stored(image)
    height, width, size = stored.shape
    kind = _GREY if size == 1 else _COLOR
    packed, _ = coded(stored, TARGA)
    smaller = len(packed) < stored.nbytes
    attributes = 8 if image.has_alpha else 0
    head = struct.pack(
        "<BBB5xHHHHBB", 0, 0, kind | (_RLE if smaller else 0), 0, 0, width, height, 8 * size, attributes
    )
    return b"".join((head, packed if smaller else stored.data, _FOOTER))


def _stored(image: Raster) -> np.ndarray:
    """Blue first, the lowest row first."""
    pixels = image.pixels[::-1]
    if image.channels == 1:
        return np.ascontiguousarray(pixels)
    return reordered(pixels, (2, 1, 0, 3)[: image.channels])
