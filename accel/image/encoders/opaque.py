"""Blocks of BC7 that were meant to be opaque, made so: fast encoders leave alpha at 254 in mode 6."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from accel.image.decoded import Pixels

Floats = NDArray[np.float32]
Words = NDArray[np.uint64]

# Mode 6 (Khronos Data Format Specification 1.3, section 20.1): seven bits 0000001, then for each channel two
# end points of 7 bits, one lowest bit for each end point that all its channels share, and 16 indices of 4
# bits, of which the first lacks its highest.
_MODE, _MODE_BITS = np.uint64(0x40), np.uint64(0x7F)
_SHARED, _ONE = np.uint64(63), np.uint64(1)
_SHIFTS = np.arange(7, 49, 7, dtype=np.uint64)[:, None]
"""Where red's, green's and blue's end points are."""
_SEVEN = np.uint64(127)
STEPS = np.array([0, 4, 9, 13, 17, 21, 26, 30, 34, 38, 43, 47, 51, 55, 60, 64], np.float32)
"""The weights of the second end point, of 64: all sums of them are whole numbers that float32 holds."""


def _pairs() -> NDArray[np.float64]:
    """The weights of the two indices in a byte: two float32, taken as one number that is looked up once."""
    byte = np.arange(256)
    return np.stack([STEPS[byte & 15], STEPS[byte >> 4]], -1).view(np.float64)[:, 0]


_PAIRS = _pairs()


def lifted(words: Words, pixels: Pixels) -> Words:
    """The blocks (blocks x 2) with alpha 255 throughout; `pixels` is the RGBA that they are of, in whole
    blocks.

    An end point's alpha is 254 where its shared lowest bit is 0. The bit is set, and each of its colours,
    which all become odd by that, goes up or down by 1, whichever is nearer to the pixels.
    """
    low, high = words[:, 0], words[:, 1]
    clear = (low >> _SHARED) & high & _ONE == 0
    found = np.flatnonzero(clear & ((low & _MODE_BITS) == _MODE))
    made = words.copy()
    if found.size:
        made[found, 0], made[found, 1] = _lifted(low[found], high[found], _of(pixels, found))
    return made


def _of(pixels: Pixels, found: NDArray[Any]) -> Floats:
    """Blocks x 16 pixels x RGBA."""
    across = pixels.shape[1] // 4
    blocks = pixels.reshape(-1, 4, across, 4, 4)
    return blocks[found // across, :, found % across].reshape(-1, 16, 4).astype(np.float32)


def _lifted(low: Words, high: Words, pixels: Floats) -> tuple[Words, Words]:
    # 3 colours x 2 end points x blocks.
    sevens = ((low >> _SHIFTS) & _SEVEN).reshape(3, 2, -1).astype(np.float32)
    shared = np.stack([low >> _SHARED, high & _ONE]).astype(np.float32)
    ends = 2 * sevens + shared
    shares = _shares(high)
    first, both, second = _squares(shares[:, 1])
    # Half the slope of the squared error by each end point: upwards where what is decoded is too light.
    slope = np.stack([first * ends[:, 0] + both * ends[:, 1], both * ends[:, 0] + second * ends[:, 1]], 1)
    slope -= 64 * (shares @ pixels).transpose(2, 1, 0)[:3]
    down = ((shared == 0) & (slope > 0) & (sevens > 0)).reshape(6, -1)
    for shift, each in zip(_SHIFTS, down, strict=True):
        low = low - (each.astype(np.uint64) << shift)
    return low | _ONE << _SHARED, high | _ONE


def _squares(weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Sums over each block's pixels: of (64 - w)^2, of (64 - w) w, of w^2."""
    total = weights.sum(1)
    squares = np.einsum("ij,ij->i", weights, weights)
    return 65536 - 128 * total + squares, 64 * total - squares, squares


def _shares(high: Words) -> Floats:
    """Blocks x 2 end points x 16 pixels: how much of each end point is in each pixel, of 64."""
    # The first index has 3 bits, above the shared bit of the second end point.
    aligned = (high & ~np.uint64(0xF)) | (high & np.uint64(0xF)) >> _ONE
    shares = np.empty((len(high), 2, 16), np.float32)
    shares[:, 1] = _PAIRS.take(aligned.view(np.uint8)).view(np.float32).reshape(-1, 16)
    np.subtract(64, shares[:, 1], out=shares[:, 0])
    return shares
