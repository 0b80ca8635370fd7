"""Entropy and seams of an image, from regular samples of its pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from accel.image.inspection import Seams

Floats = NDArray[np.floating[Any]]
Pixels = NDArray[Any]
"""Height x width x channels; uint8, uint16 or float32."""

SAMPLE = 256
"""Texels a side that are looked at, evenly spread, where an image has more."""

_EDGE = 1024
"""Texels of an edge that are compared, where it has more."""


def sample(pixels: Pixels) -> Floats:
    """At most about 256 x 256 texels, evenly spread: an array of channels, 0..1, each in one piece."""
    height, width, channels = pixels.shape
    texels = pixels[:: -(-height // SAMPLE), :: -(-width // SAMPLE)]
    planes = np.empty((channels, texels.shape[0] * texels.shape[1]), np.float32)
    # Planes, as numpy takes ten times as long for sums over the three values of a texel.
    for index, plane in enumerate(planes):
        plane.reshape(texels.shape[:2])[...] = texels[..., index]
    planes *= np.float32(1 / _TOPS.get(pixels.dtype.name, 1.0))
    return planes


def unit_scale(pixels: Pixels) -> Floats:
    """Values as 0..1 (floats as they are)."""
    return np.multiply(pixels, np.float32(1 / _TOPS.get(pixels.dtype.name, 1.0)), dtype=np.float32)


_TOPS = {"uint8": 255.0, "uint16": 65535.0}


def luminance(planes: Floats) -> Floats:
    """Of the first three channels, or the first where there are fewer (ITU-R BT.709)."""
    if len(planes) < 3:
        first: Floats = planes[0]
        return first
    # Not by a product of matrices, for which numpy would wake threads that cost more than the work.
    grey: Floats = planes[0] * np.float32(0.2126)
    grey += planes[1] * np.float32(0.7152)
    grey += planes[2] * np.float32(0.0722)
    return grey


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
