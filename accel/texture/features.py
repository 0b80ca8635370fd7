"""What the classifier is given of an image: named features, a picture and patches."""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.image.decoded import Decoded
from accel.texture.colors import colors
from accel.texture.structure import structure
from accel.texture.vectors import fields, vectors
from accel.texture.views import Floats, views

VERSION = 2
"""Raised whenever a feature changes; a model says with which version it was trained."""


class Inputs(Struct, frozen=True):
    """One image, as the model takes it."""

    features: dict[str, float]
    """By name; all finite."""
    picture: NDArray[np.uint8]
    """4 x 128 x 128: red, green, blue, alpha; 0 to 255."""
    patch: NDArray[np.uint8]
    """4 x 96 x 96: four patches of texels at the image's own resolution, two by two."""


def extract(decoded: Decoded) -> Inputs:
    """The inputs of the model for an image of any size, from regular samples of its pixels."""
    view = views(decoded)
    with np.errstate(all="ignore"):
        found = colors(view) | vectors(view) | fields(view) | structure(view)
    patches = view.patches[:, (0, 2, 4, 8)]
    side = patches.shape[2]
    mosaic = patches.reshape(4, 2, 2, side, side).swapaxes(2, 3).reshape(4, 2 * side, 2 * side)
    return Inputs(found, _bytes(view.picture), _bytes(mosaic))


def _bytes(planes: Floats) -> NDArray[np.uint8]:
    return (planes * np.float32(255) + np.float32(0.5)).astype(np.uint8)
