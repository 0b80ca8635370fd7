"""Unity projects whose `.meta` files are laid out as the editors write them, with their defaults."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from bridge.demo.textures import save, textures

VERSIONS = {"2021.3.45f1": 11, "2022.3.62f1": 12, "6000.0.76f1": 13}
"""Versions of the editor, and the `serializedVersion` of the textures' settings that it writes."""
NEWEST = "6000.0.76f1"

META = """\
fileFormatVersion: 2
guid: {guid}
TextureImporter:
  internalIDToNameTable: []
  externalObjects: {{}}
  serializedVersion: {serialized}
  mipmaps:
    mipMapMode: 0
    enableMipMap: 1
    sRGBTexture: 1
    linearTexture: 0
    fadeOut: 0
    borderMipMap: 0
    mipMapsPreserveCoverage: 0
    alphaTestReferenceValue: 0.5
    mipMapFadeDistanceStart: 1
    mipMapFadeDistanceEnd: 3
  bumpmap:
    convertToNormalMap: 0
    externalNormalMap: 0
    heightScale: 0.25
    normalMapFilter: 0
{green}  isReadable: 0
  streamingMipmaps: 0
  streamingMipmapsPriority: 0
  vTOnly: 0
  grayScaleToAlpha: 0
  generateCubemap: 6
  cubemapConvolution: 0
  seamlessCubemap: 0
  textureFormat: 1
  maxTextureSize: 2048
  textureSettings:
    serializedVersion: 2
    filterMode: 1
    aniso: 1
    mipBias: 0
    wrapU: 0
    wrapV: 0
    wrapW: 0
  nPOTScale: 1
  lightmap: 0
  compressionQuality: 50
  spriteMode: 0
  spriteExtrude: 1
  spriteMeshType: 1
  alignment: 0
  spritePivot: {{x: 0.5, y: 0.5}}
  spritePixelsToUnits: 100
  spriteBorder: {{x: 0, y: 0, z: 0, w: 0}}
  alphaUsage: 1
  alphaIsTransparency: 0
  spriteTessellationDetail: -1
  textureType: 0
  textureShape: 1
  singleChannelComponent: 0
  platformSettings:
{platforms}  spriteSheet:
    serializedVersion: 2
    sprites: []
    outline: []
    physicsShape: []
    bones: []
    spriteID:\x20
    internalID: 0
    vertices: []
    indices:\x20
    edges: []
    weights: []
    secondaryTextures: []
  userData:\x20
  assetBundleName:\x20
  assetBundleVariant:\x20
"""
GREEN = "    flipGreenChannel: 0\n"
PLATFORM = """\
  - serializedVersion: 3
    buildTarget: {platform}
    maxTextureSize: 2048
    resizeAlgorithm: 0
    textureFormat: -1
    textureCompression: 1
    compressionQuality: 50
    crunchedCompression: 0
    allowsAlphaSplitting: 0
    overridden: {overridden}
    androidETC2FallbackOverride: 0
    forceMaximumCompressionQuality_BC6H_BC7: 0
"""


def guid_of(file: str) -> str:
    """A GUID that is always the same for a file."""
    return hashlib.md5(file.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()


def meta(
    file: str = "Assets/rock.png",
    version: str = NEWEST,
    replaced: Mapping[str, str] | None = None,
    overridden: Iterable[str] = (),
) -> str:
    """The text of a texture's `.meta`; `replaced` are lines in the place of others, once each."""
    platforms = ("DefaultTexturePlatform", "Standalone", "Android")
    text = META.format(
        guid=guid_of(file),
        serialized=VERSIONS[version],
        green="" if version.startswith("2021") else GREEN,
        platforms="".join(PLATFORM.format(platform=p, overridden=int(p in overridden)) for p in platforms),
    )
    for old, new in (replaced or {}).items():
        assert old in text
        text = text.replace(old, new, 1)
    return text


def imported(root: Path, file: str, text: str | None = None) -> Path:
    """Writes the `.meta` of a file, which needn't be there."""
    path = root / f"{file}.meta"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(meta(file) if text is None else text, encoding="utf-8", newline="")
    return path


def texture(root: Path, file: str, text: str | None = None) -> Path:
    """A file that is no picture, with its `.meta`."""
    imported(root, file, text)
    (root / file).write_bytes(b"png")
    return root / file


def game(root: Path, version: str = NEWEST, only: Iterable[str] = ()) -> Path:
    """A project of this version; `only` are the demo's files that it has, else it has all of them."""
    (root / "ProjectSettings").mkdir(parents=True, exist_ok=True)
    (root / "ProjectSettings/ProjectVersion.txt").write_text(
        f"m_EditorVersion: {version}\nm_EditorVersionWithRevision: {version} (0123456789ab)\n",
        encoding="utf-8",
    )
    for one in textures():
        if not only or one.file in only:
            save(one.draw(), root / "Assets" / one.file)
            imported(root, f"Assets/{one.file}", meta(f"Assets/{one.file}", version))
    return root
