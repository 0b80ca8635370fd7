"""Reads and writes TGA (Truevision TGA 2.0)."""

from __future__ import annotations

import struct

import numpy as np
from msgspec import Struct

from accel.image.codecs.gpu_formats import apply_masks, reorder_channels, without_empty_alpha
from accel.image.codecs.stream import TARGA, Picture, Stream, run_length_encode
from accel.image.operation import Writing
from accel.image.pixel_data import Pixels
from accel.image.raster import Raster
from accel.text import text

_PALETTE, _COLOR, _GREY = 1, 2, 3
_RLE = 8


class _Header(Struct, frozen=True):
    """The TGA header without image origin and ID."""

    id_length: int
    has_map: int
    kind: int
    map_first: int
    map_length: int
    map_bits: int
    width: int
    height: int
    bits: int
    descriptor: int

    @property
    def alpha_bits(self) -> int:
        return self.descriptor & 15


def read(stream: Stream) -> Picture:
    """Raises WorkloadError."""
    header = _Header(*stream.unpack("<BBBHHB4xHHBB", text("its header")))
    stream.check_size(header.width, header.height)
    allowed = {_PALETTE: (8, 16), _COLOR: (15, 16, 24, 32), _GREY: (8, 16)}.get(header.kind & ~_RLE, ())
    if header.bits not in allowed:
        raise stream.broken(
            text("image type {kind} with {bits} bits per pixel", kind=header.kind, bits=header.bits)
        )
    stream.skip(header.id_length, text("its identification"))
    palette = _palette(stream, header)
    pixels = _flip_upright(_texels(stream, header), header.descriptor)
    if header.kind & ~_RLE == _PALETTE:
        return _apply_palette(stream, header, pixels, palette)
    if header.kind & ~_RLE == _GREY:
        return Picture(pixels, "grey", header.bits == 16)
    return _to_color(pixels, header.bits, header.alpha_bits)


def _palette(stream: Stream, header: _Header) -> Pixels | None:
    if not header.has_map:
        return None
    size = (header.map_bits + 7) // 8
    data = np.frombuffer(stream.take(header.map_length * size, text("its palette")), np.uint8)
    if header.kind & ~_RLE != _PALETTE:
        return None
    if header.map_bits not in (15, 16, 24, 32) or not header.map_length:
        raise stream.broken(
            text(
                "a palette of {colours} colours of {bits} bits",
                colours=header.map_length,
                bits=header.map_bits,
            )
        )
    return data.reshape(1, header.map_length, size)


def _texels(stream: Stream, header: _Header) -> Pixels:
    """Returns height x width x bytes per pixel, in file order."""
    size, count = (header.bits + 7) // 8, header.width * header.height
    if header.kind & _RLE:
        # At worst, each pixel takes one extra byte.
        data: bytes | bytearray = _decode_runs(stream, stream.rest(count * (size + 1)), size, count)
    else:
        data = stream.take(count * size, text("its pixels"))
    return np.frombuffer(data, np.uint8).reshape(header.height, header.width, size)


def _decode_runs(stream: Stream, data: bytes, size: int, count: int) -> bytearray:
    out, at, full = bytearray(), 0, count * size
    while len(out) < full:
        if at >= len(data):
            raise stream.truncated(
                text(
                    "it ends after {pixels} of {count} pixels",
                    pixels=f"{len(out) // size:,}",
                    count=f"{count:,}",
                )
            )
        head = data[at]
        length = (head & 127) + 1
        if head & 128:
            out += data[at + 1 : at + 1 + size] * length
            at += 1 + size
        else:
            out += data[at + 1 : at + 1 + length * size]
            at += 1 + length * size
    # A packet may extend beyond the last pixel, but not beyond the file.
    if at > len(data):
        raise stream.truncated(text("it ends within the last pixels"))
    del out[full:]
    return out


def _flip_upright(pixels: Pixels, descriptor: int) -> Pixels:
    """Flips the image so that the top left pixel comes first."""
    pixels = pixels if descriptor & 32 else pixels[::-1]
    return np.ascontiguousarray(pixels[:, ::-1] if descriptor & 16 else pixels)


def _to_color(pixels: Pixels, bits: int, alpha_bits: int) -> Picture:
    if bits < 24:
        masks = [0x7C00, 0x03E0, 0x001F] + [0x8000] * (bits == 16 and alpha_bits == 1)
        channels = apply_masks(pixels.view("<u2")[..., 0], masks)
    else:
        channels = reorder_channels(pixels, (2, 1, 0, 3)[: bits // 8])
    if channels.shape[2] == 4 and not alpha_bits:
        channels = without_empty_alpha(channels)
    return Picture(channels, "rgb", channels.shape[2] == 4)


def _apply_palette(stream: Stream, header: _Header, pixels: Pixels, palette: Pixels | None) -> Picture:
    if palette is None:
        raise stream.broken(text("its palette is missing"))
    colors = _to_color(palette, header.map_bits, header.alpha_bits or 8 * (header.map_bits == 32))
    indices = pixels[..., 0] if header.bits == 8 else pixels.view("<u2")[..., 0]
    chosen = indices.astype(np.intp) - header.map_first
    if chosen.min() < 0 or chosen.max() >= header.map_length:
        raise stream.broken(text("a pixel has a colour that isn't in its palette"))
    return Picture(colors.pixels[0].take(chosen, axis=0), "rgb", colors.has_alpha, palette=True)


_FOOTER = struct.pack("<II18s", 0, 0, b"TRUEVISION-XFILE.\0")
"""Marks a version 2 file without extension area or developer directory."""


def write_tga(image: Raster, params: Writing) -> bytes:
    """Writes straight alpha and starts at the bottom left, which even old readers support."""
    stored = _texel_bytes(image)
    height, width, size = stored.shape
    kind = _GREY if size == 1 else _COLOR
    packed, _ = run_length_encode(stored, TARGA)
    smaller = len(packed) < stored.nbytes
    attributes = 8 if image.has_alpha else 0
    head = struct.pack(
        "<BBB5xHHHHBB", 0, 0, kind | (_RLE if smaller else 0), 0, 0, width, height, 8 * size, attributes
    )
    return b"".join((head, packed if smaller else stored.data, _FOOTER))


def _texel_bytes(image: Raster) -> np.ndarray:
    """Returns BGR(A) pixels, bottom row first."""
    pixels = image.pixels[::-1]
    if image.channels == 1:
        return np.ascontiguousarray(pixels)
    return reorder_channels(pixels, (2, 1, 0, 3)[: image.channels])
