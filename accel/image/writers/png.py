"""PNG, deflated in one piece by libdeflate: in less time than zlib takes, and in no more bytes."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from deflate import zlib_compress
from numpy.typing import NDArray

from accel.image.decoded import Pixels
from accel.image.pngfile import COLOR_TYPES, END, SIGNATURE, chunk

FAST = 1
"""A level for what is looked at once."""
USUAL = 2
"""As many bytes as zlib's level 3 or fewer, in six to nine tenths of the time; 3 takes a quarter longer for
2 % fewer."""
THOROUGH = 6
"""For drawings, in which repetitions are found in no time that lower levels leave."""

MOST = 1 << 26
"""Bytes of pixels up to which two copies of them are made."""

_ROWS = 16
"""Looked at in two places each."""
_SMALL = 1 << 16
"""Bytes of pixels for which looking would take as long as writing."""
_VANISHING = 8
"""How many times smaller rows become that are worth `THOROUGH`."""
_NONE, _UP = 0, 2
"""Numbers of filters (PNG, 9.2)."""

Rows = NDArray[np.uint8]


def png(pixels: Pixels, level: int) -> bytes:
    """A file of uint8 or uint16, height x width x 1 to 4 channels: grey or RGB, of an even number the last
    one is alpha."""
    height, width, channels = pixels.shape
    rows = _bytes(pixels)
    filter, level = _chosen(rows, level)
    header = struct.pack(">IIBBBBB", width, height, 8 * pixels.itemsize, COLOR_TYPES[channels], 0, 0, 0)
    deflated = zlib_compress(_filtered(rows, filter), level)
    return b"".join([SIGNATURE, *chunk(b"IHDR", [header]), *chunk(b"IDAT", [deflated]), END])


def differs(pixels: Pixels) -> bool:
    """Whether rows become smaller as differences to the row above, as photographs and normal maps do, by a
    sixth to more than half; drawings become larger."""
    return _tried(_bytes(_some(pixels)), USUAL)[0] == _UP


def _bytes(pixels: Pixels) -> Rows:
    """Of each row the bytes as the file has them: of 16 bits the upper one first (PNG, 7.1)."""
    stored = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder(">"))
    return stored.view(np.uint8).reshape(len(pixels), -1)


def _chosen(rows: Rows, level: int) -> tuple[int, int]:
    """A filter and a level."""
    return (_NONE, level) if rows.size < _SMALL else _tried(_some(rows), level)


def _some(rows: NDArray[Any]) -> NDArray[Any]:
    """A few rows, from two places."""
    height = len(rows)
    thirds = np.r_[slice(height // 3, height // 3 + _ROWS), slice(height * 2 // 3, height * 2 // 3 + _ROWS)]
    some: NDArray[Any] = rows[thirds[thirds < height]]
    return some


def _tried(some: Rows, level: int) -> tuple[int, int]:
    """The filter and the level by which these rows become small."""
    # Not paeth, which takes half as long again for 4 % less.
    sizes = {filter: len(zlib_compress(_filtered(some, filter), USUAL)) for filter in (_NONE, _UP)}
    best = min(sizes, key=lambda filter: sizes[filter])
    return best, THOROUGH if level > FAST and sizes[best] * _VANISHING < some.size else level


def _filtered(rows: Rows, filter: int) -> Rows:
    """Each row behind the number of its filter."""
    made = np.empty((len(rows), 1 + rows.shape[1]), np.uint8)
    made[:, 0] = filter
    made[:, 1:] = rows
    if filter == _UP:
        # Above the first row all is 0.
        np.subtract(rows[1:], rows[:-1], out=made[1:, 1:])
    return made
