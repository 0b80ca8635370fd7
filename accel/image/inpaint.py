"""Fills transparent texels with nearby colours: from direct neighbours, then from a pyramid (pull-push)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from accel.image.color import Floats
from accel.image.operation import Operated
from accel.image.operations.geometry import BleedAlpha
from accel.image.pixel_coding import Coding, coding_of
from accel.image.pixel_data import Pixels, full_scale
from accel.image.raster import Raster
from accel.image.resample import Edge, Indices
from accel.workload import Limits


def bleed_alpha(images: Sequence[Raster], params: BleedAlpha, limits: Limits) -> Operated:
    return Operated({"bled": bleed_colors(images[0], params.threshold, params.edge)})


def bleed_colors(image: Raster, threshold: float, edge: Edge) -> Raster:
    """Fills in colours wherever alpha is at most `threshold` (0..1), in the image and its mip levels."""
    if not image.has_alpha:
        return image
    how = coding_of(image, "color", True, True)
    top = float(full_scale(image.pixels.dtype))
    levels = [_level(level, how, threshold * top, edge) for level in (image.pixels, *image.mips)]
    return image.with_pixels(levels[0], mips=tuple(levels[1:]))


def _level(pixels: Pixels, how: Coding, cut: float, edge: Edge) -> Pixels:
    empty = pixels[..., -1] <= cut
    if not empty.any() or empty.all():
        return pixels
    coarse = _fill_pyramid(_halve(pixels, how, cut), edge)
    plain = msgspec.structs.replace(how, weighted=False)
    result = pixels.copy()
    height, width, _ = pixels.shape
    each = how.rows(width)
    for begin in range(0, height, each):
        rows = np.arange(begin, min(begin + each, height))
        hole = empty[rows[0] : rows[-1] + 1]
        if not hole.any():
            continue
        lines = _neighbour_sums(pixels, how, cut, rows, edge)
        far = _enlarge(coarse, rows, width, edge)
        _fill(lines, far)
        colors = plain.encode(lines)[..., :-1]
        np.copyto(result[rows[0] : rows[-1] + 1, :, :-1], colors, where=hole[..., None])
    return result


def _visible_lines(pixels: Pixels, how: Coding, cut: float) -> Floats:
    """Returns the decoded lines, with weight 0 for texels that aren't visible."""
    lines = how.decode(pixels)
    lines *= (pixels[..., -1] > cut)[:, None]
    return lines


def _halve(pixels: Pixels, how: Coding, cut: float) -> Floats:
    """Returns the sums of 2 x 2 texels; the new sides are half as long, rounded up."""
    height, width, _ = pixels.shape
    result = how.empty(-(-height // 2), -(-width // 2))
    each = how.rows(width)
    for begin in range(0, height, each):
        strip = _visible_lines(pixels[begin : begin + each], how, cut)
        result[begin // 2 : (begin + each) // 2] = _sums(strip)
    return result


def _sums(lines: Floats) -> Floats:
    height, _, width = lines.shape
    if height % 2 or width % 2:
        lines = np.pad(lines, ((0, height % 2), (0, 0), (0, width % 2)))
    rows = lines[0::2] + lines[1::2]
    return np.asarray(rows[..., 0::2] + rows[..., 1::2])


def _fill_pyramid(lines: Floats, edge: Edge) -> Floats:
    """Fills in missing colours from a level half the size, recursively. Every weight becomes 1."""
    if not (lines[:, -1] > 0).all():
        height, _, width = lines.shape
        coarse = _fill_pyramid(_sums(lines), edge)
        _fill(lines, _enlarge(coarse, np.arange(height), width, edge))
        return lines
    lines[:, :-1] /= lines[:, -1:]
    lines[:, -1] = 1
    return lines


def _fill(lines: Floats, far: Floats) -> None:
    """Divides weighted sums by their weights; missing colours come from `far`."""
    weight = lines[:, -1:]
    there = weight > 0
    np.divide(lines[:, :-1], weight, out=lines[:, :-1], where=there)
    np.copyto(lines[:, :-1], far[:, :-1], where=~there)
    lines[:, -1] = 1


def _enlarge(lines: Floats, rows: Indices, width: int, edge: Edge) -> Floats:
    """Returns some rows of the lines at twice the size, interpolated with weights 3/4 and 1/4."""
    near, other = _neighbours(rows, lines.shape[0], edge)
    tall = lines[near] * np.float32(0.75) + lines[other] * np.float32(0.25)
    near, other = _neighbours(np.arange(width), lines.shape[2], edge)
    return np.asarray(tall[..., near] * np.float32(0.75) + tall[..., other] * np.float32(0.25), np.float32)


def _neighbours(places: Indices, count: int, edge: Edge) -> tuple[Indices, Indices]:
    near = places // 2
    other = near + np.where(places % 2, 1, -1)
    return near, other % count if edge == "wrap" else other.clip(0, count - 1)


def _neighbour_sums(pixels: Pixels, how: Coding, cut: float, rows: Indices, edge: Edge) -> Floats:
    """Returns the sums of the visible texels in each 3 x 3 neighbourhood."""
    height = len(pixels)
    around = np.arange(rows[0] - 1, rows[-1] + 2)
    lines = _visible_lines(pixels[around % height], how, cut)
    if edge == "clamp":
        lines *= ((around >= 0) & (around < height))[:, None, None]
    tall = lines[:-2] + lines[1:-1] + lines[2:]
    result = tall.copy()
    result[..., 1:] += tall[..., :-1]
    result[..., :-1] += tall[..., 1:]
    if edge == "wrap":
        result[..., 0] += tall[..., -1]
        result[..., -1] += tall[..., 0]
    return result
