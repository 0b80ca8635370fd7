"""The slopes of a normal map in bands of neighbouring texels, and how they change from texel to texel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from accel.image.decoded import Pixels
from accel.image.sampling import Floats, unit_scale

BANDS = 12
BAND_ROWS = 16
BAND_COLUMNS = 384
"""Neighbouring texels for slopes: so many bands of so many rows and columns each, evenly spread; fewer and
somewhat taller ones in lower pictures, so that no two overlap."""

LEAST_TEXELS = 64
"""Texels below which a picture tells nothing: whatever slopes it has would fit one reading or the other."""

PART_COLUMNS = 8
"""The least width of a part of a band, texels."""

TOGETHER = 6
"""Bands worked on in one go: fewer cost calls, more don't stay in the cache."""


def bands(pixels: Pixels) -> Iterator[Pixels]:
    """Neighbouring texels from all over the image, at least 3 x 3 in each band; all of one size."""
    height, width = pixels.shape[:2]
    if min(height, width) < 3 or height * width < LEAST_TEXELS:
        return
    count = max(1, min(BANDS, height // BAND_ROWS))
    rows = BAND_ROWS if count == BANDS else height // count
    columns = min(width, BAND_COLUMNS)
    for index in range(count):
        top = index * (height - rows) // max(1, count - 1)
        # The bands also wander over the width, so that all parts of an atlas are seen.
        left = (index * 7 % BANDS) * (width - columns) // (BANDS - 1)
        yield pixels[top : top + rows, left : left + columns]


def across(parts: Sequence[Pixels]) -> int:
    """How many parts of their columns these bands are looked at in: few bands would agree by chance."""
    if not parts:
        return 1
    columns: int = parts[0].shape[1]
    return max(1, min(-(-BANDS // len(parts)), columns // PART_COLUMNS))


def slopes(parts: Sequence[Pixels]) -> Iterator[tuple[Floats, Floats]]:
    """-p, and q if green points up, of some bands at a time: bands x rows x columns."""
    for first in range(0, len(parts), TOGETHER):
        some = parts[first : first + TOGETHER]
        stored = np.empty((3, len(some), *some[0].shape[:2]), some[0].dtype)
        for index, band in enumerate(some):
            for channel in range(3):
                stored[channel, index] = band[..., channel]
        vectors = unit_scale(stored)
        if stored.dtype.kind == "f":
            # Floats may be anything, and squares of slopes would overflow.
            np.clip(vectors, 0, 1, out=vectors)
        # Half the vectors: slopes are ratios.
        vectors -= np.float32(0.5)
        x, y, z = vectors
        np.maximum(z, np.float32(0.05), out=z)
        x /= z
        y /= z
        yield x, y


def halved(values: Floats) -> Floats:
    """Means of 2 x 2."""
    rows, columns = (side // 2 * 2 for side in values.shape[1:])
    pairs = values[:, :rows:2, :columns] + values[:, 1:rows:2, :columns]
    made: Floats = pairs[..., ::2] + pairs[..., 1::2]
    made *= np.float32(0.25)
    return made


def sums(p: Floats, q: Floats, across: int = 1) -> Floats:
    """Of each band, or of as many parts of each: ab, a^2 + b^2 (twists), (dp/dx)^2 + (dq/dy)^2 (stretches).

    By central differences, whose operators commute: no bias from the grid.
    """
    if min(p.shape[1:]) < 3:
        return np.zeros((len(p) * across, 3))
    a = p[:, :-2, 1:-1] - p[:, 2:, 1:-1]
    b = q[:, 1:-1, 2:] - q[:, 1:-1, :-2]
    products = a * b
    twists, larger = _squares(a, b)
    stretches, most = _squares(p[:, 1:-1, 2:] - p[:, 1:-1, :-2], q[:, 2:, 1:-1] - q[:, :-2, 1:-1])
    # At the borders of an atlas' islands the surface jumps: what is large says little.
    keep = (np.maximum(larger, most, out=most) < 1).astype(np.float32)
    return np.array([_dots(each, keep, across) for each in (products, twists, stretches)]).T


def _squares(one: Floats, other: Floats) -> tuple[Floats, Floats]:
    """Their sum, and the larger of the two; both are squared in place."""
    one *= one
    other *= other
    return one + other, np.maximum(one, other)


def _dots(values: Floats, keep: Floats, across: int) -> list[float]:
    # Not by BLAS, whose sums differ by the processor.
    columns = np.einsum("brc,brc->bc", values, keep)
    starts = np.arange(across) * columns.shape[1] // across
    parts: list[float] = np.add.reduceat(columns, starts, axis=1, dtype=float).ravel().tolist()
    return parts
