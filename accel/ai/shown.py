"""Rasters as networks see them, which were trained on photographs: RGB of sRGB's curve, 0 to 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from accel.image.decoded import Pixels
from accel.image.light import srgb
from accel.image.preview import image_of
from accel.image.raster import Raster

Floats = NDArray[np.float32]


def shown(image: Raster) -> Floats:
    """Height x width x 3, 0 to 1, as a screen shows the image on a white page."""
    values = _scaled(image.pixels)
    colors = values[..., : image.colors]
    if image.pixels.dtype.kind == "f" and not image.data:
        colors = srgb(np.clip(colors, 0, 1))
    if image.has_alpha:
        alpha = np.clip(values[..., -1:], 0, 1)
        colors = colors * alpha + (1 - alpha)
    return colors if image.colors == 3 else np.repeat(colors, 3, axis=2)


def resized(values: Floats, width: int, height: int) -> Floats:
    """Height x width x channels at another size: Lanczos where it shrinks, bicubic where it grows; 0 to 1."""
    given = image_of(values, "multiband")
    scaled = given.resize(width / given.width, vscale=height / given.height, kernel="lanczos3")
    made = np.frombuffer(scaled.write_to_memory(), np.float32).reshape(scaled.height, scaled.width, -1)
    assert made.shape[:2] == (height, width)
    return np.clip(made, 0, 1)


def _scaled(pixels: Pixels) -> Floats:
    if pixels.dtype.kind == "f":
        return pixels.astype(np.float32, copy=False)
    made: Floats = pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
    return made
