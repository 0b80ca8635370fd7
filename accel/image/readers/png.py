"""PNG whose rows have no filter, as libvips writes it: there is nothing to decode but to inflate."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import cast

import numpy as np
from isal import igzip_lib, isal_zlib

from accel.image.decoded import Pixels
from accel.image.readers.stream import Picture

MOST = 1 << 26
"""Bytes of pixels up to which they are taken: 4096 x 4096 of RGBA. A bomb takes no more."""
STRIP = 1 << 19
"""About so many bytes are inflated in one go."""

_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
"""By the colour types of PNG that aren't numbers of a palette."""
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = struct.Struct(">I4sIIBBBBB")
_CHUNK = struct.Struct(">I4s")
_WINDOW = b"\x78"
"""Deflated, with a window of 32 KiB (RFC 1950, 2.2)."""
_Damaged = cast(type[Exception], igzip_lib.IsalError)
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


def read(contents: bytes, most_pixels: int) -> Picture | None:
    """An image of 8 bits a channel. isal inflates up to twice as fast as libvips.

    None where any row has a filter, and for anything unusual, damage included: that is libvips' to judge.
    """
    size = _size(contents, most_pixels)
    deflated = _deflated(contents) if size else None
    # Of a window smaller than 32 KiB, which only small images have, isal takes distances that leave it.
    if size is None or deflated is None or not deflated.startswith(_WINDOW):
        return None
    height, width, channels = size
    try:
        rows = _inflated(deflated, height, width * channels)
    except (EOFError, _Damaged):
        return None
    if rows is None:
        return None
    return Picture(rows.reshape(size), "rgb" if channels > 2 else "grey", channels % 2 == 0)


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
        if end > len(view) or isal_zlib.crc32(view[begin + 4 : end - 4]) != _number(view[end - 4 : end]):
            return
        yield name, view[begin + 8 : end - 4]
        begin = end


def _number(data: memoryview) -> int:
    return int.from_bytes(data, "big")


def _inflated(deflated: bytes, height: int, row: int) -> Pixels | None:
    """The rows; None where one has a filter, or their number is another. Raises IsalError and EOFError."""
    stream = igzip_lib.IgzipDecompressor(igzip_lib.DECOMP_ZLIB, igzip_lib.MAX_HIST_BITS)
    rows = np.empty((height, row), np.uint8)
    # The first alone, as in most files with filters it has one.
    begin, end = 0, 1
    while begin < height:
        data = stream.decompress(b"" if begin else deflated, (end - begin) * (1 + row))
        if len(data) < (end - begin) * (1 + row):
            return None
        lines = np.frombuffer(data, np.uint8).reshape(end - begin, 1 + row)
        if lines[:, 0].any():
            return None
        rows[begin:end] = lines[:, 1:]
        begin, end = end, min(height, end + max(1, STRIP // row))
    over = b"" if stream.eof else stream.decompress(b"", 1)
    return rows if stream.eof and not over and not stream.unused_data else None
