"""Images in memory for the tests of operations."""

import numpy as np

from accel.image.raster import Raster
from accel.workload import Limits

KINDS = {"uint8": 255, "uint16": 65535, "float32": 1.0}
"""Types of channels, with their full scale."""


def raster(pixels, transfer: str = "auto", alpha: bool | None = None, name: str = "a.png") -> Raster:
    """An image of these pixels, height x width x channels; three colours are sRGB unless said otherwise."""
    pixels = np.ascontiguousarray(pixels)
    channels = pixels.shape[2]
    has_alpha = channels in (2, 4) if alpha is None else alpha
    if transfer == "auto":
        transfer = "srgb" if channels - has_alpha == 3 and pixels.dtype.kind == "u" else "linear"
    return Raster(name, pixels, has_alpha, transfer, "png")


def made(operation, images, **params) -> Raster:
    """The one image that an operation makes."""
    (image,) = done(operation, images, **params).images.values()
    assert image.pixels.flags.c_contiguous
    return image


def done(operation, images, **params):
    images = images if isinstance(images, list) else [images]
    return operation.operate(images, operation.workload.parse(params), Limits())


def noise(height: int, width: int, channels: int, kind: str = "uint8", seed: int = 1):
    """Unrelated values over the whole scale."""
    values = np.random.default_rng(seed).random((height, width, channels))
    top = KINDS[kind]
    return (values * top + (0.5 if top > 1 else 0)).astype(kind)
