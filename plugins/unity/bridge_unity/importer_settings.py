"""The import settings of textures: their names, their values and their place in a `.meta` file.

Names are those of `TextureImporter`'s properties. A name with a point belongs to a platform
(`TextureImporterPlatformSettings`): `DefaultTexturePlatform.format` applies to every platform that isn't
`overridden`. Sources: the scripting reference of Unity 2021.3 to 6000, and files written by these editors.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from bridge.api import Block, UserError, text
from bridge_unity.metafile import PLATFORMS, Place

IMPORTER = "TextureImporter"
DEFAULT = "DefaultTexturePlatform"
"""The platform whose settings apply to all platforms that aren't overridden."""

COLOR_SPACE = "PlayerSettings.colorSpace"
"""A project setting: `sRGBTexture` has an effect in linear colour space only. Never written."""

TEXTURE_TYPES = {
    0: "Default", 1: "NormalMap", 2: "GUI", 4: "Cookie", 6: "Lightmap", 7: "Cursor", 8: "Sprite",
    10: "SingleChannel", 11: "Shadowmask", 12: "DirectionalLightmap",
}  # fmt: skip
"""`TextureImporterType`."""
SHAPES = {1: "Texture2D", 2: "TextureCube", 4: "Texture2DArray", 8: "Texture3D"}
"""`TextureImporterShape`."""
ALPHA_SOURCES = {0: "None", 1: "FromInput", 2: "FromGrayScale"}
"""`TextureImporterAlphaSource`."""
NPOT_SCALES = {0: "None", 1: "ToNearest", 2: "ToLarger", 3: "ToSmaller"}
"""`TextureImporterNPOTScale`."""
SINGLE_CHANNELS = {0: "Alpha", 1: "Red"}
"""`TextureImporterSingleChannelComponent`."""
SPRITE_MODES = {0: "None", 1: "Single", 2: "Multiple", 3: "Polygon"}
"""`SpriteImportMode`."""
WRAP_MODES = {0: "Repeat", 1: "Clamp", 2: "Mirror", 3: "MirrorOnce"}
"""`TextureWrapMode`."""
MIP_FILTERS = {0: "BoxFilter", 1: "KaiserFilter"}
"""`TextureImporterMipFilter`."""
FILTER_MODES = {0: "Point", 1: "Bilinear", 2: "Trilinear"}
"""`FilterMode`."""
COMPRESSIONS = {0: "Uncompressed", 1: "Compressed", 2: "CompressedHQ", 3: "CompressedLQ"}
"""`TextureImporterCompression`."""
FORMATS = {
    -1: "Automatic", 1: "Alpha8", 2: "ARGB16", 3: "RGB24", 4: "RGBA32", 5: "ARGB32", 7: "RGB16", 9: "R16",
    10: "DXT1", 12: "DXT5", 13: "RGBA16", 15: "RHalf", 16: "RGHalf", 17: "RGBAHalf", 18: "RFloat",
    19: "RGFloat", 20: "RGBAFloat", 22: "RGB9E5", 24: "BC6H", 25: "BC7", 26: "BC4", 27: "BC5",
    28: "DXT1Crunched", 29: "DXT5Crunched", 30: "PVRTC_RGB2", 31: "PVRTC_RGBA2", 32: "PVRTC_RGB4",
    33: "PVRTC_RGBA4", 34: "ETC_RGB4", 41: "EAC_R", 43: "EAC_RG", 45: "ETC2_RGB4",
    46: "ETC2_RGB4_PUNCHTHROUGH_ALPHA", 47: "ETC2_RGBA8", 48: "ASTC_4x4", 49: "ASTC_5x5", 50: "ASTC_6x6",
    51: "ASTC_8x8", 52: "ASTC_10x10", 53: "ASTC_12x12", 62: "RG16", 63: "R8", 64: "ETC_RGB4Crunched",
    65: "ETC2_RGBA8Crunched", 66: "ASTC_HDR_4x4", 67: "ASTC_HDR_5x5", 68: "ASTC_HDR_6x6",
    69: "ASTC_HDR_8x8", 70: "ASTC_HDR_10x10", 71: "ASTC_HDR_12x12", 72: "RG32", 73: "RGB48", 74: "RGBA64",
    75: "R8_SIGNED", 76: "RG16_SIGNED", 77: "RGB24_SIGNED", 78: "RGBA32_SIGNED", 79: "R16_SIGNED",
    80: "RG32_SIGNED", 81: "RGB48_SIGNED", 82: "RGBA64_SIGNED",
}  # fmt: skip
"""`TextureImporterFormat`; the signed formats from 6000.0 on."""

_UNCOMPRESSED: Mapping[int, tuple[str, ...]] = {
    1: ("Alpha8", "R8", "R8_SIGNED"),
    2: ("ARGB16", "RGB16", "RGBA16", "R16", "RG16", "RHalf", "R16_SIGNED", "RG16_SIGNED"),
    # GPUs have no formats of three channels: drivers pad them.
    4: (
        "RGB24", "RGBA32", "ARGB32", "RGHalf", "RFloat", "RGB9E5", "RG32", "RGB24_SIGNED", "RGBA32_SIGNED",
        "RG32_SIGNED",
    ),
    8: ("RGBAHalf", "RGFloat", "RGB48", "RGBA64", "RGB48_SIGNED", "RGBA64_SIGNED"),
    16: ("RGBAFloat",),
}  # fmt: skip
UNCOMPRESSED = frozenset(name for names in _UNCOMPRESSED.values() for name in names)
"""Formats without block compression."""
_BLOCKS_4X4: Mapping[int, tuple[str, ...]] = {
    8: (
        "DXT1", "DXT1Crunched", "BC4", "ETC_RGB4", "ETC_RGB4Crunched", "EAC_R", "ETC2_RGB4",
        "ETC2_RGB4_PUNCHTHROUGH_ALPHA",
    ),
    16: ("DXT5", "DXT5Crunched", "BC5", "BC6H", "BC7", "EAC_RG", "ETC2_RGBA8", "ETC2_RGBA8Crunched"),
}  # fmt: skip
"""Formats by the bytes of a 4x4 block. Crunched textures are unpacked before the GPU gets them."""
BLOCK_4X4 = frozenset(name for names in _BLOCKS_4X4.values() for name in names)
"""Formats that need both sides to be multiples of four."""
ASTC_SIDES = (4, 5, 6, 8, 10, 12)

BLOCKS: Mapping[str, Block] = {
    **{name: (1, 1, size) for size, names in _UNCOMPRESSED.items() for name in names},
    **{name: (4, 4, size) for size, names in _BLOCKS_4X4.items() for name in names},
    **{f"ASTC_{kind}{side}x{side}": (side, side, 16) for side in ASTC_SIDES for kind in ("", "HDR_")},
}
"""Block sizes by format. PVRTC isn't listed: it resizes textures to squares of powers of two."""

SWITCH = {0: False, 1: True}
NUMBER: Mapping[int, Any] = {}
"""Values without names: the number itself."""
REAL: Mapping[int, Any] = {}
"""Numbers with a fraction."""


class Setting(Struct, frozen=True):
    """Where a `.meta` file stores a setting, and the names of its numbers."""

    place: Place
    values: Mapping[int, Any]


SETTINGS: Mapping[str, Setting] = {
    "textureType": Setting(("textureType",), TEXTURE_TYPES),
    "textureShape": Setting(("textureShape",), SHAPES),
    "sRGBTexture": Setting(("mipmaps", "sRGBTexture"), SWITCH),
    "mipmapEnabled": Setting(("mipmaps", "enableMipMap"), SWITCH),
    "convertToNormalmap": Setting(("bumpmap", "convertToNormalMap"), SWITCH),
    "flipGreenChannel": Setting(("bumpmap", "flipGreenChannel"), SWITCH),
    "alphaSource": Setting(("alphaUsage",), ALPHA_SOURCES),
    "alphaIsTransparency": Setting(("alphaIsTransparency",), SWITCH),
    "npotScale": Setting(("nPOTScale",), NPOT_SCALES),
    "singleChannelComponent": Setting(("singleChannelComponent",), SINGLE_CHANNELS),
    "swizzle": Setting(("swizzle",), NUMBER),
    "spriteImportMode": Setting(("spriteMode",), SPRITE_MODES),
    "isReadable": Setting(("isReadable",), SWITCH),
    "wrapModeU": Setting(("textureSettings", "wrapU"), WRAP_MODES),
    "wrapModeV": Setting(("textureSettings", "wrapV"), WRAP_MODES),
    "filterMode": Setting(("textureSettings", "filterMode"), FILTER_MODES),
    "mipmapFilter": Setting(("mipmaps", "mipMapMode"), MIP_FILTERS),
    "mipMapBias": Setting(("textureSettings", "mipBias"), REAL),
    "streamingMipmaps": Setting(("streamingMipmaps",), SWITCH),
    "vtOnly": Setting(("vTOnly",), SWITCH),
}
PLATFORM_SETTINGS: Mapping[str, Setting] = {
    "overridden": Setting(("overridden",), SWITCH),
    "maxTextureSize": Setting(("maxTextureSize",), NUMBER),
    "format": Setting(("textureFormat",), FORMATS),
    "textureCompression": Setting(("textureCompression",), COMPRESSIONS),
    "crunchedCompression": Setting(("crunchedCompression",), SWITCH),
}


def setting(name: str) -> Setting:
    """Returns the setting of that name. Raises UserError if there is none."""
    platform, point, own = name.rpartition(".")
    if not point and name in SETTINGS:
        return SETTINGS[name]
    if point and own in PLATFORM_SETTINGS:
        found = PLATFORM_SETTINGS[own]
        return Setting((PLATFORMS, platform, *found.place), found.values)
    raise UserError(text("{name} is not a known import setting of textures.", name=name))


def from_file(found: Setting, text: str) -> Any:
    """Converts a `.meta` value to that of Unity's scripts; values without a name stay numbers or text."""
    try:
        if found.values is REAL:
            return float(text)
        number = int(text)
    except ValueError:
        return text
    return found.values.get(number, number)


def to_file(name: str, found: Setting, value: Any) -> str:
    """Converts a value to that of a `.meta` file. Raises UserError if the setting can't have it."""
    if found.values is REAL and type(value) in (int, float) and math.isfinite(value):
        return str(int(value)) if value == int(value) else repr(value)
    for number, known in found.values.items():
        if type(known) is type(value) and known == value:
            return str(number)
    if type(value) is int and found.values is not SWITCH and found.values is not REAL:
        return str(value)
    raise UserError(text("{name} can't be {value}.", name=name, value=repr(value)))


def is_valid(name: str, value: Any) -> bool:
    """Whether a platform's setting of that name can have a value."""
    try:
        to_file(name, PLATFORM_SETTINGS[name], value)
    except UserError:
        return False
    return name != "maxTextureSize" or value in SIZES


INTENT_COMPRESSIONS = {
    "Uncompressed": "none", "Compressed": "block", "CompressedHQ": "block_high", "CompressedLQ": "block",
}  # fmt: skip
SIZES = frozenset(2**power for power in range(5, 15))
"""Valid values of `maxTextureSize`, pixels: 32 to 16384."""
FINE_FORMATS = ("BC6H", "BC7", "ASTC_4x4", "ASTC_HDR_4x4")
"""Block formats of 8 bits per texel that keep several channels independent."""
SERVER = "Server"
"""A platform without graphics."""
DISPLAY_NAMES: Mapping[str, str] = {"iPhone": "iOS"}
"""Names of platforms whose names in files are outdated."""


def platforms(options: Mapping[str, Any]) -> Iterator[str]:
    """Yields the default and each platform that overrides it.

    For one of the results of `platform_options`, yields its platform only.
    """
    present = dict.fromkeys(_platform_of(name) for name in options)
    own = [name for name in present if name not in (DEFAULT, SERVER) and is_overridden(options, name)]
    return iter(own if own and DEFAULT not in present else [DEFAULT, *own])


def is_overridden(options: Mapping[str, Any], platform: str) -> bool:
    """Whether a platform overrides the default settings."""
    return options.get(f"{platform}.overridden") is True


def platform_options(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns, by display name, the settings of each platform that switches the default's compression off:
    its own, and those that can't be overridden."""
    if compression(options, DEFAULT) in (None, "none"):
        return {}
    raw: dict[str, list[str]] = {}
    for platform in platforms(options):
        if compression(options, platform) == "none":
            raw.setdefault(DISPLAY_NAMES.get(platform, platform), []).append(platform)
    return {
        display: {name: value for name, value in options.items() if _platform_of(name) in ("", *own)}
        for display, own in raw.items()
    }


def compression(options: Mapping[str, Any], platform: str) -> str | None:
    """Returns the compression as a texture intent has it; None if it is unknown."""
    form = options.get(f"{platform}.format")
    if form in (None, "Automatic"):
        return INTENT_COMPRESSIONS.get(str(options.get(f"{platform}.textureCompression")))
    if not isinstance(form, str):
        return None
    return "none" if form in UNCOMPRESSED else "block_high" if form in FINE_FORMATS else "block"


def max_size(options: Mapping[str, Any], platform: str) -> int | None:
    """Returns the limit of the longest side, pixels; None if it is unknown."""
    size = options.get(f"{platform}.maxTextureSize")
    return size if type(size) is int and size in SIZES else None


def _platform_of(name: str) -> str:
    """Returns the platform of a setting; empty for one that applies to all."""
    return "" if name == COLOR_SPACE else name.rpartition(".")[0]
