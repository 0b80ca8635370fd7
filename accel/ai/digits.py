"""Vectors as lists of numbers with seven digits: all that 32 bits hold, and short as text."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

DIGITS = 7
_LEAST = 1e-12
"""Below which in absolute terms fewer digits are kept: nothing, beside vectors of length 1."""
_POWERS = np.array([float(f"1e{power}") for power in range(DIGITS + 12)])
"""Exact, as quotients of whole numbers by them are then the nearest to what is meant."""


def listed(vectors: NDArray[np.float32]) -> list[Any]:
    """An array of any shape of numbers between -1 and 1, as `tolist` gives it, rounded to seven digits."""
    wide = vectors.astype(np.float64)
    places = DIGITS - 1 - np.floor(np.log10(np.maximum(np.abs(wide), _LEAST))).astype(np.intp)
    scale = _POWERS[places]
    found: list[Any] = (np.rint(wide * scale) / scale).tolist()
    return found
