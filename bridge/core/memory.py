"""What a texture takes of a GPU's memory: by the blocks of its format, mipmap by mipmap."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from bridge.core.textures import TextureIntent

Platform = Literal["desktop", "mobile"]
"""What a game is built for: it decides which block formats there are."""
PLATFORMS: tuple[Platform, ...] = ("desktop", "mobile")

GpuFormat = Literal[
    "r8", "rg8", "rgb8", "rgba8", "bc1", "bc3", "bc4", "bc5", "bc7", "etc2_rgb", "etc2_rgba", "eac_r",
    "eac_rg", "astc_4x4", "astc_6x6",
]  # fmt: skip
"""How texels lie in a GPU's memory."""

Block = tuple[int, int, int]
"""Width and height of a block in texels, and its bytes; without compression a block is a texel."""
BLOCKS: dict[GpuFormat, Block] = {
    # GPUs have no texels of three bytes: drivers pad them.
    "r8": (1, 1, 1), "rg8": (1, 1, 2), "rgb8": (1, 1, 4), "rgba8": (1, 1, 4),
    "bc1": (4, 4, 8), "bc3": (4, 4, 16), "bc4": (4, 4, 8), "bc5": (4, 4, 16), "bc7": (4, 4, 16),
    "etc2_rgb": (4, 4, 8), "etc2_rgba": (4, 4, 16), "eac_r": (4, 4, 8), "eac_rg": (4, 4, 16),
    "astc_4x4": (4, 4, 16), "astc_6x6": (6, 6, 16),
}  # fmt: skip
"""Each format's (Khronos Data Format Specification 1.3)."""


class ImageFacts(Struct, frozen=True):
    """What of a file's contents decides the format that an engine keeps it in."""

    channels: int
    """Their number in the file, alpha included."""
    alpha: bool
    """Whether there is an alpha channel that isn't opaque everywhere."""
    grey: bool
    """Whether red, green and blue are the same in every pixel."""
    hdr: bool
    """Whether the values are floating-point numbers."""
    width: int = 0
    """Pixels; 0 where that isn't known."""
    height: int = 0
    """The same."""


def texture_bytes(form: GpuFormat | Block, width: int, height: int, mipmaps: bool) -> int:
    """The bytes of a texture of so many texels; each mipmap has at least one block."""
    across, down, size = BLOCKS[form] if isinstance(form, str) else form
    levels = mip_sizes(width, height) if mipmaps else [(width, height)]
    return sum(-(-w // across) * -(-h // down) * size for w, h in levels)


def mip_sizes(width: int, height: int) -> Iterator[tuple[int, int]]:
    """Width and height of each level, from the texture itself down to one texel."""
    while True:
        yield width, height
        if width == height == 1:
            return
        width, height = max(1, width // 2), max(1, height // 2)


def limited(width: int, height: int, longest: int) -> tuple[int, int]:
    """The size that an engine shrinks to, aspect kept; `longest` is in pixels, 0 for no limit."""
    longer = max(width, height)
    if not 0 < longest < longer:
        return width, height
    return max(1, width * longest // longer), max(1, height * longest // longer)


def usual_format(intent: TextureIntent, facts: ImageFacts, platform: Platform) -> GpuFormat | None:
    """What most engines make of a texture with these settings; None where that isn't known.

    An alpha channel counts where the file has one, whatever is in it, unless `intent.alpha` is `none`.
    """
    if facts.hdr or intent.compression is None:
        return None
    alpha = facts.channels in (2, 4) and intent.alpha != "none"
    if intent.compression in ("none", "lossless", "lossy"):
        return raw_format(facts.channels if alpha or facts.channels % 2 else facts.channels - 1)
    if intent.compression != "block":
        return "bc7" if platform == "desktop" else "astc_4x4"
    return block_format("rg" if intent.kind == "normal" else "rgba" if alpha else "rgb", platform)


def raw_format(channels: int) -> GpuFormat | None:
    """The format of so many channels of 8 bit without compression."""
    formats: dict[int, GpuFormat] = {1: "r8", 2: "rg8", 3: "rgb8", 4: "rgba8"}
    return formats.get(channels)


def block_format(channels: Literal["r", "rg", "rgb", "rgba"], platform: Platform) -> GpuFormat:
    """The plain block format for these channels: S3TC and RGTC on the desktop, ETC2 and EAC on mobiles."""
    desktop: dict[str, GpuFormat] = {"r": "bc4", "rg": "bc5", "rgb": "bc1", "rgba": "bc3"}
    mobile: dict[str, GpuFormat] = {"r": "eac_r", "rg": "eac_rg", "rgb": "etc2_rgb", "rgba": "etc2_rgba"}
    return (desktop if platform == "desktop" else mobile)[channels]
