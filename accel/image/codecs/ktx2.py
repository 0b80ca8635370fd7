"""Reads and writes KTX2 (Khronos "KTX File Format Specification" 2.0)."""

from __future__ import annotations

import math
import struct
import sys
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from accel.image.codecs.block_decoders import ASTC
from accel.image.codecs.gpu_formats import ALPHA, Sample, TexelFormat, Texture
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
from accel.workload import WorkloadError

_NONE, _BASIS_LZ, _ZSTD, _ZLIB = 0, 1, 2, 3

_HEADER = 104
"""Size of the header up to the second entry of the level index (section 3)."""
_ENTRY = 24
"""Size of an entry in the level index."""
_DESCRIPTOR, _TRANSFER, _FLAGS = 16, 14, 15
"""Number of bytes to read from the data format descriptor, and the offsets of its transfer function and flags
(Khronos Data Format Specification 1.3, sections 5.8 and 5.9)."""
_LINEAR, _SRGB = 1, 2
_PREMULTIPLIED = 1

_MAX_IMAGES = 2**32 - 1
"""Maximum image count to report: in a damaged file, the product may exceed JSON's range."""

_TRANSCODE = text(
    "its pixels are Basis Universal; write it as BC7, ASTC or RGBA, for example by `ktx transcode`"
)


def _vulkan() -> dict[int, Layout]:
    """Returns layouts by VkFormat; sRGB variants store the same bytes."""
    groups: dict[tuple[int, ...], Layout] = {
        (2,): Fields(2, (0xF000, 0xF00, 0xF0, 0xF)), (3,): Fields(2, (0xF0, 0xF00, 0xF000, 0xF)),
        (4,): Fields(2, (0xF800, 0x7E0, 0x1F)), (5,): Fields(2, (0x1F, 0x7E0, 0xF800)),
        (6,): Fields(2, (0xF800, 0x7C0, 0x3E, 0x1)), (7,): Fields(2, (0x3E, 0x7C0, 0xF800, 0x1)),
        (8,): Fields(2, (0x7C00, 0x3E0, 0x1F, 0x8000)),
        (9, 15): Channels("u1", "r"), (10,): Channels("u1", "r", signed=True),
        (16, 22): Channels("u1", "rg"), (17,): Channels("u1", "rg", signed=True),
        (23, 29): Channels("u1", "rgb"), (30, 36): Channels("u1", "bgr"),
        (37, 43): Channels("u1", "rgba"), (38,): Channels("u1", "rgba", signed=True),
        (44, 50): Channels("u1", "bgra"),
        (58,): Fields(4, (0x3FF00000, 0xFFC00, 0x3FF, 0xC0000000)),
        (64,): Fields(4, (0x3FF, 0xFFC00, 0x3FF00000, 0xC0000000)),
        (70,): Channels("u2", "r"), (76,): Channels("f2", "r"),
        (77,): Channels("u2", "rg"), (83,): Channels("f2", "rg"),
        (84,): Channels("u2", "rgb"), (90,): Channels("f2", "rgb"),
        (91,): Channels("u2", "rgba"), (97,): Channels("f2", "rgba"),
        (100,): Channels("f4", "r"), (103,): Channels("f4", "rg"), (106,): Channels("f4", "rgb"),
        (109,): Channels("f4", "rgba"), (122,): Floats(small_floats), (123,): Floats(shared_exponent),
        (131, 132, 133, 134): Blocks("bc1"), (135, 136): Blocks("bc2"), (137, 138): Blocks("bc3"),
        (139,): Blocks("bc4"), (140,): Blocks("bc4s"), (141,): Blocks("bc5"), (142,): Blocks("bc5s"),
        (143,): Blocks("bc6h"), (144,): Blocks("bc6hs"), (145, 146): Blocks("bc7"),
        (147, 148): Blocks("etc2"), (149, 150): Blocks("etc2a1"), (151, 152): Blocks("etc2a8"),
        (153,): Blocks("eacr"), (154,): Blocks("eacr_signed"),
        (155,): Blocks("eacrg"), (156,): Blocks("eacrg_signed"),
        **{(157 + 2 * index, 158 + 2 * index): Blocks(name) for index, name in enumerate(ASTC)},
    }  # fmt: skip
    return {number: layout for numbers, layout in groups.items() for number in numbers}


_VULKAN = _vulkan()


class _Header(Struct, frozen=True):
    """The header (section 3) with the position of the descriptor and the first entry of the level index."""

    format: int
    type_size: int
    width: int
    height: int
    depth: int
    layers: int
    faces: int
    levels: int
    packing: int
    described: int
    description: int
    begin: int
    packed: int
    size: int

    @property
    def images(self) -> int:
        """Layers * faces * slices."""
        return min(max(1, self.layers) * max(1, self.faces) * max(1, self.depth), _MAX_IMAGES)


def read(stream: Stream) -> Picture:
    """Reads the first image and, if the stream asks for them, its mip levels and the other faces and layers.

    Raises WorkloadError.
    """
    header = _Header(*stream.unpack("<12x9I2I24x3Q", text("its header")))
    # One-dimensional textures have height 0.
    width, height = header.width, header.height or 1
    stream.check_size(width, height)
    layout = _layout(stream, header)
    # faceCount; 0 is invalid but harmless.
    if header.faces not in (0, 1, 6):
        raise stream.broken(text("{faces} faces, not 1 or 6", faces=f"{header.faces:,}"))
    count = _count_images(stream, header)
    descriptor = _read_descriptor(stream, header)
    size = (width, height)
    stored = _level_data(stream, header, count * level(layout, *size))
    result = build_picture(stream, layout, _split_level(layout, (size, stored), count)[0], *size)
    # Linear floats can be light or data, so only integers count as data.
    data = descriptor.transfer == _LINEAR and result.pixels.dtype.kind == "u"
    # Unlike Direct3D, Vulkan has two-channel sRGB formats.
    data = data or (result.data and descriptor.transfer != _SRGB)
    levels = [(size, stored)]
    if stream.mips and header.depth < 2:
        levels += _mip_data(stream, layout, header, count)
    result = _read_levels(stream, layout, result, levels, count)
    result = replace(result, levels=max(1, header.levels), images=header.images, cube=header.faces == 6)
    result = replace(result, array=header.layers == 1)
    return replace(result, data=data, alpha=descriptor.alpha if result.has_alpha else "straight")


def _count_images(stream: Stream, header: _Header) -> int:
    """Returns how many images to read: all faces and layers, or one. Raises WorkloadError."""
    cube = header.faces == 6
    if not stream.layers or header.depth > 1 or (cube and header.width != header.height):
        return 1
    stream.check_array(header.width, header.height or 1, header.images)
    return header.images


def _read_levels(
    stream: Stream, layout: Layout, first: Picture, levels: Sequence[tuple[Size, bytes]], count: int
) -> Picture:
    """Adds the decoded levels of `count` images to `first`. Raises WorkloadError."""
    sizes = [size for size, _ in levels]
    parts = zip(*(_split_level(layout, each, count) for each in levels), strict=True)
    images = [list(zip(sizes, part, strict=True)) for part in parts]
    result = replace(first, mips=smaller_size(stream, layout, first, images[0][1:]))
    return read_images(stream, layout, result, images[1:]) if count > 1 else result


def _split_level(layout: Layout, stored: tuple[Size, bytes], count: int) -> list[memoryview]:
    """Splits a level into the bytes of each image, ordered by layer, then face."""
    size, data = stored
    each, whole = level(layout, *size), memoryview(data)
    return [whole[begin : begin + each] for begin in range(0, count * each, each)]


def _mip_data(stream: Stream, layout: Layout, header: _Header, images: int) -> Iterator[tuple[Size, bytes]]:
    """Yields the size and bytes of each level after the first, stopping at the first incomplete one.

    Levels can be anywhere in the file, but usually precede the first.
    """
    sizes = list(halve_size(header.width, header.height or 1, header.levels))
    index = stream.at(_HEADER, _ENTRY * len(sizes))
    index = index[: len(index) // _ENTRY * _ENTRY]
    for size, (begin, packed, _) in zip(sizes, struct.iter_unpack("<3Q", index), strict=False):
        need = images * level(layout, *size)
        count = need if header.packing == _NONE else packed
        stored = stream.at(begin, count) if begin >= _HEADER + len(index) else b""
        if len(stored) < count or not stored:
            return
        try:
            yield size, _decompress(stream, header.packing, stored, need)
        except WorkloadError:
            return


class _Descriptor(Struct, frozen=True):
    """The fields used from the data format descriptor."""

    transfer: int = 0
    flags: int = 0

    @property
    def alpha(self) -> AlphaMixing:
        """Alpha is for blending, and GPUs decode sRGB before they blend."""
        if not self.flags & _PREMULTIPLIED:
            return "straight"
        return "multiplied as light" if self.transfer == _SRGB else "multiplied"


def _read_descriptor(stream: Stream, header: _Header) -> _Descriptor:
    """Reads the descriptor and skips to the pixels."""
    at, data = _HEADER, b""
    # Some writers omit the descriptor or put it after the pixels.
    if header.description >= _DESCRIPTOR and at <= header.described <= header.begin - _DESCRIPTOR:
        stream.skip(header.described - at, text("the data before its descriptor"))
        data, at = stream.take(_DESCRIPTOR, text("its descriptor")), header.described + _DESCRIPTOR
    stream.skip(header.begin - at, text("the data before its pixels"))
    return _Descriptor(data[_TRANSFER], data[_FLAGS]) if data else _Descriptor()


def _layout(stream: Stream, header: _Header) -> Layout:
    if header.format == 0 or header.packing == _BASIS_LZ:
        raise stream.unsupported(_TRANSCODE)
    if header.format not in _VULKAN:
        raise stream.unsupported(
            text("Vulkan format {format}; write it as BC7, ASTC or RGBA", format=header.format)
        )
    return _VULKAN[header.format]


def _level_data(stream: Stream, header: _Header, need: int) -> bytes:
    """Returns the first `need` bytes of the largest level."""
    if header.packing == _NONE:
        return stream.take(need, text("its pixels"))
    if header.packing not in (_ZSTD, _ZLIB):
        raise stream.unsupported(
            text("packing {packing}; write it without, or packed by zstd", packing=header.packing)
        )
    return _decompress(stream, header.packing, stream.take(header.packed, text("its packed pixels")), need)


def _decompress(stream: Stream, packing: int, data: bytes, need: int) -> bytes:
    """Returns the first `need` bytes of a level, decompressed."""
    found = data if packing == _NONE else _decompress_all(stream, packing, data, need)
    if len(found) < need:
        raise stream.truncated(
            text("{found} of {need} bytes of pixels", found=f"{len(found):,}", need=f"{need:,}")
        )
    return found


def _decompress_all(stream: Stream, packing: int, data: bytes, need: int) -> bytes:
    errors: tuple[type[Exception], ...] = (zlib.error,)
    if packing == _ZSTD:
        zstd = zstandard()
        unpack: Any = zstd.ZstdDecompressor()
        errors = (zstd.ZstdError,)
    else:
        unpack = zlib.decompressobj()
    try:
        found: bytes = unpack.decompress(data, need)
    except errors as error:
        raise stream.broken(text("its packed pixels: {reason}", reason=error)) from None
    return found


def zstandard() -> Any:
    """Returns the zstd module of the standard library, or its backport before Python 3.14."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


# Khronos Data Format Specification 1.3, chapter 5.
_VERSION = 2
_BT709 = 1

_IS_LINEAR, _IS_SIGNED, _IS_FLOAT = 0x10, 0x40, 0x80
_ONE, _MINUS_ONE = struct.unpack("<2I", struct.pack("<2f", 1, -1))


def descriptor(format: TexelFormat, multiplied: bool = False) -> bytes:
    """Returns the data format descriptor after its total size. Supercompression doesn't affect it (KTX File
    Format Specification 2.0, "DFD for Supercompressed Data")."""
    size = 24 + 16 * len(format.samples)
    across, down = format.block
    transfer = _SRGB if format.srgb else _LINEAR
    block = struct.pack(
        "<I2H16B",
        0, _VERSION, size,
        format.model, _BT709, transfer, _PREMULTIPLIED * multiplied,
        across - 1, down - 1, 0, 0,
        format.size, 0, 0, 0, 0, 0, 0, 0,
    )  # fmt: skip
    samples = b"".join(_sample(sample, format.srgb) for sample in format.samples)
    return struct.pack("<I", 4 + size) + block + samples


def _sample(sample: Sample, srgb: bool) -> bytes:
    """Returns a sample (section 5.9): bits, channel, and the values that stand for 0 (or -1) and 1."""
    channel, lower, upper = sample.channel, 0, min((1 << sample.bits) - 1, 0xFFFFFFFF)
    if sample.kind != "unorm":
        channel, upper = channel | _IS_FLOAT, _ONE
    if sample.kind == "sfloat":
        channel, lower = channel | _IS_SIGNED, _MINUS_ONE
    if srgb and sample.channel == ALPHA:
        channel |= _IS_LINEAR
    return struct.pack("<H2B4x2I", sample.offset, sample.bits - 1, channel, lower, upper)


_IDENTIFIER = b"\xabKTX 20\xbb\r\n\x1a\n"
_INDEX = 80
"""Offset of the level index: bytes of the header (section 3)."""
WRITER = "PopBridge"


def write(image: Raster, params: Writing) -> bytes:
    """Encodes a raster, its mip levels and its layers as an uncompressed KTX2."""
    return write_compressed(uncompressed(image, params))


def write_compressed(texture: Texture, zstd: int = 0) -> bytes:
    """Writes a KTX2 of a texture; `zstd` is the supercompression level, 1 to 22, or 0 for none."""
    format = texture.format
    # A level contains all layers, and each layer its faces.
    levels = [b"".join(images) for images in zip(texture.levels, *texture.layers, strict=True)]
    stored = [zstandard().compress(level, level=zstd) for level in levels] if zstd else levels
    described, metadata = descriptor(format, texture.multiplied), _key_values(texture)
    begin = _INDEX + _ENTRY * len(stored)
    index = begin, len(described), begin + len(described), len(metadata), 0, 0
    head = struct.pack(
        "<12s9I4I2Q",
        _IDENTIFIER, format.vulkan, format.type_size, texture.width, texture.height, 0,
        texture.count if texture.array or texture.count > 1 else 0, 6 if texture.cube else 1, len(stored),
        _ZSTD if zstd else 0, *index,
    )  # fmt: skip
    # mipPadding, section 3.11.2: none if levels are supercompressed.
    align = 1 if zstd else math.lcm(format.size, 4)
    offsets = _offsets(stored, begin + len(described) + len(metadata), align)
    entries = b"".join(
        struct.pack("<3Q", offset, len(data), len(level))
        for offset, data, level in zip(offsets, stored, levels, strict=True)
    )
    parts = [head, entries, described, metadata]
    at = begin + len(described) + len(metadata)
    for offset, data in sorted(zip(offsets, stored, strict=True)):
        parts += [bytes(offset - at), data]
        at = offset + len(data)
    return b"".join(parts)


def _offsets(levels: Sequence[bytes], at: int, align: int) -> list[int]:
    """Returns the offset of each level, a multiple of `align`. The smallest level comes first in the file."""
    offsets = []
    for data in reversed(levels):
        at = -(-at // align) * align
        offsets.append(at)
        at += len(data)
    return offsets[::-1]


def _key_values(texture: Texture) -> bytes:
    """Returns the key-value data, sorted by key, each pair padded to 4 bytes (section 3.12)."""
    pairs = {"KTXorientation": "rd", "KTXswizzle": texture.swizzle, "KTXwriter": WRITER}
    out = b""
    for key, value in pairs.items():
        if value:
            pair = f"{key}\0{value}\0".encode()
            out += struct.pack("<I", len(pair)) + pair + bytes(-len(pair) % 4)
    return out
