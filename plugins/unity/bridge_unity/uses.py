"""What materials, scenes and prefabs of a Unity project use its textures as."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bridge.api import Kind, walk
from bridge_unity import projects
from bridge_unity.assets import IMAGES
from bridge_unity.documents import Document, Reference, read
from bridge_unity.metafile import SUFFIX

MATERIAL, ANIMATION, SCRIPT, SPRITE_RENDERER, SPRITE_MASK, TERRAIN_LAYER = 21, 74, 114, 212, 331, 1953259897
"""Class ids (Unity's manual, YAML class ID reference)."""
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
MAIN = "_MainTex"
"""Any shader's first texture: of a lit surface its colours, else anything."""
BUILT_IN = "0000000000000000f000000000000000"
STANDARD, STANDARD_SPECULAR = 46, 45
LIT = frozenset({
    "933532a4fcc9baf4fa0491de14d08ed7",  # Universal Render Pipeline/Lit
    "8d2bb70cbf9db8d4da26e15b26e74248",  # Universal Render Pipeline/Simple Lit
    "6e4ae4064600d784cac1e41a9e6f2e59",  # HDRP/Lit
})  # fmt: skip
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

Used = tuple[str, tuple[Kind, ...]]
"""A file's GUID, and what it is used as."""


def uses(project: Path) -> dict[str, Sequence[Kind]]:
    """The kinds, in the order of the files that say so, by the texture's place below the project."""
    images, assets = _files(project)
    found: dict[str, list[Kind]] = {}
    for guid, kinds in _of_assets(assets, project / projects.SETTINGS):
        if guid in images:
            known = found.setdefault(images[guid], [])
            known += [kind for kind in kinds if kind not in known]
    return dict(found)


def of_documents(documents: Iterator[Document]) -> Iterator[Used]:
    """What one text asset's objects use files as."""
    for document in documents:
        if document.kind == MATERIAL:
            yield from _of_material(document)
        elif document.kind == SCRIPT:
            yield from _of_script(document)
        else:
            named = OTHERS.get(document.kind, {})
            yield from ((one.guid, named[one.key]) for one in document.references if one.key in named)


def _of_material(document: Document) -> Iterator[Used]:
    lit = _is_lit(document.refers("m_Shader"))
    for one in document.references:
        if one.key in SLOTS:
            yield one.guid, SLOTS[one.key]
        elif one.key == MAIN and lit:
            yield one.guid, ("albedo",)


def _is_lit(shader: Reference | None) -> bool:
    if shader is None:
        return False
    return shader.guid in LIT or (shader.guid == BUILT_IN and shader.file_id in (STANDARD, STANDARD_SPECULAR))


def _of_script(document: Document) -> Iterator[Used]:
    script = document.refers("m_Script")
    own = script.guid if script else ""
    for one in document.references:
        if one.key in STATES or (own, one.key) in WIDGETS:
            yield one.guid, ("ui",)
        elif one.key == "m_Sprite":
            # Tiles of a tile map, for example.
            yield one.guid, ("sprite",)


def _of_assets(assets: Sequence[Path], settings: Path) -> Iterator[Used]:
    for path in assets:
        try:
            yield from of_documents(read(path))
        except OSError:
            continue
    try:
        for document in read(settings):
            yield from ((one.guid, ("ui",)) for one in document.references if one.key != PRELOADED)
    except OSError:
        return


def _files(project: Path) -> tuple[dict[str, str], list[Path]]:
    """The images by their GUIDs, and the text assets."""
    images: dict[str, str] = {}
    assets: list[Path] = []
    for walked in walk(project, projects.skip(project)):
        lower = walked.file.lower()
        if walked.problem:
            continue
        if lower.endswith(tuple(image + SUFFIX for image in IMAGES)):
            if guid := _guid(project / walked.file):
                images[guid] = walked.file[: -len(SUFFIX)]
        elif lower.endswith(TEXT):
            assets.append(project / walked.file)
    return images, assets


def _guid(meta: Path) -> str:
    """What other files call this one; empty where that can't be read. It stands in the second line."""
    try:
        with meta.open("rb") as text:
            for line in (text.readline(200), text.readline(200)):
                if line.startswith(b"guid: "):
                    return line[6:].strip().decode("ascii", "replace")
    except OSError:
        pass
    return ""
