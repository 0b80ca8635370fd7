"""Tangent-space vectors in pixels: which way round they are coded, turned, and made of length 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from accel.image.decoded import Pixels
from accel.image.inspection import TOLERANCE
from accel.image.normals import NORMAL_SHARE
from accel.image.raster import Raster
from accel.image.sampling import sample
from accel.text import text
from accel.workload import WorkloadError

Floats = NDArray[np.floating[Any]]

STRIP = 64
"""Rows worked on in one go, so that what is computed stays in the cache."""

_BELOW = -0.05
"""What no filter that sharpens makes of values from 0 on, but directions to the left and down are."""

_SHORT = np.float32(1e-6)
"""Length below which a vector points nowhere."""


def check_normals(image: Raster) -> None:
    """Raises WorkloadError `unsupported` for what has no three colours."""
    if image.colors != 3:
        raise WorkloadError("unsupported", text("is grey; a normal map has red, green and blue"), image.name)


def is_signed(image: Raster, said: Literal["auto", "no", "yes"] = "auto") -> bool:
    """Whether floats are vectors of -1 to 1 themselves, not coded as 0 to 1; never of integers."""
    if image.pixels.dtype.kind != "f" or said == "no":
        return False
    if said == "yes" or image.signed is not None:
        return said == "yes" or image.signed is True
    stored = sample(image.pixels)[:3]
    if stored.min() < _BELOW:
        return True
    units = _units(stored)
    return units >= NORMAL_SHARE and units > _units(stored * 2 - 1)


def signed_alike(first: Raster, layers: Sequence[Raster]) -> tuple[Raster, ...]:
    """The layers with their floats taken for what the first's are."""
    signed = is_signed(first) if layers and first.pixels.dtype.kind == "f" else None
    return tuple(replace(layer, signed=signed) for layer in layers)


def unsigned(pixels: Pixels) -> Pixels:
    """A copy of floats whose first three channels, vectors of -1 to 1, are coded as 0 to 1."""
    made = pixels.copy()
    made[..., :3] = _coded(pixels[..., :3], pixels.dtype, False)
    return made


def _units(vectors: Floats) -> float:
    lengths = np.sqrt((vectors * vectors).sum(axis=0))
    return float((np.abs(lengths - 1) <= TOLERANCE).mean())


def flipped(pixels: Pixels, x: bool, y: bool, signed: bool) -> Pixels:
    """A copy with red or green turned: full scale less the value, or the negative where floats are signed."""
    height, width, channels = pixels.shape
    turn = np.zeros(channels, bool)
    turn[:2] = x, y
    if pixels.dtype.kind == "f":
        made = pixels.copy()
        for index in np.flatnonzero(turn):
            np.subtract(0 if signed else 1, pixels[..., index], out=made[..., index])
        return made
    # Full scale less a value has all its bits turned: whole rows at once, whatever the channels.
    mask = np.tile(turn * np.iinfo(pixels.dtype).max, width).astype(pixels.dtype)
    turned: Pixels = pixels.reshape(height, -1) ^ mask
    return turned.reshape(pixels.shape)


def normalized(pixels: Pixels, only_z: bool, signed: bool) -> Pixels:
    """A copy of which all vectors have length 1: scaled, or with z made anew as the square root of
    1 - x^2 - y^2 (and x and y scaled where they alone are longer than 1)."""
    made = pixels.copy()
    for top in range(0, len(pixels), STRIP):
        rows = slice(top, top + STRIP)
        x, y, z = (_decoded(pixels[rows, :, index], signed) for index in range(3))
        squares = x * x + y * y
        if only_z:
            z = np.sqrt(np.maximum(1 - squares, 0))
        length = np.sqrt(squares + z * z)
        nowhere = length < _SHORT
        length[nowhere] = 1
        z[nowhere] = 1
        for index, values in enumerate((x, y, z)):
            made[rows, :, index] = _coded(values / length, pixels.dtype, signed)
    return made


def _decoded(values: Pixels, signed: bool) -> Floats:
    if signed:
        return values.astype(np.float32)
    half = 0.5 if values.dtype.kind == "f" else np.iinfo(values.dtype).max / 2
    vectors: Floats = values * np.float32(1 / half) - np.float32(1)
    return vectors


def _coded(vectors: Floats, dtype: np.dtype[Any], signed: bool) -> Floats:
    if signed:
        return vectors
    if dtype.kind == "f":
        return vectors * np.float32(0.5) + np.float32(0.5)
    half = np.float32(np.iinfo(dtype).max / 2)
    return vectors * half + (half + np.float32(0.5))
