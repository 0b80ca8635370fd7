"""What materials, scenes and prefabs of a Unity project use its textures as."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bridge.api import Kind, walk
from bridge_unity import projects
from bridge_unity.assets import IMAGES
from bridge_unity.documents import Document, read
from bridge_unity.metafile import SUFFIX
from bridge_unity.shaders import MAX_BYTES, NORMALS, Shaders, is_lit

MATERIAL, ANIMATION, SCRIPT, SPRITE_RENDERER, SPRITE_MASK, TERRAIN_LAYER = 21, 74, 114, 212, 331, 1953259897
"""Class ids (Unity's manual, YAML class ID reference)."""
SHADER = ".shader"
TEXT = (".mat", ".unity", ".prefab", ".asset", ".anim", ".terrainlayer", ".spriteatlas")
PRELOADED = "preloadedAssets"
"""What of the player's settings isn't an icon, a splash screen or a cursor."""

# Properties of the shaders that Unity ships; others name theirs alike, as materials are then converted.
SLOTS: Mapping[str, tuple[Kind, ...]] = {
    "_BaseMap": ("albedo",), "_BaseColorMap": ("albedo",), "_DetailAlbedoMap": ("albedo",),
    "_BumpMap": ("normal",), "_NormalMap": ("normal",), "_DetailNormalMap": ("normal",),
    "_ParallaxMap": ("height",), "_HeightMap": ("height",), "_OcclusionMap": ("ao",),
    # Red is metalness, alpha smoothness where somebody put it there.
    "_MetallicGlossMap": ("specular", "packed"), "_SpecGlossMap": ("specular",),
    "_SpecularColorMap": ("specular",), "_MaskMap": ("packed",), "_EmissionMap": ("emissive",),
    "_EmissiveColorMap": ("emissive",), "_FrontTex": ("environment",), "_BackTex": ("environment",),
    "_LeftTex": ("environment",), "_RightTex": ("environment",), "_UpTex": ("environment",),
    "_DownTex": ("environment",),
}  # fmt: skip
GUESS: tuple[Kind, ...] = ("normal", "height")
"""Of a slot for normals that may hold heights, or that a shader which isn't known may not have."""
MAIN = "_MainTex"
"""Any shader's first texture: of a lit surface its colours, else anything."""
OTHERS: Mapping[int, Mapping[str, tuple[Kind, ...]]] = {
    SPRITE_RENDERER: {"m_Sprite": ("sprite",)},
    SPRITE_MASK: {"m_Sprite": ("sprite",)},
    # Pictures one after the other; of widgets, too, which is the same class.
    ANIMATION: {"value": ("sprite",)},
    TERRAIN_LAYER: {
        "m_DiffuseTexture": ("albedo",), "m_NormalMapTexture": ("normal",), "m_MaskMapTexture": ("packed",),
    },
}  # fmt: skip
"""What objects that are neither materials nor scripts use files as, by the names of their values."""
WIDGETS = frozenset({
    ("fe87c0e1cc204ed48ad3b37840f39efc", "m_Sprite"),  # UnityEngine.UI.Image
    ("1344c3c82d62a2a41a3576d8abb8e3ea", "m_Texture"),  # UnityEngine.UI.RawImage
})  # fmt: skip
"""Scripts of Unity's own, and which of their values is a picture."""
STATES = frozenset({"m_HighlightedSprite", "m_PressedSprite", "m_SelectedSprite", "m_DisabledSprite"})
"""What a button shows."""

SECONDARY: Mapping[bytes, tuple[Kind, ...]] = {
    # It lies in 2D: nothing of 3D surfaces, their mipmaps and blocks, is right for it.
    b"_NormalMap": ("normal", "sprite"), b"_BumpMap": ("normal", "sprite"), b"_MaskTex": ("packed", "sprite"),
}  # fmt: skip
"""Names of a sprite's secondary textures, which lights in 2D read."""

_GUID = re.compile(rb"^guid: ([0-9a-f]{32})\b", re.MULTILINE)
_SECONDARY = re.compile(rb"- texture: \{fileID: -?\d+, guid: ([0-9a-f]{32})[^{}]*\}\s+name: (\w+)")

Used = tuple[str, tuple[Kind, ...]]
"""A file's GUID, and what it is used as."""


def uses(project: Path) -> dict[str, Sequence[Kind]]:
    """The kinds, in the order of the files that say so, by the texture's place below the project."""
    images, beside, assets, shaders = _files(project)
    found: dict[str, list[Kind]] = {}
    normals: set[str] = set()
    secondary = [(guid.decode(), SECONDARY[name]) for guid, name in beside if name in SECONDARY]
    for guid, kinds in (*secondary, *_of_assets(assets, shaders, project / projects.SETTINGS)):
        if guid in images:
            known = found.setdefault(images[guid], [])
            known += [kind for kind in kinds if kind not in known]
            if "normal" in kinds and kinds != GUESS:
                normals.add(images[guid])
    # Where a shader is known to read normals of it, heights are no doubt of that.
    return {file: [kind for kind in found[file] if kind != "height" or file not in normals] for file in found}


def of_documents(documents: Iterator[Document], shaders: Shaders) -> Iterator[Used]:
    """What one text asset's objects use files as."""
    for document in documents:
        if document.kind == MATERIAL:
            yield from _of_material(document, shaders)
        elif document.kind == SCRIPT:
            yield from _of_script(document)
        else:
            named = OTHERS.get(document.kind, {})
            yield from ((one.guid, named[one.key]) for one in document.references if one.key in named)


def _of_material(document: Document, shaders: Shaders) -> Iterator[Used]:
    shader = document.refers("m_Shader")
    there = shaders.textures(shader)
    for one in document.references:
        if there is not None and one.key not in there:
            # The shader that the material had before took it.
            continue
        if one.key in NORMALS and shaders.is_doubtful(shader, one.key):
            yield one.guid, GUESS
        elif one.key in SLOTS:
            yield one.guid, SLOTS[one.key]
        elif one.key == MAIN and is_lit(shader):
            yield one.guid, ("albedo",)


def _of_script(document: Document) -> Iterator[Used]:
    script = document.refers("m_Script")
    own = script.guid if script else ""
    for one in document.references:
        if one.key in STATES or (own, one.key) in WIDGETS:
            yield one.guid, ("ui",)
        elif one.key == "m_Sprite":
            # Tiles of a tile map, for example.
            yield one.guid, ("sprite",)


def _of_assets(assets: Sequence[Path], shaders: Shaders, settings: Path) -> Iterator[Used]:
    for path in assets:
        try:
            yield from of_documents(read(path), shaders)
        except OSError:
            continue
    try:
        for document in read(settings):
            yield from ((one.guid, ("ui",)) for one in document.references if one.key != PRELOADED)
    except OSError:
        return


def _files(project: Path) -> tuple[dict[str, str], list[tuple[bytes, bytes]], list[Path], Shaders]:
    """The images by their GUIDs, what sprites have beside them (GUIDs and names), the text assets, and the
    shaders."""
    images: dict[str, str] = {}
    beside: list[tuple[bytes, bytes]] = []
    assets: list[Path] = []
    shaders: dict[str, Path] = {}
    for walked in walk(project, projects.skip(project)):
        lower = walked.file.lower()
        if walked.problem:
            continue
        if lower.endswith(tuple(image + SUFFIX for image in (*IMAGES, SHADER))):
            text, file = _text(project / walked.file), walked.file[: -len(SUFFIX)]
            if (named := _GUID.search(text)) and lower.endswith(SHADER + SUFFIX):
                shaders[named.group(1).decode()] = project / file
            elif named:
                images[named.group(1).decode()] = file
            beside += _SECONDARY.findall(text)
        elif lower.endswith(TEXT):
            assets.append(project / walked.file)
    return images, beside, assets, Shaders(shaders)


def _text(meta: Path) -> bytes:
    """Nothing of a file that can't be read, or is larger than Unity's are."""
    try:
        with meta.open("rb") as file:
            return file.read(MAX_BYTES)
    except OSError:
        return b""
