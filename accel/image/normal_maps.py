"""Tangent-space normal maps: coding, flipping and normalizing of vectors, and the direction of the
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
"""The bands of neighbouring texels whose slopes are measured: their number, rows and columns. A low image has
fewer and taller ones, so that none overlap."""

LEAST_TEXELS = 64
"""Fewest texels of an image that can be judged: the slopes of fewer fit one convention by chance."""

PART_COLUMNS = 8
"""Fewest columns of a part of a band."""

TOGETHER = 6
"""Bands that are processed at a time: with fewer, calls cost more; more don't fit into the cache."""


def slope_bands(pixels: Pixels) -> Iterator[Pixels]:
    """Yields bands of neighbouring texels from all over the image, of one size of at least 3 x 3."""
    height, width = pixels.shape[:2]
    if min(height, width) < 3 or height * width < LEAST_TEXELS:
        return
    count = max(1, min(BANDS, height // BAND_ROWS))
    rows = BAND_ROWS if count == BANDS else height // count
    columns = min(width, BAND_COLUMNS)
    for index in range(count):
        top = index * (height - rows) // max(1, count - 1)
        # The bands are also spread over the width, so that they cover all parts of an atlas.
        left = (index * 7 % BANDS) * (width - columns) // (BANDS - 1)
        yield pixels[top : top + rows, left : left + columns]


def part_count(parts: Sequence[Pixels]) -> int:
    """Returns the number of parts into which bands are split, since few bands would agree by chance."""
    if not parts:
        return 1
    columns: int = parts[0].shape[1]
    return max(1, min(-(-BANDS // len(parts)), columns // PART_COLUMNS))


def slopes(parts: Sequence[Pixels]) -> Iterator[tuple[Floats, Floats]]:
    """Yields the slopes -p, and q if green points up, of some bands at a time: bands x rows x columns."""
    for first in range(0, len(parts), TOGETHER):
        some = parts[first : first + TOGETHER]
        stored = np.empty((3, len(some), *some[0].shape[:2]), some[0].dtype)
        for index, band in enumerate(some):
            for channel in range(3):
                stored[channel, index] = band[..., channel]
        vectors = unit_scale(stored)
        if stored.dtype.kind == "f":
            # Floats may have any size, and squares of slopes would overflow.
            np.clip(vectors, 0, 1, out=vectors)
        # Half the vectors are enough, as slopes are ratios.
        vectors -= np.float32(0.5)
        x, y, z = vectors
        np.maximum(z, np.float32(0.05), out=z)
        x /= z
        y /= z
        yield x, y


def halve_slopes(values: Floats) -> Floats:
    """Returns the means of 2 x 2 texels."""
    rows, columns = (side // 2 * 2 for side in values.shape[1:])
    pairs = values[:, :rows:2, :columns] + values[:, 1:rows:2, :columns]
    made: Floats = pairs[..., ::2] + pairs[..., 1::2]
    made *= np.float32(0.25)
    return made


def slope_sums(p: Floats, q: Floats, across: int = 1) -> Floats:
    """Returns the sums of ab, a^2 + b^2 (twist) and (dp/dx)^2 + (dq/dy)^2 (stretch) over each part of each
    band.

    Central differences are used, whose operators commute, so that the grid adds no bias.
    """
    if min(p.shape[1:]) < 3:
        return np.zeros((len(p) * across, 3))
    a = p[:, :-2, 1:-1] - p[:, 2:, 1:-1]
    b = q[:, 1:-1, 2:] - q[:, 1:-1, :-2]
    products = a * b
    twists, larger = _squares(a, b)
    stretches, most = _squares(p[:, 1:-1, 2:] - p[:, 1:-1, :-2], q[:, 2:, 1:-1] - q[:, :-2, 1:-1])
    # The surface jumps at the borders of an atlas' islands, so large differences are left out.
    keep = (np.maximum(larger, most, out=most) < 1).astype(np.float32)
    return np.array([_dots(each, keep, across) for each in (products, twists, stretches)]).T


def _squares(one: Floats, other: Floats) -> tuple[Floats, Floats]:
    """Squares both in place; returns their sum and their maximum."""
    one *= one
    other *= other
    return one + other, np.maximum(one, other)


def _dots(values: Floats, keep: Floats, across: int) -> list[float]:
    # Not BLAS, whose sums depend on the processor.
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
    """Returns the variance of an image's slopes, the sum of both directions."""
    return sum(float(one.var()) for pair in slopes([picture]) for one in pair)


FULL_SIGN = 0.15
"""The size of `Curl.sign` from which it counts in full; unrelated slopes of a large image give less."""

CONTRADICTION = 0.5
"""The confidence from which one scale that contradicts the other leaves the convention open."""

ROTATED_BELOW = 0.75
"""The size of `Curl.sign` below which more twist than stretch means that the image was rotated, as the sign
of such an image is stretch over twist. Above it, the cause is that large differences were left out."""

HALVED = 10
"""Fewest texels of a band's side for means of 2 x 2: fewer leave a handful of values."""

SINGLE_PART_ERROR, DOMINANT_PART_ERROR = 0.35, 0.25
"""The least error of a single part, and of a part that has nearly all the energy; if n parts have equal
energy it is an n-th of that."""

STUDENT_FACTORS = dict(zip(range(2, 12), (27, 4.3, 2.5, 2.0, 1.73, 1.59, 1.5, 1.44, 1.39, 1.36), strict=True))
"""Factors on the error by the number of parts: Student's t over the normal distribution's, at 1 in 100. With
more parts the image is so large that `FULL_SIGN` excludes chance."""

TWISTED = 0.95
"""The ratio of stretch to twist below which an image was rotated; noise has as much of both."""

WAVE_SIGN, WAVE_CONFIDENCE = 0.25, 0.8
"""The sign and confidence from which waves overrule grain: the borders of an atlas' islands make waves,
too."""
WAVE_SHARE = 0.25
"""The share of the slopes' variance that such waves must have: the remains of grain have up to 0.2."""
WAVE_STEP = 4
"""Every such row and column of the sample is enough for that variance."""


class Curl(NamedTuple):
    """The evidence of the slopes for a convention."""

    sign: float
    """-1 (green down) to 1 (green up): the difference of the residuals of both readings over their sum."""
    confidence: float
    """0..1; 0 if the scales contradict each other, or if `rotated`."""
    rotated: bool = False
    """Whether no surface has such slopes: the image was rotated without its vectors."""


def measure_curl(pixels: Pixels, planes: Floats) -> Curl:
    """Measures the curl of the slopes; `planes` is the sample of `pixels`.

    The slopes of a surface, p = dh/dx = -nx/nz and q = dh/dy = +-ny/nz (y runs down in an image, so + is
    for green up), have no curl: dp/dy = dq/dx. With a = dp/dy and b = d(ny/nz)/dx the squared residuals
    are (a - b)^2 for green up and (a + b)^2 for green down; their difference over their sum is
    2 ab / (a^2 + b^2), summed over the texels. Rounding and noise pull it towards 0 without changing its
    sign, so the confidence comes from how well separate parts of the image agree, and from a least size.

    Slopes are measured between texels and between means of 2 x 2, which suffer less from JPEG and block
    compression; the more confident ones count. Coarse waves of the whole image can only overrule them.
    """
    fine, halves = _measure_parts(list(slope_bands(pixels)))
    found, other = judge_curl(fine), judge_curl(halves)
    # On a surface the mean of (dp/dx) (dq/dy) is that of (dp/dy)^2, so twist is never more than stretch.
    if fine[:, 2].sum() < TWISTED * fine[:, 1].sum() and abs(found.sign) < ROTATED_BELOW:
        return Curl(found.sign, 0.0, rotated=True)
    if other.confidence > found.confidence:
        found, other = other, found
    denied = other.sign * found.sign < 0 and other.confidence >= CONTRADICTION
    if denied or (found.confidence and _contradicts(found.sign, planes, pixels)):
        return Curl(found.sign, 0.0)
    return found


def judge_curl(measured: Floats) -> Curl:
    """Returns the evidence from the `slope_sums` of each part."""
    energy = float(measured[:, 1].sum())
    sign = 2 * float(measured[:, 0].sum()) / energy if energy > 0 else 0.0
    if sign == 0:
        return Curl(0.0, 0.0)
    return Curl(
        sign, abs(sign) / (abs(sign) + _error(measured, sign, energy)) * min(1.0, abs(sign) / FULL_SIGN)
    )


def _error(measured: Floats, sign: float, energy: float) -> float:
    """Returns the error of `sign`: the standard error of a ratio, or a bound if few parts have most of the
    energy.
    """
    count = len(measured)
    if count == 1:
        return SINGLE_PART_ERROR
    strays = 2 * measured[:, 0] - sign * measured[:, 1]
    error = float(np.sqrt((strays**2).sum() * count / (count - 1))) / energy * STUDENT_FACTORS.get(count, 1.0)
    # The residuals cancel, so that a part with nearly all the energy can't disagree either.
    return max(error, DOMINANT_PART_ERROR * float((measured[:, 1] ** 2).sum()) / energy**2)


def _measure_parts(parts: Sequence[Pixels]) -> tuple[Floats, Floats]:
    """Returns the `slope_sums` of each part of the bands, and of their means of 2 x 2."""
    fine: list[Floats] = [np.zeros((0, 3))]
    halves: list[Floats] = [np.zeros((0, 3))]
    columns = part_count(parts)
    for p, q in slopes(parts):
        fine.append(slope_sums(p, q, columns))
        if min(p.shape[1:]) >= HALVED:
            halves.append(slope_sums(halve_slopes(p), halve_slopes(q), columns))
    return np.concatenate(fine), np.concatenate(halves)


def _contradicts(sign: float, planes: Floats, pixels: Pixels) -> bool:
    """Whether coarse waves clearly show the opposite; `planes` is the sample of `pixels`."""
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
"""Confidence from which a convention is named."""

NORMAL_SHARE = 0.5
"""Share of unit vectors below which an image isn't a normal map and has no convention."""


def examine_normals(pixels: Pixels, planes: Floats, mean: list[float]) -> tuple[Normals, Curl]:
    """Returns the evidence for a normal map in `pixels`, whose sample is `planes`, and the evidence of its
    slopes, which is empty if it isn't a normal map."""
    vectors = planes[:3] * 2
    vectors -= 1
    x, y, z = vectors
    unit = unit_share(vectors)
    flat = _share((np.maximum(np.abs(x), np.abs(y)) <= 8 / 255) & (z >= 1 - 8 / 255))
    curl = measure_curl(pixels, planes) if unit >= NORMAL_SHARE else Curl(0.0, 0.0)
    convention: Literal["opengl", "directx"] | None = None
    if curl.confidence >= NAMED_CONFIDENCE:
        convention = "opengl" if curl.sign > 0 else "directx"
    return Normals(unit, TOLERANCE, mean, flat, convention, curl.confidence), curl


def unit_share(vectors: Floats) -> float:
    """Returns the share of unit vectors in planes of x, y and z."""
    x, y, z = vectors
    squares = x * x
    squares += y * y
    squares += z * z
    # (1 - t)^2 and (1 + t)^2 differ from 1 + t^2 by 2 t.
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
        made = flip_green(level, params.x, params.y, signed)
        levels.append(
            normalize_vectors(made, params.normalize == "z", signed) if params.normalize != "keep" else made
        )
    format = data_format(image, levels[0])
    meaning = {"transfer": "linear", "data": True, "kind": "normal", "format": format}
    return Operated({"normal": image.with_pixels(levels[0], mips=tuple(levels[1:]), **meaning)})


AnyFloats = NDArray[np.floating[Any]]

STRIP = 64
"""Rows of a strip, which fits into the cache."""

_BELOW = -0.05
"""Sharpening filters make no value below this of values from 0 on; vectors to the left or down are below
it."""

_SHORT = np.float32(1e-6)
"""The length below which a vector has no direction."""


def check_normals(image: Raster) -> None:
    """Raises WorkloadError `unsupported` for an image without three colours."""
    if image.colors != 3:
        raise WorkloadError("unsupported", text("is grey; a normal map has red, green and blue"), image.name)


def is_signed(image: Raster, signed: Literal["auto", "no", "yes"] = "auto") -> bool:
    """Whether floats are stored as vectors of -1 to 1, not coded as 0 to 1; integers never are."""
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
    """Returns the layers with `signed` as it is for the first image."""
    signed = is_signed(first) if layers and first.pixels.dtype.kind == "f" else None
    return tuple(replace(layer, signed=signed) for layer in layers)


def to_unsigned(pixels: Pixels) -> Pixels:
    """Returns a copy of floats with the vectors of -1 to 1 in the first three channels coded as 0 to 1."""
    made = pixels.copy()
    made[..., :3] = _encode_vectors(pixels[..., :3], pixels.dtype, False)
    return made


def _unit_share_of(vectors: AnyFloats) -> float:
    lengths = np.sqrt((vectors * vectors).sum(axis=0))
    return float((np.abs(lengths - 1) <= TOLERANCE).mean())


def flip_green(pixels: Pixels, x: bool, y: bool, signed: bool) -> Pixels:
    """Returns a copy with red or green inverted: full scale less the value, or the negative of signed
    floats.
    """
    height, width, channels = pixels.shape
    turn = np.zeros(channels, bool)
    turn[:2] = x, y
    if pixels.dtype.kind == "f":
        made = pixels.copy()
        for index in np.flatnonzero(turn):
            np.subtract(0 if signed else 1, pixels[..., index], out=made[..., index])
        return made
    # Full scale less a value inverts all its bits, so that whole rows can be inverted by a mask.
    mask = np.tile(turn * np.iinfo(pixels.dtype).max, width).astype(pixels.dtype)
    turned: Pixels = pixels.reshape(height, -1) ^ mask
    return turned.reshape(pixels.shape)


def normalize_vectors(pixels: Pixels, only_z: bool, signed: bool) -> Pixels:
    """Returns a copy with vectors of length 1: scaled, or with z rebuilt as the square root of 1 - x^2 - y^2
    (and x and y scaled if they are longer than 1).
    """
    made = pixels.copy()
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
            made[rows, :, index] = _encode_vectors(values / length, pixels.dtype, signed)
    return made


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
"""Share of undisturbed texels from which a surface counts as flat."""

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
    """Yields the evidence in sentences for people."""
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
    # The squared residuals of either reading over those of both: (1 -+ sign) / 2.
    # Rounding may take the sign a little beyond 1, and no share below 0.
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
