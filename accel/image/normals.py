"""Whether an image holds a tangent-space normal map, and where its green channel points."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from accel.image.curl import Curl, curl
from accel.image.decoded import Pixels
from accel.image.inspection import TOLERANCE, Normals
from accel.image.sampling import Floats

CLEAR = 0.7
"""Confidence from which a convention is named."""

NORMAL_SHARE = 0.5
"""Share of unit vectors below which there is no point in asking for the convention."""


def normals(pixels: Pixels, planes: Floats, mean: list[float]) -> Normals:
    """The evidence for a normal map in `pixels`, of which `planes` is the sample."""
    return examined(pixels, planes, mean)[0]


def examined(pixels: Pixels, planes: Floats, mean: list[float]) -> tuple[Normals, Curl]:
    """The same, with what the slopes say; nothing where it is no normal map."""
    vectors = planes[:3] * 2
    vectors -= 1
    x, y, z = vectors
    unit = unit_share(vectors)
    flat = _share((np.maximum(np.abs(x), np.abs(y)) <= 8 / 255) & (z >= 1 - 8 / 255))
    said = curl(pixels, planes) if unit >= NORMAL_SHARE else Curl(0.0, 0.0)
    convention: Literal["opengl", "directx"] | None = None
    if said.sure >= CLEAR:
        convention = "opengl" if said.sign > 0 else "directx"
    return Normals(unit, TOLERANCE, mean, flat, convention, said.sure), said


def unit_share(vectors: Floats) -> float:
    """The share of unit vectors; given are planes of x, y and z."""
    x, y, z = vectors
    squares = x * x
    squares += y * y
    squares += z * z
    # (1 - t)^2 and (1 + t)^2 are 2 t from 1 + t^2.
    squares -= 1 + TOLERANCE**2
    return _share(np.abs(squares, out=squares) <= 2 * TOLERANCE)


def _share(found: NDArray[np.bool_]) -> float:
    return int(np.count_nonzero(found)) / found.size
