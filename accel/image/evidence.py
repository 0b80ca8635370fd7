"""Entropy and seams of an image, from regular samples of its pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from accel.image.decoded import Pixels
from accel.image.inspection import Seams
from accel.image.sampling import Floats, luminance, unit_scale

_EDGE = 1024
"""Texels of an edge that are compared, where it has more."""


def entropy(planes: Floats) -> float:
    """Bits per pixel of the luminance in 256 steps; from one channel or the first three."""
    steps = np.clip(luminance(planes) * 255 + 0.5, 0, 255).astype(np.uint8)
    shares = np.bincount(steps, minlength=256) / steps.size
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
    # What is steep at the edges, as in a wave that goes on, is no seam.
    near = np.array([0, 1, height - 3, height - 2])
    anywhere = np.linspace(0, height - 2, 12).astype(int)
    firsts = np.concatenate([near, anywhere, [height - 1]])
    seconds = (firsts + 1) % height
    # All in one go: rows may be columns, each of whose texels is far from the next in memory.
    taken = unit_scale(_picked(rows[:, ::step], np.concatenate([firsts, seconds])))
    steps = taken[: len(firsts)]
    np.abs(np.subtract(steps, taken[len(firsts) :], out=steps), out=steps)
    inside = max(float(steps[: len(near)].mean()), float(steps[len(near) : -1].mean()))
    across = float(steps[-1:].mean())
    return float(np.clip((across - inside) / (across + inside + 1 / 255), 0, 1))


def _picked(rows: Pixels, places: NDArray[np.intp]) -> Pixels:
    """Some rows; numpy copies texels as wholes in half the time that it takes for those of channels."""
    texels = rows.view(np.dtype((np.void, rows.shape[2] * rows.itemsize)))[..., 0]
    return texels[places].view(rows.dtype).reshape(len(places), *rows.shape[1:])
