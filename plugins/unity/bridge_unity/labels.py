"""The settings of `TextureImporter` in the words of Unity's Inspector.

Source: "Texture Import Settings" of the Unity Manual 2021.3 to 6000. The Chinese manual keeps these English
names, and so does the editor's Inspector, unless a language pack is installed.
"""

from __future__ import annotations

from collections.abc import Mapping

from bridge.api import OptionLabel
from bridge_unity.importer_settings import DEFAULT, DISPLAY_NAMES

_TEXTURE_TYPES = {
    "Default": "Default", "NormalMap": "Normal map", "GUI": "Editor GUI and Legacy GUI", "Cookie": "Cookie",
    "Lightmap": "Lightmap", "Cursor": "Cursor", "Sprite": "Sprite (2D and UI)",
    "SingleChannel": "Single Channel", "Shadowmask": "Shadowmask",
    "DirectionalLightmap": "Directional Lightmap",
}  # fmt: skip
_COMPRESSIONS = {
    "Uncompressed": "None", "Compressed": "Normal Quality", "CompressedHQ": "High Quality",
    "CompressedLQ": "Low Quality",
}  # fmt: skip
_NPOT = {"None": "None", "ToNearest": "To nearest", "ToLarger": "To larger", "ToSmaller": "To smaller"}
_FILTERS = {"Point": "Point (no filter)", "Bilinear": "Bilinear", "Trilinear": "Trilinear"}
_WRAPS = {"Repeat": "Repeat", "Clamp": "Clamp", "Mirror": "Mirror", "MirrorOnce": "Mirror Once"}
_ALPHA = {"None": "None", "FromInput": "Input Texture Alpha", "FromGrayScale": "From Gray Scale"}
_SHAPES = {"Texture2D": "2D", "TextureCube": "Cube", "Texture2DArray": "2D Array", "Texture3D": "3D"}

_SETTINGS: Mapping[str, OptionLabel] = {
    "textureType": OptionLabel("Texture Type", _TEXTURE_TYPES),
    "textureShape": OptionLabel("Texture Shape", _SHAPES),
    "sRGBTexture": OptionLabel("sRGB (Color Texture)"),
    "alphaSource": OptionLabel("Alpha Source", _ALPHA),
    "alphaIsTransparency": OptionLabel("Alpha Is Transparency"),
    "convertToNormalmap": OptionLabel("Create from Grayscale"),
    "flipGreenChannel": OptionLabel("Flip Green Channel"),
    "npotScale": OptionLabel("Advanced › Non-Power of 2", _NPOT),
    "mipmapEnabled": OptionLabel("Advanced › Generate Mipmaps"),
    "isReadable": OptionLabel("Advanced › Read/Write"),
    "wrapModeU": OptionLabel("Wrap Mode › U axis", _WRAPS),
    "wrapModeV": OptionLabel("Wrap Mode › V axis", _WRAPS),
    "filterMode": OptionLabel("Filter Mode", _FILTERS),
}
_PLATFORM_SETTINGS: Mapping[str, OptionLabel] = {
    "maxTextureSize": OptionLabel("Max Size"),
    "format": OptionLabel("Format"),
    "textureCompression": OptionLabel("Compression", _COMPRESSIONS),
    "crunchedCompression": OptionLabel("Use Crunch Compression"),
}
_PLATFORMS: Mapping[str, str] = {
    DEFAULT: "Default", "Standalone": "Windows, Mac, Linux", "Android": "Android", "iOS": "iOS",
    **DISPLAY_NAMES, "WebGL": "WebGL", "tvOS": "tvOS", "PS4": "PS4", "PS5": "PS5", "XboxOne": "Xbox One",
    "Nintendo Switch": "Nintendo Switch", "WindowsStoreApps": "Universal Windows Platform",
}  # fmt: skip
LABELS: Mapping[str, OptionLabel] = {
    **_SETTINGS,
    **{
        f"{platform}.{name}": OptionLabel(f"{display} › {label.name}", label.values)
        for platform, display in _PLATFORMS.items()
        for name, label in _PLATFORM_SETTINGS.items()
    },
}
"""By the name of the setting."""
