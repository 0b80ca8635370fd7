"""Pictures for tests, made when they are needed: what artists have, and what only looks like it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyvips
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


def _grid(size: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    y, x = np.mgrid[0:size, 0:size]
    return x, y


def heights(size: int = 128) -> NDArray[np.float64]:
    """A tileable bumpy surface."""
    x, y = _grid(size)
    waves = np.random.default_rng(1).integers(1, 6, (8, 3))
    return np.sum([np.sin(2 * np.pi * (a * x + b * y) / size + p) for a, b, p in waves], axis=0)


def normal_map(size: int = 128, green_up: bool = True, depth: float = 2.0) -> Pixels:
    """`depth`: the smaller, the steeper."""
    h = heights(size)
    p = np.roll(h, -1, 1) - np.roll(h, 1, 1)
    q = np.roll(h, -1, 0) - np.roll(h, 1, 0)
    vectors = np.stack([-p, q if green_up else -q, np.full_like(h, depth)], -1)
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.round((vectors * 0.5 + 0.5) * 255).astype(np.uint8)


def flat(color: tuple[int, ...], size: int = 128) -> Pixels:
    return np.full((size, size, len(color)), color, np.uint8)


def gradient(
    top: tuple[int, int, int], bottom: tuple[int, int, int], noise: int = 0, size: int = 128
) -> Pixels:
    _, y = _grid(size)
    share = (y / (size - 1))[..., None]
    pixels = np.array(top) * (1 - share) + np.array(bottom) * share
    pixels = pixels + np.random.default_rng(2).integers(-noise, noise + 1, pixels.shape)
    return np.clip(pixels, 0, 255).astype(np.uint8)


def grey(size: int = 128) -> Pixels:
    h = heights(size)
    return np.round((h - h.min()) / np.ptp(h) * 255).astype(np.uint8)[..., None]


def mask(size: int = 128) -> Pixels:
    """Black and white, with hard edges."""
    return np.where(grey(size) > 127, 255, 0).astype(np.uint8)


def packed(order: str, size: int = 128) -> Pixels:
    """Occlusion, roughness and metal in the order of `order`, which has their letters."""
    h = (heights(size) - heights(size).min()) / np.ptp(heights(size))
    channels = {"o": 0.8 + 0.2 * h, "a": 0.8 + 0.2 * h, "r": 0.3 + 0.3 * h, "m": (h > 0.5) * 1.0}
    return np.round(np.dstack([channels[letter] for letter in order]) * 255).astype(np.uint8)


def noise(channels: int, size: int = 128) -> Pixels:
    return np.random.default_rng(3).integers(0, 256, (size, size, channels), np.uint8)


def opaque(pixels: Pixels) -> Pixels:
    """With an alpha channel that says nothing."""
    return np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])


def save(path: Path, pixels: Pixels) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width, channels = pixels.shape
    image = pyvips.Image.new_from_memory(np.ascontiguousarray(pixels).data, width, height, channels, "uchar")
    image.copy(interpretation="b-w" if channels == 1 else "srgb").write_to_file(str(path))
    return path
