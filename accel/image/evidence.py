"""Entropy and seams of an image, from regular samples of its pixels."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from accel.image.decoded import Pixels
from accel.image.inspection import Seams
from accel.image.sampling import Floats, luminance, unit_scale

_EDGE = 1024
"""Texels of an edge that are compared, where it has more."""


def entropy(planes: Floats) -> float:
    """Bits per pixel of the luminance in 256 steps; from one channel or the first three."""
    steps = luminance(planes) * 255
    steps += 0.5
    shares = np.bincount(np.clip(steps, 0, 255, out=steps).astype(np.uint8), minlength=256) / steps.size
    shares = shares[shares > 0]
    return max(0.0, float(-(shares * np.log2(shares)).sum()))


def seams(pixels: Pixels) -> Seams:
    """Compares the step across opposite edges with the steps between neighbours inside."""
    return Seams(horizontal=_seam(pixels.swapaxes(0, 1)), vertical=_seam(pixels))


def _seam(rows: Pixels) -> float:
    """For top against bottom edge; 0 where the step across them is as any other, towards 1 if larger."""
    height = len(rows)
    if height < 4:
        return 0.0
    step = max(1, rows.shape[1] // _EDGE)
    # All in one go: rows may be columns, each of whose texels is far from the next in memory.
    taken = unit_scale(_picked(rows[:, ::step], _compared(height)))
    steps = taken[: len(taken) // 2]
    np.abs(np.subtract(steps, taken[len(steps) :], out=steps), out=steps)
    inside = max(_mean(steps[:_NEAR]), _mean(steps[_NEAR:-1]))
    across = _mean(steps[-1:])
    return min(max((across - inside) / (across + inside + 1 / 255), 0.0), 1.0)


@lru_cache
def _compared(height: int) -> NDArray[np.intp]:
    """The places of rows, and then those of the rows behind each; behind the last stands the first."""
    # What is steep at the edges, as in a wave that goes on, is no seam.
    near = np.array([0, 1, height - 3, height - 2])
    anywhere = np.linspace(0, height - 2, 12).astype(int)
    firsts = np.concatenate([near, anywhere, [height - 1]])
    return np.concatenate([firsts, (firsts + 1) % height])


_NEAR = 4
"""Of the steps of `_compared`, how many of the first are near the edges."""


def _mean(steps: Floats) -> float:
    """numpy's very value, in half its time for so few."""
    return float(np.add.reduce(steps, axis=None) / steps.size)


def _picked(rows: Pixels, places: NDArray[np.intp]) -> Pixels:
    """Some rows; numpy copies texels as wholes in half the time that it takes for those of channels."""
    texels = rows.view(np.dtype((np.void, rows.shape[2] * rows.itemsize)))[..., 0]
    return texels[places].view(rows.dtype).reshape(len(places), *rows.shape[1:])
