"""How Godot lays a texture into the GPU's memory."""

from __future__ import annotations

from bridge.api import GpuFormat, ImageFacts, Platform, TextureIntent

_RAW: dict[int, GpuFormat] = {1: "r8", 2: "rg8", 3: "rgb8", 4: "rgba8"}
_BLOCKS: dict[Platform, dict[str, GpuFormat]] = {
    "desktop": {"rg": "bc5", "rgb": "bc1", "rgba": "bc3", "high": "bc7"},
    "mobile": {"rg": "eac_rg", "rgb": "etc2_rgb", "rgba": "etc2_rgba", "high": "astc_4x4"},
}


def gpu_format(intent: TextureIntent, facts: ImageFacts, platform: Platform) -> GpuFormat | None:
    """The format of a texture with these settings; None for floating-point values, which vary by version.

    Lossless and lossy are forms of the file alone: both are unpacked to the file's channels. For blocks
    Godot looks which channels differ: an opaque alpha costs nothing, and grey gains nothing.
    """
    if facts.hdr or intent.compression is None:
        return None
    if intent.compression in ("none", "lossless", "lossy"):
        return _RAW.get(facts.channels)
    blocks = _BLOCKS[platform]
    if intent.compression != "block":
        return blocks["high"]
    return blocks["rg" if intent.kind == "normal" else "rgba" if facts.alpha else "rgb"]
