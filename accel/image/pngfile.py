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


def chunk(name: bytes, data: Sequence[bytes | bytearray | memoryview]) -> bytes:
    """A chunk with its length and checksum; `data` follow one another."""
    body = b"".join([name, *data])
    return b"".join([(len(body) - 4).to_bytes(4, "big"), body, crc32(body).to_bytes(4, "big")])
