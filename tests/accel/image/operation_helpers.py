"""Rasters of arrays, for operations that are tested without files."""

import numpy as np

from accel.image.raster import Raster
from accel.workload import Limits

KINDS = {"uint8": 255, "uint16": 65535, "float32": 1.0}
"""Types of channels, with their full scale."""


def raster(
    pixels, transfer: str = "auto", alpha: bool | None = None, name: str = "a.png", format: str = "png"
) -> Raster:
    """An image as `open_raster` would read it; two and four channels have alpha."""
    pixels = np.ascontiguousarray(pixels)
    channels = pixels.shape[2]
    has_alpha = channels in (2, 4) if alpha is None else alpha
    if transfer == "auto":
        transfer = "srgb" if channels - has_alpha == 3 and pixels.dtype.kind == "u" else "linear"
    return Raster(name, pixels, has_alpha, transfer, format)


def operate(operation, params, *images, limits: Limits | None = None):
    """The result of an operation on rasters."""
    operation.workload.check_inputs(len(images))
    return operation.operate(list(images), params, limits or Limits())


def done(operation, images, **params):
    """The same with parameters by name."""
    images = images if isinstance(images, list) else [images]
    return operate(operation, operation.workload.parse(params), *images)


def made(operation, images, **params) -> Raster:
    """The only image of a result."""
    (image,) = done(operation, images, **params).images.values()
    assert image.pixels.flags.c_contiguous
    return image


def noise(height: int, width: int, channels: int, kind: str = "uint8", seed: int = 1):
    """Uncorrelated values over the whole scale."""
    values = np.random.default_rng(seed).random((height, width, channels))
    top = KINDS[kind]
    return (values * top + (0.5 if top > 1 else 0)).astype(kind)


def random(*shape: int, kind="uint8", seed: int = 3):
    """Random codes over the whole range; floats from 0 to 1."""
    generator = np.random.default_rng(seed)
    if np.dtype(kind).kind == "f":
        return generator.random(shape, np.float32)
    return generator.integers(0, np.iinfo(kind).max, shape, kind, endpoint=True)
