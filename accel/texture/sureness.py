"""From which probability on a class is sure enough to change settings by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from numpy.typing import NDArray

from accel.texture.kinds import CLASS_OF, KINDS, TextureClass


class Sureness(Struct, frozen=True):
    """From which probability on a class is acted on, and how probabilities are sharpened before."""

    sharpness: float
    """What the logarithms are multiplied with: calibrates what came of all evidence."""
    thresholds: Mapping[str, float]
    """By class; above 1 where it never is sure enough."""


def class_shares(probabilities: NDArray[Any]) -> dict[TextureClass, float]:
    """Probabilities of the classes, from those of KINDS."""
    shares = dict.fromkeys(CLASS_OF.values(), 0.0)
    for kind, share in zip(KINDS, probabilities, strict=True):
        shares[CLASS_OF[kind]] += float(share)
    return shares


def sure_enough(probabilities: NDArray[Any], sure: Sureness) -> bool:
    """Whether the class of the most probable kind is sure enough to act on."""
    shares = class_shares(probabilities)
    of_best = CLASS_OF[KINDS[int(probabilities.argmax())]]
    return shares[of_best] >= sure.thresholds.get(of_best, 2.0) and shares[of_best] == max(shares.values())
