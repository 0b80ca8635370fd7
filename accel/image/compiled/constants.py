"""Constants that numpy's loops and the compiled ones share; importing them needs no numba."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

BC7_WEIGHTS = np.array([0, 4, 9, 13, 17, 21, 26, 30, 34, 38, 43, 47, 51, 55, 60, 64], np.float32)
"""The weights of the second end point of a BC7 block in mode 6, of 64; float32 holds all sums of them."""

SHIFT = 1 << 20
"""A score is its first part times this and its second; no page is that long."""


class Heuristic(IntEnum):
    """Rules for the best free rectangle: each compares two numbers, and the smaller wins; J. Jylänki, "A
    Thousand Ways to Pack the Bin" (2010), section 2.3."""

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
    """Best short side fit among free rectangles that don't overlap: the remainder of one is cut in two by the
    shorter leftover axis (section 2.2). Often denser if sprites aren't small."""
