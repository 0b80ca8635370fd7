"""What Unity makes of a texture in the GPU's memory, and when that can't be told."""

from __future__ import annotations

import pytest
from packaging.version import Version

from bridge.api import GpuFormat, ImageFacts, TextureIntent
from bridge_unity.adapter import Unity2022


def facts(channels: int = 3, width: int = 512, height: int = 256, hdr: bool = False) -> ImageFacts:
    return ImageFacts(channels, alpha=False, grey=False, hdr=hdr, width=width, height=height)


@pytest.mark.parametrize(
    ("intent", "found", "desktop", "mobile"),
    [
        (TextureIntent(compression="block"), facts(), "bc1", "astc_6x6"),
        (TextureIntent(compression="block"), facts(4), "bc3", "astc_6x6"),
        (TextureIntent(compression="block", kind="normal"), facts(), "bc3", "astc_6x6"),
        (TextureIntent(compression="block_high"), facts(), "bc7", "astc_4x4"),
        (TextureIntent(compression="none"), facts(), "rgb8", "rgb8"),
        (TextureIntent(compression="none"), facts(2), "rgba8", "rgba8"),
        (TextureIntent(compression="lossless"), facts(1), "rgb8", "rgb8"),
        (TextureIntent(compression="block", kind="sprite"), facts(4, 30, 60), "rgba8", "astc_6x6"),
        (TextureIntent(compression="block", kind="sprite"), facts(4, 28, 60), "bc3", "astc_6x6"),
        (TextureIntent(compression="block"), facts(4, 28, 60), None, None),
        (TextureIntent(compression="block"), facts(hdr=True), None, None),
        (TextureIntent(), facts(), None, None),
    ],
)
def test_each_platform_has_its_own_format(
    intent: TextureIntent, found: ImageFacts, desktop: GpuFormat | None, mobile: GpuFormat | None
) -> None:
    adapter, version = Unity2022(), Version("6000.0")
    assert adapter.gpu_format(intent, found, "desktop", version) == desktop
    assert adapter.gpu_format(intent, found, "mobile", version) == mobile
