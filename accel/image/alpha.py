"""Premultiplied alpha, blending with white, and the alpha coverage of mip levels."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accel.image.color import Floats, decode_table, encode_srgb
from accel.image.operation import Operated
from accel.image.operations.geometry import Premultiply
from accel.image.pixel_data import AlphaMixing, Pixels, full_scale
from accel.image.raster import Multiplied, Raster
from accel.workload import Limits

ROWS = 64
"""Rows per strip, sized to fit into the CPU cache."""


def premultiply(images: Sequence[Raster], params: Premultiply, limits: Limits) -> Operated:
    return Operated({"premultiplied": multiply_by_alpha(images[0], params.inverse, params.linear_light)})


def multiply_by_alpha(image: Raster, inverse: bool, linear_light: bool) -> Raster:
    """Multiplies the colours of the image and its mip levels by alpha.

    `inverse` divides instead; where alpha is 0, the result is 0.
    """
    if not image.has_alpha:
        return image
    light = linear_light and image.transfer == "srgb"
    levels = [_level(level, inverse, light) for level in (image.pixels, *image.mips)]
    there: Multiplied = "light" if light or image.transfer == "linear" else "codes"
    return image.with_pixels(levels[0], mips=tuple(levels[1:]), multiplied="" if inverse else there)


def unpremultiply(image: Raster) -> Raster:
    """Returns the image with straight alpha; colours become 0 where alpha is 0."""
    if not image.multiplied:
        return image
    return multiply_by_alpha(image, inverse=True, linear_light=image.multiplied == "light")


def divide_by_alpha(pixels: Pixels, light: bool) -> Pixels:
    """Divides colours by alpha, the last channel; the result is 0 where alpha is 0. `light` does so in linear
    light instead of sRGB codes."""
    return _level(pixels, inverse=True, light=light)


def _level(pixels: Pixels, inverse: bool, light: bool) -> Pixels:
    by_type = {"uint8": _bytes, "uint16": _words, "float32": _floats}[pixels.dtype.name]
    result = pixels.copy()
    for begin in range(0, len(pixels), ROWS):
        strip = pixels[begin : begin + ROWS]
        result[begin : begin + ROWS, :, :-1] = by_type(strip[..., :-1], strip[..., -1:], inverse, light)
    return result


def _floats(colors: Pixels, alpha: Pixels, inverse: bool, light: bool) -> Pixels:
    return _divide(colors, alpha) if inverse else colors * alpha


def _divide(colors: Floats, alpha: Floats) -> Floats:
    return np.divide(colors, alpha, out=np.zeros_like(colors), where=alpha > 0)


def _bytes(colors: Pixels, alpha: Pixels, inverse: bool, light: bool) -> Pixels:
    places = (alpha.astype(np.uint16) << 8) | colors
    return np.take(_result_table(inverse, light), places)


@functools.cache
def _result_table(inverse: bool, light: bool) -> NDArray[np.uint8]:
    """Returns the result for every pair of alpha and code, at index 256 * alpha + code."""
    alpha, code = np.mgrid[:256, :256]
    if not light:
        # Integer arithmetic always rounds halves up.
        if not inverse:
            return np.asarray((2 * code * alpha + 255) // 510, np.uint8).ravel()
        return _divide_codes(code, alpha, 255).astype(np.uint8).ravel()
    values = decode_table(np.uint8)[code].astype(np.float64)
    share = alpha / 255
    result = values / np.maximum(share, 1e-9) * (alpha > 0) if inverse else values * share
    coded: NDArray[np.uint8] = (encode_srgb(result.clip(0, 1)) * 255 + 0.5).astype(np.uint8)
    return coded.ravel()


def _words(colors: Pixels, alpha: Pixels, inverse: bool, light: bool) -> Pixels:
    if light:
        values, share = decode_table(np.uint16)[colors], np.asarray(alpha / np.float32(65535), np.float32)
        result = _divide(values, share) if inverse else values * share
        return (encode_srgb(result.clip(0, 1)) * np.float32(65535) + np.float32(0.5)).astype(np.uint16)
    code, weight = colors.astype(np.uint64), alpha.astype(np.uint64)
    if inverse:
        return _divide_codes(code, weight, 65535).astype(np.uint16)
    return ((2 * code * weight + 65535) // 131070).astype(np.uint16)


def _divide_codes(code: Pixels, alpha: Pixels, top: int) -> Pixels:
    """Returns code / alpha (full scale `top`), rounded and clamped to `top`; 0 where alpha is 0."""
    rounded = (2 * top * code + alpha) // np.maximum(2 * alpha, 1)
    return np.asarray(np.minimum(rounded, top) * (alpha > 0))


_STRIP = 1 << 16
"""Pixels per strip, sized to fit into the CPU cache."""

Float32s = NDArray[np.float32]


def mix_with_white(pixels: Pixels, alpha: AlphaMixing) -> Pixels:
    """Applies a file format's `alpha` mixing to straight colours. Alpha is the last channel; integers are
    rounded."""
    if alpha == "straight":
        return pixels
    white = np.float32(0.0 if alpha == "multiplied" else full_scale(pixels.dtype))
    return _in_strips(pixels, lambda colors, share: (colors - white) * share + white)


def straight_colors(pixels: Pixels, alpha: AlphaMixing) -> Pixels:
    """Undoes `mix_with_white`. Colours are left unchanged where alpha is 0."""
    if alpha == "straight":
        return pixels
    # Floats are already linear.
    if alpha == "multiplied as light" and pixels.dtype.kind != "f":
        return np.where(pixels[..., -1:] > 0, divide_by_alpha(pixels, light=True), pixels)
    white = np.float32(full_scale(pixels.dtype) if alpha == "on white" else 0.0)

    def undone(colors: Float32s, share: Float32s) -> Float32s:
        safe = np.maximum(share, np.float32(1e-9))
        result: Float32s = np.where(share > 0, (colors - white) / safe + white, colors)
        return result

    return _in_strips(pixels, undone)


def _in_strips(pixels: Pixels, mix: Callable[[Float32s, Float32s], Float32s]) -> Pixels:
    """Replaces the colours of each pixel by `mix(colors, alpha)`, with alpha from 0 to 1."""
    top = np.float32(full_scale(pixels.dtype))
    result = np.empty_like(pixels)
    flat, out = pixels.reshape(-1, pixels.shape[2]), result.reshape(-1, pixels.shape[2])
    for begin in range(0, len(flat), _STRIP):
        strip = flat[begin : begin + _STRIP]
        colors = mix(strip[:, :-1].astype(np.float32), (strip[:, -1:] / top).astype(np.float32))
        if pixels.dtype.kind != "f":
            colors = np.clip(colors + np.float32(0.5), 0, top)
        out[begin : begin + _STRIP, :-1] = colors
        out[begin : begin + _STRIP, -1] = strip[:, -1]
    return result


def coverage_above(threshold: float, dtype: Any) -> float:
    """Returns the lowest alpha that, rounded to `dtype`, passes the threshold."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return threshold
    top = int(np.iinfo(dtype).max)
    return (math.ceil(threshold * top - 1e-6) - 0.5) / top


def coverage_share(alpha: Pixels, threshold: float) -> float:
    """Returns the share (0 to 1) of texels whose stored alpha is at least `threshold`."""
    top = float(full_scale(alpha.dtype))
    return float((alpha >= coverage_above(threshold, alpha.dtype) * top).mean())


def coverage_factor(alpha: Floats, share: float, least: float) -> float:
    """Returns the factor closest to 1 that raises `share` of the alpha values to at least `least`, or as
    close to that share as the values allow.

    Castaño 2010, "Computing alpha mipmaps", as in NVIDIA Texture Tools, but sorting instead of searching.
    """
    values = alpha.ravel()
    count = _separable_count(values, round(share * values.size))
    low, high = _neighbouring_values(values, count)
    # Stay off the bounds: rounding could move a value across.
    margin = (high - low) / 4
    return least / min(max(least, low + margin), high - margin)


def split_alpha(alpha: Floats) -> Floats:
    """Breaks ties in alpha (height x width) by looking at neighbours: a two-valued mask allows only a few
    coverage shares. The change is invisible at 8 bits."""
    around = np.zeros_like(alpha)
    for number, (y, x) in enumerate(_NEIGHBOURS):
        rows, columns = _shift_slices(y), _shift_slices(x)
        # Unequal weights make different neighbourhoods add up differently.
        part = alpha[rows[0], columns[0]] * np.float32((1 + number / 11) / 12)
        around[rows[1], columns[1]] += part
    return np.asarray(alpha * (1 + around.clip(0, 1) * TIE_BREAK))


TIE_BREAK = np.float32(2**-10)
"""The largest relative change to a value."""

_NEIGHBOURS = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]


def _shift_slices(by: int) -> tuple[slice, slice]:
    """Returns the source and destination slices that shift an axis by -1, 0 or 1."""
    low, high = slice(None, -1), slice(1, None)
    return {0: (slice(None), slice(None)), 1: (low, high), -1: (high, low)}[by]


def _neighbouring_values(values: Floats, count: int) -> tuple[float, float]:
    """Returns the largest value outside the `count` largest, and the smallest value among them."""
    rest = values.size - count
    picks = [place for place in (rest - 1, rest) if 0 <= place < values.size]
    ordered = np.partition(values, picks)
    low = float(ordered[rest - 1]) if rest else 0.0
    high = float(ordered[rest]) if count else 2 * max(low, 1.0)
    return low, high


def _separable_count(values: Floats, count: int) -> int:
    """Returns the count closest to `count` that a threshold can select, since equal values pass together.

    Zeros are never selected, because no factor can raise them.
    """
    if 0 < count < values.size:
        low, high = _neighbouring_values(values, count)
        if low == high:
            above, least = int((values > high).sum()), int((values >= high).sum())
            count = above if count - above <= least - count or high <= 0 else least
    return min(count, int((values > 1e-6).sum()))
