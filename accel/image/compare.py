"""Compares images: differences, PSNR and structural similarity (SSIM)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from accel.image.encode import expand_grey
from accel.image.operation import Operated, first_layer
from accel.image.operations.analysis import ChannelComparison, Compare, Comparison
from accel.image.pixel_coding import at_depth
from accel.image.pixel_data import Pixels, full_scale
from accel.image.raster import Raster
from accel.image.statistics import data_format, luminance
from accel.text import text
from accel.workload import Limits, WorkloadError

Floats = NDArray[np.floating[Any]]

WINDOW = 11
"""Side length of the SSIM window in pixels."""
SIGMA = 1.5
K1, K2 = 0.01, 0.03

LUMINANCE = -1
"""Stands for luminance in place of a channel index."""

_STRIP = 32
"""Rows of windows per strip, sized to fit into the CPU cache."""


def _gaussian() -> list[float]:
    weights = np.exp(-((np.arange(WINDOW) - WINDOW // 2) ** 2) / (2 * SIGMA**2))
    taps: list[float] = (weights / weights.sum()).tolist()
    return taps


TAPS = _gaussian()


def structural_similarity(one: Pixels, other: Pixels, channel: int) -> float | None:
    """Returns the mean SSIM (-1 to 1) of a channel, or of LUMINANCE, over all windows inside the image.

    Returns None if the image is smaller than a window.
    """
    height, width = (side - WINDOW + 1 for side in one.shape[:2])
    if height < 1 or width < 1:
        return None
    total = 0.0
    for top in range(0, height, _STRIP):
        rows = slice(top, min(top + _STRIP, height) + WINDOW - 1)
        full, planes = _planes(one[rows], other[rows], channel)
        total += _similarity(_filter_windows(planes), full)
    return float(total / (height * width))


def _planes(one: Pixels, other: Pixels, channel: int) -> tuple[float, Floats]:
    """Returns full scale and the planes x, y, x^2 + y^2 and x y, offset by half of full scale.

    The offset doesn't affect variances, and keeps squares small enough to be precise.
    """
    kind = one.dtype
    full = float(full_scale(kind))
    # With float32, squares of values far above 1 would swallow the variances.
    exact = np.float64 if kind.kind == "f" else np.float32
    planes = np.empty((4, *one.shape[:2]), exact)
    for plane, pixels in zip(planes, (one, other), strict=False):
        plane[...] = luminance(np.moveaxis(pixels, 2, 0)) if channel == LUMINANCE else pixels[..., channel]
        plane -= exact(full / 2)
    x, y = planes[:2]
    np.multiply(x, x, out=planes[2])
    planes[2] += y * y
    np.multiply(x, y, out=planes[3])
    return full, planes


def _filter_windows(planes: Floats) -> Floats:
    """Returns the Gaussian mean of each window, computed vertically, then horizontally."""
    return _filter_axis(_filter_axis(planes, 1), 2)


def _filter_axis(planes: Floats, axis: int) -> Floats:
    """Filters one axis. The window is symmetric, which saves half the multiplications."""
    count, kind = planes.shape[axis] - WINDOW + 1, planes.dtype.type

    def shifted(by: int) -> Floats:
        return planes[:, by : by + count] if axis == 1 else planes[:, :, by : by + count]

    result: Floats = shifted(WINDOW // 2) * kind(TAPS[WINDOW // 2])
    for index in range(WINDOW // 2):
        pair = shifted(index) + shifted(WINDOW - 1 - index)
        pair *= kind(TAPS[index])
        result += pair
    return result


def _similarity(means: Floats, full: float) -> float:
    """Returns the sum over all windows of
    (2 mx my + c1)(2 sxy + c2) / ((mx^2 + my^2 + c1)(sx^2 + sy^2 + c2)).
    """
    kind = means.dtype.type
    c1, c2 = kind((K1 * full) ** 2), kind((K2 * full) ** 2)
    x, y, squares, products = means
    covariance, variances = products - x * y, squares - (x * x + y * y)
    x, y = x + kind(full / 2), y + kind(full / 2)
    above = (2 * x * y + c1) * (2 * covariance + c2)
    below = (x * x + y * y + c1) * (variances + c2)
    return float((above / below).sum(dtype=np.float64))


def compare(images: Sequence[Raster], params: Compare, limits: Limits) -> Operated:
    one, other = match_layouts(*images)
    value = replace(compare_rasters(one, other, params.tolerance), first_of=first_layer(*images))
    return Operated(
        {"difference": difference_image(one, other, params.amplify)} if params.difference else {}, value
    )


STRIP = 64
"""Rows per strip: fits into the cache, and float32 holds the sum of that many 8-bit squares exactly."""

_SIGNED = {"uint8": np.int16, "uint16": np.int32, "float32": np.float64}
_EXACT = {"uint8": np.float32, "uint16": np.float64, "float32": np.float64}
"""Types for differences and for the sums of their squares over a strip."""


def match_layouts(one: Raster, other: Raster) -> tuple[Raster, Raster]:
    """Converts both to the same channels and depth.

    Raises WorkloadError `bad_params` if their sizes differ.
    """
    if (one.width, one.height) != (other.width, other.height):
        reason = text(
            "is {width} x {height}, but {one} {width_2} x {height_2}; only images of the same "
            "size can be compared",
            width=other.width,
            height=other.height,
            one=one.name,
            width_2=one.width,
            height_2=one.height,
        )
        raise WorkloadError("bad_params", reason, other.name)
    if one.pixels.dtype != other.pixels.dtype:
        deep = "float32" if "f" in (one.pixels.dtype.kind, other.pixels.dtype.kind) else "uint16"
        one, other = at_depth(one, deep), at_depth(other, deep)
    if one.colors != other.colors:
        one, other = expand_grey(one), expand_grey(other)
    if one.has_alpha != other.has_alpha:
        one, other = _with_alpha(one), _with_alpha(other)
    return one, other


def _with_alpha(image: Raster) -> Raster:
    if image.has_alpha:
        return image
    full = np.full_like(image.pixels[..., :1], full_scale(image.pixels.dtype))
    return image.with_pixels(np.concatenate([image.pixels, full], axis=2), has_alpha=True)


def compare_rasters(one: Raster, other: Raster, tolerance: float = 0.0) -> Comparison:
    """Compares two images of the same size, channels and depth."""
    squares, sums, most, differing = _errors(one.pixels, other.pixels, tolerance)
    names = ("rgb" if one.colors == 3 else "l") + "a" * one.has_alpha
    similar = [structural_similarity(one.pixels, other.pixels, index) for index in range(one.channels)]
    channels = [
        ChannelComparison(name, _psnr(float(square)), alike, float(high), float(mean))
        for name, square, mean, high, alike in zip(names, squares, sums, most, similar, strict=True)
    ]
    known = [alike for alike in similar if alike is not None]
    return Comparison(
        width=one.width,
        height=one.height,
        bit_depth=one.bit_depth,
        identical=not most.any(),
        psnr=_psnr(float(squares.mean())),
        ssim=structural_similarity(one.pixels, other.pixels, LUMINANCE) if one.colors == 3 else similar[0],
        ssim_channels=math.fsum(known) / len(known) if known else None,
        max_error=float(most.max()),
        mean_error=float(sums.mean()),
        differing=differing,
        channels=channels,
    )


def _errors(one: Pixels, other: Pixels, tolerance: float) -> tuple[Any, Any, Any, float]:
    """Returns the mean squared, mean and largest error of each channel (full scale 1), and the share of
    pixels that differ."""
    height, width, channels = one.shape
    exact = _EXACT[one.dtype.name]
    # Sum along columns: numpy is ten times slower along the channels of a pixel.
    squares, sums, most = (np.zeros(width * channels) for _ in range(3))
    differing, limit = 0, tolerance * full_scale(one.dtype)
    for errors in _strips(one, other):
        flat = errors.reshape(len(errors), -1)
        values = flat.astype(exact)
        squares += np.einsum("ij,ij->j", values, values)
        sums += values.sum(axis=0)
        np.maximum(most, flat.max(axis=0), out=most)
        differing += int(np.count_nonzero(_any_channel(errors > limit)))
    full, count = full_scale(one.dtype), height * width
    squares, sums, most = (values.reshape(width, channels) for values in (squares, sums, most))
    return (
        squares.sum(axis=0) / count / full**2,
        sums.sum(axis=0) / count / full,
        most.max(axis=0) / full,
        differing / count,
    )


def _strips(one: Pixels, other: Pixels) -> Iterator[Pixels]:
    """Yields the absolute differences, strip by strip."""
    signed = _SIGNED[one.dtype.name]
    for top in range(0, len(one), STRIP):
        errors = np.subtract(one[top : top + STRIP], other[top : top + STRIP], dtype=signed)
        yield np.abs(errors, out=errors)


def _any_channel(flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
    found = flags[..., 0]
    for index in range(1, flags.shape[2]):
        found = found | flags[..., index]
    return found


def difference_image(one: Raster, other: Raster, amplify: float) -> Raster:
    """Returns the amplified colour differences, each plus that of alpha: 8 bits, or 16 for deeper images."""
    kind: type[np.uint8] | type[np.uint16] = np.uint8 if one.bit_depth == 8 else np.uint16
    top = np.float32(np.iinfo(kind).max)
    scale = np.float32(amplify * top / full_scale(one.pixels.dtype))
    pixels = np.empty((*one.pixels.shape[:2], one.colors), kind)
    for row, errors in zip(range(0, one.height, STRIP), _strips(one.pixels, other.pixels), strict=True):
        seen = errors[..., : one.colors]
        if one.has_alpha:
            seen = seen + errors[..., -1:]
        bright = np.minimum(seen * scale, top) + np.float32(0.5)
        pixels[row : row + STRIP] = bright
    return one.with_pixels(
        pixels, has_alpha=False, transfer="linear", data=True, kind="data", format=data_format(one, pixels)
    )


def _psnr(mean_square: float) -> float | None:
    return -10 * math.log10(mean_square) if mean_square > 0 else None
