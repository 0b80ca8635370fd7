"""Reads and writes DDS (Microsoft's "Programming Guide for DDS")."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from accel.image.codecs.gpu_formats import TexelFormat, Texture
from accel.image.codecs.gpu_layouts import (
    Blocks,
    Channels,
    Fields,
    Floats,
    Layout,
    Size,
    build_picture,
    halve_size,
    level,
    read_images,
    shared_exponent,
    small_floats,
    smaller_size,
    uncompressed,
)
from accel.image.codecs.stream import Picture, Stream
from accel.image.operation import Writing
from accel.image.pixel_data import AlphaMixing
from accel.image.raster import Raster
from accel.text import text

_ALPHA_PIXELS, _ALPHA, _FOURCC, _RGB, _LUMINANCE, _BUMP = 0x1, 0x2, 0x4, 0x40, 0x20000, 0x80000

_FOURCCS: dict[bytes, Layout] = {
    b"DXT1": Blocks("bc1"), b"DXT2": Blocks("bc2"), b"DXT3": Blocks("bc2"), b"DXT4": Blocks("bc3"),
    b"DXT5": Blocks("bc3"), b"RXGB": Blocks("bc3"), b"ATI1": Blocks("bc4"), b"BC4U": Blocks("bc4"),
    b"BC4S": Blocks("bc4s"), b"ATI2": Blocks("bc5"), b"BC5U": Blocks("bc5"), b"BC5S": Blocks("bc5s"),
    # D3DFORMAT numbers.
    b"\x24\0\0\0": Channels("u2", "rgba"), b"\x6e\0\0\0": Channels("u2", "rgba", signed=True),
    b"\x6f\0\0\0": Channels("f2", "r"), b"\x70\0\0\0": Channels("f2", "rg"),
    b"\x71\0\0\0": Channels("f2", "rgba"), b"\x72\0\0\0": Channels("f4", "r"),
    b"\x73\0\0\0": Channels("f4", "rg"), b"\x74\0\0\0": Channels("f4", "rgba"),
}  # fmt: skip
_MULTIPLIED = (b"DXT2", b"DXT4")


def _dxgi() -> dict[int, Layout]:
    """Returns layouts by DXGI_FORMAT; typeless and sRGB variants store the same bytes."""
    groups: dict[tuple[int, ...], Layout] = {
        (1, 2): Channels("f4", "rgba"), (5, 6): Channels("f4", "rgb"), (9, 10): Channels("f2", "rgba"),
        (11,): Channels("u2", "rgba"), (13,): Channels("u2", "rgba", signed=True),
        (15, 16): Channels("f4", "rg"), (39, 40, 41): Channels("f4", "r"), (33, 34): Channels("f2", "rg"),
        (23, 24): Fields(4, (0x3FF, 0xFFC00, 0x3FF00000, 0xC0000000)), (26,): Floats(small_floats),
        (27, 28, 29): Channels("u1", "rgba"), (31,): Channels("u1", "rgba", signed=True),
        (35,): Channels("u2", "rg"), (37,): Channels("u2", "rg", signed=True),
        (48, 49): Channels("u1", "rg"), (51,): Channels("u1", "rg", signed=True),
        (53, 54): Channels("f2", "r"), (55, 56): Channels("u2", "r"), (58,): Channels("u2", "r", signed=True),
        (60, 61): Channels("u1", "r"), (63,): Channels("u1", "r", signed=True), (65,): Channels("u1", "a"),
        (67,): Floats(shared_exponent), (70, 71, 72): Blocks("bc1"),
        (73, 74, 75): Blocks("bc2"), (76, 77, 78): Blocks("bc3"),
        (79, 80): Blocks("bc4"), (81,): Blocks("bc4s"), (82, 83): Blocks("bc5"), (84,): Blocks("bc5s"),
        (85,): Fields(2, (0xF800, 0x7E0, 0x1F)), (86,): Fields(2, (0x7C00, 0x3E0, 0x1F, 0x8000)),
        (87, 90, 91): Channels("u1", "bgra"), (88, 92, 93): Channels("u1", "bgrx"),
        (94, 95): Blocks("bc6h"), (96,): Blocks("bc6hs"), (97, 98, 99): Blocks("bc7"),
        (115,): Fields(2, (0xF00, 0xF0, 0xF, 0xF000)),
    }  # fmt: skip
    return {number: layout for numbers, layout in groups.items() for number in numbers}


_DXGI = _dxgi()
_SRGB = frozenset({29, 72, 75, 78, 91, 93, 99})
"""sRGB formats."""
_ALPHA_MODE, _PREMULTIPLIED = 0x7, 2
"""miscFlags2: the mask of the alpha mode, and DDS_ALPHA_MODE_PREMULTIPLIED."""
_CUBEMAP, _FACES, _VOLUME = 0x200, 0xFC00, 0x200000
"""dwCaps2: DDSCAPS2_CUBEMAP, DDS_CUBEMAP_ALLFACES, DDSCAPS2_VOLUME."""
_TEXTURE_2D, _TEXTURE_3D, _TEXTURE_CUBE = 3, 4, 0x4
"""resourceDimension: D3D10_RESOURCE_DIMENSION_TEXTURE2D and 3D; miscFlag: D3D10_RESOURCE_MISC_TEXTURECUBE."""


class _PixelFormat(Struct, frozen=True):
    """DDS_PIXELFORMAT without dwSize."""

    flags: int
    fourcc: bytes
    bits: int
    red: int
    green: int
    blue: int
    alpha: int


class _Storage(Struct, frozen=True):
    """The layout of texels, and the image-related fields of the DX10 header."""

    layout: Layout
    alpha: AlphaMixing = "straight"
    images: int = 0
    """Number of faces and layers; 0 without a DX10 header."""
    cube: bool = False
    volume: bool = False


def read(stream: Stream) -> Picture:
    """Reads the first image and, if the stream asks for them, its mip levels and the other faces and layers.

    Raises WorkloadError.
    """
    size, height, width = stream.unpack("<4xI4xII", text("its header"))
    if size != 124:
        raise stream.broken(text("a header of {n} bytes", n=size))
    stream.check_size(width, height)
    depth, levels = stream.unpack("<4xII44x", text("its header"))
    format = _PixelFormat(*stream.unpack("<4xI4s5I", text("its header")))
    (more,) = stream.unpack("<4xI12x", text("its header"))
    stored = _layout(stream, format)
    layout = stored.layout
    sizes = list(halve_size(width, height, levels))
    capacity = _image_capacity(stream, layout, [(width, height), *sizes])
    data = stream.take(level(layout, width, height), text("its pixels"))
    result = build_picture(stream, layout, data, width, height)
    volume = stored.volume or bool(more & _VOLUME)
    faces = (more & _FACES).bit_count()
    images, cube = _count_images(stored, faces, capacity)
    result = replace(result, levels=max(1, levels), images=max(1, depth) if volume else images, cube=cube)
    # Some headers of texture arrays declare mip levels that the file lacks.
    sizes = [] if capacity[0] == images > 1 else sizes
    # Skip incomplete cubes, which the DX10 header can't express, and cubes whose faces aren't square.
    if stream.layers and not volume and images > 1 and (width == height if cube else not faces):
        result = _read_array(stream, layout, result, [(width, height), *sizes])
    elif stream.mips and not volume:
        # The other faces and layers follow the mip levels of the first image.
        result = replace(result, mips=smaller_size(stream, layout, result, _mip_data(stream, layout, sizes)))
    return replace(result, alpha=stored.alpha) if result.has_alpha else result


def _image_capacity(stream: Stream, layout: Layout, sizes: Sequence[Size]) -> tuple[float, float]:
    """Returns how many images the rest of the file can hold: without and with mip levels."""
    each = [level(layout, *size) for size in sizes]
    return stream.left / each[0], stream.left / sum(each)


def _count_images(stored: _Storage, faces: int, capacity: tuple[float, float]) -> tuple[int, bool]:
    """Returns the number of images and whether they are cube faces.

    Some writers mark a cube only in the old header, or count faces as cubes; the file size tells.
    """
    if not stored.images:
        return faces or 1, faces == 6
    if stored.images == 1 and faces == 6 and 6 in capacity:
        return 6, True
    cubes = stored.images // 6
    if stored.cube and cubes % 6 == 0 and cubes in capacity:
        return cubes, True
    return stored.images, stored.cube


def _read_array(stream: Stream, layout: Layout, first: Picture, sizes: Sequence[Size]) -> Picture:
    """Reads all images, each followed by its mip levels. Raises WorkloadError."""
    stream.check_array(*sizes[0], first.images)
    what = text("its {images} images", images=f"{first.images:,}")
    count = len(sizes) if stream.mips else 1

    def levels(missing: Sequence[Size]) -> list[tuple[Size, bytes]]:
        return [(size, stream.take(level(layout, *size), what)) for size in missing]

    mips = levels(sizes[1:])[: count - 1]
    others = (levels(sizes)[:count] for _ in range(1, first.images))
    return read_images(stream, layout, replace(first, mips=smaller_size(stream, layout, first, mips)), others)


def _mip_data(stream: Stream, layout: Layout, sizes: Iterable[Size]) -> Iterator[tuple[Size, bytes]]:
    """Yields the size and bytes of each mip level that is present; some headers declare more."""
    for size in sizes:
        if level(layout, *size) > stream.left:
            return
        yield size, stream.take(level(layout, *size), text("a smaller level"))


def _layout(stream: Stream, format: _PixelFormat) -> _Storage:
    if format.flags & _FOURCC:
        if format.fourcc == b"DX10":
            return _dx10_storage(stream)
        if format.fourcc in _FOURCCS:
            alpha: AlphaMixing = "multiplied" if format.fourcc in _MULTIPLIED else "straight"
            return _Storage(_FOURCCS[format.fourcc], alpha)
        shown = format.fourcc.decode("ascii", "replace") if format.fourcc.isalnum() else format.fourcc.hex()
        raise stream.unsupported(text("pixel format {shown}; save it as BC7 or RGBA", shown=shown))
    return _Storage(_mask_layout(stream, format))


def _dx10_storage(stream: Stream) -> _Storage:
    number, dimension, misc, count, more = stream.unpack("<5I", text("its DX10 header"))
    if number not in _DXGI:
        raise stream.unsupported(text("DXGI format {number}; save it as BC7 or RGBA", number=number))
    alpha: AlphaMixing = "straight"
    if more & _ALPHA_MODE == _PREMULTIPLIED:
        # Alpha is for blending, and GPUs decode sRGB before they blend.
        alpha = "multiplied as light" if number in _SRGB else "multiplied"
    cube = bool(misc & _TEXTURE_CUBE)
    images = max(1, count) * (6 if cube else 1)
    return _Storage(_DXGI[number], alpha, images, cube, dimension == _TEXTURE_3D)


def _mask_layout(stream: Stream, format: _PixelFormat) -> Layout:
    size, flags = format.bits // 8, format.flags
    alpha = (format.alpha,) if flags & (_ALPHA_PIXELS | _ALPHA) and format.alpha else ()
    if flags & (_RGB | _BUMP):
        colors = tuple(mask for mask in (format.red, format.green, format.blue) if mask)
    else:
        colors = (format.red,) if flags & _LUMINANCE and format.red else ()
        if format.bits == 8 and not alpha and colors:
            # Pillow writes masks wider than a byte.
            colors = (format.red & 0xFF or 0xFF,)
        if format.bits == 16 and alpha and alpha[0] >> 16:
            # Pillow does the same for grey with alpha.
            alpha = (0xFF00,)
    masks = colors + alpha
    if format.bits not in (8, 16, 24, 32) or not masks:
        raise stream.unsupported(
            text("{bits} bits a pixel without colours; save it as BC7 or RGBA", bits=format.bits)
        )
    return _layout_of_masks(stream, size, colors, alpha)


def _layout_of_masks(stream: Stream, size: int, colors: tuple[int, ...], alpha: tuple[int, ...]) -> Layout:
    """Returns a layout of whole-byte channels if possible, as it decodes faster, otherwise of bit fields."""
    plain: dict[tuple[int, tuple[int, ...], tuple[int, ...]], Layout] = {
        (4, (0xFF0000, 0xFF00, 0xFF), (0xFF000000,)): Channels("u1", "bgra"),
        (4, (0xFF, 0xFF00, 0xFF0000), (0xFF000000,)): Channels("u1", "rgba"),
        (4, (0xFF0000, 0xFF00, 0xFF), ()): Channels("u1", "bgrx"),
        (4, (0xFF, 0xFF00, 0xFF0000), ()): Channels("u1", "rgbx"),
        (3, (0xFF0000, 0xFF00, 0xFF), ()): Channels("u1", "bgr"),
        (3, (0xFF, 0xFF00, 0xFF0000), ()): Channels("u1", "rgb"),
        (4, (0xFFFF, 0xFFFF0000), ()): Channels("u2", "rg"),
        (2, (0xFF, 0xFF00), ()): Channels("u1", "rg"),
        (2, (0xFFFF,), ()): Channels("u2", "r"),
        (2, (0xFF,), (0xFF00,)): Channels("u1", "ra"),
        (1, (0xFF,), ()): Channels("u1", "r"),
        (1, (), (0xFF,)): Channels("u1", "a"),
    }
    if (size, colors, alpha) in plain:
        return plain[size, colors, alpha]
    masks = colors + alpha
    if len(colors) not in (1, 3) or not all(_is_field(mask) and mask < 1 << 8 * size for mask in masks):
        raise stream.unsupported(text("its bit masks are unusual; save it as BC7 or RGBA"))
    return Fields(size, masks, "rgb" if len(colors) == 3 else "grey")


def _is_field(mask: int) -> bool:
    """Whether the mask is a single run of 1 to 16 bits."""
    ones = mask // (mask & -mask)
    return ones & (ones + 1) == 0 and ones < 1 << 16


# dwFlags and dwCaps of DDS_HEADER ("DDS File Layout").
_CAPS, _HEIGHT, _WIDTH, _PITCH, _PIXEL_FORMAT, _MIP_COUNT, _LINEAR_SIZE = (
    0x1, 0x2, 0x4, 0x8, 0x1000, 0x20000, 0x80000,
)  # fmt: skip
_COMPLEX, _TEXTURE, _MIPMAP = 0x8, 0x1000, 0x400000


def write(image: Raster, params: Writing) -> bytes:
    """Encodes a raster, its mip levels and its layers as an uncompressed DDS."""
    return write_compressed(uncompressed(image, params))


def write_compressed(texture: Texture) -> bytes:
    """Writes a DDS of a texture whose format has a DXGI number."""
    format = texture.format
    # Direct3D 9 readers and OpenImageIO know only the old header. It lacks sRGB, BC6H, BC7, premultiplied
    # alpha and arrays, and has two names for BC4 and BC5, of which each reader knows only one.
    old = not format.srgb or format.type_size > 1
    old = old and bool(format.four or any(format.masks)) and not texture.multiplied and texture.count == 1
    head = _header(texture) + (_old_pixel_format(format) if old else _pixel_format(_FOURCC, b"DX10"))
    levels = len(texture.levels)
    caps = _TEXTURE | (_MIPMAP if levels > 1 else 0) | (_COMPLEX if levels > 1 or texture.layers else 0)
    head += struct.pack("<5I", caps, (_CUBEMAP | _FACES) * texture.cube, 0, 0, 0)
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


def _old_pixel_format(format: TexelFormat) -> bytes:
    if format.four:
        return _pixel_format(_FOURCC, format.four)
    flags = _LUMINANCE if format.masks[1] == 0 else _RGB | _ALPHA_PIXELS
    return _pixel_format(flags, bytes(4), 8 * format.size, format.masks)


def _pixel_format(
    flags: int, four: bytes, bits: int = 0, masks: tuple[int, int, int, int] = (0, 0, 0, 0)
) -> bytes:
    return struct.pack("<2I4s5I", 32, flags, four, bits, *masks)
