"""Tangent-space coding; which way green points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from accel.image.operation import Operated, first_layer
from accel.image.operations.normals import NormalConvention, NormalFlip, NormalReading
from accel.image.pixel_data import Pixels
from accel.image.raster import Raster
from accel.image.records import TOLERANCE, Normals
from accel.image.statistics import Floats, data_format, sample_grid, sample_pixels, sample_steps, unit_scale
from accel.text import text
from accel.workload import Limits, WorkloadError

BANDS = 12
BAND_ROWS = 16
BAND_COLUMNS = 384
"""Neighbouring texels for slopes: so many bands of so many rows and columns each, evenly spread; fewer and
somewhat taller ones in lower pictures, so that no two overlap."""

LEAST_TEXELS = 64
"""Texels below which a picture tells nothing: whatever slopes it has would fit one reading or the other."""

PART_COLUMNS = 8
"""The least width of a part of a band, texels."""

TOGETHER = 6
"""Bands worked on in one go: fewer cost calls, more don't stay in the cache."""


def slope_bands(pixels: Pixels) -> Iterator[Pixels]:
    """Neighbouring texels from all over the image, at least 3 x 3 in each band; all of one size."""
    height, width = pixels.shape[:2]
    if min(height, width) < 3 or height * width < LEAST_TEXELS:
        return
    count = max(1, min(BANDS, height // BAND_ROWS))
    rows = BAND_ROWS if count == BANDS else height // count
    columns = min(width, BAND_COLUMNS)
    for index in range(count):
        top = index * (height - rows) // max(1, count - 1)
        # The bands also wander over the width, so that all parts of an atlas are seen.
        left = (index * 7 % BANDS) * (width - columns) // (BANDS - 1)
        yield pixels[top : top + rows, left : left + columns]


def across(parts: Sequence[Pixels]) -> int:
    """How many parts of their columns these bands are looked at in: few bands would agree by chance."""
    if not parts:
        return 1
    columns: int = parts[0].shape[1]
    return max(1, min(-(-BANDS // len(parts)), columns // PART_COLUMNS))


def slopes_of(parts: Sequence[Pixels]) -> Iterator[tuple[Floats, Floats]]:
    """-p, and q if green points up, of some bands at a time: bands x rows x columns."""
    for first in range(0, len(parts), TOGETHER):
        some = parts[first : first + TOGETHER]
        stored = np.empty((3, len(some), *some[0].shape[:2]), some[0].dtype)
        for index, band in enumerate(some):
            for channel in range(3):
                stored[channel, index] = band[..., channel]
        vectors = unit_scale(stored)
        if stored.dtype.kind == "f":
            # Floats may be anything, and squares of slopes would overflow.
            np.clip(vectors, 0, 1, out=vectors)
        # Half the vectors: slopes are ratios.
        vectors -= np.float32(0.5)
        x, y, z = vectors
        np.maximum(z, np.float32(0.05), out=z)
        x /= z
        y /= z
        yield x, y


def halve_slopes(values: Floats) -> Floats:
    """Means of 2 x 2."""
    rows, columns = (side // 2 * 2 for side in values.shape[1:])
    pairs = values[:, :rows:2, :columns] + values[:, 1:rows:2, :columns]
    made: Floats = pairs[..., ::2] + pairs[..., 1::2]
    made *= np.float32(0.25)
    return made


def slope_sums(p: Floats, q: Floats, across: int = 1) -> Floats:
    """Of each band, or of as many parts of each: ab, a^2 + b^2 (twists), (dp/dx)^2 + (dq/dy)^2 (stretches).

    By central differences, whose operators commute: no bias from the grid.
    """
    if min(p.shape[1:]) < 3:
        return np.zeros((len(p) * across, 3))
    a = p[:, :-2, 1:-1] - p[:, 2:, 1:-1]
    b = q[:, 1:-1, 2:] - q[:, 1:-1, :-2]
    products = a * b
    twists, larger = _squares(a, b)
    stretches, most = _squares(p[:, 1:-1, 2:] - p[:, 1:-1, :-2], q[:, 2:, 1:-1] - q[:, :-2, 1:-1])
    # At the borders of an atlas' islands the surface jumps: what is large says little.
    keep = (np.maximum(larger, most, out=most) < 1).astype(np.float32)
    return np.array([_dots(each, keep, across) for each in (products, twists, stretches)]).T


def _squares(one: Floats, other: Floats) -> tuple[Floats, Floats]:
    """Their sum, and the larger of the two; both are squared in place."""
    one *= one
    other *= other
    return one + other, np.maximum(one, other)


def _dots(values: Floats, keep: Floats, across: int) -> list[float]:
    # Not by BLAS, whose sums differ by the processor.
    columns = np.einsum("brc,brc->bc", values, keep)
    starts = np.arange(across) * columns.shape[1] // across
    parts: list[float] = np.add.reduceat(columns, starts, axis=1, dtype=float).ravel().tolist()
    return parts


WAVE = 4
"""Texels of the sample, a side, that are averaged for coarse waves: grain and noise are gone then."""


def measure_waves(picture: Floats, steps: tuple[int, int]) -> Floats:
    """Means over squares of a sample, given as a picture whose rows and columns lie `steps` apart.

    At most 64 x 64; of an elongated image, whose steps differ, fewer along its shorter side, and none at all
    where that has no room for three.
    """
    down, right = (WAVE * (max(steps) // step) for step in steps)
    rows, columns = len(picture) // down, picture.shape[1] // right
    if min(rows, columns) < 3:
        return np.zeros((0, 0, 3), np.float32)
    texels = np.moveaxis(picture[: rows * down, : columns * right], 2, 0)
    squares = _means(_means(texels.swapaxes(1, 2), down).swapaxes(1, 2), right)
    return np.moveaxis(squares, 0, 2)


def wave_sums(coarse: Floats, steps: tuple[int, int]) -> Floats:
    """What `sums` gives of waves; their squares are oblong where one step is no multiple of the other."""
    parts = list(slope_bands(coarse))
    columns = across(parts)
    down, right = (np.float32(max(steps) / (max(steps) // step * step)) for step in steps)
    found = [slope_sums(p * down, q * right, columns) for p, q in slopes_of(parts)]
    return np.concatenate([np.zeros((0, 3)), *found])


def variance(picture: Floats) -> float:
    """Of the slopes of a picture, in both directions together."""
    return sum(float(one.var()) for pair in slopes_of([picture]) for one in pair)


def _means(values: Floats, count: int) -> Floats:
    """Means of so many values along the last axis: slice by slice, as numpy is slow at sums of so few."""
    made: Floats = values[..., ::count] + values[..., 1::count]
    for start in range(2, count):
        made += values[..., start::count]
    made *= np.float32(1 / count)
    return made


LEAST = 0.15
"""The size of `Curl.sign` from which it counts in full; unrelated slopes of large pictures give less."""

DENIES = 0.5
"""How sure the slopes of one scale must be to silence those of the other."""

ASTRAY = 0.75
"""The size of `Curl.sign` below which twists that outweigh stretches show that a picture was turned: its sign
has the size of stretches over twists. Above, it was edges that were left out."""

HALVED = 10
"""Texels that a band must have a side for means of 2 x 2: fewer leave a handful of values."""

ALONE, OUTWEIGHED = 0.35, 0.25
"""The least error of a part that is the only one, and of one beside which others hold next to nothing; where
n parts hold alike much it is an n-th."""

FEW = dict(zip(range(2, 12), (27, 4.3, 2.5, 2.0, 1.73, 1.59, 1.5, 1.44, 1.39, 1.36), strict=True))
"""By how much the error of so few parts is larger than it looks: Student's t over the normal distribution's,
where 1 in 100 is beyond by chance. Of more parts the picture is so large that `LEAST` keeps out chance."""

TWISTED = 0.95
"""Share of the twists below which stretches lie in what was turned; noise has as much of both."""

WAVE_SIGN, WAVE_SURE = 0.25, 0.8
"""How plain waves must be to silence the grain on them: islands of an atlas make waves where they meet."""
WAVE_SHARE = 0.25
"""Share of the slopes' variance that waves must hold for it: what is left of grain holds up to 0.2."""


class Curl(NamedTuple):
    """What slopes say of the convention."""

    sign: float
    """-1 (green down) to 1 (green up): how much less one reading leaves than the other, of what both do."""
    sure: float
    """How sure that is, 0..1; 0 where scales contradict each other, or `turned`."""
    turned: bool = False
    """Whether no surface has such slopes: those of a picture that was turned without its vectors."""


def measure_curl(pixels: Pixels, planes: Floats) -> Curl:
    """What the texels say of the convention; `planes` is the sample of `pixels`.

    The slopes of a surface, p = dh/dx = -nx/nz and q = dh/dy = +-ny/nz (y runs down in an image, so + is
    for green up), have no curl: dp/dy = dq/dx. With a = dp/dy and b = d(ny/nz)/dx the squared residuals
    are (a - b)^2 for green up and (a + b)^2 for green down; their difference over their sum is
    2 ab / (a^2 + b^2), summed over the texels. Rounding and noise draw it to 0 without changing its sign,
    so certainty comes from how well separate parts of the image agree, and from a least size.

    Slopes are looked at from texel to texel and as means of 2 x 2, of which JPEG and blocks leave more; the
    surer ones count. Coarse waves only silence what contradicts them.
    """
    fine, halves = _measured(list(slope_bands(pixels)))
    found, other = judge_curl(fine), judge_curl(halves)
    # The mean of (dp/dx) (dq/dy) of a surface is that of (dp/dy)^2: twists never outweigh stretches.
    if fine[:, 2].sum() < TWISTED * fine[:, 1].sum() and abs(found.sign) < ASTRAY:
        return Curl(found.sign, 0.0, turned=True)
    if other.sure > found.sure:
        found, other = other, found
    denied = other.sign * found.sign < 0 and other.sure >= DENIES
    if denied or (found.sure and _contradicts(found.sign, planes, pixels)):
        return Curl(found.sign, 0.0)
    return found


def judge_curl(measured: Floats) -> Curl:
    """Of what `sums` gives of each part."""
    energy = float(measured[:, 1].sum())
    sign = 2 * float(measured[:, 0].sum()) / energy if energy > 0 else 0.0
    if sign == 0:
        return Curl(0.0, 0.0)
    return Curl(sign, abs(sign) / (abs(sign) + _error(measured, sign, energy)) * min(1.0, abs(sign) / LEAST))


def _error(measured: Floats, sign: float, energy: float) -> float:
    """How far `sign` may be off: the standard error of a ratio, or what parts that outweigh others leave."""
    count = len(measured)
    if count == 1:
        return ALONE
    strays = 2 * measured[:, 0] - sign * measured[:, 1]
    error = float(np.sqrt((strays**2).sum() * count / (count - 1))) / energy * FEW.get(count, 1.0)
    # Strays cancel, so that a part that holds nearly all there is can't disagree either.
    return max(error, OUTWEIGHED * float((measured[:, 1] ** 2).sum()) / energy**2)


def _measured(parts: Sequence[Pixels]) -> tuple[Floats, Floats]:
    """What `sums` gives of each part of the bands, and of their means of 2 x 2."""
    fine: list[Floats] = [np.zeros((0, 3))]
    halves: list[Floats] = [np.zeros((0, 3))]
    columns = across(parts)
    for p, q in slopes_of(parts):
        fine.append(slope_sums(p, q, columns))
        if min(p.shape[1:]) >= HALVED:
            halves.append(slope_sums(halve_slopes(p), halve_slopes(q), columns))
    return np.concatenate(fine), np.concatenate(halves)


def _contradicts(sign: float, planes: Floats, pixels: Pixels) -> bool:
    """Whether coarse waves plainly say the opposite; `planes` is the sample of `pixels`."""
    picture = np.moveaxis(planes[:3].reshape(3, *sample_grid(pixels)), 0, 2)
    apart = sample_steps(pixels)
    coarse = measure_waves(picture, apart)
    said = judge_curl(wave_sums(coarse, apart))
    plain = said.sign * sign < 0 and abs(said.sign) >= WAVE_SIGN and said.sure >= WAVE_SURE
    # The sample skips texels, so that grain looks like waves of either sign: of such little is left.
    return plain and variance(coarse) >= WAVE_SHARE * variance(picture[::WAVE, ::WAVE])


CLEAR = 0.7
"""Confidence from which a convention is named."""

NORMAL_SHARE = 0.5
"""Share of unit vectors below which there is no point in asking for the convention."""


def normals_report(pixels: Pixels, planes: Floats, mean: list[float]) -> Normals:
    """The evidence for a normal map in `pixels`, of which `planes` is the sample."""
    return examine_normals(pixels, planes, mean)[0]


def examine_normals(pixels: Pixels, planes: Floats, mean: list[float]) -> tuple[Normals, Curl]:
    """The same, with what the slopes say; nothing where it is no normal map."""
    vectors = planes[:3] * 2
    vectors -= 1
    x, y, z = vectors
    unit = unit_share(vectors)
    flat = _share((np.maximum(np.abs(x), np.abs(y)) <= 8 / 255) & (z >= 1 - 8 / 255))
    said = measure_curl(pixels, planes) if unit >= NORMAL_SHARE else Curl(0.0, 0.0)
    convention: Literal["opengl", "directx"] | None = None
    if said.sure >= CLEAR:
        convention = "opengl" if said.sign > 0 else "directx"
    return Normals(unit, TOLERANCE, mean, flat, convention, said.sure), said


def unit_share(vectors: Floats) -> float:
    """The share of unit vectors; given are planes of x, y and z."""
    x, y, z = vectors
    squares = x * x
    squares += y * y
    squares += z * z
    # (1 - t)^2 and (1 + t)^2 are 2 t from 1 + t^2.
    squares -= 1 + TOLERANCE**2
    return _share(np.abs(squares, out=squares) <= 2 * TOLERANCE)


def _share(found: NDArray[np.bool_]) -> float:
    return int(np.count_nonzero(found)) / found.size


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
"""Rows worked on in one go, so that what is computed stays in the cache."""

_BELOW = -0.05
"""What no filter that sharpens makes of values from 0 on, but directions to the left and down are."""

_SHORT = np.float32(1e-6)
"""Length below which a vector points nowhere."""


def check_normals(image: Raster) -> None:
    """Raises WorkloadError `unsupported` for what has no three colours."""
    if image.colors != 3:
        raise WorkloadError("unsupported", text("is grey; a normal map has red, green and blue"), image.name)


def is_signed(image: Raster, said: Literal["auto", "no", "yes"] = "auto") -> bool:
    """Whether floats are vectors of -1 to 1 themselves, not coded as 0 to 1; never of integers."""
    if image.pixels.dtype.kind != "f" or said == "no":
        return False
    if said == "yes" or image.signed is not None:
        return said == "yes" or image.signed is True
    stored = sample_pixels(image.pixels)[:3]
    if stored.min() < _BELOW:
        return True
    units = _units(stored)
    return units >= NORMAL_SHARE and units > _units(stored * 2 - 1)


def same_signedness(first: Raster, layers: Sequence[Raster]) -> tuple[Raster, ...]:
    """The layers with their floats taken for what the first's are."""
    signed = is_signed(first) if layers and first.pixels.dtype.kind == "f" else None
    return tuple(replace(layer, signed=signed) for layer in layers)


def unsigned(pixels: Pixels) -> Pixels:
    """A copy of floats whose first three channels, vectors of -1 to 1, are coded as 0 to 1."""
    made = pixels.copy()
    made[..., :3] = _coded(pixels[..., :3], pixels.dtype, False)
    return made


def _units(vectors: AnyFloats) -> float:
    lengths = np.sqrt((vectors * vectors).sum(axis=0))
    return float((np.abs(lengths - 1) <= TOLERANCE).mean())


def flip_green(pixels: Pixels, x: bool, y: bool, signed: bool) -> Pixels:
    """A copy with red or green turned: full scale less the value, or the negative where floats are signed."""
    height, width, channels = pixels.shape
    turn = np.zeros(channels, bool)
    turn[:2] = x, y
    if pixels.dtype.kind == "f":
        made = pixels.copy()
        for index in np.flatnonzero(turn):
            np.subtract(0 if signed else 1, pixels[..., index], out=made[..., index])
        return made
    # Full scale less a value has all its bits turned: whole rows at once, whatever the channels.
    mask = np.tile(turn * np.iinfo(pixels.dtype).max, width).astype(pixels.dtype)
    turned: Pixels = pixels.reshape(height, -1) ^ mask
    return turned.reshape(pixels.shape)


def normalize_vectors(pixels: Pixels, only_z: bool, signed: bool) -> Pixels:
    """A copy of which all vectors have length 1: scaled, or with z made anew as the square root of
    1 - x^2 - y^2 (and x and y scaled where they alone are longer than 1)."""
    made = pixels.copy()
    for top in range(0, len(pixels), STRIP):
        rows = slice(top, top + STRIP)
        x, y, z = (_decoded(pixels[rows, :, index], signed) for index in range(3))
        squares = x * x + y * y
        if only_z:
            z = np.sqrt(np.maximum(1 - squares, 0))
        length = np.sqrt(squares + z * z)
        nowhere = length < _SHORT
        length[nowhere] = 1
        z[nowhere] = 1
        for index, values in enumerate((x, y, z)):
            made[rows, :, index] = _coded(values / length, pixels.dtype, signed)
    return made


def _decoded(values: Pixels, signed: bool) -> AnyFloats:
    if signed:
        return values.astype(np.float32)
    half = 0.5 if values.dtype.kind == "f" else np.iinfo(values.dtype).max / 2
    vectors: AnyFloats = values * np.float32(1 / half) - np.float32(1)
    return vectors


def _coded(vectors: AnyFloats, dtype: np.dtype[Any], signed: bool) -> AnyFloats:
    if signed:
        return vectors
    if dtype.kind == "f":
        return vectors * np.float32(0.5) + np.float32(0.5)
    half = np.float32(np.iinfo(dtype).max / 2)
    return vectors * half + (half + np.float32(0.5))


FLAT = 0.98
"""Share of undisturbed texels from which a surface is called flat."""

_NAMES = {"opengl": "OpenGL (green up)", "directx": "DirectX (green down)"}


def normal_convention(images: Sequence[Raster], params: NormalReading, limits: Limits) -> Operated:
    (image,) = images
    check_normals(image)
    pixels = image.pixels[..., :3]
    if is_signed(image, params.signed):
        pixels = pixels / 2 + 0.5
    found, said = examine_normals(pixels, sample_pixels(pixels), [])
    evidence = list(explain_convention(found, said))
    return Operated(
        value=NormalConvention(
            found.convention, found.convention_confidence, found.unit_length, found.flat, evidence,
            first_of=first_layer(image),
        )
    )  # fmt: skip


def explain_convention(found: Normals, said: Curl) -> Iterator[str]:
    """The evidence for people; `said` is what `curl` says."""
    share = f"{found.unit_length:.0%} of the texels looked at are unit vectors"
    if found.unit_length < NORMAL_SHARE:
        yield f"{share}: this is no normal map, so that there is no convention to tell."
        return
    yield f"{share}, as in a normal map."
    if found.flat >= FLAT:
        yield f"{found.flat:.0%} are the undisturbed surface: it is flat."
    sign = said.sign
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
    if found.convention:
        yield f"Parts of the image agree: it is {_NAMES[found.convention]}."
    elif abs(sign) < LEAST:
        yield "The two are too close to tell: noise, or a surface that looks the same in both."
    elif said.turned:
        yield (
            "But no surface has such slopes: as where a picture is turned by 90 degrees, and its vectors "
            "aren't. Neither is named."
        )
    else:
        yield "Parts of the image disagree, or its grain and its waves, so that neither is named."
