"""What Unity calls the import settings of textures, and where a `.meta` file has them.

Names are those of `TextureImporter`'s properties. One with a point is a platform's
(`TextureImporterPlatformSettings`): `DefaultTexturePlatform.format` holds where the platform itself isn't
`overridden`. Sources: the scripting reference of Unity 2021.3 to 6000, and
files that these editors wrote.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from bridge.api import UserError, text
from bridge_unity.metafile import PLATFORMS, Place

IMPORTER = "TextureImporter"
DEFAULT = "DefaultTexturePlatform"
"""The platform whose settings hold for all that aren't overridden."""

COLOR_SPACE = "PlayerSettings.colorSpace"
"""No setting of a texture, but what decides whether `sRGBTexture` has an effect; never written."""

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
}  # fmt: skip
"""`TextureImporterFormat`."""

SWITCH = {0: False, 1: True}
NUMBER: Mapping[int, Any] = {}
"""What has no words: the number itself."""


class Setting(Struct, frozen=True):
    """Where a `.meta` file has a setting, and what its numbers mean."""

    place: Place
    words: Mapping[int, Any]


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
}
PLATFORM_SETTINGS: Mapping[str, Setting] = {
    "overridden": Setting(("overridden",), SWITCH),
    "maxTextureSize": Setting(("maxTextureSize",), NUMBER),
    "format": Setting(("textureFormat",), FORMATS),
    "textureCompression": Setting(("textureCompression",), COMPRESSIONS),
    "crunchedCompression": Setting(("crunchedCompression",), SWITCH),
}


def setting(name: str) -> Setting:
    """The setting of that name. Raises UserError where this isn't one that is known here."""
    platform, point, own = name.rpartition(".")
    if not point and name in SETTINGS:
        return SETTINGS[name]
    if point and own in PLATFORM_SETTINGS:
        found = PLATFORM_SETTINGS[own]
        return Setting((PLATFORMS, platform, *found.place), found.words)
    raise UserError(text("{name} is no import setting of textures that PopBridge knows.", name=name))


def from_file(found: Setting, text: str) -> Any:
    """A value as Unity's scripts have it; what has no name there stays a number, or text."""
    try:
        number = int(text)
    except ValueError:
        return text
    return found.words.get(number, number)


def to_file(name: str, found: Setting, value: Any) -> str:
    """A value as a `.meta` file has it. Raises UserError where the setting can't have it."""
    for number, word in found.words.items():
        if type(word) is type(value) and word == value:
            return str(number)
    if type(value) is int and found.words is not SWITCH:
        return str(value)
    raise UserError(text("{name} can't be {value}.", name=name, value=repr(value)))
