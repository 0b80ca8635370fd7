"""Exact channel statistics, entropy, seams, samples."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import pyvips
from numpy.typing import NDArray

from accel.image.pixel_data import Pixels
from accel.image.raster import Raster
from accel.image.records import Alpha, Channel, Seams
from accel.text import text
from accel.workload import WorkloadError

_ROWS, _ACROSS = 64, 1024
"""Pixels that are looked at in one go, so that what is computed stays in the cache; half the rows for 16 bit.
Sums of so many squares have less than 24 bits, or 53: floats hold them exactly, added in any order."""
_STRIP = 1 << 16
"""Pixels looked at in one go, so that what is computed stays in the cache."""


class IntegerStatistics:
    """What is exact of each channel of an image of 8 or 16 bit: extremes, sums, and sums of squares."""

    def __init__(self, pixels: Pixels) -> None:
        found = [_sum_blocks(blocks, pixels.shape[2]) for blocks in _in_blocks(pixels)]
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


def _sum_blocks(blocks: Pixels, channels: int) -> tuple[Pixels, ...]:
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


class FloatStatistics:
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


Floats = NDArray[np.floating[Any]]

SAMPLE = 256
"""Texels a side that are looked at, evenly spread, where an image has more."""


def sample_pixels(pixels: Pixels) -> Floats:
    """At most about 256 x 256 texels, evenly spread: an array of channels, 0..1, each in one piece."""
    down, right = sample_steps(pixels)
    # Planes, as numpy takes ten times as long for sums over the three values of a texel; of integers still,
    # which is sooner done than while they are scaled.
    planes = np.ascontiguousarray(pixels[::down, ::right].transpose(2, 0, 1))
    return unit_scale(planes.reshape(len(planes), -1))


def sample_grid(pixels: Pixels) -> tuple[int, int]:
    """The rows and columns of the sample."""
    down, right = sample_steps(pixels)
    return -(-pixels.shape[0] // down), -(-pixels.shape[1] // right)


def sample_steps(pixels: Pixels) -> tuple[int, int]:
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


_EDGE = 1024
"""Texels of an edge that are compared, where it has more."""


def entropy(planes: Floats) -> float:
    """Bits per pixel of the luminance in 256 steps; from one channel or the first three."""
    steps = luminance(planes) * 255
    steps += 0.5
    shares = np.bincount(np.clip(steps, 0, 255, out=steps).astype(np.uint8), minlength=256) / steps.size
    shares = shares[shares > 0]
    return max(0.0, float(-(shares * np.log2(shares)).sum()))


def seams(pixels: Pixels) -> Seams:
    """Compares the step across opposite edges with the steps between neighbours inside."""
    return Seams(horizontal=_seam(pixels.swapaxes(0, 1)), vertical=_seam(pixels))


def _seam(rows: Pixels) -> float:
    """For top against bottom edge; 0 where the step across them is as any other, towards 1 if larger."""
    height = len(rows)
    if height < 4:
        return 0.0
    step = max(1, rows.shape[1] // _EDGE)
    # All in one go: rows may be columns, each of whose texels is far from the next in memory.
    taken = unit_scale(_pick_rows(rows[:, ::step], _compared_rows(height)))
    steps = taken[: len(taken) // 2]
    np.abs(np.subtract(steps, taken[len(steps) :], out=steps), out=steps)
    inside = max(_mean(steps[:_NEAR]), _mean(steps[_NEAR:-1]))
    across = _mean(steps[-1:])
    return min(max((across - inside) / (across + inside + 1 / 255), 0.0), 1.0)


@lru_cache
def _compared_rows(height: int) -> NDArray[np.intp]:
    """The places of rows, and then those of the rows behind each; behind the last stands the first."""
    # What is steep at the edges, as in a wave that goes on, is no seam.
    near = np.array([0, 1, height - 3, height - 2])
    anywhere = np.linspace(0, height - 2, 12).astype(int)
    firsts = np.concatenate([near, anywhere, [height - 1]])
    return np.concatenate([firsts, (firsts + 1) % height])


_NEAR = 4
"""Of the steps of `_compared`, how many of the first are near the edges."""


def _mean(steps: Floats) -> float:
    """numpy's very value, in half its time for so few."""
    return float(np.add.reduce(steps, axis=None) / steps.size)


def _pick_rows(rows: Pixels, places: NDArray[np.intp]) -> Pixels:
    """Some rows; numpy copies texels as wholes in half the time that it takes for those of channels."""
    texels = rows.view(np.dtype((np.void, rows.shape[2] * rows.itemsize)))[..., 0]
    return texels[places].view(rows.dtype).reshape(len(places), *rows.shape[1:])


_LOSSY = frozenset({"jpeg", "webp", "avif", "hdr"})


def plane_of(image: Raster, channel: str, top: int = 0, bottom: int | None = None) -> Pixels:
    """Rows `top` to `bottom` of `r`, `g`, `b`, `a` or `luminance`: height x width, of the image's type.

    Values are those stored, without sRGB's curve. Grey is its own red, green, blue and luminance; that of
    colours is ITU-R BT.709's sum, rounded. Raises WorkloadError `bad_params` where there is no alpha.
    """
    rows = image.pixels[top:bottom]
    if channel == "luminance" and image.colors == 3:
        return _luminance(rows)
    strip: Pixels = rows[..., plane_index(image, channel)]
    return strip


def plane_index(image: Raster, channel: str) -> int:
    """Where `r`, `g`, `b` or `a` is. Raises WorkloadError `bad_params`."""
    if channel == "a":
        if not image.has_alpha:
            raise WorkloadError("bad_params", text("has no alpha channel to take"), image.name)
        return image.channels - 1
    return "rgb".find(channel) if image.colors == 3 else 0


def _luminance(rows: Pixels) -> Pixels:
    grey = luminance(np.moveaxis(rows, 2, 0)[:3])
    return (grey if rows.dtype.kind == "f" else grey + np.float32(0.5)).astype(rows.dtype)


def data_format(image: Raster, made: Pixels) -> str:
    """The image's own format or, where that would lose some of what must stay exact in what was made of it,
    PNG; EXR for floats, of which PNG would cut what is beyond 1."""
    if image.format not in _LOSSY:
        return image.format
    return "exr" if made.dtype.kind == "f" else "png"
