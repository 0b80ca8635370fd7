"""What libvips leaves undone: truncated JPEG, TIFF layout, HEIF boxes.

libvips decodes them once they have one; what is found out here is that no pixel is missing. The clauses are
those of ITU-T T.81.
"""

from __future__ import annotations

import base64
import functools
import io
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pyvips
from msgspec import Struct

END = b"\xff\xd9"
"""EOI (B.1.1.3)."""
LAST = 64
"""Rows at the bottom for which libvips doesn't look whether the decoder has warned, and more."""
LEAST = 16
"""Pixels a side, a unit of the frame: of less, too little shows to tell by what comes behind the data."""
FILLS = tuple(bytes([value]) * 64 for value in (0x00, 0x0F, 0x33, 0x55, 0x7F, 0xAA, 0xCC, 0xF0))
"""What may follow the data of a scan: who has all the bits that it needs passes over it."""

_MARKER = re.compile(rb"\xff+([\x01-\xfe])")
_FRAMES = (0xC0, 0xC1, 0xC2)
"""Frames by Huffman codes, whose decoder warns of what is missing; that of arithmetic codes doesn't."""
_SCAN, _INTERVAL, _RESTARTS = 0xDA, 0xDD, range(0xD0, 0xD8)
_BARE = (0x01, END[1], *_RESTARTS)
"""Markers without a length."""


class _Part(Struct):
    """A component: a colour."""

    across: int
    down: int
    """Its samples in a unit of the frame (A.1.1)."""
    left: list[int | None]
    """Bits of each coefficient that haven't come in any scan; None for all."""


class _Frame:
    """What a file says of its pixels until it ends."""

    def __init__(self) -> None:
        self._parts: dict[int, _Part] = {}
        self._sides = (0, 0)
        self._interval = 0
        self._missing = 0
        """Restarts that the scan still wants."""

    @property
    def complete(self) -> bool:
        """Whether all bits of all coefficients come in some scan, of which the last may be cut off."""
        left = [part.left for part in self._parts.values()]
        is_large = min(self._sides) >= LEAST
        return is_large and bool(left) and self._missing == 0 and all(b == 0 for each in left for b in each)

    def take(self, code: int, segment: bytes) -> None:
        """A marker with what it holds. Raises LookupError and ValueError where that is none."""
        if code in _FRAMES:
            self._begin(segment)
        elif code == _INTERVAL:
            self._interval = int.from_bytes(segment[:2], "big")
        elif code == _SCAN:
            self._scan(segment)
        elif code in _RESTARTS:
            self._missing -= 1

    def _begin(self, segment: bytes) -> None:
        self._sides = int.from_bytes(segment[3:5], "big"), int.from_bytes(segment[1:3], "big")
        places = range(6, 6 + 3 * segment[5], 3)
        self._parts = {
            segment[at]: _Part(segment[at + 1] >> 4, segment[at + 1] & 15, [None] * 64) for at in places
        }

    def _scan(self, segment: bytes) -> None:
        """B.2.3: which parts, their coefficients from which to which, and bits that come later."""
        count = segment[0]
        first, last, bits = segment[1 + 2 * count :][:3]
        parts = [self._parts[segment[at]] for at in range(1, 1 + 2 * count, 2)]
        for part in parts:
            part.left[first : last + 1] = [bits & 15] * (last + 1 - first)
        self._missing = (self._units(parts) - 1) // self._interval if self._interval else 0

    def _units(self, parts: list[_Part]) -> int:
        """How many units a scan has: of several parts those of the frame, of one its blocks (A.2)."""
        across = max(part.across for part in self._parts.values())
        down = max(part.down for part in self._parts.values())
        width, height = self._sides
        if len(parts) > 1:
            return _times(width, 8 * across) * _times(height, 8 * down)
        (part,) = parts
        wide, high = _times(width * part.across, across), _times(height * part.down, down)
        return _times(wide, 8) * _times(high, 8)


def _times(length: int, step: int) -> int:
    """How many steps cover a length. Raises ValueError where there is no step."""
    if not step:
        raise ValueError("a part has no samples")
    return (length + step - 1) // step


def repaired_jpeg(path: Path) -> bytes:
    """As `mended`, of a file, which is read only where it doesn't end by the marker. Raises OSError."""
    with path.open("rb") as file:
        file.seek(-min(len(END), file.seek(0, 2)), 2)
        if file.read() == END:
            return b""
        file.seek(0)
        return repair_jpeg(file.read())


def repair_jpeg(contents: bytes) -> bytes:
    """A JPEG with the end marker that it lacks; empty where it has one, or lacks more than that."""
    if contents.endswith(END):
        return b""
    # Half an end marker, or half of what stands for a byte of 255 in a scan (B.1.1.5).
    contents = contents.rstrip(b"\xff")
    frame = _Frame()
    try:
        for code, segment in _segments(contents):
            if code == END[1]:
                return b""
            frame.take(code, segment)
    except (LookupError, ValueError):
        return b""
    return contents + END if frame.complete and _all_bits_in(contents) else b""


def _segments(contents: bytes) -> Iterator[tuple[int, bytes]]:
    """Markers with what their segments hold (B.1.1.4). Raises ValueError where one is cut off."""
    at = 2
    while found := _MARKER.search(contents, at):
        code, at = found[1][0], found.end()
        end = at if code in _BARE else at + int.from_bytes(contents[at : at + 2], "big")
        if end > len(contents):
            raise ValueError("a segment is cut off")
        yield code, contents[at + 2 : end]
        at = end


def _all_bits_in(contents: bytes) -> bool:
    """Whether the decoder finds all bits of the scans: then it warns of nothing, and what comes behind them
    makes no difference to the last rows, after which nobody looks whether it has warned."""
    try:
        rows = _last_rows(contents + END, "warning")
        return all(_last_rows(contents + fill + END, "error") == rows for fill in FILLS)
    except pyvips.Error:
        return False


def _last_rows(contents: bytes, fail_on: str) -> bytes:
    image = pyvips.Image.jpegload_buffer(contents, access="sequential", fail_on=fail_on)
    rows = min(LAST, image.height)
    return bytes(image.crop(0, image.height - rows, image.width, rows).write_to_memory())


# TIFF 6.0, section 8: PhotometricInterpretation, SamplesPerPixel and PlanarConfiguration.
_PHOTOMETRIC, _SAMPLES, _PLANAR = 262, 277, 284
_RGB, _INKS, _YCBCR = 2, 5, 6
_APART = 2
_SHORT = 3
"""The type of all values."""


class _Kind(Struct, frozen=True):
    """How the numbers of a directory are stored; each entry begins with a tag and a type of 2 bytes."""

    begin: int
    """Where the place of the first directory stands."""
    place: str
    """The layout of that, and of a value's number."""
    count: str
    """The layout of the number of entries."""


# TIFF 6.0, section 2, and BigTIFF.
_KINDS = {42: _Kind(4, "I", "H"), 43: _Kind(8, "Q", "Q")}
_MOST = 4096
"""Entries that are looked at; files have some dozens."""


def has_mixed_layout(file: BinaryIO, half: bool) -> bool:
    """Whether libvips 8.18 mixes up the texels of the first image: where each of several channels (colours of
    a palette are one) is stored by itself, it reads but RGB and inks as if it weren't, and these too if they
    are `half` floats. What is damaged isn't: others tell of it."""
    try:
        said = _shorts(file)
    except (struct.error, OverflowError, ValueError):
        return False
    sound = said.get(_PHOTOMETRIC) in (_RGB, _INKS, _YCBCR) and not half
    return said.get(_PLANAR) == _APART and said.get(_SAMPLES, 1) > 1 and not sound


def _shorts(file: BinaryIO) -> dict[int, int]:
    """The values of the first directory that are a single short, by their tags. Raises struct.error."""
    order = "<" if file.read(2) == b"II" else ">"

    def numbers(layout: str) -> tuple[int, ...]:
        found: tuple[int, ...] = struct.unpack(order + layout, file.read(struct.calcsize(order + layout)))
        return found

    kind = _KINDS.get(numbers("H")[0])
    if kind is None:
        return {}
    file.seek(kind.begin)
    file.seek(numbers(kind.place)[0])
    # A short stands at the beginning of the entry's last part, which holds what fits into it.
    rest = struct.calcsize(f"={kind.place}") - 2
    entries = [numbers(f"2H{kind.place}H{rest}x") for _ in range(min(numbers(kind.count)[0], _MOST))]
    return {tag: value for tag, type, count, value in entries if (type, count) == (_SHORT, 1)}


LOADER = "heifload"
"""libvips' operation for them."""
MOST = 1 << 20
"""Bytes of `meta` that are looked at: it is a few hundred, and more where there are many tiles."""

_PROBE = base64.b85decode(
    b"c-mc1K}*9h6n?FBR@uf-"
    b"2SbM7O~ixUNqTb?|3}DD`y^>Ynw9oAJbLr&UG^`1Njn7}ynOHbUh?uK0I<w$r&)tJP&ibWCkh$ypjE;$=;Nl?NHf%+kz4o|Q"
    b";k;nDxkbaS#d|60Ya}(27AIe@t%DVPAJ!irN7>Hu84?mn8TWfB&%fQZ~p6qedkH)!uz{LBl2G#MkqQP_-RwNZKZeMJba@zns"
    b"A4jSA>^XYcZS~Ji2$Z=!KY;F>8`+2TLbh@JgDJ%a-"
    b";{VC1An8lSmhYsyq<@#>d#%8~1|?rJMkozfnZ$V`{AgW+q`>hQB<E(*f;2to(Pq}-"
    b"_uv*&OYEnqZX9nD}&<b=o~E|OI|gO|6@k5lsl=7&vh"
)
"""An AVIF of one pixel, packed: grey 100 with alpha 128, multiplied by it, and so 50, in limited range 59."""

_MONOCHROME, _FULL_RANGE = 0x10, 0x80


class HeifProperties(Struct, frozen=True):
    """What the boxes say of the picture that is shown."""

    multiplied: bool = False
    """Whether its colours are multiplied by alpha (`prem`, ISO/IEC 23008-12, section 6.10.1.1)."""
    limited_grey: bool = False
    """Whether it is grey whose black is 16 of 255, and white 235."""


def repair_heif(image: pyvips.Image, file: BinaryIO) -> pyvips.Image:
    """The image of a `file` with straight colours of full range, as libvips gives all but these. Raises
    pyvips.Error and OSError."""
    told = heif_properties(file)
    if told == HeifProperties():
        return image
    left = _left_undone()
    limited, multiplied = told.limited_grey and left.limited_grey, told.multiplied and left.multiplied
    if not (limited or (multiplied and image.hasalpha())):
        return image
    bits = image.get("bits-per-sample") if image.get_typeof("bits-per-sample") else 8
    # libvips puts 10 and 12 bits into the upper ones of 16.
    step, top = (1 << 16 - bits if image.format == "ushort" else 1), (1 << bits) - 1
    codes = image / step
    if limited:
        codes = _full_range(codes, image.bands - bool(image.hasalpha()), bits)
    if multiplied and image.hasalpha():
        codes = codes.unpremultiply(max_alpha=top)
    whole = (codes.rint() > top).ifthenelse(top, codes.rint())
    return (whole * step).cast(image.format).copy(interpretation=image.interpretation)


def _full_range(codes: pyvips.Image, colors: int, bits: int) -> pyvips.Image:
    """Black and white where all bits of them are 0 and 1 (ITU-T H.273, section 8.3); alpha has them there."""
    scale = ((1 << bits) - 1) / (219 << bits - 8)
    wide = (codes[:colors] - (16 << bits - 8)) * scale
    return wide.bandjoin(codes[colors]) if codes.bands > colors else wide


@functools.cache
def _left_undone() -> HeifProperties:
    """What the libvips that is installed leaves undone: a later one may do it itself."""
    found = pyvips.Image.heifload_buffer(zlib.decompress(_PROBE))(0, 0)[0]
    return HeifProperties(multiplied=found in (59, 50), limited_grey=found in (59, 118))


def heif_properties(file: BinaryIO) -> HeifProperties:
    """What the boxes of a file say, which is nothing where they can't be followed. Raises OSError."""
    try:
        return _said(_meta(file))
    except (struct.error, IndexError, ValueError):
        return HeifProperties()


def _meta(file: BinaryIO) -> bytes:
    """What is in the box `meta` (ISO/IEC 14496-12, section 8.11.1), behind its version."""
    end = file.seek(0, io.SEEK_END)
    file.seek(0)
    while head := file.read(8):
        size, kind = struct.unpack(">I4s", head)
        begun = 8
        if size == 1:
            (size,), begun = struct.unpack(">Q", file.read(8)), 16
        if kind == b"meta":
            return file.read(min(size - begun, MOST) if size else MOST)[4:]
        if not begun <= size <= end:
            break
        file.seek(size - begun, 1)
    return b""


def _said(meta: bytes) -> HeifProperties:
    boxes = dict(_boxes(meta))
    if b"pitm" not in boxes:
        return HeifProperties()
    primary = boxes[b"pitm"]
    (shown,) = struct.unpack_from(">I" if primary[0] else ">H", primary, 4)
    multiplied = _is_multiplied(boxes.get(b"iref", b""), shown)
    return HeifProperties(multiplied, _is_limited_grey(_properties(boxes.get(b"iprp", b""), shown)))


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each box by its type, and what is in it."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        size = size or len(data) - at
        if size < 8:
            return
        yield kind, data[at + 8 : at + size]
        at += size


def _is_multiplied(references: bytes, shown: int) -> bool:
    if not references:
        return False
    number = ">I" if references[0] else ">H"
    return any(
        kind == b"prem" and struct.unpack_from(number, data)[0] == shown
        for kind, data in _boxes(references[4:])
    )


def _properties(data: bytes, shown: int) -> Iterator[tuple[bytes, bytes]]:
    """The properties of the picture that is shown."""
    boxes = dict(_boxes(data))
    known = list(_boxes(boxes.get(b"ipco", b"")))
    yield from (known[index - 1] for index in _associated(boxes.get(b"ipma", b""), shown) if index)


def _associated(data: bytes, shown: int) -> Iterator[int]:
    """The properties' numbers, from 1 (ISO/IEC 23008-12, section 9.3.2)."""
    if not data:
        return
    number, index = (">I" if data[0] else ">H"), (">H" if data[3] & 1 else ">B")
    essential = 0x8000 if data[3] & 1 else 0x80
    (count,) = struct.unpack_from(">I", data, 4)
    at = 8
    for _ in range(count):
        (item,) = struct.unpack_from(number, data, at)
        at += struct.calcsize(number)
        each, at = data[at], at + 1
        if item == shown:
            yield from (
                struct.unpack_from(index, data, at + place * struct.calcsize(index))[0] & ~essential
                for place in range(each)
            )
        at += each * struct.calcsize(index)


def _is_limited_grey(properties: Iterator[tuple[bytes, bytes]]) -> bool:
    """By the colours' description, and by what says that there is one channel; of tiles that is `pixi`."""
    limited = grey = False
    for kind, data in properties:
        if kind == b"colr" and data[:4] == b"nclx":
            limited = not data[10] & _FULL_RANGE
        elif kind == b"av1C":
            grey = grey or bool(data[2] & _MONOCHROME)
        elif kind == b"pixi":
            grey = grey or data[4] == 1
    return limited and grey
