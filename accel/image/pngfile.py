"""How a PNG is put together: its signature and its chunks (PNG, third edition, 5)."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from deflate import crc32

SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER = struct.Struct(">I4sIIBBBBB")
"""The beginning of the first chunk, IHDR: its bytes and name, width, height, depth, colour type, methods."""
COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""By the number of channels, for those that aren't numbers of a palette."""
END = b"\0\0\0\0IEND\xae\x42\x60\x82"


Piece = bytes | bytearray | memoryview


def chunk(name: bytes, data: Sequence[Piece]) -> list[Piece]:
    """A chunk with its length and checksum, in pieces to be joined: `data` follow one another, uncopied."""
    checksum = crc32(name)
    for piece in data:
        checksum = crc32(piece, checksum)
    return [sum(map(len, data)).to_bytes(4, "big"), name, *data, checksum.to_bytes(4, "big")]
