"""Lines from one number of texels to another by a separable filter, a strip at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from msgspec import Struct

from accel.image.coding import STRIP, Coding
from accel.image.decoded import Pixels
from accel.image.filters import Axis, Block, Indices, axis
from accel.image.kernels import SLIGHT
from accel.image.light import Floats

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


class Held(Struct, frozen=True):
    """Lines that are there."""

    values: Floats

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.values.shape[2], self.values.shape[0]

    def lines(self, rows: Indices) -> Floats:
        return _taken(self.values, rows)


class Narrowed(Struct, frozen=True):
    """Lines that are made narrow as soon as they come."""

    source: Source
    axis: Axis

    def lines(self, rows: Indices) -> Floats:
        each, blocks = max(1, STRIP // (4 * self.axis.old)), list(self.axis.blocks())
        parts = [rows[begin : begin + each] for begin in range(0, len(rows), each)]
        return np.concatenate([_across(self.source.lines(part), self.axis, blocks) for part in parts])


def resampled(pixels: Pixels, coding: Coding, across: Axis, down: Axis) -> Pixels:
    """Pixels of the axes' new sizes."""
    made = np.empty((down.new, across.new, coding.channels), coding.dtype)
    for begin, lines in filtered(Stored(pixels, coding), coding, across, down):
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


def whole(source: Source, across: Axis, down: Axis) -> Floats:
    """All of `strips` in one array."""
    return np.concatenate([strip for _, strip in strips(source, across, down)])


def filtered(source: Source, coding: Coding, across: Axis, down: Axis) -> Iterator[tuple[int, Floats]]:
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
    return Narrowed(source, across), axis(across.new, across.new, "nearest", across.edge)


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
