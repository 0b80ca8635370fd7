"""PNG of 8 bits a channel, inflated by libdeflate: in less time than libvips takes."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
from deflate import DeflateError, adler32, crc32, zlib_decompress
from msgspec import Struct

from accel.image.decoded import Pixels
from accel.image.pngfile import COLOR_TYPES, END, HEADER, SIGNATURE, chunk
from accel.image.readers import exif
from accel.image.readers.stream import Picture
from accel.image.readers.unfiltering import unfiltered

MOST = 1 << 24
"""Bytes of pixels up to which they are taken: 2048 x 2048 of RGBA. A bomb takes no more. What is larger,
libvips reads as fast, in pieces that fit into a processor's cache."""
_CHANNELS = {type: channels for channels, type in COLOR_TYPES.items()}
_HEADER_END = len(SIGNATURE) + HEADER.size + 4
_CHUNK = struct.Struct(">I4s")
_DEFLATED = 8
"""The method of compression (RFC 1950, 2.2)."""
_SMALL = 1 << 14
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
        return unfiltered(self._written, self.height, self.width, self.channels)

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
        return self.contents if len(self.raw) < _SMALL else self._written()

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
    return (height, width, channels) if 0 < width * height * channels <= MOST else None


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
    return name == b"iCCP" or (name == b"eXIf" and not exif.is_upright(data))


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
