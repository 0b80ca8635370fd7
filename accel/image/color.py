"""The sRGB transfer function (IEC 61966-2-1) and OKLab (B. Ottosson, "A perceptual color space for image
processing", 2020).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accel.image.pixel_data import Pixels

Floats = NDArray[np.float32]

_STRIP = 1 << 16
"""Pixels per strip, sized to fit into the CPU cache."""


def to_linear(pixels: Pixels, colors: int, transfer: str) -> Floats:
    """Converts pixels to float32 with full scale 1, and their first `colors` channels to linear light."""
    if pixels.dtype.kind == "f":
        return pixels.astype(np.float32, copy=False)
    top = np.float32(np.iinfo(pixels.dtype).max)
    result = np.empty(pixels.shape, np.float32)
    if transfer == "linear":
        return np.divide(pixels, top, out=result, dtype=np.float32)
    table = decode_table(pixels.dtype)
    for strip, out in _strips(pixels, result):
        out[:, :colors] = table[strip[:, :colors]]
        np.divide(strip[:, colors:], top, out=out[:, colors:], dtype=np.float32)
    return result


def from_linear(light: Floats, colors: int, transfer: str, dtype: Any) -> Pixels:
    """Inverts `to_linear`, clipping to 0..1 and rounding. With a float `dtype`, returns `light` unchanged."""
    if np.dtype(dtype).kind == "f":
        return light
    top = np.float32(np.iinfo(dtype).max)
    result = np.empty(light.shape, dtype)
    for strip, out in _strips(light, result):
        values = np.clip(strip, 0, 1)
        if transfer == "srgb":
            values[:, :colors] = encode_srgb(values[:, :colors])
        # The cast rounds down.
        out[:] = values * top + np.float32(0.5)
    return result


def premultiplied_to_linear(pixels: Pixels, colors: int, transfer: str) -> Floats:
    """Converts sRGB codes premultiplied by alpha, the last channel, to premultiplied linear light."""
    top = np.float32(np.iinfo(pixels.dtype).max)
    result = np.empty(pixels.shape, np.float32)
    for strip, out in _strips(pixels, result):
        np.divide(strip, top, out=out, dtype=np.float32)
        alpha = out[:, colors:]
        codes = out[:, :colors] / np.maximum(alpha, np.float32(1e-9))
        out[:, :colors] = _decode_srgb(codes.clip(0, 1)) * alpha
    return result


def _strips(pixels: Pixels, made: Pixels) -> Iterator[tuple[Pixels, Pixels]]:
    """Yields matching strips (pixels x channels) of two images of the same size; the second is writable."""
    flat, out = pixels.reshape(-1, pixels.shape[-1]), made.reshape(-1, made.shape[-1])
    for begin in range(0, len(flat), _STRIP):
        yield flat[begin : begin + _STRIP], out[begin : begin + _STRIP]


def decode_table(dtype: Any) -> Floats:
    """Returns the linear light (0..1) of every sRGB code of an unsigned type."""
    top = np.iinfo(dtype).max
    coded = np.arange(top + 1) / top
    return _decode_srgb(coded)


def _decode_srgb(coded: Floats | NDArray[np.float64]) -> Floats:
    """Converts sRGB codes to linear light, both 0..1."""
    light = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    return light.astype(np.float32)


def encode_srgb(light: Floats) -> Floats:
    """Converts linear light to sRGB codes, both 0..1."""
    coded = np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)
    return coded.astype(np.float32)


AnyFloats = NDArray[np.floating[Any]]

_TO_CONES = np.array([
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
])  # fmt: skip
_TO_LAB = np.array([
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
])  # fmt: skip
_FROM_CONES = np.linalg.inv(_TO_CONES)
_FROM_LAB = np.linalg.inv(_TO_LAB)


def to_oklab(light: AnyFloats) -> AnyFloats:
    """Converts linear sRGB (n x 3, 0..1) to OKLab: lightness (0..1), a and b."""
    lab: AnyFloats = np.cbrt(light @ _TO_CONES.T) @ _TO_LAB.T
    return lab


def from_oklab(lab: AnyFloats) -> AnyFloats:
    """Converts OKLab to linear sRGB. Colours outside the gamut have components below 0 or above 1."""
    light: AnyFloats = (lab @ _FROM_LAB.T) ** 3 @ _FROM_CONES.T
    return light
