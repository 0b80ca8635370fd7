"""Mip levels: each half of the one before, from values that are rounded only when they are written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from accel.image.coding import Coding
from accel.image.decoded import Pixels
from accel.image.filters import Edge, Kernel, axis
from accel.image.light import Floats
from accel.image.resampling import Held, Stored, filtered

Filter = Literal["box", "kaiser", "lanczos"]
Size = tuple[int, int]
"""Width and height."""

FUSED = 3
"""Levels that are made of a strip while it is in the cache."""

SUMMED = 4
"""Levels of which 16 bit hold the sums of their bytes: 256 of them make 65280."""


def sizes(width: int, height: int, levels: int = 0) -> list[Size]:
    """Of the levels after the first, each half of the one before, rounded down, at least 1; with the first
    not more than `levels`, or down to 1 x 1 if that is 0."""
    found: list[Size] = []
    while (width, height) != (1, 1) and (not levels or len(found) + 1 < levels):
        width, height = max(1, width // 2), max(1, height // 2)
        found.append((width, height))
    return found


def pixel_levels(
    pixels: Pixels, coding: Coding, wanted: Sequence[Size], filter: Filter, edge: Edge
) -> list[Pixels]:
    """The levels of these sizes after the first."""
    made: list[Pixels] = []
    source: Stored | Held = Stored(pixels, coding)
    if filter == "box":
        summed = coding.dtype == np.uint8 and not (coding.curve or coding.weighted or coding.vectors)
        count = _halvings(pixels, min(len(wanted), SUMMED if summed else FUSED))
        if count:
            made, lines = (_summed if summed else _fused)(pixels, coding, count)
            source = Held(lines)
    rest = line_levels(source, coding, wanted[len(made) :], filter, edge)
    return made + [coding.pixels(lines) for lines in rest]


def line_levels(
    source: Stored | Held, coding: Coding, wanted: Sequence[Size], filter: Filter, edge: Edge
) -> Iterator[Floats]:
    """The levels of these sizes after the source, one by one, as lines."""
    for width, height in wanted:
        lines = coding.empty(height, width)
        if filter == "box" and source.size == (2 * width, 2 * height):
            _halve(source, coding, lines)
        else:
            kernel: Kernel = "area" if filter == "box" else filter
            across, down = (
                axis(source.size[0], width, kernel, edge),
                axis(source.size[1], height, kernel, edge),
            )
            for begin, strip in filtered(source, coding, across, down):
                lines[begin : begin + len(strip)] = strip
        yield lines
        source = Held(lines)


def _halve(source: Stored | Held, coding: Coding, lines: Floats) -> None:
    if isinstance(source, Held):
        coding.loops.halve_lines(source.values, lines)
        return
    each = coding.rows(source.size[0]) // 2
    for begin in range(0, len(lines), each):
        strip = lines[begin : begin + each]
        coding.halve(source.pixels[2 * begin : 2 * (begin + len(strip))], strip)


def _halvings(pixels: Pixels, most: int) -> int:
    """How often both sides can be halved without a rest."""
    count = 0
    while count < most and not any(side % (2 << count) for side in pixels.shape[:2]):
        count += 1
    return count


def _fused(pixels: Pixels, coding: Coding, count: int) -> tuple[list[Pixels], Floats]:
    """The first levels, all of a strip before the next one; the last of them as lines too."""
    height, width, _ = pixels.shape
    made = _empty(pixels, count)
    last = coding.empty(height >> count, width >> count)
    each = _each(coding.rows(width), count)
    for top in range(0, height, each):
        rows = min(each, height - top)
        lines = pixels[top : top + rows]
        for level in range(1, count + 1):
            begin, end = top >> level, (top + rows) >> level
            half = last[begin:end] if level == count else coding.empty(end - begin, width >> level)
            coding.halve(lines, half) if level == 1 else coding.loops.halve_lines(lines, half)
            lines = half
            coding.encode(lines, made[level - 1][begin:end])
    return made, last


def _summed(pixels: Pixels, coding: Coding, count: int) -> tuple[list[Pixels], Floats]:
    """As `_fused`, for bytes of which plain sums are wanted: exact, and as quick as memory."""
    height, width, channels = pixels.shape
    made = _empty(pixels, count)
    flat = [level.reshape(len(level), -1) for level in made]
    last = np.empty(flat[-1].shape, np.uint16)
    each = _each(2 * coding.rows(width), count)
    spare = [np.empty((each >> level, (width >> level) * channels), np.uint16) for level in range(1, count)]
    for top in range(0, height, each):
        rows = min(each, height - top)
        lines = pixels[top : top + rows].reshape(rows, -1)
        for level in range(1, count + 1):
            begin, end = top >> level, (top + rows) >> level
            sums = last[begin:end] if level == count else spare[level - 1][: end - begin]
            coding.loops.halve_sums(lines, channels, 2 * level, sums, flat[level - 1][begin:end])
            lines = sums
    means = last.reshape(made[-1].shape).swapaxes(1, 2) * np.float32(1 / (255 << 2 * count))
    return made, np.ascontiguousarray(means)


def _each(rows: int, count: int) -> int:
    return max(1, rows >> count) << count


def _empty(pixels: Pixels, count: int) -> list[Pixels]:
    height, width, channels = pixels.shape
    return [
        np.empty((height >> level, width >> level, channels), pixels.dtype) for level in range(1, count + 1)
    ]
