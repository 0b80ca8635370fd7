"""MaxRects: rectangles into one page whose free space is kept as all maximal free rectangles.

J. Jylänki, "A Thousand Ways to Pack the Bin" (2010), section 2.3.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from accel.image import compiled
from accel.image.packing.rules import SHIFT, Ints, Rule

FEW = 200
"""Rectangles up to which loading what numba compiled isn't worth it."""

_NEVER = np.int64(1) << 62


def pack(
    widths: Ints, heights: Ints, width: int, height: int, rule: Rule, rotate: bool, *, fast: bool = True
) -> Ints:
    """Where each rectangle lies, n x 3: left, top (-1 for one that found no place), and 1 if it is turned.

    They are placed one after the other; sides are 1 to 32768. With numba (`fast`) and without it the result
    is the same.
    """
    if fast and len(widths) > FEW and compiled.available():
        from accel.image.compiled import maxrects

        loops: Ints = maxrects.pack(widths, heights, width, height, int(rule), rotate)
        return loops
    return _Page(len(widths), width, height, rule).fill(widths, heights, rotate)


class _Page:
    """The free rectangles of a page (left, top, right, bottom: one row each), and the ones placed."""

    def __init__(self, count: int, width: int, height: int, rule: Rule) -> None:
        self._size = width, height
        self._rule = rule
        self._free = np.array([[0], [0], [width], [height]], np.int64)
        self._placed = np.zeros((4, count), np.int64)
        self._count = 0
        self._top = 0

    def fill(self, widths: Ints, heights: Ints, rotate: bool) -> Ints:
        found = np.full((len(widths), 3), (-1, -1, 0), np.int64)
        for index, (w, h) in enumerate(zip(widths.tolist(), heights.tolist(), strict=True)):
            score, at = self._best(w, h)
            turned = 0
            if rotate and w != h:
                other, there = self._best(h, w)
                if other < score:
                    score, at, turned, w, h = other, there, 1, h, w
            if score < _NEVER:
                x, y = self._free[0, at].item(), self._free[1, at].item()
                found[index] = x, y, turned
                if self._rule is Rule.GUILLOTINE:
                    self._cut(int(at), x + w, y + h)
                else:
                    self._place(x, y, x + w, y + h)
        return found

    def _best(self, w: int, h: int) -> tuple[np.int64, np.intp]:
        """The best score and the index of its free rectangle; the first of equals."""
        free = self._free
        if not free.shape[1]:
            return _NEVER, np.intp(0)
        over_x, over_y = free[2] - free[0] - w, free[3] - free[1] - h
        scores = self._scores(w, h, over_x, over_y)
        scores[(over_x < 0) | (over_y < 0)] = _NEVER
        at = scores.argmin()
        return scores[at], at

    def _scores(self, w: int, h: int, over_x: Ints, over_y: Ints) -> Ints:
        first, second = self._parts(w, h, over_x, over_y)
        scores: Ints = first * SHIFT + second
        return scores

    def _parts(self, w: int, h: int, over_x: Ints, over_y: Ints) -> tuple[Ints, Ints]:
        """Both parts of the score in each free rectangle, by the rule."""
        short = np.minimum(over_x, over_y)
        match self._rule:
            case Rule.SHORT_SIDE | Rule.GUILLOTINE:
                return short, np.maximum(over_x, over_y)
            case Rule.LONG_SIDE:
                return np.maximum(over_x, over_y), short
            case Rule.AREA:
                return (over_x + w) * (over_y + h) - w * h, short
            case Rule.BOTTOM_LEFT:
                return self._free[1] + h, self._free[0]
            case Rule.GROWTH:
                return np.maximum(self._free[1] + h, self._top), short
            case Rule.CONTACT:
                return 2 * (w + h) - self._contact(w, h), short

    def _contact(self, w: int, h: int) -> Ints:
        """The border that a rectangle would share, in each free one."""
        x0, y0 = self._free[:2]
        x1, y1 = x0 + w, y0 + h
        width, height = self._size
        sides, ends = (x0 == 0).astype(np.int64) + (x1 == width), (y0 == 0).astype(np.int64) + (y1 == height)
        shared: Ints = h * sides + w * ends
        left, top, right, bottom = self._placed[:, : self._count, None]
        beside = (left == x1) | (right == x0)
        along = (top == y1) | (bottom == y0)
        shared += (beside * np.maximum(np.minimum(bottom, y1) - np.maximum(top, y0), 0)).sum(axis=0)
        shared += (along * np.maximum(np.minimum(right, x1) - np.maximum(left, x0), 0)).sum(axis=0)
        return shared

    def _cut(self, at: int, x1: int, y1: int) -> None:
        """Leaves two of a free rectangle in whose corner something was placed."""
        left, top, right, bottom = self._free[:, at].tolist()
        parts = [(x1, top, right, y1), (left, y1, right, bottom)]
        if right - x1 >= bottom - y1:
            parts = [(x1, top, right, bottom), (left, y1, x1, bottom)]
        remains = [part for part in parts if part[0] < part[2] and part[1] < part[3]]
        kept = np.delete(self._free, at, axis=1)
        self._free = np.concatenate((kept, np.array(remains, np.int64).reshape(-1, 4).T), axis=1)

    def _place(self, x0: int, y0: int, x1: int, y1: int) -> None:
        self._placed[:, self._count] = x0, y0, x1, y1
        self._count += 1
        self._top = max(self._top, y1)
        free = self._free
        hit = (free[0] < x1) & (free[2] > x0) & (free[1] < y1) & (free[3] > y0)
        parts = _around(free[:, hit], x0, y0, x1, y1)
        kept = free[:, ~hit]
        parts = parts[:, ~_inside(parts, kept).any(axis=1)]
        within = _inside(parts, parts)
        # Of equals the first stays.
        lost = within & (~within.T | np.tri(len(within), k=-1, dtype=bool))
        np.fill_diagonal(lost, False)
        self._free = np.concatenate((kept, parts[:, ~lost.any(axis=1)]), axis=1)


def _around(free: Ints, x0: int, y0: int, x1: int, y1: int) -> Ints:
    """What is left of each free rectangle beside a placed one: left, right, above and below, if anything."""
    parts = np.repeat(free, 4, axis=1)
    parts[2, 0::4], parts[0, 1::4], parts[3, 2::4], parts[1, 3::4] = x0, x1, y0, y1
    remains: Ints = parts[:, (parts[0] < parts[2]) & (parts[1] < parts[3])]
    return remains


def _inside(parts: Ints, others: Ints) -> NDArray[np.bool_]:
    """Whether each part lies in each other rectangle."""
    part = parts[:, :, None]
    within: NDArray[np.bool_] = (
        (others[0] <= part[0]) & (others[1] <= part[1]) & (others[2] >= part[2]) & (others[3] >= part[3])
    )
    return within
