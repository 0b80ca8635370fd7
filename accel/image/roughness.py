"""Roughness of mip levels: what a level's normals no longer show as bumps, it must show as gloss lost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from accel.image.light import Floats

LEAST = np.float32(1e-4)
"""Length of a mean normal, and distance of a roughness from 1, below which formulas divide by nothing."""


def raised(roughness: Floats, length: Floats) -> Floats:
    """GGX's perceptual roughness (0..1; its square is alpha), raised by the spread of normals that averaged
    to vectors of `length`, 0..1.

    Toksvig 2005, "Mipmapping Normal Maps": a Blinn-Phong exponent s becomes s L / (L + s (1 - L)), so that
    1/s grows by (1 - L) / L. Walter et al. 2007, "Microfacet Models for Refraction", section 5.2:
    s = 2 / alpha^2 - 2. For small spreads it is what LEAN mapping (Olano and Baker 2010) adds to alpha^2:
    twice the variance of slopes.
    """
    squared = roughness**4
    length = np.clip(length, LEAST, 1)
    # 1/s, of which the flat mirror has 0 and the roughest surface no bound.
    inverse = squared / (2 * np.maximum(1 - squared, LEAST)) + (1 - length) / length
    made = np.sqrt(np.sqrt(2 * inverse / (1 + 2 * inverse)))
    return np.asarray(np.maximum(made, roughness), np.float32)


def raise_channels(lines: Floats, normals: Floats, channels: Sequence[int], smooth: bool) -> None:
    """Raises channels of lines (rows x channels x width) by the mean normals of the same texels; `smooth`
    channels hold 1 - roughness."""
    vectors = normals[:, :3]
    length = np.sqrt(np.einsum("rcw,rcw->rw", vectors, vectors))
    for channel in channels:
        values = lines[:, channel].clip(0, 1)
        made = raised(1 - values if smooth else values, length)
        lines[:, channel] = 1 - made if smooth else made
