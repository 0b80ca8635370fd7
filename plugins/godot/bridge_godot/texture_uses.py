"""What materials, shaders and scenes of a Godot project use its textures as."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from bridge.api import Kind, walk
from bridge_godot.config_file import ConfigFile, parse
from bridge_godot.import_file import RES, SUFFIX, ImportFile, is_ignored

MATERIALS = frozenset({"StandardMaterial3D", "ORMMaterial3D", "SpatialMaterial"})
MATERIAL_SLOTS: Mapping[str, Kind] = {
    "albedo_texture": "albedo", "detail_albedo": "albedo", "normal_texture": "normal",
    "detail_normal": "normal", "roughness_texture": "roughness", "metallic_texture": "specular",
    "ao_texture": "ao", "heightmap_texture": "height", "depth_texture": "height",
    "emission_texture": "emissive", "orm_texture": "packed",
}  # fmt: skip
"""The properties of materials. `depth_texture` is the height map in Godot 3."""
SINGLE_CHANNEL = frozenset({"roughness", "specular", "ao"})
"""Each of these reads one channel: a texture that is several of them is packed."""

SPRITES = frozenset({
    "Sprite2D", "Sprite", "Sprite3D", "SpriteFrames", "TileSet", "TileSetAtlasSource", "Polygon2D", "Line2D",
    "MeshInstance2D", "MultiMeshInstance2D", "GPUParticles2D", "CPUParticles2D", "Particles2D",
    "AtlasTexture",
})  # fmt: skip
WIDGETS = frozenset({
    "TextureRect", "TextureButton", "TextureProgressBar", "TextureProgress", "NinePatchRect", "Button",
    "CheckBox", "CheckButton", "OptionButton", "MenuButton", "LinkButton", "StyleBoxTexture", "Theme",
    "FontFile", "BitmapFont", "ItemList", "TabContainer", "TouchScreenButton",
})  # fmt: skip
SKIES = frozenset({"PanoramaSkyMaterial", "PanoramaSky"})
NORMAL_2D: tuple[Kind, ...] = ("normal", "sprite")
"""The normal map of a sprite: it needs no mipmaps and no block compression, unlike a material texture."""
OTHER_SLOTS: Mapping[tuple[str, str], tuple[Kind, ...]] = {
    ("CanvasTexture", "diffuse_texture"): ("sprite",), ("CanvasTexture", "normal_texture"): NORMAL_2D,
    ("CanvasTexture", "specular_texture"): ("specular",), ("Decal", "texture_albedo"): ("albedo",),
    ("Decal", "texture_normal"): ("normal",), ("Decal", "texture_orm"): ("packed",),
    ("Decal", "texture_emission"): ("emissive",),
}  # fmt: skip
COMPOSED_TEXTURES = frozenset({"AtlasTexture", "CanvasTexture"})
"""Textures made of other textures."""
PROJECT_SETTINGS = (
    ("application", "config/icon"),
    ("application", "boot_splash/image"),
    ("display", "mouse_cursor/custom_image"),
)
"""The project's settings that name an image."""
SHADER_COLOR_HINTS = frozenset({"source_color", "hint_albedo", "hint_black_albedo", "hint_white_albedo"})
"""The first is Godot 4's, the others are Godot 3's."""
MAX_SHADER_BYTES = 1 << 20

_HEAD = re.compile(rb"\[(gd_scene|gd_resource|ext_resource|sub_resource|node|resource)\b([^\r\n]*)\]")
_ATTRIBUTE = re.compile(rb'\b(type|path|uid|id)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|(\d+))')
_KEY = re.compile(rb'([^\s=\["{(](?:[^=\r\n"]*[^\s="])?)\s*=')
_REFERENCE = re.compile(rb'\b(Ext|Sub)Resource\(\s*(?:"([^"]*)"|(\d+))\s*\)')
_SHADER_TYPE = re.compile(r"\bshader_type\s+(\w+)\s*;")
_SAMPLER = re.compile(r"\buniform\s+(?:\w+\s+)?sampler2D\s+(\w+)\s*:([^:;]*);")
_COMMENT = re.compile(r"//[^\r\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)


@dataclass(frozen=True)
class File:
    """A file that a resource refers to. Either name may be missing or outdated."""

    path: str
    uid: str


@dataclass
class Block:
    """A node, a sub-resource, or the resource itself."""

    type: str
    id: str = ""
    """The id of a sub-resource."""
    files: list[tuple[str, File]] = field(default_factory=list)
    """Each property that refers to a file, with the file."""
    subresources: list[tuple[str, str]] = field(default_factory=list)
    """Each property that refers to a sub-resource, with its id."""


def texture_uses(project: Path) -> dict[str, Sequence[Kind]]:
    """Returns the kinds that each texture is used as, in the order in which they are found.

    A texture's key is its path in the project.
    """
    by_file: dict[str, list[Kind]] = {}
    by_uid: dict[str, list[Kind]] = {}
    for used, kind in (*_uses_of_settings(project), *_uses_of_resources(project)):
        file = used.path.removeprefix(RES)
        # The path may be any string, also one that is too long for a file name.
        exists = bool(file) and os.path.isfile(project / file)
        kinds = by_file.setdefault(file, []) if exists else by_uid.setdefault(used.uid, [])
        if kind not in kinds:
            kinds.append(kind)
    by_uid.pop("", None)
    # Godot 4 finds a moved texture by its uid.
    for uid, file in _uids(project) if by_uid else ():
        for kind in by_uid.get(uid, ()):
            if kind not in (kinds := by_file.setdefault(file, [])):
                kinds.append(kind)
    return dict(by_file)


def _uses_of_settings(project: Path) -> Iterator[tuple[File, Kind]]:
    try:
        config = ConfigFile.read(project / "project.godot")
    except OSError:
        return
    for section, key in PROJECT_SETTINGS:
        path = parse(config.raw(section, key) or '""')
        if isinstance(path, str) and path.startswith(RES):
            yield File(path, ""), "ui"
        elif isinstance(path, str) and path:
            yield File("", path), "ui"


def _uses_of_resources(project: Path) -> Iterator[tuple[File, Kind]]:
    @lru_cache(1024)
    def cached_samplers(path: str) -> Mapping[str, Kind]:
        try:
            return shader_samplers(project / path.removeprefix(RES))
        except (OSError, ValueError):
            return {}

    for item in walk(project, is_ignored):
        if not item.problem and item.file.endswith((".tscn", ".tres", ".material", ".theme")):
            try:
                blocks = list(read_resource(project / item.file))
            except OSError:
                continue
            yield from uses_of_blocks(blocks)
            for block in blocks:
                yield from _uses_of_shader(block, cached_samplers)


def _uids(project: Path) -> Iterator[tuple[str, str]]:
    """Yields the uid and the file of each import file that has one."""
    for item in walk(project, is_ignored):
        if item.problem or not item.file.endswith(SUFFIX):
            continue
        path = project / item.file
        try:
            uid = ImportFile(path, ConfigFile.read(path)).uid
        except OSError:
            continue
        if uid:
            yield uid, item.file.removesuffix(SUFFIX)


def read_resource(path: Path) -> Iterator[Block]:
    """Yields the blocks of a text resource (`.tscn`, `.tres`); none of a binary one. Raises OSError."""
    files: dict[str, File] = {}
    block, resource, key = Block(""), "", ""
    with path.open("rb") as lines:
        for line in lines:
            if line.startswith(b"[") and (head := _HEAD.match(line)):
                yield block
                attributes = _attributes(head.group(2))
                block, key = Block(""), ""
                match head.group(1):
                    case b"gd_scene" | b"gd_resource":
                        resource = attributes.get("type", "")
                    case b"ext_resource":
                        file = File(attributes.get("path", ""), attributes.get("uid", ""))
                        files[attributes.get("id", "")] = file
                    case b"resource":
                        block = Block(resource)
                    case _:
                        block = Block(attributes.get("type", ""), attributes.get("id", ""))
                continue
            if found := _KEY.match(line):
                key = _decode(found.group(1))
            # Most lines of a scene are numbers, some of them megabytes long.
            if b"Resource(" in line:
                _add_references(line, key, files, block)
    yield block


def _add_references(line: bytes, key: str, files: dict[str, File], block: Block) -> None:
    for kind, name, number in _REFERENCE.findall(line):
        reference = _decode(name or number)
        if kind == b"Sub":
            block.subresources.append((key, reference))
        elif reference in files:
            block.files.append((key, files[reference]))


def _attributes(head: bytes) -> dict[str, str]:
    return {_decode(name): _decode(quoted or number) for name, quoted, number in _ATTRIBUTE.findall(head)}


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape").replace('\\"', '"').replace("\\\\", "\\")


def uses_of_blocks(blocks: Sequence[Block]) -> Iterator[tuple[File, Kind]]:
    """Yields what the blocks of one resource use files as."""
    composed = {block.id: block for block in blocks if block.id and block.type in COMPOSED_TEXTURES}
    for block in blocks:
        if block.id in composed and block.type == "AtlasTexture":
            # Its user decides the kind.
            continue
        files = list(block.files)
        for key, id_ in block.subresources:
            if id_ in composed and composed[id_].type == "AtlasTexture":
                files += [(key, file) for _, file in composed[id_].files]
        uses = [(file, kind) for key, file in files for kind in _kinds(block.type, key)]
        yield from _merge_channels(uses) if block.type in MATERIALS else uses


def _kinds(owner: str, key: str) -> tuple[Kind, ...]:
    if owner in MATERIALS:
        return (MATERIAL_SLOTS[key],) if key in MATERIAL_SLOTS else ()
    if (kinds := OTHER_SLOTS.get((owner, key))) is not None:
        return kinds
    if owner in SKIES:
        return ("environment",) if key == "panorama" else ()
    # Tile sets have normal maps beside their sprites.
    if "normal_map" in key:
        return NORMAL_2D
    if owner in SPRITES:
        return ("sprite",)
    return ("ui",) if owner in WIDGETS else ()


def _merge_channels(uses: Sequence[tuple[File, Kind]]) -> Iterator[tuple[File, Kind]]:
    """Yields a material's textures; one in several single-channel slots is packed."""
    by_file: dict[File, set[Kind]] = {}
    for file, kind in uses:
        by_file.setdefault(file, set()).add(kind)
    for file, kinds in by_file.items():
        if len(kinds & SINGLE_CHANNEL) > 1:
            kinds = (kinds - SINGLE_CHANNEL) | {"packed"}
        for kind in sorted(kinds):
            yield file, kind


def _uses_of_shader(
    block: Block, samplers: Callable[[str], Mapping[str, Kind]]
) -> Iterator[tuple[File, Kind]]:
    """Yields what the shader file of a material uses its textures as."""
    files = dict(block.files)
    if block.type != "ShaderMaterial" or "shader" not in files:
        return
    kinds = samplers(files["shader"].path)
    for key, file in block.files:
        # Godot 4 writes shader_parameter/NAME, Godot 3 shader_param/NAME.
        group, _, name = key.partition("/")
        if group.startswith("shader_param") and name in kinds:
            yield file, kinds[name]


def shader_samplers(path: Path) -> dict[str, Kind]:
    """Returns the kind of each sampler of a shader whose hints determine it.

    Empty for anything but a regular file: opening a pipe would block. Raises OSError.
    """
    if not os.path.isfile(path):
        return {}
    with path.open("rb") as file:
        source = _COMMENT.sub(" ", file.read(MAX_SHADER_BYTES).decode("utf-8", "replace"))
    shader_type = _SHADER_TYPE.search(source)
    is_spatial = shader_type is not None and shader_type.group(1) == "spatial"
    kinds = {name: _kind_of_hints(hints, is_spatial) for name, hints in _SAMPLER.findall(source)}
    return {name: kind for name, kind in kinds.items() if kind is not None}


def _kind_of_hints(hints: str, is_spatial: bool) -> Kind | None:
    words = set(re.findall(r"\w+", hints))
    if "hint_normal" in words:
        return "normal"
    if words & {"hint_roughness_r", "hint_roughness_gray"}:
        return "roughness"
    if words & {"hint_roughness_g", "hint_roughness_b", "hint_roughness_a"}:
        # Roughness in a later channel means that the others have something else.
        return "packed"
    if is_spatial and words & SHADER_COLOR_HINTS:
        return "albedo"
    return None
