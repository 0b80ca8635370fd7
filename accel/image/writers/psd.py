"""Photoshop documents: 8 and 16 bit, grey or RGB, transparency as a layer and in the merged picture."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct

from accel.image.alpha import mixed
from accel.image.decoded import Pixels
from accel.image.raster import Raster
from accel.image.writers.runs import PACKBITS, coded

if TYPE_CHECKING:
    from accel.image.operation import Writing

_GREY, _RGB = 1, 3
_PACKBITS = 1
_TRANSPARENCY = -1
"""The number of a layer's channel; colours are 0, 1, 2."""


class _Plane(Struct, frozen=True):
    """One channel in PackBits."""

    sizes: bytes
    """Each row's, two bytes for each."""
    data: bytes


def psd(image: Raster, params: Writing) -> bytes:
    """Adobe Photoshop File Formats Specification: the merged picture, and with alpha one layer of the same.

    Photoshop takes the fourth channel of a document without layers for a stored selection; so it is written
    for data, whose colours are kept as they are. Transparency is a layer's, and the merged picture then
    stands on white, as Photoshop writes it and readers expect it.
    """
    mode = _GREY if image.colors == 1 else _RGB
    size = struct.pack(">HII", image.channels, image.height, image.width)
    head = b"8BPS\0\1" + bytes(6) + size + struct.pack(">HH", image.bit_depth, mode)
    resources = b""
    if image.has_alpha and not image.data:
        layers = _layers(image, _planes(image.pixels))
        merged = _planes(mixed(image.pixels, "on white"))
    else:
        layers, merged = b"", _planes(image.pixels)
        resources = _named(b"Alpha 1") if image.has_alpha else b""
    pixels = b"".join(plane.sizes for plane in merged) + b"".join(plane.data for plane in merged)
    parts = [_sized(b""), _sized(resources), _sized(layers), struct.pack(">H", _PACKBITS), pixels]
    return head + b"".join(parts)


def _named(channel: bytes) -> bytes:
    """The resource "Names of the alpha channels": one, as a Pascal string."""
    name = bytes([len(channel)]) + channel
    return b"8BIM" + struct.pack(">HH", 1006, 0) + _sized(name) + bytes(len(name) % 2)


def _sized(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _planes(pixels: Pixels) -> list[_Plane]:
    return [_plane(pixels[..., channel]) for channel in range(pixels.shape[2])]


def _plane(channel: Pixels) -> _Plane:
    stored = np.ascontiguousarray(channel, channel.dtype.newbyteorder(">"))
    data, sizes = coded(stored.view(np.uint8).reshape(len(stored), -1, 1), PACKBITS)
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
        parts += [struct.pack(">H", _PACKBITS), plane.sizes, plane.data]
    info = b"".join(parts)
    info += bytes(-len(info) % 4)
    if image.bit_depth == 8:
        return _sized(info) + _sized(b"")
    # Photoshop keeps the layers of deeper documents in a block of its own, behind an empty section.
    return _sized(b"") + _sized(b"") + b"8BIMMt16" + _sized(b"") + b"8BIMLr16" + _sized(info)
