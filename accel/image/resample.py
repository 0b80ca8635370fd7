"""Separable resampling: kernels, axes, sizes."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.image.color import Floats
from accel.image.kernels import SLIGHT
from accel.image.operation import Operated, check_size
from accel.image.operations.geometry import Resize
from accel.image.pixel_coding import STRIP, Coding, channel_kind, channel_semantics, coding
from accel.image.pixel_data import Pixels
from accel.image.raster import Raster
from accel.workload import Limits

Kernel = Literal["lanczos", "kaiser", "cubic", "linear", "area", "nearest"]
Edge = Literal["clamp", "wrap"]

BLOCK = 16
"""New texels that one matrix makes: more make it wider than its weights, fewer make small matrices."""

SPAN = 64
"""Old texels that a matrix takes, about, beside those that its kernel reaches for."""

Doubles = NDArray[np.float64]
Indices = NDArray[np.int64]


class Axis(Struct, frozen=True):
    """How a line of `old` texels becomes one of `new`."""

    old: int
    new: int
    first: Indices
    """For each new texel the first old one that counts; beyond the line's ends where the kernel reaches."""
    weights: Floats
    """new x taps; each row's sum is 1."""
    edge: Edge
    """What lies beyond the ends: the last texel again, or the line from its other end."""

    def inside(self, places: Indices) -> Indices:
        """Places on the endless line as indices of texels."""
        return places % self.old if self.edge == "wrap" else places.clip(0, self.old - 1)

    @property
    def rings(self) -> bool:
        """Whether weights are negative somewhere, so that a result may lie beyond all that it is made of."""
        return bool(self.weights.min() < 0)

    def blocks(self) -> Iterator[Block]:
        """All new texels, in order."""
        each = max(1, min(BLOCK, SPAN * self.new // self.old))
        for begin in range(0, self.new, each):
            yield self.block(begin, min(begin + each, self.new))

    def block(self, begin: int, end: int) -> Block:
        """Some new texels."""
        taps = self.weights.shape[1]
        low, high = int(self.first[begin]), int(self.first[end - 1]) + taps
        matrix = np.zeros((end - begin, high - low), np.float32)
        places = (self.first[begin:end] - low)[:, None] + np.arange(taps)
        np.put_along_axis(matrix, places, self.weights[begin:end], 1)
        return Block(begin, end, low, high, matrix)


class Block(Struct, frozen=True):
    """Some neighbouring new texels: `matrix` times the old ones from `low` to `high`."""

    begin: int
    end: int
    low: int
    high: int
    matrix: Floats


@functools.lru_cache(maxsize=64)
def axis(old: int, new: int, kernel: Kernel, edge: Edge) -> Axis:
    """The weights. Texels are squares whose centres lie at n + 1/2, so that a picture keeps its place;
    towards fewer texels a kernel is widened in proportion, so that nothing is left out."""
    if kernel == "area":
        first, weights = _overlaps(old, new)
    elif kernel == "nearest":
        first, weights = nearest(old, new), np.ones((new, 1))
    else:
        first, weights = _sampled(old / new, new, *KERNELS[kernel])
    weights = weights / weights.sum(axis=1, keepdims=True)
    used = np.flatnonzero(np.abs(weights).max(axis=0) > 1e-9)
    weights = weights[:, used[0] : used[-1] + 1].astype(np.float32)
    return Axis(old, new, first + used[0], weights, edge)


def nearest(old: int, new: int) -> Indices:
    """For each new texel the old one in which its centre lies."""
    return (2 * np.arange(new, dtype=np.int64) + 1) * old // (2 * new)


def _overlaps(old: int, new: int) -> tuple[Indices, Doubles]:
    """Each old texel by what it shares with the new one, in whole numbers: 1/new of an old texel."""
    begin = np.arange(new, dtype=np.int64)[:, None] * old
    first = begin[:, 0] // new
    left = (first[:, None] + np.arange(-(-old // new) + 1)) * new
    shared = np.minimum(begin + old, left + new) - np.maximum(begin, left)
    return first, np.maximum(shared, 0).astype(np.float64)


def _sampled(
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
    # NVIDIA's texture tools take a width of 3 and an alpha of 4 for their mipmaps.
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
"""By name: how far a kernel reaches, in texels, and its value at a distance."""


NARROW = 4
"""Shrunk more than so much, lines are made narrow first, as many of them are held at a time."""


FAINT = np.float32(1 / 256)
"""Alpha that is 0, or hardly 1, once it is written in 8 bit."""


class Source(Protocol):
    """Where lines come from."""

    def lines(self, rows: Indices) -> Floats: ...


class Stored(Struct, frozen=True):
    """Lines that are decoded from pixels as they are wanted."""

    pixels: Pixels
    coding: Coding

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.pixels.shape[1], self.pixels.shape[0]

    def lines(self, rows: Indices) -> Floats:
        return self.coding.decode(_taken(self.pixels, rows))


class HeldRows(Struct, frozen=True):
    """Lines that are there."""

    values: Floats

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.values.shape[2], self.values.shape[0]

    def lines(self, rows: Indices) -> Floats:
        return _taken(self.values, rows)


class NarrowedSource(Struct, frozen=True):
    """Lines that are made narrow as soon as they come."""

    source: Source
    axis: Axis

    def lines(self, rows: Indices) -> Floats:
        each, blocks = max(1, STRIP // (4 * self.axis.old)), list(self.axis.blocks())
        parts = [rows[begin : begin + each] for begin in range(0, len(rows), each)]
        return np.concatenate([_across(self.source.lines(part), self.axis, blocks) for part in parts])


def resample(pixels: Pixels, coding: Coding, across: Axis, down: Axis) -> Pixels:
    """Pixels of the axes' new sizes."""
    made = np.empty((down.new, across.new, coding.channels), coding.dtype)
    for begin, lines in filter_image(Stored(pixels, coding), coding, across, down):
        end = begin + len(lines)
        coding.encode(lines, made[begin:end])
    return made


def strips(source: Source, across: Axis, down: Axis) -> Iterator[tuple[int, Floats]]:
    """The new lines from top to bottom: the number of the first, and some of them.

    First down, then across: the first is a product of matrices as wide as the image, the second has fewer
    lines.
    """
    source, across = _narrow(source, across)
    sides = list(across.blocks())
    low = high = int(down.first[0])
    held = np.empty((0, 0, 0), np.float32)
    for block in down.blocks():
        # Neighbouring strips share lines where the kernel overlaps.
        parts = [held[block.low - low :]] if block.low < high else []
        fresh = np.arange(max(high, block.low), block.high)
        parts += [source.lines(down.inside(fresh))] if len(fresh) else []
        held = parts[0] if len(parts) == 1 else np.concatenate(parts)
        low, high = block.low, block.high
        made = (block.matrix @ held.reshape(len(held), -1)).reshape(-1, *held.shape[1:])
        yield block.begin, _across(made, across, sides)


def whole_image(source: Source, across: Axis, down: Axis) -> Floats:
    """All of `strips` in one array."""
    return np.concatenate([strip for _, strip in strips(source, across, down)])


def filter_image(source: Source, coding: Coding, across: Axis, down: Axis) -> Iterator[tuple[int, Floats]]:
    """`strips`, of which colours are sound beside cut-outs too.

    Where a kernel with negative weights sums alpha up to next to nothing, colours divided by it are anything
    at all; they are taken from a tent instead, which has none.
    """
    if not (coding.weighted and (across.rings or down.rings)):
        yield from strips(source, across, down)
        return
    soft = [axis(one.old, one.new, "linear", one.edge) for one in (across, down)]
    for begin, lines in strips(source, across, down):
        weight = lines[:, -1]
        lost = (weight < FAINT) & (np.abs(weight - SLIGHT) > SLIGHT / 1000)
        if lost.any():
            sound = _some(source, soft[0], soft[1].block(begin, begin + len(lines)), soft[1])
            # No less than what counts as none, by which a division is sound.
            np.maximum(weight, SLIGHT, out=weight, where=lost)
            colors = sound[:, :-1] * (weight / sound[:, -1])[:, None]
            np.copyto(lines[:, :-1], colors, where=lost[:, None])
        yield begin, lines


def _some(source: Source, across: Axis, block: Block, down: Axis) -> Floats:
    source, across = _narrow(source, across)
    lines = source.lines(down.inside(np.arange(block.low, block.high)))
    made = (block.matrix @ lines.reshape(len(lines), -1)).reshape(-1, *lines.shape[1:])
    return _across(made, across, list(across.blocks()))


def _narrow(source: Source, across: Axis) -> tuple[Source, Axis]:
    if across.old <= NARROW * across.new:
        return source, across
    return NarrowedSource(source, across), axis(across.new, across.new, "nearest", across.edge)


def _across(lines: Floats, across: Axis, blocks: list[Block]) -> Floats:
    if across.old == across.new:
        return lines
    low, padded = _padded(lines, across)
    count, channels, _ = lines.shape
    flat = padded.reshape(count * channels, -1)
    made = np.empty((count * channels, across.new), np.float32)
    for block in blocks:
        part = flat[:, block.low - low : block.high - low]
        np.matmul(part, block.matrix.T, out=made[:, block.begin : block.end])
    return made.reshape(count, channels, across.new)


def _padded(lines: Floats, across: Axis) -> tuple[int, Floats]:
    """Lines with what the kernel sees beyond their ends, and the place where they begin then."""
    low = min(0, int(across.first[0]))
    high = max(across.old, int(across.first[-1]) + across.weights.shape[1])
    if low == 0 and high == across.old:
        return 0, lines
    ends = [lines[..., across.inside(np.arange(*span))] for span in ((low, 0), (across.old, high))]
    return low, np.concatenate([ends[0], lines, ends[1]], axis=2)


def _taken(values: Pixels, rows: Indices) -> Pixels:
    begin, end = int(rows[0]), int(rows[-1]) + 1
    return values[begin:end] if end - begin == len(rows) and (np.diff(rows) == 1).all() else values[rows]


def resize(images: Sequence[Raster], params: Resize, limits: Limits) -> Operated:
    (image,) = images
    width, height = target_size(image, params)
    check_size(image.name, width, height, limits)
    kind = channel_kind(image, params.kind)
    how = coding(image, kind, params.linear_light, params.alpha_weighted)
    meaning = channel_semantics(image, kind)
    if (width, height) == (image.width, image.height):
        return Operated({"resized": image.with_pixels(image.pixels, mips=image.mips, **meaning)})
    if params.kernel == "nearest":
        rows, columns = nearest(image.height, height), nearest(image.width, width)
        pixels = np.ascontiguousarray(image.pixels[rows][:, columns])
    else:
        across = axis(image.width, width, params.kernel, params.edge)
        down = axis(image.height, height, params.kernel, params.edge)
        pixels = how.within(resample(image.pixels, how, across, down), image.pixels)
    return Operated({"resized": image.with_pixels(pixels, **meaning)})


def target_size(image: Raster, params: Resize) -> tuple[int, int]:
    """Width and height, which are said in one way (`Resize.contradiction`)."""
    old = (image.width, image.height)
    if params.power_of_two != "no":
        return power_of_two_size(old[0], params.power_of_two), power_of_two_size(old[1], params.power_of_two)
    if params.factor:
        return scaled_size(old, params.factor)
    if params.longest:
        return _bounded(old, params.longest / max(old), params.enlarge)
    return _sized(old, params)


def _sized(old: tuple[int, int], params: Resize) -> tuple[int, int]:
    if params.width and params.height:
        if params.enlarge:
            return params.width, params.height
        return min(params.width, old[0]), min(params.height, old[1])
    return _bounded(old, params.width / old[0] or params.height / old[1], params.enlarge)


def _bounded(old: tuple[int, int], factor: float, enlarge: bool) -> tuple[int, int]:
    return scaled_size(old, factor if enlarge else min(factor, 1.0))


def scaled_size(old: tuple[int, int], factor: float) -> tuple[int, int]:
    """Both sides times `factor`, rounded, 1 at the least."""
    width, height = (max(1, math.floor(side * factor + 0.5)) for side in old)
    return width, height


def power_of_two_size(side: int, way: str) -> int:
    """The power of two that is `nearest` to `side` by ratio, `up` or `down`."""
    down = 1 << (side.bit_length() - 1)
    up = down if down == side else 2 * down
    if way == "nearest":
        # Nearer by ratio: side / down < up / side.
        return down if side * side < down * up else up
    return up if way == "up" else down
