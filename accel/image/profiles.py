"""Colours of embedded profiles, of printing inks and of Lab as sRGB's."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pyvips

from accel.image import icc
from accel.image.decoded import Pixels
from accel.image.load import DEVICELESS, KINDS, finite
from accel.image.raster import Transfer

_PROFILE = "icc-profile-data"


def in_srgb(image: pyvips.Image, transfer: Literal["auto", Transfer]) -> tuple[Pixels, str, bool]:
    """Finite pixels in sRGB's colours at the same depth, their colour model, and whether there is alpha.

    Integers of three colours are converted unless `transfer` is `linear`, grey only where it is `srgb`: data
    are kept as they are. So are floats. A profile that is broken or of other colours than the image counts
    for nothing, and one of sRGB itself changes no pixel. What the profile calls white stays white (relative
    colorimetric), as browsers have it. Raises pyvips.Error.
    """
    plain = image.format in ("uchar", "ushort")
    if image.interpretation in DEVICELESS:
        return _pixels(_from_lab(image))
    if image.interpretation == "cmyk" and plain:
        return _pixels(_transformed(image, input_profile="cmyk"))
    colors = image.bands - bool(image.hasalpha())
    pictured = transfer == "srgb" if colors == 1 else transfer != "linear"
    if not (plain and pictured and image.get_typeof(_PROFILE)):
        return _pixels(image)
    used = icc.shaper(image.get(_PROFILE))
    if used is None:
        return _pixels(_by_table(image) if colors == 3 else image)
    pixels, model, alpha = _pixels(image)
    if len(used.curves) == colors and not icc.is_srgb(used):
        pixels = icc.applied(pixels, colors, used)
    return pixels, model, alpha


def _pixels(image: pyvips.Image) -> tuple[Pixels, str, bool]:
    if image.format == "uint":
        image = image / (2**32 - 1)
    if image.format not in KINDS:
        image = image.cast("float")
    shape = (image.height, image.width, image.bands)
    pixels = np.frombuffer(image.write_to_memory(), KINDS[image.format]).reshape(shape)
    alpha = bool(image.hasalpha())
    return finite(pixels), "grey" if image.bands - alpha == 1 else "rgb", alpha


def _transformed(image: pyvips.Image, **options: Any) -> pyvips.Image:
    depth = 16 if image.format == "ushort" else 8
    return image.icc_transform("srgb", embedded=True, intent="relative", depth=depth, **options)


def _by_table(image: pyvips.Image) -> pyvips.Image:
    """By a profile that is a table, if it is any."""
    probe = pyvips.Image.black(1, 1, bands=3).copy(interpretation="srgb")
    probe.set_type(pyvips.GValue.blob_type, _PROFILE, image.get(_PROFILE))
    try:
        _transformed(probe).write_to_memory()
    except pyvips.Error:
        return image
    return _transformed(image)


def _from_lab(image: pyvips.Image) -> pyvips.Image:
    kind = "bits-per-sample"
    eight = image.get_typeof(kind) != 0 and image.get(kind) == 8
    return image.colourspace("srgb" if eight else "rgb16")
