"""What a texel takes in each of Unity's formats: `TextureImporterFormat`."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.api import Block

_TEXELS: Mapping[int, tuple[str, ...]] = {
    1: ("Alpha8", "R8"),
    2: ("ARGB16", "RGB16", "RGBA16", "R16", "RG16", "RHalf"),
    # GPUs have no texels of three channels: drivers pad them.
    4: ("RGB24", "RGBA32", "ARGB32", "RGHalf", "RFloat", "RGB9E5", "RG32"),
    8: ("RGBAHalf", "RGFloat", "RGB48", "RGBA64"),
    16: ("RGBAFloat",),
}
RAW = frozenset(name for names in _TEXELS.values() for name in names)
"""Formats without blocks."""
_FOURS: Mapping[int, tuple[str, ...]] = {
    8: (
        "DXT1", "DXT1Crunched", "BC4", "ETC_RGB4", "ETC_RGB4Crunched", "EAC_R", "ETC2_RGB4",
        "ETC2_RGB4_PUNCHTHROUGH_ALPHA",
    ),
    16: ("DXT5", "DXT5Crunched", "BC5", "BC6H", "BC7", "EAC_RG", "ETC2_RGBA8", "ETC2_RGBA8Crunched"),
}  # fmt: skip
"""Of 4x4 texels. What is crunched is so on the disk alone."""
FOURS = frozenset(name for names in _FOURS.values() for name in names)
"""Formats for whose blocks both sides have to be multiples of four."""
ASTC = (4, 5, 6, 8, 10, 12)

BLOCKS: Mapping[str, Block] = {
    **{name: (1, 1, size) for size, names in _TEXELS.items() for name in names},
    **{name: (4, 4, size) for size, names in _FOURS.items() for name in names},
    **{f"ASTC_{kind}{side}x{side}": (side, side, 16) for side in ASTC for kind in ("", "HDR_")},
}
"""By format; not of PVRTC, which wants squares of powers of two, and makes them."""
