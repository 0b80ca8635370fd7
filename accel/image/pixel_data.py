"""A decoded image, and pixels passed from numpy to libvips."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pyvips
from msgspec import Struct
from numpy.typing import NDArray

from accel.image.records import Compression

AlphaMixing = Literal["straight", "multiplied", "multiplied as light", "on white"]
"""Mixing of colours with alpha: none, multiplied, multiplied as light before they were coded as
sRGB, or blended with white."""
Pixels = NDArray[Any]
"""Height x width x channels, contiguous; uint8, uint16 or float32."""

MAX_VALUE = 1e12
"""The largest magnitude of floats: it can be squared and summed, and no position in a world is larger."""


def full_scale(dtype: Any) -> int:
    """Returns the value of 1 in pixels of a type: 255 for uint8, 65535 for uint16, 1 for floats."""
    dtype = np.dtype(dtype)
    return 1 if dtype.kind == "f" else int(np.iinfo(dtype).max)


class DecodedImage(Struct, frozen=True):
    """The first frame of an image: all its pixels, as stored (no EXIF orientation, no colour management)."""

    pixels: Pixels
    """Height x width x channels. Integers are 0 to full scale; float32 is as stored, scene-linear, but
    finite (`check_finite`)."""
    color_model: str
    """`grey`, `rgb`, `cmyk`, or libvips' name of another interpretation."""
    has_alpha: bool
    """Whether the last channel is alpha."""
    format: str
    """The file's format by its content, for example `png` or `dds`."""
    size: int
    """The file's bytes."""
    compression: Compression = ""
    """Stored colour model of the pixels. Two channels (bc5) are decoded as RGB: blue is rebuilt as engines do
    it if red and green fit unit vectors, else 0."""
    palette: bool = False
    """Whether the file stores indices of a palette: one channel, whatever the palette's colours are."""
    alpha: AlphaMixing = "straight"
    """Mixing of the colours with alpha."""
    profile: bytes = b""
    """The ICC profile of the colours, where one is embedded and not read by libvips itself."""
    float_bits: int = 0
    """The bits of a channel that the file stores as floats, 16 or 32; 0 for integers."""
    data: bool = False
    """Whether the file declares that its channels aren't colours, or are linear integers; also for two
    channels that aren't sRGB."""
    contents: bytes = b""
    """The file's bytes, if they were read as a whole; else empty."""
    mips: tuple[Pixels, ...] = ()
    """The smaller levels of the file, largest first, with the channels of `pixels`; empty if there are none
    or they weren't requested."""
    levels: int = 1
    """The number of mip levels by the file's header, the largest included."""
    images: int = 1
    """The number of faces, layers and slices in a DDS or KTX2, each one an image; `pixels` and
    `mips` are the first one's. 1 for other formats."""
    others: tuple[tuple[Pixels, ...], ...] = ()
    """The levels of each other face and layer, as many and of the same type and channels as the first one's;
    empty if there are none, for volumes, and if they weren't requested."""
    cube: bool = False
    """Whether each six of `pixels` and `others` are the faces of a cube: +x, -x, +y, -y, +z, -z."""
    array: bool = False
    """Whether the file is an array of one layer, or of one cube, as KTX2 may be."""


def vips_image(pixels: Pixels, model: str) -> pyvips.Image:
    """Wraps pixels for libvips, with its name of a colour model."""
    return vips_from_pixels(pixels).copy(interpretation=model)


def vips_from_pixels(pixels: Pixels) -> pyvips.Image:
    """Returns the same without a colour model."""
    height, width, bands = pixels.shape
    kind = {"uint8": "uchar", "uint16": "ushort", "float32": "float"}[pixels.dtype.name]
    return pyvips.Image.new_from_memory(np.ascontiguousarray(pixels), width, height, bands, kind)
