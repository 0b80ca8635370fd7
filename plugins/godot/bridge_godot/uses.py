"""What materials and scenes of a Godot project use its textures as."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from bridge.api import Kind, walk
from bridge_godot import resources, shaders
from bridge_godot.assets import RES, ignored
from bridge_godot.configfile import ConfigText
from bridge_godot.importfile import SUFFIX, ImportFile
from bridge_godot.literals import parse
from bridge_godot.resources import Block, File

MATERIALS = frozenset({"StandardMaterial3D", "ORMMaterial3D", "SpatialMaterial"})
SLOTS: Mapping[str, Kind] = {
    "albedo_texture": "albedo", "detail_albedo": "albedo", "normal_texture": "normal",
    "detail_normal": "normal", "roughness_texture": "roughness", "metallic_texture": "specular",
    "ao_texture": "ao", "heightmap_texture": "height", "depth_texture": "height",
    "emission_texture": "emissive", "orm_texture": "packed",
}  # fmt: skip
"""The properties of materials; `depth_texture` is Godot 3's name of the height."""
CHANNELS = frozenset({"roughness", "specular", "ao"})
"""Each of these reads one channel: a texture in several of them is packed."""

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
FLAT_NORMAL: tuple[Kind, ...] = ("normal", "sprite")
"""The normals of a 2D picture: nothing of 3D surfaces, their mipmaps and blocks, is right for them."""
SKIES = frozenset({"PanoramaSkyMaterial", "PanoramaSky"})
# Elsewhere one name says it whatever the type.
OTHERS: Mapping[tuple[str, str], tuple[Kind, ...]] = {
    ("CanvasTexture", "diffuse_texture"): ("sprite",), ("CanvasTexture", "normal_texture"): FLAT_NORMAL,
    ("CanvasTexture", "specular_texture"): ("specular",), ("Decal", "texture_albedo"): ("albedo",),
    ("Decal", "texture_normal"): ("normal",), ("Decal", "texture_orm"): ("packed",),
    ("Decal", "texture_emission"): ("emissive",),
}  # fmt: skip
PARTS = frozenset({"AtlasTexture", "CanvasTexture"})
"""Textures made of textures: whoever uses them uses those."""
WINDOW = (
    ("application", "config/icon"),
    ("application", "boot_splash/image"),
    ("display", "mouse_cursor/custom_image"),
)
"""Settings of the project that name a picture."""


def uses(project: Path) -> dict[str, Sequence[Kind]]:
    """The kinds, in the order of the files that say so, by the texture's place below the project."""
    found: dict[str, list[Kind]] = {}
    moved: dict[str, list[Kind]] = {}
    for used, kind in (*_of_window(project), *_of_resources(project)):
        place = used.path.removeprefix(RES)
        # It may name anything: what is too long for a name is no file either.
        known = bool(place) and os.path.isfile(project / place)
        kinds = found.setdefault(place, []) if known else moved.setdefault(used.uid, [])
        if kind not in kinds:
            kinds.append(kind)
    moved.pop("", None)
    for uid, file in _names(project) if moved else ():
        for kind in moved.get(uid, ()):
            if kind not in (kinds := found.setdefault(file, [])):
                kinds.append(kind)
    return dict(found)


def _of_resources(project: Path) -> Iterator[tuple[File, Kind]]:
    @lru_cache(1024)
    def shader(path: str) -> Mapping[str, Kind]:
        try:
            return shaders.samplers(project / path.removeprefix(RES))
        except (OSError, ValueError):
            return {}

    for walked in walk(project, ignored):
        if not walked.problem and walked.file.endswith((".tscn", ".tres", ".material", ".theme")):
            try:
                blocks = list(resources.read(project / walked.file))
            except OSError:
                continue
            yield from of_blocks(blocks)
            for block in blocks:
                yield from _of_shader(block, shader)


def _of_shader(block: Block, samplers: Callable[[str], Mapping[str, Kind]]) -> Iterator[tuple[File, Kind]]:
    """What a material's own shader, if it lies in a file, says of the textures that it is given."""
    given = dict(block.files)
    if block.type != "ShaderMaterial" or "shader" not in given:
        return
    kinds = samplers(given["shader"].path)
    for key, file in block.files:
        # Godot 4 writes shader_parameter/NAME, Godot 3 shader_param/NAME.
        group, _, name = key.partition("/")
        if group.startswith("shader_param") and name in kinds:
            yield file, kinds[name]


def _of_window(project: Path) -> Iterator[tuple[File, Kind]]:
    try:
        config = ConfigText.read(project / "project.godot")
    except OSError:
        return
    for section, key in WINDOW:
        path = parse(config.raw(section, key) or '""')
        if isinstance(path, str) and path.startswith(RES):
            yield File(path, ""), "ui"
        elif isinstance(path, str) and path:
            yield File("", path), "ui"


def of_blocks(blocks: Sequence[Block]) -> Iterator[tuple[File, Kind]]:
    """What one resource's blocks use files as."""
    parts = {block.id: block for block in blocks if block.id and block.type in PARTS}
    for block in blocks:
        if block.id in parts and block.type == "AtlasTexture":
            continue
        direct = [(key, file) for key, file in block.files]
        atlases = [(key, file) for key, sub in block.subs if sub in parts for _, file in _atlas(parts[sub])]
        named = [(file, kind) for key, file in (*direct, *atlases) for kind in _kinds(block.type, key)]
        yield from _packed(named) if block.type in MATERIALS else named


def _atlas(block: Block) -> list[tuple[str, File]]:
    return block.files if block.type == "AtlasTexture" else []


def _kinds(owner: str, key: str) -> tuple[Kind, ...]:
    if owner in MATERIALS:
        return (SLOTS[key],) if key in SLOTS else ()
    if (kinds := OTHERS.get((owner, key))) is not None:
        return kinds
    if owner in SKIES:
        return ("environment",) if key == "panorama" else ()
    # A tile set has maps of normals beside its pictures.
    if "normal_map" in key:
        return FLAT_NORMAL
    if owner in SPRITES:
        return ("sprite",)
    return ("ui",) if owner in WIDGETS else ()


def _packed(named: Sequence[tuple[File, Kind]]) -> Iterator[tuple[File, Kind]]:
    """A material's textures; one that serves several grey slots holds each in a channel of its own."""
    slots: dict[File, set[Kind]] = {}
    for file, kind in named:
        slots.setdefault(file, set()).add(kind)
    for file, kinds in slots.items():
        if len(kinds & CHANNELS) > 1:
            kinds = (kinds - CHANNELS) | {"packed"}
        for kind in sorted(kinds):
            yield file, kind


def _names(project: Path) -> Iterator[tuple[str, str]]:
    """Godot 4's other names of the project's files, and the files."""
    for walked in walk(project, ignored):
        if walked.problem or not walked.file.endswith(SUFFIX):
            continue
        path = project / walked.file
        try:
            uid = ImportFile(path, ConfigText.read(path)).uid
        except OSError:
            continue
        if uid:
            yield uid, walked.file.removesuffix(SUFFIX)
