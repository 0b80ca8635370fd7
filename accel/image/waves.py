"""Coarse waves of a normal map: its sample averaged over squares, and how their slopes change."""

from __future__ import annotations

import numpy as np

from accel.image.sampling import Floats
from accel.image.slopes import across, bands, slopes, sums

WAVE = 4
"""Texels of the sample, a side, that are averaged for coarse waves: grain and noise are gone then."""


def waves(picture: Floats, steps: tuple[int, int]) -> Floats:
    """Means over squares of a sample, given as a picture whose rows and columns lie `steps` apart.

    At most 64 x 64; of an elongated image, whose steps differ, fewer along its shorter side, and none at all
    where that has no room for three.
    """
    down, right = (WAVE * (max(steps) // step) for step in steps)
    rows, columns = len(picture) // down, picture.shape[1] // right
    if min(rows, columns) < 3:
        return np.zeros((0, 0, 3), np.float32)
    texels = np.moveaxis(picture[: rows * down, : columns * right], 2, 0)
    squares = _means(_means(texels.swapaxes(1, 2), down).swapaxes(1, 2), right)
    return np.moveaxis(squares, 0, 2)


def wave_sums(coarse: Floats, steps: tuple[int, int]) -> Floats:
    """What `sums` gives of waves; their squares are oblong where one step is no multiple of the other."""
    parts = list(bands(coarse))
    columns = across(parts)
    down, right = (np.float32(max(steps) / (max(steps) // step * step)) for step in steps)
    found = [sums(p * down, q * right, columns) for p, q in slopes(parts)]
    return np.concatenate([np.zeros((0, 3)), *found])


def variance(picture: Floats) -> float:
    """Of the slopes of a picture, in both directions together."""
    return sum(float(one.var()) for pair in slopes([picture]) for one in pair)


def _means(values: Floats, count: int) -> Floats:
    """Means of so many values along the last axis: slice by slice, as numpy is slow at sums of so few."""
    made: Floats = values[..., ::count] + values[..., 1::count]
    for start in range(2, count):
        made += values[..., start::count]
    made *= np.float32(1 / count)
    return made
