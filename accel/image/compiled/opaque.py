"""The loop of `accel.image.block_encoders.raise_alpha`, compiled, with identical results."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from accel.image.compiled.constants import BC7_WEIGHTS
from accel.image.compiled.jit import jit
from accel.image.pixel_data import Pixels

_ONE, _NIBBLE, _SEVEN = np.uint64(1), np.uint64(15), np.uint64(127)
_MODE, _SHARED, _FOUR = np.uint64(0x40), np.uint64(63), np.uint64(4)
_BYTE, _SECOND, _THIRD = np.uint64(0xFF), np.uint64(0xFF00), np.uint64(0xFF0000)
# Three colours per word, in lanes wide enough for the weighted sum of 16 of them (18 bits).
_LANE, _LANE_BITS = np.uint64(21), np.uint64((1 << 21) - 1)
_UP, _FAR_UP = np.uint64(21 - 8), np.uint64(42 - 16)
_WEIGHTS = BC7_WEIGHTS.astype(np.uint64)

Words = NDArray[np.uint64]


def raise_alpha(words: Words, pixels: Pixels) -> Words:
    """See `accel.image.block_encoders.raise_alpha`."""
    result = words.copy()
    _raise_blocks(result, pixels.view("<u4")[..., 0])
    return result


@jit
def _raise_blocks(words: Words, texels: NDArray[Any]) -> None:
    """Changes `words` in place; `texels` is RGBA as 32-bit words, 4 x 4 per block."""
    across = texels.shape[1] // 4
    for row in range(texels.shape[0] // 4):
        for column in range(across):
            block = row * across + column
            low, high = words[block, 0], words[block, 1]
            if low & _SEVEN == _MODE and (low >> _SHARED) & high & _ONE == 0:
                words[block, 0] = _raise_block(low, high, texels, 4 * row, 4 * column)
                words[block, 1] = high | _ONE


@jit
def _raise_block(low: np.uint64, high: np.uint64, texels: NDArray[Any], top: int, left: int) -> np.uint64:
    indices = (high & ~_NIBBLE) | ((high & _NIBBLE) >> _ONE)
    summed = weighed = total = squares = np.uint64(0)
    for y in range(4):
        for x in range(4):
            texel = np.uint64(texels[top + y, left + x])
            colors = (texel & _BYTE) | ((texel & _SECOND) << _UP) | ((texel & _THIRD) << _FAR_UP)
            weight = _WEIGHTS[indices & _NIBBLE]
            indices >>= _FOUR
            summed += colors
            weighed += weight * colors
            total += weight
            squares += weight * weight
    return _nearest_ends(low, high, summed, weighed, total, squares)


@jit
def _nearest_ends(
    low: np.uint64, high: np.uint64, summed: np.uint64, weighed: np.uint64, sum1: np.uint64, sum2: np.uint64
) -> np.uint64:
    total, squares = np.int64(sum1), np.int64(sum2)
    first, both = 65536 - 128 * total + squares, 64 * total - squares
    bit0, bit1 = np.int64(low >> _SHARED), np.int64(high & _ONE)
    for channel in range(3):
        lane = np.uint64(channel) * _LANE
        plain, share = np.int64((summed >> lane) & _LANE_BITS), np.int64((weighed >> lane) & _LANE_BITS)
        shift0 = np.uint64(7 + 14 * channel)
        shift1 = np.uint64(14 + 14 * channel)
        seven0, seven1 = np.int64((low >> shift0) & _SEVEN), np.int64((low >> shift1) & _SEVEN)
        end0, end1 = 2 * seven0 + bit0, 2 * seven1 + bit1
        slope0 = first * end0 + both * end1 - 64 * (64 * plain - share)
        slope1 = both * end0 + squares * end1 - 64 * share
        if bit0 == 0 and slope0 > 0 and seven0 > 0:
            low -= _ONE << shift0
        if bit1 == 0 and slope1 > 0 and seven1 > 0:
            low -= _ONE << shift1
    return low | (_ONE << _SHARED)
