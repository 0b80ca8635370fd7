"""Every compression in blocks that is written here: what it holds, and what containers call it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from accel.image.readers.blocks import ASTC, BLOCKS, Block
from accel.image.writers.texels import ALPHA, Kind, Sample, TexelFormat

Family = Literal["bc", "etc2", "astc"]


class BlockFormat(Struct, frozen=True):
    """One compression."""

    name: str
    """As `image.compress` calls it."""
    family: Family
    codec: str
    """As the readers call it: a name in `BLOCKS`."""
    channels: Literal["r", "rg", "rgb", "rgba"]
    """What it holds; what an image has beyond that is left out, and what it lacks is filled in."""
    linear: TexelFormat
    srgb: TexelFormat | None = None
    """None where there is no variant for sRGB."""
    floats: bool = False
    """Whether it holds light, in floats; all others hold 8 bits."""

    @property
    def block(self) -> Block:
        """Its size in bytes and pixels."""
        return BLOCKS[self.codec]

    @property
    def bits_per_pixel(self) -> float:
        """Of whole blocks."""
        return 8 * self.block.size / (self.block.width * self.block.height)


# Colour models and their channels: Khronos Data Format Specification 1.3, section 5.6.
_BC1, _BC3, _BC4, _BC5, _BC6H, _BC7, _ETC2, _ASTC = 128, 130, 131, 132, 133, 134, 161, 162
_COLOR = 2
"""ETC2's."""


def _format(
    name: str,
    family: Family,
    codec: str,
    channels: Literal["r", "rg", "rgb", "rgba"],
    model: int,
    vulkan: tuple[int, ...],
    dxgi: tuple[int, ...] = (),
    *,
    places: tuple[int, ...] = (0,),
    kind: Kind = "unorm",
    four: bytes = b"",
) -> BlockFormat:
    """`vulkan` and `dxgi`: the number of the linear variant, then sRGB's."""
    block = BLOCKS[codec]
    bits = 8 * block.size // len(places)
    samples = tuple(Sample(place, index * bits, bits, kind) for index, place in enumerate(places))
    size = (block.width, block.height)
    linear, srgb = (
        TexelFormat(number, code, block.size, samples, model, size, srgb=index == 1, four=four)
        if number
        else None
        for index, (number, code) in enumerate(zip((*vulkan, 0)[:2], (*dxgi, 0, 0)[:2], strict=True))
    )
    assert linear is not None
    return BlockFormat(name, family, codec, channels, linear, srgb, floats=kind == "ufloat")


_ALL = (
    _format("bc1", "bc", "bc1", "rgb", _BC1, (131, 132), (71, 72), four=b"DXT1"),
    _format("bc3", "bc", "bc3", "rgba", _BC3, (137, 138), (77, 78), places=(ALPHA, 0), four=b"DXT5"),
    _format("bc4", "bc", "bc4", "r", _BC4, (139,), (80,)),
    _format("bc5", "bc", "bc5", "rg", _BC5, (141,), (83,), places=(0, 1)),
    _format("bc6h", "bc", "bc6h", "rgb", _BC6H, (143,), (95,), kind="ufloat"),
    _format("bc7", "bc", "bc7", "rgba", _BC7, (145, 146), (98, 99)),
    _format("etc2_rgb", "etc2", "etc2", "rgb", _ETC2, (147, 148), places=(_COLOR,)),
    _format("etc2_rgba", "etc2", "etc2a8", "rgba", _ETC2, (151, 152), places=(ALPHA, _COLOR)),
    _format("eac_r11", "etc2", "eacr", "r", _ETC2, (153,)),
    _format("eac_rg11", "etc2", "eacrg", "rg", _ETC2, (155,), places=(0, 1)),
    *(
        _format(
            name.replace("astc", "astc_"), "astc", name, "rgba", _ASTC, (157 + 2 * index, 158 + 2 * index)
        )
        for index, name in enumerate(ASTC)
    ),
)

FORMATS: dict[str, BlockFormat] = {each.name: each for each in _ALL}
