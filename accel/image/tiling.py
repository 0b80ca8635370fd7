"""Seamless joints."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from accel.image.color import Floats
from accel.image.encode import lost_in_format
from accel.image.operation import Operated, first_layer
from accel.image.operations.geometry import MakeTileable, Tileable
from accel.image.pixel_coding import Coding, channel_kind, channel_semantics, coding
from accel.image.pixel_data import Pixels
from accel.image.raster import PixelKind, Raster
from accel.image.resample import Doubles, HeldRows, Indices, Stored, axis, strips, whole_image
from accel.image.statistics import seams
from accel.text import text
from accel.workload import Limits, WorkloadError


def cheapest_loop(costs: Floats) -> Indices:
    """A column for each row, from row to row at most one to the side, from the last row to the first too.

    By dynamic programming, as in image quilting (Efros and Freeman 2001). Among closed paths it is the best
    through the texel where the best open one crosses the middle row.
    """
    rows = len(costs)
    middle = rows // 2
    start = int(_cheapest(costs)[middle])
    turned = np.roll(costs, -middle, axis=0)
    return np.roll(_cheapest(turned, start), middle)


def _cheapest(costs: Floats, start: int | None = None) -> Indices:
    """`start`: the column of the first row, which the last one's must touch."""
    rows, columns = costs.shape
    # A bound beyond each side, so that no path leaves.
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
"""Pixels of a side below which there is no room for a joint."""

WIDEST = 512
"""Pixels of an overlap that are enough for any detail."""

FEATHER = 3.0
"""Pixels over which fine detail changes from one part to the other."""

COARSE = 4
"""What is coarse: all that is seen in so many texels across an overlap, or across the image."""


def make_tileable(images: Sequence[Raster], params: MakeTileable, limits: Limits) -> Operated:
    (image,) = images
    kind = channel_kind(image, params.kind)
    made = make_seamless(image, kind, params)
    facts = Tileable(
        seams(image.pixels),
        seams(made.pixels),
        made.width,
        made.height,
        kind,
        first_of=first_layer(image),
        **lost_in_format(made, params),
    )
    return Operated({"tileable": made}, facts)


def make_seamless(image: Raster, kind: PixelKind, params: MakeTileable) -> Raster:
    """The image of that kind, tileable. Raises WorkloadError `bad_input` where a side is too short."""
    # By codes, not as light: what differs least is what eyes tell apart least.
    how = coding(image, kind, False, True)
    color = kind == "color"
    even = _flattened(image.pixels, how, params.flatten, color=color) if params.flatten else image.pixels
    pixels = even
    if params.direction != "vertical":
        pixels = _joined(pixels, how, _overlap(image, image.width, params), params.size == "same")
    if params.direction != "horizontal":
        turned = pixels.swapaxes(0, 1)
        overlap = _overlap(image, image.height, params)
        pixels = _joined(turned, how, overlap, params.size == "same").swapaxes(0, 1)
    pixels = np.ascontiguousarray(how.within(pixels, even))
    return image.with_pixels(pixels, **channel_semantics(image, kind))


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


def _flattened(pixels: Pixels, how: Coding, much: float, *, color: bool) -> Pixels:
    """Pixels without so `much` of what differs between the parts of the image: of colours the factor, as
    light multiplies, of all else the difference."""
    height, width, _ = pixels.shape
    means = whole_image(
        Stored(pixels, how), axis(width, COARSE, "area", "clamp"), axis(height, COARSE, "area", "clamp")
    )
    parts = means[:, : how.colors] / means[:, -1:] if how.weighted else means[:, : how.colors]
    middle = parts.mean(axis=(0, 2), keepdims=True)
    share = np.float32(much)
    change = (_ratio(middle, parts) ** share) if color else (middle - parts) * share
    made = np.empty_like(pixels)
    axes = axis(COARSE, width, "cubic", "clamp"), axis(COARSE, height, "cubic", "clamp")
    for begin, wanted in strips(HeldRows(change), *axes):
        rows = slice(begin, begin + len(wanted))
        lines = how.decode(pixels[rows])
        if color:
            lines[:, : how.colors] *= wanted
        else:
            lines[:, : how.colors] += wanted
        how.encode(lines, made[rows])
    return made


def _ratio(one: Floats, other: Floats) -> Floats:
    """Within bounds, that black isn't made anything else."""
    least = np.float32(1e-3)
    return np.asarray((np.maximum(one, least) / np.maximum(other, least)).clip(0.25, 4))


def _joined(pixels: Pixels, how: Coding, overlap: int, same: bool) -> Pixels:
    """Pixels whose left and right edges meet."""
    width = pixels.shape[1]
    if not same:
        made = pixels[:, : width - overlap].copy()
        made[:, :overlap] = _joint(pixels[:, width - overlap :], pixels[:, :overlap], how)
        return made
    middle = width // 2
    made = np.roll(pixels, middle, axis=1)
    for left, right, begin in ((made, pixels, middle - overlap), (pixels, made, middle)):
        band = slice(begin, begin + overlap)
        made[:, band] = _joint(left[:, band], right[:, band], how)
    return made


def _joint(left: Pixels, right: Pixels, how: Coding) -> Pixels:
    """What begins as `left` and ends as `right`."""
    one, other = how.decode(np.ascontiguousarray(left)), how.decode(np.ascontiguousarray(right))
    low_one, low_other = _coarse(one), _coarse(other)
    one -= low_one
    other -= low_other
    width = one.shape[2]
    path = cheapest_loop(((one - other) ** 2).sum(axis=1))
    sharp = _step((np.arange(width) - path[:, None]) / FEATHER + 0.5)[:, None]
    fine = one + (other - one) * sharp
    return how.encode(fine + _faded(low_one, low_other, _step((np.arange(width) + 0.5) / width)))


def _step(x: Doubles) -> Floats:
    """0 up to 0, 1 from 1 on, smooth in between."""
    held = x.astype(np.float32).clip(0, 1)
    return np.asarray(held * held * (3 - 2 * held))


def _coarse(lines: Floats) -> Floats:
    """What is left when detail is averaged away; along the joint the image is taken to tile."""
    height, _, width = lines.shape
    few = max(1, round(height * COARSE / width))
    across, down = axis(width, COARSE, "area", "clamp"), axis(height, few, "area", "wrap")
    small = whole_image(HeldRows(lines), across, down)
    return whole_image(
        HeldRows(small), axis(COARSE, width, "cubic", "clamp"), axis(few, height, "cubic", "wrap")
    )


def _faded(one: Floats, other: Floats, share: Floats) -> Floats:
    """From one to the other across the lines, with the spread that both have.

    A mean of unrelated values spreads less than they do; divided by the length of its weights it doesn't
    (Heitz and Neyret 2018, "High-Performance By-Example Noise using a Histogram-Preserving Blending
    Operator"). What is related needs no such help.
    """
    middle = (one.mean(axis=(0, 2), keepdims=True) + other.mean(axis=(0, 2), keepdims=True)) / 2
    one, other = one - middle, other - middle
    energy = np.sqrt(float(np.vdot(one, one)) * float(np.vdot(other, other)))
    related = max(0.0, float(np.vdot(one, other)) / energy) if energy > 0 else 1.0
    rest = 1 - share
    length = np.sqrt(rest**2 + share**2 + np.float32(2 * min(related, 1.0)) * rest * share)
    return np.asarray((one * rest + other * share) / length + middle, np.float32)
