"""Mip levels: repeated halving, alpha coverage, and roughness corrected for a normal map."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from accel.image.alpha import coverage_above, coverage_factor, coverage_share, split_alpha
from accel.image.color import Floats, from_linear
from accel.image.kernels import MIN_WEIGHT
from accel.image.operation import Operated
from accel.image.operations.geometry import Mipmaps
from accel.image.pixel_coding import Coding, channel_kind, channel_semantics, coding_of
from accel.image.pixel_data import Pixels
from accel.image.raster import Raster
from accel.image.resample import Edge, Kernel, LineBuffer, PixelSource, axis, filter_image
from accel.text import text
from accel.workload import Limits, WorkloadError

Filter = Literal["box", "kaiser", "lanczos"]
Size = tuple[int, int]
"""Width and height."""

FUSED_LEVELS = 3
"""Maximum number of levels computed from one strip while it is in the cache."""

SUM_LEVELS = 4
"""Maximum number of levels whose sums of bytes fit into 16 bits: 256 bytes add up to at most 65280."""


def level_sizes(width: int, height: int, levels: int = 0) -> list[Size]:
    """Returns the sizes of all levels but the first. Each is half the previous one, rounded down, at least 1.

    `levels` limits the total, including the first; 0 goes down to 1 x 1.
    """
    found: list[Size] = []
    while (width, height) != (1, 1) and (not levels or len(found) + 1 < levels):
        width, height = max(1, width // 2), max(1, height // 2)
        found.append((width, height))
    return found


def pixel_levels(
    pixels: Pixels, coding: Coding, sizes: Sequence[Size], filter: Filter, edge: Edge
) -> list[Pixels]:
    """Computes the mip levels of these sizes."""
    result: list[Pixels] = []
    source: PixelSource | LineBuffer = PixelSource(pixels, coding)
    if filter == "box":
        summed = coding.dtype == np.uint8 and not (coding.curve or coding.weighted or coding.vectors)
        count = _halvings(pixels, min(len(sizes), SUM_LEVELS if summed else FUSED_LEVELS))
        if count:
            result, lines = (_halve_by_sums if summed else _halve_fused)(pixels, coding, count)
            source = LineBuffer(lines)
    rest = line_levels(source, coding, sizes[len(result) :], filter, edge)
    return result + [coding.pixels(lines) for lines in rest]


def line_levels(
    source: PixelSource | LineBuffer, coding: Coding, sizes: Sequence[Size], filter: Filter, edge: Edge
) -> Iterator[Floats]:
    """Yields levels of these sizes as lines, each computed from the previous one."""
    for width, height in sizes:
        lines = coding.empty(height, width)
        if filter == "box" and source.size == (2 * width, 2 * height):
            _halve(source, coding, lines)
        else:
            kernel: Kernel = "area" if filter == "box" else filter
            across, down = (
                axis(source.size[0], width, kernel, edge),
                axis(source.size[1], height, kernel, edge),
            )
            for begin, strip in filter_image(source, coding, across, down):
                lines[begin : begin + len(strip)] = strip
        yield lines
        source = LineBuffer(lines)


def _halve(source: PixelSource | LineBuffer, coding: Coding, lines: Floats) -> None:
    if isinstance(source, LineBuffer):
        coding.loops.halve_lines(source.values, lines)
        return
    each = coding.rows(source.size[0]) // 2
    for begin in range(0, len(lines), each):
        strip = lines[begin : begin + each]
        coding.halve(source.pixels[2 * begin : 2 * (begin + len(strip))], strip)


def _halvings(pixels: Pixels, most: int) -> int:
    """Returns how often both sides can be halved without a remainder, at most `most`."""
    count = 0
    while count < most and not any(side % (2 << count) for side in pixels.shape[:2]):
        count += 1
    return count


def _halve_fused(pixels: Pixels, coding: Coding, count: int) -> tuple[list[Pixels], Floats]:
    """Computes `count` levels strip by strip. Returns them, and the last one as lines too."""
    height, width, _ = pixels.shape
    result = _empty_levels(pixels, count)
    last = coding.empty(height >> count, width >> count)
    each = _strip_rows(coding.rows(width), count)
    for top in range(0, height, each):
        rows = min(each, height - top)
        lines = pixels[top : top + rows]
        for level in range(1, count + 1):
            begin, end = top >> level, (top + rows) >> level
            half = last[begin:end] if level == count else coding.empty(end - begin, width >> level)
            coding.halve(lines, half) if level == 1 else coding.loops.halve_lines(lines, half)
            lines = half
            coding.encode(lines, result[level - 1][begin:end])
    return result, last


def _halve_by_sums(pixels: Pixels, coding: Coding, count: int) -> tuple[list[Pixels], Floats]:
    """Like `_halve_fused`, for bytes that need plain means: exact, and limited only by memory speed."""
    height, width, channels = pixels.shape
    result = _empty_levels(pixels, count)
    flat = [level.reshape(len(level), -1) for level in result]
    last = np.empty(flat[-1].shape, np.uint16)
    each = _strip_rows(2 * coding.rows(width), count)
    spare = [np.empty((each >> level, (width >> level) * channels), np.uint16) for level in range(1, count)]
    for top in range(0, height, each):
        rows = min(each, height - top)
        lines = pixels[top : top + rows].reshape(rows, -1)
        for level in range(1, count + 1):
            begin, end = top >> level, (top + rows) >> level
            sums = last[begin:end] if level == count else spare[level - 1][: end - begin]
            coding.loops.halve_sums(lines, channels, 2 * level, sums, flat[level - 1][begin:end])
            lines = sums
    means = last.reshape(result[-1].shape).swapaxes(1, 2) * np.float32(1 / (255 << 2 * count))
    return result, np.ascontiguousarray(means)


def _strip_rows(rows: int, count: int) -> int:
    return max(1, rows >> count) << count


def _empty_levels(pixels: Pixels, count: int) -> list[Pixels]:
    height, width, channels = pixels.shape
    return [
        np.empty((height >> level, width >> level, channels), pixels.dtype) for level in range(1, count + 1)
    ]


EPSILON = np.float32(1e-4)
"""Minimum length of a mean normal, and minimum distance of a roughness from 1, to avoid division by 0."""


def raise_roughness(roughness: Floats, length: Floats) -> Floats:
    """Raises GGX's perceptual roughness (0..1, the square root of alpha) by the spread of the normals, whose
    mean has `length` 0..1.

    Toksvig 2005, "Mipmapping Normal Maps": a Blinn-Phong exponent s becomes s L / (L + s (1 - L)), so 1/s
    grows by (1 - L) / L. Walter et al. 2007, "Microfacet Models for Refraction", section 5.2:
    s = 2 / alpha^2 - 2. For small spreads alpha^2 grows by twice the variance of slopes, as in LEAN mapping
    (Olano and Baker 2010).
    """
    squared = roughness**4
    length = np.clip(length, EPSILON, 1)
    # 1/s is 0 for a perfect mirror and unbounded for the roughest surface.
    inverse = squared / (2 * np.maximum(1 - squared, EPSILON)) + (1 - length) / length
    result = np.sqrt(np.sqrt(2 * inverse / (1 + 2 * inverse)))
    return np.asarray(np.maximum(result, roughness), np.float32)


def raise_roughness_channels(lines: Floats, normals: Floats, channels: Sequence[int], smooth: bool) -> None:
    """Raises the roughness in some channels of the lines by the mean normals of the same texels. `smooth`
    channels store 1 - roughness."""
    vectors = normals[:, :3]
    length = np.sqrt(np.einsum("rcw,rcw->rw", vectors, vectors))
    for channel in channels:
        values = lines[:, channel].clip(0, 1)
        result = raise_roughness(1 - values if smooth else values, length)
        lines[:, channel] = 1 - result if smooth else result


def mipmaps(images: Sequence[Raster], params: Mipmaps, limits: Limits) -> Operated:
    image, normals = images[0], images[1] if len(images) > 1 else None
    kind = "data" if normals is not None and params.kind == "auto" else channel_kind(image, params.kind)
    how = coding_of(image, kind, params.linear_light, params.alpha_weighted)
    sizes = level_sizes(image.width, image.height, params.levels)
    if normals is not None:
        result = _levels_with_roughness(image, how, normals, sizes, params)
    elif params.coverage:
        result = _levels_with_coverage(image, how, sizes, params)
    else:
        result = pixel_levels(image.pixels, how, sizes, params.filter, params.edge)
    semantics = channel_semantics(image, kind)
    return Operated(
        {"mipmaps": image.with_pixels(image.pixels, mips=tuple(result), read_mips=False, **semantics)}
    )


def _lines(image: Raster, how: Coding, sizes: list[Size], params: Mipmaps) -> Iterator[Floats]:
    return line_levels(PixelSource(image.pixels, how), how, sizes, params.filter, params.edge)


def _levels_with_coverage(image: Raster, how: Coding, sizes: list[Size], params: Mipmaps) -> list[Pixels]:
    if not image.has_alpha:
        reason = text("has no alpha channel, so coverage has nothing to preserve; leave it out")
        raise WorkloadError("bad_params", reason, image.name)
    drawn = coverage_share(image.pixels[..., -1], params.coverage)
    least = coverage_above(params.coverage, how.dtype)
    result = []
    for lines in _lines(image, how, sizes, params):
        alpha = split_alpha(lines[:, -1] - MIN_WEIGHT if how.weighted else lines[:, -1])
        level = how.pixels(lines)
        scaled = (alpha * coverage_factor(alpha, drawn, least)).clip(0, 1)
        level[..., -1] = from_linear(scaled, 0, "linear", how.dtype)
        result.append(level)
    return result


def _levels_with_roughness(
    image: Raster, how: Coding, normals: Raster, sizes: list[Size], params: Mipmaps
) -> list[Pixels]:
    channels = _channels(image, params)
    if (normals.width, normals.height) != (image.width, image.height):
        reason = text(
            "is {width} x {height}, but {image} is {width_2} x {height_2}; a normal map must "
            "have the size of the roughness map",
            width=normals.width,
            height=normals.height,
            image=image.name,
            width_2=image.width,
            height_2=image.height,
        )
        raise WorkloadError("bad_input", reason, normals.name)
    vectors = _lines(normals, coding_of(normals, "normal", False, False), sizes, params)
    result = []
    for lines, means in zip(_lines(image, how, sizes, params), vectors, strict=True):
        # The next level is averaged from the uncorrected lines.
        level = lines.copy()
        raise_roughness_channels(level, means, channels, params.smoothness)
        result.append(how.pixels(level))
    return result


def _channels(image: Raster, params: Mipmaps) -> list[int]:
    """Returns the indices of the roughness channels. Raises WorkloadError."""
    if params.kind not in ("auto", "data") or params.coverage:
        reason = text(
            "if the second input is a normal map, set kind to data and leave out coverage: roughness isn't a "
            "colour"
        )
        raise WorkloadError("bad_params", reason, image.name)
    if params.roughness == "all":
        return list(range(image.colors))
    if params.roughness == "a" and image.has_alpha:
        return [image.colors]
    place = "rgb".find(params.roughness)
    if not 0 <= place < image.colors:
        reason = text("has no channel {channel} to read the roughness from", channel=params.roughness)
        raise WorkloadError("bad_params", reason, image.name)
    return [place]
