"""Texture intent and the `.import` options of Godot 4.2 and later, each made from the other.

Colour space and wrap are no import settings in Godot 4: shaders and materials choose them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.api import TextureIntent
from bridge_godot.options import changes, flag, nearest, read_shared, same, size, wanted_shared, word_for

FIELDS = frozenset({"kind", "normal_convention", "compression", "mipmaps", "alpha", "max_size"})

VRAM = 2
COMPRESSIONS = {"lossless": 0, "lossy": 1, "block": VRAM, "none": 3, "universal": 4}

DETECTED_3D = {1: VRAM, 2: 4}
"""`detect_3d/compress_to` and the `compress/mode` that it sets, with mipmaps, once the texture is in 3D."""


def compile_intent(intent: TextureIntent, present: Mapping[str, Any]) -> dict[str, Any]:
    """The options that have to change so that `present` becomes `intent`."""
    wanted = wanted_shared(intent, present) | _wanted(expressible(intent), present)
    todo = changes(wanted, present)
    if todo.keys() & {"compress/mode", "mipmaps/generate"} and _undone(wanted, present):
        todo["detect_3d/compress_to"] = 0
    return todo


def read_intent(options: Mapping[str, Any]) -> TextureIntent:
    """What `options` say."""
    compression: str | None = word_for(COMPRESSIONS, options.get("compress/mode"))
    if compression == "block" and flag(options.get("compress/high_quality")):
        compression = "block_high"
    own = {
        "compression": compression,
        "mipmaps": flag(options.get("mipmaps/generate")),
        "max_size": size(options.get("process/size_limit")),
    }
    return TextureIntent(**own).over(read_shared(options))  # type: ignore[arg-type]


def expressible(intent: TextureIntent) -> TextureIntent:
    """The part of `intent` that these options can hold."""
    return nearest(intent, FIELDS, {})


def _wanted(intent: TextureIntent, present: Mapping[str, Any]) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    if intent.compression == "block_high":
        wanted |= {"compress/mode": VRAM, "compress/high_quality": True}
    elif intent.compression is not None:
        wanted["compress/mode"] = COMPRESSIONS[intent.compression]
    if intent.compression == "block" and flag(present.get("compress/high_quality")):
        wanted["compress/high_quality"] = False
    if intent.mipmaps is not None:
        wanted["mipmaps/generate"] = intent.mipmaps
    if intent.max_size is not None:
        wanted["process/size_limit"] = intent.max_size
    return wanted


def _undone(wanted: Mapping[str, Any], present: Mapping[str, Any]) -> bool:
    """Whether Godot would set other values than `wanted` when it sees the texture in 3D."""
    detection = present.get("detect_3d/compress_to")
    mode = next((mode for to, mode in DETECTED_3D.items() if same(to, detection)), None)
    if mode is None:
        return False
    return not same(wanted.get("compress/mode", mode), mode) or wanted.get("mipmaps/generate") is False
