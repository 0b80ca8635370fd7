"""Separable resampling: kernels, weights per axis, and the sizes for `image.resize`."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.image.color import Floats
from accel.image.kernels import MIN_WEIGHT
from accel.image.operation import Operated, check_size
from accel.image.operations.geometry import Resize
from accel.image.pixel_coding import STRIP, Coding, channel_kind, channel_semantics, coding_of
from accel.image.pixel_data import Pixels
from accel.image.raster import Raster
from accel.workload import Limits

Kernel = Literal["lanczos", "kaiser", "cubic", "linear", "area", "nearest"]
Edge = Literal["clamp", "wrap"]

BLOCK = 16
"""New texels computed by one matrix: more would make it wider than its weights, fewer make matrices small."""

SPAN = 64
"""Approximate number of old texels that a matrix covers, not counting the kernel's reach."""

Doubles = NDArray[np.float64]
Indices = NDArray[np.int64]


class Axis(Struct, frozen=True):
    """The weights that resample a line from `old` to `new` texels."""

    old: int
    new: int
    first: Indices
    """For each new texel, the first old texel that contributes; may lie beyond the ends of the line."""
    weights: Floats
    """new x taps; each row adds up to 1."""
    edge: Edge
    """How the line continues beyond its ends: the last texel repeats, or the line wraps around."""

    def inside(self, places: Indices) -> Indices:
        """Maps positions beyond the ends of the line to texel indices."""
        return places % self.old if self.edge == "wrap" else places.clip(0, self.old - 1)

    @property
    def rings(self) -> bool:
        """Whether it has negative weights, so that results may leave the range of the input."""
        return bool(self.weights.min() < 0)

    def blocks(self) -> Iterator[Block]:
        """Yields blocks that cover all new texels in order."""
        each = max(1, min(BLOCK, SPAN * self.new // self.old))
        for begin in range(0, self.new, each):
            yield self.block(begin, min(begin + each, self.new))

    def block(self, begin: int, end: int) -> Block:
        """Returns the weights of the new texels `begin` to `end`."""
        taps = self.weights.shape[1]
        low, high = int(self.first[begin]), int(self.first[end - 1]) + taps
        matrix = np.zeros((end - begin, high - low), np.float32)
        places = (self.first[begin:end] - low)[:, None] + np.arange(taps)
        np.put_along_axis(matrix, places, self.weights[begin:end], 1)
        return Block(begin, end, low, high, matrix)


class Block(Struct, frozen=True):
    """The new texels `begin` to `end`: `matrix` times the old texels `low` to `high`."""

    begin: int
    end: int
    low: int
    high: int
    matrix: Floats


@functools.lru_cache(maxsize=64)
def axis(old: int, new: int, kernel: Kernel, edge: Edge) -> Axis:
    """Computes the weights. Texel centres are at n + 1/2, so the picture doesn't shift. When shrinking, the
    kernel widens in proportion, so that every old texel contributes."""
    if kernel == "area":
        first, weights = _overlaps(old, new)
    elif kernel == "nearest":
        first, weights = nearest(old, new), np.ones((new, 1))
    else:
        first, weights = _sample_kernel(old / new, new, *KERNELS[kernel])
    weights = weights / weights.sum(axis=1, keepdims=True)
    used = np.flatnonzero(np.abs(weights).max(axis=0) > 1e-9)
    weights = weights[:, used[0] : used[-1] + 1].astype(np.float32)
    return Axis(old, new, first + used[0], weights, edge)


def nearest(old: int, new: int) -> Indices:
    """Returns the index of the old texel that contains the centre of each new texel."""
    return (2 * np.arange(new, dtype=np.int64) + 1) * old // (2 * new)


def _overlaps(old: int, new: int) -> tuple[Indices, Doubles]:
    """Returns the overlap of old texels with each new one, in units of 1/new of an old texel."""
    begin = np.arange(new, dtype=np.int64)[:, None] * old
    first = begin[:, 0] // new
    left = (first[:, None] + np.arange(-(-old // new) + 1)) * new
    shared = np.minimum(begin + old, left + new) - np.maximum(begin, left)
    return first, np.maximum(shared, 0).astype(np.float64)


def _sample_kernel(
    scale: float, new: int, radius: float, shape: Callable[[Doubles], Doubles]
) -> tuple[Indices, Doubles]:
    stretch = max(1.0, scale)
    centres = (np.arange(new) + 0.5) * scale - 0.5
    first = np.ceil(centres - radius * stretch - 1e-9).astype(np.int64)
    places = first[:, None] + np.arange(int(2 * radius * stretch) + 1)
    distance = np.abs(places - centres[:, None]) / stretch
    return first, np.where(distance < radius, shape(distance), 0)


def _lanczos(x: Doubles) -> Doubles:
    return np.asarray(np.sinc(x) * np.sinc(x / 3))


def _kaiser(x: Doubles) -> Doubles:
    # NVIDIA Texture Tools use width 3 and alpha 4 for mipmaps.
    window = np.i0(4 * np.sqrt(np.maximum(1 - (x / 3) ** 2, 0))) / np.i0(4)
    return np.asarray(np.sinc(x) * window)


def _cubic(x: Doubles) -> Doubles:
    # Keys 1981 with a = -1/2, known as Catmull-Rom.
    return np.where(x < 1, (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2)


def _linear(x: Doubles) -> Doubles:
    return 1 - x


KERNELS: dict[str, tuple[float, Callable[[Doubles], Doubles]]] = {
    "lanczos": (3, _lanczos),
    "kaiser": (3, _kaiser),
    "cubic": (2, _cubic),
    "linear": (1, _linear),
}
"""Kernel radius in texels, and the function of distance."""


NARROW = 4
"""Lines that shrink by more than this factor are shrunk before buffering."""


FAINT = np.float32(1 / 256)
"""Alpha that is at most 1 at 8 bits."""


class Source(Protocol):
    def lines(self, rows: Indices) -> Floats: ...


class PixelSource(Struct, frozen=True):
    """Decodes lines from pixels on demand."""

    pixels: Pixels
    coding: Coding

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.pixels.shape[1], self.pixels.shape[0]

    def lines(self, rows: Indices) -> Floats:
        return self.coding.decode(_take_rows(self.pixels, rows))


class LineBuffer(Struct, frozen=True):
    values: Floats

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.values.shape[2], self.values.shape[0]

    def lines(self, rows: Indices) -> Floats:
        return _take_rows(self.values, rows)


class NarrowedSource(Struct, frozen=True):
    """Shrinks another source's lines horizontally as they are read."""

    source: Source
    axis: Axis

    def lines(self, rows: Indices) -> Floats:
        each, blocks = max(1, STRIP // (4 * self.axis.old)), list(self.axis.blocks())
        parts = [rows[begin : begin + each] for begin in range(0, len(rows), each)]
        return np.concatenate([_filter_across(self.source.lines(part), self.axis, blocks) for part in parts])


def resample(pixels: Pixels, coding: Coding, across: Axis, down: Axis) -> Pixels:
    """Resamples pixels to the new sizes of both axes."""
    result = np.empty((down.new, across.new, coding.channels), coding.dtype)
    for begin, lines in filter_image(PixelSource(pixels, coding), coding, across, down):
        end = begin + len(lines)
        coding.encode(lines, result[begin:end])
    return result


def strips(source: Source, across: Axis, down: Axis) -> Iterator[tuple[int, Floats]]:
    """Yields strips of new lines from top to bottom, each with the index of its first line.

    Filters vertically first, because those matrix products are as wide as the image; horizontal filtering is
    left with fewer lines.
    """
    source, across = _narrow(source, across)
    sides = list(across.blocks())
    low = high = int(down.first[0])
    window = np.empty((0, 0, 0), np.float32)
    for block in down.blocks():
        # Adjacent strips share lines where their kernels overlap.
        parts = [window[block.low - low :]] if block.low < high else []
        fresh = np.arange(max(high, block.low), block.high)
        parts += [source.lines(down.inside(fresh))] if len(fresh) else []
        window = parts[0] if len(parts) == 1 else np.concatenate(parts)
        low, high = block.low, block.high
        result = (block.matrix @ window.reshape(len(window), -1)).reshape(-1, *window.shape[1:])
        yield block.begin, _filter_across(result, across, sides)


def whole_image(source: Source, across: Axis, down: Axis) -> Floats:
    """Returns all strips as one array."""
    return np.concatenate([strip for _, strip in strips(source, across, down)])


def filter_image(source: Source, coding: Coding, across: Axis, down: Axis) -> Iterator[tuple[int, Floats]]:
    """Yields the strips, with valid colours at the edges of cut-outs.

    Where negative kernel weights make alpha nearly 0, dividing colours by it gives arbitrary values. These
    are replaced by the results of a linear kernel, which has no negative weights.
    """
    if not (coding.weighted and (across.rings or down.rings)):
        yield from strips(source, across, down)
        return
    soft = [axis(one.old, one.new, "linear", one.edge) for one in (across, down)]
    for begin, lines in strips(source, across, down):
        weight = lines[:, -1]
        lost = (weight < FAINT) & (np.abs(weight - MIN_WEIGHT) > MIN_WEIGHT / 1000)
        if lost.any():
            sound = _some(source, soft[0], soft[1].block(begin, begin + len(lines)), soft[1])
            # Keep at least the weight of a transparent texel, so that the division is valid.
            np.maximum(weight, MIN_WEIGHT, out=weight, where=lost)
            colors = sound[:, :-1] * (weight / sound[:, -1])[:, None]
            np.copyto(lines[:, :-1], colors, where=lost[:, None])
        yield begin, lines


def _some(source: Source, across: Axis, block: Block, down: Axis) -> Floats:
    source, across = _narrow(source, across)
    lines = source.lines(down.inside(np.arange(block.low, block.high)))
    result = (block.matrix @ lines.reshape(len(lines), -1)).reshape(-1, *lines.shape[1:])
    return _filter_across(result, across, list(across.blocks()))


def _narrow(source: Source, across: Axis) -> tuple[Source, Axis]:
    if across.old <= NARROW * across.new:
        return source, across
    return NarrowedSource(source, across), axis(across.new, across.new, "nearest", across.edge)


def _filter_across(lines: Floats, across: Axis, blocks: list[Block]) -> Floats:
    if across.old == across.new:
        return lines
    low, padded = _pad_lines(lines, across)
    count, channels, _ = lines.shape
    flat = padded.reshape(count * channels, -1)
    result = np.empty((count * channels, across.new), np.float32)
    for block in blocks:
        part = flat[:, block.low - low : block.high - low]
        np.matmul(part, block.matrix.T, out=result[:, block.begin : block.end])
    return result.reshape(count, channels, across.new)


def _pad_lines(lines: Floats, across: Axis) -> tuple[int, Floats]:
    """Returns the start index and the lines extended beyond their ends."""
    low = min(0, int(across.first[0]))
    high = max(across.old, int(across.first[-1]) + across.weights.shape[1])
    if low == 0 and high == across.old:
        return 0, lines
    ends = [lines[..., across.inside(np.arange(*span))] for span in ((low, 0), (across.old, high))]
    return low, np.concatenate([ends[0], lines, ends[1]], axis=2)


def _take_rows(values: Pixels, rows: Indices) -> Pixels:
    begin, end = int(rows[0]), int(rows[-1]) + 1
    return values[begin:end] if end - begin == len(rows) and (np.diff(rows) == 1).all() else values[rows]


def resize(images: Sequence[Raster], params: Resize, limits: Limits) -> Operated:
    (image,) = images
    width, height = target_size(image, params)
    check_size(image.name, width, height, limits)
    kind = channel_kind(image, params.kind)
    how = coding_of(image, kind, params.linear_light, params.alpha_weighted)
    meaning = channel_semantics(image, kind)
    if (width, height) == (image.width, image.height):
        return Operated({"resized": image.with_pixels(image.pixels, mips=image.mips, **meaning)})
    if params.kernel == "nearest":
        rows, columns = nearest(image.height, height), nearest(image.width, width)
        pixels = np.ascontiguousarray(image.pixels[rows][:, columns])
    else:
        across = axis(image.width, width, params.kernel, params.edge)
        down = axis(image.height, height, params.kernel, params.edge)
        pixels = how.clip_ringing(resample(image.pixels, how, across, down), image.pixels)
    return Operated({"resized": image.with_pixels(pixels, **meaning)})


def target_size(image: Raster, params: Resize) -> tuple[int, int]:
    """Returns the new width and height. Exactly one size parameter must be set (`Resize.contradiction`)."""
    old = (image.width, image.height)
    if params.power_of_two != "no":
        return power_of_two_size(old[0], params.power_of_two), power_of_two_size(old[1], params.power_of_two)
    if params.factor:
        return scaled_size(old, params.factor)
    if params.longest:
        return _size_by_factor(old, params.longest / max(old), params.enlarge)
    return _size_by_sides(old, params)


def _size_by_sides(old: tuple[int, int], params: Resize) -> tuple[int, int]:
    if params.width and params.height:
        if params.enlarge:
            return params.width, params.height
        return min(params.width, old[0]), min(params.height, old[1])
    return _size_by_factor(old, params.width / old[0] or params.height / old[1], params.enlarge)


def _size_by_factor(old: tuple[int, int], factor: float, enlarge: bool) -> tuple[int, int]:
    return scaled_size(old, factor if enlarge else min(factor, 1.0))


def scaled_size(old: tuple[int, int], factor: float) -> tuple[int, int]:
    """Returns both sides times `factor`, rounded, at least 1."""
    width, height = (max(1, math.floor(side * factor + 0.5)) for side in old)
    return width, height


def power_of_two_size(side: int, direction: str) -> int:
    """Returns the power of two closest to `side` by ratio, or the next one up or down."""
    down = 1 << (side.bit_length() - 1)
    up = down if down == side else 2 * down
    if direction == "nearest":
        # The ratio side / down is less than up / side.
        return down if side * side < down * up else up
    return up if direction == "up" else down
