"""What a shader's text says about the textures that it is given."""

from __future__ import annotations

import os
import re
from pathlib import Path

from bridge.api import Kind

_TYPE = re.compile(r"\bshader_type\s+(\w+)\s*;")
_SAMPLER = re.compile(r"\buniform\s+(?:\w+\s+)?sampler2D\s+(\w+)\s*:([^:;]*);")
_COMMENT = re.compile(r"//[^\r\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)

COLOR = frozenset({"source_color", "hint_albedo", "hint_black_albedo", "hint_white_albedo"})
"""The first is Godot 4's, the others Godot 3's."""
MAX_BYTES = 1 << 20


def samplers(path: Path) -> dict[str, Kind]:
    """The kind that each sampler's hints speak for, by its name; none for one that says nothing.

    None either for what is no regular file: to open a pipe is to wait. Raises OSError.
    """
    if not os.path.isfile(path):
        return {}
    with path.open("rb") as file:
        text = _COMMENT.sub(" ", file.read(MAX_BYTES).decode("utf-8", "replace"))
    found = _TYPE.search(text)
    on_surfaces = found is not None and found.group(1) == "spatial"
    kinds = {name: _kind(hints, on_surfaces) for name, hints in _SAMPLER.findall(text)}
    return {name: kind for name, kind in kinds.items() if kind is not None}


def _kind(hints: str, on_surfaces: bool) -> Kind | None:
    words = set(re.findall(r"\w+", hints))
    if "hint_normal" in words:
        return "normal"
    if words & {"hint_roughness_r", "hint_roughness_gray"}:
        return "roughness"
    if words & {"hint_roughness_g", "hint_roughness_b", "hint_roughness_a"}:
        # Nobody keeps roughness alone in a later channel.
        return "packed"
    if on_surfaces and words & COLOR:
        return "albedo"
    return None
