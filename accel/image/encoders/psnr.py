"""How near compressed pixels are to what they were made of: the peak signal-to-noise ratio, in dB."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from accel.image.decoded import Pixels

BEST = 100.0
"""What no difference at all counts as; no image has a larger finite one that matters."""

_ROWS = 64
_STOPS = range(-10, 11)
_GAMMA = 1 / 2.2

Floats = NDArray[np.float32]


def colors(before: Pixels, after: Pixels, alpha: bool, data: bool = False) -> float:
    """Of 8 bit pixels, height x width x channels; `alpha` tells whether the last of `before` is one.

    Colours weigh as much as they are opaque, so that none counts where alpha is 0, unless they are data;
    alpha itself is one channel more. 10 log10(255^2 / mean squared error). Only what both have is compared:
    grey with each colour that was made of it, the first channels where `after` has no more.
    """
    count = min(after.shape[2], 3)
    squares = weights = 0.0
    for old, new in _strips(before, after):
        kept = old[..., :1] if old.shape[2] < 3 else old[..., :count]
        error = np.square(new[..., :count] - kept).sum(-1)
        if alpha:
            weight = np.ones_like(error) if data else old[..., -1] / 255
            squares += float((error * weight).sum() + np.square(new[..., 3] - old[..., -1]).sum())
            weights += float(weight.sum()) * count + weight.size
        else:
            squares += float(error.sum())
            weights += error.size * count
    return decibels(squares / weights / 255**2)


def vectors(before: Pixels, after: Pixels) -> float:
    """Of normal maps, 8 bits a channel: of unit vectors, whose components are -1 to 1, a peak of 2.

    10 log10(4 / mean squared error of x, y and z). Of two channels in `after` z is rebuilt; both sides are
    normalized, as shaders do it.
    """
    squares = count = 0.0
    for old, new in _strips(before, after):
        squares += float(np.square(_unit(new[..., :3]) - _unit(old[..., :3])).sum())
        count += old[..., :3].size
    return decibels(squares / count / 4)


def light(before: Pixels, after: Pixels) -> float:
    """Of light in floats: mPSNR (Munkberg et al., "High Dynamic Range Texture Compression for Graphics
    Hardware", 2006), the PSNR over 8 bit pictures of gamma 2.2 at exposures of -10 to 10 stops."""
    squares = 0.0
    for old, new in _strips(before, after):
        old, new = (np.power(np.maximum(each, 0), _GAMMA) * 255 for each in (old, new))
        for stop in _STOPS:
            gain = np.float32(2 ** (stop * _GAMMA))
            one, other = (np.minimum(np.rint(each * gain), 255) for each in (old, new))
            squares += float(np.square(other - one).sum())
    colors = max(before.shape[2], after.shape[2])
    return decibels(squares / (before.shape[0] * before.shape[1] * colors * len(_STOPS)) / 255**2)


def decibels(error: float) -> float:
    """Of a mean squared error by a peak of 1; at most `BEST`."""
    return BEST if error <= 0 else min(BEST, -10 * math.log10(error))


def _strips(before: Pixels, after: Pixels) -> Iterator[tuple[Floats, Floats]]:
    for top in range(0, len(before), _ROWS):
        yield before[top : top + _ROWS].astype(np.float32), after[top : top + _ROWS].astype(np.float32)


def _unit(texels: Floats) -> Floats:
    vectors = texels / np.float32(127.5) - 1
    if vectors.shape[2] == 2:
        z = np.sqrt(np.maximum(1 - np.square(vectors).sum(-1, keepdims=True), 0))
        vectors = np.concatenate([vectors, z], -1)
    length = np.sqrt(np.square(vectors).sum(-1, keepdims=True))
    unit: Floats = vectors / np.maximum(length, np.float32(1e-6))
    return unit
