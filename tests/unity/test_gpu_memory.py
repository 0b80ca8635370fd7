"""What Unity makes of a texture in the GPU's memory, and when that can't be told."""

from __future__ import annotations

from typing import Any

import pytest
from packaging.version import Version

from bridge.api import GpuFormat, ImageFacts, TextureIntent
from bridge_unity.assets import options
from bridge_unity.metafile import MetaFile
from bridge_unity.plugin import Unity2022
from tests.unity.projects import meta


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


TEXELS = 512 * 256
DEFAULT = "DefaultTexturePlatform"
RED = {"textureType": "SingleChannel", "singleChannelComponent": "Red"}
SINGLE = {"textureType": "SingleChannel", "singleChannelComponent": "Alpha"}
RAW = {f"{DEFAULT}.textureCompression": "Uncompressed"}
HIGH = {f"{DEFAULT}.textureCompression": "CompressedHQ"}


def measured(changed: dict[str, Any], found: ImageFacts) -> list[int | None]:
    """Bytes on the desktop and on mobiles, without mipmaps."""
    present = {**options(MetaFile(meta())), "mipmapEnabled": False, **changed}
    version = Version("6000.0")
    return [Unity2022().gpu_memory(present, found, on, version) for on in ("desktop", "mobile")]


def override(platform: str, **settings: Any) -> dict[str, Any]:
    present = {"overridden": True, "textureCompression": "Compressed", "format": "Automatic", **settings}
    return {f"{platform}.{name}": value for name, value in present.items()}


ASTC_6X6 = 86 * 43 * 16
"""512 x 256 texels in blocks of 6 x 6."""


@pytest.mark.parametrize(
    ("changed", "found", "desktop", "mobile"),
    [
        ({}, facts(), TEXELS // 2, ASTC_6X6),
        ({**SINGLE, **RAW}, facts(), TEXELS, TEXELS),
        ({**RED, **RAW}, facts(4), TEXELS, TEXELS),
        # Of the alpha channel alone Unity makes no blocks.
        (SINGLE, facts(), TEXELS, TEXELS),
        (RED, facts(), TEXELS // 2, None),
        ({**RED, **HIGH}, facts(), None, None),
        (RED, facts(hdr=True), None, None),
        ({"alphaSource": "None"}, facts(4), TEXELS // 2, ASTC_6X6),
        ({"alphaSource": "FromGrayScale"}, facts(), TEXELS, ASTC_6X6),
        (override("Standalone", textureCompression="Uncompressed"), facts(), TEXELS * 4, ASTC_6X6),
        (override("Standalone", format="BC7"), facts(), TEXELS, ASTC_6X6),
        (override("Standalone", format="RGBAHalf"), facts(hdr=True), TEXELS * 8, None),
        (override("Standalone", format="DXT5Crunched", maxTextureSize=256), facts(), TEXELS // 4, ASTC_6X6),
        # The iPhone has its default still, which takes less.
        (override("Android", format="RGB16"), facts(), TEXELS // 2, TEXELS * 2),
        (override("Android", format="ETC2_RGB4"), facts(), TEXELS // 2, TEXELS // 2),
        ({**override("Android", format="ASTC_12x12"), **override("iOS", format="ASTC_12x12")}, facts(),
         TEXELS // 2, 43 * 22 * 16),
        (override("Android", format="PVRTC_RGB4"), facts(), TEXELS // 2, None),
        ({"npotScale": "None"}, facts(4, 28, 60), 28 * 60, 5 * 10 * 16),
        ({"npotScale": "None"}, facts(4, 30, 60), 30 * 60 * 4, 5 * 10 * 16),
        ({"npotScale": "None", **override("Standalone", format="DXT5")}, facts(4, 30, 60), 7200, 800),
        ({"npotScale": "None", **override("Android", format="ASTC_4x4")}, facts(4, 30, 60), 7200, 1920),
        ({}, facts(4, 28, 60), None, None),
    ],
)  # fmt: skip
def test_memory_is_that_of_what_holds_on_each_platform(
    changed: dict[str, Any], found: ImageFacts, desktop: int | None, mobile: int | None
) -> None:
    assert measured(changed, found) == [desktop, mobile]


@pytest.mark.parametrize(
    ("platform", "desktop", "mobile"),
    [("Android", None, ASTC_6X6), ("tvOS", None, ASTC_6X6), ("VisionOS", None, ASTC_6X6),
     ("Standalone", TEXELS // 2, None), ("WebGL", TEXELS // 2, None), ("PS5", TEXELS // 2, None)],
)  # fmt: skip
def test_of_one_platforms_settings_alone_only_its_memory_is_known(
    platform: str, desktop: int | None, mobile: int | None
) -> None:
    present = {**options(MetaFile(meta())), "mipmapEnabled": False, **override(platform)}
    alone = {name: value for name, value in present.items() if not name.startswith(DEFAULT)}
    sizes = [Unity2022().gpu_memory(alone, facts(), on, Version("6000.0")) for on in ("desktop", "mobile")]
    assert sizes == [desktop, mobile]
