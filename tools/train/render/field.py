"""Fields of floats that materials are made of: tileable noise, cells, blurs, warps, colour ramps."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
Random = np.random.Generator
Shape = tuple[int, int]

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""ITU-R BT.601 weights of red, green and blue."""


def unit(field: Field) -> Field:
    """The field stretched to 0..1; a constant one becomes 0."""
    low, high = float(field.min()), float(field.max())
    return (field - low) * np.float32(1 / (high - low if high - low > 1e-6 else 1e6))


def step(field: Field, low: float, high: float) -> Field:
    """Smoothstep: 0 below `low`, 1 above `high` (`low` may be the greater)."""
    t = np.clip((field - np.float32(low)) * np.float32(1 / ((high - low) or 1e-6)), 0, 1)
    return t * t * (3 - 2 * t)


def mix(a: Field | float, b: Field | float, t: Field | float) -> Field:
    """Linear blend from `a` (t = 0) to `b` (t = 1)."""
    return np.asarray(a + (b - a) * t, np.float32)


def chance(rng: Random, probability: float) -> bool:
    """True with the probability given."""
    return bool(rng.random() < probability)


def span(rng: Random, low: float, high: float) -> float:
    """Uniform between two numbers."""
    return float(rng.uniform(low, high))


def spread(rng: Random, low: float, high: float) -> float:
    """Log-uniform between two positive numbers: as often small as large."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def pick(rng: Random, options: Sequence, weights: Sequence[float] | None = None):
    """One of the options, by weight where weights are given."""
    if weights is None:
        return options[int(rng.integers(len(options)))]
    total = np.cumsum(weights)
    return options[int(np.searchsorted(total, rng.random() * total[-1], side="right"))]


@lru_cache(maxsize=64)
def grid(shape: Shape) -> tuple[Field, Field]:
    """Pixel centres as y (h, 1) and x (1, w), each in 0..1."""
    y = (np.arange(shape[0], dtype=np.float32) + 0.5) / shape[0]
    x = (np.arange(shape[1], dtype=np.float32) + 0.5) / shape[1]
    return y[:, None], x[None, :]


@lru_cache(maxsize=64)
def _frequencies(shape: Shape) -> tuple[Field, Field]:
    """Cycles per texture, squared, along y (h, 1) and x (1, w // 2 + 1)."""
    fy = np.fft.fftfreq(shape[0]).astype(np.float32) * shape[0]
    fx = np.fft.rfftfreq(shape[1]).astype(np.float32) * shape[1]
    return (fy * fy)[:, None], (fx * fx)[None, :]


def noise(
    rng: Random,
    shape: Shape,
    slope: float = 1.8,
    low: float = 1,
    high: float = 1e9,
    stretch: tuple[float, float] = (1, 1),
) -> Field:
    """Tileable noise in 0..1 whose amplitude falls as frequency ** -slope between `low` and `high`.

    Frequencies are in cycles per texture. `stretch` (y, x) above 1 lengthens the noise along that axis.
    """
    fy, fx = _frequencies(shape)
    square = fy * np.float32(stretch[0] ** 2) + fx * np.float32(stretch[1] ** 2)
    square[0, 0] = 1
    amplitude = square ** np.float32(-slope / 2)
    if low > 1:
        amplitude *= square >= low * low
    if high < 1e8:
        amplitude *= np.exp(square * np.float32(-1 / (high * high)))
    amplitude[0, 0] = 0
    waves = rng.standard_normal((*amplitude.shape, 2), np.float32).view(np.complex64)[..., 0]
    return unit(np.fft.irfft2(waves * amplitude, s=shape).astype(np.float32))


def grain(rng: Random, shape: tuple[int, ...]) -> Field:
    """White noise with mean 0 and deviation 1."""
    return rng.standard_normal(shape, np.float32)


def ridges(field: Field) -> Field:
    """Noise turned into ridges: 1 where the field crosses its middle."""
    return np.maximum(0, 1 - np.abs(2 * field - 1))


def blur(field: Field, *sigmas: float) -> list[Field]:
    """The field blurred by Gaussians of these deviations (pixels), wrapping round the edges."""
    shape = field.shape[:2]
    fy, fx = _frequencies((int(shape[0]), int(shape[1])))
    radius = fy / np.float32(shape[0] ** 2) + fx / np.float32(shape[1] ** 2)
    waves = np.fft.rfft2(field)
    blurred = []
    for sigma in sigmas:
        gauss = np.exp(radius * np.float32(-2 * np.pi**2 * sigma * sigma))
        blurred.append(np.fft.irfft2(waves * gauss, s=shape).astype(np.float32))
    return blurred


def warp(field: Field, dy: Field | float, dx: Field | float) -> Field:
    """The field fetched `dy`, `dx` pixels away, nearest pixel, wrapping round the edges."""
    height, width = field.shape[:2]
    rows = (np.arange(height)[:, None] + np.asarray(dy)).astype(np.int32) % height
    columns = (np.arange(width)[None, :] + np.asarray(dx)).astype(np.int32) % width
    return field[rows, columns]


def cells(
    rng: Random, shape: Shape, rows: int, columns: int, jitter: float = 1
) -> tuple[Field, Field, NDArray[np.intp]]:
    """Worley noise on a jittered grid, tileable: distance to the nearest and second point (in cells), id."""
    oy, ox = (0.5 + (rng.random((2, rows, columns), np.float32) - 0.5) * np.float32(jitter)).astype(
        np.float32
    )
    y, x = grid(shape)
    cy, cx = y * rows, x * columns
    iy, ix = np.floor(cy).astype(np.intp), np.floor(cx).astype(np.intp)
    ly, lx = cy - iy, cx - ix
    first = np.full(shape, 9, np.float32)
    second = first.copy()
    owner = np.zeros(shape, np.intp)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            index = (iy + dy) % rows * columns + (ix + dx) % columns
            away = (oy.ravel()[index] + dy - ly) ** 2 + (ox.ravel()[index] + dx - lx) ** 2
            nearer = away < first
            second = np.where(nearer, first, np.minimum(second, away))
            first = np.where(nearer, away, first)
            owner = np.where(nearer, index, owner)
    return np.sqrt(first), np.sqrt(second), owner


def hsv(hue: float, saturation: float, value: float) -> Field:
    """RGB in 0..1 of a hue (turns), saturation and value (0..1)."""
    wheel = np.abs((hue * 6 + np.array([0, 4, 2])) % 6 - 3) - 1
    return (value * (1 + saturation * (np.clip(wheel, 0, 1) - 1))).astype(np.float32)


def ramp(colours: Sequence[Field], t: Field) -> Field:
    """Colours (each of n channels) laid out evenly on 0..1 and looked up at `t`: (*t.shape, n)."""
    stops = np.asarray(colours, np.float32)
    places = np.linspace(0, len(stops) - 1, 256)
    table = np.stack([np.interp(places, np.arange(len(stops)), c) for c in stops.T], 1).astype(np.float32)
    return table[np.clip(t * 255, 0, 255).astype(np.uint8)]


def luma(colour: Field) -> Field:
    """Grey (h, w) of a colour (h, w, 3)."""
    return colour @ LUMA


def pixels(field: Field) -> NDArray[np.uint8]:
    """A field in 0..1, (h, w) or (h, w, channels), as bytes (h, w, channels)."""
    bytes_ = (np.clip(field, 0, 1) * 255 + 0.5).astype(np.uint8)
    return bytes_[..., None] if bytes_.ndim == 2 else bytes_
