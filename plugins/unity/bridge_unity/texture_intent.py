"""Converts between texture intents and the settings of Unity's `TextureImporter`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.api import Compression, PlatformOverride, TextureIntent
from bridge_unity.importer_settings import (
    COLOR_SPACE,
    DEFAULT,
    SIZES,
    compression,
    is_overridden,
    is_valid,
    max_size,
    platforms,
)

FIELDS = frozenset({
    "kind", "color_space", "compression", "mipmaps", "max_size", "wrap", "filter", "mip_generation",
    "lod_bias", "streaming", "virtual_texture", "swizzle", "shape", "platforms",
})  # fmt: skip
"""The fields that the settings decide, `swizzle` since 2022.1. `alpha` is missing: it is unknown whether
Unity keeps opaque alpha channels."""
SINCE_2022 = frozenset({"swizzle"})
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
MIP_GENERATIONS = {"BoxFilter": "box", "KaiserFilter": "kaiser"}
SHAPES = {"Texture2D": "2d", "TextureCube": "cube", "Texture2DArray": "array", "Texture3D": "volume"}
MAX_BIAS = 16.0
OVERRIDABLE = frozenset({
    "Standalone", "Android", "iPhone", "tvOS", "WebGL", "Windows Store Apps", "PS4", "PS5", "XboxOne",
    "GameCoreXboxOne", "GameCoreScarlett", "Nintendo Switch",
})  # fmt: skip
"""Platforms of every supported version that may have settings of their own."""
COPIED: Mapping[str, Any] = {
    "maxTextureSize": 2048, "format": "Automatic", "textureCompression": "Compressed",
    "crunchedCompression": False,
}  # fmt: skip
"""The settings of an override, with Unity's defaults."""
LINEAR_KINDS = frozenset({"normal", "height", "roughness", "specular", "ao", "packed"})

SWIZZLE_SOURCES = "rgbaRGBA01"
"""`TextureImporterSwizzle` in the letters of a texture intent."""
SWIZZLE_ONE_MINUS_G = 5
"""`TextureImporterSwizzle.OneMinusG`."""


def compile_intent(
    intent: TextureIntent, present: Mapping[str, Any], *, can_flip_green: bool = True
) -> dict[str, Any]:
    """Returns the settings that change `present` to `intent`.

    A sprite sheet keeps its type, or it would lose its sprites. `can_flip_green`: whether this version can
    flip a normal map's green channel, and swizzle channels.
    """
    is_sheet = present.get("spriteImportMode") == "Multiple" and kind_of(present) == "sprite"
    if intent.kind == "normal" and is_sheet:
        intent = intent.without("kind", "color_space")
    wanted = expressible(intent, can_flip_green=can_flip_green)
    # What other settings depend on comes first.
    changes = _override_settings(wanted, present)
    if wanted.swizzle is not None and wanted.swizzle != _swizzle(present):
        changes["swizzle"] = sum(
            SWIZZLE_SOURCES.index(source) << 8 * at for at, source in enumerate(wanted.swizzle)
        )
    after = {**present, **changes}
    todo = wanted.differs(read_intent(after, can_flip_green=can_flip_green))
    changes |= {
        **_texture_settings(todo, after),
        **_wrap_settings(todo),
        **_size_settings(todo, after),
        **_type_settings(intent, present),
    }
    if todo.shape is not None:
        changes["textureShape"] = _word(SHAPES, todo.shape)
    if wanted.compression is not None:
        for platform in platforms({**present, **changes}):
            changes |= _compression_settings(platform, wanted.compression, {**present, **changes})
    return {name: value for name, value in changes.items() if not _same(present.get(name), value)}


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
        "mip_generation": MIP_GENERATIONS.get(str(options.get("mipmapFilter"))),
        "lod_bias": _bias(options.get("mipMapBias")),
        "streaming": _switch(options.get("streamingMipmaps")),
        "virtual_texture": _switch(options.get("vtOnly")),
        "shape": SHAPES.get(str(options.get("textureShape"))),
        "platforms": _overrides(options),
    }
    flipped = _switch(options.get("flipGreenChannel"))
    if can_flip_green:
        fields["swizzle"] = _swizzle(options)
        if flipped is not None:
            # Unity expects green up (OpenGL): a texture that needs the flip is DirectX.
            fields[GREEN] = "directx" if flipped != _is_inverted(options) else "opengl"
    return TextureIntent(**fields)


def expressible(intent: TextureIntent, *, can_flip_green: bool = True) -> TextureIntent:
    """Returns the part of `intent` that these settings can express."""
    fields: dict[str, Any] = intent.only(FIELDS | {GREEN} if can_flip_green else FIELDS - SINCE_2022).fields()
    if intent.kind != "normal":
        fields.pop("kind", None)
    else:
        if "color_space" in fields:
            # Unity always reads normal maps as linear.
            fields["color_space"] = "linear"
        if intent.shape != "2d":
            fields.pop("shape", None)
    if intent.compression is not None:
        fields["compression"] = FALLBACKS.get(intent.compression, intent.compression)
    if intent.max_size is not None and intent.max_size not in SIZES:
        del fields["max_size"]
    if intent.mip_generation not in MIP_GENERATIONS.values():
        fields.pop("mip_generation", None)
    if intent.shape not in SHAPES.values():
        fields.pop("shape", None)
    # Steps that a 32-bit number holds exactly.
    if intent.lod_bias is not None and not (
        abs(intent.lod_bias) <= MAX_BIAS and (intent.lod_bias * 64).is_integer()
    ):
        del fields["lod_bias"]
    if "swizzle" in fields and not (
        len(fields["swizzle"]) == 4 and set(fields["swizzle"]) <= set(SWIZZLE_SOURCES)
    ):
        del fields["swizzle"]
    if fields.pop("platforms", None) and (own := _expressible_overrides(intent, fields)):
        fields["platforms"] = own
    return TextureIntent(**fields)


def _expressible_overrides(intent: TextureIntent, fields: Mapping[str, Any]) -> dict[str, PlatformOverride]:
    """Returns the expressible `platforms` of `intent`, without what contradicts its other expressible fields:
    a compression or a largest size that all platforms are to have."""
    own: dict[str, PlatformOverride] = {}
    for platform, override in (intent.platforms or {}).items():
        size, compressed = override.max_size, override.compression
        if size not in SIZES or size > fields.get("max_size", size):
            size = None
        if compressed is not None:
            compressed = FALLBACKS.get(compressed, compressed)  # type: ignore[assignment]
        if fields.get("compression") is not None:
            compressed = None
        if platform in OVERRIDABLE and (size is not None or compressed is not None):
            own[platform] = PlatformOverride(max_size=size, compression=compressed)
    return own


def _override_settings(wanted: TextureIntent, present: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings of the platforms that `wanted` names; a new override starts as the default."""
    changes: dict[str, Any] = {}
    for platform, override in (wanted.platforms or {}).items():
        if not is_overridden(present, platform):
            changes[f"{platform}.overridden"] = True
            known = {name: present.get(f"{DEFAULT}.{name}") for name in COPIED}
            valid = {name: value for name, value in known.items() if is_valid(name, value)}
            changes |= {f"{platform}.{name}": value for name, value in {**COPIED, **valid}.items()}
        if override.max_size is not None:
            changes[f"{platform}.maxTextureSize"] = override.max_size
        if override.compression is not None:
            changes |= _compression_settings(platform, override.compression, {**present, **changes})
    return changes


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
    if todo.mip_generation is not None:
        wanted["mipmapFilter"] = _word(MIP_GENERATIONS, todo.mip_generation)
    if todo.lod_bias is not None:
        wanted["mipMapBias"] = todo.lod_bias
    if todo.streaming is not None:
        wanted["streamingMipmaps"] = todo.streaming
    if todo.virtual_texture is not None:
        wanted["vtOnly"] = todo.virtual_texture
    return wanted


def _wrap_settings(todo: TextureIntent) -> dict[str, Any]:
    mode = _word(WRAPS, todo.wrap)
    return {"wrapModeU": mode, "wrapModeV": mode} if mode else {}


def _compression_settings(platform: str, wanted: Compression, present: Mapping[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if compression(present, platform) != wanted:
        if present.get(f"{platform}.format") is not None:
            changes[f"{platform}.format"] = "Automatic"
        changes[f"{platform}.textureCompression"] = COMPRESSION_VALUES[wanted]
    return changes


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


def _swizzle(options: Mapping[str, Any]) -> str | None:
    """Returns the letters of the channels' sources; None if they are unknown."""
    swizzle = options.get("swizzle")
    if type(swizzle) is not int or not 0 <= swizzle < 1 << 32:
        return None
    sources = swizzle.to_bytes(4, "little")
    known = max(sources) < len(SWIZZLE_SOURCES)
    return "".join(SWIZZLE_SOURCES[source] for source in sources) if known else None


def _bias(value: object) -> float | None:
    # Files of Unity 5 have -100 for the default.
    known = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MAX_BIAS
    return float(value) if known else None  # type: ignore[arg-type]


def _overrides(options: Mapping[str, Any]) -> dict[str, PlatformOverride] | None:
    """Returns the settings of each platform that overrides the default; None if nothing is known of any."""
    found = {
        platform: PlatformOverride(
            max_size=max_size(options, platform),
            compression=compression(options, platform),  # type: ignore[arg-type]
        )
        for platform in platforms(options)
        if platform != DEFAULT
    }
    is_known = bool(found) or any(f"{DEFAULT}.{name}" in options for name in COPIED)
    return found if is_known else None


def _word(names: Mapping[str, str], word: str | None) -> str | None:
    return next((name for name, known in names.items() if known == word), None)


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
