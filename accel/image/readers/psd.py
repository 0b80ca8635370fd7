"""Photoshop documents: the merged picture, in any depth and compression."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.image.decoded import Alpha, Pixels, full_scale
from accel.image.readers import layers
from accel.image.readers.stream import Picture, Stream
from accel.text import text

_BITMAP, _GREY, _INDEXED, _RGB, _CMYK, _MULTICHANNEL, _DUOTONE, _LAB = 0, 1, 2, 3, 4, 7, 8, 9
_MODELS = {
    _BITMAP: ("grey", 1), _GREY: ("grey", 1), _DUOTONE: ("grey", 1), _RGB: ("rgb", 3), _CMYK: ("cmyk", 4),
}  # fmt: skip
_RAW, _PACKBITS, _ZIP, _ZIP_PREDICTED = 0, 1, 2, 3
_PROFILE, _VERSION_INFO = 1039, 1057


class _Header(Struct, frozen=True):
    """Adobe Photoshop File Formats Specification, "File Header Section"."""

    version: int
    """1, or 2 for a large document (PSB)."""
    channels: int
    height: int
    width: int
    depth: int
    mode: int


def read(stream: Stream) -> Picture:
    """Reads the merged picture of a PSD or PSB. Raises WorkloadError."""
    header = _Header(*stream.unpack(">4xH6xHIIHH", "its header"))
    stream.dimensions(header.width, header.height)
    if header.depth not in (1, 8, 16, 32) or not 1 <= header.channels <= 56:
        raise stream.broken(f"{header.channels} channels of {header.depth} bits")
    palette = stream.take(stream.number(">I", "its palette's size"), "its palette")
    profile = _resources(stream)
    on_white = layers.read(stream, header.version)
    if header.mode != _INDEXED and header.mode not in _MODELS:
        raise stream.unsupported(text("its mode is Lab or Multichannel; convert it to RGB"))
    indexed = header.mode == _INDEXED
    picture = _indexed(stream, header, palette) if indexed else _direct(stream, header)
    alpha: Alpha = "on white" if on_white and picture.has_alpha else "straight"
    return msgspec.structs.replace(picture, alpha=alpha, profile=profile)


def _resources(stream: Stream) -> bytes:
    """The colour profile, if there is one. Refuses a document that was saved without a merged picture."""
    data = stream.take(stream.number(">I", "its resources' size"), "its resources")
    at, profile = 0, b""
    while data[at : at + 4] == b"8BIM" and at + 12 <= len(data):
        name = at + 6 + (data[at + 6] + 2) // 2 * 2
        size = int.from_bytes(data[name : name + 4], "big")
        kind = int.from_bytes(data[at + 4 : at + 6], "big")
        if kind == _PROFILE:
            profile = data[name + 4 : name + 4 + size]
        if kind == _VERSION_INFO and data[name + 8 : name + 9] == b"\0":
            raise stream.unsupported(text('it has no merged picture; save it with "Maximize Compatibility"'))
        at = name + 4 + (size + 1) // 2 * 2
    return profile


def _direct(stream: Stream, header: _Header) -> Picture:
    model, colors = _MODELS[header.mode]
    if header.channels < colors:
        raise stream.broken(f"{header.channels} channels for {model}")
    # The first channel beyond the colours is the transparency or what artists use as alpha.
    used = min(header.channels, colors + 1)
    pixels = _planes(stream, header, used)
    if header.mode == _CMYK:
        # Stored as what is left white.
        top = full_scale(pixels.dtype)
        np.subtract(top, pixels[..., :4], out=pixels[..., :4])
    if header.mode == _BITMAP:
        np.subtract(255, pixels, out=pixels)
    return Picture(pixels, model, used > colors, float_bits=32 if pixels.dtype.kind == "f" else 0)


def _indexed(stream: Stream, header: _Header, palette: bytes) -> Picture:
    if len(palette) < 768 or header.depth != 8:
        raise stream.broken("its palette is missing")
    colors = np.ascontiguousarray(np.frombuffer(palette, np.uint8, 768).reshape(3, 256).T)
    pixels = _planes(stream, header, 1)
    return Picture(colors.take(pixels[..., 0], axis=0), "rgb", False, palette=True)


def _planes(stream: Stream, header: _Header, used: int) -> Pixels:
    """Height x width x the first `used` channels; 1 bit becomes 8."""
    compression = stream.number(">H", "its pixels' compression")
    row = (header.width * header.depth + 7) // 8
    size = row * header.height
    kind = {1: ">u1", 8: ">u1", 16: ">u2", 32: ">f4"}[header.depth]
    out = np.empty((header.height, header.width, used), np.dtype(kind).newbyteorder("="))
    for index, data in enumerate(_data(stream, header, compression, used, row)):
        if len(data) < size:
            raise stream.truncated(f"channel {index + 1} ends after {len(data):,} of {size:,} bytes")
        if compression == _ZIP_PREDICTED:
            out[..., index] = _summed(data, header)
        elif header.depth == 1:
            bits = np.unpackbits(np.frombuffer(data, np.uint8).reshape(header.height, row), axis=1)
            out[..., index] = bits[:, : header.width] * 255
        else:
            out[..., index] = np.frombuffer(data, kind, size // np.dtype(kind).itemsize).reshape(
                header.height, header.width
            )
    return out


def _data(
    stream: Stream, header: _Header, compression: int, used: int, row: int
) -> Iterator[bytes | bytearray]:
    """The bytes of each channel, unpacked; perhaps too few where the file is damaged."""
    size = row * header.height
    if compression == _RAW:
        for _ in range(used):
            yield stream.take(size, "its pixels")
    elif compression == _PACKBITS:
        kind = np.dtype(">u2" if header.version == 1 else ">u4")
        lengths = stream.take(kind.itemsize * header.channels * header.height, "its table of rows")
        for index in range(used):
            rows = np.frombuffer(lengths, kind).reshape(header.channels, header.height)[index].tolist()
            # A row that is nothing but literals takes a byte more for every 128; ImageMagick writes two
            # bytes for each and a few more.
            if max(rows) > 3 * row + 64:
                raise stream.broken("a row is larger than it can be")
            yield _unpacked(stream.take(sum(rows), "its pixels"), rows, row)
    elif compression in (_ZIP, _ZIP_PREDICTED):
        data = _unzipped(stream, stream.rest(size * header.channels + (1 << 20)), size * used)
        yield from (data[index * size : (index + 1) * size] for index in range(used))
    else:
        raise stream.broken(f"compression {compression}")


def _unzipped(stream: Stream, data: bytes, full: int) -> bytes:
    """One zlib stream for all channels, as Photoshop writes it, or one for each, as others do."""
    out = b""
    try:
        while len(out) < full and data:
            unzip = zlib.decompressobj()
            out += unzip.decompress(data, full - len(out))
            data = unzip.unused_data
    except zlib.error as error:
        raise stream.broken(str(error)) from None
    return out


def _unpacked(data: bytes, lengths: list[int], row: int) -> bytearray:
    """PackBits: more than 128 repeats the next byte, less copies literals; each row by itself."""
    out, begin = bytearray(), 0
    for number, length in enumerate(lengths, 1):
        at, end = begin, begin + length
        while at < end:
            head = data[at]
            if head > 128:
                out += data[at + 1 : at + 2] * (257 - head)
                at += 2
            elif head < 128:
                out += data[at + 1 : at + 2 + head]
                at += 2 + head
            else:
                at += 1
        missing = number * row - len(out)
        if missing > 0:
            break
        del out[number * row :]
        begin = end
    return out


def _summed(data: bytes | bytearray, header: _Header) -> NDArray[np.generic]:
    """Undoes the prediction: each value is stored as the difference to the one at its left."""
    shape = (header.height, header.width)
    if header.depth == 32:
        # The bytes of a row are sorted by their significance first.
        parts = np.frombuffer(data, np.uint8).reshape(header.height, -1).cumsum(axis=1, dtype=np.uint8)
        return parts.reshape(header.height, 4, -1).transpose(0, 2, 1).copy().view(">f4").reshape(shape)
    kind = np.uint8 if header.depth < 16 else np.uint16
    values = np.frombuffer(data, ">u1" if header.depth < 16 else ">u2").reshape(header.height, -1)
    return values.cumsum(axis=1, dtype=kind).reshape(shape)
