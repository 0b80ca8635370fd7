"""Workarounds for libvips: JPEG without an end marker, planar TIFF, premultiplied or limited-range HEIF.

libvips refuses a JPEG that lacks its end marker even if its data are complete. Clause numbers refer to ITU-T
T.81.
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
LAST_ROWS = 64
"""Bottom rows to compare: at least those after which libvips ignores the decoder's warnings."""
MIN_SIDE = 16
"""Minimum side length in pixels: smaller images reveal too little of what follows the data."""
FILLS = tuple(bytes([value]) * 64 for value in (0x00, 0x0F, 0x33, 0x55, 0x7F, 0xAA, 0xCC, 0xF0))
"""Bytes appended to a scan. A decoder that already has all the bits it needs ignores them."""

_MARKER = re.compile(rb"\xff+([\x01-\xfe])")
_FRAMES = (0xC0, 0xC1, 0xC2)
"""Huffman-coded frames. The decoder warns of missing data only for these, not for arithmetic coding."""
_SCAN, _INTERVAL, _RESTARTS = 0xDA, 0xDD, range(0xD0, 0xD8)
_BARE = (0x01, END[1], *_RESTARTS)
"""Markers without a length."""


class _Component(Struct):
    across: int
    down: int
    """Sampling factors (A.1.1)."""
    left: list[int | None]
    """The low bits still missing from each coefficient; None for all of them."""


class _Frame:
    """State of a frame while its scans are read."""

    def __init__(self) -> None:
        self._components: dict[int, _Component] = {}
        self._sides = (0, 0)
        self._interval = 0
        self._missing = 0
        """Number of restart markers that the scan still lacks."""

    @property
    def complete(self) -> bool:
        """Whether the scans contain all bits of all coefficients; the last scan may be truncated."""
        left = [part.left for part in self._components.values()]
        is_large = min(self._sides) >= MIN_SIDE
        return is_large and bool(left) and self._missing == 0 and all(b == 0 for each in left for b in each)

    def take(self, code: int, segment: bytes) -> None:
        """Processes a marker segment. Raises LookupError or ValueError if it is invalid."""
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
        self._components = {
            segment[at]: _Component(segment[at + 1] >> 4, segment[at + 1] & 15, [None] * 64) for at in places
        }

    def _scan(self, segment: bytes) -> None:
        """Processes a scan header (B.2.3): components, spectral selection and successive approximation."""
        count = segment[0]
        first, last, bits = segment[1 + 2 * count :][:3]
        parts = [self._components[segment[at]] for at in range(1, 1 + 2 * count, 2)]
        for part in parts:
            part.left[first : last + 1] = [bits & 15] * (last + 1 - first)
        self._missing = (self._units(parts) - 1) // self._interval if self._interval else 0

    def _units(self, parts: list[_Component]) -> int:
        """Returns the number of MCUs in a scan; with a single component, that of its blocks (A.2)."""
        across = max(part.across for part in self._components.values())
        down = max(part.down for part in self._components.values())
        width, height = self._sides
        if len(parts) > 1:
            return _ceil_div(width, 8 * across) * _ceil_div(height, 8 * down)
        (part,) = parts
        wide, high = _ceil_div(width * part.across, across), _ceil_div(height * part.down, down)
        return _ceil_div(wide, 8) * _ceil_div(high, 8)


def _ceil_div(length: int, step: int) -> int:
    """Divides and rounds up. Raises ValueError for a step of 0."""
    if not step:
        raise ValueError("a component has no samples")
    return (length + step - 1) // step


def repaired_jpeg(path: Path) -> bytes:
    """Like `repair_jpeg`, but reads the file only if it lacks the end marker. Raises OSError."""
    with path.open("rb") as file:
        file.seek(-min(len(END), file.seek(0, 2)), 2)
        if file.read() == END:
            return b""
        file.seek(0)
        return repair_jpeg(file.read())


def repair_jpeg(contents: bytes) -> bytes:
    """Returns the JPEG with its missing end marker; empty if the marker is there or more is missing."""
    if contents.endswith(END):
        return b""
    # Drop half of an end marker, or of a stuffed byte of 255 in a scan (B.1.1.5).
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
    """Yields marker codes and the contents of their segments (B.1.1.4).

    Raises ValueError for a truncated segment.
    """
    at = 2
    while found := _MARKER.search(contents, at):
        code, at = found[1][0], found.end()
        end = at if code in _BARE else at + int.from_bytes(contents[at : at + 2], "big")
        if end > len(contents):
            raise ValueError("a segment is truncated")
        yield code, contents[at + 2 : end]
        at = end


def _all_bits_in(contents: bytes) -> bool:
    """Whether the decoder finds all bits of the scans.

    If it does, it doesn't warn, and the last rows, for which libvips ignores warnings, don't depend on what
    follows.
    """
    try:
        rows = _last_rows(contents + END, "warning")
        return all(_last_rows(contents + fill + END, "error") == rows for fill in FILLS)
    except pyvips.Error:
        return False


def _last_rows(contents: bytes, fail_on: str) -> bytes:
    image = pyvips.Image.jpegload_buffer(contents, access="sequential", fail_on=fail_on)
    rows = min(LAST_ROWS, image.height)
    return bytes(image.crop(0, image.height - rows, image.width, rows).write_to_memory())


# TIFF 6.0, section 8: PhotometricInterpretation, SamplesPerPixel and PlanarConfiguration.
_PHOTOMETRIC, _SAMPLES, _PLANAR = 262, 277, 284
_RGB, _INKS, _YCBCR = 2, 5, 6
_SEPARATE = 2
_SHORT = 3
"""The field type of all values."""


class _Variant(Struct, frozen=True):
    """The integer sizes of classic TIFF or BigTIFF."""

    begin: int
    """Position of the first directory's offset."""
    place: str
    """`struct` format of offsets and value counts."""
    count: str
    """`struct` format of the number of entries."""


# TIFF 6.0, section 2, and BigTIFF.
_VARIANTS = {42: _Variant(4, "I", "H"), 43: _Variant(8, "Q", "Q")}
_MAX_ENTRIES = 4096
"""Maximum number of directory entries to read; files have dozens."""


def has_mixed_layout(file: BinaryIO, half: bool) -> bool:
    """Whether libvips 8.18 would scramble the texels of the first image.

    libvips reads separate planes as if they were interleaved, except for RGB, YCbCr and inks that aren't
    `half` floats. Returns False for damaged files, which the decoder reports.
    """
    try:
        tags = _read_tags(file)
    except (struct.error, OverflowError, ValueError):
        return False
    supported = tags.get(_PHOTOMETRIC) in (_RGB, _INKS, _YCBCR) and not half
    return tags.get(_PLANAR) == _SEPARATE and tags.get(_SAMPLES, 1) > 1 and not supported


def _read_tags(file: BinaryIO) -> dict[int, int]:
    """Returns the first directory's fields that are a single short, by tag. Raises struct.error."""
    order = "<" if file.read(2) == b"II" else ">"

    def numbers(layout: str) -> tuple[int, ...]:
        found: tuple[int, ...] = struct.unpack(order + layout, file.read(struct.calcsize(order + layout)))
        return found

    kind = _VARIANTS.get(numbers("H")[0])
    if kind is None:
        return {}
    file.seek(kind.begin)
    file.seek(numbers(kind.place)[0])
    # The entry itself stores a short, at the start of its value field.
    rest = struct.calcsize(f"={kind.place}") - 2
    entries = [numbers(f"2H{kind.place}H{rest}x") for _ in range(min(numbers(kind.count)[0], _MAX_ENTRIES))]
    return {tag: value for tag, type, count, value in entries if (type, count) == (_SHORT, 1)}


LOADER = "heifload"
"""libvips' operation for HEIF and AVIF."""
MAX_META = 1 << 20
"""Maximum number of bytes of `meta` to read; it has a few hundred, more with many tiles."""

_PROBE = base64.b85decode(
    b"c-mc1K}*9h6n?FBR@uf-"
    b"2SbM7O~ixUNqTb?|3}DD`y^>Ynw9oAJbLr&UG^`1Njn7}ynOHbUh?uK0I<w$r&)tJP&ibWCkh$ypjE;$=;Nl?NHf%+kz4o|Q"
    b";k;nDxkbaS#d|60Ya}(27AIe@t%DVPAJ!irN7>Hu84?mn8TWfB&%fQZ~p6qedkH)!uz{LBl2G#MkqQP_-RwNZKZeMJba@zns"
    b"A4jSA>^XYcZS~Ji2$Z=!KY;F>8`+2TLbh@JgDJ%a-"
    b";{VC1An8lSmhYsyq<@#>d#%8~1|?rJMkozfnZ$V`{AgW+q`>hQB<E(*f;2to(Pq}-"
    b"_uv*&OYEnqZX9nD}&<b=o~E|OI|gO|6@k5lsl=7&vh"
)
"""A compressed one-pixel AVIF with grey 100 and alpha 128; premultiplied it is 50, or 59 in limited range."""

_MONOCHROME, _FULL_RANGE = 0x10, 0x80


class HeifProperties(Struct, frozen=True):
    """Properties of the primary image that libvips ignores."""

    multiplied: bool = False
    """Whether alpha is premultiplied (`prem`, ISO/IEC 23008-12, section 6.10.1.1)."""
    limited_grey: bool = False
    """Whether it is grey in limited range, 16 to 235 of 255."""


def repair_heif(image: pyvips.Image, file: BinaryIO) -> pyvips.Image:
    """Returns the image with straight alpha and full range. Raises pyvips.Error and OSError."""
    declared = heif_properties(file)
    if declared == HeifProperties():
        return image
    ignored = _ignored_properties()
    limited = declared.limited_grey and ignored.limited_grey
    multiplied = declared.multiplied and ignored.multiplied
    if not (limited or (multiplied and image.hasalpha())):
        return image
    bits = image.get("bits-per-sample") if image.get_typeof("bits-per-sample") else 8
    # libvips stores 10 and 12 bits in the upper bits of 16.
    step, top = (1 << 16 - bits if image.format == "ushort" else 1), (1 << bits) - 1
    codes = image / step
    if limited:
        codes = _full_range(codes, image.bands - bool(image.hasalpha()), bits)
    if multiplied and image.hasalpha():
        codes = codes.unpremultiply(max_alpha=top)
    whole = (codes.rint() > top).ifthenelse(top, codes.rint())
    return (whole * step).cast(image.format).copy(interpretation=image.interpretation)


def _full_range(codes: pyvips.Image, colors: int, bits: int) -> pyvips.Image:
    """Expands colours to full range (ITU-T H.273, section 8.3). Alpha always has full range."""
    scale = ((1 << bits) - 1) / (219 << bits - 8)
    wide = (codes[:colors] - (16 << bits - 8)) * scale
    return wide.bandjoin(codes[colors]) if codes.bands > colors else wide


@functools.cache
def _ignored_properties() -> HeifProperties:
    """Returns the properties that the installed libvips ignores; later versions may support them."""
    found = pyvips.Image.heifload_buffer(zlib.decompress(_PROBE))(0, 0)[0]
    return HeifProperties(multiplied=found in (59, 50), limited_grey=found in (59, 118))


def heif_properties(file: BinaryIO) -> HeifProperties:
    """Reads the properties from a file's boxes; all are False if the boxes are invalid. Raises OSError."""
    try:
        return _primary_properties(_meta(file))
    except (struct.error, IndexError, ValueError):
        return HeifProperties()


def _meta(file: BinaryIO) -> bytes:
    """Returns the contents of the `meta` box after its version (ISO/IEC 14496-12, section 8.11.1)."""
    end = file.seek(0, io.SEEK_END)
    file.seek(0)
    while head := file.read(8):
        size, kind = struct.unpack(">I4s", head)
        header = 8
        if size == 1:
            (size,), header = struct.unpack(">Q", file.read(8)), 16
        if kind == b"meta":
            return file.read(min(size - header, MAX_META) if size else MAX_META)[4:]
        if not header <= size <= end:
            break
        file.seek(size - header, 1)
    return b""


def _primary_properties(meta: bytes) -> HeifProperties:
    boxes = dict(_boxes(meta))
    if b"pitm" not in boxes:
        return HeifProperties()
    primary = boxes[b"pitm"]
    (item,) = struct.unpack_from(">I" if primary[0] else ">H", primary, 4)
    multiplied = _is_multiplied(boxes.get(b"iref", b""), item)
    return HeifProperties(multiplied, _is_limited_grey(_properties(boxes.get(b"iprp", b""), item)))


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields the type and contents of each box."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        size = size or len(data) - at
        if size < 8:
            return
        yield kind, data[at + 8 : at + size]
        at += size


def _is_multiplied(references: bytes, primary: int) -> bool:
    if not references:
        return False
    number = ">I" if references[0] else ">H"
    return any(
        kind == b"prem" and struct.unpack_from(number, data)[0] == primary
        for kind, data in _boxes(references[4:])
    )


def _properties(data: bytes, primary: int) -> Iterator[tuple[bytes, bytes]]:
    """Yields the properties of the primary image."""
    boxes = dict(_boxes(data))
    known = list(_boxes(boxes.get(b"ipco", b"")))
    yield from (known[index - 1] for index in _associated(boxes.get(b"ipma", b""), primary) if index)


def _associated(data: bytes, primary: int) -> Iterator[int]:
    """Yields the associated property indices, from 1 (ISO/IEC 23008-12, section 9.3.2)."""
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
        if item == primary:
            yield from (
                struct.unpack_from(index, data, at + place * struct.calcsize(index))[0] & ~essential
                for place in range(each)
            )
        at += each * struct.calcsize(index)


def _is_limited_grey(properties: Iterator[tuple[bytes, bytes]]) -> bool:
    """Checks the colour description and the channel count, which tiled images have in `pixi`."""
    limited = grey = False
    for kind, data in properties:
        if kind == b"colr" and data[:4] == b"nclx":
            limited = not data[10] & _FULL_RANGE
        elif kind == b"av1C":
            grey = grey or bool(data[2] & _MONOCHROME)
        elif kind == b"pixi":
            grey = grey or data[4] == 1
    return limited and grey
