"""DirectDraw surfaces: the old header where it says everything, else the DX10 extension."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from accel.image.raster import Raster
from accel.image.writers.plain import plain
from accel.image.writers.texels import TexelFormat, Texture

if TYPE_CHECKING:
    from accel.image.operation import Writing

# DDS_HEADER and DDS_PIXELFORMAT, "DDS File Layout" in Microsoft's Programming Guide for DDS.
_CAPS, _HEIGHT, _WIDTH, _PITCH, _PIXEL_FORMAT, _MIP_COUNT, _LINEAR_SIZE = (
    0x1, 0x2, 0x4, 0x8, 0x1000, 0x20000, 0x80000,
)  # fmt: skip
_ALPHA_PIXELS, _FOURCC, _RGB, _LUMINANCE = 0x1, 0x4, 0x40, 0x20000
_COMPLEX, _TEXTURE, _MIPMAP = 0x8, 0x1000, 0x400000
_CUBE = 0xFE00
"""DDSCAPS2_CUBEMAP with all six faces."""
_TEXTURE_CUBE = 0x4
"""D3D10_RESOURCE_MISC_TEXTURECUBE."""
_TEXTURE_2D = 3
_PREMULTIPLIED = 2
"""DDS_ALPHA_MODE_PREMULTIPLIED."""


def write(image: Raster, params: Writing) -> bytes:
    """The file of a raster with its levels and layers."""
    return packed(plain(image, params))


def packed(texture: Texture) -> bytes:
    """The file of a texture whose format has a DXGI number."""
    format = texture.format
    # Direct3D 9's readers, and OpenImageIO, know the old header alone; it can't say sRGB, BC6H and BC7, and
    # its names for BC4 and BC5 are two each, of which readers know one. Nor can it say that alpha is
    # multiplied in, or that there are several layers.
    old = not format.srgb or format.type_size > 1
    old = old and bool(format.four or any(format.masks)) and not texture.multiplied and texture.count == 1
    head = _header(texture) + (_old(format) if old else _pixel_format(_FOURCC, b"DX10"))
    levels = len(texture.levels)
    caps = _TEXTURE | (_MIPMAP if levels > 1 else 0) | (_COMPLEX if levels > 1 or texture.layers else 0)
    head += struct.pack("<5I", caps, _CUBE * texture.cube, 0, 0, 0)
    if not old:
        misc, alpha = _TEXTURE_CUBE * texture.cube, _PREMULTIPLIED * texture.multiplied
        head += struct.pack("<5I", format.dxgi, _TEXTURE_2D, misc, texture.count, alpha)
    images = (texture.levels, *texture.layers)
    return b"".join((head, *(level for levels in images for level in levels)))


def _header(texture: Texture) -> bytes:
    format, levels = texture.format, len(texture.levels)
    flags = _CAPS | _HEIGHT | _WIDTH | _PIXEL_FORMAT | (_MIP_COUNT if levels > 1 else 0)
    flags |= _LINEAR_SIZE if format.compressed else _PITCH
    pitch = len(texture.levels[0]) if format.compressed else texture.width * format.size
    return struct.pack("<4s7I44x", b"DDS ", 124, flags, texture.height, texture.width, pitch, 0, levels)


def _old(format: TexelFormat) -> bytes:
    if format.four:
        return _pixel_format(_FOURCC, format.four)
    flags = _LUMINANCE if format.masks[1] == 0 else _RGB | _ALPHA_PIXELS
    return _pixel_format(flags, bytes(4), 8 * format.size, format.masks)


def _pixel_format(
    flags: int, four: bytes, bits: int = 0, masks: tuple[int, int, int, int] = (0, 0, 0, 0)
) -> bytes:
    return struct.pack("<2I4s5I", 32, flags, four, bits, *masks)
