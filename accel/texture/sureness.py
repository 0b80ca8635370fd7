"""From which probability on a class is sure enough to change settings by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.texture.kinds import CLASS_OF, KINDS

CLASSES = tuple(dict.fromkeys(CLASS_OF.values()))

_AT = np.array([CLASSES.index(CLASS_OF[kind]) for kind in KINDS])
"""The place of each kind's class."""
_BEGINS = np.searchsorted(_AT, np.arange(len(CLASSES)))
"""Where the kinds of each class begin: they stand together in KINDS."""


class Sureness(Struct, frozen=True):
    """From which probability on a class is acted on, and how probabilities are sharpened before."""

    sharpness: float
    """What the logarithms are multiplied with: calibrates what came of all evidence."""
    thresholds: Mapping[str, float]
    """By class; above 1 where it never is sure enough."""


def class_shares(probabilities: NDArray[Any]) -> NDArray[Any]:
    """Probabilities of CLASSES, … x classes, from those of KINDS, … x kinds."""
    return np.add.reduceat(probabilities, _BEGINS, axis=-1)


def sure_enough(probabilities: NDArray[Any], sure: Sureness) -> NDArray[np.bool_]:
    """Of each of … x kinds, whether the class of the most probable one is sure enough to act on."""
    shares = class_shares(probabilities)
    of_best = _AT[probabilities.argmax(axis=-1)]
    share = np.take_along_axis(shares, of_best[..., None], axis=-1)[..., 0]
    thresholds = np.array([sure.thresholds.get(one, 2.0) for one in CLASSES])
    return np.asarray((share >= thresholds[of_best]) & (share == shares.max(axis=-1)))
