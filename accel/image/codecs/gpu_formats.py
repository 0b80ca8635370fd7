"""DXGI and Vulkan format tables; bit fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.image.pixel_data import Pixels, full_scale

_STRIP = 1 << 15
"""Values in one go, so that what is computed stays in the cache."""


def reorder_channels(pixels: Pixels, order: Sequence[int]) -> Pixels:
    """The channels in another order, in one piece; fewer, where `order` leaves some out."""
    # Plane by plane: numpy's own indexing by a list takes several times as long.
    out = np.empty((*pixels.shape[:-1], len(order)), pixels.dtype)
    for to, source in enumerate(order):
        out[..., to] = pixels[..., source]
    return out


def apply_masks(values: NDArray[Any], masks: Sequence[int]) -> Pixels:
    """One channel for each bit mask, scaled to full range: uint8, or uint16 if a mask has more than 8 bits.

    Raises ValueError for a mask that isn't one run of 1 to 16 bits.
    """
    fields = [_field(mask) for mask in masks]
    kind: type[np.uint8 | np.uint16] = np.uint16 if any(bits > 8 for _, bits in fields) else np.uint8
    flat = values.reshape(-1)
    out = np.empty((flat.size, len(masks)), kind)
    tables = [_scaled(bits, kind) for _, bits in fields]
    for begin in range(0, flat.size, _STRIP):
        strip = flat[begin : begin + _STRIP]
        for index, (shift, bits) in enumerate(fields):
            out[begin : begin + _STRIP, index] = tables[index][(strip >> shift) & ((1 << bits) - 1)]
    return out.reshape(*values.shape, len(masks))


def _field(mask: int) -> tuple[int, int]:
    """A mask's lowest bit and its number of bits."""
    shift = (mask & -mask).bit_length() - 1
    bits = (mask >> shift).bit_length() if mask else 0
    if not 1 <= bits <= 16 or mask >> shift != (1 << bits) - 1:
        raise ValueError(f"the bit mask {mask:#010x} is none")
    return shift, bits


def _scaled(bits: int, kind: type[np.uint8 | np.uint16]) -> NDArray[Any]:
    """All values of so many bits, spread over the full range of `kind`."""
    top = np.iinfo(kind).max
    return np.round(np.arange(1 << bits) * (top / ((1 << bits) - 1))).astype(kind)


def without_empty_alpha(pixels: Pixels) -> Pixels:
    """RGB of RGBA where the fourth channel is 0 throughout: a filler, as nobody draws nothing at all."""
    return pixels if pixels[..., 3].any() else reorder_channels(pixels, (0, 1, 2))


def without_full_alpha(pixels: Pixels) -> Pixels:
    """RGB of RGBA where alpha is full throughout, for what can't be stored without one."""
    return reorder_channels(pixels, (0, 1, 2)) if (pixels[..., 3] == 255).all() else pixels


def with_blue(pixels: Pixels, normals: bool | None = None) -> Pixels:
    """RGB of two channels: blue as engines rebuild it where red and green fit a unit vector, else 0.

    z = sqrt(1 - x^2 - y^2), for x and y from -1 to 1; taken for normals if 99 % of a sample have
    x^2 + y^2 <= 1.05, unless it is known whether they are.
    """
    top = np.float32(full_scale(pixels.dtype))
    out = np.zeros((*pixels.shape[:2], 3), pixels.dtype)
    out[..., :2] = pixels
    step = max(1, max(pixels.shape[:2]) // 512)
    if normals is None:
        normals = bool((_height(pixels[::step, ::step], top) >= -0.05).mean() >= 0.99)
    if normals:
        for row in range(0, len(pixels), 64):
            z = np.sqrt(np.maximum(_height(pixels[row : row + 64], top), 0))
            blue = (z + 1) * (top / 2)
            out[row : row + 64, :, 2] = np.round(blue) if pixels.dtype.kind == "u" else blue
    return out


def _height(pixels: Pixels, top: np.float32) -> NDArray[np.float32]:
    """1 - x^2 - y^2; no number where a float is none."""
    with np.errstate(invalid="ignore", over="ignore"):
        x, y = (np.multiply(pixels[..., index], 2 / top, dtype=np.float32) - 1 for index in (0, 1))
        height: NDArray[np.float32] = 1 - x * x - y * y
    return height


Kind = Literal["unorm", "sfloat", "ufloat"]
"""0 to 1 over all bits; floats, signed or not."""

RGBSDA = 1
"""The colour model of texels that aren't compressed: red, green, blue, stencil, depth, alpha."""

ALPHA = 15
"""The channel of alpha in every colour model that has one by itself."""


class Sample(Struct, frozen=True):
    """One channel's bits in a block (Khronos Data Format Specification 1.3, section 5.9)."""

    channel: int
    """In the colour model: 0 red, 1 green, 2 blue, 15 alpha, or what a compression says."""
    offset: int
    """Bits from the block's begin."""
    bits: int
    kind: Kind = "unorm"


class TexelFormat(Struct, frozen=True):
    """One format of texels, or of blocks of them."""

    vulkan: int
    """VkFormat."""
    dxgi: int
    """DXGI_FORMAT; 0 where there is none."""
    size: int
    """Bytes of a block; a block is one texel where nothing is compressed."""
    samples: tuple[Sample, ...]
    model: int = RGBSDA
    """The colour model, section 5.6 of that specification."""
    block: tuple[int, int] = (1, 1)
    """Texels across and down."""
    type_size: int = 1
    """Bytes of a channel; 1 for blocks."""
    srgb: bool = False
    """Whether colours are coded by sRGB's curve."""
    four: bytes = b""
    """The FourCC, or the number of D3DFORMAT in its place, that DDS had before DXGI; empty for none."""
    masks: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Bits of red (or grey), green, blue and alpha in a texel of that old header; all 0 for none."""

    @property
    def compressed(self) -> bool:
        """Whether it is blocks."""
        return self.model != RGBSDA


class Texture(Struct, frozen=True):
    """What a container holds: an image with its levels, or the faces and layers of several."""

    format: TexelFormat
    width: int
    """Pixels of the largest level."""
    height: int
    levels: Sequence[bytes]
    """Largest first."""
    swizzle: str = ""
    """What a sampler should give for red, green, blue, alpha, for example `rrr1`; empty for what is there."""
    multiplied: bool = False
    """Whether colours are multiplied by alpha."""
    layers: Sequence[Sequence[bytes]] = ()
    """The levels of the other images, each as large as those of the first."""
    cube: bool = False
    """Whether each six images are the faces of a cube."""
    array: bool = False
    """Whether one layer, or one cube, is an array of that."""

    @property
    def count(self) -> int:
        """Of layers: cubes, or images where there are none."""
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
    # No GPU decodes sRGB of 16 bits: KTX2 can tell whoever reads it, DDS can't.
    ("u2", 4, True): _plain(91, 11, 4, 2, srgb=True, four=b"\x24\0\0\0"),
    ("f2", 1, False): _plain(76, 54, 1, 2, "sfloat", four=b"\x6f\0\0\0"),
    ("f2", 4, False): _plain(97, 10, 4, 2, "sfloat", four=b"\x71\0\0\0"),
    ("f4", 1, False): _plain(100, 41, 1, 4, "sfloat", four=b"\x72\0\0\0"),
    ("f4", 4, False): _plain(109, 2, 4, 4, "sfloat", four=b"\x74\0\0\0"),
}
"""By numpy's type, the number of channels, and whether colours are sRGB's."""
