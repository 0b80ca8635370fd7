"""What Godot makes of a texture in the GPU's memory, as its own sources decide it."""

from __future__ import annotations

import pytest
from packaging.version import Version

from bridge.api import ImageFacts, TextureIntent
from bridge_godot.adapter import Godot3, Godot4

OPAQUE = ImageFacts(4, alpha=False, grey=False, hdr=False)
CLEAR = ImageFacts(4, alpha=True, grey=False, hdr=False)
GREY = ImageFacts(1, alpha=False, grey=True, hdr=False)


@pytest.mark.parametrize(("adapter", "version"), [(Godot3(), "3.6"), (Godot4(), "4.6")])
@pytest.mark.parametrize(
    ("intent", "facts", "desktop", "mobile"),
    [
        (TextureIntent(compression="lossless"), OPAQUE, "rgba8", "rgba8"),
        (TextureIntent(compression="lossy"), GREY, "r8", "r8"),
        (TextureIntent(compression="none", kind="normal"), OPAQUE, "rgba8", "rgba8"),
        (TextureIntent(compression="block"), OPAQUE, "bc1", "etc2_rgb"),
        (TextureIntent(compression="block", alpha="transparency"), OPAQUE, "bc1", "etc2_rgb"),
        (TextureIntent(compression="block"), CLEAR, "bc3", "etc2_rgba"),
        (TextureIntent(compression="block"), GREY, "bc1", "etc2_rgb"),
        (TextureIntent(compression="block", kind="normal"), OPAQUE, "bc5", "eac_rg"),
        (TextureIntent(compression="block_high", kind="normal"), OPAQUE, "bc7", "astc_4x4"),
        (TextureIntent(compression="universal"), CLEAR, "bc7", "astc_4x4"),
        (TextureIntent(compression="block"), ImageFacts(3, False, False, hdr=True), None, None),
        (TextureIntent(), OPAQUE, None, None),
    ],
)
def test_an_opaque_alpha_costs_nothing_in_blocks_and_all_in_raw_texels(
    adapter: Godot3 | Godot4,
    version: str,
    intent: TextureIntent,
    facts: ImageFacts,
    desktop: str | None,
    mobile: str | None,
) -> None:
    assert adapter.gpu_format(intent, facts, "desktop", Version(version)) == desktop
    assert adapter.gpu_format(intent, facts, "mobile", Version(version)) == mobile
