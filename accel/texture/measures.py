"""Shares and ranks of arrays so small that calls cost more than the numbers in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accel.texture.views import Floats


def share(found: NDArray[np.bool_]) -> float:
    """Which part of them is true."""
    return int(np.count_nonzero(found)) / found.size


def mean(values: Floats) -> float:
    """The mean of all: numpy's very value, for which numpy itself takes twice as long where there are few."""
    return float(_mean(values))


def deviation(values: Floats) -> float:
    """The standard deviation of all, likewise."""
    return float(np.sqrt(_variance(values)))


def variance(values: Floats) -> float:
    """The square of that, likewise."""
    return float(_variance(values))


def _variance(values: Floats) -> np.floating[Any]:
    squares = centred(values)
    np.multiply(squares, squares, out=squares)
    return _mean(squares)


def centred(values: Floats) -> Floats:
    """All of them less their mean."""
    return values - _mean(values)


def _mean(values: Floats) -> np.floating[Any]:
    average: np.floating[Any] = np.add.reduce(values, axis=None) / values.size
    return average


def dot(one: NDArray[Any], other: NDArray[Any]) -> float:
    """The sum of the products of two rows, in an order that no processor changes, as BLAS does: what ought to
    be equal or nothing is so everywhere, and trees split on no residue."""
    return float(np.add.reduce(one * other))


def median(values: Floats) -> float:
    """The median, numpy's very value, of values in one row."""
    middle = ranked(values, [(len(values) - 1) // 2, len(values) // 2])
    return mean(np.array(middle, np.float32))


def ranked(values: Floats, places: Sequence[int]) -> list[float]:
    """What would stand at some places if `values`, in one row, were in order."""
    # All of them, as numpy sorts eight at once, and partitions one by one.
    found: list[float] = np.sort(values)[places].tolist()
    return found
