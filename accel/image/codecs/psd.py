"""Reads and writes PSD and PSB (Adobe Photoshop File Formats Specification)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.image.alpha import mix_with_white
from accel.image.codecs.stream import PACKBITS, Picture, Stream, run_length_encode
from accel.image.operation import Writing
from accel.image.pixel_data import AlphaMixing, Pixels, full_scale
from accel.image.raster import Raster
from accel.text import text

_TRANSPARENT = (b"Mtrn", b"Mt16", b"Mt32")
"""Blocks that mark the merged image as transparent."""

_LAYERS = (b"Layr", b"Lr16", b"Lr32")
"""Blocks that contain the layers of documents with more than 8 bits per channel."""

_LARGE_BLOCKS = (*_TRANSPARENT, *_LAYERS, b"LMsk", b"Alph", b"FMsk", b"lnk2", b"FEid", b"FXid", b"PxSD")
"""Blocks with an 8-byte size field in large documents."""


def skip_layers(stream: Stream, version: int) -> bool:
    """Skips the section "Layer and mask information". Raises WorkloadError.

    Returns whether the first channel after the colours is the merged image's transparency, which means that
    its colours are blended with white. Otherwise it is an extra channel.
    """
    wide = 4 * version
    layout = ">I" if version == 1 else ">Q"
    size = stream.number(layout, text("its layers' size"))
    end = stream.left - size
    if size < 0 or end < 0:
        stream.skip(size, text("its layers"))
    found = False
    if size >= wide + 2:
        layers = stream.number(layout, text("its layers' size"))
        found = (
            _has_negative_count(stream)
            if 2 <= layers <= stream.left - end
            else _find_transparency(stream, end, version)
        )
    stream.skip(stream.left - end, text("its layers"))
    return found


def _has_negative_count(stream: Stream) -> bool:
    """Whether the layer count is negative, which means that the merged image has transparency."""
    return stream.number(">h", text("its layers")) < 0


def _find_transparency(stream: Stream, end: int, version: int) -> bool:
    """Searches the blocks after an empty layer list for transparency, up to the first malformed block."""
    if stream.left - end < 4 or not _skip_if_present(stream, end, stream.number(">I", text("its mask"))):
        return False
    while stream.left - end >= (12 if version == 1 else 16):
        mark, key = stream.unpack(">4s4s", text("its layers"))
        if mark not in (b"8BIM", b"8B64"):
            return False
        layout = ">Q" if version == 2 and key in _LARGE_BLOCKS else ">I"
        size = stream.number(layout, text("its layers"))
        if key in _TRANSPARENT:
            return True
        if key in _LAYERS and size >= 2 and stream.left - end >= 2:
            return _has_negative_count(stream)
        if not _skip_if_present(stream, end, (size + 3) // 4 * 4):
            return False
    return False


def _skip_if_present(stream: Stream, end: int, size: int) -> bool:
    fits = size <= stream.left - end
    if fits:
        stream.skip(size, text("its layers"))
    return fits


_BITMAP, _GREY, _INDEXED, _RGB, _CMYK, _MULTICHANNEL, _DUOTONE, _LAB = 0, 1, 2, 3, 4, 7, 8, 9
_MODELS = {
    _BITMAP: ("grey", 1), _GREY: ("grey", 1), _DUOTONE: ("grey", 1), _RGB: ("rgb", 3), _CMYK: ("cmyk", 4),
}  # fmt: skip
_RAW, _PACKBITS, _ZIP, _ZIP_PREDICTED = 0, 1, 2, 3
_PROFILE, _VERSION_INFO = 1039, 1057


class _Header(Struct, frozen=True):
    """The file header section."""

    version: int
    """1 for PSD, 2 for a large document (PSB)."""
    channels: int
    height: int
    width: int
    depth: int
    mode: int


def read(stream: Stream) -> Picture:
    """Reads the merged image of a PSD or PSB. Raises WorkloadError."""
    header = _Header(*stream.unpack(">4xH6xHIIHH", text("its header")))
    stream.check_size(header.width, header.height)
    if header.depth not in (1, 8, 16, 32) or not 1 <= header.channels <= 56:
        raise stream.broken(
            text("{channels} channels of {bits} bits", channels=header.channels, bits=header.depth)
        )
    palette = stream.take(stream.number(">I", text("its palette's size")), text("its palette"))
    profile = _resources(stream)
    on_white = skip_layers(stream, header.version)
    if header.mode != _INDEXED and header.mode not in _MODELS:
        raise stream.unsupported(text("its mode is Lab or Multichannel; convert it to RGB"))
    indexed = header.mode == _INDEXED
    picture = _read_palette(stream, header, palette) if indexed else _read_channels(stream, header)
    alpha: AlphaMixing = "on white" if on_white and picture.has_alpha else "straight"
    return msgspec.structs.replace(picture, alpha=alpha, profile=profile)


def _resources(stream: Stream) -> bytes:
    """Returns the ICC profile, if any. Raises WorkloadError for a document without a merged image."""
    data = stream.take(stream.number(">I", text("its resources' size")), text("its resources"))
    at, profile = 0, b""
    while data[at : at + 4] == b"8BIM" and at + 12 <= len(data):
        name = at + 6 + (data[at + 6] + 2) // 2 * 2
        size = int.from_bytes(data[name : name + 4], "big")
        kind = int.from_bytes(data[at + 4 : at + 6], "big")
        if kind == _PROFILE:
            profile = data[name + 4 : name + 4 + size]
        if kind == _VERSION_INFO and data[name + 8 : name + 9] == b"\0":
            raise stream.unsupported(text('it has no merged image; save it with "Maximize Compatibility"'))
        at = name + 4 + (size + 1) // 2 * 2
    return profile


def _read_channels(stream: Stream, header: _Header) -> Picture:
    model, colors = _MODELS[header.mode]
    if header.channels < colors:
        raise stream.broken(text("{channels} channels for {model}", channels=header.channels, model=model))
    # The first channel after the colours is transparency or a saved selection used as alpha.
    used = min(header.channels, colors + 1)
    pixels = _read_planes(stream, header, used)
    if header.mode == _CMYK:
        # CMYK is stored inverted: 0 is full ink.
        top = full_scale(pixels.dtype)
        np.subtract(top, pixels[..., :4], out=pixels[..., :4])
    if header.mode == _BITMAP:
        np.subtract(255, pixels, out=pixels)
    return Picture(pixels, model, used > colors, float_bits=32 if pixels.dtype.kind == "f" else 0)


def _read_palette(stream: Stream, header: _Header, palette: bytes) -> Picture:
    if len(palette) < 768 or header.depth != 8:
        raise stream.broken(text("its palette is missing"))
    colors = np.ascontiguousarray(np.frombuffer(palette, np.uint8, 768).reshape(3, 256).T)
    pixels = _read_planes(stream, header, 1)
    return Picture(colors.take(pixels[..., 0], axis=0), "rgb", False, palette=True)


def _read_planes(stream: Stream, header: _Header, used: int) -> Pixels:
    """Returns height x width x `used` channels; 1-bit pixels become 8-bit."""
    compression = stream.number(">H", text("its pixels' compression"))
    row = (header.width * header.depth + 7) // 8
    size = row * header.height
    kind = {1: ">u1", 8: ">u1", 16: ">u2", 32: ">f4"}[header.depth]
    out = np.empty((header.height, header.width, used), np.dtype(kind).newbyteorder("="))
    for index, data in enumerate(_channel_data(stream, header, compression, used, row)):
        if len(data) < size:
            raise stream.truncated(
                text(
                    "channel {channel} ends after {bytes} of {size} bytes",
                    channel=index + 1,
                    bytes=f"{len(data):,}",
                    size=f"{size:,}",
                )
            )
        if compression == _ZIP_PREDICTED:
            out[..., index] = _undo_prediction(data, header)
        elif header.depth == 1:
            bits = np.unpackbits(np.frombuffer(data, np.uint8).reshape(header.height, row), axis=1)
            out[..., index] = bits[:, : header.width] * 255
        else:
            out[..., index] = np.frombuffer(data, kind, size // np.dtype(kind).itemsize).reshape(
                header.height, header.width
            )
    return out


def _channel_data(
    stream: Stream, header: _Header, compression: int, used: int, row: int
) -> Iterator[bytes | bytearray]:
    """Yields each channel's decompressed bytes, which may be too few if the file is damaged."""
    size = row * header.height
    if compression == _RAW:
        for _ in range(used):
            yield stream.take(size, text("its pixels"))
    elif compression == _PACKBITS:
        kind = np.dtype(">u2" if header.version == 1 else ">u4")
        lengths = stream.take(kind.itemsize * header.channels * header.height, text("its table of rows"))
        for index in range(used):
            rows = np.frombuffer(lengths, kind).reshape(header.channels, header.height)[index].tolist()
            # A row of literals takes one extra byte per 128, and ImageMagick writes up to twice the size.
            if max(rows) > 3 * row + 64:
                raise stream.broken(text("a row is larger than it can be"))
            yield _unpack_bits(stream.take(sum(rows), text("its pixels")), rows, row)
    elif compression in (_ZIP, _ZIP_PREDICTED):
        data = _inflate(stream, stream.rest(size * header.channels + (1 << 20)), size * used)
        yield from (data[index * size : (index + 1) * size] for index in range(used))
    else:
        raise stream.broken(text("compression {compression}", compression=compression))


def _inflate(stream: Stream, data: bytes, full: int) -> bytes:
    """Inflates one zlib stream for all channels, as Photoshop writes it, or one per channel."""
    out = b""
    try:
        while len(out) < full and data:
            unzip = zlib.decompressobj()
            out += unzip.decompress(data, full - len(out))
            data = unzip.unused_data
    except zlib.error as error:
        raise stream.broken(str(error)) from None
    return out


def _unpack_bits(data: bytes, lengths: list[int], row: int) -> bytearray:
    """Decodes PackBits row by row: heads above 128 repeat the next byte, those below 128 copy literals."""
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


def _undo_prediction(data: bytes | bytearray, header: _Header) -> NDArray[np.generic]:
    """Undoes delta prediction, which stores each value as the difference from its left neighbour."""
    shape = (header.height, header.width)
    if header.depth == 32:
        # The bytes of a row are grouped by significance.
        parts = np.frombuffer(data, np.uint8).reshape(header.height, -1).cumsum(axis=1, dtype=np.uint8)
        return parts.reshape(header.height, 4, -1).transpose(0, 2, 1).copy().view(">f4").reshape(shape)
    kind = np.uint8 if header.depth < 16 else np.uint16
    values = np.frombuffer(data, ">u1" if header.depth < 16 else ">u2").reshape(header.height, -1)
    return values.cumsum(axis=1, dtype=kind).reshape(shape)


_TRANSPARENCY = -1
"""The ID of a layer's transparency channel; colours are 0, 1, 2."""


class _Plane(Struct, frozen=True):
    """One channel, compressed with PackBits."""

    sizes: bytes
    """Size of each row, as two bytes each."""
    data: bytes


def write_psd(image: Raster, params: Writing) -> bytes:
    """Writes the merged image and, if there is alpha, a layer with the same content.

    Photoshop reads a fourth channel without layers as a saved selection. Data are written that way, to keep
    their colours unchanged. Transparency belongs to a layer; the merged image is then blended with white, as
    Photoshop does and readers expect.
    """
    mode = _GREY if image.colors == 1 else _RGB
    size = struct.pack(">HII", image.channels, image.height, image.width)
    head = b"8BPS\0\1" + bytes(6) + size + struct.pack(">HH", image.bit_depth, mode)
    resources = b""
    if image.has_alpha and not image.data:
        layers = _layer_section(image, _encode_planes(image.pixels))
        merged = _encode_planes(mix_with_white(image.pixels, "on white"))
    else:
        layers, merged = b"", _encode_planes(image.pixels)
        resources = _channel_name(b"Alpha 1") if image.has_alpha else b""
    pixels = b"".join(plane.sizes for plane in merged) + b"".join(plane.data for plane in merged)
    parts = [_with_size(b""), _with_size(resources), _with_size(layers), struct.pack(">H", _PACKBITS), pixels]
    return head + b"".join(parts)


def _channel_name(channel: bytes) -> bytes:
    """Returns the resource "Names of the alpha channels" with a single name (a Pascal string)."""
    name = bytes([len(channel)]) + channel
    return b"8BIM" + struct.pack(">HH", 1006, 0) + _with_size(name) + bytes(len(name) % 2)


def _with_size(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _encode_planes(pixels: Pixels) -> list[_Plane]:
    return [_encode_plane(pixels[..., channel]) for channel in range(pixels.shape[2])]


def _encode_plane(channel: Pixels) -> _Plane:
    stored = np.ascontiguousarray(channel, channel.dtype.newbyteorder(">"))
    data, sizes = run_length_encode(stored.view(np.uint8).reshape(len(stored), -1, 1), PACKBITS)
    return _Plane(sizes.astype(">u2").tobytes(), data)


def _layer_section(image: Raster, planes: list[_Plane]) -> bytes:
    """Returns the section "Layer and mask information" with one layer, named as in a new document."""
    numbers = [*range(len(planes) - 1), _TRANSPARENCY]
    record = struct.pack(">4IH", 0, 0, image.height, image.width, len(planes))
    for number, plane in zip(numbers, planes, strict=True):
        record += struct.pack(">hI", number, 2 + len(plane.sizes) + len(plane.data))
    # No mask, no blending ranges, and a Pascal string padded to 4 bytes.
    extra = _with_size(b"") + _with_size(b"") + b"\x07Layer 0"
    record += b"8BIMnorm" + bytes([255, 0, 0, 0]) + _with_size(extra)
    # A negative count means that the first alpha channel is the merged image's transparency.
    parts = [struct.pack(">h", -1), record]
    for plane in planes:
        parts += [struct.pack(">H", _PACKBITS), plane.sizes, plane.data]
    info = b"".join(parts)
    info += bytes(-len(info) % 4)
    if image.bit_depth == 8:
        return _with_size(info) + _with_size(b"")
    # Photoshop stores the layers of 16-bit documents in a separate block after an empty section.
    return _with_size(b"") + _with_size(b"") + b"8BIMMt16" + _with_size(b"") + b"8BIMLr16" + _with_size(info)
