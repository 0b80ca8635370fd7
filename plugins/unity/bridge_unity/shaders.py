"""Which textures a material's shader has: of those that it had before, the material keeps the slots."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from bridge_unity.documents import Reference

MAX_BYTES = 16 << 20
BUILT_IN = "0000000000000000f000000000000000"
STANDARD, STANDARD_SPECULAR = 46, 45
URP_LIT, URP_SIMPLE_LIT = "933532a4fcc9baf4fa0491de14d08ed7", "8d2bb70cbf9db8d4da26e15b26e74248"
HDRP_LIT = "6e4ae4064600d784cac1e41a9e6f2e59"

_COMMON = frozenset({
    "_MainTex", "_BumpMap", "_ParallaxMap", "_OcclusionMap", "_EmissionMap", "_DetailMask",
    "_DetailAlbedoMap", "_DetailNormalMap",
})  # fmt: skip
OF_BUILT_IN: Mapping[int, frozenset[str]] = {
    STANDARD: _COMMON | {"_MetallicGlossMap"},
    STANDARD_SPECULAR: _COMMON | {"_SpecGlossMap"},
}
OF_PACKAGES: Mapping[str, frozenset[str]] = {
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
"""The same in all supported versions."""
NORMALS = frozenset({"_BumpMap", "_NormalMap", "_DetailNormalMap"})
"""Names under which shaders mostly have normal maps, but some a height map."""
FLAT = (b"", b"bump")
"""Defaults of a normal map; of heights it is `white`, `gray` or `black`."""

# `name ("display name", 2D) = "default" {}` (Unity's manual, ShaderLab properties); what stands in a
# comment counts too, so that rather too many are known.
_TEXTURE = re.compile(
    rb'\b(\w+)\s*\(\s*"[^"\n]*"\s*,\s*(?:2D|3D|Cube|2DArray|CubeArray|Any|Rect)\s*\)'
    rb'(?:\s*=\s*"([^"\n]*)")?',
    re.IGNORECASE,
)
# It says that a normal map is expected (the same page); other attributes may stand before the name, too.
_ATTRIBUTE = re.compile(rb"\[\s*Normal\s*\]\s*(?:\[[^\[\]]*\]\s*)*$")
BEFORE = 200
"""Bytes before a name in which its attributes are sought."""


class Shaders:
    """The shaders of a project, and those that Unity ships."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        """`files` are the project's `.shader` files by their GUIDs."""
        self._files = files
        self._declared = cache(_declared)

    def textures(self, shader: Reference | None) -> frozenset[str] | None:
        """The names of its textures; None where they aren't known, as those of a shader graph."""
        if shader is None:
            return None
        if shader.guid in self._files:
            return self._declared(self._files[shader.guid])[0] or None
        if shader.guid == BUILT_IN:
            return OF_BUILT_IN.get(shader.file_id)
        return OF_PACKAGES.get(shader.guid)

    def is_doubtful(self, shader: Reference | None, name: str) -> bool:
        """Whether its texture of this name, which is that of a normal map, may hold heights."""
        if shader is not None and shader.guid in self._files:
            names, doubtful = self._declared(self._files[shader.guid])
            return name in doubtful or not names
        return self.textures(shader) is None


def is_lit(shader: Reference | None) -> bool:
    """Whether its first texture is known to hold a surface's colours."""
    if shader is None:
        return False
    if shader.guid == BUILT_IN:
        return shader.file_id in (STANDARD, STANDARD_SPECULAR)
    return shader.guid in (URP_LIT, URP_SIMPLE_LIT, HDRP_LIT)


def _declared(path: Path) -> tuple[frozenset[str], frozenset[str]]:
    """A shader's textures, and those of them that its file doesn't say to be normal maps, as their names do.

    None of a file that can't be read, or that declares them in a way that isn't known here.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES)
    except OSError:
        return frozenset(), frozenset()
    found = [(each[1].decode(), each) for each in _TEXTURE.finditer(text)]
    doubtful = frozenset(name for name, each in found if name in NORMALS and not _says_normals(each))
    return frozenset(name for name, _ in found), doubtful


def _says_normals(found: re.Match[bytes]) -> bool:
    if (found[2] or b"").lower() in FLAT:
        return True
    return bool(_ATTRIBUTE.search(found.string[max(0, found.start() - BEFORE) : found.start()]))
