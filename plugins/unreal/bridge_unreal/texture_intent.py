"""Converts between texture intents and the properties of Unreal's `Texture2D`.

Names and values are those of Unreal's Python API: `compression_settings` is `TC_NORMALMAP`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.api import TextureIntent

FIELDS = frozenset({
    "kind", "color_space", "normal_convention", "compression", "mipmaps", "alpha", "max_size", "wrap",
    "filter", "group", "lod_bias", "streaming", "virtual_texture", "mip_generation",
})  # fmt: skip
"""The fields that the properties of every supported version decide."""

COMPRESSION, SRGB, GROUP, MIPS = "compression_settings", "srgb", "lod_group", "mip_gen_settings"
DEFAULT, NORMAL, MASKS = "TC_DEFAULT", "TC_NORMALMAP", "TC_MASKS"
USER_INTERFACE, VECTORS, BC7 = "TC_EDITOR_ICON", "TC_VECTOR_DISPLACEMENTMAP", "TC_BC7"
FROM_GROUP, NO_MIPMAPS, AVERAGE = "TMGS_FROM_TEXTURE_GROUP", "TMGS_NO_MIPMAPS", "TMGS_SIMPLE_AVERAGE"
WORLD, WORLD_NORMALS = "TEXTUREGROUP_WORLD", "TEXTUREGROUP_WORLD_NORMAL_MAP"
PIXELS = "TEXTUREGROUP_PIXELS2D"

COMPRESSIONS: Mapping[str, str] = {
    DEFAULT: "block", NORMAL: "block", MASKS: "block", "TC_ALPHA": "block", BC7: "block_high",
    "TC_HDR_COMPRESSED": "block_high", "TC_GRAYSCALE": "none", "TC_DISPLACEMENTMAP": "none", VECTORS: "none",
    USER_INTERFACE: "none", "TC_DISTANCE_FIELD_FONT": "none", "TC_HDR": "none", "TC_HALF_FLOAT": "none",
    "TC_SINGLE_FLOAT": "none", "TC_HDR_F32": "none",
}  # fmt: skip
ALWAYS_LINEAR = frozenset({
    NORMAL, MASKS, "TC_ALPHA", "TC_HDR", "TC_HDR_COMPRESSED", "TC_HALF_FLOAT", "TC_SINGLE_FLOAT",
    "TC_HDR_F32",
})  # fmt: skip
"""Compressions with which the editor clears `srgb`."""
KINDS: Mapping[str, str] = {
    NORMAL: "normal", MASKS: "packed", "TC_DISPLACEMENTMAP": "height", USER_INTERFACE: "ui",
}  # fmt: skip
SETTINGS_OF_KINDS = {"normal": NORMAL, "packed": MASKS}
"""The kinds that a compression stands for alone; both are in 4x4 blocks."""
FALLBACKS = {"lossless": "none", "lossy": "block", "universal": "block"}
"""Compressions that Unreal lacks, by the nearest one: it stores textures in the format of the GPU."""
LINEAR_KINDS = frozenset({"normal", "height", "roughness", "specular", "ao", "packed"})
UNKNOWN_MIPS = frozenset({
    "TEXTUREGROUP_BOKEH", "TEXTUREGROUP_COLOR_LOOKUP_TABLE", "TEXTUREGROUP_RENDER_TARGET",
    "TEXTUREGROUP_LIGHTMAP", "TEXTUREGROUP_SHADOWMAP", "TEXTUREGROUP_MOBILE_FLATTENED",
    "TEXTUREGROUP_IES_LIGHT_PROFILE", "TEXTUREGROUP_8_BIT_DATA", "TEXTUREGROUP_16_BIT_DATA",
})  # fmt: skip
"""Texture groups of which some projects generate no mipmaps."""
WRAPS = {"TA_WRAP": "repeat", "TA_CLAMP": "clamp", "TA_MIRROR": "mirror"}
FILTERS = {"TF_NEAREST": "nearest", "TF_BILINEAR": "linear", "TF_TRILINEAR": "linear"}
MIP_FILTERS = {"TF_NEAREST": "nearest", "TF_BILINEAR": "nearest", "TF_TRILINEAR": "linear"}
MIP_GENERATIONS: Mapping[str, str] = {
    AVERAGE: "box", "TMGS_SHARPEN4": "sharpen", "TMGS_BLUR3": "blur", "TMGS_UNFILTERED": "unfiltered",
    **{f"TMGS_SHARPEN{strength}": "sharpen" for strength in range(11)},
    **{f"TMGS_BLUR{strength}": "blur" for strength in range(1, 6)},
}  # fmt: skip
"""How mip levels are made; the first of several strengths, the middle one, is the one to set."""
GROUPS = frozenset({
    WORLD, WORLD_NORMALS, "TEXTUREGROUP_WORLD_SPECULAR", "TEXTUREGROUP_CHARACTER",
    "TEXTUREGROUP_CHARACTER_NORMAL_MAP", "TEXTUREGROUP_CHARACTER_SPECULAR", "TEXTUREGROUP_WEAPON",
    "TEXTUREGROUP_WEAPON_NORMAL_MAP", "TEXTUREGROUP_WEAPON_SPECULAR", "TEXTUREGROUP_VEHICLE",
    "TEXTUREGROUP_VEHICLE_NORMAL_MAP", "TEXTUREGROUP_VEHICLE_SPECULAR", "TEXTUREGROUP_CINEMATIC",
    "TEXTUREGROUP_EFFECTS", "TEXTUREGROUP_EFFECTS_NOT_FILTERED", "TEXTUREGROUP_SKYBOX", "TEXTUREGROUP_UI",
    PIXELS,
})  # fmt: skip
"""The texture groups of every version that are meant to be chosen."""
MAX_BIAS = 16
MAX_SIZE = 16_384
"""The longest side of a texture that isn't virtual, pixels."""


def compile_intent(intent: TextureIntent, present: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the properties that change `present` to `intent`."""
    wanted: dict[str, Any] = {}
    group = expressible(intent).group
    if group is not None:
        # What it says of mip levels and filtering depends on the group.
        wanted[GROUP] = group
    before, present = present, {**present, **wanted}
    todo = expressible(intent).differs(read_intent(present))
    compression = _compression(intent, todo, present)
    if compression is not None:
        wanted[COMPRESSION] = compression
        if group is None:
            wanted |= _group(compression, present)
    srgb = _srgb(intent, todo, compression, present)
    if srgb is not None:
        wanted[SRGB] = srgb
    if todo.normal_convention is not None:
        # Unreal expects green down (DirectX): a texture that needs the flip is OpenGL.
        wanted["flip_green_channel"] = todo.normal_convention == "opengl"
    if todo.mip_generation is not None:
        wanted[MIPS] = next(name for name, way in MIP_GENERATIONS.items() if way == todo.mip_generation)
    elif todo.mipmaps is not None:
        wanted[MIPS] = _mips(todo.mipmaps, present)
    if todo.lod_bias is not None:
        wanted["lod_bias"] = int(todo.lod_bias)
    if todo.streaming is not None:
        wanted["never_stream"] = not todo.streaming
    if todo.virtual_texture is not None:
        wanted["virtual_texture_streaming"] = todo.virtual_texture
    if todo.max_size is not None:
        wanted["max_texture_size"] = todo.max_size
    if todo.alpha == "none":
        wanted["compression_no_alpha"] = True
    elif intent.alpha not in (None, "none") and present.get("compression_no_alpha") is True:
        wanted["compression_no_alpha"] = False
    if todo.wrap is not None:
        mode = next(mode for mode, wrap in WRAPS.items() if wrap == todo.wrap)
        wanted |= {"address_x": mode, "address_y": mode}
    if todo.filter is not None:
        smooth = "TF_BILINEAR" if present.get(GROUP) == PIXELS else "TF_DEFAULT"
        wanted["filter"] = "TF_NEAREST" if todo.filter == "nearest" else smooth
    return {name: value for name, value in wanted.items() if not _same(before.get(name), value)}


def read_intent(options: Mapping[str, Any]) -> TextureIntent:
    """Returns the intent of `options`; an unknown value decides nothing."""
    compression, filtering = str(options.get(COMPRESSION)), str(options.get("filter"))
    flipped, srgb = _switch(options.get("flip_green_channel")), _switch(options.get(SRGB))
    group, whole = options.get(GROUP), _switch(options.get("never_stream"))
    linear = compression in ALWAYS_LINEAR or srgb is False
    size = options.get("max_texture_size")
    default = None if options.get(GROUP) == PIXELS or filtering != "TF_DEFAULT" else "linear"
    return TextureIntent(
        kind=KINDS.get(compression) or ("sprite" if options.get(GROUP) == PIXELS else None),  # type: ignore[arg-type]
        color_space="linear" if linear else None if srgb is None else "srgb",
        normal_convention=None if flipped is None else "opengl" if flipped else "directx",
        compression=COMPRESSIONS.get(compression),  # type: ignore[arg-type]
        mipmaps=_has_mips(options),
        alpha="none" if options.get("compression_no_alpha") is True else None,
        max_size=size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else None,
        wrap=_wrap(options),  # type: ignore[arg-type]
        filter=FILTERS.get(filtering, default),  # type: ignore[arg-type]
        mip_filter=MIP_FILTERS.get(filtering),  # type: ignore[arg-type]
        group=group if isinstance(group, str) and group else None,
        lod_bias=_bias(options.get("lod_bias")),
        streaming=None if whole is None else not whole,
        virtual_texture=_switch(options.get("virtual_texture_streaming")),
        mip_generation=MIP_GENERATIONS.get(str(options.get(MIPS))),  # type: ignore[arg-type]
    )


def expressible(intent: TextureIntent) -> TextureIntent:
    """Returns the part of `intent` that these properties can express."""
    fields: dict[str, Any] = intent.only(FIELDS).fields()
    if intent.compression is not None:
        fields["compression"] = FALLBACKS.get(intent.compression, intent.compression)
    if intent.kind == "packed" and fields.get("compression", "block") != "block":
        # Masks in BC7 or without compression are linear textures like any other.
        del fields["kind"]
    elif intent.kind in SETTINGS_OF_KINDS:
        fields |= {name: value for name, value in LINEAR_BLOCKS.items() if name in fields}
    else:
        fields.pop("kind", None)
    if fields.get("alpha") != "none":
        fields.pop("alpha", None)
    if intent.group not in GROUPS:
        fields.pop("group", None)
    if intent.lod_bias is not None and not (
        abs(intent.lod_bias) <= MAX_BIAS and float(intent.lod_bias).is_integer()
    ):
        del fields["lod_bias"]
    if intent.mipmaps is False or intent.mip_generation not in MIP_GENERATIONS.values():
        fields.pop("mip_generation", None)
    size = intent.max_size
    # Unreal halves a texture until it fits, so other limits come out smaller.
    if size is not None and not (0 <= size <= MAX_SIZE and size & (size - 1) == 0):
        del fields["max_size"]
    return TextureIntent(**fields)


LINEAR_BLOCKS = {"compression": "block", "color_space": "linear"}
"""What `TC_NORMALMAP` and `TC_MASKS` mean besides their kind."""


def _compression(intent: TextureIntent, todo: TextureIntent, present: Mapping[str, Any]) -> str | None:
    """Returns the compression to set; None leaves it."""
    now = str(present.get(COMPRESSION))
    kind = expressible(intent).kind
    if kind is not None:
        return SETTINGS_OF_KINDS[kind] if todo.kind is not None else None
    linear = _is_linear(intent, present)
    if todo.compression is not None:
        if todo.compression == "none":
            return VECTORS if linear else USER_INTERFACE
        return BC7 if todo.compression == "block_high" else MASKS if intent.kind == "packed" else DEFAULT
    if now == NORMAL and intent.kind not in (None, "normal"):
        return DEFAULT
    if todo.color_space == "srgb" and now in ALWAYS_LINEAR:
        same = COMPRESSIONS[now] if intent.compression is not None else "block"
        return {"none": USER_INTERFACE, "block_high": BC7}.get(same, DEFAULT)
    return None


def _srgb(
    intent: TextureIntent, todo: TextureIntent, compression: str | None, present: Mapping[str, Any]
) -> bool | None:
    """Returns the value of `srgb` to set; None leaves it."""
    if compression in ALWAYS_LINEAR:
        return False
    if todo.color_space is not None:
        return todo.color_space == "srgb"
    if compression is None or str(present.get(COMPRESSION)) not in ALWAYS_LINEAR:
        return None
    return not _is_linear(intent, present)


def _is_linear(intent: TextureIntent, present: Mapping[str, Any]) -> bool:
    """Whether the texture is to be linear: as asked, or as its kind is, or as it is now."""
    if intent.color_space is not None:
        return intent.color_space == "linear"
    if intent.kind is not None:
        return intent.kind in LINEAR_KINDS
    return read_intent(present).color_space == "linear"


def _group(compression: str, present: Mapping[str, Any]) -> dict[str, str]:
    """Returns the texture group, which the editor's own check of normal maps changes with the compression."""
    if compression == NORMAL and present.get(GROUP) == WORLD:
        return {GROUP: WORLD_NORMALS}
    if compression != NORMAL and present.get(GROUP) == WORLD_NORMALS:
        return {GROUP: WORLD}
    return {}


def _mips(mipmaps: bool, present: Mapping[str, Any]) -> str:
    if not mipmaps:
        return NO_MIPMAPS
    return AVERAGE if str(present.get(GROUP)) in UNKNOWN_MIPS else FROM_GROUP


def _has_mips(options: Mapping[str, Any]) -> bool | None:
    found = options.get(MIPS)
    if not isinstance(found, str) or not found.startswith("TMGS_"):
        return None
    if found == FROM_GROUP:
        return None if str(options.get(GROUP)) in UNKNOWN_MIPS else True
    return None if found == "TMGS_LEAVE_EXISTING_MIPS" else found != NO_MIPMAPS


def _bias(value: object) -> float | None:
    return float(value) if type(value) is int and abs(value) <= MAX_BIAS else None


def _wrap(options: Mapping[str, Any]) -> str | None:
    across, down = options.get("address_x"), options.get("address_y")
    return WRAPS.get(str(across)) if across == down else None


def _switch(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other
