"""Reads what shaders in Godot's language use their textures as."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bridge.api import (
    Kind,
    Reads,
    TextureUse,
    UseDomain,
    is_auxiliary_property,
    property_kinds,
    texture_reads,
    without_comments,
)
from bridge_godot.resource_file import local_path

MAX_SHADER_BYTES = 1 << 20
MAX_INCLUDES = 32
"""Files that one shader may include, directly or not."""
COLOR_HINTS = frozenset({"source_color", "hint_albedo", "hint_black_albedo", "hint_white_albedo"})
"""The first is Godot 4's, the others are Godot 3's."""
NORMAL_HINTS = frozenset({"hint_normal", "hint_roughness_normal"})
ROUGHNESS_HINTS = frozenset({"hint_roughness_r", "hint_roughness_gray"})
LATER_ROUGHNESS_HINTS = frozenset({"hint_roughness_g", "hint_roughness_b", "hint_roughness_a"})
"""Roughness in a later channel means that the others have something else."""
NORMAL_2D: tuple[Kind, ...] = ("normal", "sprite")
"""The normal map of a sprite: it needs no mipmaps and no block compression, unlike a material texture."""
DOMAINS: Mapping[str, UseDomain] = {"spatial": "surface", "canvas_item": "canvas", "sky": "sky"}
"""By `shader_type`; the others draw nothing themselves."""

READERS = frozenset({"triplanar_texture"})
"""The function in shaders that Godot converts from materials, which returns all channels."""

_WORD = re.compile(r"\w+")
_TYPE = re.compile(r"\bshader_type\s+(\w+)\s*;")
_SAMPLER = re.compile(
    r"\buniform\s+(?:(?:lowp|mediump|highp)\s+)?sampler2D\s+(\w+)\s*(?:\[\w*\]\s*)?(?::([^:;]*))?;"
)
_INCLUDE = re.compile(r'^[ \t]*#include\s+"([^"\r\n]+)"', re.MULTILINE)


@dataclass(frozen=True)
class Shader:
    """The textures of one shader."""

    uses: Mapping[str, TextureUse] = field(default_factory=dict)
    """By the name of the uniform."""

    @classmethod
    def of_source(cls, source: str) -> Shader:
        """Reads a shader's whole source."""
        source = without_comments(source)
        found = _TYPE.search(source)
        shader_type = found[1] if found else ""
        samplers = {name: frozenset(_WORD.findall(hints)) for name, hints in _SAMPLER.findall(source)}
        reads = texture_reads(source, samplers.keys(), Counter(samplers.keys()), READERS)
        uses = {name: _use(name, hints, shader_type, reads.get(name)) for name, hints in samplers.items()}
        return cls(uses)

    @classmethod
    def of_file(cls, project: Path, path: str) -> Shader:
        """Reads the shader at `path` below the project; without textures if it can't be read."""
        return cls.of_source(_included(project, path, []))


def _included(project: Path, path: str, seen: list[str]) -> str:
    """Returns a file's source with those that it includes. A file that can't be read is empty."""
    if path in seen or len(seen) > MAX_INCLUDES or "\0" in path:
        return ""
    seen.append(path)
    file = project / path
    # Opening a pipe would block.
    if not path or not os.path.isfile(file):
        return ""
    try:
        with file.open("rb") as opened:
            source = opened.read(MAX_SHADER_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
    folder = path.rpartition("/")[0]
    if "#include" not in source:
        return source
    return _INCLUDE.sub(lambda found: _included(project, local_path(found[1], folder), seen), source)


def _use(name: str, hints: frozenset[str], shader_type: str, reads: Reads | None) -> TextureUse:
    kinds, is_declared = _kinds(name, hints, shader_type, reads)
    colors = bool(hints & COLOR_HINTS)
    # 2D is drawn in sRGB, so that the hint has no effect there.
    space = ("srgb" if colors else "linear") if shader_type == "spatial" else None
    filters = [hint for hint in hints if hint.startswith("filter_")]
    return TextureUse(
        kinds=kinds,
        basis="declaration" if is_declared else "name",
        slot=name,
        domain=DOMAINS.get(shader_type),
        color_space=space,  # type: ignore[arg-type]
        channels=reads.channels if reads else "",
        mipmaps="mipmap" in filters[0] if filters else None,
    )


def _kinds(
    name: str, hints: frozenset[str], shader_type: str, reads: Reads | None
) -> tuple[tuple[Kind, ...], bool]:
    """Returns the kinds that a uniform may hold, and whether the source declares them."""
    one_channel = reads is not None and len(reads.channels) == 1
    # The hint alone also stands at noise, of which one channel is read.
    if (hints & NORMAL_HINTS and not one_channel) or (reads is not None and reads.normal):
        return ("normal",) if shader_type == "spatial" else NORMAL_2D, True
    if hints & ROUGHNESS_HINTS:
        return ("roughness",), True
    if hints & LATER_ROUGHNESS_HINTS:
        return ("packed",), True
    named = property_kinds(name)
    if shader_type != "spatial":
        return (NORMAL_2D if named[:1] == ("normal",) else (), False)
    if not hints & COLOR_HINTS:
        return named, False
    # A mask or a ramp may be declared as a colour too, and so may any texture of which one channel is read.
    if one_channel or is_auxiliary_property(name):
        return (), False
    return ("emissive",) if named == ("emissive",) else ("albedo",), True
