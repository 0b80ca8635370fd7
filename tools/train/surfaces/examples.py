"""One material to learn from or to measure by: its colours and what is known of its surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

SIDE = 512
"""Longest side that is kept."""


@dataclass
class Example:
    """Arrays of one size; None for what isn't known of a material."""

    source: str
    """The package, or `rendered`."""
    name: str
    """The path of the colours, or the generator's name."""
    albedo: NDArray[np.uint8]
    """h x w x 3, sRGB."""
    slopes: NDArray[np.float16] | None
    """2 x h x w: how far the surface rises from texel to texel to the right and downwards."""
    height: NDArray[np.float16] | None
    """h x w, of any scale and offset."""
    roughness: NDArray[np.uint8] | None
    """h x w, 255 is rough."""


def slopes_of(vectors: Floats) -> Floats:
    """2 x h x w of normals, h x w x 3 with y up: a plane z = p x + q y (y down) has (-p, q, 1) / |.|."""
    depth = np.maximum(vectors[..., 2], np.float32(0.1))
    return np.stack([-vectors[..., 0] / depth, vectors[..., 1] / depth]).clip(-8, 8)


def vectors_of(slopes: Floats) -> Floats:
    """The other way round: 3 x h x w, of length 1."""
    length = np.sqrt((slopes * slopes).sum(0) + 1)
    return np.stack([-slopes[0] / length, slopes[1] / length, 1 / length])


def sobel(height: Floats) -> Floats:
    """Slopes of heights in texels, as the program measures them; the opposite edge lies beyond an edge."""
    padded = np.pad(height, 1, "wrap")
    down = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    across = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    return np.stack([(down[:, 2:] - down[:, :-2]) / 8, (across[2:] - across[:-2]) / 8])
