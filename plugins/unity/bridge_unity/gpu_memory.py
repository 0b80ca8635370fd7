"""The GPU format that Unity gives a texture, and the GPU memory that it uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

from msgspec.structs import replace

from bridge.api import Block, GpuFormat, ImageFacts, Platform, TextureIntent, limited, texture_bytes
from bridge_unity.importer_settings import (
    BLOCK_4X4,
    BLOCKS,
    DEFAULT,
    compression,
    is_overridden,
    max_size,
    platforms,
)  # fmt: skip
from bridge_unity.texture_intent import FALLBACKS, kind_of

FLAT_KINDS = ("sprite", "ui")
TARGETS: Mapping[Platform, tuple[tuple[str, ...], ...]] = {
    "desktop": (("Standalone",),),
    "mobile": (("Android",), ("iPhone", "iOS")),
}
"""The Unity platforms of each, by all of their names: iOS is iPhone before Unity 6."""
MOBILE = frozenset(chain.from_iterable(TARGETS["mobile"])) | {"tvOS", "VisionOS"}
"""Platforms with mobile GPU formats; all others, such as WebGL, have desktop formats."""
_UNCOMPRESSED: dict[int, GpuFormat] = {1: "rgb8", 2: "rgba8", 3: "rgb8", 4: "rgba8"}
"""By channels of the file; grey is expanded to three."""


def gpu_format(intent: TextureIntent, facts: ImageFacts, platform: Platform) -> GpuFormat | None:
    """Returns the automatic format; None if Unity resizes the texture, and for floating-point values.

    An intent can't express the type SingleChannel, whose format is smaller; `gpu_memory` considers it.
    """
    return (
        _automatic(intent.compression, intent.kind, facts, platform)
        if _keeps_size(intent.kind, facts)
        else None
    )


def gpu_memory(options: Mapping[str, Any], facts: ImageFacts, platform: Platform) -> int | None:
    """Returns the bytes on the Unity platform that uses the most; None if any of them is unknown."""
    if not _keeps_size(kind_of(options), facts) and options.get("npotScale") != "None":
        return None
    sizes = [_bytes(options, target, facts, platform) for target in _targets(options, platform)]
    known = [size for size in sizes if size is not None]
    return max(known) if known and len(known) == len(sizes) else None


def _targets(options: Mapping[str, Any], platform: Platform) -> Iterable[str]:
    """Returns the names of the platforms whose settings apply.

    For one of the results of `platform_options`, only its platform, if that belongs to `platform`.
    """
    if not any(name.startswith(f"{DEFAULT}.") for name in options):
        return [name for name in platforms(options) if (name in MOBILE) == (platform == "mobile")]
    own = (
        next((name for name in names if is_overridden(options, name)), DEFAULT) for names in TARGETS[platform]
    )
    return dict.fromkeys(own)


def _bytes(options: Mapping[str, Any], target: str, facts: ImageFacts, platform: Platform) -> int | None:
    width, height = limited(facts.width, facts.height, max_size(options, target) or 0)
    facts = replace(facts, width=width, height=height, channels=_channels(options, facts))
    block = _block(options, target, facts, platform)
    mipmaps = options.get("mipmapEnabled") is True
    return None if block is None else texture_bytes(block, width, height, mipmaps)


def _channels(options: Mapping[str, Any], facts: ImageFacts) -> int:
    """Returns the number of channels after import."""
    source, alpha = options.get("alphaSource"), facts.channels in (2, 4)
    if source == "None" and alpha:
        return facts.channels - 1
    return facts.channels + 1 if source == "FromGrayScale" and not alpha else facts.channels


def _block(
    options: Mapping[str, Any], target: str, facts: ImageFacts, platform: Platform
) -> GpuFormat | Block | None:
    form, compressed = options.get(f"{target}.format"), compression(options, target)
    if form not in (None, "Automatic"):
        too_odd = form in BLOCK_4X4 and _has_partial_blocks(facts)
        return _UNCOMPRESSED.get(facts.channels) if too_odd else BLOCKS.get(str(form))
    if options.get("textureType") == "SingleChannel":
        return _single_channel(options, compressed, facts, platform)
    return _automatic(compressed, kind_of(options), facts, platform)


def _single_channel(
    options: Mapping[str, Any], compressed: str | None, facts: ImageFacts, platform: Platform
) -> GpuFormat | None:
    """Returns the format of the type SingleChannel; None if it is unknown."""
    if facts.hdr or compressed is None:
        return None
    # "Use the alpha channel (compression not supported)", says the inspector: it is Alpha8.
    if compressed == "none" or options.get("singleChannelComponent") != "Red":
        return "r8"
    if platform == "mobile" or compressed != "block":
        return None
    return "r8" if _has_partial_blocks(facts) else "bc4"


def _automatic(
    compressed: str | None, kind: str | None, facts: ImageFacts, platform: Platform
) -> GpuFormat | None:
    """Returns the format by the manual's table of default formats.

    On mobiles that is ASTC, the default of the player settings. An alpha channel counts if the file has one.
    """
    if facts.hdr or compressed is None:
        return None
    quality = FALLBACKS.get(compressed, compressed)
    if quality == "none":
        return _UNCOMPRESSED.get(facts.channels)
    if platform == "mobile":
        return "astc_4x4" if quality == "block_high" else "astc_6x6"
    if _has_partial_blocks(facts):
        return _UNCOMPRESSED.get(facts.channels)
    if quality == "block_high":
        return "bc7"
    return "bc3" if kind == "normal" or facts.channels in (2, 4) else "bc1"


def _has_partial_blocks(facts: ImageFacts) -> bool:
    # "Only textures with width/height being multiple of 4 can be compressed to DXT5 format", says the editor.
    return bool(facts.width % 4 or facts.height % 4)


def _keeps_size(kind: str | None, facts: ImageFacts) -> bool:
    """Whether Unity keeps the texture's size: sprites, and sizes that are powers of two."""
    powers_of_two = all(size & (size - 1) == 0 for size in (facts.width, facts.height))
    return kind in FLAT_KINDS or powers_of_two
