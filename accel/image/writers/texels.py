"""How a GPU reads texels: the numbers by which DDS and KTX2 say so, and the levels they are said of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

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
