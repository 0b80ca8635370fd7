"""Reads the `.meta` files of textures that Unity 5.4 or older wrote, as Unity 5.5 translates them.

Sources: `TextureImporter` in the scripting references of Unity 5.4 and 5.5, and files of these editors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bridge_unity.importer_settings import (
    ALPHA_SOURCES,
    DEFAULT,
    FILTER_MODES,
    FORMATS,
    NPOT_SCALES,
    SPRITE_MODES,
    WRAP_MODES,
)
from bridge_unity.metafile import PLATFORMS, MetaFile

TYPES: Mapping[int, str] = {
    0: "Default", 1: "NormalMap", 2: "GUI", 4: "Cookie", 6: "Lightmap", 7: "Cursor", 8: "Sprite",
}  # fmt: skip
"""`TextureImporterType` of Unity 5.4 where the type decides."""
CUBE_MAP, ADVANCED = 3, (-1, 5)
"""Without a type (-1) and with Advanced, single settings decide."""
UNCOMPRESSED, CRUNCHED = (-2, -3, -6), -5
"""Automatic formats: 16 bits, true colour, HDR; crunched. -1 is compressed."""

Number = Callable[..., int | None]
"""Returns the whole number at a place in the file; None without one."""


def read_old(found: MetaFile) -> dict[str, Any]:
    """Returns the known settings by the names of today's scripts. Raises UnknownSyntaxError."""

    def number(*place: str) -> int | None:
        try:
            return int(found.value(place) or "")
        except ValueError:
            return None

    texture_type, shape = _type(number)
    # -1 is the default of the type.
    wrap = WRAP_MODES.get(number("textureSettings", "wrapMode") or 0, "Repeat")
    known: dict[str, Any] = {
        "textureType": texture_type,
        "textureShape": shape,
        "mipmapEnabled": _switch(number("mipmaps", "enableMipMap")),
        "convertToNormalmap": _switch(number("bumpmap", "convertToNormalMap")),
        "alphaSource": ALPHA_SOURCES[2 if number("grayScaleToAlpha") == 1 else 1],
        "alphaIsTransparency": _switch(number("alphaIsTransparency")),
        "npotScale": NPOT_SCALES.get(number("nPOTScale") or 0),
        "spriteImportMode": SPRITE_MODES.get(number("spriteMode") or 0),
        "isReadable": _switch(number("isReadable")),
        "wrapModeU": wrap,
        "wrapModeV": wrap,
        "filterMode": FILTER_MODES.get(number("textureSettings", "filterMode") or 0, "Bilinear"),
    }
    if texture_type in ("Default", "Sprite"):
        # Only Advanced can switch sRGB off.
        is_linear = number("textureType") in ADVANCED and number("mipmaps", "linearTexture") == 1
        known["sRGBTexture"] = not is_linear
    known |= _compression(DEFAULT, number("textureFormat"), number("maxTextureSize"))
    for platform in found.platforms:
        known[f"{platform}.overridden"] = True
        form, size = (number(PLATFORMS, platform, name) for name in ("textureFormat", "maxTextureSize"))
        known |= _compression(platform, form, size)
    return {name: value for name, value in known.items() if value is not None}


def _type(number: Number) -> tuple[str | None, str]:
    """Returns the type and the shape of a texture."""
    own = number("textureType")
    if own == CUBE_MAP:
        return "Default", "TextureCube"
    if own is not None and own not in ADVANCED:
        return TYPES.get(own), "Texture2D"
    if number("generateCubemap"):
        return "Default", "TextureCube"
    if number("bumpmap", "externalNormalMap") == 1 or number("bumpmap", "convertToNormalMap") == 1:
        return "NormalMap", "Texture2D"
    if number("lightmap") == 1:
        return "Lightmap", "Texture2D"
    return "Sprite" if number("spriteMode") else "Default", "Texture2D"


def _compression(platform: str, form: int | None, size: int | None) -> dict[str, Any]:
    known: dict[str, Any] = {f"{platform}.maxTextureSize": size}
    if form is not None:
        known[f"{platform}.format"] = "Automatic" if form < 0 else FORMATS.get(form, form)
        known[f"{platform}.textureCompression"] = "Uncompressed" if form in UNCOMPRESSED else "Compressed"
        known[f"{platform}.crunchedCompression"] = form == CRUNCHED
    return known


def _switch(number: int | None) -> bool | None:
    return None if number is None else number == 1
