"""Reads 8-bit PNG and writes 8- and 16-bit PNG with libdeflate, faster than libvips."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from deflate import DeflateError, adler32, crc32, zlib_compress, zlib_decompress
from msgspec import Struct
from numpy.typing import NDArray

from accel.image.codecs.stream import Picture
from accel.image.pixel_data import Pixels

_Decode = Callable[[bytes, tuple[int, int], str], Pixels]

_decode: _Decode | None
try:
    from kornia_rs.io import decode_image_png_u8
except ImportError:  # another version uses another name
    _decode = None
else:
    _decode = decode_image_png_u8

_MODES = {1: "mono", 3: "rgb", 4: "rgba"}
"""The library's modes by number of channels; it doesn't support grey with alpha."""


def unfilter(file: Callable[[], bytes], height: int, width: int, channels: int) -> Pixels | None:
    """Decodes an 8-bit PNG to height x width x channels with kornia-rs.

    Returns None if it can't or the file is damaged; libvips reports the reason. Raises MemoryError.
    """
    if _decode is None or channels not in _MODES:
        return None
    try:
        return _decode(file(), (height, width), _MODES[channels])
    # The library raises exceptions of various classes.
    except Exception:
        return None
    except BaseException as error:
        # A Rust panic isn't an Exception. Here it means that the pixels don't fit into memory.
        if type(error).__name__ != "PanicException":
            raise
        raise MemoryError from None


SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER = struct.Struct(">I4sIIBBBBB")
"""The first chunk, IHDR: size, name, width, height, depth, colour type, methods."""
COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""PNG colour types by number of channels; palettes aren't supported."""
END = b"\0\0\0\0IEND\xae\x42\x60\x82"


Piece = bytes | bytearray | memoryview


def chunk(name: bytes, data: Sequence[Piece]) -> list[Piece]:
    """Returns a chunk as pieces to be joined: length, name, `data` and checksum."""
    checksum = crc32(name)
    for piece in data:
        checksum = crc32(piece, checksum)
    return [sum(map(len, data)).to_bytes(4, "big"), name, *data, checksum.to_bytes(4, "big")]


_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
"""Byte order by the first bytes: little- or big-endian."""
_ORIENTATION = 0x0112
_SHORT = 3
_UPRIGHT = 1


def is_upright(exif: bytes | memoryview) -> bool:
    """Whether EXIF data definitely contain no rotation or mirroring."""
    order = _ORDERS.get(bytes(exif[:4]))
    if order is None:
        return False
    try:
        (directory,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, directory)
        entries = [struct.unpack_from(f"{order}HHIH", exif, directory + 2 + 12 * at) for at in range(count)]
    except struct.error:
        return False
    orientations = [entry[1:] for entry in entries if entry[0] == _ORIENTATION]
    return orientations in ([], [(_SHORT, 1, _UPRIGHT)])


MAX_DECODED = 1 << 24
"""Maximum bytes of pixels (2048 x 2048 RGBA), which also limits decompression bombs. For larger images
libvips is just as fast, because its strips fit into the CPU cache."""
_CHANNELS = {type: channels for channels, type in COLOR_TYPES.items()}
_HEADER_END = len(SIGNATURE) + HEADER.size + 4
_CHUNK = struct.Struct(">I4s")
_DEFLATED = 8
"""The compression method (RFC 1950, 2.2)."""
_SMALL_FILE = 1 << 14
"""File size below which inflating again is faster than writing an uncompressed file."""
_STORED = b"\x78\x01"
"""The header of a zlib stream without compression."""
_BLOCK = struct.Struct("<BHH")
"""The header of a stored block: whether it is the last, its length and the complement (RFC 1951, 3.2.4)."""
_MOST_STORED = 0xFFFF
_CHUNK_OVERHEAD = 12
"""Bytes of a chunk besides its data: length, type and checksum."""
_METADATA = frozenset(
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
"""Chunks that don't affect pixels."""
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_RAW_PROFILE = b"Raw profile type "
"""Keyword prefix of the text chunks in which older programs store EXIF data."""


class InflatedPng(Struct, frozen=True):
    """The inflated pixel data of a PNG."""

    height: int
    width: int
    channels: int
    contents: bytes
    """The whole file."""
    raw: bytearray
    """Each row's filter number and filtered bytes."""
    checksum: bytes
    """Checksum of `raw`, from the end of the zlib stream (RFC 1950, 2.2)."""

    def picture(self) -> Picture | None:
        """Returns the image and overwrites `raw`; or None, without changes, if libvips must undo filters."""
        pixels = self._undo_filters() if self._has_filters() else self._remove_filter_numbers()
        if pixels is None:
            return None
        model = "rgb" if self.channels > 2 else "grey"
        return Picture(pixels, model, self.channels % 2 == 0)

    def _has_filters(self) -> bool:
        return bool(np.frombuffer(self.raw, np.uint8)[:: 1 + self.width * self.channels].any())

    def _undo_filters(self) -> Pixels | None:
        return unfilter(self._uncompressed_png, self.height, self.width, self.channels)

    def _remove_filter_numbers(self) -> Pixels:
        """Removes each row's filter number."""
        row = self.width * self.channels
        rows = memoryview(self.raw)
        # In place, because allocating the pages of a copy takes time.
        for y in range(self.height):
            rows[y * row : (y + 1) * row] = rows[y * (1 + row) + 1 : (y + 1) * (1 + row)]
        pixels = np.frombuffer(self.raw, np.uint8, self.height * row)
        return pixels.reshape(self.height, self.width, self.channels)

    def stored(self) -> bytes:
        """Returns an uncompressed PNG with the same pixels; a small file is returned unchanged."""
        return self.contents if len(self.raw) < _SMALL_FILE else self._uncompressed_png()

    def _uncompressed_png(self) -> bytes:
        """Returns an uncompressed PNG with the same filtered rows, without metadata."""
        raw = memoryview(self.raw)
        parts: list[bytes | memoryview] = [_STORED]
        for begin in range(0, len(raw), _MOST_STORED):
            block = raw[begin : begin + _MOST_STORED]
            is_last = begin + _MOST_STORED >= len(raw)
            parts += [_BLOCK.pack(is_last, len(block), len(block) ^ _MOST_STORED), block]
        parts.append(self.checksum)
        return b"".join([self.contents[:_HEADER_END], *chunk(b"IDAT", parts), END])


def inflate(contents: bytes, most_pixels: int, *, as_shown: bool = False) -> InflatedPng | None:
    """Inflates the pixels of an 8-bit PNG.

    Takes 0.4 to 0.8 of libvips' time without filters and 0.55 to 0.8 with filters, less for smaller files.
    Returns None for anything unusual or damaged, which is left to libvips. With `as_shown`, it also returns
    None if a colour profile or an orientation changes how the pixels look.
    """
    size = _size(contents, most_pixels)
    deflated = _pixel_data(contents, as_shown) if size else None
    if size is None or deflated is None:
        return None
    height, width, channels = size
    length = height * (1 + width * channels)
    # libdeflate accepts distances beyond the window. None exist if all data fit in the window.
    if not deflated or _window(deflated[0]) < min(length, 1 << 15):
        return None
    try:
        raw = zlib_decompress(deflated, length)
    except DeflateError:
        return None
    # libdeflate ignores bytes after the stream, which must end with the checksum.
    checksum = deflated[-4:]
    if len(raw) < length or adler32(raw) != _number(checksum):
        return None
    return InflatedPng(height, width, channels, contents, raw, checksum)


def _window(flags: int) -> int:
    """Returns the window size from the first byte of a zlib stream, or 0 if it isn't deflate (RFC 1950,
    2.2)."""
    return 1 << (flags >> 4) + 8 if flags & 15 == _DEFLATED and flags >> 4 <= 7 else 0


def _size(contents: bytes, most_pixels: int) -> tuple[int, int, int] | None:
    """Returns height, width and channels, or None for an unsupported header."""
    if not contents.startswith(SIGNATURE) or len(contents) < len(SIGNATURE) + HEADER.size:
        return None
    _, name, width, height, depth, kind, *methods = HEADER.unpack_from(contents, len(SIGNATURE))
    channels = _CHANNELS.get(kind, 0)
    if name != b"IHDR" or depth != 8 or any(methods) or width * height > most_pixels:
        return None
    return (height, width, channels) if 0 < width * height * channels <= MAX_DECODED else None


def _pixel_data(contents: bytes, as_shown: bool) -> bytes | None:
    """Returns the data of all IDAT chunks, or None if another chunk may affect the pixels."""
    view = memoryview(contents)
    parts: list[memoryview] = []
    last = b""
    for name, data in _chunks(view):
        if name == b"IDAT" and (not parts or last == name):
            parts.append(data)
        elif name == b"IEND" and parts:
            return b"".join(parts)
        elif (name, last) != (b"IHDR", b"") and (
            name not in _METADATA or (as_shown and _affects_display(name, data))
        ):
            return None
        last = name
    return None


def _affects_display(name: bytes, data: memoryview) -> bool:
    """Whether the chunk may change how the pixels look."""
    if name in _TEXTS:
        return bytes(data[: len(_RAW_PROFILE)]) == _RAW_PROFILE
    return name == b"iCCP" or (name == b"eXIf" and not is_upright(data))


def _chunks(view: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yields the type and data of each chunk up to the first damaged one."""
    begin = len(SIGNATURE)
    while begin + _CHUNK_OVERHEAD <= len(view):
        size, name = _CHUNK.unpack_from(view, begin)
        end = begin + _CHUNK_OVERHEAD + size
        if end > len(view) or crc32(view[begin + 4 : end - 4]) != _number(view[end - 4 : end]):
            return
        yield name, view[begin + 8 : end - 4]
        begin = end


def _number(data: bytes | memoryview) -> int:
    return int.from_bytes(data, "big")


FAST = 1
"""Compression level for temporary images."""
USUAL = 2
"""Same size as zlib's level 3 in 0.6 to 0.9 of the time. Level 3 takes a quarter longer to save 2 %."""
THOROUGH = 6
"""For drawings, whose repetitions lower levels miss and this one finds quickly."""

MAX_FILTERED = 1 << 26
"""Maximum bytes of pixels to encode here, because it takes two copies."""

_ROWS = 16
"""Rows in each of the two samples."""
_SMALL = 1 << 16
"""Bytes of pixels below which sampling takes as long as writing."""
_COMPRESSIBLE = 8
"""Compression ratio of a sample from which to use `THOROUGH`."""
_NONE, _UP = 0, 2
"""Filter numbers (PNG, 9.2)."""

Rows = NDArray[np.uint8]


def write_png(pixels: Pixels, level: int) -> bytes:
    """Encodes uint8 or uint16 pixels, height x width x 1 to 4: grey, grey and alpha, RGB or RGBA."""
    height, width, channels = pixels.shape
    rows = _bytes(pixels)
    filter, level = _choose(rows, level)
    header = struct.pack(">IIBBBBB", width, height, 8 * pixels.itemsize, COLOR_TYPES[channels], 0, 0, 0)
    deflated = zlib_compress(_filter(rows, filter), level)
    return b"".join([SIGNATURE, *chunk(b"IHDR", [header]), *chunk(b"IDAT", [deflated]), END])


def channels_differ(pixels: Pixels) -> bool:
    """Whether differences from the row above compress better than the rows themselves.

    They make photographs and normal maps a sixth to over half smaller, and drawings larger.
    """
    return _try_filters(_bytes(_sample(pixels)), USUAL)[0] == _UP


def _bytes(pixels: Pixels) -> Rows:
    """Returns rows x bytes as stored in the file; 16-bit values are big-endian (PNG, 7.1)."""
    stored = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder(">"))
    return stored.view(np.uint8).reshape(len(pixels), -1)


def _choose(rows: Rows, level: int) -> tuple[int, int]:
    """Returns the filter and compression level to use."""
    return (_NONE, level) if rows.size < _SMALL else _try_filters(_sample(rows), level)


def _sample(rows: NDArray[Any]) -> NDArray[Any]:
    """Returns a few rows from two places."""
    height = len(rows)
    thirds = np.r_[slice(height // 3, height // 3 + _ROWS), slice(height * 2 // 3, height * 2 // 3 + _ROWS)]
    some: NDArray[Any] = rows[thirds[thirds < height]]
    return some


def _try_filters(some: Rows, level: int) -> tuple[int, int]:
    """Returns the filter and level that compress these rows best."""
    # Not Paeth, which takes half as long again to save 4 %.
    sizes = {filter: len(zlib_compress(_filter(some, filter), USUAL)) for filter in (_NONE, _UP)}
    best = min(sizes, key=lambda filter: sizes[filter])
    return best, THOROUGH if level > FAST and sizes[best] * _COMPRESSIBLE < some.size else level


def _filter(rows: Rows, filter: int) -> Rows:
    """Returns each row as its filter number and filtered bytes."""
    result = np.empty((len(rows), 1 + rows.shape[1]), np.uint8)
    result[:, 0] = filter
    result[:, 1:] = rows
    if filter == _UP:
        # The row above the first counts as 0.
        np.subtract(rows[1:], rows[:-1], out=result[1:, 1:])
    return result
