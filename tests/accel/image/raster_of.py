"""Rasters of arrays, for operations that are tested without files."""

import numpy as np

from accel.image.raster import Raster
from accel.workload import Limits


def raster(pixels, name: str = "a.png", alpha: bool | None = None, format: str = "png") -> Raster:
    """Height x width x channels as `open_raster` would give it; two and four channels have alpha."""
    pixels = np.ascontiguousarray(pixels)
    channels = pixels.shape[2]
    alpha = channels in (2, 4) if alpha is None else alpha
    colored = channels - alpha == 3 and pixels.dtype.kind == "u"
    return Raster(name, pixels, alpha, "srgb" if colored else "linear", format)


def operate(operation, params, *images, limits: Limits | None = None):
    """What an operation gives for rasters."""
    operation.workload.check_inputs(len(images))
    return operation.operate(list(images), params, limits or Limits())


def random(*shape: int, kind="uint8", seed: int = 3):
    """Values of the whole range; floats from 0 to 1."""
    chance = np.random.default_rng(seed)
    if np.dtype(kind).kind == "f":
        return chance.random(shape, np.float32)
    return chance.integers(0, np.iinfo(kind).max, shape, kind, endpoint=True)
