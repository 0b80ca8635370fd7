"""Colours times alpha, and back."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from accel.image.decoded import Pixels
from accel.image.light import Floats, decode_table, srgb
from accel.image.raster import Multiplied, Raster

ROWS = 64
"""Rows that are worked on at a time."""


def multiplied(image: Raster, inverse: bool, linear_light: bool) -> Raster:
    """The image and its levels with colours times alpha; `inverse` divides, 0 where alpha is 0."""
    if not image.has_alpha:
        return image
    light = linear_light and image.transfer == "srgb"
    levels = [_level(level, inverse, light) for level in (image.pixels, *image.mips)]
    there: Multiplied = "light" if light or image.transfer == "linear" else "codes"
    return image.with_pixels(levels[0], mips=tuple(levels[1:]), multiplied="" if inverse else there)


def straightened(image: Raster) -> Raster:
    """The image with what was multiplied into its colours taken out of them, 0 where alpha is 0."""
    if not image.multiplied:
        return image
    return multiplied(image, inverse=True, linear_light=image.multiplied == "light")


def divided(pixels: Pixels, light: bool) -> Pixels:
    """Pixels, whose last channel is alpha, with colours divided by it, 0 where it is 0; with `light`, what
    sRGB's curve codes."""
    return _level(pixels, inverse=True, light=light)


def _level(pixels: Pixels, inverse: bool, light: bool) -> Pixels:
    by_type = {"uint8": _bytes, "uint16": _words, "float32": _floats}[pixels.dtype.name]
    made = pixels.copy()
    for begin in range(0, len(pixels), ROWS):
        strip = pixels[begin : begin + ROWS]
        made[begin : begin + ROWS, :, :-1] = by_type(strip[..., :-1], strip[..., -1:], inverse, light)
    return made


def _floats(colors: Pixels, alpha: Pixels, inverse: bool, light: bool) -> Pixels:
    return _divided(colors, alpha) if inverse else colors * alpha


def _divided(colors: Floats, alpha: Floats) -> Floats:
    return np.divide(colors, alpha, out=np.zeros_like(colors), where=alpha > 0)


def _bytes(colors: Pixels, alpha: Pixels, inverse: bool, light: bool) -> Pixels:
    places = (alpha.astype(np.uint16) << 8) | colors
    return np.take(_table(inverse, light), places)


@functools.cache
def _table(inverse: bool, light: bool) -> NDArray[np.uint8]:
    """The result for each alpha and each code, one after the other."""
    alpha, code = np.mgrid[:256, :256]
    if not light:
        # Whole numbers, so that halves are rounded up without fail.
        if not inverse:
            return np.asarray((2 * code * alpha + 255) // 510, np.uint8).ravel()
        return _quotients(code, alpha, 255).astype(np.uint8).ravel()
    values = decode_table(np.uint8)[code].astype(np.float64)
    share = alpha / 255
    made = values / np.maximum(share, 1e-9) * (alpha > 0) if inverse else values * share
    coded: NDArray[np.uint8] = (srgb(made.clip(0, 1)) * 255 + 0.5).astype(np.uint8)
    return coded.ravel()


def _words(colors: Pixels, alpha: Pixels, inverse: bool, light: bool) -> Pixels:
    if light:
        values, share = decode_table(np.uint16)[colors], np.asarray(alpha / np.float32(65535), np.float32)
        made = _divided(values, share) if inverse else values * share
        return (srgb(made.clip(0, 1)) * np.float32(65535) + np.float32(0.5)).astype(np.uint16)
    code, weight = colors.astype(np.uint64), alpha.astype(np.uint64)
    if inverse:
        return _quotients(code, weight, 65535).astype(np.uint16)
    return ((2 * code * weight + 65535) // 131070).astype(np.uint16)


def _quotients(code: Pixels, alpha: Pixels, top: int) -> Pixels:
    """code / alpha of full scale `top`, rounded, not beyond it, 0 where alpha is."""
    rounded = (2 * top * code + alpha) // np.maximum(2 * alpha, 1)
    return np.asarray(np.minimum(rounded, top) * (alpha > 0))
