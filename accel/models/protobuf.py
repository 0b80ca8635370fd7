"""The little of Protocol Buffers' wire format that it takes to write a message (protobuf.dev, Encoding)."""

from __future__ import annotations

import struct

_VARINT, _LENGTH, _FLOAT = 0, 2, 5
"""Wire types."""


def integer(field: int, value: int) -> bytes:
    """A field of any integer or enumeration type; negative ones in two's complement of 64 bit."""
    return _varint(field << 3 | _VARINT) + _varint(value & 0xFFFFFFFFFFFFFFFF)


def real(field: int, value: float) -> bytes:
    """A field of type `float`."""
    return _varint(field << 3 | _FLOAT) + struct.pack("<f", value)


def block(field: int, value: bytes | str) -> bytes:
    """A field of bytes, text or another message."""
    data = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | _LENGTH) + _varint(len(data)) + data


def packed(field: int, values: tuple[int, ...]) -> bytes:
    """A repeated field of integers."""
    return block(field, b"".join(_varint(value & 0xFFFFFFFFFFFFFFFF) for value in values))


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)
