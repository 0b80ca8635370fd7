"""What kind of texture an image may be: normals, entropy, seams; from regular samples of its pixels."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from accel.image.inspection import TOLERANCE, Normals, Seams

Floats = NDArray[np.floating[Any]]
Pixels = NDArray[Any]
"""Height x width x channels; uint8, uint16 or float32."""

SAMPLE = 512
"""Texels a side that are looked at, evenly spread, where an image has more."""

BANDS = 12
BAND_ROWS = 16
"""Neighbouring texels for slopes: so many bands of so many rows (and 512 columns) each, evenly spread."""

CLEAR = 0.5
"""Confidence from which a convention is named; unrelated slopes give less than 0.1."""

NORMAL_SHARE = 0.5
"""Share of unit vectors below which there is no point in asking for the convention."""

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


def normals(pixels: Pixels, planes: Floats, mean: list[float]) -> Normals:
    """The evidence for a normal map in `pixels`, of which `planes` is the sample."""
    x, y, z = planes[:3] * 2 - 1
    squares = x * x + y * y + z * z
    unit = float(((squares >= (1 - TOLERANCE) ** 2) & (squares <= (1 + TOLERANCE) ** 2)).mean())
    flat = float(((np.abs(x) <= 8 / 255) & (np.abs(y) <= 8 / 255) & (z >= 1 - 8 / 255)).mean())
    correlation = curl(pixels) if unit >= NORMAL_SHARE else 0.0
    convention: Literal["opengl", "directx"] | None = None
    if abs(correlation) >= CLEAR:
        convention = "opengl" if correlation > 0 else "directx"
    return Normals(unit, TOLERANCE, mean, flat, convention, abs(correlation))


def curl(pixels: Pixels) -> float:
    """-1 (green points down) to 1 (green points up); 0 where the texels don't tell.

    The slopes of a surface, p = dh/dx = -nx/nz and q = dh/dy = +-ny/nz (y runs down in an image, so + is
    for green up), have no curl: dp/dy = dq/dx. With a = dp/dy and b = d(ny/nz)/dx the squared residuals
    are (a - b)^2 for green up and (a + b)^2 for green down; their difference over their sum is
    2 ab / (a^2 + b^2), summed over the texels.
    """
    height, width = pixels.shape[:2]
    if height < 3 or width < 3:
        return 0.0
    product = energy = 0.0
    count = min(BANDS, max(1, height // BAND_ROWS))
    columns = min(width, SAMPLE)
    for index in range(count):
        top = index * max(0, height - BAND_ROWS) // max(1, count - 1)
        # The bands also wander over the width, so that all parts of an atlas are seen.
        left = (index * 7 % BANDS) * (width - columns) // (BANDS - 1)
        a, b = _twists(pixels[top : top + BAND_ROWS, left : left + columns])
        product += float(np.vdot(a, b))
        energy += float(np.vdot(a, a) + np.vdot(b, b))
    return 2 * product / energy if energy > 0 else 0.0


def _twists(band: Pixels) -> tuple[Floats, Floats]:
    """dp/dy and d(ny/nz)/dx by central differences, whose operators commute: no bias from the grid."""
    x, y, z = unit_scale(np.ascontiguousarray(np.moveaxis(band[..., :3], 2, 0))) * 2 - 1
    depth = np.maximum(z, 0.1)
    p, q = -x / depth, y / depth
    a = p[2:, 1:-1] - p[:-2, 1:-1]
    b = q[1:-1, 2:] - q[1:-1, :-2]
    # At the borders of an atlas' islands the surface jumps: what is large says little.
    keep = (np.abs(a) < 1) & (np.abs(b) < 1)
    return a * keep, b * keep


def seams(pixels: Pixels) -> Seams:
    """Compares the step across opposite edges with the steps between neighbours inside."""
    return Seams(horizontal=_seam(pixels.swapaxes(0, 1)), vertical=_seam(pixels))


def _seam(rows: Pixels) -> float:
    """For top against bottom edge; 0 where the step across them is as any other, towards 1 if larger."""
    height = len(rows)
    if height < 4:
        return 0.0
    # Neighbours near the edges, and some from all over.
    first = np.unique(
        np.concatenate([[0, 1, height - 3, height - 2], np.linspace(0, height - 2, 12).astype(int)])
    )
    step = max(1, rows.shape[1] // (2 * SAMPLE))
    inside = _difference(rows[first, ::step], rows[first + 1, ::step])
    across = _difference(rows[[-1], ::step], rows[[0], ::step])
    return float(np.clip((across - inside) / (across + inside + 1 / 255), 0, 1))


def _difference(one: Pixels, other: Pixels) -> float:
    return float(np.nan_to_num(np.abs(unit_scale(one) - unit_scale(other))).mean())


def warm() -> None:
    """Runs everything once on a tiny image."""
    pixels = np.full((32, 32, 3), 128, np.uint8)
    planes = sample(pixels)
    normals(pixels, planes, [0.5, 0.5, 0.5])
    curl(pixels)
    entropy(planes)
    seams(pixels)
