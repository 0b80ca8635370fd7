"""What materials, scenes and prefabs use textures as, read from Unity's text assets and shaders.

In a text asset "each object is a separate document", headed `--- !u!{class id} &{file id}` (Unity's manual,
format of text serialized files). A material keeps the texture slots of its previous shaders, so only those
that its current shader declares count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from bridge.api import Kind, walk
from bridge_unity import projects
from bridge_unity.assets import IMAGES
from bridge_unity.metafile import SUFFIX

MATERIAL, ANIMATION, SCRIPT, SPRITE_RENDERER, SPRITE_MASK, TERRAIN_LAYER = 21, 74, 114, 212, 331, 1953259897
"""Class ids (Unity's manual, YAML class ID reference)."""
SHADER_SUFFIX = ".shader"
TEXT_SUFFIXES = (".mat", ".unity", ".prefab", ".asset", ".anim", ".terrainlayer", ".spriteatlas")
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
OBJECT_SLOTS: Mapping[int, Mapping[str, tuple[Kind, ...]]] = {
    SPRITE_RENDERER: {"m_Sprite": ("sprite",)},
    SPRITE_MASK: {"m_Sprite": ("sprite",)},
    # Frames of sprites; those of UI images have the same class.
    ANIMATION: {"value": ("sprite",)},
    TERRAIN_LAYER: {
        "m_DiffuseTexture": ("albedo",), "m_NormalMapTexture": ("normal",), "m_MaskMapTexture": ("packed",),
    },
}  # fmt: skip
"""Kinds by class id and property, for objects other than materials and scripts."""
WIDGETS = frozenset({
    ("fe87c0e1cc204ed48ad3b37840f39efc", "m_Sprite"),  # UnityEngine.UI.Image
    ("1344c3c82d62a2a41a3576d8abb8e3ea", "m_Texture"),  # UnityEngine.UI.RawImage
})  # fmt: skip
"""Scripts of Unity's UI, and their property that holds an image."""
BUTTON_SPRITES = frozenset({"m_HighlightedSprite", "m_PressedSprite", "m_SelectedSprite", "m_DisabledSprite"})
"""The sprites of a button's states."""

SECONDARY: Mapping[bytes, tuple[Kind, ...]] = {
    # Also sprites: mipmaps and block compression, as for 3D surfaces, would be wrong.
    b"_NormalMap": ("normal", "sprite"), b"_BumpMap": ("normal", "sprite"), b"_MaskTex": ("packed", "sprite"),
}  # fmt: skip
"""Kinds of a sprite's secondary textures, which 2D lights read, by name."""

_META_GUID = re.compile(rb"^guid: ([0-9a-f]{32})\b", re.MULTILINE)
_SECONDARY = re.compile(rb"- texture: \{fileID: -?\d+, guid: ([0-9a-f]{32})[^{}]*\}\s+name: (\w+)")

Usage = tuple[str, tuple[Kind, ...]]
"""The GUID of a file, and the kinds that it is used as."""

_DOCUMENT = re.compile(rb"--- !u!(\d+) ")
_KEY = re.compile(rb"\s*(?:- )?([A-Za-z_][^:{}]*):")
_GUID = re.compile(rb"\bguid: ([0-9a-f]{32})\b")
_MAPPING_ENDS = (b":\n", b":\r\n")
_FILE_ID = re.compile(rb"\{fileID: (-?\d+)")

MAX_BYTES = 16 << 20
"""Read of a shader or a `.meta` file; Unity's own are far smaller."""
BUILT_IN_GUID = "0000000000000000f000000000000000"
STANDARD, STANDARD_SPECULAR = 46, 45
URP_LIT, URP_SIMPLE_LIT = "933532a4fcc9baf4fa0491de14d08ed7", "8d2bb70cbf9db8d4da26e15b26e74248"
HDRP_LIT = "6e4ae4064600d784cac1e41a9e6f2e59"

_COMMON = frozenset({
    "_MainTex", "_BumpMap", "_ParallaxMap", "_OcclusionMap", "_EmissionMap", "_DetailMask",
    "_DetailAlbedoMap", "_DetailNormalMap",
})  # fmt: skip
BUILT_IN_TEXTURES: Mapping[int, frozenset[str]] = {
    STANDARD: _COMMON | {"_MetallicGlossMap"},
    STANDARD_SPECULAR: _COMMON | {"_SpecGlossMap"},
}
PACKAGE_TEXTURES: Mapping[str, frozenset[str]] = {
    URP_LIT: _COMMON | {"_BaseMap", "_MetallicGlossMap", "_SpecGlossMap"},
    URP_SIMPLE_LIT: frozenset({"_MainTex", "_BaseMap", "_BumpMap", "_SpecGlossMap", "_EmissionMap"}),
    # "HDRP/Lit" in Runtime/Material/Lit/Lit.shader of com.unity.render-pipelines.high-definition.
    HDRP_LIT: frozenset({
        "_MainTex", "_BaseColorMap", "_MaskMap", "_NormalMap", "_NormalMapOS", "_BentNormalMap",
        "_BentNormalMapOS", "_HeightMap", "_DetailMap", "_TangentMap", "_TangentMapOS", "_AnisotropyMap",
        "_SubsurfaceMaskMap", "_TransmissionMaskMap", "_ThicknessMap", "_IridescenceThicknessMap",
        "_IridescenceMaskMap", "_CoatMaskMap", "_SpecularColorMap", "_EmissiveColorMap",
        "_TransmittanceColorMap",
    }),
}  # fmt: skip
"""The textures of the shaders of packages, by GUID; the same in all supported versions."""
NORMAL_NAMES = frozenset({"_BumpMap", "_NormalMap", "_DetailNormalMap"})
"""Property names that usually mean a normal map, but in some shaders a height map."""
NORMAL_DEFAULTS = (b"", b"bump")
"""Default values of normal maps; those of height maps are `white`, `gray` or `black`."""

# `name ("display name", 2D) = "default" {}` (Unity's manual, ShaderLab properties). Properties in comments
# match too: better too many than too few.
_TEXTURE = re.compile(
    rb'\b(\w+)\s*\(\s*"[^"\n]*"\s*,\s*(?:2D|3D|Cube|2DArray|CubeArray|Any|Rect)\s*\)'
    rb'(?:\s*=\s*"([^"\n]*)")?',
    re.IGNORECASE,
)
# The attribute of a normal map (the same page); others may follow before the name.
_ATTRIBUTE = re.compile(rb"\[\s*Normal\s*\]\s*(?:\[[^\[\]]*\]\s*)*$")
ATTRIBUTE_BYTES = 200
"""Bytes before a name that are searched for its attributes."""


@dataclass(frozen=True)
class Reference:
    """A reference from a value to another file."""

    key: str
    """The property of a material's texture, such as `_BumpMap`; otherwise the name of the value."""
    guid: str
    file_id: int
    """The object within that file."""


@dataclass
class Document:
    """One object; `kind` is its class id, such as 21 for a material."""

    kind: int
    references: list[Reference] = field(default_factory=list)

    def reference(self, key: str) -> Reference | None:
        """Returns the reference of the first value of that name."""
        return next((ref for ref in self.references if ref.key == key), None)


def read_documents(path: Path) -> Iterator[Document]:
    """Yields the objects of a text asset in order; none of a binary one. Raises OSError."""
    document, parent = Document(0), ""
    with path.open("rb") as text:
        for line in text:
            if line.startswith(b"--- ") and (header := _DOCUMENT.match(line)):
                yield document
                document, parent = Document(int(header.group(1))), ""
            # Most lines of a scene are numbers, some of them megabytes long.
            elif line.endswith(_MAPPING_ENDS):
                parent = _key(line)
            elif b"guid: " in line and (guid := _GUID.search(line)):
                # `m_Texture: {…}` follows `- _BumpMap:`, the property that the texture belongs to.
                key = _key(line) or parent
                name = parent if key == "m_Texture" and parent.startswith("_") else key
                number = _FILE_ID.search(line)
                file_id = int(number.group(1)) if number else 0
                document.references.append(Reference(name, guid.group(1).decode(), file_id))
    yield document


def _key(line: bytes) -> str:
    found = _KEY.match(line)
    return found.group(1).decode("utf-8", "replace") if found else ""


class Shaders:
    """The texture properties of a project's shaders and of Unity's own."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        """`files` are the project's `.shader` files by GUID."""
        self._files = files
        self._properties = cache(_texture_properties)

    def textures(self, shader: Reference | None) -> frozenset[str] | None:
        """Returns the names of a shader's textures; None if unknown, as for a shader graph."""
        if shader is None:
            return None
        if shader.guid in self._files:
            return self._properties(self._files[shader.guid])[0] or None
        if shader.guid == BUILT_IN_GUID:
            return BUILT_IN_TEXTURES.get(shader.file_id)
        return PACKAGE_TEXTURES.get(shader.guid)

    def may_read_heights(self, shader: Reference | None, name: str) -> bool:
        """Whether the texture, named like a normal map, may be a height map."""
        if shader is not None and shader.guid in self._files:
            names, ambiguous = self._properties(self._files[shader.guid])
            return name in ambiguous or not names
        return self.textures(shader) is None


def is_lit(shader: Reference | None) -> bool:
    """Whether the shader's first texture is known to be the albedo of a surface."""
    if shader is None:
        return False
    if shader.guid == BUILT_IN_GUID:
        return shader.file_id in (STANDARD, STANDARD_SPECULAR)
    return shader.guid in (URP_LIT, URP_SIMPLE_LIT, HDRP_LIT)


def _texture_properties(path: Path) -> tuple[frozenset[str], frozenset[str]]:
    """Returns a shader's textures, and those named like normal maps that its file doesn't declare as such.

    Both are empty for a file that can't be read or has an unknown syntax.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES)
    except OSError:
        return frozenset(), frozenset()
    found = [(match[1].decode(), match) for match in _TEXTURE.finditer(text)]
    ambiguous = frozenset(
        name for name, match in found if name in NORMAL_NAMES and not _is_declared_normal(match)
    )
    return frozenset(name for name, _ in found), ambiguous


def _is_declared_normal(found: re.Match[bytes]) -> bool:
    if (found[2] or b"").lower() in NORMAL_DEFAULTS:
        return True
    return bool(_ATTRIBUTE.search(found.string[max(0, found.start() - ATTRIBUTE_BYTES) : found.start()]))


def texture_usage(project: Path) -> dict[str, Sequence[Kind]]:
    """Returns the kinds that each texture is used as, by its path below the project."""
    images, secondary_textures, assets, shaders = _files(project)
    found: dict[str, list[Kind]] = {}
    normals: set[str] = set()
    secondary = [(guid.decode(), SECONDARY[name]) for guid, name in secondary_textures if name in SECONDARY]
    for guid, kinds in (*secondary, *_usage_in_assets(assets, shaders, project / projects.SETTINGS)):
        if guid in images:
            known = found.setdefault(images[guid], [])
            known += [kind for kind in kinds if kind not in known]
            if "normal" in kinds and kinds != NORMAL_OR_HEIGHT:
                normals.add(images[guid])
    # Once a known shader reads normals from it, it can't be a height map.
    return {file: [kind for kind in found[file] if kind != "height" or file not in normals] for file in found}


def usage_in_documents(documents: Iterator[Document], shaders: Shaders) -> Iterator[Usage]:
    """Yields what the objects of one text asset use files as."""
    for document in documents:
        if document.kind == MATERIAL:
            yield from _usage_in_material(document, shaders)
        elif document.kind == SCRIPT:
            yield from _usage_in_script(document)
        else:
            slots = OBJECT_SLOTS.get(document.kind, {})
            yield from ((ref.guid, slots[ref.key]) for ref in document.references if ref.key in slots)


def _usage_in_material(document: Document, shaders: Shaders) -> Iterator[Usage]:
    shader = document.reference("m_Shader")
    properties = shaders.textures(shader)
    for ref in document.references:
        if properties is not None and ref.key not in properties:
            # Left over from a previous shader.
            continue
        if ref.key in NORMAL_NAMES and shaders.may_read_heights(shader, ref.key):
            yield ref.guid, NORMAL_OR_HEIGHT
        elif ref.key in SLOTS:
            yield ref.guid, SLOTS[ref.key]
        elif ref.key == MAIN and is_lit(shader):
            yield ref.guid, ("albedo",)


def _usage_in_script(document: Document) -> Iterator[Usage]:
    script = document.reference("m_Script")
    script_guid = script.guid if script else ""
    for ref in document.references:
        if ref.key in BUTTON_SPRITES or (script_guid, ref.key) in WIDGETS:
            yield ref.guid, ("ui",)
        elif ref.key == "m_Sprite":
            # Tiles of a tile map, for example.
            yield ref.guid, ("sprite",)


def _usage_in_assets(assets: Sequence[Path], shaders: Shaders, settings: Path) -> Iterator[Usage]:
    for path in assets:
        try:
            yield from usage_in_documents(read_documents(path), shaders)
        except OSError:
            continue
    try:
        for document in read_documents(settings):
            yield from ((ref.guid, ("ui",)) for ref in document.references if ref.key != PRELOADED)
    except OSError:
        return


def _files(project: Path) -> tuple[dict[str, str], list[tuple[bytes, bytes]], list[Path], Shaders]:
    """Returns the images by GUID, the secondary textures of sprites (GUID and name), the text assets, and the
    shaders."""
    images: dict[str, str] = {}
    secondary: list[tuple[bytes, bytes]] = []
    assets: list[Path] = []
    shaders: dict[str, Path] = {}
    for walked in walk(project, projects.skip(project)):
        lower = walked.file.lower()
        if walked.problem:
            continue
        if lower.endswith(tuple(image + SUFFIX for image in (*IMAGES, SHADER_SUFFIX))):
            text, file = _read_meta(project / walked.file), walked.file[: -len(SUFFIX)]
            if (guid := _META_GUID.search(text)) and lower.endswith(SHADER_SUFFIX + SUFFIX):
                shaders[guid.group(1).decode()] = project / file
            elif guid:
                images[guid.group(1).decode()] = file
            secondary += _SECONDARY.findall(text)
        elif lower.endswith(TEXT_SUFFIXES):
            assets.append(project / walked.file)
    return images, secondary, assets, Shaders(shaders)


def _read_meta(meta: Path) -> bytes:
    """Returns the first MAX_BYTES of a file; nothing if it can't be read."""
    try:
        with meta.open("rb") as file:
            return file.read(MAX_BYTES)
    except OSError:
        return b""
