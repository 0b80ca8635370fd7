"""Pixels as bit fields and in other byte orders, made into channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accel.image.decoded import Pixels, full_scale

_STRIP = 1 << 15
"""Values in one go, so that what is computed stays in the cache."""


def reordered(pixels: Pixels, order: Sequence[int]) -> Pixels:
    """The channels in another order, in one piece; fewer, where `order` leaves some out."""
    # Plane by plane: numpy's own indexing by a list takes several times as long.
    out = np.empty((*pixels.shape[:-1], len(order)), pixels.dtype)
    for to, source in enumerate(order):
        out[..., to] = pixels[..., source]
    return out


def masked(values: NDArray[Any], masks: Sequence[int]) -> Pixels:
    """One channel for each bit mask, scaled to full range: uint8, or uint16 if a mask has more than 8 bits.

    Raises ValueError for a mask that isn't one run of 1 to 16 bits.
    """
    fields = [_field(mask) for mask in masks]
    kind: type[np.uint8 | np.uint16] = np.uint16 if any(bits > 8 for _, bits in fields) else np.uint8
    flat = values.reshape(-1)
    out = np.empty((flat.size, len(masks)), kind)
    tables = [_scaled(bits, kind) for _, bits in fields]
    for begin in range(0, flat.size, _STRIP):
        strip = flat[begin : begin + _STRIP]
        for index, (shift, bits) in enumerate(fields):
            out[begin : begin + _STRIP, index] = tables[index][(strip >> shift) & ((1 << bits) - 1)]
    return out.reshape(*values.shape, len(masks))


def _field(mask: int) -> tuple[int, int]:
    """A mask's lowest bit and its number of bits."""
    shift = (mask & -mask).bit_length() - 1
    bits = (mask >> shift).bit_length() if mask else 0
    if not 1 <= bits <= 16 or mask >> shift != (1 << bits) - 1:
        raise ValueError(f"the bit mask {mask:#010x} is none")
    return shift, bits


def _scaled(bits: int, kind: type[np.uint8 | np.uint16]) -> NDArray[Any]:
    """All values of so many bits, spread over the full range of `kind`."""
    top = np.iinfo(kind).max
    return np.round(np.arange(1 << bits) * (top / ((1 << bits) - 1))).astype(kind)


def without_empty_alpha(pixels: Pixels) -> Pixels:
    """RGB of RGBA where the fourth channel is 0 throughout: a filler, as nobody draws nothing at all."""
    return pixels if pixels[..., 3].any() else reordered(pixels, (0, 1, 2))


def without_full_alpha(pixels: Pixels) -> Pixels:
    """RGB of RGBA where alpha is full throughout, for what can't be stored without one."""
    return reordered(pixels, (0, 1, 2)) if (pixels[..., 3] == 255).all() else pixels


def with_blue(pixels: Pixels, normals: bool | None = None) -> Pixels:
    """RGB of two channels: blue as engines rebuild it where red and green fit a unit vector, else 0.

    z = sqrt(1 - x^2 - y^2), for x and y from -1 to 1; taken for normals if 99 % of a sample have
    x^2 + y^2 <= 1.05, unless it is known whether they are.
    """
    top = np.float32(full_scale(pixels.dtype))
    out = np.zeros((*pixels.shape[:2], 3), pixels.dtype)
    out[..., :2] = pixels
    step = max(1, max(pixels.shape[:2]) // 512)
    if normals is None:
        normals = bool((_height(pixels[::step, ::step], top) >= -0.05).mean() >= 0.99)
    if normals:
        for row in range(0, len(pixels), 64):
            z = np.sqrt(np.maximum(_height(pixels[row : row + 64], top), 0))
            blue = (z + 1) * (top / 2)
            out[row : row + 64, :, 2] = np.round(blue) if pixels.dtype.kind == "u" else blue
    return out


def _height(pixels: Pixels, top: np.float32) -> NDArray[np.float32]:
    """1 - x^2 - y^2; no number where a float is none."""
    with np.errstate(invalid="ignore", over="ignore"):
        x, y = (np.multiply(pixels[..., index], 2 / top, dtype=np.float32) - 1 for index in (0, 1))
        height: NDArray[np.float32] = 1 - x * x - y * y
    return height
