"""Converts ICC profiles to sRGB.

For matrix profiles, Little CMS builds tables that are off by up to 12 of 255 in dark colours at 16 bits and
at the edge of the gamut. So it only handles profiles that contain tables themselves.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pyvips
from msgspec import Struct
from numpy.typing import NDArray

from accel.image.color import from_linear
from accel.image.decode import DEVICELESS, VIPS_TYPES, check_finite
from accel.image.pixel_data import Pixels
from accel.image.raster import Transfer

_STRIP = 1 << 16
"""Pixels per strip, sized to fit into the CPU cache."""

_SRGB = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
"""sRGB primaries as columns of XYZ, adapted to D50 with the Bradford transform: the colorants of the ICC's
own sRGB profile."""

_RGB_CURVES = (b"rTRC", b"gTRC", b"bTRC")

Doubles = NDArray[np.float64]
Curve = Callable[[Doubles], Doubles]


class Shaper(Struct, frozen=True):
    """A profile with curves and a matrix that convert codes to linear sRGB."""

    curves: tuple[Curve, ...]
    """One curve for grey, three for red, green and blue; input and output are 0 to 1."""
    matrix: Doubles
    """To linear sRGB: 3 x 3, or 1 x 1 for grey."""


def parse_profile(profile: bytes) -> Shaper | None:
    """Parses a profile (ICC.1:2022, 8.3 and 8.4); returns None if it is broken or lacks a matrix and
    curves."""
    try:
        tags = _tags(profile)
        if profile[36:40] != b"acsp":
            return None
        if profile[16:20] == b"GRAY":
            # The curve yields a share of white in every connection space.
            return Shaper((_curve(tags[b"kTRC"]),), np.ones((1, 1)))
        # If the profile has a table, its matrix is only a fallback.
        if profile[16:24] != b"RGB XYZ " or b"A2B0" in tags or b"A2B1" in tags:
            return None
        colorants = np.array([_xyz(tags[name]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]).T
        return Shaper(tuple(_curve(tags[name]) for name in _RGB_CURVES), np.linalg.solve(_SRGB, colorants))
    except (KeyError, struct.error, ValueError, IndexError, ZeroDivisionError, np.linalg.LinAlgError):
        return None


def _tags(profile: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", profile, 128)
    found = {}
    for index in range(min(count, 100)):
        name, begin, size = struct.unpack_from(">4sII", profile, 132 + 12 * index)
        found[name] = profile[begin : begin + size]
    return found


def _xyz(tag: bytes) -> Doubles:
    if tag[:4] != b"XYZ ":
        raise ValueError("isn't a colour")
    return np.array(struct.unpack_from(">3i", tag, 8)) / 65536


def _curve(tag: bytes) -> Curve:
    """Parses a curveType (ICC.1, 10.6) or parametricCurveType (10.18) tag."""
    if tag[:4] == b"para":
        return _parametric(struct.unpack_from(">H", tag, 8)[0], tag[12:])
    if tag[:4] != b"curv":
        raise ValueError("isn't a curve")
    (count,) = struct.unpack_from(">I", tag, 8)
    if count == 0:
        return lambda coded: coded
    if count == 1:
        gamma = struct.unpack_from(">H", tag, 12)[0] / 256
        return lambda coded: coded**gamma
    table = np.frombuffer(tag, ">u2", count, 12) / 65535
    return lambda coded: np.interp(coded, np.linspace(0, 1, count), table)


def _parametric(kind: int, data: bytes) -> Curve:
    """Returns the curve Y = (aX + b) ** g + e for X >= d, and Y = cX + f below."""
    count = (1, 3, 4, 5, 7)[kind]
    given = [number / 65536 for number in struct.unpack_from(f">{count}i", data)]
    g, a, b, c, d, e, f = given + [0.0] * (7 - count)
    if kind == 0:
        a = 1.0
    if kind in (1, 2):
        # Their third parameter is added to the power, and is the value of the curve below its range.
        c, d, e, f = 0.0, -b / a, c, c
    return lambda coded: np.where(coded >= d, np.maximum(a * coded + b, 0) ** g + e, c * coded + f)


def apply_profile(pixels: Pixels, colors: int, shaper: Shaper) -> Pixels:
    """Converts the first `colors` channels of 8 or 16 bit pixels to sRGB."""
    coded = np.arange(np.iinfo(pixels.dtype).max + 1) / np.iinfo(pixels.dtype).max
    # Unusual profiles can overflow the power function.
    with np.errstate(all="ignore"):
        tables = [np.clip(np.nan_to_num(curve(coded)), 0, 1).astype(np.float32) for curve in shaper.curves]
    matrix = shaper.matrix.T.astype(np.float32)
    result = pixels.copy()
    flat = result.reshape(-1, pixels.shape[2])
    for begin in range(0, len(flat), _STRIP):
        strip = flat[begin : begin + _STRIP, :colors]
        light = np.stack([table[strip[:, index]] for index, table in enumerate(tables)], -1) @ matrix
        strip[:] = from_linear(light, colors, "srgb", pixels.dtype)
    return result


def is_srgb(shaper: Shaper) -> bool:
    """Whether the profile changes no colour of a lattice by more than 1 of 255."""
    colors = len(shaper.curves)
    steps = np.arange(0, 256, 15, dtype=np.uint8)
    axes = np.meshgrid(*[steps] * colors, indexing="ij")
    lattice = np.stack([axis.reshape(-1) for axis in axes], -1)[None]
    moved = apply_profile(lattice, colors, shaper).astype(np.int16) - lattice
    return bool(np.abs(moved).max() <= 1)


_PROFILE = "icc-profile-data"


def convert_to_srgb(image: pyvips.Image, transfer: Literal["auto", Transfer]) -> tuple[Pixels, str, bool]:
    """Converts to sRGB; returns finite pixels of the same depth, the colour model and whether there is alpha.

    RGB integers are converted unless `transfer` is `linear`, grey integers only if it is `srgb`; data and
    floats stay unchanged. A profile that is broken or made for other channels is ignored, and an sRGB profile
    changes no pixel. The profile's white stays white (relative colorimetric), as in browsers.
    Raises pyvips.Error.
    """
    plain = image.format in ("uchar", "ushort")
    if image.interpretation in DEVICELESS:
        return _pixels(_from_lab(image))
    if image.interpretation == "cmyk" and plain:
        return _pixels(_transform(image, input_profile="cmyk"))
    colors = image.bands - bool(image.hasalpha())
    pictured = transfer == "srgb" if colors == 1 else transfer != "linear"
    if not (plain and pictured and image.get_typeof(_PROFILE)):
        return _pixels(image)
    shaper = parse_profile(image.get(_PROFILE))
    if shaper is None:
        return _pixels(_by_table(image) if colors == 3 else image)
    pixels, model, alpha = _pixels(image)
    if len(shaper.curves) == colors and not is_srgb(shaper):
        pixels = apply_profile(pixels, colors, shaper)
    return pixels, model, alpha


def _pixels(image: pyvips.Image) -> tuple[Pixels, str, bool]:
    if image.format == "uint":
        image = image / (2**32 - 1)
    if image.format not in VIPS_TYPES:
        image = image.cast("float")
    shape = (image.height, image.width, image.bands)
    pixels = np.frombuffer(image.write_to_memory(), VIPS_TYPES[image.format]).reshape(shape)
    alpha = bool(image.hasalpha())
    return check_finite(pixels), "grey" if image.bands - alpha == 1 else "rgb", alpha


def _transform(image: pyvips.Image, **options: Any) -> pyvips.Image:
    depth = 16 if image.format == "ushort" else 8
    return image.icc_transform("srgb", embedded=True, intent="relative", depth=depth, **options)


def _by_table(image: pyvips.Image) -> pyvips.Image:
    """Converts with a table-based profile; returns the image unchanged if the profile is unusable."""
    probe = pyvips.Image.black(1, 1, bands=3).copy(interpretation="srgb")
    probe.set_type(pyvips.GValue.blob_type, _PROFILE, image.get(_PROFILE))
    try:
        _transform(probe).write_to_memory()
    except pyvips.Error:
        return image
    return _transform(image)


def _from_lab(image: pyvips.Image) -> pyvips.Image:
    kind = "bits-per-sample"
    eight = image.get_typeof(kind) != 0 and image.get(kind) == 8
    return image.colourspace("srgb" if eight else "rgb16")
