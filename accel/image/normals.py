"""Whether an image holds a tangent-space normal map, and where its green channel points."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from accel.image.decoded import Pixels
from accel.image.inspection import TOLERANCE, Normals
from accel.image.sampling import Floats, unit_scale

BANDS = 12
BAND_ROWS = 16
BAND_COLUMNS = 512
"""Neighbouring texels for slopes: so many bands of so many rows and columns each, evenly spread."""

LEAST = 0.2
"""The size of what `curl` says from which it counts in full; unrelated slopes give less than 0.05."""

CLEAR = 0.7
"""Confidence from which a convention is named."""

NORMAL_SHARE = 0.5
"""Share of unit vectors below which there is no point in asking for the convention."""


def normals(pixels: Pixels, planes: Floats, mean: list[float]) -> Normals:
    """The evidence for a normal map in `pixels`, of which `planes` is the sample."""
    vectors = planes[:3] * 2
    vectors -= 1
    x, y, z = vectors
    unit = unit_share(vectors)
    flat = _share((np.maximum(np.abs(x), np.abs(y)) <= 8 / 255) & (z >= 1 - 8 / 255))
    sign, sure = curl(pixels) if unit >= NORMAL_SHARE else (0.0, 0.0)
    convention: Literal["opengl", "directx"] | None = None
    if sure >= CLEAR:
        convention = "opengl" if sign > 0 else "directx"
    return Normals(unit, TOLERANCE, mean, flat, convention, sure)


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


def curl(pixels: Pixels) -> tuple[float, float]:
    """What the texels say of the convention: -1 (green down) to 1 (green up), and how sure that is, 0..1.

    The slopes of a surface, p = dh/dx = -nx/nz and q = dh/dy = +-ny/nz (y runs down in an image, so + is
    for green up), have no curl: dp/dy = dq/dx. With a = dp/dy and b = d(ny/nz)/dx the squared residuals
    are (a - b)^2 for green up and (a + b)^2 for green down; their difference over their sum is
    2 ab / (a^2 + b^2), summed over the texels. Rounding and noise draw it to 0 without changing its sign,
    so certainty comes from how well separate parts of the image agree, and from a least size.
    """
    sums = np.array([_sums(band) for band in _bands(pixels)])
    energy = sums[:, 1].sum() if len(sums) else 0.0
    if energy <= 0:
        return 0.0, 0.0
    sign = 2 * float(sums[:, 0].sum() / energy)
    strays = 2 * sums[:, 0] - sign * sums[:, 1]
    # The standard error of a ratio; a single band can't disagree with itself.
    error = float(np.sqrt((strays**2).sum()) / energy) if len(sums) > 1 else 0.25
    if sign == 0:
        return 0.0, 0.0
    return sign, abs(sign) / (abs(sign) + error) * min(1.0, abs(sign) / LEAST)


def _bands(pixels: Pixels) -> Iterator[Pixels]:
    """Neighbouring texels from all over the image, at least 3 x 3 in each band."""
    height, width = pixels.shape[:2]
    if height < 3 or width < 3:
        return
    count = min(BANDS, -(-height // BAND_ROWS))
    columns = min(width, BAND_COLUMNS)
    for index in range(count):
        top = index * max(0, height - BAND_ROWS) // max(1, count - 1)
        # The bands also wander over the width, so that all parts of an atlas are seen.
        left = (index * 7 % BANDS) * (width - columns) // (BANDS - 1)
        yield pixels[top : top + BAND_ROWS, left : left + columns]


def _sums(band: Pixels) -> tuple[float, float]:
    a, b = _twists(band)
    return float(np.vdot(a, b)), float(np.vdot(a, a) + np.vdot(b, b))


def _twists(band: Pixels) -> tuple[Floats, Floats]:
    """dp/dy and d(ny/nz)/dx by central differences, whose operators commute: no bias from the grid."""
    x, y, z = unit_scale(np.ascontiguousarray(np.moveaxis(band[..., :3], 2, 0))) * 2 - 1
    depth = np.maximum(z, 0.1)
    p, q = -x / depth, y / depth
    a = p[2:, 1:-1] - p[:-2, 1:-1]
    b = q[1:-1, 2:] - q[1:-1, :-2]
    # At the borders of an atlas' islands the surface jumps: what is large says little.
    keep = (np.maximum(np.abs(a), np.abs(b)) < 1).astype(np.float32)
    return a * keep, b * keep
