"""PNG of 8 bits a channel, inflated by libdeflate; rows that have filters are still libvips' to decode."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
from deflate import DeflateError, adler32, crc32, zlib_decompress
from msgspec import Struct

from accel.image.readers.stream import Picture

MOST = 1 << 26
"""Bytes of pixels up to which they are taken: 4096 x 4096 of RGBA. A bomb takes no more."""
_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
"""By the colour types of PNG that aren't numbers of a palette."""
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = struct.Struct(">I4sIIBBBBB")
_HEADER_END = len(_SIGNATURE) + _HEADER.size + 4
_CHUNK = struct.Struct(">I4s")
_WINDOW = b"\x78"
"""Deflated, with a window of 32 KiB (RFC 1950, 2.2)."""
_STORED = b"\x78\x01"
"""The beginning of a stream that nothing was done to make small."""
_BLOCK = struct.Struct("<BHH")
"""What stands before a block that is stored as it is: whether it is the last, its bytes, and their complement
(RFC 1951, 3.2.4)."""
_MOST_STORED = 0xFFFF
_AROUND = 12
"""Bytes of a chunk beside its data: length, type and checksum."""
_ASIDE = frozenset(
    (
        b"gAMA",
        b"cHRM",
        b"sRGB",
        b"iCCP",
        b"sBIT",
        b"bKGD",
        b"pHYs",
        b"tIME",
        b"tEXt",
        b"zTXt",
        b"iTXt",
        b"eXIf",
    )
)
"""Chunks that change no pixel."""


class Inflated(Struct, frozen=True):
    """What the pixels of a file were before they were deflated."""

    height: int
    width: int
    channels: int
    header: memoryview
    """All of the file before its second chunk."""
    raw: bytearray
    """Of each row its filter's number, then its bytes."""

    def picture(self) -> Picture | None:
        """The image; None where any row has a filter."""
        lines = np.frombuffer(self.raw, np.uint8).reshape(self.height, -1)
        if lines[:, 0].any():
            return None
        rows = np.ascontiguousarray(lines[:, 1:])
        model = "rgb" if self.channels > 2 else "grey"
        return Picture(rows.reshape(self.height, self.width, self.channels), model, self.channels % 2 == 0)

    def stored(self) -> bytes:
        """A file of the same pixels that takes no time to inflate."""
        raw = memoryview(self.raw)
        parts: list[bytes | memoryview] = [b"IDAT", _STORED]
        for begin in range(0, len(raw), _MOST_STORED):
            block = raw[begin : begin + _MOST_STORED]
            is_last = begin + _MOST_STORED >= len(raw)
            parts += [_BLOCK.pack(is_last, len(block), len(block) ^ _MOST_STORED), block]
        pixels = b"".join([*parts, adler32(raw).to_bytes(4, "big")])
        return b"".join([self.header, _framed(pixels), _framed(b"IEND")])


def _framed(chunk: bytes) -> bytes:
    return b"".join([(len(chunk) - 4).to_bytes(4, "big"), chunk, crc32(chunk).to_bytes(4, "big")])


def inflate(contents: bytes, most_pixels: int) -> Inflated | None:
    """What an image of 8 bits a channel was made of. libdeflate takes two thirds of libvips' time.

    None for anything unusual, damage included: that is libvips' to judge.
    """
    size = _size(contents, most_pixels)
    deflated = _deflated(contents) if size else None
    # Of a window smaller than 32 KiB, which only small images have, libdeflate takes distances that leave it.
    if size is None or deflated is None or not deflated.startswith(_WINDOW):
        return None
    height, width, channels = size
    try:
        raw = zlib_decompress(deflated, height * (1 + width * channels))
    except DeflateError:
        return None
    # It says nothing of bytes that follow the stream, whose end is the checksum.
    if len(raw) < height * (1 + width * channels) or adler32(raw) != _number(deflated[-4:]):
        return None
    return Inflated(height, width, channels, memoryview(contents)[:_HEADER_END], raw)


def _size(contents: bytes, most_pixels: int) -> tuple[int, int, int] | None:
    """Height, width and channels."""
    if not contents.startswith(_SIGNATURE) or len(contents) < len(_SIGNATURE) + _HEADER.size:
        return None
    _, name, width, height, depth, kind, *methods = _HEADER.unpack_from(contents, len(_SIGNATURE))
    channels = _CHANNELS.get(kind, 0)
    if name != b"IHDR" or depth != 8 or any(methods) or width * height > most_pixels:
        return None
    return (height, width, channels) if 0 < width * height * channels <= MOST else None


def _deflated(contents: bytes) -> bytes | None:
    """What all chunks of pixels hold, of a file whose other chunks say nothing of them."""
    view = memoryview(contents)
    parts: list[memoryview] = []
    last = b""
    for name, data in _chunks(view):
        if name == b"IDAT" and (not parts or last == name):
            parts.append(data)
        elif name == b"IEND" and parts:
            return b"".join(parts)
        elif name not in _ASIDE and (name, last) != (b"IHDR", b""):
            return None
        last = name
    return None


def _chunks(view: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """The type and the data of each up to the first that isn't whole."""
    begin = len(_SIGNATURE)
    while begin + _AROUND <= len(view):
        size, name = _CHUNK.unpack_from(view, begin)
        end = begin + _AROUND + size
        if end > len(view) or crc32(view[begin + 4 : end - 4]) != _number(view[end - 4 : end]):
            return
        yield name, view[begin + 8 : end - 4]
        begin = end


def _number(data: bytes | memoryview) -> int:
    return int.from_bytes(data, "big")
