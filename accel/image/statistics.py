"""Statistics of channels: extremes, entropy and seams, plus samples of pixels and single channels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
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
"""Size of a block that fits into the cache (16-bit blocks have half the rows). Sums of its squares need less
than 24 bits, or 53 for 16-bit values, so floats hold them exactly in any order."""
_STRIP = 1 << 16
"""Pixels per strip, sized to fit into the CPU cache."""


class IntegerStatistics:
    """Exact statistics of 8- or 16-bit channels."""

    def __init__(self, strips: Iterable[Pixels], *, has_alpha: bool = False) -> None:
        """`strips` are whole rows of the image, from top to bottom. `has_alpha` says that the last channel is
        alpha."""
        found: list[tuple[Pixels, ...]] = []
        self._count = self._opaque = self._visible = 0
        for strip in strips:
            found += [_sum_blocks(blocks, strip.shape[2]) for blocks in _in_blocks(strip)]
            self._top = int(np.iinfo(strip.dtype).max)
            self._count += strip[..., 0].size
            if has_alpha:
                opaque, visible = _count_alpha(strip, self._top)
                self._opaque += opaque
                self._visible += visible
        lows, highs, sums, squares = (np.stack(one) for one in zip(*found, strict=True))
        self._low, self._high = lows.min(axis=0).tolist(), highs.max(axis=0).tolist()
        self._sums, self._squares = sums.sum(axis=0).tolist(), squares.sum(axis=0).tolist()

    def channel(self, index: int, name: str) -> Channel:
        top, count, total = self._top, self._count, self._sums[index]
        # Use integers up to the division: floats would lose a small variance of large values.
        variance = (self._squares[index] * count - total * total) / (count * count)
        low, high = self._low[index] / top, self._high[index] / top
        return Channel(name, low, high, total / count / top, math.sqrt(variance) / top)

    def alpha(self, index: int) -> Alpha:
        """Returns the alpha statistics of a channel."""
        low, high, top, count = self._low[index], self._high[index], self._top, self._count
        return Alpha(
            used=low != high,
            constant=round(low * 255 / top) if low == high else None,
            min=low / top,
            max=high / top,
            share_opaque=self._opaque / count,
            share_transparent=(count - self._visible) / count,
        )

    def colors_equal(self) -> bool:
        """Whether the first three channels have equal statistics. If not, the image isn't grey."""
        return all(one[0] == one[1] == one[2] for one in (self._low, self._high, self._sums, self._squares))


_ALPHA_ROWS = 1 << 20
"""Pixels whose alpha is counted at a time: a copy of all takes a quarter of a large image's memory again."""


def _count_alpha(pixels: Pixels, top: int) -> tuple[int, int]:
    """Returns the number of opaque pixels and of those that aren't fully transparent."""
    opaque = visible = 0
    rows = max(1, _ALPHA_ROWS // pixels.shape[1])
    for begin in range(0, len(pixels), rows):
        # Copying to contiguous memory takes a third of the time of strided access.
        column = np.ascontiguousarray(pixels[begin : begin + rows, :, -1])
        opaque += int(np.count_nonzero(column == top))
        visible += int(np.count_nonzero(column))
    return opaque, visible


def _in_blocks(pixels: Pixels) -> Iterator[Pixels]:
    """Yields all values as arrays of blocks x rows x values; rows hold whole pixels."""
    channels, most = pixels.shape[2], _ROWS // pixels.itemsize
    rest = pixels.reshape(-1)
    while rest.size:
        rows = most if rest.size >= most * channels else 1
        across = min(_ACROSS, rest.size // channels // rows) * channels
        whole = rest.size // (rows * across) * rows * across
        yield rest[:whole].reshape(-1, rows, across)
        rest = rest[whole:]


def _sum_blocks(blocks: Pixels, channels: int) -> tuple[Pixels, ...]:
    """Returns the minimum, maximum, sum and sum of squares of each channel."""
    _, rows, across = blocks.shape
    kind = np.float32 if blocks.itemsize == 1 else np.float64
    values, ones, sums = np.empty((rows, across), kind), np.ones(rows, kind), np.zeros((2, across))
    low, high = blocks[0, 0].copy(), blocks[0, 0].copy()
    for block in blocks:
        np.copyto(values, block)
        sums[0] += ones @ values
        np.multiply(values, values, out=values)
        sums[1] += ones @ values
        np.minimum(low, block.min(axis=0), out=low)
        np.maximum(high, block.max(axis=0), out=high)
    low, high = (values.reshape(-1, channels) for values in (low, high))
    total, squares = sums.astype(np.int64).reshape(2, -1, channels).sum(axis=1)
    return low.min(axis=0), high.max(axis=0), total, squares


class FloatStatistics:
    """Statistics of 32-bit float channels."""

    def __init__(self, image: pyvips.Image, pixels: Pixels) -> None:
        # Row 0 covers all channels. Columns: minimum, maximum, sum, sum of squares, mean, deviation.
        self._table = image.stats().numpy().reshape(image.bands + 1, -1)
        self._pixels = pixels

    def channel(self, index: int, name: str) -> Channel:
        low, high, _, _, mean, deviation = self._table[index + 1, :6].tolist()
        # libvips computes a sample deviation (n - 1), and NaN for one pixel.
        count = self._pixels[..., index].size
        return Channel(name, low, high, mean, deviation * math.sqrt(1 - 1 / count) if count > 1 else 0.0)

    def alpha(self, index: int) -> Alpha:
        """Returns the alpha statistics of a channel."""
        low, high = self._table[index + 1, :2].tolist()
        column = self._pixels[..., index]
        constant = round(min(1.0, max(0.0, low)) * 255) if low == high else None
        opaque, clear = float((column >= 1).mean()), float((column <= 0).mean())
        return Alpha(low != high, constant, low, high, opaque, clear)

    def colors_equal(self) -> bool:
        """Whether the first three channels have equal extremes. If not, the image isn't grey."""
        rows = self._table[1:4, :2]
        return bool((rows == rows[0]).all())


def is_grey(pixels: Pixels) -> bool:
    """Whether the first three channels are equal in every pixel."""
    flat = pixels.reshape(-1, pixels.shape[2])
    return all(_equal(flat[begin : begin + _STRIP]) for begin in range(0, len(flat), _STRIP))


def _equal(strip: Pixels) -> bool:
    # Comparing adjacent values is twice as fast as strided access; pairs across other channels are ignored.
    values, channels = strip.reshape(-1), strip.shape[1]
    same = values[1:] == values[:-1]
    for other in range(2, channels):
        same[other::channels] = True
    return bool(same.all())


Floats = NDArray[np.floating[Any]]

SAMPLE = 256
"""Maximum side length of the sample in texels."""


def sample_pixels(pixels: Pixels) -> Floats:
    """Returns a regular sample of at most about 256 x 256 texels: channels x texels, 0..1."""
    down, right = sample_steps(pixels)
    return _planes(pixels[::down, ::right])


def _planes(texels: Pixels) -> Floats:
    # Planes: numpy is ten times slower at summing the three values of a texel. Integers are copied before
    # scaling, which is faster.
    planes = np.ascontiguousarray(texels.transpose(2, 0, 1))
    return unit_scale(planes.reshape(len(planes), -1))


def sample_grid(pixels: Pixels) -> tuple[int, int]:
    """Returns the rows and columns of the sample."""
    down, right = sample_steps(pixels)
    return -(-pixels.shape[0] // down), -(-pixels.shape[1] // right)


def sample_steps(pixels: Pixels) -> tuple[int, int]:
    """Returns the distance between sampled texels, in rows and columns, at least 1."""
    height, width = pixels.shape[:2]
    return max(1, -(-height // SAMPLE)), max(1, -(-width // SAMPLE))


def unit_scale(pixels: Pixels) -> Floats:
    """Scales integers to 0..1 as float32; floats keep their values."""
    return np.multiply(pixels, np.float32(1 / _TOPS.get(pixels.dtype.name, 1.0)), dtype=np.float32)


_TOPS = {"uint8": 255.0, "uint16": 65535.0}


def luminance(planes: Floats) -> Floats:
    """Returns the luminance of the first three channels (ITU-R BT.709), or the first of fewer channels."""
    if len(planes) < 3:
        first: Floats = planes[0]
        return first
    # For a matrix product, numpy would start threads that cost more than the work.
    grey: Floats = planes[0] * np.float32(0.2126)
    grey += planes[1] * np.float32(0.7152)
    grey += planes[2] * np.float32(0.0722)
    return grey


_EDGE = 1024
"""Maximum number of texels to compare along an edge."""


def entropy(planes: Floats) -> float:
    """Returns the entropy of luminance, quantised to 256 steps, in bits per pixel."""
    steps = luminance(planes) * 255
    steps += 0.5
    shares = np.bincount(np.clip(steps, 0, 255, out=steps).astype(np.uint8), minlength=256) / steps.size
    shares = shares[shares > 0]
    return max(0.0, float(-(shares * np.log2(shares)).sum()))


def seams(pixels: Pixels) -> Seams:
    """Compares the step across opposite edges with steps between neighbours inside."""
    return Seams(horizontal=_seam(pixels.swapaxes(0, 1)), vertical=_seam(pixels))


def _seam(rows: Pixels) -> float:
    """Returns the seam between bottom and top edge: 0 if the step across it is like any other, near 1 if it
    is far larger."""
    height = len(rows)
    if height < 4:
        return 0.0
    # Copy once: the rows may be columns, whose texels are far apart in memory.
    return _seam_between(_pick_rows(rows[:, :: _edge_step(rows.shape[1])], _compared_rows(height)))


def _edge_step(length: int) -> int:
    return max(1, length // _EDGE)


def _seam_between(compared: Pixels) -> float:
    """Returns the seam from the rows of `_compared_rows`."""
    taken = unit_scale(compared)
    steps = taken[: len(taken) // 2]
    np.abs(np.subtract(steps, taken[len(steps) :], out=steps), out=steps)
    inside = max(_mean(steps[:_NEAR]), _mean(steps[_NEAR:-1]))
    across = _mean(steps[-1:])
    return min(max((across - inside) / (across + inside + 1 / 255), 0.0), 1.0)


@lru_cache
def _compared_rows(height: int) -> NDArray[np.intp]:
    """Returns row indices, then the index of the row below each; below the last row is the first."""
    # Include rows near the edges: a steep wave that continues across them isn't a seam.
    near = np.array([0, 1, height - 3, height - 2])
    anywhere = np.linspace(0, height - 2, 12).astype(int)
    firsts = np.concatenate([near, anywhere, [height - 1]])
    return np.concatenate([firsts, (firsts + 1) % height])


_NEAR = 4
"""Number of leading steps in `_compared_rows` that are near the edges."""


def _mean(steps: Floats) -> float:
    """Same as numpy's mean, in half the time for few values."""
    return float(np.add.reduce(steps, axis=None) / steps.size)


def _pick_rows(rows: Pixels, places: NDArray[np.intp]) -> Pixels:
    """Copies some rows as whole texels, which is twice as fast in numpy as by channel."""
    texels = rows.view(np.dtype((np.void, rows.shape[2] * rows.itemsize)))[..., 0]
    return texels[places].view(rows.dtype).reshape(len(places), *rows.shape[1:])


_EDGE_ROWS = 16
"""Rows whose changes are measured, each with its next one."""
_HARD = 0.15
"""The smallest step in luminance, 0..1, of a hard edge: a glow of 16 pixels changes by 0.12 at most."""


def hard_edges(pixels: Pixels, has_alpha: bool) -> float:
    """Returns the share of the changes in luminance between neighbours that are hard edges, by size.

    Luminance counts by alpha, so that the colours of transparent pixels don't. 0 without any change, and for
    floats.
    """
    height = len(pixels)
    if height < 2 or pixels.dtype.kind == "f":
        return 0.0
    return _hard_share(pixels[_edge_rows(height)], has_alpha)


def _edge_rows(height: int) -> NDArray[np.intp]:
    """Returns some rows, and the next of each: 2 x rows."""
    first = np.unique(np.linspace(0, height - 2, _EDGE_ROWS).astype(int))
    return np.stack([first, first + 1])


def _hard_share(rows: Pixels, has_alpha: bool) -> float:
    """Returns `hard_edges` from the rows of `_edge_rows`: 2 x rows x width x channels."""
    taken = unit_scale(rows.transpose(3, 0, 1, 2))
    grey = luminance(taken[:-1] if has_alpha and len(taken) > 1 else taken)
    if has_alpha:
        grey = grey * taken[-1]
    changes = np.abs(np.concatenate([np.diff(grey[0]).ravel(), (grey[1] - grey[0]).ravel()]))
    total = float(changes.sum())
    return min(1.0, float(changes[changes >= _HARD].sum()) / total) if total else 0.0


class StripSample:
    """The pixels that samples need of an integer image which is too large for memory, picked from its strips.

    At least 4 pixels high and wide. The results are those of `sample_pixels`, `seams` and `hard_edges`.
    """

    def __init__(self, height: int, width: int) -> None:
        self._height, self._width = height, width
        down, right = max(1, -(-height // SAMPLE)), max(1, -(-width // SAMPLE))
        self._sample = _PickedRows(np.arange(0, height, down), np.arange(0, width, right))
        across = np.arange(0, width, _edge_step(width))
        self._horizontal = _PickedRows(_compared_rows(height), across)
        along = np.arange(0, height, _edge_step(height))
        self._vertical = _PickedRows(along, _compared_rows(width))
        self._edges = _PickedRows(_edge_rows(height), np.arange(width))

    def add(self, top: int, strip: Pixels) -> None:
        """Picks from whole rows, of which the first is row `top`. Strips come from top to bottom."""
        for picked in (self._sample, self._horizontal, self._vertical, self._edges):
            picked.add(top, strip)

    def planes(self) -> Floats:
        return _planes(self._sample.pixels())

    def seams(self) -> Seams:
        columns = np.ascontiguousarray(self._vertical.pixels().swapaxes(0, 1))
        return Seams(horizontal=_seam_between(columns), vertical=_seam_between(self._horizontal.pixels()))

    def hard_edges(self, has_alpha: bool) -> float:
        return _hard_share(self._edges.pixels(), has_alpha)


class _PickedRows:
    """Some pixels of some rows, which may repeat in any order."""

    def __init__(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> None:
        self._rows, self._columns = rows, columns
        self._sorted = np.unique(rows)
        self._parts: list[Pixels] = []

    def add(self, top: int, strip: Pixels) -> None:
        first, last = np.searchsorted(self._sorted, (top, top + len(strip)))
        if first < last:
            self._parts.append(strip[(self._sorted[first:last] - top)[:, None], self._columns])

    def pixels(self) -> Pixels:
        picked: Pixels = np.concatenate(self._parts)[np.searchsorted(self._sorted, self._rows)]
        return picked


_LOSSY = frozenset({"jpeg", "webp", "avif", "hdr"})


def plane_of(image: Raster, channel: str, top: int = 0, bottom: int | None = None) -> Pixels:
    """Returns rows `top` to `bottom` of the channel `r`, `g`, `b`, `a` or `luminance` (height x width, stored
    values).

    Grey serves as red, green, blue and luminance. Luminance of colours follows ITU-R BT.709, rounded. Raises
    WorkloadError `bad_params` if there is no alpha.
    """
    rows = image.pixels[top:bottom]
    if channel == "luminance" and image.colors == 3:
        return _luminance(rows)
    strip: Pixels = rows[..., plane_index(image, channel)]
    return strip


def plane_index(image: Raster, channel: str) -> int:
    """Returns the index of the channel `r`, `g`, `b` or `a`. Raises WorkloadError `bad_params`."""
    if channel == "a":
        if not image.has_alpha:
            raise WorkloadError("bad_params", text("has no alpha channel to take"), image.name)
        return image.channels - 1
    return "rgb".find(channel) if image.colors == 3 else 0


def _luminance(rows: Pixels) -> Pixels:
    grey = luminance(np.moveaxis(rows, 2, 0)[:3])
    return (grey if rows.dtype.kind == "f" else grey + np.float32(0.5)).astype(rows.dtype)


def data_format(image: Raster, pixels: Pixels) -> str:
    """Returns a lossless format for data computed from an image: the image's own if lossless, otherwise EXR
    for floats and PNG for integers."""
    if image.format not in _LOSSY:
        return image.format
    return "exr" if pixels.dtype.kind == "f" else "png"
