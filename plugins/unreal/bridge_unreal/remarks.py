"""Remarks specific to Unreal: on the headers of textures and on the project's configuration.

Each follows from the files alone. What Unreal does on purpose, or what only its editor knows, is none.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from bridge.api import AnyText, Remark, Severity, plural, text
from bridge_unreal.config_file import TextureGroup
from bridge_unreal.package_header import LFS_POINTER
from bridge_unreal.texture_header import TextureHeader, python_name
from bridge_unreal.texture_intent import (
    BC7,
    COMPRESSION,
    DEFAULT,
    GROUP,
    MASKS,
    NORMAL,
    SRGB,
    USER_INTERFACE,
    VECTORS,
)

KIB, MIB = 1 << 10, 1 << 20
MIN_UNCOMPRESSED = 128 * KIB
"""Bytes of an uncompressed texture that are worth a remark; small ones are often icons."""
MIN_CHOSEN = MIB
"""The same if its settings ask for it."""
RAW = "B8G8R8A8"
FLAT_GROUPS = frozenset({
    "TEXTUREGROUP_UI", "TEXTUREGROUP_PIXELS2D", "TEXTUREGROUP_COLOR_LOOKUP_TABLE",
    "TEXTUREGROUP_RENDER_TARGET",
})  # fmt: skip
"""Texture groups of images that are used without compression or mipmaps on purpose."""
SURFACES = ("World", "Character", "Weapon", "Vehicle")
"""Begin the names of the texture groups of 3D surfaces."""
MIP_SETTINGS = frozenset({
    "fromtexturegroup", "simpleaverage", "nomipmaps", "leaveexistingmips", "unfiltered", "angular",
    *(f"sharpen{number}" for number in range(11)), *(f"blur{number}" for number in range(1, 6)),
})  # fmt: skip
"""Values of `MipGenSettings`, without `TMGS_`."""
LFS = "lfs_pointer"
"""The code that audits give pointers of Git LFS, of all engines."""
GLOBAL = "globaldefaults"
"""The device profile that applies everywhere."""
_NORMAL = re.compile(r"_(nrm|normal|normals|normalmap)(_?\d+)?$", re.IGNORECASE)
_SHORT_NORMAL = re.compile(r"^(T_.+)_N(_?\d+)?$", re.IGNORECASE)
_COLORS = ("D", "BC", "A", "C", "B", "Albedo", "BaseColor", "Diffuse", "Color")
_DATA = re.compile(
    r"_(orm|aorm|ormh|ord|rma|rmao|arm|mra|mrao|rmo|occlusionroughnessmetallic|roughness|metallic|metalness)"
    r"(_?\d+)?$",
    re.IGNORECASE,
)
HEADER_ONLY = text("Only its name and header were checked.")

ABOUT_NORMAL = text("By its name a normal map. As colour, its vectors are distorted and lighting is wrong.")
ABOUT_DATA = text("By its name it holds data such as roughness. With sRGB on, Unreal changes the values.")
ABOUT_RAW = text(
    "Stored in four 8-bit channels without compression: four to eight times the GPU memory of a compressed "
    "texture."
)
ABOUT_VIRTUAL = text(
    "Virtual textures need `r.VirtualTextures` in the project's settings (Rendering › Enable virtual texture "
    "support)."
)
ABOUT_SOURCE = text(
    "The asset holds a copy of the file as it was at its import. Reimport it, or the change never reaches "
    "the game."
)
ABOUT_GROUPS = text(
    "Texture groups of device profiles limit the size of textures in the game and choose how mipmaps are "
    "made."
)


class _Kind(NamedTuple):
    """What all remarks of a code share."""

    about: AnyText
    title: AnyText
    short_title: AnyText


KINDS = {
    "unreal.virtual_textures_off": _Kind(
        ABOUT_VIRTUAL,
        plural("{n} virtual texture becomes an ordinary one", "{n} virtual textures become ordinary ones", 1),
        text("Not virtual"),
    ),
    "unreal.source_changed": _Kind(
        ABOUT_SOURCE,
        plural(
            "{n} source file has changed since its import",
            "{n} source files have changed since their import",
            1,
        ),
        text("Source file changed"),
    ),
    "unreal.named_normal": _Kind(
        ABOUT_NORMAL,
        plural(
            "{n} texture is named as a normal map but imported as colour",
            "{n} textures are named as normal maps but imported as colour",
            1,
        ),
        text("Named as normal map"),
    ),
    "unreal.named_data": _Kind(
        ABOUT_DATA,
        plural(
            "{n} texture is named as data but imported as sRGB",
            "{n} textures are named as data but imported as sRGB",
            1,
        ),
        text("Named as data"),
    ),
    "unreal.group_value": _Kind(
        ABOUT_GROUPS,
        plural(
            "{n} configuration file has an invalid texture group",
            "{n} configuration files have invalid texture groups",
            1,
        ),
        text("Invalid group"),
    ),
    "unreal.group_mipmaps": _Kind(
        ABOUT_GROUPS,
        plural(
            "{n} configuration file turns off mipmaps of surfaces",
            "{n} configuration files turn off mipmaps of surfaces",
            1,
        ),
        text("Group without mipmaps"),
    ),
    "unreal.group_limit": _Kind(
        ABOUT_GROUPS,
        plural(
            "{n} configuration file limits groups below the size of their textures",
            "{n} configuration files limit groups below the size of their textures",
            1,
        ),
        text("Group size limit"),
    ),
    LFS: _Kind(
        text("Git left it in place of the asset."),
        plural("{n} asset is a Git LFS pointer", "{n} assets are Git LFS pointers", 1),
        text("Git LFS pointer"),
    ),
    "unreal.unread": _Kind(
        text("Whether it is a texture, and how it is imported, is unknown."),
        plural("{n} asset wasn't checked", "{n} assets weren't checked", 1),
        text("Asset not checked"),
    ),
    "unreal.uncompressed": _Kind(
        ABOUT_RAW,
        plural("{n} texture isn't compressed for the GPU", "{n} textures aren't compressed for the GPU", 1),
        text("Not compressed"),
    ),
}


def _remark(code: str, severity: Severity, sentence: AnyText) -> Remark:
    kind = KINDS[code]
    return Remark(code, severity, sentence, kind.about, kind.title, kind.short_title)


VIRTUAL = _remark(
    "unreal.virtual_textures_off",
    "warning",
    text(
        "Set to stream as a virtual texture, but `r.VirtualTextures` is off: it becomes an ordinary texture."
    ),
)
CHANGED = _remark(
    "unreal.source_changed",
    "note",
    text("Changed since it was imported. Reimport it in Unreal."),
)


def header_remarks(header: TextureHeader, names: Collection[str], *, virtual: bool) -> Iterator[Remark]:
    """Yields the remarks on a texture's header.

    `names`: the lower-case names of the folder's textures; `virtual`: whether the project may use virtual
    textures.
    """
    options = header.options
    is_colour = options.get(COMPRESSION) in (DEFAULT, BC7) and options.get(SRGB) is True
    if options.get("virtual_texture_streaming") is True and not virtual:
        yield VIRTUAL
    if is_colour and options.get(GROUP) not in FLAT_GROUPS:
        if _is_named_normal(header, names):
            yield _remark(
                "unreal.named_normal",
                "warning",
                text("Named as a normal map, but imported as colour with sRGB. {note}", note=HEADER_ONLY),
            )
        elif _DATA.search(header.name):
            yield _remark(
                "unreal.named_data",
                "warning",
                text("Named as data, but imported with sRGB on. {note}", note=HEADER_ONLY),
            )
    yield from _uncompressed(header)


def group_remarks(
    groups: Sequence[TextureGroup], sizes: Mapping[str, Sequence[tuple[int, str]]]
) -> Iterator[Remark]:
    """Yields the remarks on the texture groups of one file.

    `sizes`: the longest side and the name of each known texture, by the group's name in Unreal's Python API.
    """
    for group in groups:
        mips = group.values.get("mipgensettings", "").lower().removeprefix("tmgs_")
        short = group.name.removeprefix("TEXTUREGROUP_")
        if mips and mips not in MIP_SETTINGS:
            yield _remark(
                "unreal.group_value",
                "warning",
                text(
                    "Line {line}: {value} isn't a value of MipGenSettings, so Unreal ignores it.",
                    line=group.number,
                    value=group.values["mipgensettings"],
                ),
            )
        elif mips == "nomipmaps" and group.profile.lower() == GLOBAL and short.startswith(SURFACES):
            yield _remark(
                "unreal.group_mipmaps",
                "warning",
                text(
                    "Line {line}: textures of the group {group} get no mipmaps, so surfaces shimmer at a "
                    "distance.",
                    line=group.number,
                    group=short,
                ),
            )
    limits = {each.name: each for each in groups if each.profile.lower() == GLOBAL}
    for group in limits.values():
        size = group.size()
        larger = [name for side, name in sizes.get(python_name(group.name), ()) if size and side > size]
        if larger:
            yield _remark(
                "unreal.group_limit",
                "note",
                plural(
                    "Line {line}: the group {group} is limited to {limit} px in the game; {n} texture is "
                    "larger: {first}.",
                    "Line {line}: the group {group} is limited to {limit} px in the game; {n} textures are "
                    "larger, such as {first}.",
                    len(larger),
                    line=group.number,
                    group=group.name.removeprefix("TEXTUREGROUP_"),
                    limit=size,
                    first=min(larger),
                ),
            )


def unread_remark(reason: AnyText) -> Remark:
    """Returns the remark on an asset whose header can't be read: an error if Git LFS can get it."""
    if reason is LFS_POINTER:
        return _remark(LFS, "error", text("A Git LFS pointer, not the asset. Run `git lfs pull`."))
    return _remark("unreal.unread", "note", text("Not checked: {reason}.", reason=reason))


def _is_named_normal(header: TextureHeader, names: Collection[str]) -> bool:
    if _NORMAL.search(header.name):
        return True
    short = _SHORT_NORMAL.match(header.name)
    # A button's N may stand for north or normal state: the colours of the same material settle it.
    return short is not None and any(f"{short[1]}_{each}".lower() in names for each in _COLORS)


def _uncompressed(header: TextureHeader) -> Iterator[Remark]:
    options, size = header.options, header.size
    if header.format.removeprefix("PF_") != RAW or size is None or options.get(GROUP) in FLAT_GROUPS:
        return
    width, height = size
    memory = 4 * width * height
    compression, used = options.get(COMPRESSION), _size(memory)
    if (
        memory >= MIN_UNCOMPRESSED
        and compression in (DEFAULT, NORMAL, MASKS, BC7)
        and (width % 4 or height % 4)
    ):
        yield _remark(
            "unreal.uncompressed",
            "warning",
            text(
                "{width}×{height} isn't a multiple of 4, so Unreal doesn't compress it: it uses {size}.",
                width=width,
                height=height,
                size=used,
            ),
        )
    elif memory >= MIN_UNCOMPRESSED and compression == "TC_GRAYSCALE" and options.get(SRGB) is True:
        yield _remark(
            "unreal.uncompressed",
            "warning",
            text(
                "Grayscale with sRGB on is stored in four channels without compression: it uses {size}.",
                size=used,
            ),
        )
    elif memory >= MIN_CHOSEN and compression in (USER_INTERFACE, VECTORS):
        yield _remark(
            "unreal.uncompressed",
            "note",
            text("Its settings store it uncompressed: it uses {size}.", size=used),
        )


def _size(memory: int) -> str:
    return f"{memory / MIB:.1f} MiB" if memory >= MIB else f"{memory // KIB} KiB"


def folder_names(files: Collection[str]) -> Mapping[str, set[str]]:
    """Returns the lower-case names of assets, without extension, by their folders."""
    found: dict[str, set[str]] = {}
    for file in files:
        path = PurePosixPath(file)
        found.setdefault(str(path.parent), set()).add(path.stem.lower())
    return found
