"""Texture intent and the settings of Unity's `TextureImporter`, each made from the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.api import TextureIntent
from bridge_unity.importers import COLOR_SPACE, DEFAULT
from bridge_unity.platforms import SIZES, compression, max_size, platforms

FIELDS = frozenset({"kind", "color_space", "compression", "mipmaps", "max_size", "wrap", "filter"})
"""What the settings of every supported version decide. Nothing is said of opaque alpha channels, as it isn't
known whether Unity keeps them."""
GREEN = "normal_convention"
"""Decided by `flipGreenChannel`, from 2022.1 on."""

NORMAL = "NormalMap"
LINEAR_TYPES = (NORMAL, "SingleChannel", "Cookie")
"""Texture types that have no colours: the inspector doesn't ask how theirs are stored."""
KINDS: Mapping[str, str] = {NORMAL: "normal", "Sprite": "sprite", "GUI": "ui", "Cursor": "ui"}
SETS = {"none": "Uncompressed", "block": "Compressed", "block_high": "CompressedHQ"}
FALLBACKS = {"lossless": "none", "lossy": "block", "universal": "block"}
"""Unity keeps a texture as its GPU reads it; crunched blocks are made small on the disk alone."""
WRAPS = {"Repeat": "repeat", "Clamp": "clamp", "Mirror": "mirror"}
FILTERS = {"Point": "nearest", "Bilinear": "linear", "Trilinear": "linear"}
LINEAR_KINDS = frozenset({"normal", "height", "roughness", "specular", "ao", "packed"})

ONE_MINUS_G = 5
"""`TextureImporterSwizzle.OneMinusG`."""


def compile_intent(
    intent: TextureIntent, present: Mapping[str, Any], *, green: bool = True
) -> dict[str, Any]:
    """The settings that have to change so that `present` becomes `intent`.

    A picture that is cut into sprites stays one, as it would lose them. `green`: whether this version can
    turn over a normal map's green channel.
    """
    cut = present.get("spriteImportMode") == "Multiple" and kind_of(present) == "sprite"
    if intent.kind == "normal" and cut:
        intent = intent.without("kind", "color_space")
    todo = expressible(intent, green=green).differs(read_intent(present, green=green))
    wanted = {
        **_of_file(todo, present),
        **_of_wrap(todo),
        **_of_size(todo, present),
        **_of_kind(intent, present),
    }
    for platform in platforms(present):
        wanted |= _of_platform(platform, todo, present)
    return {name: value for name, value in wanted.items() if not _same(present.get(name), value)}


def read_intent(options: Mapping[str, Any], *, green: bool = True) -> TextureIntent:
    """What `options` say; nothing where platforms differ, save for the size: that is the largest."""
    points: dict[str, Any] = {
        "kind": kind_of(options),
        "color_space": _color_space(options),
        "mipmaps": _switch(options.get("mipmapEnabled")),
        "compression": _agreed(options, compression),
        "max_size": _largest(options),
        "wrap": _wrap(options),
        "filter": FILTERS.get(str(options.get("filterMode"))),
    }
    flipped = _switch(options.get("flipGreenChannel"))
    if green and flipped is not None:
        # Unity reads green as up: what has to be turned over was made for DirectX.
        points[GREEN] = "directx" if flipped != _is_inverted(options) else "opengl"
    return TextureIntent(**points)


def expressible(intent: TextureIntent, *, green: bool = True) -> TextureIntent:
    """The part of `intent` that these settings can hold."""
    points: dict[str, Any] = intent.only(FIELDS | {GREEN} if green else FIELDS).fields()
    if intent.kind != "normal":
        points.pop("kind", None)
    elif "color_space" in points:
        # Of a normal map Unity doesn't ask for a colour space: vectors are linear.
        points["color_space"] = "linear"
    if intent.compression is not None:
        points["compression"] = FALLBACKS.get(intent.compression, intent.compression)
    if intent.max_size is not None and intent.max_size not in SIZES:
        del points["max_size"]
    return TextureIntent(**points)


def _of_kind(intent: TextureIntent, present: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that the inspector changes along with the texture's type."""
    if intent.kind == "normal" and kind_of(present) != "normal":
        made = {"convertToNormalmap": False} if present.get("convertToNormalmap") is True else {}
        flat = {"textureShape": "Texture2D"} if present.get("textureShape") == "TextureCube" else {}
        return {"textureType": NORMAL, "sRGBTexture": False, **made, **flat}
    other = intent.kind not in (None, "normal") and kind_of(present) == "normal"
    # Whoever wants colours wants another type.
    if other or (
        present.get("textureType") in LINEAR_TYPES
        and intent.kind != "normal"
        and intent.color_space == "srgb"
    ):
        linear = intent.color_space == "linear" or (not intent.color_space and intent.kind in LINEAR_KINDS)
        return {"textureType": "Default", "sRGBTexture": not linear}
    return {}


def _of_file(todo: TextureIntent, present: Mapping[str, Any]) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    if todo.color_space is not None:
        wanted["sRGBTexture"] = todo.color_space == "srgb"
    if todo.mipmaps is not None:
        wanted["mipmapEnabled"] = todo.mipmaps
    if todo.filter is not None:
        wanted["filterMode"] = "Point" if todo.filter == "nearest" else "Bilinear"
    if todo.normal_convention is not None:
        wanted["flipGreenChannel"] = (todo.normal_convention == "directx") != _is_inverted(present)
    return wanted


def _of_wrap(todo: TextureIntent) -> dict[str, Any]:
    word = next((word for word, wrap in WRAPS.items() if wrap == todo.wrap), None)
    return {"wrapModeU": word, "wrapModeV": word} if word else {}


def _of_platform(platform: str, todo: TextureIntent, present: Mapping[str, Any]) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    if todo.compression is not None and compression(present, platform) != todo.compression:
        if present.get(f"{platform}.format") is not None:
            wanted[f"{platform}.format"] = "Automatic"
        wanted[f"{platform}.textureCompression"] = SETS[todo.compression]
    return wanted


def _of_size(todo: TextureIntent, present: Mapping[str, Any]) -> dict[str, Any]:
    """Limits that are smaller already stay: somebody has set them for a platform that has less memory."""
    if todo.max_size is None:
        return {}
    limits = {platform: max_size(present, platform) for platform in platforms(present)}
    lowered = {at: todo.max_size for at, size in limits.items() if size is None or size > todo.max_size}
    if not lowered:
        lowered = {DEFAULT: todo.max_size}
    return {f"{platform}.maxTextureSize": size for platform, size in lowered.items()}


def _is_inverted(options: Mapping[str, Any]) -> bool:
    """Whether the texture's own swizzle turns green over already: a byte for each channel, red the lowest."""
    swizzle = options.get("swizzle")
    return isinstance(swizzle, int) and swizzle >> 8 & 0xFF == ONE_MINUS_G


def kind_of(options: Mapping[str, Any]) -> str | None:
    """What the settings take a texture for; None where they say nothing of that."""
    if options.get("textureShape") == "TextureCube":
        return "environment"
    kind = KINDS.get(str(options.get("textureType")))
    # Its file holds heights, of which Unity makes the normals.
    return "height" if kind == "normal" and options.get("convertToNormalmap") is True else kind


def _color_space(options: Mapping[str, Any]) -> str | None:
    if options.get(COLOR_SPACE) == "Gamma":
        # "This setting is only relevant when your project uses Linear color space." (`sRGBTexture`)
        return None
    if options.get("textureType") in LINEAR_TYPES:
        return "linear"
    colors = _switch(options.get("sRGBTexture"))
    return None if colors is None else "srgb" if colors else "linear"


def _wrap(options: Mapping[str, Any]) -> str | None:
    across, down = options.get("wrapModeU"), options.get("wrapModeV")
    return WRAPS.get(str(across)) if across == down else None


def _largest(options: Mapping[str, Any]) -> int | None:
    sizes = [max_size(options, platform) for platform in platforms(options)]
    return None if None in sizes else max(size for size in sizes if size is not None)


def _agreed(options: Mapping[str, Any], of: Any) -> Any:
    said = {of(options, platform) for platform in platforms(options)}
    return said.pop() if len(said) == 1 else None


def _switch(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other
