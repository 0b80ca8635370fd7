"""Structural similarity of two images (Wang, Bovik, Sheikh, Simoncelli 2004)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from accel.image.decoded import Pixels, full_scale
from accel.image.sampling import luminance

Floats = NDArray[np.floating[Any]]

WINDOW = 11
"""Pixels a side."""
SIGMA = 1.5
K1, K2 = 0.01, 0.03

LUMINANCE = -1
"""Instead of a channel's index."""

_STRIP = 32
"""Windows' rows worked on in one go, so that what is computed stays in the cache."""


def _gaussian() -> list[float]:
    weights = np.exp(-((np.arange(WINDOW) - WINDOW // 2) ** 2) / (2 * SIGMA**2))
    taps: list[float] = (weights / weights.sum()).tolist()
    return taps


TAPS = _gaussian()


def ssim(one: Pixels, other: Pixels, channel: int) -> float | None:
    """The mean over all windows inside, -1 to 1, of a channel or LUMINANCE; full scale is that of the type, 1
    of floats. None where a side is shorter than a window."""
    height, width = (side - WINDOW + 1 for side in one.shape[:2])
    if height < 1 or width < 1:
        return None
    total = 0.0
    for top in range(0, height, _STRIP):
        rows = slice(top, min(top + _STRIP, height) + WINDOW - 1)
        full, planes = _planes(one[rows], other[rows], channel)
        total += _similarity(_filtered(planes), full)
    return float(total / (height * width))


def _planes(one: Pixels, other: Pixels, channel: int) -> tuple[float, Floats]:
    """Full scale; x, y, x^2 + y^2 and x y, with half of full scale as 0, which leaves variances as they are
    and squares small enough for their precision."""
    kind = one.dtype
    full = float(full_scale(kind))
    # Squares of light far beyond 1 would drown the variances in 32 bits.
    exact = np.float64 if kind.kind == "f" else np.float32
    planes = np.empty((4, *one.shape[:2]), exact)
    for plane, pixels in zip(planes, (one, other), strict=False):
        plane[...] = luminance(np.moveaxis(pixels, 2, 0)) if channel == LUMINANCE else pixels[..., channel]
        plane -= exact(full / 2)
    x, y = planes[:2]
    np.multiply(x, x, out=planes[2])
    planes[2] += y * y
    np.multiply(x, y, out=planes[3])
    return full, planes


def _filtered(planes: Floats) -> Floats:
    """The Gaussian mean of each window, first down, then across."""
    return _along(_along(planes, 1), 2)


def _along(planes: Floats, axis: int) -> Floats:
    """The window is the same from both sides: half the products."""
    count, kind = planes.shape[axis] - WINDOW + 1, planes.dtype.type

    def shifted(by: int) -> Floats:
        return planes[:, by : by + count] if axis == 1 else planes[:, :, by : by + count]

    made: Floats = shifted(WINDOW // 2) * kind(TAPS[WINDOW // 2])
    for index in range(WINDOW // 2):
        pair = shifted(index) + shifted(WINDOW - 1 - index)
        pair *= kind(TAPS[index])
        made += pair
    return made


def _similarity(means: Floats, full: float) -> float:
    """The sum over the windows of (2 mx my + c1)(2 sxy + c2) / ((mx^2 + my^2 + c1)(sx^2 + sy^2 + c2))."""
    kind = means.dtype.type
    c1, c2 = kind((K1 * full) ** 2), kind((K2 * full) ** 2)
    x, y, squares, products = means
    covariance, variances = products - x * y, squares - (x * x + y * y)
    x, y = x + kind(full / 2), y + kind(full / 2)
    above = (2 * x * y + c1) * (2 * covariance + c2)
    below = (x * x + y * y + c1) * (variances + c2)
    return float((above / below).sum(dtype=np.float64))
