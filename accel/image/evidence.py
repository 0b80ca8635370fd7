"""Entropy and seams of an image, from regular samples of its pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from accel.image.inspection import Seams

Floats = NDArray[np.floating[Any]]
Pixels = NDArray[Any]
"""Height x width x channels; uint8, uint16 or float32."""

SAMPLE = 512
"""Texels a side that are looked at, evenly spread, where an image has more."""

_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)


def sample(pixels: Pixels) -> Floats:
    """At most about 512 x 512 texels, evenly spread: an array of channels, 0..1, each in one piece."""
    height, width = pixels.shape[:2]
    texels = pixels[:: -(-height // SAMPLE), :: -(-width // SAMPLE)].reshape(-1, pixels.shape[2])
    # Planes, as numpy takes ten times as long for sums over the three values of a texel.
    return unit_scale(np.ascontiguousarray(texels.T))


def unit_scale(pixels: Pixels) -> Floats:
    """Values as 0..1 (floats as they are)."""
    top = {"uint8": 255.0, "uint16": 65535.0}.get(pixels.dtype.name, 1.0)
    return np.multiply(pixels, np.float32(1 / top), dtype=np.float32)


def entropy(planes: Floats) -> float:
    """Bits per pixel of the luminance in 256 steps; from one channel or the first three."""
    grey = planes[0] if len(planes) < 3 else _LUMINANCE @ planes[:3]
    steps = np.clip(np.nan_to_num(grey) * 255 + 0.5, 0, 255).astype(np.uint8)
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
    step = max(1, rows.shape[1] // (2 * SAMPLE))
    # What is steep at the edges, as in a wave that goes on, is no seam.
    near = np.array([0, 1, height - 3, height - 2])
    anywhere = np.linspace(0, height - 2, 12).astype(int)
    inside = max(_difference(rows[one, ::step], rows[one + 1, ::step]) for one in (near, anywhere))
    across = _difference(rows[[-1], ::step], rows[[0], ::step])
    return float(np.clip((across - inside) / (across + inside + 1 / 255), 0, 1))


def _difference(one: Pixels, other: Pixels) -> float:
    return float(np.nan_to_num(np.abs(unit_scale(one) - unit_scale(other))).mean())
