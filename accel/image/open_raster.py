"""Files as rasters: upright, in sRGB's colours, at the depth in which they are stored."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pyvips

from accel.image.decoded import Decoded, Pixels
from accel.image.load import KINDS, decode_image, finite, identify, open_image, undecodable
from accel.image.raster import Raster, Transfer
from accel.workload import Input, Limits, WorkloadError


def open_raster(source: Input, limits: Limits, transfer: Literal["auto", Transfer] = "auto") -> Raster:
    """The first frame of an image: EXIF's orientation applied, an embedded colour profile converted to sRGB.

    `auto`: integers of three colours are sRGB, all else is linear; what is asked for as `linear` is data.
    Raises WorkloadError as `decode_image`.
    """
    kind, size = identify(source)
    if kind.loader is None:
        decoded = decode_image(source, limits)
    else:
        opened = open_image(source, kind, size, limits)
        try:
            decoded = _upright(opened.image, kind.name, size)
        except pyvips.Error as error:
            raise undecodable(source, kind, error) from None
    return as_raster(source.name, decoded, transfer)


def as_raster(name: str, decoded: Decoded, transfer: Literal["auto", Transfer] = "auto") -> Raster:
    """What was decoded as it is, under the name that messages give it. Raises WorkloadError `unsupported`."""
    channels = decoded.pixels.shape[2]
    if decoded.color_model == "cmyk" or channels > 4 or channels - decoded.has_alpha not in (1, 2, 3):
        reason = f"has {channels} channels ({decoded.color_model}); give grey or RGB, with or without alpha"
        raise WorkloadError("unsupported", reason, name)
    pixels, alpha = decoded.pixels, decoded.has_alpha
    if channels - alpha == 2:
        pixels = _third(pixels)
    curve = _transfer(pixels, alpha, transfer)
    return Raster(name, pixels, alpha, curve, decoded.format, data=transfer == "linear")


def _third(pixels: Pixels) -> Pixels:
    """Two colours become three; the third is 0, as GPUs read such a texture."""
    return np.ascontiguousarray(np.insert(pixels, 2, 0, axis=2))


def _transfer(pixels: Pixels, alpha: bool, wanted: Literal["auto", Transfer]) -> Transfer:
    if pixels.dtype.kind == "f":
        return "linear"
    if wanted == "auto":
        return "srgb" if pixels.shape[2] - alpha == 3 else "linear"
    return wanted


def _upright(lazy: pyvips.Image, format: str, size: int) -> Decoded:
    if lazy.get_typeof("orientation") and lazy.get("orientation") > 1:
        # A file that is read from top to bottom can't be turned.
        lazy = lazy.copy_memory().autorot()
    image = _srgb(lazy)
    if image.format not in KINDS:
        image = image.cast("float")
    shape = (image.height, image.width, image.bands)
    pixels = np.frombuffer(image.write_to_memory(), KINDS[image.format]).reshape(shape)
    model = "grey" if image.bands - image.hasalpha() == 1 else "rgb"
    return Decoded(finite(pixels), model, bool(image.hasalpha()), format, size)


def _srgb(image: pyvips.Image) -> pyvips.Image:
    """Colours of an embedded profile, and CMYK's without one, as sRGB's at the same depth."""
    grey = image.bands - image.hasalpha() == 1
    if image.format not in ("uchar", "ushort") or (grey and not image.get_typeof("icc-profile-data")):
        return image
    depth: dict[str, Any] = {"depth": 16 if image.format == "ushort" else 8}
    if image.get_typeof("icc-profile-data") and not grey:
        # What the profile calls white stays white: relative colorimetric, as browsers do it.
        return image.icc_transform("srgb", embedded=True, intent="relative", **depth)
    if image.interpretation == "cmyk":
        return image.icc_transform("srgb", input_profile="cmyk", intent="relative", **depth)
    return image
