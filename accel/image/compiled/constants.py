"""Constants shared by the numpy loops and the compiled ones. Doesn't import numba."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

BC7_WEIGHTS = np.array([0, 4, 9, 13, 17, 21, 26, 30, 34, 38, 43, 47, 51, 55, 60, 64], np.float32)
"""Weights (of 64) of the second end point in BC7 mode 6; float32 holds all their sums exactly."""

SHIFT = 1 << 20
"""A score is its first part times SHIFT plus its second; no page is that long."""


class Heuristic(IntEnum):
    """Rules for choosing a free rectangle. Each ranks rectangles by two numbers in turn, lowest first
    (J. Jylänki, "A Thousand Ways to Pack the Bin", 2010, section 2.3)."""

    SHORT_SIDE = 0
    """Best short side fit: least leftover on the shorter side, then on the longer."""
    LONG_SIDE = 1
    """Best long side fit: least leftover on the longer side, then on the shorter."""
    AREA = 2
    """Best area fit: least leftover area, then the shorter side."""
    BOTTOM_LEFT = 3
    """Far edge closest to row 0 (the bottom, in the paper), then leftmost."""
    GROWTH = 4
    """Bottom-left for a growing page: least total height, then the shorter side."""
    CONTACT = 5
    """Contact point: longest border shared with neighbours and edges, then the shorter side."""
    GUILLOTINE = 6
    """Best short side fit among free rectangles that don't overlap: the rest of a rectangle is split in two
    along the shorter leftover axis (section 2.2). Often packs denser if sprites aren't small."""
