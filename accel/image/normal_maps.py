"""Tangent-space normal maps: decoding, flipping and normalising vectors, and detecting the direction of the
green channel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from accel.image.operation import Operated, first_layer
from accel.image.operations.normals import NormalConvention, NormalFlip, NormalReading
from accel.image.pixel_data import Pixels, vips_from_pixels
from accel.image.raster import Raster
from accel.image.records import TOLERANCE, Normals
from accel.image.statistics import Floats, data_format, sample_grid, sample_pixels, unit_scale
from accel.text import text
from accel.workload import Limits, WorkloadError

BANDS = 12
BAND_ROWS = 16
BAND_COLUMNS = 384
"""Number, rows and columns of the bands in which slopes are measured. Low images have fewer, taller bands, so
that none overlap."""

LEAST_TEXELS = 64
"""Minimum number of texels to judge: fewer slopes may fit one convention by chance."""

PART_COLUMNS = 8
"""Minimum number of columns in a part of a band."""

TOGETHER = 6
"""Bands processed at a time: fewer cost more calls, more don't fit into the cache."""


def slope_bands(pixels: Pixels) -> Iterator[Pixels]:
    """Yields equal bands of adjacent texels, at least 3 x 3, from all over the image."""
    height, width = pixels.shape[:2]
    if min(height, width) < 3 or height * width < LEAST_TEXELS:
        return
    count = max(1, min(BANDS, height // BAND_ROWS))
    rows = BAND_ROWS if count == BANDS else height // count
    columns = min(width, BAND_COLUMNS)
    for index in range(count):
        top = index * (height - rows) // max(1, count - 1)
        # Spread the bands over the width, too, to cover all parts of an atlas.
        left = (index * 7 % BANDS) * (width - columns) // (BANDS - 1)
        yield pixels[top : top + rows, left : left + columns]


def part_count(parts: Sequence[Pixels]) -> int:
    """Returns how many parts to split each band into: a few bands could agree by chance."""
    if not parts:
        return 1
    columns: int = parts[0].shape[1]
    return max(1, min(-(-BANDS // len(parts)), columns // PART_COLUMNS))


def slopes(parts: Sequence[Pixels]) -> Iterator[tuple[Floats, Floats]]:
    """Yields the slopes -p, and q if green points up, of several bands at a time: bands x rows x columns."""
    for first in range(0, len(parts), TOGETHER):
        some = parts[first : first + TOGETHER]
        stored = np.empty((3, len(some), *some[0].shape[:2]), some[0].dtype)
        for index, band in enumerate(some):
            for channel in range(3):
                stored[channel, index] = band[..., channel]
        vectors = unit_scale(stored)
        if stored.dtype.kind == "f":
            # Floats can have any magnitude, and squared slopes would overflow.
            np.clip(vectors, 0, 1, out=vectors)
        # Vectors of half the length will do, since slopes are ratios.
        vectors -= np.float32(0.5)
        x, y, z = vectors
        np.maximum(z, np.float32(0.05), out=z)
        x /= z
        y /= z
        yield x, y


def halve_slopes(values: Floats) -> Floats:
    """Averages each 2 x 2 texels."""
    rows, columns = (side // 2 * 2 for side in values.shape[1:])
    pairs = values[:, :rows:2, :columns] + values[:, 1:rows:2, :columns]
    result: Floats = pairs[..., ::2] + pairs[..., 1::2]
    result *= np.float32(0.25)
    return result


def slope_sums(p: Floats, q: Floats, across: int = 1) -> Floats:
    """Returns the sums of ab, a^2 + b^2 (twist) and (dp/dx)^2 + (dq/dy)^2 (stretch) over each part of each
    band.

    Uses central differences, whose operators commute, so that the grid adds no bias.
    """
    if min(p.shape[1:]) < 3:
        return np.zeros((len(p) * across, 3))
    a = p[:, :-2, 1:-1] - p[:, 2:, 1:-1]
    b = q[:, 1:-1, 2:] - q[:, 1:-1, :-2]
    products = a * b
    twists, larger = _squares(a, b)
    stretches, most = _squares(p[:, 1:-1, 2:] - p[:, 1:-1, :-2], q[:, 2:, 1:-1] - q[:, :-2, 1:-1])
    # Leave out large differences: the surface jumps at the borders of an atlas's islands.
    keep = (np.maximum(larger, most, out=most) < 1).astype(np.float32)
    return np.array([_dots(each, keep, across) for each in (products, twists, stretches)]).T


def _squares(one: Floats, other: Floats) -> tuple[Floats, Floats]:
    """Squares both in place. Returns their sum and their maximum."""
    one *= one
    other *= other
    return one + other, np.maximum(one, other)


def _dots(values: Floats, keep: Floats, across: int) -> list[float]:
    # BLAS is avoided, because its sums depend on the processor.
    columns = np.einsum("brc,brc->bc", values, keep)
    starts = np.arange(across) * columns.shape[1] // across
    parts: list[float] = np.add.reduceat(columns, starts, axis=1, dtype=float).ravel().tolist()
    return parts


WAVE_SIDE = 256
"""The longest side, pixels, of the finest means of the whole image in which waves are measured."""
LEAST_SQUARES = 12
"""Fewest means along the shorter side: fewer show the borders of islands more than waves."""


def wave_levels(pixels: Pixels) -> Iterator[Floats]:
    """Yields means over squares of the whole image, rows x columns x 3 and 0..1, each level half the last.

    The bands of texels cover a few percent of a large image and can miss its bolts and edges; means keep
    them, and remove grain and noise. Thin and small images have none.
    """
    height, width = pixels.shape[:2]
    colors = vips_from_pixels(pixels).extract_band(0, n=3)
    step = max(2, -(-max(height, width) // WAVE_SIDE))
    while min(height, width) >= LEAST_SQUARES * step:
        small = colors.shrink(step, step)
        yield unit_scale(small.numpy().reshape(small.height, small.width, 3))
        step *= 2


def wave_sums(level: Floats) -> Floats:
    """Returns the `slope_sums` of each part of a level."""
    parts = list(slope_bands(level))
    columns = part_count(parts)
    found = [slope_sums(p, q, columns) for p, q in slopes(parts)]
    return np.concatenate([np.zeros((0, 3)), *found])


def variance(picture: Floats) -> float:
    """Returns the summed variance of an image's slopes in both directions."""
    return sum(float(one.var()) for pair in slopes([picture]) for one in pair)


FULL_SIGN = 0.15
"""Size of `Curl.sign` that counts in full; unrelated slopes of a large image give less."""

CONTRADICTION = 0.5
"""Confidence at which one scale can veto the other's convention."""

ROTATED_BELOW = 0.75
"""Size of `Curl.sign` below which more twist than stretch means that the image was rotated. The sign of a
rotated image is stretch over twist; above this, the excess comes from the large differences left out."""

HALVED = 10
"""Shortest band side in texels that is worth halving; shorter ones leave too few values."""

SINGLE_PART_ERROR, DOMINANT_PART_ERROR = 0.35, 0.25
"""Minimum error if there is a single part, and if one part has nearly all the energy; with n parts of equal
energy, the latter is divided by n."""

STUDENT_FACTORS = dict(zip(range(2, 12), (27, 4.3, 2.5, 2.0, 1.73, 1.59, 1.5, 1.44, 1.39, 1.36), strict=True))
"""Correction of the error by the number of parts: Student's t over the normal quantile, at 1 in 100. With
more parts, the image is so large that `FULL_SIGN` rules out chance."""

TWISTED = 0.95
"""Ratio of stretch to twist below which an image was rotated; noise has equal amounts of both."""

WAVE_SIGN, WAVE_CONFIDENCE = 0.25, 0.8
"""Sign and confidence at which waves overrule grain. They are high because the borders of an atlas's islands
also make waves."""
WAVE_SHARE = 0.25
"""Share of the slopes' variance that such waves must have; residual grain has up to 0.2."""
WAVE_STEP = 4
"""Every such row and column of the sample is enough for that variance."""


class Curl(NamedTuple):
    """What the slopes say about the convention."""

    sign: float
    """-1 (green down) to 1 (green up): the difference between the two readings' residuals over their sum."""
    confidence: float
    """0..1; 0 if the scales contradict each other or if `rotated`."""
    rotated: bool = False
    """Whether no surface can have such slopes: the image was rotated, but not its vectors."""


def measure_curl(pixels: Pixels, planes: Floats) -> Curl:
    """Measures the curl of the slopes under both conventions; `planes` is the sample of `pixels`.

    The slopes of a surface, p = dh/dx = -nx/nz and q = dh/dy = +-ny/nz (+ for green up, as y runs down in an
    image), have no curl: dp/dy = dq/dx. With a = dp/dy and b = d(ny/nz)/dx, the squared residuals are
    (a - b)^2 for green up and (a + b)^2 for green down. Their difference over their sum is
    2 ab / (a^2 + b^2), summed over the texels. Rounding and noise pull it towards 0 but don't change its
    sign, so confidence depends on its size and on how well separate parts of the image agree.

    Slopes are measured between texels and between means of 2 x 2, which suffer less from JPEG and block
    compression; the more confident result counts. Coarse waves of the whole image can only overrule it.
    """
    fine, halves = _measure_parts(list(slope_bands(pixels)))
    found, other = judge_curl(fine), judge_curl(halves)
    # On a surface the means of (dp/dx) (dq/dy) and (dp/dy)^2 are equal, so twist never exceeds stretch.
    if fine[:, 2].sum() < TWISTED * fine[:, 1].sum() and abs(found.sign) < ROTATED_BELOW:
        return Curl(found.sign, 0.0, rotated=True)
    if other.confidence > found.confidence:
        found, other = other, found
    denied = other.sign * found.sign < 0 and other.confidence >= CONTRADICTION
    if denied or (found.confidence and _contradicts(found.sign, planes, pixels)):
        return Curl(found.sign, 0.0)
    return found


def judge_curl(measured: Floats) -> Curl:
    """Judges the convention from the `slope_sums` of each part."""
    energy = float(measured[:, 1].sum())
    sign = 2 * float(measured[:, 0].sum()) / energy if energy > 0 else 0.0
    if sign == 0:
        return Curl(0.0, 0.0)
    return Curl(
        sign, abs(sign) / (abs(sign) + _error(measured, sign, energy)) * min(1.0, abs(sign) / FULL_SIGN)
    )


def _error(measured: Floats, sign: float, energy: float) -> float:
    """Returns the error of `sign`: the standard error of a ratio, or a lower bound if few parts have most of
    the energy."""
    count = len(measured)
    if count == 1:
        return SINGLE_PART_ERROR
    strays = 2 * measured[:, 0] - sign * measured[:, 1]
    error = float(np.sqrt((strays**2).sum() * count / (count - 1))) / energy * STUDENT_FACTORS.get(count, 1.0)
    # The residuals cancel if a single part has nearly all the energy, so it can't disagree with itself.
    return max(error, DOMINANT_PART_ERROR * float((measured[:, 1] ** 2).sum()) / energy**2)


def _measure_parts(parts: Sequence[Pixels]) -> tuple[Floats, Floats]:
    """Returns the `slope_sums` of each part of the bands: of their texels, and of means of 2 x 2."""
    fine: list[Floats] = [np.zeros((0, 3))]
    halves: list[Floats] = [np.zeros((0, 3))]
    columns = part_count(parts)
    for p, q in slopes(parts):
        fine.append(slope_sums(p, q, columns))
        if min(p.shape[1:]) >= HALVED:
            halves.append(slope_sums(halve_slopes(p), halve_slopes(q), columns))
    return np.concatenate(fine), np.concatenate(halves)


def _contradicts(sign: float, planes: Floats, pixels: Pixels) -> bool:
    """Whether coarse waves clearly show the opposite sign; `planes` is the sample of `pixels`."""
    picture = np.moveaxis(planes[:3].reshape(3, *sample_grid(pixels)), 0, 2)
    least = WAVE_SHARE * variance(picture[::WAVE_STEP, ::WAVE_STEP])
    for level in wave_levels(pixels):
        waves = judge_curl(wave_sums(level))
        clear = waves.sign * sign < 0 and abs(waves.sign) >= WAVE_SIGN and waves.confidence >= WAVE_CONFIDENCE
        # Faint waves, as of a gradient that a tool left behind, say little about the grain.
        if clear and variance(level) >= least:
            return True
    return False


NAMED_CONFIDENCE = 0.7
"""Minimum confidence for naming a convention."""

ONE_WAY = 0.02
"""Ratio of the slopes' variances in both directions below which the convention is only told by traces, such
as ragged steps of a gradient: a cable's relief may be inverted in the direction that has none."""
LEAST_Z = 0.2
"""Steeper slopes count as if they were this steep."""

NORMAL_SHARE = 0.5
"""Minimum share of unit vectors in a normal map; below it, an image has no convention."""


def examine_normals(pixels: Pixels, planes: Floats, mean: list[float]) -> tuple[Normals, Curl]:
    """Returns the evidence for a normal map in `pixels`, whose sample is `planes`, and that of its slopes,
    which is empty if it isn't one."""
    vectors = planes[:3] * 2
    vectors -= 1
    x, y, z = vectors
    unit = unit_share(vectors)
    flat = _share((np.maximum(np.abs(x), np.abs(y)) <= 8 / 255) & (z >= 1 - 8 / 255))
    curl = measure_curl(pixels, planes) if unit >= NORMAL_SHARE else Curl(0.0, 0.0)
    if curl.confidence and _is_one_way(vectors):
        curl = Curl(curl.sign, 0.0)
    convention: Literal["opengl", "directx"] | None = None
    if curl.confidence >= NAMED_CONFIDENCE:
        convention = "opengl" if curl.sign > 0 else "directx"
    return Normals(unit, TOLERANCE, mean, flat, convention, curl.confidence), curl


def _is_one_way(vectors: Floats) -> bool:
    """Whether all slopes go up and down, or all to the sides."""
    # Texels of HDR files may be no vectors, and of any length.
    x, y, z = np.clip(vectors, -1, 1)
    across, along = (float((one / np.maximum(z, LEAST_Z)).var()) for one in (x, y))
    return min(across, along) < ONE_WAY * max(across, along)


def unit_share(vectors: Floats) -> float:
    """Returns the share of unit vectors in planes of x, y and z."""
    x, y, z = vectors
    squares = x * x
    squares += y * y
    squares += z * z
    # The squares of 1 - t and 1 + t differ from 1 + t^2 by 2 t.
    squares -= 1 + TOLERANCE**2
    return _share(np.abs(squares, out=squares) <= 2 * TOLERANCE)


def _share(flags: NDArray[np.bool_]) -> float:
    return int(np.count_nonzero(flags)) / flags.size


def normal_flip(images: Sequence[Raster], params: NormalFlip, limits: Limits) -> Operated:
    (image,) = images
    check_normals(image)
    signed = is_signed(image, params.signed)
    levels = []
    for level in (image.pixels, *image.mips):
        result = flip_green(level, params.x, params.y, signed)
        levels.append(
            normalize_vectors(result, params.normalize == "z", signed)
            if params.normalize != "keep"
            else result
        )
    format = data_format(image, levels[0])
    meaning = {"transfer": "linear", "data": True, "kind": "normal", "format": format}
    return Operated({"normal": image.with_pixels(levels[0], mips=tuple(levels[1:]), **meaning)})


AnyFloats = NDArray[np.floating[Any]]

STRIP = 64
"""Rows per strip, sized to fit into the CPU cache."""

_BELOW = -0.05
"""Values below this are vectors to the left or down: sharpening filters don't push non-negative values this
far below 0."""

_SHORT = np.float32(1e-6)
"""Length below which a vector has no direction."""


def check_normals(image: Raster) -> None:
    """Raises WorkloadError `unsupported` unless the image has three colour channels."""
    if image.colors != 3:
        raise WorkloadError("unsupported", text("is grey; a normal map has red, green and blue"), image.name)


def is_signed(image: Raster, signed: Literal["auto", "no", "yes"] = "auto") -> bool:
    """Whether floats store vectors as -1 to 1 instead of 0 to 1. Integers never do."""
    if image.pixels.dtype.kind != "f" or signed == "no":
        return False
    if signed == "yes" or image.signed is not None:
        return signed == "yes" or image.signed is True
    stored = sample_pixels(image.pixels)[:3]
    if stored.min() < _BELOW:
        return True
    units = _unit_share_of(stored)
    return units >= NORMAL_SHARE and units > _unit_share_of(stored * 2 - 1)


def same_signedness(first: Raster, layers: Sequence[Raster]) -> tuple[Raster, ...]:
    """Returns the layers with `signed` set as in the first image."""
    signed = is_signed(first) if layers and first.pixels.dtype.kind == "f" else None
    return tuple(replace(layer, signed=signed) for layer in layers)


def to_unsigned(pixels: Pixels) -> Pixels:
    """Returns a copy of floats whose first three channels are recoded from -1..1 to 0..1."""
    result = pixels.copy()
    result[..., :3] = _encode_vectors(pixels[..., :3], pixels.dtype, False)
    return result


def _unit_share_of(vectors: AnyFloats) -> float:
    lengths = np.sqrt((vectors * vectors).sum(axis=0))
    return float((np.abs(lengths - 1) <= TOLERANCE).mean())


def flip_green(pixels: Pixels, x: bool, y: bool, signed: bool) -> Pixels:
    """Returns a copy with red or green inverted: subtracted from full scale, or negated if signed."""
    height, width, channels = pixels.shape
    turn = np.zeros(channels, bool)
    turn[:2] = x, y
    if pixels.dtype.kind == "f":
        result = pixels.copy()
        for index in np.flatnonzero(turn):
            np.subtract(0 if signed else 1, pixels[..., index], out=result[..., index])
        return result
    # Subtracting from full scale inverts all bits, so a mask can invert whole rows.
    mask = np.tile(turn * np.iinfo(pixels.dtype).max, width).astype(pixels.dtype)
    turned: Pixels = pixels.reshape(height, -1) ^ mask
    return turned.reshape(pixels.shape)


def normalize_vectors(pixels: Pixels, only_z: bool, signed: bool) -> Pixels:
    """Returns a copy with vectors of length 1.

    `only_z` computes z as the square root of 1 - x^2 - y^2, and scales x and y only if they are longer
    than 1.
    """
    result = pixels.copy()
    for top in range(0, len(pixels), STRIP):
        rows = slice(top, top + STRIP)
        x, y, z = (_decode_vectors(pixels[rows, :, index], signed) for index in range(3))
        squares = x * x + y * y
        if only_z:
            z = np.sqrt(np.maximum(1 - squares, 0))
        length = np.sqrt(squares + z * z)
        nowhere = length < _SHORT
        length[nowhere] = 1
        z[nowhere] = 1
        for index, values in enumerate((x, y, z)):
            result[rows, :, index] = _encode_vectors(values / length, pixels.dtype, signed)
    return result


def _decode_vectors(values: Pixels, signed: bool) -> AnyFloats:
    if signed:
        return values.astype(np.float32)
    half = 0.5 if values.dtype.kind == "f" else np.iinfo(values.dtype).max / 2
    vectors: AnyFloats = values * np.float32(1 / half) - np.float32(1)
    return vectors


def _encode_vectors(vectors: AnyFloats, dtype: np.dtype[Any], signed: bool) -> AnyFloats:
    if signed:
        return vectors
    if dtype.kind == "f":
        return vectors * np.float32(0.5) + np.float32(0.5)
    half = np.float32(np.iinfo(dtype).max / 2)
    return vectors * half + (half + np.float32(0.5))


FLAT = 0.98
"""Minimum share of undisturbed texels in a surface called flat."""

_NAMES = {"opengl": "OpenGL (green up)", "directx": "DirectX (green down)"}


def normal_convention(images: Sequence[Raster], params: NormalReading, limits: Limits) -> Operated:
    (image,) = images
    check_normals(image)
    pixels = image.pixels[..., :3]
    if is_signed(image, params.signed):
        pixels = pixels / 2 + 0.5
    normals, curl = examine_normals(pixels, sample_pixels(pixels), [])
    evidence = list(explain_convention(normals, curl))
    return Operated(
        value=NormalConvention(
            normals.convention, normals.convention_confidence, normals.unit_length, normals.flat, evidence,
            first_of=first_layer(image),
        )
    )  # fmt: skip


def explain_convention(normals: Normals, curl: Curl) -> Iterator[str]:
    """Yields the evidence as sentences for people."""
    share = f"{normals.unit_length:.0%} of the texels looked at are unit vectors"
    if normals.unit_length < NORMAL_SHARE:
        yield f"{share}: not a normal map, so it has no convention to detect."
        return
    yield f"{share}, as in a normal map."
    if normals.flat >= FLAT:
        yield f"{normals.flat:.0%} are the undisturbed surface: it is flat."
    sign = curl.sign
    if sign == 0:
        yield "Its slopes fit together in both conventions: it is flat, or slopes in one direction alone."
        return
    # Each reading's share of the squared residuals is (1 -+ sign) / 2. Rounding may take the sign slightly
    # beyond 1.
    up, down = max(0.0, (1 - sign) / 2), max(0.0, (1 + sign) / 2)
    yield (
        f"Of what doesn't fit together in its slopes, {up:.0%} remain if read as {_NAMES['opengl']} and "
        f"{down:.0%} if read as {_NAMES['directx']}; the right reading leaves less."
    )
    if normals.convention:
        yield f"Parts of the image agree: it is {_NAMES[normals.convention]}."
    elif abs(sign) < FULL_SIGN:
        yield "The two are too close to tell: noise, or a surface that looks the same in both."
    elif curl.rotated:
        yield (
            "But no surface has such slopes: as where a picture is turned by 90 degrees, and its vectors "
            "aren't. Neither is named."
        )
    else:
        yield "Parts of the image disagree, or its grain and its waves, so that neither is named."
