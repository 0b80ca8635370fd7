"""Texture intent and the `.import` options of Godot 3.5 and 3.6, each made from the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.api import TextureIntent
from bridge_godot.options import changes, flag, nearest, read_shared, same, size, wanted_shared, word_for

FIELDS = frozenset(
    {"kind", "color_space", "normal_convention", "compression", "mipmaps", "alpha", "max_size", "wrap"}
)

COMPRESSIONS = {"lossless": 0, "lossy": 1, "block": 2, "none": 3}
FALLBACKS = {"block_high": "block", "universal": "block"}
"""Godot 3 decides on BPTC for a whole project, and has no Basis Universal."""
COLOR_SPACES = {"linear": 0, "srgb": 1}
"""`flags/srgb`; 2 waits until the texture is seen in 3D, and says nothing before."""
WRAPS = {"clamp": 0, "repeat": 1, "mirror": 2}

DETECTED_3D = {"compress/mode": 2, "flags/repeat": 1, "flags/mipmaps": True}
"""What Godot sets, while `detect_3d` is on, as soon as it sees the texture in 3D."""


def compile_intent(intent: TextureIntent, present: Mapping[str, Any]) -> dict[str, Any]:
    """The options that have to change so that `present` becomes `intent`."""
    wanted = wanted_shared(intent, present) | _wanted(expressible(intent))
    todo = changes(wanted, present)
    undone = any(name in wanted and not same(wanted[name], value) for name, value in DETECTED_3D.items())
    if undone and todo.keys() & DETECTED_3D.keys() and flag(present.get("detect_3d")):
        todo["detect_3d"] = False
    return todo


def read_intent(options: Mapping[str, Any]) -> TextureIntent:
    """What `options` say."""
    own = {
        "color_space": word_for(COLOR_SPACES, options.get("flags/srgb")),
        "compression": word_for(COMPRESSIONS, options.get("compress/mode")),
        "mipmaps": flag(options.get("flags/mipmaps")),
        "max_size": size(options.get("size_limit")),
        "wrap": word_for(WRAPS, options.get("flags/repeat")),
    }
    return TextureIntent(**own).over(read_shared(options))  # type: ignore[arg-type]


def expressible(intent: TextureIntent) -> TextureIntent:
    """The part of `intent` that these options can hold."""
    return nearest(intent, FIELDS, FALLBACKS)


def _wanted(intent: TextureIntent) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    if intent.color_space is not None:
        wanted["flags/srgb"] = COLOR_SPACES[intent.color_space]
    if intent.compression is not None:
        wanted["compress/mode"] = COMPRESSIONS[intent.compression]
    if intent.mipmaps is not None:
        wanted["flags/mipmaps"] = intent.mipmaps
    if intent.max_size is not None:
        wanted["size_limit"] = intent.max_size
    if intent.wrap is not None:
        wanted["flags/repeat"] = WRAPS[intent.wrap]
    return wanted
