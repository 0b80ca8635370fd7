"""A decoded image; pixels between numpy and libvips."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pyvips
from msgspec import Struct
from numpy.typing import NDArray

from accel.image.records import Compression

AlphaMixing = Literal["straight", "multiplied", "multiplied as light", "on white"]
"""What colours are: as they are, multiplied by alpha, multiplied before sRGB's curve coded them, or blended
with white by alpha."""
Pixels = NDArray[Any]
"""Height x width x channels, in one piece; uint8, uint16 or float32."""

MAX_VALUE = 1e12
"""Of floats on either side of 0: what can be squared and summed; no distance or position in a world is
larger."""


def full_scale(dtype: Any) -> int:
    """What stands for 1 in pixels of a type: 255 of uint8, 65535 of uint16, 1 of floats."""
    dtype = np.dtype(dtype)
    return 1 if dtype.kind == "f" else int(np.iinfo(dtype).max)


class DecodedImage(Struct, frozen=True):
    """The first frame of an image: all its pixels, as stored (no EXIF orientation, no colour management)."""

    pixels: Pixels
    """Height x width x channels. Integers are 0 to full scale; float32 is as stored, scene-linear, but
    finite (`load.finite`)."""
    color_model: str
    """`grey`, `rgb`, `cmyk`, or libvips' name of another interpretation."""
    has_alpha: bool
    """Whether the last channel is alpha."""
    format: str
    """The file's format by its content, for example `png` or `dds`."""
    size: int
    """The file's bytes."""
    compression: Compression = ""
    """What the pixels were stored in. Two channels (bc5) are given as RGB: blue is rebuilt as engines do it
    if red and green fit unit vectors, else 0."""
    palette: bool = False
    """Whether the file holds numbers of colours in a palette: one channel, whatever they look up."""
    alpha: AlphaMixing = "straight"
    """How the colours are mixed with alpha."""
    profile: bytes = b""
    """The ICC profile of the colours, where one is embedded and not read by libvips itself."""
    float_bits: int = 0
    """Of floats that the file holds as such: 16 or 32 for a channel; 0 for anything else."""
    data: bool = False
    """Whether the file says that its channels are no colours, or integers that no curve codes; so do two
    channels that aren't said to be sRGB."""
    contents: bytes = b""
    """The file's bytes, where they were read in one piece; empty elsewhere."""
    mips: tuple[Pixels, ...] = ()
    """The smaller levels that the file holds, largest first, with the channels of `pixels`; empty for none,
    and where nobody asked for them."""
    levels: int = 1
    """Mip levels that the file says to hold, the largest included."""
    images: int = 1
    """Faces of cubes, layers of arrays and slices of volumes that the file holds, each of which is an image;
    `pixels` and `mips` are the first one's. Of DDS and KTX2; 1 for all others."""
    others: tuple[tuple[Pixels, ...], ...] = ()
    """The other faces and layers, each with as many levels as the first, largest first, and of the same type
    and channels; empty for none, for volumes, and where nobody asked for them."""
    cube: bool = False
    """Whether each six of `pixels` and `others` are the faces of a cube: +x, -x, +y, -y, +z, -z."""
    array: bool = False
    """Whether the file is an array of one layer, or of one cube, as KTX2 may be."""


def vips_image(pixels: Pixels, model: str) -> pyvips.Image:
    """Pixels for libvips, by its name of a colour model."""
    return vips_from_pixels(pixels).copy(interpretation=model)


def vips_from_pixels(pixels: Pixels) -> pyvips.Image:
    """The same, whatever their channels stand for."""
    height, width, bands = pixels.shape
    kind = {"uint8": "uchar", "uint16": "ushort", "float32": "float"}[pixels.dtype.name]
    return pyvips.Image.new_from_memory(np.ascontiguousarray(pixels), width, height, bands, kind)
