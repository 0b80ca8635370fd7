"""Makes textures tileable by joining opposite edges along a path that hides the seam."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from accel.image.color import Floats
from accel.image.encode import clipped_in_format
from accel.image.operation import Operated, first_layer
from accel.image.operations.geometry import MakeTileable, Tileable
from accel.image.pixel_coding import Coding, channel_kind, channel_semantics, coding_of
from accel.image.pixel_data import Pixels
from accel.image.raster import Raster
from accel.image.resample import Doubles, Indices, LineBuffer, PixelSource, axis, strips, whole_image
from accel.image.statistics import seams
from accel.text import text
from accel.workload import Limits, WorkloadError


def cheapest_loop(costs: Floats) -> Indices:
    """Returns the cheapest closed path: one column per row, changing by at most 1 between rows and from the
    last row to the first.

    Uses dynamic programming, as in image quilting (Efros and Freeman 2001). Considers only closed paths
    through the texel where the best open path crosses the middle row.
    """
    rows = len(costs)
    middle = rows // 2
    start = int(_cheapest(costs)[middle])
    turned = np.roll(costs, -middle, axis=0)
    return np.roll(_cheapest(turned, start), middle)


def _cheapest(costs: Floats, start: int | None = None) -> Indices:
    """Returns the cheapest path, which starts at and returns to the column `start`, if given."""
    rows, columns = costs.shape
    # Pad both sides with a border that no path can cross.
    totals = np.full(columns + 2, np.inf, np.float64)
    totals[1:-1] = costs[0]
    if start is not None:
        totals[1 + np.flatnonzero(np.arange(columns) != start)] = np.inf
    came = np.zeros((rows, columns), np.int8)
    for row in range(1, rows):
        least, step = totals[1:-1].copy(), came[row]
        for move, beside in ((-1, totals[:-2]), (1, totals[2:])):
            better = beside < least
            np.copyto(least, beside, where=better)
            step[better] = move
        totals[1:-1] = least + costs[row]
    if start is not None:
        far = np.abs(np.arange(columns) - start) > 1
        totals[1:-1][far] = np.inf
    path = np.empty(rows, np.int64)
    path[-1] = int(totals[1:-1].argmin())
    for row in range(rows - 1, 0, -1):
        path[row - 1] = path[row] + came[row, path[row]]
    return path


SHORTEST = 16
"""Minimum side length in pixels that leaves room for a joint."""

WIDEST = 512
"""Maximum overlap in pixels, enough for any detail."""

FEATHER = 3.0
"""Width in pixels over which fine detail is blended."""

COARSE = 4
"""Texels across the overlap, or the image, that hold coarse brightness and colour."""


def make_tileable(images: Sequence[Raster], params: MakeTileable, limits: Limits) -> Operated:
    (image,) = images
    kind = channel_kind(image, params.kind)
    # Compare codes instead of light: their differences are closer to what the eye sees.
    how = coding_of(image, kind, False, True)
    color = kind == "color"
    even = _even_out(image.pixels, how, params.flatten, color=color) if params.flatten else image.pixels
    pixels = even
    if params.direction != "vertical":
        pixels = _join_edges(pixels, how, _overlap(image, image.width, params), params.size == "same")
    if params.direction != "horizontal":
        turned = pixels.swapaxes(0, 1)
        overlap = _overlap(image, image.height, params)
        pixels = _join_edges(turned, how, overlap, params.size == "same").swapaxes(0, 1)
    pixels = np.ascontiguousarray(how.clip_ringing(pixels, even))
    tileable = image.with_pixels(pixels, **channel_semantics(image, kind))
    facts = Tileable(
        seams(image.pixels),
        seams(pixels),
        tileable.width,
        tileable.height,
        kind,
        first_of=first_layer(image),
        **clipped_in_format(tileable, params),
    )
    return Operated({"tileable": tileable}, facts)


def _overlap(image: Raster, side: int, params: MakeTileable) -> int:
    if side < SHORTEST:
        reason = text(
            "is {width} x {height}; a side that is made to tile needs {shortest} pixels",
            width=image.width,
            height=image.height,
            shortest=SHORTEST,
        )
        raise WorkloadError("bad_input", reason, image.name)
    # Two joints need twice the overlap.
    return int(min(max(4, round(side * params.overlap)), WIDEST, side // 2))


def _even_out(pixels: Pixels, how: Coding, amount: float, *, color: bool) -> Pixels:
    """Evens out coarse differences across the image by `amount` (0 to 1): multiplies colours, as light does,
    and adds to everything else."""
    height, width, _ = pixels.shape
    means = whole_image(
        PixelSource(pixels, how), axis(width, COARSE, "area", "clamp"), axis(height, COARSE, "area", "clamp")
    )
    parts = means[:, : how.colors] / means[:, -1:] if how.weighted else means[:, : how.colors]
    middle = parts.mean(axis=(0, 2), keepdims=True)
    share = np.float32(amount)
    change = (_ratio(middle, parts) ** share) if color else (middle - parts) * share
    result = np.empty_like(pixels)
    axes = axis(COARSE, width, "cubic", "clamp"), axis(COARSE, height, "cubic", "clamp")
    for begin, wanted in strips(LineBuffer(change), *axes):
        rows = slice(begin, begin + len(wanted))
        lines = how.decode(pixels[rows])
        if color:
            lines[:, : how.colors] *= wanted
        else:
            lines[:, : how.colors] += wanted
        how.encode(lines, result[rows])
    return result


def _ratio(one: Floats, other: Floats) -> Floats:
    """Returns the ratio, bounded so that black stays black."""
    least = np.float32(1e-3)
    return np.asarray((np.maximum(one, least) / np.maximum(other, least)).clip(0.25, 4))


def _join_edges(pixels: Pixels, how: Coding, overlap: int, same: bool) -> Pixels:
    """Makes the left and right edges match."""
    width = pixels.shape[1]
    if not same:
        result = pixels[:, : width - overlap].copy()
        result[:, :overlap] = _blend_bands(pixels[:, width - overlap :], pixels[:, :overlap], how)
        return result
    middle = width // 2
    result = np.roll(pixels, middle, axis=1)
    for left, right, begin in ((result, pixels, middle - overlap), (pixels, result, middle)):
        band = slice(begin, begin + overlap)
        result[:, band] = _blend_bands(left[:, band], right[:, band], how)
    return result


def _blend_bands(left: Pixels, right: Pixels, how: Coding) -> Pixels:
    """Blends horizontally from `left` to `right`."""
    one, other = how.decode(np.ascontiguousarray(left)), how.decode(np.ascontiguousarray(right))
    low_one, low_other = _coarse(one), _coarse(other)
    one -= low_one
    other -= low_other
    width = one.shape[2]
    path = cheapest_loop(((one - other) ** 2).sum(axis=1))
    sharp = _step((np.arange(width) - path[:, None]) / FEATHER + 0.5)[:, None]
    fine = one + (other - one) * sharp
    return how.encode(fine + _blend_coarse(low_one, low_other, _step((np.arange(width) + 0.5) / width)))


def _step(x: Doubles) -> Floats:
    """Returns a smooth step from 0 at 0 to 1 at 1."""
    t = x.astype(np.float32).clip(0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def _coarse(lines: Floats) -> Floats:
    """Returns the lines without fine detail; the result tiles vertically."""
    height, _, width = lines.shape
    few = max(1, round(height * COARSE / width))
    across, down = axis(width, COARSE, "area", "clamp"), axis(height, few, "area", "wrap")
    small = whole_image(LineBuffer(lines), across, down)
    return whole_image(
        LineBuffer(small), axis(COARSE, width, "cubic", "clamp"), axis(few, height, "cubic", "wrap")
    )


def _blend_coarse(one: Floats, other: Floats, share: Floats) -> Floats:
    """Blends horizontally from one to the other and preserves contrast.

    Averaging uncorrelated values reduces their contrast; dividing by the length of the weights restores it
    (Heitz and Neyret 2018, "High-Performance By-Example Noise using a Histogram-Preserving Blending
    Operator"). Correlated values need less correction.
    """
    middle = (one.mean(axis=(0, 2), keepdims=True) + other.mean(axis=(0, 2), keepdims=True)) / 2
    one, other = one - middle, other - middle
    energy = np.sqrt(float(np.vdot(one, one)) * float(np.vdot(other, other)))
    correlation = max(0.0, float(np.vdot(one, other)) / energy) if energy > 0 else 1.0
    rest = 1 - share
    length = np.sqrt(rest**2 + share**2 + np.float32(2 * min(correlation, 1.0)) * rest * share)
    return np.asarray((one * rest + other * share) / length + middle, np.float32)
