"""Shares and ranks of arrays so small that calls cost more than the numbers in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accel.texture.views import Floats

_MANY = 8192
"""Values from which it is worth while to sort only those near a rank."""
_COARSE = np.uint32(19)
"""Bits that a float loses for its group: as many as leave 16 groups between a number and its double."""


def share(found: NDArray[np.bool_]) -> float:
    """Which part of them is true."""
    return int(np.count_nonzero(found)) / found.size


def mean(values: Floats) -> float:
    """The mean of all: numpy's very value, for which numpy itself takes twice as long where there are few."""
    return float(_mean(values))


def deviation(values: Floats) -> float:
    """The standard deviation of all, likewise."""
    centred = values - _mean(values)
    np.multiply(centred, centred, out=centred)
    return float(np.sqrt(_mean(centred)))


def _mean(values: Floats) -> np.floating[Any]:
    average: np.floating[Any] = np.add.reduce(values, axis=None) / values.size
    return average


def ordered(values: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The same in order: numpy sorts 16 bits by radix, so that twice of those takes half the time of 32."""
    for bits in (0, 16):
        places = np.argsort((values >> np.uint32(bits)).astype(np.uint16), kind="stable")
        values = values.take(places)
    return values


def median(values: Floats) -> float:
    """The median, numpy's very value, of what `ranked` takes."""
    middle = ranked(values, [(len(values) - 1) // 2, len(values) // 2])
    return mean(np.array(middle, np.float32))


def ranked(values: Floats, places: Sequence[int]) -> list[float]:
    """What would stand at some places if `values` were in order: 32 bit, in one row, none below 0."""
    if len(values) < _MANY:
        ordered = np.sort(values)
        return [float(ordered[place]) for place in places]
    # Floats that aren't negative are in the order of their bits.
    groups = values.view(np.uint32) >> _COARSE
    ends = np.cumsum(np.bincount(groups))
    return [_in_group(values, groups, ends, place) for place in places]


def _in_group(values: Floats, groups: NDArray[np.uint32], ends: NDArray[np.intp], place: int) -> float:
    group = int(np.searchsorted(ends, place, "right"))
    within = place - int(ends[group - 1]) if group else place
    return float(np.partition(values[groups == group], within)[within])
