"""What materials, shaders and scenes of a Godot project use its textures as."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from bridge.api import Kind, TextureUse, TextureUses, UseDomain, property_kinds, walk
from bridge_godot import gltf
from bridge_godot.addons import Addons
from bridge_godot.config_file import ConfigFile, parse
from bridge_godot.import_file import IMAGES, RES, SUFFIX, ImportFile, is_ignored
from bridge_godot.resource_file import Block, File, read_resource
from bridge_godot.shader import NORMAL_2D, Shader

RESOURCES = (".tscn", ".tres", ".material", ".theme")
MATERIALS = frozenset({"StandardMaterial3D", "ORMMaterial3D", "SpatialMaterial"})


class Slot(NamedTuple):
    """A texture property of a material."""

    kinds: tuple[Kind, ...]
    channels: str
    """The channels that are read."""


MATERIAL_SLOTS: Mapping[str, Slot] = {
    "albedo_texture": Slot(("albedo",), "rgb"), "detail_albedo": Slot(("albedo",), "rgba"),
    "normal_texture": Slot(("normal",), "rg"), "detail_normal": Slot(("normal",), "rg"),
    "roughness_texture": Slot(("roughness",), "r"), "metallic_texture": Slot(("specular",), "r"),
    "ao_texture": Slot(("ao",), "r"), "heightmap_texture": Slot(("height",), "r"),
    "depth_texture": Slot(("height",), "r"), "emission_texture": Slot(("emissive",), "rgb"),
    "orm_texture": Slot(("packed",), "rgb"), "detail_mask": Slot((), "r"),
    "refraction_texture": Slot((), "r"), "rim_texture": Slot((), "rg"), "clearcoat_texture": Slot((), "rg"),
    "anisotropy_flowmap": Slot((), "rga"), "subsurf_scatter_texture": Slot((), "r"),
    "subsurf_scatter_transmittance_texture": Slot((), "rgba"), "backlight_texture": Slot((), "rgb"),
    "transmission_texture": Slot((), "rgb"),
}  # fmt: skip
"""The properties of materials (`BaseMaterial3D`); `depth_texture` is the height map in Godot 3."""
SINGLE_CHANNEL = frozenset({"roughness", "specular", "ao"})
"""Each of these reads one channel: a texture that is several of them is packed."""
TEXTURE_CHANNELS = ("r", "g", "b", "a", "rgb")
"""`BaseMaterial3D.TextureChannel`; the last is the mean of the colours."""
TRANSPARENCY = ("transparency", "flags_transparent", "params_use_alpha_scissor")
BILLBOARD_PARTICLES = 3
"""`BaseMaterial3D.BillboardMode`."""

SPRITES = frozenset({
    "Sprite2D", "Sprite", "SpriteFrames", "TileSet", "TileSetAtlasSource", "Polygon2D", "Line2D",
    "MeshInstance2D", "MultiMeshInstance2D", "GPUParticles2D", "CPUParticles2D", "Particles2D",
    "AtlasTexture",
})  # fmt: skip
WIDGETS = frozenset({
    "TextureRect", "TextureButton", "TextureProgressBar", "TextureProgress", "NinePatchRect", "Button",
    "CheckBox", "CheckButton", "OptionButton", "MenuButton", "LinkButton", "StyleBoxTexture", "Theme",
    "FontFile", "BitmapFont", "ItemList", "TabContainer", "TouchScreenButton",
})  # fmt: skip
SKIES = frozenset({"PanoramaSkyMaterial", "PanoramaSky"})
PARTICLES = frozenset({"GPUParticles3D", "CPUParticles3D", "Particles", "CPUParticles"})
"""Particle systems in 3D; the last two are Godot 3's."""
DRAWN_BY_PARTICLES = ("draw_pass", "mesh", "material_o")
"""Starts of their properties whose materials draw; not the process material."""
ANIMATED_3D, ANIMATED_2D = "AnimatedSprite3D", frozenset({"AnimatedSprite2D", "AnimatedSprite"})


def _use(kinds: tuple[Kind, ...], domain: UseDomain, channels: str = "") -> TextureUse:
    return TextureUse(kinds=kinds, domain=domain, channels=channels)


OTHER_SLOTS: Mapping[tuple[str, str], TextureUse] = {
    ("CanvasTexture", "diffuse_texture"): _use(("sprite",), "canvas"),
    ("CanvasTexture", "normal_texture"): _use(NORMAL_2D, "canvas", "rg"),
    ("CanvasTexture", "specular_texture"): _use(("specular",), "canvas"),
    ("Decal", "texture_albedo"): _use(("albedo",), "decal"),
    ("Decal", "texture_normal"): _use(("normal",), "decal"),
    ("Decal", "texture_orm"): _use(("packed",), "decal"),
    ("Decal", "texture_emission"): _use(("emissive",), "decal"),
    ("PointLight2D", "texture"): _use((), "canvas"), ("Light2D", "texture"): _use((), "canvas"),
    ("ProceduralSkyMaterial", "sky_cover"): _use(("environment",), "sky"),
    ("PhysicalSkyMaterial", "night_sky"): _use(("environment",), "sky"),
    # Heights and roughness in alpha (Terrain3D's manual, texture preparation).
    ("Terrain3DTextureAsset", "albedo_texture"): _use(("albedo",), "terrain", "rgba"),
    ("Terrain3DTextureAsset", "normal_texture"): _use(("normal",), "terrain", "rgba"),
    ("Terrain3DTexture", "albedo_texture"): _use(("albedo",), "terrain", "rgba"),
    ("Terrain3DTexture", "normal_texture"): _use(("normal",), "terrain", "rgba"),
}  # fmt: skip
COMPOSED_TEXTURES = frozenset({"AtlasTexture", "CanvasTexture"})
"""Textures made of other textures."""
PROJECT_SETTINGS = (
    ("application", "config/icon"),
    ("application", "boot_splash/image"),
    ("display", "mouse_cursor/custom_image"),
)
"""The project's settings that name an image."""
CANVAS_FILTER = ("rendering", "textures/canvas_textures/default_texture_filter")
MIPMAPPED_DEFAULTS = (2, 3)
"""Values of CANVAS_FILTER that read mipmaps (`Viewport.DefaultCanvasItemTextureFilter`)."""
CANVAS_FILTERS = {1: False, 2: False, 3: True, 4: True, 5: True, 6: True}
"""Whether a value of `CanvasItem.texture_filter` reads mipmaps; 0 inherits."""
MATERIAL_FILTERS = {0: False, 1: False, 2: True, 3: True, 4: True, 5: True}
"""Whether a value of `BaseMaterial3D.texture_filter` reads mipmaps."""


class View(NamedTuple):
    """How the nodes above a resource show it."""

    domain: UseDomain | None = None
    scale: float | None = None


class Use(NamedTuple):
    """A use of a file by a resource, which the nodes that show the resource may change."""

    resource: str
    """The path of the resource, with the id of a sub-resource after `::`; empty for a node."""
    file: File
    use: TextureUse


def texture_uses(project: Path) -> dict[str, TextureUses]:
    """Returns the uses of each texture, in the order in which they are found, by its path in the project."""
    reader = _Reader(project)
    images: list[str] = []
    addons = Addons(project)
    scenes: list[str] = []
    for item in walk(project, is_ignored):
        if item.problem:
            continue
        if item.file.endswith(RESOURCES):
            reader.read(item.file, addons)
        elif item.file.lower().endswith(IMAGES):
            images.append(item.file)
        elif item.file.lower().endswith(gltf.SUFFIXES):
            scenes.append(item.file)
        else:
            addons.add(item.file)
    by_file: dict[str, dict[TextureUse, None]] = {}
    by_uid: dict[str, dict[TextureUse, None]] = {}
    exists = cache(lambda file: bool(file) and os.path.isfile(project / file))
    models = (use for scene in scenes for use in gltf.gltf_uses(project, scene))
    for used, use in (*_uses_of_settings(project), *reader.uses(), *models):
        # The path may be any string, also one that is too long for a file name.
        if exists(used.path):
            by_file.setdefault(used.path, {})[use] = None
        elif used.uid:
            by_uid.setdefault(used.uid, {})[use] = None
    # Godot 4 finds a moved texture by its uid.
    for uid, file in _uids(project) if by_uid else ():
        by_file.setdefault(file, {}).update(by_uid.get(uid, {}))
    owners = addons.owners(images)
    return {
        file: TextureUses(tuple(by_file.get(file, ())), owners.get(file, ""))
        for file in dict.fromkeys((*by_file, *owners))
        if file in owners or by_file[file]
    }


def _uses_of_settings(project: Path) -> Iterator[tuple[File, TextureUse]]:
    try:
        config = ConfigFile.read(project / "project.godot")
    except OSError:
        return
    for section, key in PROJECT_SETTINGS:
        path = parse(config.raw(section, key) or '""')
        use = TextureUse(kinds=("ui",), slot=key, domain="ui")
        if isinstance(path, str) and path.startswith(RES):
            yield File(path.removeprefix(RES), ""), use
        elif isinstance(path, str) and path:
            yield File("", path), use


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


class _Reader:
    """Reads the resources of a project one by one; what shows a resource may be in another file."""

    def __init__(self, project: Path) -> None:
        self._project = project
        self._found: list[Use] = []
        self._links: dict[str, list[str]] = {}
        """The resources that a mesh draws with."""
        self._views: list[tuple[str, View]] = []
        """The resources that nodes show."""
        self._shader = lru_cache(1024)(lambda path: Shader.of_file(project, path))
        self._canvas_mipmaps = _default_mipmaps(project)

    def read(self, file: str, addons: Addons) -> None:
        """Reads the resource `file` below the project; one that can't be read has no uses."""
        try:
            blocks = list(read_resource(self._project / file, file.rpartition("/")[0]))
        except OSError:
            return
        by_id = {block.id: block for block in blocks if block.id}
        scene = _Scene(self._canvas_mipmaps)
        for block in blocks:
            if block.node:
                scene.add(block)
            # Most nodes of a scene refer to nothing.
            if not block.files and not block.subresources:
                continue
            targets = [(key, used.path) for key, used in block.files]
            targets += [(key, f"{file}::{id_}") for key, id_ in block.subresources]
            if block.type in PARTICLES:
                drawn = [target for key, target in targets if key.startswith(DRAWN_BY_PARTICLES)]
                self._views += [(target, View("particles")) for target in drawn]
            elif block.type == ANIMATED_3D:
                self._views += [(target, View("surface")) for _, target in targets]
            elif block.type in ANIMATED_2D:
                view = View(None, scene.scale(block))
                self._views += [(target, view) for _, target in targets] if view.scale else []
            elif block.type.endswith("Mesh"):
                self._links.setdefault(f"{file}::{block.id}" if block.id else file, []).extend(
                    target for _, target in targets
                )
            resource = "" if block.node else f"{file}::{block.id}" if block.id else file
            addons.add_resource(block)
            self._found += [Use(resource, used, use) for used, use in self._uses_of(block, by_id, scene)]

    def uses(self) -> Iterator[tuple[File, TextureUse]]:
        """Yields each use, as the nodes show it."""
        views: dict[str, set[View]] = {}
        pending = list(self._views)
        while pending:
            resource, view = pending.pop()
            if view not in (known := views.setdefault(resource, set())):
                known.add(view)
                pending += [(target, view) for target in self._links.get(resource, ())]
        for resource, file, use in self._found:
            for domain, scale in sorted(views.get(resource, ()), key=str) or [View()]:
                yield file, replace(use, domain=domain or use.domain, scale=scale or use.scale)

    def _uses_of(
        self, block: Block, by_id: Mapping[str, Block], scene: _Scene
    ) -> Iterator[tuple[File, TextureUse]]:
        if block.type == "AtlasTexture" and block.id:
            # Its user decides the kind.
            return
        files = [(key, used, False) for key, used in block.files if _is_image(used)]
        for key, id_ in block.subresources:
            if (composed := by_id.get(id_)) and composed.type == "AtlasTexture":
                files += [(key, used, True) for _, used in composed.files if _is_image(used)]
        if block.type == "ShaderMaterial":
            yield from self._uses_of_shader(block, by_id)
        elif block.type in MATERIALS:
            yield from _uses_in_material(block, [(key, used) for key, used, _ in files])
        else:
            for key, used, is_region in files:
                if use := _use_in_block(block, key):
                    yield used, scene.shown(block, use, is_region) if block.node else use

    def _uses_of_shader(self, block: Block, by_id: Mapping[str, Block]) -> Iterator[tuple[File, TextureUse]]:
        """Yields what the shader of a material uses its textures as."""
        shader = Shader()
        if path := next((used.path for key, used in block.files if key == "shader"), ""):
            shader = self._shader(path)
        elif inner := next((by_id.get(id_) for key, id_ in block.subresources if key == "shader"), None):
            shader = Shader.of_source(inner.code)
        for key, used in block.files:
            # Godot 4 writes shader_parameter/NAME, Godot 3 shader_param/NAME.
            group, _, name = key.partition("/")
            if group.startswith("shader_param") and name in shader.uses and _is_image(used):
                yield used, shader.uses[name]


def _is_image(file: File) -> bool:
    return file.path.lower().endswith(IMAGES)


def _default_mipmaps(project: Path) -> bool | None:
    """Whether the project's default filter of 2D drawing reads mipmaps; None unless it does."""
    try:
        literal = ConfigFile.read(project / "project.godot").raw(*CANVAS_FILTER)
    except OSError:
        return None
    return True if parse(literal or "null") in MIPMAPPED_DEFAULTS else None


class _Scene:
    """The nodes of one scene: what they inherit from those above."""

    def __init__(self, mipmaps: bool | None) -> None:
        self._default = mipmaps
        self._scales: dict[str, float] = {}
        """Of the nodes that something scales."""
        self._mipmaps: dict[str, bool] = {}
        """Of the nodes for which a filter is chosen."""

    def add(self, block: Block) -> None:
        """Adds a node; a scene lists those above it before it."""
        if block.parent in self._scales:
            self._scales[block.node] = self._scales[block.parent]
        if block.parent in self._mipmaps:
            self._mipmaps[block.node] = self._mipmaps[block.parent]
        # Most nodes have none of the values that are read.
        if block.values:
            if own := block.size("scale", "rect_scale"):
                scale = max(abs(own[0]), abs(own[1]))
                self._scales[block.node] = self._scales.get(block.parent, 1.0) * scale
            if (chosen := block.number("texture_filter")) and int(chosen) in CANVAS_FILTERS:
                self._mipmaps[block.node] = CANVAS_FILTERS[int(chosen)]

    def scale(self, block: Block) -> float | None:
        """Returns the scale of a node in its scene; None if nothing scales it."""
        scale = self._scales.get(block.node, 1.0)
        return scale if scale not in (0.0, 1.0) else None

    def shown(self, block: Block, use: TextureUse, is_region: bool) -> TextureUse:
        """Returns a use by a node with its size; `is_region`: the node shows a part of the texture."""
        if use.domain not in ("canvas", "ui"):
            return use
        size, scale = None if is_region else _size(block), self.scale(block)
        if size and scale:
            size, scale = (size[0] * scale, size[1] * scale), None
        return replace(use, mipmaps=self._mipmaps.get(block.node, self._default), scale=scale, size=size)


def _size(block: Block) -> tuple[float, float] | None:
    """Returns the size of a widget that shows its texture smaller or larger than it is; None if unknown."""
    if not block.number("expand_mode", "expand", "ignore_texture_size", "expand_icon"):
        # The texture is the smallest size.
        return None
    least = block.size("custom_minimum_size", "rect_min_size") or (0.0, 0.0)
    sides = []
    for axis, (start, end) in enumerate((("left", "right"), ("top", "bottom"))):
        anchored = block.number(f"anchor_{start}") or 0.0, block.number(f"anchor_{end}") or 0.0
        own = 0.0
        if anchored[0] == anchored[1]:
            first, last = (block.number(f"offset_{side}", f"margin_{side}") or 0.0 for side in (start, end))
            own = last - first
        sides.append(max(own, least[axis]))
    return (sides[0], sides[1]) if min(sides) > 1 else None


def _uses_in_material(block: Block, files: Sequence[tuple[str, File]]) -> Iterator[tuple[File, TextureUse]]:
    """Yields a material's textures; one in several single-channel slots is packed."""
    is_particle = block.number("billboard_mode", "params_billboard_mode") == BILLBOARD_PARTICLES
    domain: UseDomain = "particles" if is_particle else "surface"
    filtered = block.number("texture_filter")
    mipmaps = None if filtered is None else MATERIAL_FILTERS.get(int(filtered))
    slots: dict[File, list[tuple[str, Slot]]] = {}
    for key, used in files:
        if key in MATERIAL_SLOTS:
            slots.setdefault(used, []).append((key, _slot(block, key)))
    for used, found in slots.items():
        kinds = {kind for _, slot in found for kind in slot.kinds}
        several = len(kinds & SINGLE_CHANNEL) > 1
        for key, slot in found:
            own = slot.kinds
            if SINGLE_CHANNEL.intersection(own) and (several or slot.channels in ("g", "b", "a")):
                # The channels before it have something else, which another slot may name.
                own = () if kinds - SINGLE_CHANNEL else ("packed",)
            yield (
                used,
                TextureUse(kinds=own, slot=key, domain=domain, channels=slot.channels, mipmaps=mipmaps),
            )


def _slot(block: Block, key: str) -> Slot:
    slot = MATERIAL_SLOTS[key]
    if key == "albedo_texture" and any(block.number(name) for name in TRANSPARENCY):
        return slot._replace(channels="rgba")
    channel = block.number(f"{key}_channel")
    if channel is not None and 0 <= channel < len(TEXTURE_CHANNELS):
        return slot._replace(channels=TEXTURE_CHANNELS[int(channel)])
    return slot


def _use_in_block(block: Block, key: str) -> TextureUse | None:
    """Returns how a property of a node or resource other than a material uses a texture."""
    owner = block.type
    if (use := OTHER_SLOTS.get((owner, key))) is not None:
        return replace(use, slot=key)
    if owner in SKIES:
        return TextureUse(kinds=("environment",), slot=key, domain="sky") if key == "panorama" else None
    # Tile sets have normal maps beside their sprites.
    if "normal_map" in key:
        return TextureUse(kinds=NORMAL_2D, slot=key, domain="canvas")
    if owner in SPRITES:
        return TextureUse(kinds=("sprite",), slot=key, domain="canvas")
    if owner in ("Sprite3D", ANIMATED_3D):
        return TextureUse(kinds=("sprite",), slot=key, domain="surface")
    if owner in WIDGETS:
        return TextureUse(kinds=("ui",), slot=key, domain="ui")
    # Properties of scripts and of addons' own types.
    return TextureUse(kinds=property_kinds(key), basis="name", slot=key)
