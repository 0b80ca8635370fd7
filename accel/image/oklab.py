"""OKLab, in which distances are about as large as they look (Björn Ottosson, "A perceptual color space for
image processing", 2020)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

_TO_CONES = np.array([
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
])  # fmt: skip
_TO_LAB = np.array([
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
])  # fmt: skip
_FROM_CONES = np.linalg.inv(_TO_CONES)
_FROM_LAB = np.linalg.inv(_TO_LAB)


def to_oklab(light: Floats) -> Floats:
    """Lightness 0..1, a and b of linear sRGB, 0..1: n x 3."""
    lab: Floats = np.cbrt(light @ _TO_CONES.T) @ _TO_LAB.T
    return lab


def from_oklab(lab: Floats) -> Floats:
    """The other way round; colours beyond sRGB's are below 0 or above 1."""
    light: Floats = (lab @ _FROM_LAB.T) ** 3 @ _FROM_CONES.T
    return light
