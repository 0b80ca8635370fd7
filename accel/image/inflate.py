"""PNG files with their data inflated already, by a library that does it in a third of the time.

Inflating is nine tenths of what a PNG costs. libvips undoes the rest (filters, palettes) just the same
where the data is stored in plain.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from isal import igzip_lib, isal_zlib

Bytes = bytes | memoryview

_SIGNATURE = b"\x89PNG\r\n\x1a\n"

MOST = 1 << 26
"""Bytes of inflated data up to which this is done: all of it is in memory at once."""

LEAST = 1 << 16
"""Bytes of a file from which it pays."""

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_FED = 1 << 15
"""Packed bytes inflated in one go: at most 32 MiB come of them, whatever the header promises."""

_STORED = 65535
"""Bytes of a stored block of deflate (RFC 1951, 3.2.4)."""


def inflated(data: bytes) -> bytes | None:
    """The same picture, stored; None where anything is unusual, so that libvips may say what it is."""
    chunks = list(_chunks(data))
    if not chunks or chunks[0][0] != b"IHDR" or chunks[-1][0] != b"IEND":
        return None
    size = _raw_size(bytes(chunks[0][1]))
    kinds = [kind for kind, _ in chunks]
    if not 0 < size <= MOST or b"IDAT" not in kinds or b"acTL" in kinds:
        return None
    pieces = _unpacked(chunks, size)
    if pieces is None:
        return None
    parts: list[Bytes] = [_SIGNATURE]
    for index, (kind, body) in enumerate(chunks):
        if kind != b"IDAT":
            parts += _chunk(kind, [body])
        elif kinds[index - 1] != b"IDAT":
            parts += _chunk(kind, _stored(pieces))
    return b"".join(parts)


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Kind and body of each chunk up to the end, or to the first that is damaged."""
    view, at = memoryview(data), 8
    while at + 12 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body = view[at + 8 : at + 8 + size]
        if at + 12 + size > len(data) or isal_zlib.crc32(view[at + 4 : at + 8 + size]) != int.from_bytes(
            view[at + 8 + size : at + 12 + size], "big"
        ):
            return
        yield kind, body
        at += 12 + size
        if kind == b"IEND":
            return


def _unpacked(chunks: list[tuple[bytes, memoryview]], size: int) -> list[bytes] | None:
    """Exactly `size` bytes, in pieces, with a checksum that fits; None if there are others."""
    unpack, pieces, found = isal_zlib.decompressobj(), [], 0
    try:
        for kind, body in chunks:
            for begin in range(0, len(body) if kind == b"IDAT" else 0, _FED):
                pieces.append(unpack.decompress(body[begin : begin + _FED]))
                found += len(pieces[-1])
                if found > size:
                    return None
    # The library's stubs forget what it derives from.
    except igzip_lib.IsalError:  # type: ignore[misc]
        return None
    return pieces if unpack.eof and found == size else None


def _raw_size(header: bytes) -> int:
    """Bytes of all rows with their filters' numbers; 0 for what isn't done here."""
    if len(header) != 13:
        return 0
    width, height, depth, color, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    if interlaced or color not in _CHANNELS:
        return 0
    return int(height * (1 + (width * depth * _CHANNELS[color] + 7) // 8))


def _stored(pieces: list[bytes]) -> list[Bytes]:
    """A zlib stream (RFC 1950) of blocks that aren't compressed."""
    parts: list[Bytes] = [b"\x78\x01"]
    adler = 1
    for piece in pieces:
        adler = isal_zlib.adler32(piece, adler)
        for begin in range(0, len(piece), _STORED):
            block = memoryview(piece)[begin : begin + _STORED]
            parts += [struct.pack("<BHH", 0, len(block), len(block) ^ 0xFFFF), block]
    return [*parts, b"\1\0\0\xff\xff", struct.pack(">I", adler)]


def _chunk(kind: bytes, body: Sequence[Bytes]) -> list[Bytes]:
    crc = isal_zlib.crc32(kind)
    for part in body:
        crc = isal_zlib.crc32(part, crc)
    # Not joined before all is, as each copy of so many bytes takes as long as a tenth of the work.
    return [struct.pack(">I", sum(map(len, body))), kind, *body, struct.pack(">I", crc)]
