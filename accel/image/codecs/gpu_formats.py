"""Texel formats of Vulkan and Direct3D, textures, and helpers for channels and bit fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.image.pixel_data import Pixels, full_scale

_STRIP = 1 << 15
"""Values decoded at a time, to stay in the cache."""


def reorder_channels(pixels: Pixels, order: Sequence[int]) -> Pixels:
    """Returns a contiguous copy with its channels in this order; channels may be left out."""
    # Copy plane by plane: indexing with a list is several times slower in numpy.
    out = np.empty((*pixels.shape[:-1], len(order)), pixels.dtype)
    for to, source in enumerate(order):
        out[..., to] = pixels[..., source]
    return out


def apply_masks(values: NDArray[Any], masks: Sequence[int]) -> Pixels:
    """Extracts one channel per bit mask, scaled to the full range of uint8, or of uint16 if a mask has more
    than 8 bits.

    Raises ValueError for a mask that isn't a single run of 1 to 16 bits.
    """
    fields = [_field(mask) for mask in masks]
    kind: type[np.uint8 | np.uint16] = np.uint16 if any(bits > 8 for _, bits in fields) else np.uint8
    flat = values.reshape(-1)
    out = np.empty((flat.size, len(masks)), kind)
    tables = [_scale_table(bits, kind) for _, bits in fields]
    for begin in range(0, flat.size, _STRIP):
        strip = flat[begin : begin + _STRIP]
        for index, (shift, bits) in enumerate(fields):
            out[begin : begin + _STRIP, index] = tables[index][(strip >> shift) & ((1 << bits) - 1)]
    return out.reshape(*values.shape, len(masks))


def _field(mask: int) -> tuple[int, int]:
    """Returns a mask's lowest bit and width in bits."""
    shift = (mask & -mask).bit_length() - 1
    bits = (mask >> shift).bit_length() if mask else 0
    if not 1 <= bits <= 16 or mask >> shift != (1 << bits) - 1:
        raise ValueError(f"bit mask {mask:#010x} is invalid")
    return shift, bits


def _scale_table(bits: int, kind: type[np.uint8 | np.uint16]) -> NDArray[Any]:
    """Returns a table that scales values of `bits` bits to the full range of `kind`."""
    top = np.iinfo(kind).max
    return np.round(np.arange(1 << bits) * (top / ((1 << bits) - 1))).astype(kind)


def without_empty_alpha(pixels: Pixels) -> Pixels:
    """Removes alpha if it is 0 everywhere: that is padding, as no image is fully transparent."""
    return pixels if pixels[..., 3].any() else reorder_channels(pixels, (0, 1, 2))


def without_full_alpha(pixels: Pixels) -> Pixels:
    """Removes alpha if it is opaque everywhere; some formats always have alpha."""
    return reorder_channels(pixels, (0, 1, 2)) if (pixels[..., 3] == 255).all() else pixels


def with_blue(pixels: Pixels, normals: bool | None = None) -> Pixels:
    """Adds blue to red and green: reconstructed for normal maps, as engines do, otherwise 0.

    z = sqrt(1 - x^2 - y^2), with x and y from -1 to 1. `normals` None detects a normal map, where 99 % of a
    sample have x^2 + y^2 <= 1.05.
    """
    top = np.float32(full_scale(pixels.dtype))
    out = np.zeros((*pixels.shape[:2], 3), pixels.dtype)
    out[..., :2] = pixels
    step = max(1, max(pixels.shape[:2]) // 512)
    if normals is None:
        normals = bool((_squared_z(pixels[::step, ::step], top) >= -0.05).mean() >= 0.99)
    if normals:
        for row in range(0, len(pixels), 64):
            z = np.sqrt(np.maximum(_squared_z(pixels[row : row + 64], top), 0))
            blue = (z + 1) * (top / 2)
            out[row : row + 64, :, 2] = np.round(blue) if pixels.dtype.kind == "u" else blue
    return out


def _squared_z(pixels: Pixels, top: np.float32) -> NDArray[np.float32]:
    """Returns 1 - x^2 - y^2, and NaN for NaN."""
    with np.errstate(invalid="ignore", over="ignore"):
        x, y = (np.multiply(pixels[..., index], 2 / top, dtype=np.float32) - 1 for index in (0, 1))
        height: NDArray[np.float32] = 1 - x * x - y * y
    return height


Kind = Literal["unorm", "sfloat", "ufloat"]
"""Integers for 0 to 1, signed floats, or unsigned floats."""

RGBSDA = 1
"""The colour model of uncompressed texels: red, green, blue, stencil, depth, alpha."""

ALPHA = 15
"""The number of the alpha channel in every colour model that has a separate one."""


class Sample(Struct, frozen=True):
    """One channel's bits in a block (Khronos Data Format Specification 1.3, section 5.9)."""

    channel: int
    """Number in the colour model: 0 red, 1 green, 2 blue, 15 alpha, or specific to a compression."""
    offset: int
    """Bits from the start of the block."""
    bits: int
    kind: Kind = "unorm"


class TexelFormat(Struct, frozen=True):
    """A format of texels or compressed blocks."""

    vulkan: int
    """VkFormat."""
    dxgi: int
    """DXGI_FORMAT, or 0."""
    size: int
    """Bytes per block, which is a single texel if uncompressed."""
    samples: tuple[Sample, ...]
    model: int = RGBSDA
    """Colour model (section 5.6)."""
    block: tuple[int, int] = (1, 1)
    """Width and height of a block in texels."""
    type_size: int = 1
    """Bytes per channel; 1 for block compression."""
    srgb: bool = False
    """Whether colours are sRGB."""
    four: bytes = b""
    """FourCC, or D3DFORMAT number, in DDS headers without DXGI; empty for none."""
    masks: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Bit masks of red (or grey), green, blue and alpha in DDS headers without DXGI; 0 for none."""

    @property
    def compressed(self) -> bool:
        return self.model != RGBSDA


class Texture(Struct, frozen=True):
    """The contents of a DDS or KTX2 file: mip levels of one image, or of cube faces and array layers."""

    format: TexelFormat
    width: int
    """Width of the largest level in pixels."""
    height: int
    levels: Sequence[bytes]
    """Largest first."""
    swizzle: str = ""
    """The channels to sample as red, green, blue and alpha, for example `rrr1`; empty for the identity."""
    multiplied: bool = False
    """Whether alpha is premultiplied."""
    layers: Sequence[Sequence[bytes]] = ()
    """The levels of the other images, with the same sizes as the first."""
    cube: bool = False
    """Whether every six images are the faces of a cube."""
    array: bool = False
    """Whether a single layer or cube is stored as an array."""

    @property
    def count(self) -> int:
        """Number of array layers: cubes or images."""
        return (1 + len(self.layers)) // (6 if self.cube else 1)


def _channels(count: int, size: int, kind: Kind) -> tuple[Sample, ...]:
    places = (0, 1, 2, ALPHA)
    return tuple(Sample(places[index], 8 * size * index, 8 * size, kind) for index in range(count))


def _plain(
    vulkan: int,
    dxgi: int,
    count: int,
    size: int,
    kind: Kind = "unorm",
    *,
    srgb: bool = False,
    four: bytes = b"",
    masks: tuple[int, int, int, int] = (0, 0, 0, 0),
) -> TexelFormat:
    samples = _channels(count, size, kind)
    return TexelFormat(vulkan, dxgi, count * size, samples, type_size=size, srgb=srgb, four=four, masks=masks)


_RGBA8 = (0xFF, 0xFF00, 0xFF0000, 0xFF000000)

PLAIN: dict[tuple[str, int, bool], TexelFormat] = {
    ("u1", 1, False): _plain(9, 61, 1, 1, masks=(0xFF, 0, 0, 0)),
    ("u1", 4, False): _plain(37, 28, 4, 1, masks=_RGBA8),
    ("u1", 4, True): _plain(43, 29, 4, 1, srgb=True),
    ("u2", 1, False): _plain(70, 56, 1, 2, masks=(0xFFFF, 0, 0, 0)),
    ("u2", 4, False): _plain(91, 11, 4, 2, four=b"\x24\0\0\0"),
    # No GPU decodes 16-bit sRGB. KTX2 can still declare it, DDS can't.
    ("u2", 4, True): _plain(91, 11, 4, 2, srgb=True, four=b"\x24\0\0\0"),
    ("f2", 1, False): _plain(76, 54, 1, 2, "sfloat", four=b"\x6f\0\0\0"),
    ("f2", 4, False): _plain(97, 10, 4, 2, "sfloat", four=b"\x71\0\0\0"),
    ("f4", 1, False): _plain(100, 41, 1, 4, "sfloat", four=b"\x72\0\0\0"),
    ("f4", 4, False): _plain(109, 2, 4, 4, "sfloat", four=b"\x74\0\0\0"),
}
"""Uncompressed formats by numpy type, number of channels and whether they are sRGB."""
