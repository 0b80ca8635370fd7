"""Alpha of cut-outs: how much of it passes a test, and by what factor a smaller level passes as much."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from accel.image.decoded import Pixels, full_scale
from accel.image.light import Floats


def passing(threshold: float, dtype: Any) -> float:
    """The alpha from which a texel passes once it is written: for integers where rounding takes it there."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return threshold
    top = int(np.iinfo(dtype).max)
    return (math.ceil(threshold * top - 1e-6) - 0.5) / top


def share(alpha: Pixels, threshold: float) -> float:
    """The share of texels whose stored alpha is `threshold` (of 1) or more."""
    top = float(full_scale(alpha.dtype))
    return float((alpha >= passing(threshold, alpha.dtype) * top).mean())


def factor(alpha: Floats, wanted: float, least: float) -> float:
    """What to multiply `alpha` by, so that the share `wanted` of it is at least `least`, or the nearest share
    that its values allow; as near to 1 as that can be.

    Castaño 2010, "Computing alpha mipmaps", as in NVIDIA's texture tools; the bound is taken from the values'
    order, not searched for.
    """
    values = alpha.ravel()
    count = _countable(values, round(wanted * values.size))
    low, high = _around(values, count)
    # Not at the bounds themselves, that rounding doesn't take a value to the other side.
    margin = (high - low) / 4
    return least / min(max(least, low + margin), high - margin)


def parted(alpha: Floats) -> Floats:
    """Alpha (height x width) of which equal values are told apart by what lies around them, if anything: else
    of a mask of two values only a few shares could be drawn. Too little to change 8 bit by itself."""
    around = np.zeros_like(alpha)
    for number, (y, x) in enumerate(_NEIGHBOURS):
        rows, columns = _shift(y), _shift(x)
        # Unequal weights, so that two neighbours aren't as good as two others.
        part = alpha[rows[0], columns[0]] * np.float32((1 + number / 11) / 12)
        around[rows[1], columns[1]] += part
    return np.asarray(alpha * (1 + around.clip(0, 1) * TELLING))


TELLING = np.float32(2**-10)
"""By what share of itself a value may be told from another."""

_NEIGHBOURS = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]


def _shift(by: int) -> tuple[slice, slice]:
    """From where to where."""
    low, high = slice(None, -1), slice(1, None)
    return {0: (slice(None), slice(None)), 1: (low, high), -1: (high, low)}[by]


def _around(values: Floats, count: int) -> tuple[float, float]:
    """The largest value that isn't among the `count` largest, and the smallest that is."""
    rest = values.size - count
    picks = [place for place in (rest - 1, rest) if 0 <= place < values.size]
    ordered = np.partition(values, picks)
    low = float(ordered[rest - 1]) if rest else 0.0
    high = float(ordered[rest]) if count else 2 * max(low, 1.0)
    return low, high


def _countable(values: Floats, count: int) -> int:
    """The nearest number of largest values that a bound can part from the rest: of equal ones all or none.
    Nothing that is 0 can be raised."""
    if 0 < count < values.size:
        low, high = _around(values, count)
        if low == high:
            above, least = int((values > high).sum()), int((values >= high).sum())
            count = above if count - above <= least - count or high <= 0 else least
    return min(count, int((values > 1e-6).sum()))
