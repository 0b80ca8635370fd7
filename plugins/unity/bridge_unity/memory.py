"""How Unity lays a texture into the GPU's memory, and what that takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

from msgspec.structs import replace

from bridge.api import Block, GpuFormat, ImageFacts, Platform, TextureIntent, limited, texture_bytes
from bridge_unity.formats import BLOCKS, FOURS
from bridge_unity.importers import DEFAULT
from bridge_unity.platforms import compression, is_overridden, max_size, platforms
from bridge_unity.textures import FALLBACKS, kind_of

FLAT = ("sprite", "ui")
TARGETS: Mapping[Platform, tuple[tuple[str, ...], ...]] = {
    "desktop": (("Standalone",),),
    "mobile": (("Android",), ("iPhone", "iOS")),
}
"""Unity's platforms that each stands for, by all of their names: Unity 6 says iOS."""
OF_PHONES = frozenset(chain.from_iterable(TARGETS["mobile"])) | {"tvOS", "VisionOS"}
"""Platforms whose GPUs read the blocks of mobiles; all others (WebGL, for example) read the desktop's."""
_RAW: dict[int, GpuFormat] = {1: "rgb8", 2: "rgba8", 3: "rgb8", 4: "rgba8"}
"""By channels of the file; grey has three."""


def gpu_format(intent: TextureIntent, facts: ImageFacts, platform: Platform) -> GpuFormat | None:
    """The automatic format; None where Unity changes the size, and for floating-point values.

    Of the type SingleChannel, which no intent tells, it is too much: `gpu_memory` knows better.
    """
    return _automatic(intent.compression, intent.kind, facts, platform) if _fits(intent.kind, facts) else None


def gpu_memory(options: Mapping[str, Any], facts: ImageFacts, platform: Platform) -> int | None:
    """Bytes, the most that any platform takes which this one stands for; None where one isn't known."""
    if not _fits(kind_of(options), facts) and options.get("npotScale") != "None":
        return None
    sizes = [_bytes(options, target, facts, platform) for target in _targets(options, platform)]
    known = [size for size in sizes if size is not None]
    return max(known) if known and len(known) == len(sizes) else None


def _targets(options: Mapping[str, Any], platform: Platform) -> Iterable[str]:
    """The platforms whose settings hold there; of `platform_options` the one alone, if it is of its kind."""
    if not any(name.startswith(f"{DEFAULT}.") for name in options):
        return [one for one in platforms(options) if (one in OF_PHONES) == (platform == "mobile")]
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
    """Their number as Unity makes it of the file's."""
    source, alpha = options.get("alphaSource"), facts.channels in (2, 4)
    if source == "None" and alpha:
        return facts.channels - 1
    return facts.channels + 1 if source == "FromGrayScale" and not alpha else facts.channels


def _block(
    options: Mapping[str, Any], target: str, facts: ImageFacts, platform: Platform
) -> GpuFormat | Block | None:
    form, said = options.get(f"{target}.format"), compression(options, target)
    if form not in (None, "Automatic"):
        of_fours = form in FOURS and _torn(facts)
        return _RAW.get(facts.channels) if of_fours else BLOCKS.get(str(form))
    if options.get("textureType") == "SingleChannel":
        return _single(options, said, facts, platform)
    return _automatic(said, kind_of(options), facts, platform)


def _single(
    options: Mapping[str, Any], said: str | None, facts: ImageFacts, platform: Platform
) -> GpuFormat | None:
    """Of the type that has one channel; None where it isn't known which blocks it gets."""
    if facts.hdr or said is None:
        return None
    # "Use the alpha channel (compression not supported)", says the inspector: it is Alpha8.
    if said == "none" or options.get("singleChannelComponent") != "Red":
        return "r8"
    if platform == "mobile" or said != "block":
        return None
    return "r8" if _torn(facts) else "bc4"


def _automatic(said: str | None, kind: str | None, facts: ImageFacts, platform: Platform) -> GpuFormat | None:
    """Source: the manual's table of default formats by platform; on mobiles ASTC, as the player's settings
    have it unless somebody chooses ETC2. An alpha channel counts where the file has one."""
    if facts.hdr or said is None:
        return None
    how = FALLBACKS.get(said, said)
    if how == "none":
        return _RAW.get(facts.channels)
    if platform == "mobile":
        return "astc_4x4" if how == "block_high" else "astc_6x6"
    if _torn(facts):
        return _RAW.get(facts.channels)
    if how == "block_high":
        return "bc7"
    return "bc3" if kind == "normal" or facts.channels in (2, 4) else "bc1"


def _torn(facts: ImageFacts) -> bool:
    # "Only textures with width/height being multiple of 4 can be compressed to DXT5 format", says the editor.
    return bool(facts.width % 4 or facts.height % 4)


def _fits(kind: str | None, facts: ImageFacts) -> bool:
    """Whether Unity leaves the texture's size alone: sprites, and what has powers of two already."""
    powers = all(size & (size - 1) == 0 for size in (facts.width, facts.height))
    return kind in FLAT or powers
