"""How Godot's import options and texture intent meet, in what both engines have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from bridge.api import TextureIntent

Word = TypeVar("Word", bound=str)

NORMAL_DETECT, NORMAL_ENABLED, NORMAL_DISABLED = 0, 1, 2
"""`compress/normal_map`."""


def same(one: object, other: object) -> bool:
    """Whether two option values are the same to Godot, which writes 1 and true for one another in enums."""
    return isinstance(one, int | float) and isinstance(other, int | float) and one == other


def changes(wanted: Mapping[str, Any], present: Mapping[str, Any]) -> dict[str, Any]:
    """The options of `wanted` that `present` doesn't have already."""
    return {name: value for name, value in wanted.items() if not same(present.get(name), value)}


def word_for(words: Mapping[Word, int], value: object) -> Word | None:
    """The word that stands for an option's value; None for a value that none stands for."""
    return next((word for word, number in words.items() if same(number, value)), None)


def flag(value: object) -> bool | None:
    """A switch's position; None for what is no switch."""
    return bool(value) if same(value, 0) or same(value, 1) else None


def size(value: object) -> int | None:
    """A size limit in pixels; None for what is none."""
    if isinstance(value, int | float) and 0 <= value < 2**31 and value == int(value):
        return int(value)
    return None


def read_shared(options: Mapping[str, Any]) -> TextureIntent:
    """What the options that Godot 3 and Godot 4 name alike say."""
    inverted = flag(options.get("process/normal_map_invert_y"))
    return TextureIntent(
        kind="normal" if same(options.get("compress/normal_map"), NORMAL_ENABLED) else None,
        # Godot reads green as up: what has to be turned over was made for DirectX.
        normal_convention=None if inverted is None else "directx" if inverted else "opengl",
        alpha=_read_alpha(options),
    )


def wanted_shared(intent: TextureIntent, present: Mapping[str, Any]) -> dict[str, Any]:
    """The options, of those that Godot 3 and Godot 4 name alike, with which `intent` holds."""
    wanted: dict[str, Any] = {}
    if intent.kind == "normal":
        wanted["compress/normal_map"] = NORMAL_ENABLED
    elif intent.kind is not None and same(present.get("compress/normal_map"), NORMAL_ENABLED):
        # Only red and green are kept of a normal map: colour would lose its blue.
        wanted["compress/normal_map"] = NORMAL_DISABLED
    if intent.normal_convention is not None:
        wanted["process/normal_map_invert_y"] = intent.normal_convention == "directx"
    if intent.alpha is not None:
        wanted["process/premult_alpha"] = intent.alpha == "premultiplied"
    if intent.alpha in ("none", "transparency"):
        # It paints over colours under transparent texels: right for transparency, wrong for data.
        wanted["process/fix_alpha_border"] = intent.alpha == "transparency"
    return wanted


def nearest(intent: TextureIntent, fields: frozenset[str], compressions: Mapping[str, str]) -> TextureIntent:
    """The part of `intent` within `fields`; a compression that isn't there becomes the nearest that is."""
    points = intent.only(fields).fields()
    if intent.kind != "normal":
        points.pop("kind", None)
    if intent.compression is not None and intent.compression in compressions:
        points["compression"] = compressions[intent.compression]
    if intent.max_size is not None and intent.max_size < 0:
        del points["max_size"]
    return TextureIntent(**points)  # type: ignore[arg-type]


def _read_alpha(options: Mapping[str, Any]) -> Any:
    premultiplied = flag(options.get("process/premult_alpha"))
    fixed = flag(options.get("process/fix_alpha_border"))
    if premultiplied:
        return "premultiplied"
    if premultiplied is None or fixed is None:
        return None
    return "transparency" if fixed else "none"
