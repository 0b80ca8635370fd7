"""What a texture's settings say of single platforms: the default holds where one isn't overridden."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bridge_unity.formats import RAW
from bridge_unity.importers import COLOR_SPACE, DEFAULT

COMPRESSIONS = {
    "Uncompressed": "none", "Compressed": "block", "CompressedHQ": "block_high", "CompressedLQ": "block",
}  # fmt: skip
SIZES = frozenset(2**power for power in range(5, 15))
"""What `maxTextureSize` may be, pixels: 32 to 16384."""
FINE_FORMATS = ("BC6H", "BC7", "ASTC_4x4", "ASTC_HDR_4x4")
"""Blocks of 8 bits for each texel that hold several channels apart."""
SERVER = "Server"
"""A platform that draws nothing."""
CALLED: Mapping[str, str] = {"iPhone": "iOS"}
"""What people call platforms whose names in files are older."""


def platforms(options: Mapping[str, Any]) -> Iterator[str]:
    """The default, and each platform that has settings of its own; of `platform_options` the one alone."""
    named = dict.fromkeys(_platform(name) for name in options)
    own = [one for one in named if one not in (DEFAULT, SERVER) and is_overridden(options, one)]
    return iter(own if own and DEFAULT not in named else [DEFAULT, *own])


def is_overridden(options: Mapping[str, Any], platform: str) -> bool:
    """Whether a platform has settings of its own."""
    return options.get(f"{platform}.overridden") is True


def platform_options(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The settings that hold on single platforms, where these undo the default's compression; by what people
    call the platform. Its own, and those that none can have for itself."""
    if compression(options, DEFAULT) in (None, "none"):
        return {}
    raw: dict[str, list[str]] = {}
    for one in platforms(options):
        if compression(options, one) == "none":
            raw.setdefault(CALLED.get(one, one), []).append(one)
    return {called: _alone(options, own) for called, own in raw.items()}


def compression(options: Mapping[str, Any], platform: str) -> str | None:
    """As an intent has it; None where it isn't known."""
    form = options.get(f"{platform}.format")
    if form in (None, "Automatic"):
        return COMPRESSIONS.get(str(options.get(f"{platform}.textureCompression")))
    if not isinstance(form, str):
        return None
    return "none" if form in RAW else "block_high" if form in FINE_FORMATS else "block"


def max_size(options: Mapping[str, Any], platform: str) -> int | None:
    """The longest side, pixels; None where it isn't known."""
    size = options.get(f"{platform}.maxTextureSize")
    return size if type(size) is int and size in SIZES else None


def _alone(options: Mapping[str, Any], own: Sequence[str]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if _platform(name) in ("", *own)}


def _platform(name: str) -> str:
    """The platform that a setting is of; empty for one that holds on all."""
    return "" if name == COLOR_SPACE else name.rpartition(".")[0]
