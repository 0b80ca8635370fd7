"""KTX2: a level index, a descriptor, who wrote it, and the levels, smallest first."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

from accel.image.raster import Raster
from accel.image.readers.ktx2 import zstandard
from accel.image.writers.descriptor import descriptor
from accel.image.writers.plain import plain
from accel.image.writers.texels import Texture

if TYPE_CHECKING:
    from accel.image.operation import Writing

_IDENTIFIER = b"\xabKTX 20\xbb\r\n\x1a\n"
_HEADER, _LEVEL = 80, 24
"""Bytes of the header with its index, and of an entry of the level index (KTX File Format Specification 2.0,
section 3)."""
_ZSTD = 2
WRITER = "PopBridge"


def write(image: Raster, params: Writing) -> bytes:
    """The file of a raster with its levels and layers."""
    return packed(plain(image, params))


def packed(texture: Texture, zstd: int = 0) -> bytes:
    """The file of a texture; `zstd` is the level of supercompression, 1 to 22, or 0 for none."""
    format = texture.format
    # A level holds all layers, and each of them its faces.
    levels = [b"".join(images) for images in zip(texture.levels, *texture.layers, strict=True)]
    stored = [zstandard().compress(level, level=zstd) for level in levels] if zstd else levels
    described, said = descriptor(format, texture.multiplied), _key_values(texture)
    begin = _HEADER + _LEVEL * len(stored)
    index = begin, len(described), begin + len(described), len(said), 0, 0
    head = struct.pack(
        "<12s9I4I2Q",
        _IDENTIFIER, format.vulkan, format.type_size, texture.width, texture.height, 0,
        texture.count if texture.array or texture.count > 1 else 0, 6 if texture.cube else 1, len(stored),
        _ZSTD if zstd else 0, *index,
    )  # fmt: skip
    # mipPadding, section 3.11.2: none where levels are supercompressed.
    align = 1 if zstd else math.lcm(format.size, 4)
    offsets = _placed(stored, begin + len(described) + len(said), align)
    entries = b"".join(
        struct.pack("<3Q", offset, len(data), len(level))
        for offset, data, level in zip(offsets, stored, levels, strict=True)
    )
    parts = [head, entries, described, said]
    at = begin + len(described) + len(said)
    for offset, data in sorted(zip(offsets, stored, strict=True)):
        parts += [bytes(offset - at), data]
        at = offset + len(data)
    return b"".join(parts)


def _placed(levels: Sequence[bytes], at: int, align: int) -> list[int]:
    """Where each level begins, the last one first, each on a multiple of `align`."""
    offsets = []
    for level in reversed(levels):
        at = -(-at // align) * align
        offsets.append(at)
        at += len(level)
    return offsets[::-1]


def _key_values(texture: Texture) -> bytes:
    """Sorted by key, each padded to whole words (section 3.12)."""
    said = {"KTXorientation": "rd", "KTXswizzle": texture.swizzle, "KTXwriter": WRITER}
    out = b""
    for key, value in said.items():
        if value:
            pair = f"{key}\0{value}\0".encode()
            out += struct.pack("<I", len(pair)) + pair + bytes(-len(pair) % 4)
    return out
