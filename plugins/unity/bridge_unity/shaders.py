"""The texture properties of shaders: of the project's sources and graphs, and of those that Unity ships."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from bridge.api import Reads, UseDomain, texture_reads, without_comments
from bridge_unity.text_asset import Reference

SHADER_SUFFIX, GRAPH_SUFFIX = ".shader", ".shadergraph"
MAX_BYTES = 16 << 20
"""Read of a shader or a `.meta` file; Unity's own are far smaller."""
MAX_ANALYSED = 1 << 20
"""Characters of a shader whose reads are analysed."""
BUILT_IN_GUID = "0000000000000000f000000000000000"
STANDARD, STANDARD_SPECULAR = 46, 45
PARTICLE_SHADERS = range(200, 212)
"""File ids of the built-in shaders for particles, from `Legacy Shaders/Particles` to `Particles`."""
SPRITES_DEFAULT, UI_DEFAULT = 10753, 10770
URP_LIT, URP_SIMPLE_LIT = "933532a4fcc9baf4fa0491de14d08ed7", "8d2bb70cbf9db8d4da26e15b26e74248"
HDRP_LIT = "6e4ae4064600d784cac1e41a9e6f2e59"
URP_PARTICLES = frozenset({
    "b7839dad95683814aa64166edc107ae2", "8516d7a69675844a7a0b7095af7c46af",
    "0406db5a14f94604a8c57ccfbc9f3b46",
})  # fmt: skip
"""Particles/Lit, Simple Lit and Unlit of the Universal Render Pipeline (its `ShaderUtils.cs`)."""

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
STANDARD_CHANNELS: Mapping[str, str] = {
    "_BumpMap": "rgb", "_DetailNormalMap": "rgb", "_ParallaxMap": "g", "_OcclusionMap": "g",
    "_EmissionMap": "rgb", "_DetailMask": "a", "_DetailAlbedoMap": "rgb", "_MetallicGlossMap": "ra",
    "_SpecGlossMap": "rgba",
}  # fmt: skip
"""The channels that the Standard shaders read (`UnityStandardInput.cginc`), and URP's Lit."""
NORMAL_NAMES = frozenset({"_BumpMap", "_NormalMap", "_DetailNormalMap"})
"""Property names that usually mean a normal map, but in some shaders a height map."""
NORMAL_DEFAULTS = (b"", b"bump")
"""Default values of normal maps; those of height maps are `white`, `gray` or `black`."""

READERS = frozenset({
    "SAMPLE_TEXTURE2D", "SAMPLE_TEXTURE2D_LOD", "SAMPLE_TEXTURE2D_BIAS", "SAMPLE_TEXTURE2D_GRAD",
    "LOAD_TEXTURE2D", "LOAD_TEXTURE2D_LOD", "UNITY_SAMPLE_TEX2D", "UNITY_SAMPLE_TEX2D_SAMPLER",
    "UNITY_SAMPLE_SCREENSPACE_TEXTURE",
})  # fmt: skip
"""Macros that read all channels of a texture."""
DECLARATIONS = frozenset({
    "TEXTURE2D", "TEXTURE2D_HALF", "TEXTURE2D_FLOAT", "UNITY_DECLARE_TEX2D", "UNITY_DECLARE_TEX2D_NOSAMPLER",
})  # fmt: skip
"""Macros that declare a texture."""

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
_NAME = re.compile(r'\bShader\s+"([^"\n]*)"')
_NAMED_DOMAINS: tuple[tuple[re.Pattern[str], UseDomain], ...] = (
    (re.compile(r"particle", re.IGNORECASE), "particles"),
    (re.compile(r"skybox", re.IGNORECASE), "sky"),
    (re.compile(r"\bdecal", re.IGNORECASE), "decal"),
    (re.compile(r"\bterrain", re.IGNORECASE), "terrain"),
    (re.compile(r"^UI/|/UI/", re.IGNORECASE), "ui"),
    (re.compile(r"^Sprites?/|/Sprites?/|/2D/", re.IGNORECASE), "canvas"),
)
_DECLARATION = re.compile(r"\b(?:sampler2D|Texture2D)\w*(?:<[^<>;]*>)?\s+([\w\s,]{1,400});")
_TRANSFORM_TEX = re.compile(r"\bTRANSFORM_TEX\s*\(\s*[^,()]*,\s*(\w+)\s*\)")
_WORD = re.compile(r"\w+")
_INCLUDE = re.compile(r'#\s*include(?:_with_pragmas)?\s+"([^"\n]*)"')
_PLAIN_INCLUDE = re.compile(
    r"(?:Unity(?:CG|UI|ShaderVariables|LightingCommon|InstancedInclude|PBSLighting)|AutoLight|Lighting"
    r"|HLSLSupport|TerrainEngine|Tessellation)\.cginc"
    r"|.*/ShaderLibrary/(?:Core|Common|Color|Lighting|Input|Shadows|SpaceTransforms|Packing|Macros"
    r"|UnityInstancing|Texture|DeclareDepthTexture|DeclareOpaqueTexture)\.hlsl"
)
"""Files of Unity that read no textures of materials."""
_FOREIGN_PASS = re.compile(r"\bUsePass\b|\bFallback\s+\"[^\"\n]*(?:Cutout|Transparent)", re.IGNORECASE)
"""Other shaders' passes, which read the same textures: for cut-out shadows, for example."""
GRAPH_TEXTURE = "UnityEditor.ShaderGraph.Internal.Texture2DShaderProperty"
GRAPH_NORMAL = 3
"""`Texture2DShaderProperty.DefaultType.NormalMap`."""
_BLANK_LINE = re.compile(r"\r?\n\r?\n")


@dataclass(frozen=True)
class Property:
    """One texture of a shader."""

    normal: bool = False
    """Whether the shader declares that it holds normals."""
    ambiguous: bool = False
    """Whether it is named like a normal map and not declared as one."""
    channels: str = ""
    """The channels that the source reads; empty if unknown."""
    title: str = ""
    """Its display name in a shader graph."""


@dataclass(frozen=True)
class Shader:
    """A shader of the project."""

    textures: Mapping[str, Property] = field(default_factory=dict)
    domain: UseDomain | None = None


class Shaders:
    """The texture properties of a project's shaders and of Unity's own."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        """`files` are the project's shader sources and graphs by GUID."""
        self._files = files
        self._read = cache(_read)

    def textures(self, shader: Reference | None) -> frozenset[str] | None:
        """Returns the names of a shader's textures; None if unknown."""
        if shader is None:
            return None
        if shader.guid in self._files:
            return frozenset(self._own(shader).textures) or None
        if shader.guid == BUILT_IN_GUID:
            return BUILT_IN_TEXTURES.get(shader.file_id)
        return PACKAGE_TEXTURES.get(shader.guid)

    def property(self, shader: Reference | None, name: str) -> Property:
        """Returns what is known of one texture of a shader."""
        if shader is not None and shader.guid in self._files:
            return self._own(shader).textures.get(name, Property())
        return Property(channels=STANDARD_CHANNELS.get(name, "")) if is_standard(shader) else Property()

    def may_read_heights(self, shader: Reference | None, name: str) -> bool:
        """Whether the texture, named like a normal map, may be a height map."""
        if shader is not None and shader.guid in self._files:
            textures = self._own(shader).textures
            return not textures or textures.get(name, Property()).ambiguous
        return self.textures(shader) is None

    def domain(self, shader: Reference | None) -> UseDomain | None:
        """Returns where a shader draws; None if unknown."""
        if shader is None:
            return None
        if shader.guid in self._files:
            return self._own(shader).domain
        if shader.guid == BUILT_IN_GUID:
            if shader.file_id in PARTICLE_SHADERS:
                return "particles"
            own: Mapping[int, UseDomain] = {SPRITES_DEFAULT: "canvas", UI_DEFAULT: "ui"}
            return own.get(shader.file_id, "surface" if is_lit(shader) else None)
        return "particles" if shader.guid in URP_PARTICLES else "surface" if is_lit(shader) else None

    def _own(self, shader: Reference) -> Shader:
        return self._read(self._files[shader.guid])


def is_standard(shader: Reference | None) -> bool:
    """Whether the shader is one of the Standard shaders, or URP's Lit, which reads the same channels."""
    if shader is None:
        return False
    if shader.guid == BUILT_IN_GUID:
        return shader.file_id in (STANDARD, STANDARD_SPECULAR)
    return shader.guid == URP_LIT


def is_lit(shader: Reference | None) -> bool:
    """Whether the shader's first texture is known to be the albedo of a surface."""
    return is_standard(shader) or (shader is not None and shader.guid in (URP_SIMPLE_LIT, HDRP_LIT))


def _read(path: Path) -> Shader:
    """Returns a shader of the project; without textures if it can't be read or has an unknown syntax."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES)
    except OSError:
        return Shader()
    if path.name.lower().endswith(GRAPH_SUFFIX):
        return Shader(_textures_of_graph(text.decode("utf-8", "replace")))
    source = without_comments(text[:MAX_ANALYSED].decode("utf-8", "replace"))
    found = {match[1].decode(): match for match in _TEXTURE.finditer(text)}
    reads = _reads(source, frozenset(found)) if found else {}
    textures = {
        name: Property(
            normal=_is_declared_normal(match, (b"bump",)) or (name in reads and reads[name].normal),
            ambiguous=name in NORMAL_NAMES and not _is_declared_normal(match, NORMAL_DEFAULTS),
            channels=reads[name].channels if name in reads else "",
        )
        for name, match in found.items()
    }
    title = _NAME.search(source)
    domains = (domain for pattern, domain in _NAMED_DOMAINS if title and pattern.search(title[1]))
    return Shader(textures, next(domains, None))


def _reads(source: str, names: frozenset[str]) -> Mapping[str, Reads]:
    """Returns how the source reads its textures; without channels if files that it includes may read them."""
    declared = Counter(names)
    declared.update(
        word for listed in _DECLARATION.findall(source) for word in _WORD.findall(listed) if word in names
    )
    declared.update(name for name in _TRANSFORM_TEX.findall(source) if name in names)
    reads = texture_reads(source, names, declared, READERS, DECLARATIONS)
    included = all(_PLAIN_INCLUDE.fullmatch(file) for file in _INCLUDE.findall(source))
    if included and not _FOREIGN_PASS.search(source):
        return reads
    return {name: found._replace(channels="") for name, found in reads.items()}


def _is_declared_normal(found: re.Match[bytes], defaults: tuple[bytes, ...]) -> bool:
    if (found[2] or b"").lower() in defaults:
        return True
    return bool(_ATTRIBUTE.search(found.string[max(0, found.start() - ATTRIBUTE_BYTES) : found.start()]))


def _textures_of_graph(text: str) -> Mapping[str, Property]:
    """Returns the textures of a shader graph of Unity 2020.2 or later: a sequence of JSON objects."""
    textures: dict[str, Property] = {}
    for part in _BLANK_LINE.split(text):
        if GRAPH_TEXTURE not in part:
            continue
        try:
            one = json.loads(part)
        except (ValueError, RecursionError):
            continue
        if not isinstance(one, dict):
            continue
        name = one.get("m_OverrideReferenceName") or one.get("m_DefaultReferenceName")
        if isinstance(name, str) and name:
            normal = one.get("m_DefaultType") == GRAPH_NORMAL
            ambiguous = name in NORMAL_NAMES and not normal
            textures[name] = Property(normal, ambiguous, title=str(one.get("m_Name", "")))
    return textures
