"""Reads BMP: Windows and OS/2, 1 to 32 bits, bit fields and run-length encoding, bottom-up or top-down."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from accel.image.codecs.gpu_formats import apply_masks, reorder_channels, without_empty_alpha
from accel.image.codecs.stream import Picture, Stream
from accel.image.pixel_data import Pixels
from accel.text import text

_RGB, _RLE8, _RLE4, _FIELDS, _ALPHA_FIELDS = 0, 1, 2, 3, 6
_DEFAULT_16 = (0x7C00, 0x03E0, 0x001F)


class _Header(Struct, frozen=True):
    """The fields used from BITMAPFILEHEADER and BITMAPINFOHEADER or its successors."""

    offset: int
    """Offset of the pixels in bytes from the start of the file."""
    width: int
    height: int
    upwards: bool
    bits: int
    compression: int
    masks: tuple[int, ...]
    palette: Pixels
    """Colours x RGB."""


def read(stream: Stream) -> Picture:
    """Raises WorkloadError."""
    size = stream.left
    header = _header(stream)
    # Some writers leave the offset at 0.
    stream.skip(max(0, header.offset - (size - stream.left)), text("the data before its pixels"))
    pixels = _indices(stream, header) if header.bits <= 8 else _texels(stream, header)
    if header.bits <= 8:
        if pixels.max() >= len(header.palette):
            raise stream.broken(text("a pixel has a colour that isn't in its palette"))
        pixels = _grey_or_color(header.palette).take(pixels[..., 0], axis=0)
    pixels = np.ascontiguousarray(pixels[::-1] if header.upwards else pixels)
    return Picture(
        pixels, "grey" if pixels.shape[2] == 1 else "rgb", pixels.shape[2] == 4, palette=header.bits <= 8
    )


def _header(stream: Stream) -> _Header:
    offset, length = stream.unpack("<10xII", text("its header"))
    masks: tuple[int, ...] = ()
    if length == 12:
        width, height, _, bits = stream.unpack("<HHHH", text("its header"))
        compression, colors, used = _RGB, 0, 12
    elif 40 <= length <= 256:
        width, height, _, bits, compression, colors = stream.unpack("<iiHHI12xI4x", text("its header"))
        masks, mask_bytes = _masks(stream, length, compression)
        used = max(40 + mask_bytes, length)
        stream.skip(used - 40 - mask_bytes, text("its header"))
    else:
        raise stream.broken(text("a header of {n} bytes", n=length))
    stream.check_size(width, abs(height))
    _check(stream, bits, compression, height)
    palette = _palette(stream, bits, colors, 3 if length == 12 else 4, offset - 14 - used)
    return _Header(offset, width, abs(height), height > 0, bits, compression, masks, palette)


def _masks(stream: Stream, length: int, compression: int) -> tuple[tuple[int, ...], int]:
    """Returns the bit masks that follow the first 40 bytes of the header, and their size in bytes."""
    if compression not in (_FIELDS, _ALPHA_FIELDS):
        return (), 0
    count = 4 if compression == _ALPHA_FIELDS or length >= 56 else 3
    masks = stream.unpack(f"<{count}I", text("its bit masks"))
    return tuple(mask for index, mask in enumerate(masks) if mask or index < 3), 4 * count


def _check(stream: Stream, bits: int, compression: int, height: int) -> None:
    if compression in (4, 5):
        raise stream.unsupported(text("it holds a JPEG or PNG for a printer; save it as PNG"))
    allowed = {
        _RGB: (1, 2, 4, 8, 16, 24, 32), _RLE8: (8,), _RLE4: (4,), _FIELDS: (16, 32), _ALPHA_FIELDS: (16, 32),
    }.get(compression, ())  # fmt: skip
    if bits not in allowed or (compression in (_RLE8, _RLE4) and height < 0):
        raise stream.broken(
            text("compression {compression} with {bits} bits per pixel", compression=compression, bits=bits)
        )


def _palette(stream: Stream, bits: int, colors: int, size: int, room: int) -> Pixels:
    if bits > 8:
        return np.empty((0, 3), np.uint8)
    count = min(colors or 1 << bits, 1 << bits)
    # Some palettes are shorter than declared and end where the pixels begin.
    count = min(count, room // size) if room > 0 else count
    data = np.frombuffer(stream.take(count * size, text("its palette")), np.uint8).reshape(count, size)
    return data[:, 2::-1]


def _grey_or_color(palette: Pixels) -> Pixels:
    """Reduces a palette of greys to one channel."""
    grey = (palette == palette[:, :1]).all()
    return np.ascontiguousarray(palette[:, :1] if grey else palette)


def _rows(stream: Stream, header: _Header) -> Pixels:
    """Returns height x bytes, without the padding of rows to a multiple of 4 bytes."""
    used = (header.width * header.bits + 7) // 8
    stride = (used + 3) // 4 * 4
    # Some files lack the padding of the last row.
    data = stream.take(stride * (header.height - 1) + used, text("its pixels")) + bytes(stride - used)
    return np.frombuffer(data, np.uint8).reshape(header.height, stride)[:, :used]


def _indices(stream: Stream, header: _Header) -> Pixels:
    """Returns height x width x 1."""
    if header.compression in (_RLE8, _RLE4):
        return _decode_runs(stream, header)[..., None]
    rows = _rows(stream, header)
    if header.bits < 8:
        per_byte = 8 // header.bits
        shifts = np.arange(per_byte - 1, -1, -1, dtype=np.uint8) * np.uint8(header.bits)
        spread = (rows[..., None] >> shifts) & np.uint8((1 << header.bits) - 1)
        rows = spread.reshape(header.height, -1)[:, : header.width]
    return rows[..., None]


def _texels(stream: Stream, header: _Header) -> Pixels:
    """Returns height x width x 3 or 4."""
    rows = np.ascontiguousarray(_rows(stream, header))
    if header.compression == _RGB and header.bits > 16:
        texels = rows.reshape(header.height, header.width, -1)
        if header.bits == 24:
            return reorder_channels(texels, (2, 1, 0))
        return without_empty_alpha(reorder_channels(texels, (2, 1, 0, 3)))
    values = rows.view(f"<u{header.bits // 8}").reshape(header.height, header.width)
    try:
        channels = apply_masks(values, header.masks or _DEFAULT_16)
    except ValueError as error:
        raise stream.broken(str(error)) from None
    return without_empty_alpha(channels) if channels.shape[2] == 4 else channels


def _decode_runs(stream: Stream, header: _Header) -> Pixels:
    """Decodes BI_RLE8 and BI_RLE4: runs, literals, ends of lines and deltas. Skipped pixels have colour 0."""
    width, height = header.width, header.height
    # At worst, each pixel takes two bytes and each row two more for its end.
    data = stream.rest(2 * width * height + 8 * height + 64)
    out = bytearray(width * height)
    four, at, x, y, end = header.bits == 4, 0, 0, 0, len(data) - 1
    while y < height:
        if at >= end:
            raise stream.truncated(text("it ends in row {row} of {rows}", row=y + 1, rows=height))
        count, value = data[at], data[at + 1]
        at += 2
        if count:
            run = bytes((value >> 4, value & 15)) * ((count + 1) // 2) if four else bytes((value,)) * count
        elif value == 0:
            x, y = 0, y + 1
            continue
        elif value == 1:
            break
        elif value == 2:
            if at >= end:
                continue
            x, y, at = x + data[at], y + data[at + 1], at + 2
            continue
        else:
            count = value
            length = (count + 1) // 2 if four else count
            run = data[at : at + length]
            if len(run) < length:
                raise stream.truncated(text("it ends in row {row} of {rows}", row=y + 1, rows=height))
            if four:
                run = bytes(part for pair in run for part in (pair >> 4, pair & 15))
            at += (length + 1) // 2 * 2
        visible = min(count, width - x)
        if visible > 0:
            out[y * width + x : y * width + x + visible] = run[:visible]
        x += count
    return np.frombuffer(out, np.uint8).reshape(height, width)
