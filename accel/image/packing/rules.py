"""Where a rectangle goes among the free ones, and in which order rectangles come: what packing tries."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

SHIFT = 1 << 20
"""A score is its first part times this and its second; no page is that long."""


class Rule(IntEnum):
    """Which free rectangle is best, by two numbers of which the smaller wins; J. Jylänki, "A Thousand Ways to
    Pack the Bin" (2010), section 2.3."""

    SHORT_SIDE = 0
    """Best short side fit: the least left over on the shorter side, then on the longer."""
    LONG_SIDE = 1
    """Best long side fit: the other way round."""
    AREA = 2
    """Best area fit: the least area left over, then the shorter side."""
    BOTTOM_LEFT = 3
    """The far edge nearest to row 0 (which the paper draws below), then the furthest to the left."""
    GROWTH = 4
    """Bottom-left for a page that may grow: the least height of the whole, then the shorter side."""
    CONTACT = 5
    """Contact point: the most border shared with neighbours and edges, then the shorter side."""
    GUILLOTINE = 6
    """Best short side fit among free rectangles that don't overlap: what is left of one is cut in two by the
    shorter leftover axis (section 2.2). Often denser where no sprites are small."""


Keys = tuple[Ints, Ints]
"""Two keys to sort by; larger comes first."""

Order = Callable[[Ints, Ints], Keys]
"""From widths and heights."""


def by_short_side(widths: Ints, heights: Ints) -> Keys:
    return np.minimum(widths, heights), np.maximum(widths, heights)


def by_long_side(widths: Ints, heights: Ints) -> Keys:
    return np.maximum(widths, heights), np.minimum(widths, heights)


def by_perimeter(widths: Ints, heights: Ints) -> Keys:
    return widths + heights, np.maximum(widths, heights)


def by_area(widths: Ints, heights: Ints) -> Keys:
    return widths * heights, np.maximum(widths, heights)


def by_height(widths: Ints, heights: Ints) -> Keys:
    return heights, widths


def by_width(widths: Ints, heights: Ints) -> Keys:
    return widths, heights


Way = tuple[Rule, Order]


def growing(rotate: bool) -> tuple[Way, ...]:
    """For a page whose height isn't fixed, the best of what was measured on many kinds of sprites first.

    The order decides: by the shorter side where sprites may be turned, else by height, so that neighbours end
    in one line; the first way with many widths gains more than other ways do.
    """
    first, second = (by_short_side, by_height) if rotate else (by_height, by_short_side)
    orders = (first, by_perimeter, by_area, second, by_long_side, by_width)
    return tuple((rule, order) for order in orders for rule in (Rule.GROWTH, Rule.BOTTOM_LEFT))


FIXED: tuple[Way, ...] = (
    (Rule.CONTACT, by_long_side), (Rule.GUILLOTINE, by_short_side), (Rule.CONTACT, by_area),
    (Rule.GUILLOTINE, by_height), (Rule.SHORT_SIDE, by_perimeter), (Rule.AREA, by_short_side),
    (Rule.AREA, by_area), (Rule.SHORT_SIDE, by_short_side), (Rule.CONTACT, by_perimeter),
    (Rule.SHORT_SIDE, by_height), (Rule.LONG_SIDE, by_area), (Rule.CONTACT, by_short_side),
    (Rule.AREA, by_perimeter), (Rule.LONG_SIDE, by_short_side), (Rule.CONTACT, by_height),
    (Rule.SHORT_SIDE, by_long_side), (Rule.AREA, by_long_side),
)  # fmt: skip
"""For a page of a given size."""


def sorted_by(order: Order, widths: Ints, heights: Ints) -> NDArray[np.intp]:
    """Indices, the largest first; equals stay as they are."""
    first, second = order(widths, heights)
    return np.lexsort((-second, -first))
