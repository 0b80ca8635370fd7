"""What materials, scenes and prefabs of a Unity project use textures as.

A material keeps the texture slots of its previous shaders, so only those that its current shader declares
count.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from bridge.api import Kind, TextureUse, TextureUses, UseDomain, property_kinds, walk
from bridge_unity import projects
from bridge_unity.assets import IMAGES
from bridge_unity.metafile import SUFFIX
from bridge_unity.shaders import (
    GRAPH_SUFFIX,
    MAX_BYTES,
    NORMAL_NAMES,
    SHADER_SUFFIX,
    Shaders,
    is_lit,
    is_standard,
)
from bridge_unity.sprite_atlas import ATLAS_SUFFIXES, PACKABLES, SpriteAtlases
from bridge_unity.text_asset import (
    ANIMATION,
    CAMERA,
    LINE,
    MATERIAL,
    MESH_RENDERER,
    PARTICLES,
    PARTICLES_OLD,
    SCRIPT,
    SKINNED_RENDERER,
    SPRITE_MASK,
    SPRITE_RENDERER,
    TERRAIN_LAYER,
    TRAIL,
    Document,
    Layout,
    Reference,
    read_documents,
)
from bridge_unity.vendors import EditorScripts

MATERIAL_SUFFIX = ".mat"
TEXT_SUFFIXES = (
    MATERIAL_SUFFIX, ".unity", ".prefab", ".asset", ".anim", ".terrainlayer", *ATLAS_SUFFIXES,
)  # fmt: skip
PRELOADED = "preloadedAssets"
"""The assets in the player settings that aren't icons, splash screens or cursors."""

# Properties of Unity's own shaders. Others use the same names, so that materials can switch to them.
SLOTS: Mapping[str, tuple[Kind, ...]] = {
    "_BaseMap": ("albedo",), "_BaseColorMap": ("albedo",), "_DetailAlbedoMap": ("albedo",),
    "_BumpMap": ("normal",), "_NormalMap": ("normal",), "_DetailNormalMap": ("normal",),
    "_ParallaxMap": ("height",), "_HeightMap": ("height",), "_OcclusionMap": ("ao",),
    # Red is metalness; alpha may be smoothness.
    "_MetallicGlossMap": ("specular", "packed"), "_SpecGlossMap": ("specular",),
    "_SpecularColorMap": ("specular",), "_MaskMap": ("packed",), "_EmissionMap": ("emissive",),
    "_EmissiveColorMap": ("emissive",), "_FrontTex": ("environment",), "_BackTex": ("environment",),
    "_LeftTex": ("environment",), "_RightTex": ("environment",), "_UpTex": ("environment",),
    "_DownTex": ("environment",),
}  # fmt: skip
NORMAL_OR_HEIGHT: tuple[Kind, ...] = ("normal", "height")
"""For a normal map slot that may hold heights, or that an unknown shader may not have."""
MAIN = "_MainTex"
"""The first texture of any shader: the albedo of a lit surface, otherwise unknown."""
BASES = frozenset({MAIN, "_BaseMap"})
SMOOTHNESS_IN_ALPHA = "_SmoothnessTextureChannel"
"""1: the smoothness is in the alpha channel of the albedo map."""
ALPHA_MODES = ("_Mode", "_Surface", "_AlphaClip", SMOOTHNESS_IN_ALPHA)
"""Settings of the Standard shaders and URP's Lit with which they read the alpha of the albedo map."""


def _use(kinds: tuple[Kind, ...], domain: UseDomain, channels: str = "") -> TextureUse:
    return TextureUse(kinds=kinds, domain=domain, channels=channels)


OBJECT_SLOTS: Mapping[int, Mapping[str, TextureUse]] = {
    SPRITE_MASK: {"m_Sprite": _use(("sprite",), "canvas")},
    # Frames of sprites; those of UI images have the same class.
    ANIMATION: {"value": _use(("sprite",), "canvas")},
    TERRAIN_LAYER: {
        # Alpha is smoothness (Unity's manual, terrain layers).
        "m_DiffuseTexture": _use(("albedo",), "terrain", "rgba"),
        "m_NormalMapTexture": _use(("normal",), "terrain", "rgb"),
        "m_MaskMapTexture": _use(("packed",), "terrain", "rgba"),
    },
}  # fmt: skip
"""Uses by class id and property, for objects other than materials, scripts and sprite renderers."""
RENDERERS: Mapping[int, UseDomain] = {
    MESH_RENDERER: "surface", SKINNED_RENDERER: "surface", PARTICLES: "particles",
    PARTICLES_OLD: "particles", TRAIL: "particles", LINE: "particles", SPRITE_RENDERER: "canvas",
    SCRIPT: "ui",
}  # fmt: skip
"""Where the components draw with their materials, by class id; scripts with a material are UI graphics."""
MATERIALS = frozenset({"m_Materials", "m_Material", "m_TrailMaterial"})
"""Properties of renderers."""
WIDGETS = frozenset({
    ("fe87c0e1cc204ed48ad3b37840f39efc", "m_Sprite"),  # UnityEngine.UI.Image
    ("1344c3c82d62a2a41a3576d8abb8e3ea", "m_Texture"),  # UnityEngine.UI.RawImage
})  # fmt: skip
"""Scripts of Unity's UI, and their property that holds an image."""
BUTTON_SPRITES = frozenset({"m_HighlightedSprite", "m_PressedSprite", "m_SelectedSprite", "m_DisabledSprite"})
"""The sprites of a button's states."""
WHOLE_SPRITE, WHOLE_TEXTURE = 21300000, 2800000
"""File ids of a sprite that is a whole texture, and of a texture; the sprites of a sheet have others."""
TEXTURES = frozenset({WHOLE_TEXTURE, 8900000, 11700000, 18700000})
"""File ids of a texture: in 2D, as a cube map, in 3D and as an array; others are of sprites."""
UNSCALED_TYPES = (1, 2)
"""`Image.Type` Sliced and Tiled: the corners or the tiles keep their size."""

SECONDARY: Mapping[bytes, tuple[Kind, ...]] = {
    # Also sprites: mipmaps and block compression, as for 3D surfaces, would be wrong.
    b"_NormalMap": ("normal", "sprite"), b"_BumpMap": ("normal", "sprite"), b"_MaskTex": ("packed", "sprite"),
}  # fmt: skip
"""Kinds of a sprite's secondary textures, which 2D lights read, by name."""
SCREEN_HEIGHT = 1080
"""Pixels; the height of the game's window for the size of sprites, which an orthographic camera decides."""
PIXELS_PER_UNIT = 100.0
"""Of sprites by default."""

_ICON = re.compile(rb"^  icon: \{fileID: 2800000, guid: ([0-9a-f]{32}),", re.MULTILINE)
SCRIPT_SUFFIX = ".cs"
MAX_SCRIPT_META = 1 << 14
"""Bytes read of a script's `.meta`."""
ICON = TextureUse(kinds=("ui",), slot="icon", domain="ui", size=(16.0, 16.0))
"""The icon of a script, which the editor draws in the inspector, and far smaller or larger in scenes."""

_META_GUID = re.compile(rb"^guid: ([0-9a-f]{32})\b", re.MULTILINE)
_SECONDARY = re.compile(rb"- texture: \{fileID: -?\d+, guid: ([0-9a-f]{32})[^{}]*\}\s+name: (\w+)")
_PIXELS_PER_UNIT = re.compile(rb"^  spritePixelsToUnits: (\d{1,6}(?:\.\d{1,6})?)", re.MULTILINE)


class Usage(NamedTuple):
    """A use of the file with this GUID."""

    guid: str
    use: TextureUse
    in_world: bool = False
    """Whether the scale is of a sprite in the world: a camera decides the size on the screen."""


class _Assets:
    """The files of a project that use textures or are textures."""

    def __init__(self, project: Path) -> None:
        self.atlases = SpriteAtlases(project)
        self.images: dict[str, str] = {}
        """By GUID."""
        self.pixels_per_unit: dict[str, float] = {}
        """By GUID, where it isn't the default."""
        self.of_metas: list[Usage] = []
        """By `.meta` files: sprites' secondary textures, and icons of scripts."""
        self.texts: list[str] = []
        self.shaders: dict[str, Path] = {}

    def add_meta(self, file: str, text: bytes, path: Path) -> None:
        """Adds the `.meta` of an image or a shader, whose path is `path` and `file` below the project."""
        found = _META_GUID.search(text)
        guid = found.group(1).decode() if found else ""
        if file.lower().endswith((SHADER_SUFFIX, GRAPH_SUFFIX)):
            if guid:
                self.shaders[guid] = path
            return
        if guid:
            self.images[guid] = file
            density = _PIXELS_PER_UNIT.search(text)
            if density and float(density.group(1)) not in (0.0, PIXELS_PER_UNIT):
                self.pixels_per_unit[guid] = float(density.group(1))
        secondary = _SECONDARY.findall(text)
        self.atlases.add_texture(guid, text, (other.decode() for other, _ in secondary))
        for other, name in secondary:
            if name in SECONDARY:
                use = TextureUse(kinds=SECONDARY[name], slot=name.decode(), domain="canvas")
                self.of_metas.append(Usage(other.decode(), use))

    def add_script(self, meta: Path) -> None:
        """Adds the icon of a script."""
        if icon := _ICON.search(_read_meta(meta, MAX_SCRIPT_META)):
            self.of_metas.append(Usage(icon.group(1).decode(), ICON))


def texture_usage(project: Path) -> dict[str, TextureUses]:
    """Returns the uses of each texture, by its path below the project."""
    scripts = EditorScripts(project, projects.skip(project))
    assets = _Assets(project)
    metas = tuple(suffix + SUFFIX for suffix in (*IMAGES, SHADER_SUFFIX, GRAPH_SUFFIX))
    for walked in walk(project, scripts.skip):
        lower = walked.file.lower()
        if walked.problem:
            continue
        if lower.endswith(metas):
            file = walked.file[: -len(SUFFIX)]
            assets.add_meta(file, _read_meta(project / walked.file), project / file)
        elif lower.endswith(SCRIPT_SUFFIX + SUFFIX):
            assets.add_script(project / walked.file)
        elif lower.endswith(SUFFIX):
            assets.atlases.add_meta(walked.file)
        elif lower.endswith(TEXT_SUFFIXES):
            assets.texts.append(walked.file)
    found: dict[str, dict[TextureUse, None]] = {}
    reader = _Reader(project, Shaders(assets.shaders), assets.images)
    for guid, use, in_world in (*assets.of_metas, *reader.read(assets)):
        if guid in assets.images:
            if in_world:
                use = reader.on_screen(use, assets.pixels_per_unit.get(guid, PIXELS_PER_UNIT))
            found.setdefault(assets.images[guid], {})[use] = None
    owners = assets.atlases.owners(assets.images) | scripts.owners(assets.images.values())
    return {
        file: TextureUses(tuple(_without_doubt(found.get(file, {}))), owners.get(file, ""))
        for file in dict.fromkeys((*found, *owners))
    }


def _without_doubt(uses: Collection[TextureUse]) -> Iterator[TextureUse]:
    """Yields the uses of one texture: once a known shader reads normals from it, it can't be a height map."""
    surely = (use for use in uses if use.kinds != NORMAL_OR_HEIGHT and use.basis != "name")
    is_normal = any("normal" in use.kinds for use in surely)
    for use in uses:
        if is_normal and "height" in use.kinds:
            use = replace(use, kinds=tuple(kind for kind in use.kinds if kind != "height"))
        yield use


class _Reader:
    """Reads text assets one by one; what draws with a material is in other files."""

    def __init__(self, project: Path, shaders: Shaders, images: Collection[str]) -> None:
        self._project = project
        self._shaders = shaders
        self._images = images
        """The GUIDs of the project's images."""
        self._drawn: dict[str, set[UseDomain]] = {}
        """Where each material is drawn, by its GUID."""
        self._orthographic: set[float] = set()
        """Half the heights that cameras without perspective see, in units."""
        self._has_perspective = False

    def read(self, assets: _Assets) -> Iterator[Usage]:
        """Yields what the text assets and the player settings use files as."""
        materials: list[tuple[str, list[Usage]]] = []
        for file in assets.texts:
            try:
                documents = read_documents(self._project / file)
                if file.lower().endswith(ATLAS_SUFFIXES):
                    references = (ref for document in documents for ref in document.references)
                    assets.atlases.add(file, (ref.guid for ref in references if ref.key == PACKABLES))
                    continue
                usages = list(self._usages(documents))
            except OSError:
                continue
            if file.lower().endswith(MATERIAL_SUFFIX):
                materials.append((file, usages))
            else:
                yield from usages
        for file, usages in materials:
            yield from self._where_drawn(file, usages)
        try:
            for document in read_documents(self._project / projects.SETTINGS):
                for ref in document.references:
                    if ref.key != PRELOADED:
                        yield Usage(ref.guid, TextureUse(kinds=("ui",), slot=ref.key, domain="ui"))
        except OSError:
            return

    def on_screen(self, use: TextureUse, pixels_per_unit: float) -> TextureUse:
        """Returns the use by a sprite in the world, with its size on the screen.

        Of several cameras, that counts which shows sprites largest. With perspective cameras only, sprites
        are seen from any distance.
        """
        if not self._orthographic:
            return replace(use, scale=None, domain="surface" if self._has_perspective else use.domain)
        pixels = SCREEN_HEIGHT / (2 * min(self._orthographic))
        return replace(use, scale=(use.scale or 1.0) * pixels / pixels_per_unit)

    def _where_drawn(self, file: str, usages: Sequence[Usage]) -> Iterator[Usage]:
        """Yields the usages by a material, for each place where components draw with it."""
        meta = _read_meta(self._project / (file + SUFFIX)) if usages and self._drawn else b""
        found = _META_GUID.search(meta)
        drawn = self._drawn.get(found.group(1).decode(), set()) if found else set[UseDomain]()
        for guid, use, in_world in usages:
            # Particles may be drawn by any shader; otherwise the shader itself tells more.
            domains = drawn if use.domain in (None, "surface") else drawn & {"particles"}
            if not domains:
                yield Usage(guid, use, in_world)
            for domain in sorted(domains):
                yield Usage(guid, replace(use, domain=domain), in_world)

    def _usages(self, documents: Iterator[Document]) -> Iterator[Usage]:
        """Yields what the objects of one text asset use files as."""
        layout = Layout()
        placed: list[tuple[Document, Usage]] = []
        for document in documents:
            layout.add(document)
            if (domain := RENDERERS.get(document.kind)) is not None:
                for ref in document.references:
                    if ref.key in MATERIALS:
                        self._drawn.setdefault(ref.guid, set()).add(domain)
            if document.kind == MATERIAL:
                yield from self._usages_in_material(document)
            elif document.kind == SCRIPT:
                placed += [(document, usage) for usage in _usages_in_script(document, self._images)]
            elif document.kind == SPRITE_RENDERER:
                placed += [(document, usage) for usage in _usages_in_renderer(document)]
            elif document.kind == CAMERA:
                if document.number("orthographic") and (half := document.number("orthographic size")) > 0:
                    self._orthographic.add(half)
                else:
                    self._has_perspective = True
            else:
                yield from self._usages_in_object(document)
        for document, usage in placed:
            yield _placed(document, usage, layout)

    def _usages_in_object(self, document: Document) -> Iterator[Usage]:
        slots = OBJECT_SLOTS.get(document.kind, {})
        for ref in document.references:
            if ref.key in slots:
                yield Usage(ref.guid, replace(slots[ref.key], slot=ref.key))
            elif ref.guid in self._images:
                yield Usage(ref.guid, TextureUse(slot=ref.key))

    def _usages_in_material(self, document: Document) -> Iterator[Usage]:
        shader = document.reference("m_Shader")
        properties = self._shaders.textures(shader)
        for ref in document.references:
            # Left over from a previous shader, unless the current one has it.
            if ref is not shader and (properties is None or ref.key in properties):
                yield Usage(ref.guid, self._use_in_material(document, shader, ref))

    def _use_in_material(self, document: Document, shader: Reference | None, ref: Reference) -> TextureUse:
        name, known = ref.key, self._shaders.property(shader, ref.key)
        channels, domain = known.channels, self._shaders.domain(shader)
        kinds = SLOTS.get(name, ())
        if kinds == ("environment",):
            domain = domain or "sky"
        if name in BASES and is_lit(shader):
            kinds = ("albedo",)
            if channels == "" and is_standard(shader):
                channels = "rgba" if any(document.number(mode) for mode in ALPHA_MODES) else "rgb"
        if known.normal:
            return TextureUse(
                kinds=("normal",), basis="declaration", slot=name, domain=domain, channels=channels
            )
        if name in NORMAL_NAMES and self._shaders.may_read_heights(shader, name):
            kinds = NORMAL_OR_HEIGHT
        if kinds:
            return TextureUse(kinds=kinds, slot=name, domain=domain, channels=channels)
        named = property_kinds(name) or property_kinds(known.title)
        return TextureUse(kinds=named, basis="name", slot=name, domain=domain, channels=channels)


def _usages_in_script(document: Document, images: Collection[str]) -> Iterator[Usage]:
    script = document.reference("m_Script")
    script_guid = script.guid if script else ""
    for ref in document.references:
        if ref.guid not in images:
            continue
        if ref.key in BUTTON_SPRITES or (script_guid, ref.key) in WIDGETS:
            yield Usage(ref.guid, TextureUse(kinds=("ui",), slot=ref.key, domain="ui"))
        elif ref.key == "m_Sprite" or ref.file_id not in TEXTURES:
            # Tiles of a tile map, or a script's property of type Sprite.
            yield Usage(ref.guid, TextureUse(kinds=("sprite",), slot=ref.key, domain="canvas"))
        else:
            yield Usage(ref.guid, TextureUse(kinds=property_kinds(ref.key), basis="name", slot=ref.key))


def _usages_in_renderer(document: Document) -> Iterator[Usage]:
    for ref in document.references:
        if ref.key == "m_Sprite":
            yield Usage(ref.guid, TextureUse(kinds=("sprite",), slot=ref.key, domain="canvas"), True)


def _placed(document: Document, usage: Usage, layout: Layout) -> Usage:
    """Returns the usage by a component with its size in the scene."""
    owner, use = document.inner("m_GameObject"), usage.use
    if usage.in_world:
        # Sliced and tiled sprites keep the size of their texels.
        scale = layout.scale(owner) if not document.number("m_DrawMode") else None
        return usage._replace(use=replace(use, scale=scale))
    if use.domain != "ui" or use.slot in BUTTON_SPRITES:
        return usage
    if layout.is_in_world(owner):
        return usage._replace(use=replace(use, domain="surface"))
    ref = document.reference(use.slot)
    is_whole = ref is not None and ref.file_id in (WHOLE_SPRITE, WHOLE_TEXTURE)
    size = layout.size(owner) if is_whole and document.number("m_Type") not in UNSCALED_TYPES else None
    return usage._replace(use=replace(use, size=size))


def _read_meta(meta: Path, limit: int = MAX_BYTES) -> bytes:
    """Returns the first bytes of a file, at most `limit`; nothing if it can't be read."""
    try:
        with meta.open("rb") as file:
            return file.read(limit)
    except OSError:
        return b""
