"""Decoded images, and conversion of numpy pixels to libvips."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pyvips
from msgspec import Struct
from numpy.typing import NDArray

from accel.image.records import Compression

AlphaMixing = Literal["straight", "multiplied", "multiplied as light", "on white"]
"""How colours are mixed with alpha: not at all, multiplied, multiplied in linear light before sRGB encoding,
or blended with white."""
Pixels = NDArray[Any]
"""Height x width x channels, contiguous; uint8, uint16 or float32."""

MAX_VALUE = 1e12
"""Largest magnitude of floats: sums of its squares don't overflow, and no world coordinate is larger."""


def full_scale(dtype: Any) -> int:
    """Returns the value that stands for 1: 255 for uint8, 65535 for uint16, 1 for floats."""
    dtype = np.dtype(dtype)
    return 1 if dtype.kind == "f" else int(np.iinfo(dtype).max)


class DecodedImage(Struct, frozen=True):
    """The first frame of an image as stored: no EXIF orientation, no colour management."""

    pixels: Pixels
    """Height x width x channels. Integers are 0 to full scale; float32 is scene-linear as stored, but finite
    (`check_finite`)."""
    color_model: str
    """`grey`, `rgb`, `cmyk`, or libvips' name of another interpretation."""
    has_alpha: bool
    """Whether the last channel is alpha."""
    format: str
    """File format by content, for example `png` or `dds`."""
    size: int
    """File size in bytes."""
    compression: Compression = ""
    """Block compression of the stored pixels. Two channels (bc5) are decoded as RGB: blue is reconstructed as
    engines do if red and green fit unit vectors, otherwise 0."""
    palette: bool = False
    """Whether the file stores indices into a palette, which count as one channel."""
    alpha: AlphaMixing = "straight"
    """How the colours are mixed with alpha."""
    profile: bytes = b""
    """The embedded ICC profile, unless libvips reads it itself."""
    float_bits: int = 0
    """Bits per channel of stored floats, 16 or 32; 0 for integers."""
    data: bool = False
    """Whether the channels aren't colours or are linear integers, according to the file; also set for two
    channels without sRGB."""
    contents: bytes = b""
    """The whole file if it was read into memory, otherwise empty."""
    mips: tuple[Pixels, ...] = ()
    """Smaller mip levels, largest first, with the channels of `pixels`; empty if there are none or they
    weren't requested."""
    levels: int = 1
    """Number of mip levels in the header, including the largest."""
    images: int = 1
    """Number of faces, layers and slices in a DDS or KTX2, 1 in other formats. `pixels` and `mips` are those
    of the first."""
    others: tuple[tuple[Pixels, ...], ...] = ()
    """The levels of each other face and layer, in the same layout as the first. Empty if there are none or
    they weren't requested, and for volumes."""
    cube: bool = False
    """Whether every six of `pixels` and `others` are the faces of a cube: +x, -x, +y, -y, +z, -z."""
    array: bool = False
    """Whether the file is an array with a single layer or cube, which KTX2 allows."""


def vips_image(pixels: Pixels, model: str) -> pyvips.Image:
    """Wraps pixels for libvips; `model` is its name of the colour model."""
    return vips_from_pixels(pixels).copy(interpretation=model)


def vips_from_pixels(pixels: Pixels) -> pyvips.Image:
    """Wraps pixels for libvips without a colour model."""
    height, width, bands = pixels.shape
    kind = {"uint8": "uchar", "uint16": "ushort", "float32": "float"}[pixels.dtype.name]
    return pyvips.Image.new_from_memory(np.ascontiguousarray(pixels), width, height, bands, kind)
