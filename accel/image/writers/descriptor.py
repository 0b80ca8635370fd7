"""The Khronos Basic Data Format Descriptor Block, by which KTX2 says what its texels mean."""

from __future__ import annotations

import struct

from accel.image.writers.texels import ALPHA, Sample, TexelFormat

# Khronos Data Format Specification 1.3, chapter 5.
_VERSION = 2
_BT709 = 1
_LINEAR, _SRGB = 1, 2
_PREMULTIPLIED = 1
_IS_LINEAR, _IS_SIGNED, _IS_FLOAT = 0x10, 0x40, 0x80
_ONE, _MINUS_ONE = struct.unpack("<2I", struct.pack("<2f", 1, -1))


def descriptor(format: TexelFormat, multiplied: bool = False) -> bytes:
    """The descriptor with its total size in front; the same whether levels are supercompressed or not (KTX
    File Format Specification 2.0, "DFD for Supercompressed Data")."""
    size = 24 + 16 * len(format.samples)
    across, down = format.block
    block = struct.pack(
        "<I2H16B",
        0, _VERSION, size,
        format.model, _BT709, _SRGB if format.srgb else _LINEAR, _PREMULTIPLIED * multiplied,
        across - 1, down - 1, 0, 0,
        format.size, 0, 0, 0, 0, 0, 0, 0,
    )  # fmt: skip
    samples = b"".join(_sample(sample, format.srgb) for sample in format.samples)
    return struct.pack("<I", 4 + size) + block + samples


def _sample(sample: Sample, srgb: bool) -> bytes:
    """Section 5.9: where the bits are, what they are, and which values mean 0 (or -1) and 1."""
    channel, lower, upper = sample.channel, 0, min((1 << sample.bits) - 1, 0xFFFFFFFF)
    if sample.kind != "unorm":
        channel, upper = channel | _IS_FLOAT, _ONE
    if sample.kind == "sfloat":
        channel, lower = channel | _IS_SIGNED, _MINUS_ONE
    if srgb and sample.channel == ALPHA:
        channel |= _IS_LINEAR
    return struct.pack("<H2B4x2I", sample.offset, sample.bits - 1, channel, lower, upper)
