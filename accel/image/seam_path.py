"""The path through a field of costs, from its first row to its last, that costs least."""

from __future__ import annotations

import numpy as np

from accel.image.filters import Indices
from accel.image.light import Floats


def cheapest_loop(costs: Floats) -> Indices:
    """A column for each row, from row to row at most one to the side, from the last row to the first too.

    By dynamic programming, as in image quilting (Efros and Freeman 2001). Among closed paths it is the best
    through the texel where the best open one crosses the middle row.
    """
    rows = len(costs)
    middle = rows // 2
    start = int(_cheapest(costs)[middle])
    turned = np.roll(costs, -middle, axis=0)
    return np.roll(_cheapest(turned, start), middle)


def _cheapest(costs: Floats, start: int | None = None) -> Indices:
    """`start`: the column of the first row, which the last one's must touch."""
    rows, columns = costs.shape
    # A bound beyond each side, so that no path leaves.
    totals = np.full(columns + 2, np.inf, np.float64)
    totals[1:-1] = costs[0]
    if start is not None:
        totals[1 + np.flatnonzero(np.arange(columns) != start)] = np.inf
    came = np.zeros((rows, columns), np.int8)
    for row in range(1, rows):
        least, step = totals[1:-1].copy(), came[row]
        for move, beside in ((-1, totals[:-2]), (1, totals[2:])):
            better = beside < least
            np.copyto(least, beside, where=better)
            step[better] = move
        totals[1:-1] = least + costs[row]
    if start is not None:
        far = np.abs(np.arange(columns) - start) > 1
        totals[1:-1][far] = np.inf
    path = np.empty(rows, np.int64)
    path[-1] = int(totals[1:-1].argmin())
    for row in range(rows - 1, 0, -1):
        path[row - 1] = path[row] + came[row, path[row]]
    return path
