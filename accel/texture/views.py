"""Small views of an image that features read."""

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
"""Texels a side of the regular sample, at most."""

PATCH = 48
"""Side of a patch at the image's own resolution, texels."""

PATCHES = 3
"""Patches a side: three by three, spread over the image."""

THUMB = 64
"""Side of the thumbnail, texels; the aspect isn't kept."""

PICTURE = 2 * THUMB
"""Side of the picture that the thumbnail is the half of, texels."""

_PER_CELL = 2
"""Texels a side, at most, that are averaged to one of the picture."""


class Views(Struct, frozen=True):
    """Colours as red, green, blue and alpha, 0..1, channels first; grey three times, no alpha as 1."""

    sample: Floats
    """4 x height x width: texels of a regular grid, at most SAMPLE a side, as stored."""
    patches: Floats
    """4 x 9 x PATCH x PATCH: neighbouring texels; an image smaller than a patch is mirrored at its edges."""
    picture: Floats
    """4 x PICTURE x PICTURE: averages of texels."""
    thumb: Floats
    """4 x THUMB x THUMB: averages of the picture."""
    edges: tuple[Floats, Floats, Floats, Floats]
    """4 x length each: the first, second, last but one and last row; at most 256 texels."""
    sides: tuple[Floats, Floats, Floats, Floats]
    """The same of the columns."""
    width: int
    height: int
    channels: int
    """As stored, alpha included."""
    has_alpha: bool
    opaque: bool
    """Whether alpha is 1 in all of the above."""
    peak: float
    """The largest value of the sample before it was brought to 0..1; above 1 for light."""
    depth: int
    """Bits of a stored channel."""
    format: str
    blocks: bool
    """Whether it was compressed in blocks, as graphics cards read it."""


def make_views(decoded: DecodedImage) -> Views:
    """The views of an image of any size from 1 x 1."""
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
        thumb=_halved(picture),
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
    """Red, green, blue, alpha: 4 x height x width; floats as stored."""
    top = {"u1": 255.0, "u2": 65535.0}.get(pixels.dtype.str[1:], 1.0)
    # In two steps, as numpy multiplies planes in one piece five times as fast.
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
    """Light of any strength as 0..1; vectors of -1..1 as they are stored in 8 bit."""
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
    """At most `most` places from the first to the last of `length`."""
    return np.linspace(0, length - 1, min(length, most)).astype(np.intp)


def _ends(length: int) -> tuple[int, int, int, int]:
    return 0, min(1, length - 1), max(0, length - 2), length - 1


def _mirrored(start: int, length: int) -> NDArray[np.intp]:
    """PATCH neighbouring places from `start` on, turning round at the ends of `length`."""
    places = (start + np.arange(PATCH)) % (2 * length)
    return np.minimum(places, 2 * length - 1 - places)


def _starts(length: int) -> list[int]:
    last = max(0, length - PATCH)
    return [round(last * place / (PATCHES - 1)) for place in range(PATCHES)]


def _patches(pixels: Pixels) -> Pixels:
    """All patches one below the other: (9 * PATCH) x PATCH x channels."""
    height, width = pixels.shape[:2]
    parts = [
        pixels[_mirrored(y, height)[:, None], _mirrored(x, width)[None, :]]
        if height < PATCH or width < PATCH
        else pixels[y : y + PATCH, x : x + PATCH]
        for y in _starts(height)
        for x in _starts(width)
    ]
    return np.concatenate(parts)


@lru_cache
def _cells(length: int) -> list[NDArray[np.intp] | slice]:
    """The places to average: for each of those in a cell, PICTURE of them."""
    per = min(_PER_CELL, max(1, length // PICTURE))
    places = ((np.arange(PICTURE * per) + 0.5) * length / (PICTURE * per)).astype(np.intp)
    return [_regular(places[start::per]) for start in range(per)]


def _picture(pixels: Pixels, scaled: Any) -> Floats:
    down, across = _cells(pixels.shape[0]), _cells(pixels.shape[1])
    # Texels of the same place in their cells together: what is summed then stands as it is read.
    parts = (pixels[rows][:, columns] for rows, columns in product(down, across))
    total: Floats = reduce(np.add, map(scaled, parts))
    return total / np.float32(len(down) * len(across))


def _regular(places: NDArray[np.intp]) -> NDArray[np.intp] | slice:
    """The same places as a slice, which copies nothing, where they are as far apart everywhere."""
    step = int(places[1] - places[0])
    if step < 1 or (places[1:] - places[:-1] != step).any():
        return places
    return slice(int(places[0]), int(places[-1]) + 1, step)


def _halved(planes: Floats) -> Floats:
    """Means of two by two."""
    # Sums of strided slices: an eighth of the time of mean(axis=(2, 4)).
    cells = product(range(2), range(2))
    total: Floats = reduce(np.add, (planes[:, row::2, column::2] for row, column in cells))
    return total / np.float32(4)


def share(found: NDArray[np.bool_]) -> float:
    """Which part of them is true."""
    return int(np.count_nonzero(found)) / found.size


def mean(values: Floats) -> float:
    """The mean of all: numpy's very value, for which numpy itself takes twice as long where there are few."""
    return float(_mean(values))


def deviation(values: Floats) -> float:
    """The standard deviation of all, likewise."""
    return float(np.sqrt(_variance(values)))


def variance(values: Floats) -> float:
    """The square of that, likewise."""
    return float(_variance(values))


def _variance(values: Floats) -> np.floating[Any]:
    squares = centred(values)
    np.multiply(squares, squares, out=squares)
    return _mean(squares)


def centred(values: Floats) -> Floats:
    """All of them less their mean."""
    return values - _mean(values)


def _mean(values: Floats) -> np.floating[Any]:
    average: np.floating[Any] = np.add.reduce(values, axis=None) / values.size
    return average


def dot(one: NDArray[Any], other: NDArray[Any]) -> float:
    """The sum of the products of two rows, in an order that no processor changes, as BLAS does: what ought to
    be equal or nothing is so everywhere, and trees split on no residue."""
    return float(np.add.reduce(one * other))


def median(values: Floats) -> float:
    """The median, numpy's very value, of values in one row."""
    middle = ranked(values, [(len(values) - 1) // 2, len(values) // 2])
    return mean(np.array(middle, np.float32))


def ranked(values: Floats, places: Sequence[int]) -> list[float]:
    """What would stand at some places if `values`, in one row, were in order."""
    # All of them, as numpy sorts eight at once, and partitions one by one.
    found: list[float] = np.sort(values)[places].tolist()
    return found
