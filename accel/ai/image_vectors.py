"""Vectors of pictures by EfficientNet-Lite0."""

from __future__ import annotations

from accel.ai.digits import listed
from accel.ai.sessions import networks
from accel.ai.shown import resized, shown
from accel.image.raster import Raster
from accel.models.catalogue import EFFICIENTNET
from accel.workload import Limits

SIDE = 224
"""Pixels of the square that the network was trained on."""


def vector(image: Raster, limits: Limits) -> tuple[list[float], str]:
    """A vector of length 1, and which model made it. Raises WorkloadError where it isn't on this machine."""
    network = networks(limits).get(EFFICIENTNET.name)
    made = network.image(resized(shown(image), SIDE, SIDE))
    return listed(made), f"{EFFICIENTNET.name} {EFFICIENTNET.version}"
