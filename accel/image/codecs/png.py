"""PNG both ways."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from deflate import DeflateError, adler32, crc32, zlib_compress, zlib_decompress
from kornia_rs.io import decode_image_png_u8
from msgspec import Struct
from numpy.typing import NDArray

from accel.image.codecs.stream import Picture
from accel.image.pixel_data import Pixels

_Decode = Callable[[bytes, tuple[int, int], str], Pixels]

_decode: _Decode | None
try:
    from kornia_rs.io import decode_image_png_u8
except ImportError:  # a version that calls it otherwise
    _decode = None
else:
    _decode = decode_image_png_u8

_MODES = {1: "mono", 3: "rgb", 4: "rgba"}
"""By the number of channels; it takes no grey with alpha."""


def unfilter(file: Callable[[], bytes], height: int, width: int, channels: int) -> Pixels | None:
    """The pixels of a PNG of 8 bits, height x width x channels.

    None where they can't be read so, or the file is broken, which is then another's to tell. Raises
    MemoryError.
    """
    if _decode is None or channels not in _MODES:
        return None
    try:
        return _decode(file(), (height, width), _MODES[channels])
    # It raises no class of its own.
    except Exception:
        return None
    except BaseException as error:
        # A panic of Rust's is no Exception; the one there is tells that numpy has no memory for the pixels.
        if type(error).__name__ != "PanicException":
            raise
        raise MemoryError from None


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


_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
"""By the first bytes: little or big endian."""
_ORIENTATION = 0x0112
_SHORT = 3
_UPRIGHT = 1


def is_upright(exif: bytes | memoryview) -> bool:
    """Whether nothing is to be turned; False as well where that isn't plainly said."""
    order = _ORDERS.get(bytes(exif[:4]))
    if order is None:
        return False
    try:
        (directory,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, directory)
        entries = [struct.unpack_from(f"{order}HHIH", exif, directory + 2 + 12 * at) for at in range(count)]
    except struct.error:
        return False
    said = [entry[1:] for entry in entries if entry[0] == _ORIENTATION]
    return said in ([], [(_SHORT, 1, _UPRIGHT)])


MAX_DECODED = 1 << 24
"""Bytes of pixels up to which they are taken: 2048 x 2048 of RGBA. A bomb takes no more. What is larger,
libvips reads as fast, in pieces that fit into a processor's cache."""
_CHANNELS = {type: channels for channels, type in COLOR_TYPES.items()}
_HEADER_END = len(SIGNATURE) + HEADER.size + 4
_CHUNK = struct.Struct(">I4s")
_DEFLATED = 8
"""The method of compression (RFC 1950, 2.2)."""
_SMALL_FILE = 1 << 14
"""Bytes that are inflated in less time than it takes to write them anew."""
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
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_RAW_PROFILE = b"Raw profile type "
"""How a text is called in which older programs put what EXIF says."""


class Inflated(Struct, frozen=True):
    """What the pixels of a file were before they were deflated."""

    height: int
    width: int
    channels: int
    contents: bytes
    """All of the file."""
    raw: bytearray
    """Of each row its filter's number, then its bytes."""
    checksum: bytes
    """That of `raw`, as it ends the deflated stream (RFC 1950, 2.2)."""

    def picture(self) -> Picture | None:
        """The image, for which `raw` is used up; None, and `raw` as it was, where filters are libvips'."""
        pixels = self._unfiltered() if self._has_filters() else self._together()
        if pixels is None:
            return None
        model = "rgb" if self.channels > 2 else "grey"
        return Picture(pixels, model, self.channels % 2 == 0)

    def _has_filters(self) -> bool:
        return bool(np.frombuffer(self.raw, np.uint8)[:: 1 + self.width * self.channels].any())

    def _unfiltered(self) -> Pixels | None:
        return unfilter(self._written, self.height, self.width, self.channels)

    def _together(self) -> Pixels:
        """The rows without their filters' numbers."""
        row = self.width * self.channels
        rows = memoryview(self.raw)
        # In place: as many bytes again would be given by the system page by page.
        for y in range(self.height):
            rows[y * row : (y + 1) * row] = rows[y * (1 + row) + 1 : (y + 1) * (1 + row)]
        pixels = np.frombuffer(self.raw, np.uint8, self.height * row)
        return pixels.reshape(self.height, self.width, self.channels)

    def stored(self) -> bytes:
        """A file of the same pixels that takes no time to inflate: of small images the same file."""
        return self.contents if len(self.raw) < _SMALL_FILE else self._written()

    def _written(self) -> bytes:
        """A file of the same pixels and nothing else, with its rows as they are."""
        raw = memoryview(self.raw)
        parts: list[bytes | memoryview] = [_STORED]
        for begin in range(0, len(raw), _MOST_STORED):
            block = raw[begin : begin + _MOST_STORED]
            is_last = begin + _MOST_STORED >= len(raw)
            parts += [_BLOCK.pack(is_last, len(block), len(block) ^ _MOST_STORED), block]
        parts.append(self.checksum)
        return b"".join([self.contents[:_HEADER_END], *chunk(b"IDAT", parts), END])


def inflate(contents: bytes, most_pixels: int, *, as_shown: bool = False) -> Inflated | None:
    """What an image of 8 bits a channel was made of. Opened so, it takes 0.4 to 0.8 of libvips' time
    where rows have no filter, and 0.55 to 0.8 where they have: less where the file is smaller.

    None for anything unusual, damage included: that is libvips' to judge. If `as_shown`, also where a colour
    profile or an orientation says how the pixels are shown.
    """
    size = _size(contents, most_pixels)
    deflated = _deflated(contents, as_shown) if size else None
    if size is None or deflated is None:
        return None
    height, width, channels = size
    length = height * (1 + width * channels)
    # libdeflate takes distances that leave the window; where all lies in the window, none does.
    if not deflated or _window(deflated[0]) < min(length, 1 << 15):
        return None
    try:
        raw = zlib_decompress(deflated, length)
    except DeflateError:
        return None
    # It says nothing of bytes that follow the stream, whose end is the checksum.
    checksum = deflated[-4:]
    if len(raw) < length or adler32(raw) != _number(checksum):
        return None
    return Inflated(height, width, channels, contents, raw, checksum)


def _window(flags: int) -> int:
    """Bytes of the window, by the first byte of a stream; 0 for one that isn't deflated (RFC 1950, 2.2)."""
    return 1 << (flags >> 4) + 8 if flags & 15 == _DEFLATED and flags >> 4 <= 7 else 0


def _size(contents: bytes, most_pixels: int) -> tuple[int, int, int] | None:
    """Height, width and channels."""
    if not contents.startswith(SIGNATURE) or len(contents) < len(SIGNATURE) + HEADER.size:
        return None
    _, name, width, height, depth, kind, *methods = HEADER.unpack_from(contents, len(SIGNATURE))
    channels = _CHANNELS.get(kind, 0)
    if name != b"IHDR" or depth != 8 or any(methods) or width * height > most_pixels:
        return None
    return (height, width, channels) if 0 < width * height * channels <= MAX_DECODED else None


def _deflated(contents: bytes, as_shown: bool) -> bytes | None:
    """What all chunks of pixels hold, of a file whose other chunks say nothing of them."""
    view = memoryview(contents)
    parts: list[memoryview] = []
    last = b""
    for name, data in _chunks(view):
        if name == b"IDAT" and (not parts or last == name):
            parts.append(data)
        elif name == b"IEND" and parts:
            return b"".join(parts)
        elif (name, last) != (b"IHDR", b"") and (name not in _ASIDE or (as_shown and _shows(name, data))):
            return None
        last = name
    return None


def _shows(name: bytes, data: memoryview) -> bool:
    """Whether the chunk changes how the pixels are shown, or may."""
    if name in _TEXTS:
        return bytes(data[: len(_RAW_PROFILE)]) == _RAW_PROFILE
    return name == b"iCCP" or (name == b"eXIf" and not is_upright(data))


def _chunks(view: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """The type and the data of each up to the first that isn't whole."""
    begin = len(SIGNATURE)
    while begin + _AROUND <= len(view):
        size, name = _CHUNK.unpack_from(view, begin)
        end = begin + _AROUND + size
        if end > len(view) or crc32(view[begin + 4 : end - 4]) != _number(view[end - 4 : end]):
            return
        yield name, view[begin + 8 : end - 4]
        begin = end


def _number(data: bytes | memoryview) -> int:
    return int.from_bytes(data, "big")


FAST = 1
"""A level for what is looked at once."""
USUAL = 2
"""As many bytes as zlib's level 3 or fewer, in six to nine tenths of the time; 3 takes a quarter longer for
2 % fewer."""
THOROUGH = 6
"""For drawings, in which repetitions are found in no time that lower levels leave."""

MAX_FILTERED = 1 << 26
"""Bytes of pixels up to which two copies of them are made."""

_ROWS = 16
"""Looked at in two places each."""
_SMALL = 1 << 16
"""Bytes of pixels for which looking would take as long as writing."""
_VANISHING = 8
"""How many times smaller rows become that are worth `THOROUGH`."""
_NONE, _UP = 0, 2
"""Numbers of filters (PNG, 9.2)."""

Rows = NDArray[np.uint8]


def write_png(pixels: Pixels, level: int) -> bytes:
    """A file of uint8 or uint16, height x width x 1 to 4 channels: grey or RGB, of an even number the last
    one is alpha."""
    height, width, channels = pixels.shape
    rows = _bytes(pixels)
    filter, level = _chosen(rows, level)
    header = struct.pack(">IIBBBBB", width, height, 8 * pixels.itemsize, COLOR_TYPES[channels], 0, 0, 0)
    deflated = zlib_compress(_filtered(rows, filter), level)
    return b"".join([SIGNATURE, *chunk(b"IHDR", [header]), *chunk(b"IDAT", [deflated]), END])


def channels_differ(pixels: Pixels) -> bool:
    """Whether rows become smaller as differences to the row above, as photographs and normal maps do, by a
    sixth to more than half; drawings become larger."""
    return _tried(_bytes(_some(pixels)), USUAL)[0] == _UP


def _bytes(pixels: Pixels) -> Rows:
    """Of each row the bytes as the file has them: of 16 bits the upper one first (PNG, 7.1)."""
    stored = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder(">"))
    return stored.view(np.uint8).reshape(len(pixels), -1)


def _chosen(rows: Rows, level: int) -> tuple[int, int]:
    """A filter and a level."""
    return (_NONE, level) if rows.size < _SMALL else _tried(_some(rows), level)


def _some(rows: NDArray[Any]) -> NDArray[Any]:
    """A few rows, from two places."""
    height = len(rows)
    thirds = np.r_[slice(height // 3, height // 3 + _ROWS), slice(height * 2 // 3, height * 2 // 3 + _ROWS)]
    some: NDArray[Any] = rows[thirds[thirds < height]]
    return some


def _tried(some: Rows, level: int) -> tuple[int, int]:
    """The filter and the level by which these rows become small."""
    # Not paeth, which takes half as long again for 4 % less.
    sizes = {filter: len(zlib_compress(_filtered(some, filter), USUAL)) for filter in (_NONE, _UP)}
    best = min(sizes, key=lambda filter: sizes[filter])
    return best, THOROUGH if level > FAST and sizes[best] * _VANISHING < some.size else level


def _filtered(rows: Rows, filter: int) -> Rows:
    """Each row behind the number of its filter."""
    made = np.empty((len(rows), 1 + rows.shape[1]), np.uint8)
    made[:, 0] = filter
    made[:, 1:] = rows
    if filter == _UP:
        # Above the first row all is 0.
        np.subtract(rows[1:], rows[:-1], out=made[1:, 1:])
    return made
