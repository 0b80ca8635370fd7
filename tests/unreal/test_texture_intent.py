"""Texture intent and Unreal's texture properties, there and back, for every range of versions."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from bridge.api import Adapter, ImageFacts, TextureIntent, UserError
from bridge.core.versions import choose
from bridge_unreal import texture_intent
from bridge_unreal.plugin import Unreal4, Unreal5, Unreal50, Unreal51, popbridge_adapters
from bridge_unreal.versions import SCHEME
from tests.plugins.intents import intents

ADAPTERS = [
    (Unreal4(), Version("4.27.2")), (Unreal50(), Version("5.0.3")), (Unreal51(), Version("5.3.2")),
    (Unreal5(), Version("5.6.1")),
]  # fmt: skip
every = pytest.mark.parametrize(("adapter", "version"), ADAPTERS, ids=["4.27", "5.0", "5.3", "5.6"])
NEWEST = Version("5.6.1")
DEFAULTS: dict[str, Any] = {
    "compression_settings": "TC_DEFAULT", "srgb": True, "lod_group": "TEXTUREGROUP_WORLD",
    "mip_gen_settings": "TMGS_FROM_TEXTURE_GROUP", "max_texture_size": 0, "flip_green_channel": False,
    "virtual_texture_streaming": False, "never_stream": False, "lossy_compression_amount": "TLCA_DEFAULT",
    "power_of_two_mode": "NONE", "address_x": "TA_WRAP", "address_y": "TA_WRAP", "filter": "TF_DEFAULT",
    "compression_no_alpha": False, "lod_bias": 0,
}  # fmt: skip
"""What the editor gives a new texture."""
VALUES: dict[str, list[Any]] = {
    "compression_settings": list(texture_intent.COMPRESSIONS), "srgb": [True, False],
    "lod_group": ["TEXTUREGROUP_WORLD", "TEXTUREGROUP_WORLD_NORMAL_MAP", "TEXTUREGROUP_PIXELS2D",
                  "TEXTUREGROUP_BOKEH"],
    "mip_gen_settings": ["TMGS_FROM_TEXTURE_GROUP", "TMGS_NO_MIPMAPS", "TMGS_SHARPEN4",
                         "TMGS_LEAVE_EXISTING_MIPS"],
    "max_texture_size": [0, 512, 1000], "flip_green_channel": [True, False],
    "compression_no_alpha": [True, False],
    "address_x": list(texture_intent.WRAPS), "address_y": list(texture_intent.WRAPS),
    "filter": ["TF_DEFAULT", *texture_intent.FILTERS],
}  # fmt: skip
ODD = st.integers(-1, 99) | st.none() | st.just("") | st.just([1]) | st.floats()
present = st.fixed_dictionaries(
    {},
    optional={
        name: st.just(value) | ODD | st.sampled_from(VALUES.get(name, [value]))
        for name, value in DEFAULTS.items()
    },
)


@every
@given(present=present, intent=intents)
def test_what_is_compiled_reads_back(
    adapter: Adapter, version: Version, present: dict[str, Any], intent: TextureIntent
) -> None:
    change = adapter.compile_texture(intent, present, version)
    after = {**present, **change}
    assert change.keys() <= DEFAULTS.keys()
    assert adapter.expressible(intent, version).differs(adapter.read_texture(after, version)).fields() == {}
    assert adapter.compile_texture(intent, after, version) == {}, "applied twice, it changed something again"


@every
@given(present=present)
def test_settings_that_are_right_already_stay(
    adapter: Adapter, version: Version, present: dict[str, Any]
) -> None:
    assert adapter.compile_texture(adapter.read_texture(present, version), present, version) == {}


@every
@given(intent=intents)
def test_only_declared_fields_are_expressible(
    adapter: Adapter, version: Version, intent: TextureIntent
) -> None:
    assert adapter.expressible(intent, version).fields().keys() <= adapter.texture_fields


@every
@given(present=present, intent=intents)
def test_whatever_a_fix_sets_has_a_label(
    adapter: Adapter, version: Version, present: dict[str, Any], intent: TextureIntent
) -> None:
    labels = adapter.option_labels(version, "en")
    for name, value in adapter.compile_texture(intent, present, version).items():
        assert isinstance(value, bool | int) or value in labels[name].values


def test_what_the_editor_sets_by_default_is_read() -> None:
    assert Unreal5().read_texture(DEFAULTS, NEWEST) == TextureIntent(
        color_space="srgb", normal_convention="directx", compression="block", mipmaps=True, max_size=0,
        wrap="repeat", filter="linear", group="TEXTUREGROUP_WORLD", lod_bias=0.0, streaming=True,
        virtual_texture=False,
    )  # fmt: skip


NORMAL = {"compression_settings": "TC_NORMALMAP", "srgb": False, "lod_group": "TEXTUREGROUP_WORLD_NORMAL_MAP"}


@pytest.mark.parametrize(
    ("intent", "change"),
    [
        (TextureIntent(kind="normal", color_space="linear"), NORMAL),
        (TextureIntent(kind="normal", normal_convention="opengl"), {**NORMAL, "flip_green_channel": True}),
        (TextureIntent(kind="normal", normal_convention="directx"), NORMAL),
        (TextureIntent(kind="packed"), {"compression_settings": "TC_MASKS", "srgb": False}),
        (TextureIntent(color_space="linear", mipmaps=False),
         {"srgb": False, "mip_gen_settings": "TMGS_NO_MIPMAPS"}),
        (TextureIntent(compression="block_high"), {"compression_settings": "TC_BC7"}),
        (TextureIntent(compression="none"), {"compression_settings": "TC_EDITOR_ICON"}),
        (TextureIntent(compression="none", color_space="linear"),
         {"compression_settings": "TC_VECTOR_DISPLACEMENTMAP", "srgb": False}),
        (TextureIntent(compression="universal", max_size=512), {"max_texture_size": 512}),
        (TextureIntent(alpha="none", filter="nearest"),
         {"compression_no_alpha": True, "filter": "TF_NEAREST"}),
        (TextureIntent(wrap="mirror"), {"address_x": "TA_MIRROR", "address_y": "TA_MIRROR"}),
        (TextureIntent(kind="ui", alpha="transparency", max_size=100), {}),
        (TextureIntent(group="TEXTUREGROUP_UI", lod_bias=1, streaming=False),
         {"lod_group": "TEXTUREGROUP_UI", "lod_bias": 1, "never_stream": True}),
        (TextureIntent(kind="normal", group="TEXTUREGROUP_CHARACTER_NORMAL_MAP"),
         {**NORMAL, "lod_group": "TEXTUREGROUP_CHARACTER_NORMAL_MAP"}),
        (TextureIntent(virtual_texture=True, mip_generation="sharpen"),
         {"virtual_texture_streaming": True, "mip_gen_settings": "TMGS_SHARPEN4"}),
        (TextureIntent(group="Rocks", lod_bias=0.5, mip_generation="kaiser", swizzle="bgra", shape="cube"),
         {}),
    ],
)  # fmt: skip
def test_unreal_gets_its_own_names(intent: TextureIntent, change: dict[str, Any]) -> None:
    assert Unreal5().compile_texture(intent, DEFAULTS, NEWEST) == change


@pytest.mark.parametrize(("kind", "srgb"), [("albedo", True), ("ao", False)])
def test_what_is_no_normal_map_gets_its_colours_back(kind: Any, srgb: bool) -> None:
    change = Unreal5().compile_texture(TextureIntent(kind=kind), {**DEFAULTS, **NORMAL}, NEWEST)
    colours = {"srgb": True} if srgb else {}
    assert change == {"compression_settings": "TC_DEFAULT", "lod_group": "TEXTUREGROUP_WORLD", **colours}


def test_masks_that_are_asked_for_without_loss_stay_linear_textures() -> None:
    wanted = TextureIntent(kind="packed", compression="block_high", color_space="linear")
    change = Unreal5().compile_texture(wanted, DEFAULTS, NEWEST)
    assert change == {"compression_settings": "TC_BC7", "srgb": False}


@pytest.mark.parametrize(
    ("text", "name"),
    [("4.27.2-18319896+++UE4+Release-4.27", "unreal4"), ("5.0.3-1+++UE5+Release-5.0", "unreal5_0"),
     ("5.1.1-1+++UE5+Release-5.1", "unreal5_1"), ("5.3.2-1+++UE5+Release-5.3", "unreal5_1"),
     ("5.4.0-1+++UE5+Release-5.4", "unreal5"), ("5.9.0-1+++UE5+Release-5.9", "unreal5")],
)  # fmt: skip
def test_each_version_has_its_adapter(text: str, name: str) -> None:
    version = SCHEME.parse(text)
    choice = choose(popbridge_adapters(), "unreal", version)
    assert choice is not None and choice.adapter.name == name


def test_what_is_no_version_is_told() -> None:
    with pytest.raises(UserError):
        SCHEME.parse("UE5")


FACTS = ImageFacts(4, alpha=False, grey=False, hdr=False, width=1024, height=1024)


@pytest.mark.parametrize(
    ("options", "facts", "desktop", "mobile"),
    [
        # With mipmaps, a third more; BC1 is half a byte a texel, BC5 one.
        ({}, {}, 699_064, 626_288),
        ({"compression_settings": "TC_NORMALMAP"}, {}, 1_398_128, 1_398_128),
        ({"mip_gen_settings": "TMGS_NO_MIPMAPS"}, {"alpha": True}, 1 << 20, 467_856),
        ({"compression_no_alpha": True, "mip_gen_settings": "TMGS_NO_MIPMAPS"}, {"alpha": True}, 1 << 19,
         467_856),
        ({"compression_settings": "TC_EDITOR_ICON", "mip_gen_settings": "TMGS_NO_MIPMAPS"}, {}, 4 << 20,
         4 << 20),
        ({"max_texture_size": 256, "mip_gen_settings": "TMGS_NO_MIPMAPS"}, {}, 1 << 15, 29_584),
        ({"compression_settings": "TC_GRAYSCALE", "mip_gen_settings": "TMGS_NO_MIPMAPS"}, {"channels": 1},
         1 << 20, 1 << 20),
        ({"virtual_texture_streaming": True}, {}, None, None),
        ({"power_of_two_mode": "PAD_TO_POWER_OF_TWO"}, {}, None, None),
        ({"compression_settings": "TC_HDR"}, {"hdr": True}, None, None),
        # Neither blocks nor mipmaps.
        ({}, {"width": 1022}, 4 * 1022 * 1024, 171 * 171 * 16),
    ],
)  # fmt: skip
def test_memory_is_that_of_the_format_on_each_platform(
    options: dict[str, Any], facts: dict[str, Any], desktop: int | None, mobile: int | None
) -> None:
    seen = msgspec.structs.replace(FACTS, **facts)
    found = [
        Unreal5().gpu_memory({**DEFAULTS, **options}, seen, platform, NEWEST)
        for platform in ("desktop", "mobile")
    ]
    assert found == [desktop, mobile]
