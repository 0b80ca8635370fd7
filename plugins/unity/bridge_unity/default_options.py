"""The import settings of a texture that nobody has changed, in each Unity that they were looked up for.

They are those of a 3D project without presets; a 2D project imports sprites. Sources: `.meta` files that
these editors wrote, and the history of UnityCsReference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge_unity.importer_settings import DEFAULT

_UNITY_2021: Mapping[str, Any] = {
    "textureType": "Default", "textureShape": "Texture2D", "sRGBTexture": True, "mipmapEnabled": True,
    "convertToNormalmap": False, "alphaSource": "FromInput", "alphaIsTransparency": False,
    "npotScale": "ToNearest", "singleChannelComponent": "Alpha", "spriteImportMode": "None",
    "mipmapFilter": "BoxFilter", "mipMapBias": 0.0, "streamingMipmaps": False, "vtOnly": False,
    "isReadable": False, "wrapModeU": "Repeat", "wrapModeV": "Repeat", "filterMode": "Bilinear",
    f"{DEFAULT}.overridden": False, f"{DEFAULT}.maxTextureSize": 2048, f"{DEFAULT}.format": "Automatic",
    f"{DEFAULT}.textureCompression": "Compressed", f"{DEFAULT}.crunchedCompression": False,
}  # fmt: skip
_SINCE_2022_1: Mapping[str, Any] = {"flipGreenChannel": False}
_UNITY_2022 = {**_UNITY_2021, **_SINCE_2022_1}

DEFAULT_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "2021.3.0f1": _UNITY_2021,
    "2021.3.45f1": _UNITY_2021,
    "2022.1.0f1": _UNITY_2022,
    "2022.3.62f1": _UNITY_2022,
    "6000.0.76f1": _UNITY_2022,
    "6000.1.0f1": _UNITY_2022,
    "6000.2.0f1": _UNITY_2022,
    "6000.3.14f1": _UNITY_2022,
    "6000.5.9f1": _UNITY_2022,
    "6000.7.0a1": _UNITY_2022,
}
"""By version, as Unity prints it, oldest first."""
