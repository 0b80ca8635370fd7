"""Colours of embedded profiles, of printing inks and of Lab as sRGB's, by libvips and Little CMS."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pyvips
from numpy.typing import NDArray

from accel.image.preview import image_of
from accel.image.raster import Transfer

_DEVICELESS = ("lab", "labs", "labq", "lch", "xyz", "yxy")
"""What needs no profile to be known."""

_INTENT = "relative"
"""What the profile calls white stays white, as browsers have it."""


def to_srgb(image: pyvips.Image, transfer: Literal["auto", Transfer]) -> pyvips.Image:
    """The image in sRGB's colours at the same depth; grey stays one channel.

    Integers of three colours are converted unless `transfer` is `linear`, grey only where it is `srgb`: data
    are kept as they are. So are floats. A profile that is broken or of other colours than the image counts
    for nothing, and one of sRGB itself changes no pixel. Raises pyvips.Error.
    """
    if image.interpretation in _DEVICELESS:
        return _from_lab(image)
    if image.format not in ("uchar", "ushort"):
        return image
    if image.interpretation == "cmyk":
        return _converted(image, input_profile="cmyk")
    colors = image.bands - bool(image.hasalpha())
    pictured = transfer == "srgb" if colors == 1 else transfer != "linear"
    if not pictured or colors not in (1, 3) or not _matters(image, colors):
        return image
    made = _converted(image)
    return made if colors == 3 else _grey(made)


def _converted(image: pyvips.Image, **options: Any) -> pyvips.Image:
    depth = 16 if image.format == "ushort" else 8
    return image.icc_transform("srgb", embedded=True, intent=_INTENT, depth=depth, **options)


def _grey(image: pyvips.Image) -> pyvips.Image:
    """One of three channels that are alike, and alpha."""
    grey = image.extract_band(1)
    made = grey.bandjoin(image.extract_band(3)) if image.bands > 3 else grey
    return made.copy(interpretation="grey16" if image.format == "ushort" else "b-w")


def _from_lab(image: pyvips.Image) -> pyvips.Image:
    kind = "bits-per-sample"
    eight = image.get_typeof(kind) != 0 and image.get(kind) == 8
    return image.colourspace("srgb" if eight else "rgb16")


def _matters(image: pyvips.Image, colors: int) -> bool:
    """Whether the embedded profile works, and moves any of a lattice of colours by more than 1 of 255."""
    if not image.get_typeof("icc-profile-data"):
        return False
    lattice = _lattice(colors)
    model = "b-w" if colors == 1 else "srgb"
    probe = image_of(lattice[None], model)
    probe.set_type(pyvips.GValue.blob_type, "icc-profile-data", image.get("icc-profile-data"))
    try:
        moved = _converted(probe).numpy().reshape(len(lattice), 3)
    except pyvips.Error:
        return False
    return bool(np.abs(moved.astype(np.int16) - lattice).max() > 1)


def _lattice(colors: int) -> NDArray[np.uint8]:
    """Values of 0 to 255 in steps of 15: in all combinations, or of grey."""
    steps = np.arange(0, 256, 15, dtype=np.uint8)
    axes = np.meshgrid(*[steps] * colors, indexing="ij")
    return np.ascontiguousarray(np.stack([axis.reshape(-1) for axis in axes], -1))
