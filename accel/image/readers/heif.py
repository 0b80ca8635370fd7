"""AVIF and HEIF: what libvips leaves undone of them, by what their boxes say of the picture that is shown."""

from __future__ import annotations

import base64
import functools
import io
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import pyvips
from msgspec import Struct

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


class Said(Struct, frozen=True):
    """What the boxes say of the picture that is shown."""

    multiplied: bool = False
    """Whether its colours are multiplied by alpha (`prem`, ISO/IEC 23008-12, section 6.10.1.1)."""
    limited_grey: bool = False
    """Whether it is grey whose black is 16 of 255, and white 235."""


def mended(image: pyvips.Image, file: BinaryIO) -> pyvips.Image:
    """The image of a `file` with straight colours of full range, as libvips gives all but these. Raises
    pyvips.Error and OSError."""
    told = said(file)
    if told == Said():
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
def _left_undone() -> Said:
    """What the libvips that is installed leaves undone: a later one may do it itself."""
    found = pyvips.Image.heifload_buffer(zlib.decompress(_PROBE))(0, 0)[0]
    return Said(multiplied=found in (59, 50), limited_grey=found in (59, 118))


def said(file: BinaryIO) -> Said:
    """What the boxes of a file say, which is nothing where they can't be followed. Raises OSError."""
    try:
        return _said(_meta(file))
    except (struct.error, IndexError, ValueError):
        return Said()


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


def _said(meta: bytes) -> Said:
    boxes = dict(_boxes(meta))
    if b"pitm" not in boxes:
        return Said()
    primary = boxes[b"pitm"]
    (shown,) = struct.unpack_from(">I" if primary[0] else ">H", primary, 4)
    multiplied = _is_multiplied(boxes.get(b"iref", b""), shown)
    return Said(multiplied, _is_limited_grey(_properties(boxes.get(b"iprp", b""), shown)))


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
