"""PSD both ways."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.image.alpha import mix_with_white
from accel.image.codecs.stream import PACKBITS, Picture, Stream, run_length_encode
from accel.image.pixel_data import AlphaMixing, Pixels, full_scale
from accel.image.raster import Raster
from accel.text import text

if TYPE_CHECKING:
    from accel.image.operation import Writing


_TRANSPARENT = (b"Mtrn", b"Mt16", b"Mt32")
"""Blocks that say: the merged picture is transparent."""

_LAYERS = (b"Layr", b"Lr16", b"Lr32")
"""Blocks that hold the layers of documents deeper than 8 bits."""

_LONG = (*_TRANSPARENT, *_LAYERS, b"LMsk", b"Alph", b"FMsk", b"lnk2", b"FEid", b"FXid", b"PxSD")
"""Blocks whose size takes 8 bytes in large documents."""


def skip_layers(stream: Stream, version: int) -> bool:
    """Goes on behind the section "Layer and mask information". Raises WorkloadError.

    Whether the first channel beyond the colours is the merged picture's transparency: Photoshop has blended
    the colours with white by it. Else it is a channel that an artist stored.
    """
    wide = 4 * version
    layout = ">I" if version == 1 else ">Q"
    size = stream.number(layout, "its layers' size")
    end = stream.left - size
    if size < 0 or end < 0:
        stream.skip(size, "its layers")
    found = False
    if size >= wide + 2:
        layers = stream.number(layout, "its layers' size")
        found = _negative(stream) if 2 <= layers <= stream.left - end else _in_blocks(stream, end, version)
    stream.skip(stream.left - end, "its layers")
    return found


def _negative(stream: Stream) -> bool:
    """A number of layers that is negative says so."""
    return stream.number(">h", "its layers") < 0


def _in_blocks(stream: Stream, end: int, version: int) -> bool:
    """The same for what stands behind an empty list of layers; whatever looks odd ends the search."""
    if stream.left - end < 4 or not _skipped(stream, end, stream.number(">I", "its mask")):
        return False
    while stream.left - end >= (12 if version == 1 else 16):
        mark, key = stream.unpack(">4s4s", "its layers")
        if mark not in (b"8BIM", b"8B64"):
            return False
        layout = ">Q" if version == 2 and key in _LONG else ">I"
        size = stream.number(layout, "its layers")
        if key in _TRANSPARENT:
            return True
        if key in _LAYERS and size >= 2 and stream.left - end >= 2:
            return _negative(stream)
        if not _skipped(stream, end, (size + 3) // 4 * 4):
            return False
    return False


def _skipped(stream: Stream, end: int, size: int) -> bool:
    fits = size <= stream.left - end
    if fits:
        stream.skip(size, "its layers")
    return fits


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
    on_white = skip_layers(stream, header.version)
    if header.mode != _INDEXED and header.mode not in _MODELS:
        raise stream.unsupported(text("its mode is Lab or Multichannel; convert it to RGB"))
    indexed = header.mode == _INDEXED
    picture = _indexed(stream, header, palette) if indexed else _direct(stream, header)
    alpha: AlphaMixing = "on white" if on_white and picture.has_alpha else "straight"
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


_WRITE_GREY, _WRITE_RGB = 1, 3
_WRITE_PACKBITS = 1
_TRANSPARENCY = -1
"""The number of a layer's channel; colours are 0, 1, 2."""


class _Plane(Struct, frozen=True):
    """One channel in PackBits."""

    sizes: bytes
    """Each row's, two bytes for each."""
    data: bytes


def write_psd(image: Raster, params: Writing) -> bytes:
    """Adobe Photoshop File Formats Specification: the merged picture, and with alpha one layer of the same.

    Photoshop takes the fourth channel of a document without layers for a stored selection; so it is written
    for data, whose colours are kept as they are. Transparency is a layer's, and the merged picture then
    stands on white, as Photoshop writes it and readers expect it.
    """
    mode = _WRITE_GREY if image.colors == 1 else _WRITE_RGB
    size = struct.pack(">HII", image.channels, image.height, image.width)
    head = b"8BPS\0\1" + bytes(6) + size + struct.pack(">HH", image.bit_depth, mode)
    resources = b""
    if image.has_alpha and not image.data:
        layers = _layers(image, _encode_planes(image.pixels))
        merged = _encode_planes(mix_with_white(image.pixels, "on white"))
    else:
        layers, merged = b"", _encode_planes(image.pixels)
        resources = _named(b"Alpha 1") if image.has_alpha else b""
    pixels = b"".join(plane.sizes for plane in merged) + b"".join(plane.data for plane in merged)
    parts = [_sized(b""), _sized(resources), _sized(layers), struct.pack(">H", _WRITE_PACKBITS), pixels]
    return head + b"".join(parts)


def _named(channel: bytes) -> bytes:
    """The resource "Names of the alpha channels": one, as a Pascal string."""
    name = bytes([len(channel)]) + channel
    return b"8BIM" + struct.pack(">HH", 1006, 0) + _sized(name) + bytes(len(name) % 2)


def _sized(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _encode_planes(pixels: Pixels) -> list[_Plane]:
    return [_plane(pixels[..., channel]) for channel in range(pixels.shape[2])]


def _plane(channel: Pixels) -> _Plane:
    stored = np.ascontiguousarray(channel, channel.dtype.newbyteorder(">"))
    data, sizes = run_length_encode(stored.view(np.uint8).reshape(len(stored), -1, 1), PACKBITS)
    return _Plane(sizes.astype(">u2").tobytes(), data)


def _layers(image: Raster, planes: list[_Plane]) -> bytes:
    """The section "Layer and mask information": one layer, whose name is that of a new document's first."""
    numbers = [*range(len(planes) - 1), _TRANSPARENCY]
    record = struct.pack(">4IH", 0, 0, image.height, image.width, len(planes))
    for number, plane in zip(numbers, planes, strict=True):
        record += struct.pack(">hI", number, 2 + len(plane.sizes) + len(plane.data))
    # No mask, no blending ranges, and a Pascal string of whole words.
    extra = _sized(b"") + _sized(b"") + b"\x07Layer 0"
    record += b"8BIMnorm" + bytes([255, 0, 0, 0]) + _sized(extra)
    # A negative number of layers: the first alpha channel of the merged picture is its transparency.
    parts = [struct.pack(">h", -1), record]
    for plane in planes:
        parts += [struct.pack(">H", _WRITE_PACKBITS), plane.sizes, plane.data]
    info = b"".join(parts)
    info += bytes(-len(info) % 4)
    if image.bit_depth == 8:
        return _sized(info) + _sized(b"")
    # Photoshop keeps the layers of deeper documents in a block of its own, behind an empty section.
    return _sized(b"") + _sized(b"") + b"8BIMMt16" + _sized(b"") + b"8BIMLr16" + _sized(info)
