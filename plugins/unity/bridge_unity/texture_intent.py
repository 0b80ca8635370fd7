"""Converts between texture intents and the settings of Unity's `TextureImporter`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.api import TextureIntent
from bridge_unity.importer_settings import COLOR_SPACE, DEFAULT, SIZES, compression, max_size, platforms

FIELDS = frozenset({"kind", "color_space", "compression", "mipmaps", "max_size", "wrap", "filter"})
"""The fields that the settings of every supported version decide. `alpha` is missing: it is unknown whether
Unity keeps opaque alpha channels."""
GREEN = "normal_convention"
"""The field that `flipGreenChannel` decides, since 2022.1."""

NORMAL = "NormalMap"
LINEAR_TYPES = (NORMAL, "SingleChannel", "Cookie")
"""Texture types that are always linear: the inspector offers no sRGB setting for them."""
KINDS: Mapping[str, str] = {NORMAL: "normal", "Sprite": "sprite", "GUI": "ui", "Cursor": "ui"}
COMPRESSION_VALUES = {"none": "Uncompressed", "block": "Compressed", "block_high": "CompressedHQ"}
FALLBACKS = {"lossless": "none", "lossy": "block", "universal": "block"}
"""Compressions that Unity lacks, by the nearest one: it stores textures in the format of the GPU."""
WRAPS = {"Repeat": "repeat", "Clamp": "clamp", "Mirror": "mirror"}
FILTERS = {"Point": "nearest", "Bilinear": "linear", "Trilinear": "linear"}
MIP_FILTERS = {"Point": "nearest", "Bilinear": "nearest", "Trilinear": "linear"}
LINEAR_KINDS = frozenset({"normal", "height", "roughness", "specular", "ao", "packed"})

SWIZZLE_ONE_MINUS_G = 5
"""`TextureImporterSwizzle.OneMinusG`."""


def compile_intent(
    intent: TextureIntent, present: Mapping[str, Any], *, can_flip_green: bool = True
) -> dict[str, Any]:
    """Returns the settings that change `present` to `intent`.

    A sprite sheet keeps its type, or it would lose its sprites. `can_flip_green`: whether this version can
    flip a normal map's green channel.
    """
    is_sheet = present.get("spriteImportMode") == "Multiple" and kind_of(present) == "sprite"
    if intent.kind == "normal" and is_sheet:
        intent = intent.without("kind", "color_space")
    todo = expressible(intent, can_flip_green=can_flip_green).differs(
        read_intent(present, can_flip_green=can_flip_green)
    )
    wanted = {
        **_texture_settings(todo, present),
        **_wrap_settings(todo),
        **_size_settings(todo, present),
        **_type_settings(intent, present),
    }
    for platform in platforms(present):
        wanted |= _platform_settings(platform, todo, present)
    return {name: value for name, value in wanted.items() if not _same(present.get(name), value)}


def read_intent(options: Mapping[str, Any], *, can_flip_green: bool = True) -> TextureIntent:
    """Returns the intent of `options`: no value where platforms differ, except for the largest size."""
    fields: dict[str, Any] = {
        "kind": kind_of(options),
        "color_space": _color_space(options),
        "mipmaps": _switch(options.get("mipmapEnabled")),
        "compression": _common(options, compression),
        "max_size": _largest_size(options),
        "wrap": _wrap(options),
        "filter": FILTERS.get(str(options.get("filterMode"))),
        "mip_filter": MIP_FILTERS.get(str(options.get("filterMode"))),
    }
    flipped = _switch(options.get("flipGreenChannel"))
    if can_flip_green and flipped is not None:
        # Unity expects green up (OpenGL): a texture that needs the flip is DirectX.
        fields[GREEN] = "directx" if flipped != _is_inverted(options) else "opengl"
    return TextureIntent(**fields)


def expressible(intent: TextureIntent, *, can_flip_green: bool = True) -> TextureIntent:
    """Returns the part of `intent` that these settings can express."""
    fields: dict[str, Any] = intent.only(FIELDS | {GREEN} if can_flip_green else FIELDS).fields()
    if intent.kind != "normal":
        fields.pop("kind", None)
    elif "color_space" in fields:
        # Unity always reads normal maps as linear.
        fields["color_space"] = "linear"
    if intent.compression is not None:
        fields["compression"] = FALLBACKS.get(intent.compression, intent.compression)
    if intent.max_size is not None and intent.max_size not in SIZES:
        del fields["max_size"]
    return TextureIntent(**fields)


def _type_settings(intent: TextureIntent, present: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the type, and the settings that the inspector changes with it."""
    if intent.kind == "normal" and kind_of(present) != "normal":
        heights = {"convertToNormalmap": False} if present.get("convertToNormalmap") is True else {}
        shape = {"textureShape": "Texture2D"} if present.get("textureShape") == "TextureCube" else {}
        return {"textureType": NORMAL, "sRGBTexture": False, **heights, **shape}
    was_normal = intent.kind not in (None, "normal") and kind_of(present) == "normal"
    # A linear type has no sRGB setting, so colours need another type.
    if was_normal or (
        present.get("textureType") in LINEAR_TYPES
        and intent.kind != "normal"
        and intent.color_space == "srgb"
    ):
        linear = intent.color_space == "linear" or (not intent.color_space and intent.kind in LINEAR_KINDS)
        return {"textureType": "Default", "sRGBTexture": not linear}
    return {}


def _texture_settings(todo: TextureIntent, present: Mapping[str, Any]) -> dict[str, Any]:
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


def _wrap_settings(todo: TextureIntent) -> dict[str, Any]:
    mode = next((mode for mode, wrap in WRAPS.items() if wrap == todo.wrap), None)
    return {"wrapModeU": mode, "wrapModeV": mode} if mode else {}


def _platform_settings(platform: str, todo: TextureIntent, present: Mapping[str, Any]) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    if todo.compression is not None and compression(present, platform) != todo.compression:
        if present.get(f"{platform}.format") is not None:
            wanted[f"{platform}.format"] = "Automatic"
        wanted[f"{platform}.textureCompression"] = COMPRESSION_VALUES[todo.compression]
    return wanted


def _size_settings(todo: TextureIntent, present: Mapping[str, Any]) -> dict[str, Any]:
    """Lowers limits only: a smaller one was set for a platform with less memory."""
    if todo.max_size is None:
        return {}
    limits = {platform: max_size(present, platform) for platform in platforms(present)}
    lowered = {name: todo.max_size for name, size in limits.items() if size is None or size > todo.max_size}
    if not lowered:
        lowered = {DEFAULT: todo.max_size}
    return {f"{platform}.maxTextureSize": size for platform, size in lowered.items()}


def _is_inverted(options: Mapping[str, Any]) -> bool:
    """Whether the texture's swizzle inverts green already: one byte per channel, red the lowest."""
    swizzle = options.get("swizzle")
    return isinstance(swizzle, int) and swizzle >> 8 & 0xFF == SWIZZLE_ONE_MINUS_G


def kind_of(options: Mapping[str, Any]) -> str | None:
    """Returns the kind that the settings imply; None if they imply none."""
    if options.get("textureShape") == "TextureCube":
        return "environment"
    kind = KINDS.get(str(options.get("textureType")))
    # The file holds heights, from which Unity computes normals.
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
    horizontal, vertical = options.get("wrapModeU"), options.get("wrapModeV")
    return WRAPS.get(str(horizontal)) if horizontal == vertical else None


def _largest_size(options: Mapping[str, Any]) -> int | None:
    sizes = [max_size(options, platform) for platform in platforms(options)]
    return None if None in sizes else max(size for size in sizes if size is not None)


def _common(options: Mapping[str, Any], read: Any) -> Any:
    """Returns the value that all platforms share; None if they differ."""
    values = {read(options, platform) for platform in platforms(options)}
    return values.pop() if len(values) == 1 else None


def _switch(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other
