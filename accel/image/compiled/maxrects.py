"""The loops of `accel.image.rect_packing`, compiled, with identical results."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from accel.image.compiled.constants import SHIFT, Heuristic
from accel.image.compiled.jit import jit

Ints = NDArray[np.int64]

_SHIFT, _NEVER = SHIFT, 1 << 62
_SHORT, _LONG, _AREA = int(Heuristic.SHORT_SIDE), int(Heuristic.LONG_SIDE), int(Heuristic.AREA)
_BOTTOM_LEFT, _CONTACT, _GUILLOTINE = (
    int(Heuristic.BOTTOM_LEFT),
    int(Heuristic.CONTACT),
    int(Heuristic.GUILLOTINE),
)

# Rows are passed by index: reference counting of row views would take most of the time.


@jit
def _contact(placed: Ints, count: int, x0: int, y0: int, x1: int, y1: int, width: int, height: int) -> int:
    w, h = x1 - x0, y1 - y0
    shared = h * ((x0 == 0) + (x1 == width)) + w * ((y0 == 0) + (y1 == height))
    for i in range(count):
        if placed[i, 0] == x1 or placed[i, 2] == x0:
            shared += max(min(placed[i, 3], y1) - max(placed[i, 1], y0), 0)
        if placed[i, 1] == y1 or placed[i, 3] == y0:
            shared += max(min(placed[i, 2], x1) - max(placed[i, 0], x0), 0)
    return shared


@jit
def _score(rule: int, x: int, y: int, w: int, h: int, over_x: int, over_y: int, top: int) -> int:
    short, long = min(over_x, over_y), max(over_x, over_y)
    if rule in (_SHORT, _GUILLOTINE):
        return short * _SHIFT + long
    if rule == _LONG:
        return long * _SHIFT + short
    if rule == _AREA:
        return ((over_x + w) * (over_y + h) - w * h) * _SHIFT + short
    if rule == _BOTTOM_LEFT:
        return (y + h) * _SHIFT + x
    return max(y + h, top) * _SHIFT + short


@jit
def _best(
    free: Ints, free_count: int, placed: Ints, count: int, w: int, h: int, rule: int, top: int,
    width: int, height: int,
) -> tuple[int, int]:  # fmt: skip
    best, at = _NEVER, 0
    for f in range(free_count):
        x, y = free[f, 0], free[f, 1]
        over_x, over_y = free[f, 2] - x - w, free[f, 3] - y - h
        if over_x < 0 or over_y < 0:
            continue
        if rule == _CONTACT:
            shared = _contact(placed, count, x, y, x + w, y + h, width, height)
            score = (2 * (w + h) - shared) * _SHIFT + min(over_x, over_y)
        else:
            score = _score(rule, x, y, w, h, over_x, over_y, top)
        if score < best:
            best, at = score, f
    return best, at


@jit
def _inside(a: Ints, i: int, b: Ints, j: int) -> bool:
    within: bool = b[j, 0] <= a[i, 0] and b[j, 1] <= a[i, 1] and b[j, 2] >= a[i, 2] and b[j, 3] >= a[i, 3]
    return within


@jit
def _is_covered(parts: Ints, count: int, at: int, free: Ints, free_count: int) -> bool:
    for f in range(free_count):
        if _inside(parts, at, free, f):
            return True
    for other in range(count):
        # Of equal parts, keep the first.
        if (
            other != at
            and _inside(parts, at, parts, other)
            and (other < at or not _inside(parts, other, parts, at))
        ):
            return True
    return False


@jit
def _split_free(
    free: Ints, free_count: int, parts: Ints, x0: int, y0: int, x1: int, y1: int
) -> tuple[int, int]:
    """Moves free rectangles that don't touch the placed one to the front, and adds what is left of the others
    to `parts`. Returns the number of both."""
    kept = result = 0
    for f in range(free_count):
        left, top, right, bottom = free[f, 0], free[f, 1], free[f, 2], free[f, 3]
        if left >= x1 or right <= x0 or top >= y1 or bottom <= y0:
            free[kept, 0], free[kept, 1], free[kept, 2], free[kept, 3] = left, top, right, bottom
            kept += 1
            continue
        if left < x0:
            parts[result, 0], parts[result, 1], parts[result, 2], parts[result, 3] = left, top, x0, bottom
            result += 1
        if x1 < right:
            parts[result, 0], parts[result, 1], parts[result, 2], parts[result, 3] = x1, top, right, bottom
            result += 1
        if top < y0:
            parts[result, 0], parts[result, 1], parts[result, 2], parts[result, 3] = left, top, right, y0
            result += 1
        if y1 < bottom:
            parts[result, 0], parts[result, 1], parts[result, 2], parts[result, 3] = left, y1, right, bottom
            result += 1
    return kept, result


@jit
def _add_parts(free: Ints, free_count: int, parts: Ints, part_count: int) -> int:
    """Adds parts that lie in no other rectangle to the free ones. Returns the new number of free ones."""
    count = free_count
    for part in range(part_count):
        if not _is_covered(parts, part_count, part, free, free_count):
            for side in range(4):
                free[count, side] = parts[part, side]
            count += 1
    return count


@jit
def _split_corner(free: Ints, free_count: int, at: int, x1: int, y1: int) -> int:
    """Splits a free rectangle in whose corner one was placed; appends both parts. Returns the new number."""
    left, top, right, bottom = free[at, 0], free[at, 1], free[at, 2], free[at, 3]
    for f in range(at, free_count - 1):
        for side in range(4):
            free[f, side] = free[f + 1, side]
    count, wide = free_count - 1, right - x1 >= bottom - y1
    if x1 < right:
        free[count, 0], free[count, 1], free[count, 2] = x1, top, right
        free[count, 3] = bottom if wide else y1
        count += 1
    if y1 < bottom:
        free[count, 0], free[count, 1], free[count, 3] = left, y1, bottom
        free[count, 2] = x1 if wide else right
        count += 1
    return count


@jit
def _enlarge_rows(rows: Ints, count: int, size: int) -> Ints:
    more = np.empty((size, 4), np.int64)
    more[:count] = rows[:count]
    return more


@jit
def pack(widths: Ints, heights: Ints, width: int, height: int, rule: int, rotate: bool) -> Ints:
    """See `accel.image.rect_packing.pack`."""
    count = len(widths)
    found = np.full((count, 3), -1, np.int64)
    placed = np.empty((count, 4), np.int64)
    free, parts = np.empty((64, 4), np.int64), np.empty((256, 4), np.int64)
    free[0, 0], free[0, 1], free[0, 2], free[0, 3] = 0, 0, width, height
    free_count, done, top = 1, 0, 0
    for i in range(count):
        w, h, turned = widths[i], heights[i], 0
        score, at = _best(free, free_count, placed, done, w, h, rule, top, width, height)
        if rotate and w != h:
            other, there = _best(free, free_count, placed, done, h, w, rule, top, width, height)
            if other < score:
                score, at, turned, w, h = other, there, 1, h, w
        found[i, 2] = turned
        if score == _NEVER:
            continue
        x, y = free[at, 0], free[at, 1]
        found[i, 0], found[i, 1] = x, y
        placed[done, 0], placed[done, 1], placed[done, 2], placed[done, 3] = x, y, x + w, y + h
        done, top = done + 1, max(top, y + h)
        if rule == _GUILLOTINE:
            if free_count == len(free):
                free = _enlarge_rows(free, free_count, 2 * free_count)
            free_count = _split_corner(free, free_count, at, x + w, y + h)
            continue
        kept, result = _split_free(free, free_count, parts, x, y, x + w, y + h)
        if kept + result > len(free):
            free = _enlarge_rows(free, kept, 2 * (kept + result))
            parts = _enlarge_rows(parts, result, 4 * len(free))
        free_count = _add_parts(free, kept, parts, result)
    return found
