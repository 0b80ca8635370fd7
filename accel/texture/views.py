"""Small views of an image for feature extraction, and reproducible statistics."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, reduce
from itertools import product
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.image.pixel_data import DecodedImage, Pixels

Floats = NDArray[np.floating[Any]]

SAMPLE = 128
"""Most texels a side of the regular sample."""

PATCH = 48
"""Texels a side of a patch at the image's resolution."""

PATCHES = 3
"""Patches a side: 3 x 3, spread over the image."""

THUMB = 64
"""Texels a side of the thumbnail, whatever the aspect ratio."""

PICTURE = 2 * THUMB
"""Texels a side of the picture, from which the thumbnail is computed."""

_PER_CELL = 2
"""Most texels a side that are averaged for a texel of the picture."""


class Views(Struct, frozen=True):
    """Views as red, green, blue and alpha, 0..1, channels first; grey is repeated, missing alpha is 1."""

    sample: Floats
    """4 x height x width: texels of a regular grid, at most SAMPLE a side."""
    patches: Floats
    """4 x 9 x PATCH x PATCH: neighbouring texels; images smaller than a patch are mirrored at their edges."""
    picture: Floats
    """4 x PICTURE x PICTURE: averages of texels."""
    thumb: Floats
    """4 x THUMB x THUMB: averages of the picture."""
    edges: tuple[Floats, Floats, Floats, Floats]
    """4 x length each: the first, second, last but one and last row, at most 256 texels."""
    sides: tuple[Floats, Floats, Floats, Floats]
    """4 x length each: the first, second, last but one and last column, at most 256 texels."""
    width: int
    height: int
    channels: int
    """Stored values, including alpha."""
    has_alpha: bool
    opaque: bool
    """Whether alpha is 1 in all views."""
    peak: float
    """The largest value of the sample before scaling; above 1 for HDR."""
    depth: int
    """Bits of a stored channel."""
    format: str
    blocks: bool
    """Whether it was block-compressed."""


def make_views(decoded: DecodedImage) -> Views:
    """Computes the views of an image of any size."""
    pixels = decoded.pixels
    height, width, channels = pixels.shape
    sample = _planes(pixels[:: -(-height // SAMPLE), :: -(-width // SAMPLE)], decoded)
    peak = float(np.nanmax(sample[:3], initial=0.0)) if pixels.dtype.kind == "f" else 1.0
    low = float(np.nanmin(sample[:3], initial=0.0)) if pixels.dtype.kind == "f" else 0.0

    def scaled(part: Pixels) -> Floats:
        return _unit(_planes(part, decoded), peak, low)

    across, along = _spread(width, 256), _spread(height, 256)
    picture = _picture(pixels, scaled)
    rows = scaled(pixels[np.array(_ends(height))[:, None], across]).swapaxes(0, 1)
    columns = scaled(pixels[along, np.array(_ends(width))[:, None]]).swapaxes(0, 1)
    sample = _unit(sample, peak, low)
    patches = scaled(_patches(pixels)).reshape(4, -1, PATCH, PATCH)
    alphas = (sample[3], patches[3], picture[3], rows[:, 3], columns[:, 3])
    return Views(
        sample=sample,
        patches=patches,
        picture=picture,
        thumb=_halve(picture),
        edges=(rows[0], rows[1], rows[2], rows[3]),
        sides=(columns[0], columns[1], columns[2], columns[3]),
        width=width,
        height=height,
        channels=channels,
        has_alpha=decoded.has_alpha,
        opaque=not decoded.has_alpha or all(bool((alpha == 1).all()) for alpha in alphas),
        peak=peak,
        depth=8 * pixels.dtype.itemsize,
        format=decoded.format,
        blocks=bool(decoded.compression),
    )


def _planes(pixels: Pixels, decoded: DecodedImage) -> Floats:
    """Returns red, green, blue, alpha: 4 x height x width; floats as stored."""
    top = {"u1": 255.0, "u2": 65535.0}.get(pixels.dtype.str[1:], 1.0)
    # Copied first, as numpy multiplies contiguous planes five times as fast.
    planar = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    colors = len(planar) - decoded.has_alpha
    planes = np.empty((4, *planar.shape[1:]), np.float32)
    planes[3] = 1
    if colors == 3 and decoded.color_model != "cmyk":
        np.multiply(planar, np.float32(1 / top), out=planes[: len(planar)], dtype=np.float32)
        return planes
    stored = np.multiply(planar, np.float32(1 / top), dtype=np.float32)
    if decoded.color_model == "cmyk" and colors >= 4:
        planes[:3] = (1 - stored[:3]) * (1 - stored[3])
    elif colors <= 1:
        planes[:3] = stored[:1]
    else:
        planes[: min(3, colors)] = stored[: min(3, colors)]
        planes[colors:3] = 0
    if decoded.has_alpha:
        planes[3] = stored[-1]
    return planes


def _unit(planes: Floats, peak: float, low: float) -> Floats:
    """Maps HDR to 0..1, and vectors of -1..1 as 8-bit formats do."""
    if peak == 1.0 and low == 0.0:
        return planes
    planes = np.nan_to_num(planes, posinf=peak, neginf=low)
    if low < -0.3 and peak <= 1.05:
        planes[:3] = planes[:3] / 2 + 0.5
    elif peak > 1.05:
        positive = np.maximum(planes[:3], 0)
        planes[:3] = (positive / (1 + positive)) ** np.float32(1 / 2.2)
    return np.clip(planes, 0, 1)


@lru_cache
def _spread(length: int, most: int) -> NDArray[np.intp]:
    """Returns at most `most` indices, evenly spaced from first to last."""
    return np.linspace(0, length - 1, min(length, most)).astype(np.intp)


def _ends(length: int) -> tuple[int, int, int, int]:
    return 0, min(1, length - 1), max(0, length - 2), length - 1


def _mirrored_indices(start: int, length: int) -> NDArray[np.intp]:
    """Returns PATCH indices from `start`, mirrored at the ends of `length`."""
    places = (start + np.arange(PATCH)) % (2 * length)
    return np.minimum(places, 2 * length - 1 - places)


def _starts(length: int) -> list[int]:
    last = max(0, length - PATCH)
    return [round(last * place / (PATCHES - 1)) for place in range(PATCHES)]


def _patches(pixels: Pixels) -> Pixels:
    """Returns all patches in a column: (9 * PATCH) x PATCH x channels."""
    height, width = pixels.shape[:2]
    parts = [
        pixels[_mirrored_indices(y, height)[:, None], _mirrored_indices(x, width)[None, :]]
        if height < PATCH or width < PATCH
        else pixels[y : y + PATCH, x : x + PATCH]
        for y in _starts(height)
        for x in _starts(width)
    ]
    return np.concatenate(parts)


@lru_cache
def _cells(length: int) -> list[NDArray[np.intp] | slice]:
    """Returns the indices to average: for each position in a cell, PICTURE indices."""
    per = min(_PER_CELL, max(1, length // PICTURE))
    places = ((np.arange(PICTURE * per) + 0.5) * length / (PICTURE * per)).astype(np.intp)
    return [_as_slice(places[start::per]) for start in range(per)]


def _picture(pixels: Pixels, scaled: Any) -> Floats:
    down, across = _cells(pixels.shape[0]), _cells(pixels.shape[1])
    # Grouped by position in the cell, so that sums read memory in order.
    parts = (pixels[rows][:, columns] for rows, columns in product(down, across))
    total: Floats = reduce(np.add, map(scaled, parts))
    return total / np.float32(len(down) * len(across))


def _as_slice(places: NDArray[np.intp]) -> NDArray[np.intp] | slice:
    """Returns evenly spaced indices as a slice, which copies nothing."""
    step = int(places[1] - places[0])
    if step < 1 or (places[1:] - places[:-1] != step).any():
        return places
    return slice(int(places[0]), int(places[-1]) + 1, step)


def _halve(planes: Floats) -> Floats:
    """Averages 2 x 2 texels."""
    # Sums of strided slices take an eighth of the time of mean(axis=(2, 4)).
    cells = product(range(2), range(2))
    total: Floats = reduce(np.add, (planes[:, row::2, column::2] for row, column in cells))
    return total / np.float32(4)


def share(found: NDArray[np.bool_]) -> float:
    """Returns the share of true values."""
    return int(np.count_nonzero(found)) / found.size


def mean(values: Floats) -> float:
    """Computes the same mean as numpy, bit for bit, in half the time for small arrays."""
    return float(_mean(values))


def deviation(values: Floats) -> float:
    """Computes the same standard deviation as numpy, bit for bit."""
    return float(np.sqrt(_variance(values)))


def variance(values: Floats) -> float:
    """Computes the same variance as numpy, bit for bit."""
    return float(_variance(values))


def _variance(values: Floats) -> np.floating[Any]:
    squares = centred(values)
    np.multiply(squares, squares, out=squares)
    return _mean(squares)


def centred(values: Floats) -> Floats:
    """Returns the values less their mean."""
    return values - _mean(values)


def _mean(values: Floats) -> np.floating[Any]:
    average: np.floating[Any] = np.add.reduce(values, axis=None) / values.size
    return average


def dot(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Returns the dot product, summed in the same order on all processors, unlike BLAS. Equal inputs thus
    have equal features everywhere, and trees don't split on rounding errors."""
    return float(np.add.reduce(one * other))


def median(values: Floats) -> float:
    """Computes the same median of a one-dimensional array as numpy, bit for bit."""
    middle = order_statistics(values, [(len(values) - 1) // 2, len(values) // 2])
    return mean(np.array(middle, np.float32))


def order_statistics(values: Floats, places: Sequence[int]) -> list[float]:
    """Returns the order statistics of a one-dimensional array at some places."""
    # Sorts completely, which numpy vectorises, unlike partitioning.
    found: list[float] = np.sort(values)[places].tolist()
    return found
