"""How Unity lays a texture into the GPU's memory, where no platform has a format of its own."""

from __future__ import annotations

from bridge.api import GpuFormat, ImageFacts, Platform, TextureIntent
from bridge_unity.textures import FALLBACKS

FLAT = ("sprite", "ui")
_RAW: dict[int, GpuFormat] = {1: "rgb8", 2: "rgba8", 3: "rgb8", 4: "rgba8"}
"""By channels of the file; grey has three. Of the type SingleChannel, which has one, that is too much."""


def gpu_format(intent: TextureIntent, facts: ImageFacts, platform: Platform) -> GpuFormat | None:
    """The automatic format; None where Unity changes the size, and for floating-point values.

    Source: the manual's table of default formats by platform; on mobiles ASTC, as the player's settings have
    it unless somebody chooses ETC2. An alpha channel counts where the file has one.
    """
    if facts.hdr or intent.compression is None or not _keeps_size(intent, facts):
        return None
    compression = FALLBACKS.get(intent.compression, intent.compression)
    if compression == "none":
        return _RAW.get(facts.channels)
    if platform == "mobile":
        return "astc_4x4" if compression == "block_high" else "astc_6x6"
    # "Only textures with width/height being multiple of 4 can be compressed to DXT5 format", says the editor.
    if facts.width % 4 or facts.height % 4:
        return _RAW.get(facts.channels)
    if compression == "block_high":
        return "bc7"
    return "bc3" if intent.kind == "normal" or facts.channels in (2, 4) else "bc1"


def _keeps_size(intent: TextureIntent, facts: ImageFacts) -> bool:
    """Whether Unity leaves the texture's size alone: sprites, and what has powers of two already."""
    powers = all(size & (size - 1) == 0 for size in (facts.width, facts.height))
    return intent.kind in FLAT or powers
