"""Exact statistics of every channel, from all pixels."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pyvips

from accel.image.decoded import Pixels
from accel.image.inspection import Alpha, Channel

_ROWS, _ACROSS = 64, 1024
"""Pixels that are looked at in one go, so that what is computed stays in the cache; half the rows for 16 bit.
Sums of so many squares have less than 24 bits, or 53: floats hold them exactly, added in any order."""
_STRIP = 1 << 16
"""Pixels looked at in one go, so that what is computed stays in the cache."""


class Sums:
    """What is exact of each channel of an image of 8 or 16 bit: extremes, sums, and sums of squares."""

    def __init__(self, pixels: Pixels) -> None:
        found = [_summed(blocks, pixels.shape[2]) for blocks in _in_blocks(pixels)]
        lows, highs, sums, squares = (np.stack(one) for one in zip(*found, strict=True))
        self._low, self._high = lows.min(axis=0).tolist(), highs.max(axis=0).tolist()
        self._sums, self._squares = sums.sum(axis=0).tolist(), squares.sum(axis=0).tolist()
        self._top = int(np.iinfo(pixels.dtype).max)
        self._pixels = pixels

    def channel(self, index: int, name: str) -> Channel:
        """The statistics of one channel."""
        top, count, total = self._top, self._pixels[..., 0].size, self._sums[index]
        # In whole numbers of any length up to the quotient: what differs little would be lost.
        variance = (self._squares[index] * count - total * total) / (count * count)
        low, high = self._low[index] / top, self._high[index] / top
        return Channel(name, low, high, total / count / top, math.sqrt(variance) / top)

    def alpha(self, index: int) -> Alpha:
        """One channel as alpha."""
        low, high, top = self._low[index], self._high[index], self._top
        # In one piece, which is looked at in a third of the time of every fourth value.
        column = np.ascontiguousarray(self._pixels[..., index])
        return Alpha(
            used=low != high,
            constant=round(low * 255 / top) if low == high else None,
            min=low / top,
            max=high / top,
            share_opaque=int(np.count_nonzero(column == top)) / column.size,
            share_transparent=(column.size - int(np.count_nonzero(column))) / column.size,
        )

    def alike(self) -> bool:
        """Whether the first three channels agree in all of that: if not, it isn't grey."""
        return all(one[0] == one[1] == one[2] for one in (self._low, self._high, self._sums, self._squares))


def _in_blocks(pixels: Pixels) -> Iterator[Pixels]:
    """All values, in arrays of blocks x rows x values of whole pixels that stand side by side."""
    channels, most = pixels.shape[2], _ROWS // pixels.itemsize
    rest = pixels.reshape(-1)
    while rest.size:
        rows = most if rest.size >= most * channels else 1
        across = min(_ACROSS, rest.size // channels // rows) * channels
        whole = rest.size // (rows * across) * rows * across
        yield rest[:whole].reshape(-1, rows, across)
        rest = rest[whole:]


def _summed(blocks: Pixels, channels: int) -> tuple[Pixels, ...]:
    """The smallest and the largest value of each channel, the sum, and the sum of squares."""
    _, rows, across = blocks.shape
    kind = np.float32 if blocks.itemsize == 1 else np.float64
    held, ones, sums = np.empty((rows, across), kind), np.ones(rows, kind), np.zeros((2, across))
    low, high = blocks[0, 0].copy(), blocks[0, 0].copy()
    for block in blocks:
        np.copyto(held, block)
        sums[0] += ones @ held
        np.multiply(held, held, out=held)
        sums[1] += ones @ held
        np.minimum(low, block.min(axis=0), out=low)
        np.maximum(high, block.max(axis=0), out=high)
    low, high = (values.reshape(-1, channels) for values in (low, high))
    total, squares = sums.astype(np.int64).reshape(2, -1, channels).sum(axis=1)
    return low.min(axis=0), high.max(axis=0), total, squares


class Measured:
    """The same for images of 32 bit, whose values can't be counted one by one."""

    def __init__(self, image: pyvips.Image, pixels: Pixels) -> None:
        # Row 0 is all channels together; columns: minimum, maximum, sum, sum of squares, mean, deviation.
        self._table = image.stats().numpy().reshape(image.bands + 1, -1)
        self._pixels = pixels

    def channel(self, index: int, name: str) -> Channel:
        """The statistics of one channel."""
        low, high, _, _, mean, deviation = self._table[index + 1, :6].tolist()
        # libvips estimates that of a population by a sample, which these pixels aren't; NaN by one pixel.
        count = self._pixels[..., index].size
        return Channel(name, low, high, mean, deviation * math.sqrt(1 - 1 / count) if count > 1 else 0.0)

    def alpha(self, index: int) -> Alpha:
        """One channel as alpha."""
        low, high = self._table[index + 1, :2].tolist()
        column = self._pixels[..., index]
        constant = round(min(1.0, max(0.0, low)) * 255) if low == high else None
        opaque, clear = float((column >= 1).mean()), float((column <= 0).mean())
        return Alpha(low != high, constant, low, high, opaque, clear)

    def alike(self) -> bool:
        """Whether the first three channels have the same extremes."""
        rows = self._table[1:4, :2]
        return bool((rows == rows[0]).all())


def is_grey(pixels: Pixels) -> bool:
    """Whether the first three channels are equal in every pixel; stops where they aren't."""
    flat = pixels.reshape(-1, pixels.shape[2])
    return all(_equal(flat[begin : begin + _STRIP]) for begin in range(0, len(flat), _STRIP))


def _equal(strip: Pixels) -> bool:
    # Neighbours in memory, half the time of every third or fourth value; then what is no pair of colours.
    values, channels = strip.reshape(-1), strip.shape[1]
    same = values[1:] == values[:-1]
    for other in range(2, channels):
        same[other::channels] = True
    return bool(same.all())
