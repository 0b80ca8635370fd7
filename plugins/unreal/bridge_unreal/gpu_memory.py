"""The GPU format that Unreal gives a texture, and the GPU memory that it uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.api import GpuFormat, ImageFacts, Platform, TextureIntent, limited, texture_bytes
from bridge_unreal.texture_intent import COMPRESSION, MIPS, read_intent

RAW: Mapping[str, GpuFormat] = {
    "TC_EDITOR_ICON": "rgba8", "TC_VECTOR_DISPLACEMENTMAP": "rgba8", "TC_DISTANCE_FIELD_FONT": "r8",
}  # fmt: skip
"""Formats without compression, whatever the file holds; those of 16 and 32 bits are left out."""


def gpu_format(intent: TextureIntent, facts: ImageFacts, platform: Platform) -> GpuFormat | None:
    """Returns the format; None for floating-point values.

    Alpha counts if any pixel is transparent: with `TC_DEFAULT` the editor looks at the pixels. Mobile is ASTC
    with the sizes of blocks that projects have by default.
    """
    if facts.hdr or intent.compression is None:
        return None
    if intent.compression not in ("block", "block_high"):
        return "rgba8"
    if platform == "mobile":
        return "astc_4x4" if intent.kind == "normal" or intent.compression == "block_high" else "astc_6x6"
    if facts.width % 4 or facts.height % 4:
        return "rgba8"
    if intent.compression == "block_high":
        return "bc7"
    if intent.kind == "normal":
        return "bc5"
    return "bc3" if facts.alpha and intent.alpha != "none" else "bc1"


def gpu_memory(options: Mapping[str, Any], facts: ImageFacts, platform: Platform) -> int | None:
    """Returns the bytes of a texture that is loaded entirely; None if unknown, as of a virtual one.

    The header of an asset doesn't tell whether there are mipmaps.
    """
    if MIPS not in options or options.get("virtual_texture_streaming") is True or not _keeps_size(options):
        return None
    intent = read_intent(options)
    compression = str(options.get(COMPRESSION))
    form = RAW.get(compression)
    if form is None and intent.compression != "none":
        form = gpu_format(intent, facts, platform)
        if compression == "TC_ALPHA" and platform == "desktop" and form == "bc1":
            form = "bc4"
    elif form is None and compression == "TC_GRAYSCALE" and facts.channels == 1:
        form = "r8"
    if form is None or facts.hdr:
        return None
    width, height = limited(facts.width, facts.height, intent.max_size or 0)
    powers_of_two = all(size & (size - 1) == 0 for size in (facts.width, facts.height))
    # Unreal makes no mipmaps of other sizes.
    return texture_bytes(form, width, height, intent.mipmaps is True and powers_of_two)


def _keeps_size(options: Mapping[str, Any]) -> bool:
    return options.get("power_of_two_mode") in (None, "NONE")
