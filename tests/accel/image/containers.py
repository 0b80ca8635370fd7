"""KTX2 and DDS taken apart by their specifications alone, for tests: nothing here comes from accel."""

from __future__ import annotations

import math
import struct
import sys
from dataclasses import dataclass, field

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


@dataclass
class Ktx2:
    """A KTX2 file that keeps the rules of the KTX File Format Specification 2.0."""

    vulkan: int
    type_size: int
    width: int
    height: int
    scheme: int
    model: int
    primaries: int
    transfer: int
    block: tuple[int, int]
    bytes: int
    samples: list[tuple[int, int, int, int, int]]
    """Channel type with qualifiers, bit offset, bits, lower, upper."""
    said: dict[str, str] = field(default_factory=dict)
    levels: list[bytes] = field(default_factory=list)
    """Largest first, unpacked."""
    layers: int = 0
    faces: int = 1


def ktx2(data: bytes) -> Ktx2:
    """Checks every rule that a reader relies on."""
    assert data[:12] == b"\xabKTX 20\xbb\r\n\x1a\n"
    vulkan, type_size, width, height, depth, layers, faces, count, scheme = struct.unpack_from(
        "<9I", data, 12
    )
    assert depth == 0 and faces in (1, 6) and (faces == 1 or width == height) and scheme in (0, 2)
    assert 1 <= count <= 1 + int(math.log2(max(width, height)))
    dfd_at, dfd_size, kvd_at, kvd_size, sgd_at, sgd_size = struct.unpack_from("<4I2Q", data, 48)
    assert (sgd_at, sgd_size) == (0, 0)
    # The descriptor follows the level index, the key/value data the descriptor.
    assert dfd_at == 80 + 24 * count and kvd_at == dfd_at + dfd_size
    file = Ktx2(vulkan, type_size, width, height, scheme, *_descriptor(data[dfd_at:kvd_at]))
    file.said = _pairs(data[kvd_at : kvd_at + kvd_size])
    file.layers, file.faces = layers, faces
    file.levels = _levels(data, file, count, kvd_at + kvd_size)
    return file


def _descriptor(data: bytes):
    """Khronos Data Format Specification 1.3, chapter 5."""
    total, vendor_type, version, size = struct.unpack_from("<2I2H", data)
    assert total == len(data) == size + 4 and vendor_type == 0 and version == 2
    model, primaries, transfer, flags, *block = struct.unpack_from("<8B", data, 12)
    planes = struct.unpack_from("<8B", data, 20)
    assert flags == 0 and block[2:] == [0, 0] and not any(planes[1:]) and (size - 24) % 16 == 0
    samples = []
    for at in range(28, len(data), 16):
        offset, bits, channel, position, lower, upper = struct.unpack_from("<H2B3I", data, at)
        assert position == 0
        samples.append((channel, offset, bits + 1, lower, upper))
    return model, primaries, transfer, (block[0] + 1, block[1] + 1), planes[0], samples


def _pairs(data: bytes) -> dict[str, str]:
    found, at = {}, 0
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at)
        key, value, rest = data[at + 4 : at + 4 + size].split(b"\0")
        padding = data[at + 4 + size : at + 4 + size + -size % 4]
        assert rest == b"" and not any(padding) and len(padding) == -size % 4
        found[key.decode()] = value.decode()
        at += 4 + size + len(padding)
    assert list(found) == sorted(found)
    return found


def _levels(data: bytes, file: Ktx2, count: int, end: int) -> list[bytes]:
    align = 1 if file.scheme else math.lcm(file.bytes, 4)
    levels = []
    for index in reversed(range(count)):
        offset, stored, size = struct.unpack_from("<3Q", data, 80 + 24 * index)
        # The smallest is first in the file, each at the next multiple.
        assert offset == -(-end // align) * align and not any(data[end:offset])
        end = offset + stored
        level = data[offset:end]
        levels.append(zstd.decompress(level) if file.scheme else level)
        across, down = (
            -(-max(1, side >> index) // texels)
            for side, texels in zip((file.width, file.height), file.block, strict=True)
        )
        images = max(1, file.layers) * file.faces
        assert len(levels[-1]) == size == across * down * file.bytes * images
    assert end == len(data)
    return levels[::-1]


@dataclass
class Dds:
    """A DDS file, by Microsoft's Programming Guide for DDS."""

    width: int
    height: int
    levels: int
    flags: int
    fourcc: bytes
    bits: int
    masks: tuple[int, ...]
    dxgi: int
    """0 without the DX10 extension."""
    data: bytes
    cube: bool = False
    count: int = 1
    """Cubes, or images."""


def dds(data: bytes) -> Dds:
    magic, size, flags, height, width, pitch, depth, mips = struct.unpack_from("<4s7I", data)
    assert magic == b"DDS " and size == 124 and flags & 0x1007 == 0x1007 and depth == 0
    pf_size, pf_flags, fourcc, bits, *masks = struct.unpack_from("<2I4s5I", data, 76)
    caps, caps2 = struct.unpack_from("<2I", data, 108)
    assert pf_size == 32 and caps & 0x1000 and caps2 in (0, 0xFE00)
    assert bool(flags & 0x20000) == bool(caps & 0x400000) == (mips > 1)
    cube, dxgi, array = caps2 != 0, 0, 1
    assert not cube or width == height
    if fourcc == b"DX10":
        dxgi, dimension, misc, array, _ = struct.unpack_from("<5I", data, 128)
        assert (dimension, misc) == (3, 4 * cube) and array > 0
    assert bool(caps & 0x8) == (mips > 1 or cube or array > 1)
    assert pitch > 0 and bool(flags & 0x8) != bool(flags & 0x80000)
    rest = data[148 if dxgi else 128 :]
    return Dds(width, height, mips, pf_flags, fourcc, bits, tuple(masks), dxgi, rest, cube, array)
