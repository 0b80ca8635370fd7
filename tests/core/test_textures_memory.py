"""Texture memory against figures worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.textures import (
    BLOCKS,
    PLATFORMS,
    Compression,
    GpuFormat,
    ImageFacts,
    Platform,
    TextureIntent,
    limited,
    mip_sizes,
    texture_bytes,
    usual_format,
)


@pytest.mark.parametrize(
    ("form", "width", "height", "mipmaps", "bytes_"),
    [
        ("rgba8", 2048, 2048, False, 16_777_216),
        ("rgba8", 2048, 2048, True, 22_369_620),  # 4 x (4^12 - 1) / 3
        ("rgb8", 2048, 2048, False, 16_777_216),
        ("r8", 3, 5, True, 15 + 2 + 1),  # 3x5, 1x2, 1x1
        ("rg8", 4, 4, False, 32),
        ("bc1", 2048, 2048, False, 2_097_152),
        ("bc1", 2048, 2048, True, 2_796_216),  # 8 x (4^10 - 1) / 3 blocks down to 4x4, then 2x2 and 1x1
        ("bc1", 4, 4, True, 24),  # each of three levels takes a block
        ("bc5", 1, 1, True, 16),
        ("bc3", 5, 5, False, 64),
        ("bc7", 1024, 512, False, 524_288),
        ("bc4", 16, 16, True, (16 + 4 + 1 + 1 + 1) * 8),
        ("etc2_rgb", 256, 256, False, 32_768),
        ("etc2_rgba", 256, 256, False, 65_536),
        ("eac_r", 8, 8, False, 32),
        ("astc_4x4", 256, 256, False, 65_536),
        ("astc_6x6", 256, 256, False, 43 * 43 * 16),
        ("astc_6x6", 12, 6, True, (2 + 1 + 1 + 1) * 16),  # 12x6, 6x3, 3x1, 1x1
    ],
)
def test_a_texture_takes_what_its_blocks_and_mipmaps_take(
    form: GpuFormat, width: int, height: int, mipmaps: bool, bytes_: int
) -> None:
    assert texture_bytes(form, width, height, mipmaps) == bytes_


def test_mipmaps_go_down_to_one_texel_on_both_sides() -> None:
    assert list(mip_sizes(8, 2)) == [(8, 2), (4, 1), (2, 1), (1, 1)]


@pytest.mark.parametrize(
    ("size", "longest", "expected"),
    [
        ((4096, 2048), 1024, (1024, 512)),
        ((2048, 4096), 1024, (512, 1024)),
        ((300, 200), 0, (300, 200)),
        ((300, 200), 300, (300, 200)),
        ((5000, 1), 100, (100, 1)),
    ],
)
def test_a_limit_keeps_the_aspect(size: tuple[int, int], longest: int, expected: tuple[int, int]) -> None:
    assert limited(*size, longest) == expected


RGBA = ImageFacts(4, alpha=True, grey=False, hdr=False)
RGB = ImageFacts(3, alpha=False, grey=False, hdr=False)


@pytest.mark.parametrize(
    ("intent", "facts", "desktop", "mobile"),
    [
        (TextureIntent(compression="lossless"), RGBA, "rgba8", "rgba8"),
        (TextureIntent(compression="lossless", alpha="none"), RGBA, "rgb8", "rgb8"),
        (TextureIntent(compression="none"), ImageFacts(1, False, True, False), "r8", "r8"),
        (TextureIntent(compression="lossy"), ImageFacts(2, True, True, False), "rg8", "rg8"),
        (TextureIntent(compression="block"), RGB, "bc1", "etc2_rgb"),
        (TextureIntent(compression="block"), RGBA, "bc3", "etc2_rgba"),
        (TextureIntent(compression="block", alpha="none"), RGBA, "bc1", "etc2_rgb"),
        (TextureIntent(compression="block", kind="normal"), RGB, "bc5", "eac_rg"),
        (TextureIntent(compression="block_high"), RGB, "bc7", "astc_4x4"),
        (TextureIntent(compression="universal"), RGBA, "bc7", "astc_4x4"),
        (TextureIntent(compression="block"), ImageFacts(3, False, False, True), None, None),
        (TextureIntent(), RGB, None, None),
    ],
)
def test_the_usual_engine_picks_these_formats(
    intent: TextureIntent, facts: ImageFacts, desktop: str | None, mobile: str | None
) -> None:
    assert [usual_format(intent, facts, platform) for platform in PLATFORMS] == [desktop, mobile]


@given(
    st.sampled_from(list(BLOCKS)), st.integers(1, 20_000), st.integers(1, 20_000), st.sampled_from(PLATFORMS)
)
def test_mipmaps_cost_a_third_more_and_never_less(
    form: GpuFormat, width: int, height: int, platform: Platform
) -> None:
    plain, mipped = (texture_bytes(form, width, height, mipmaps) for mipmaps in (False, True))
    assert plain < mipped or width == height == 1
    assert mipped <= plain * 2 + 16 * 16


def test_every_compression_has_a_format() -> None:
    for compression in Compression.__args__:  # type: ignore[attr-defined]
        for platform in PLATFORMS:
            assert usual_format(TextureIntent(compression=compression), RGB, platform)
