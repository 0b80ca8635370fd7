"""Separable resampling: kernels, the weights of an axis, the sizes of `image.resize`."""

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
"""New texels that one matrix computes: more make it wider than its weights, fewer make small matrices."""

SPAN = 64
"""About how many old texels a matrix covers, besides the reach of its kernel."""

Doubles = NDArray[np.float64]
Indices = NDArray[np.int64]


class Axis(Struct, frozen=True):
    """The weights by which a line of `old` texels becomes one of `new`."""

    old: int
    new: int
    first: Indices
    """For each new texel the first old one that counts; it may be beyond the ends of the line."""
    weights: Floats
    """new x taps; each row's sum is 1."""
    edge: Edge
    """Values beyond the ends: the last texel repeated, or the line from its other end."""

    def inside(self, places: Indices) -> Indices:
        """Returns the indices of texels for places on the endless line."""
        return places % self.old if self.edge == "wrap" else places.clip(0, self.old - 1)

    @property
    def rings(self) -> bool:
        """Whether there are negative weights, so that a result may be beyond the range of its texels."""
        return bool(self.weights.min() < 0)

    def blocks(self) -> Iterator[Block]:
        """Yields blocks that cover all new texels, in order."""
        each = max(1, min(BLOCK, SPAN * self.new // self.old))
        for begin in range(0, self.new, each):
            yield self.block(begin, min(begin + each, self.new))

    def block(self, begin: int, end: int) -> Block:
        """Returns the weights for the new texels from `begin` to `end`."""
        taps = self.weights.shape[1]
        low, high = int(self.first[begin]), int(self.first[end - 1]) + taps
        matrix = np.zeros((end - begin, high - low), np.float32)
        places = (self.first[begin:end] - low)[:, None] + np.arange(taps)
        np.put_along_axis(matrix, places, self.weights[begin:end], 1)
        return Block(begin, end, low, high, matrix)


class Block(Struct, frozen=True):
    """The new texels from `begin` to `end`: `matrix` times the old ones from `low` to `high`."""

    begin: int
    end: int
    low: int
    high: int
    matrix: Floats


@functools.lru_cache(maxsize=64)
def axis(old: int, new: int, kernel: Kernel, edge: Edge) -> Axis:
    """Computes the weights. Texels are squares with centres at n + 1/2, so that a picture doesn't move. For
    fewer texels the kernel is widened in proportion, so that every old one counts."""
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
    """Returns the index of the old texel that contains the centre of each new one."""
    return (2 * np.arange(new, dtype=np.int64) + 1) * old // (2 * new)


def _overlaps(old: int, new: int) -> tuple[Indices, Doubles]:
    """Returns the overlap of each old texel with the new one, in units of 1/new of an old texel."""
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
    # NVIDIA's texture tools use a width of 3 and an alpha of 4 for mipmaps.
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
"""The radius of a kernel in texels, and its value at a distance."""


NARROW = 4
"""If lines shrink by more than this, they are shrunk before they are buffered."""


FAINT = np.float32(1 / 256)
"""Alpha that becomes 0, or just 1, in 8 bit."""


class Source(Protocol):
    """A source of lines."""

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
    """Lines in memory."""

    values: Floats

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.values.shape[2], self.values.shape[0]

    def lines(self, rows: Indices) -> Floats:
        return _take_rows(self.values, rows)


class NarrowedSource(Struct, frozen=True):
    """Shrinks the lines of another source across as soon as they are read."""

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
    """Yields the new lines from top to bottom: the index of the first one of a strip, and the strip.

    Filters down, then across: the first are matrix products as wide as the image, the second has fewer lines.
    """
    source, across = _narrow(source, across)
    sides = list(across.blocks())
    low = high = int(down.first[0])
    window = np.empty((0, 0, 0), np.float32)
    for block in down.blocks():
        # Neighbouring strips share lines where the kernel overlaps.
        parts = [window[block.low - low :]] if block.low < high else []
        fresh = np.arange(max(high, block.low), block.high)
        parts += [source.lines(down.inside(fresh))] if len(fresh) else []
        window = parts[0] if len(parts) == 1 else np.concatenate(parts)
        low, high = block.low, block.high
        result = (block.matrix @ window.reshape(len(window), -1)).reshape(-1, *window.shape[1:])
        yield block.begin, _filter_across(result, across, sides)


def whole_image(source: Source, across: Axis, down: Axis) -> Floats:
    """Returns all strips in one array."""
    return np.concatenate([strip for _, strip in strips(source, across, down)])


def filter_image(source: Source, coding: Coding, across: Axis, down: Axis) -> Iterator[tuple[int, Floats]]:
    """Yields the strips, with valid colours at the edges of cut-outs.

    If negative weights of a kernel sum alpha up to nearly 0, colours that are divided by it are arbitrary.
    They are replaced by those of a linear kernel, which has no negative weights.
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
            # Not less than the weight of a transparent texel, so that the division is valid.
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
    """Returns where the lines begin, and the lines with what follows beyond their ends."""
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
    """Returns the new width and height; exactly one of the parameters for a size is set
    (`Resize.contradiction`).
    """
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
    """Returns the power of two that is nearest to `side` by ratio, or the next one up or down."""
    down = 1 << (side.bit_length() - 1)
    up = down if down == side else 2 * down
    if direction == "nearest":
        # By ratio: side / down < up / side.
        return down if side * side < down * up else up
    return up if direction == "up" else down
