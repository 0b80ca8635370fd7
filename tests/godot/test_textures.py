"""Texture intent and Godot's import options, there and back, for both generations."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from bridge.api import Adapter, TextureIntent
from bridge_godot.adapter import Godot3, Godot4
from tests.plugins.intents import intents

DEFAULTS: dict[str, dict[str, Any]] = {
    "godot3": {
        "compress/mode": 0, "compress/lossy_quality": 0.7, "compress/hdr_mode": 0, "compress/bptc_ldr": 0,
        "compress/normal_map": 0, "flags/repeat": 0, "flags/filter": True, "flags/mipmaps": False,
        "flags/anisotropic": False, "flags/srgb": 2, "process/fix_alpha_border": True,
        "process/premult_alpha": False, "process/HDR_as_SRGB": False, "process/invert_color": False,
        "process/normal_map_invert_y": False, "stream": False, "size_limit": 0, "detect_3d": True,
        "svg/scale": 1.0,
    },
    "godot4": {
        "compress/mode": 0, "compress/high_quality": False, "compress/lossy_quality": 0.7,
        "compress/hdr_compression": 1, "compress/normal_map": 0, "compress/channel_pack": 0,
        "mipmaps/generate": False, "mipmaps/limit": -1, "roughness/mode": 0, "roughness/src_normal": "",
        "process/fix_alpha_border": True, "process/premult_alpha": False,
        "process/normal_map_invert_y": False, "process/hdr_as_srgb": False,
        "process/hdr_clamp_exposure": False, "process/size_limit": 0, "detect_3d/compress_to": 1,
        "process/channel_remap/red": 0, "process/channel_remap/green": 1, "process/channel_remap/blue": 2,
        "process/channel_remap/alpha": 3,
    },
}  # fmt: skip
"""What the editors themselves write for a new texture."""

ADAPTERS = [(Godot3(), Version("3.6")), (Godot4(), Version("4.2")), (Godot4(), Version("4.6.3"))]
both = pytest.mark.parametrize(("adapter", "version"), ADAPTERS, ids=["3.6", "4.2", "4.6"])


_values = st.booleans() | st.integers(-1, 11) | st.none() | st.just("") | st.just([1]) | st.floats()


def _options(adapter: Adapter) -> st.SearchStrategy[dict[str, Any]]:
    present = {name: st.just(value) | _values for name, value in DEFAULTS[adapter.name].items()}
    return st.fixed_dictionaries({}, optional=present)


@both
@given(data=st.data(), intent=intents)
def test_what_is_compiled_reads_back(
    adapter: Adapter, version: Version, data: st.DataObject, intent: TextureIntent
) -> None:
    present = data.draw(_options(adapter))
    change = adapter.compile_texture(intent, present, version)
    after = {**present, **change}
    assert change.keys() <= DEFAULTS[adapter.name].keys()
    assert adapter.expressible(intent, version).differs(adapter.read_texture(after, version)).fields() == {}
    assert adapter.compile_texture(intent, after, version) == {}, "applied twice, it changed something again"


@both
@given(data=st.data())
def test_settings_that_are_right_already_stay(
    adapter: Adapter, version: Version, data: st.DataObject
) -> None:
    options = data.draw(_options(adapter))
    assert adapter.compile_texture(adapter.read_texture(options, version), options, version) == {}


@both
@given(intent=intents)
def test_only_declared_fields_are_expressible(
    adapter: Adapter, version: Version, intent: TextureIntent
) -> None:
    assert adapter.expressible(intent, version).fields().keys() <= adapter.texture_fields


@pytest.mark.parametrize(
    ("intent", "change"),
    [
        (TextureIntent(kind="normal", compression="block", mipmaps=True),
         {"compress/normal_map": 1, "compress/mode": 2, "mipmaps/generate": True}),
        (TextureIntent(compression="block_high"),
         {"compress/mode": 2, "compress/high_quality": True}),
        (TextureIntent(kind="ui", compression="lossless", mipmaps=False), {}),
        (TextureIntent(compression="universal"), {"compress/mode": 4, "detect_3d/compress_to": 0}),
        (TextureIntent(compression="block", mipmaps=False),
         {"compress/mode": 2, "detect_3d/compress_to": 0}),
        (TextureIntent(normal_convention="directx"), {"process/normal_map_invert_y": True}),
        (TextureIntent(alpha="premultiplied", max_size=2048),
         {"process/premult_alpha": True, "process/size_limit": 2048}),
        (TextureIntent(alpha="none"), {"process/fix_alpha_border": False}),
        (TextureIntent(color_space="linear", wrap="repeat"), {}),
        (TextureIntent(swizzle="rGb1"),
         {"process/channel_remap/green": 5, "process/channel_remap/alpha": 10}),
        (TextureIntent(swizzle="rgba", shape="cube", streaming=True, group="x", lod_bias=1.0), {}),
    ],
)  # fmt: skip
def test_godot_4_gets_its_own_names(intent: TextureIntent, change: dict[str, Any]) -> None:
    assert Godot4().compile_texture(intent, DEFAULTS["godot4"], Version("4.6")) == change


@pytest.mark.parametrize(
    ("intent", "change"),
    [
        (TextureIntent(kind="normal", color_space="linear", compression="block", mipmaps=True, wrap="repeat"),
         {"compress/normal_map": 1, "flags/srgb": 0, "compress/mode": 2, "flags/mipmaps": True,
          "flags/repeat": 1}),
        (TextureIntent(color_space="srgb"), {"flags/srgb": 1}),
        (TextureIntent(wrap="mirror"), {"flags/repeat": 2, "detect_3d": False}),
        (TextureIntent(compression="universal"), {"compress/mode": 2}),
        (TextureIntent(compression="none"), {"compress/mode": 3, "detect_3d": False}),
        (TextureIntent(max_size=512), {"size_limit": 512}),
    ],
)  # fmt: skip
def test_godot_3_gets_its_own_names(intent: TextureIntent, change: dict[str, Any]) -> None:
    assert Godot3().compile_texture(intent, DEFAULTS["godot3"], Version("3.6")) == change


def test_channels_are_swizzled_since_4_5() -> None:
    wanted, present = TextureIntent(swizzle="rrr1"), DEFAULTS["godot4"]
    assert Godot4().compile_texture(wanted, present, Version("4.4")) == {}
    assert Godot4().expressible(wanted, Version("4.5")) == wanted
    unused = {f"process/channel_remap/{channel}": 8 for channel in ("red", "green", "blue", "alpha")}
    assert Godot4().read_texture(unused, Version("4.6")).swizzle == "0001"
    assert Godot4().compile_texture(TextureIntent(swizzle="0001"), unused, Version("4.6")) == {}


@both
def test_colour_is_no_longer_compressed_as_a_normal_map(adapter: Adapter, version: Version) -> None:
    change = adapter.compile_texture(TextureIntent(kind="albedo"), {"compress/normal_map": 1}, version)
    assert change == {"compress/normal_map": 2}


@both
@pytest.mark.parametrize(
    ("value", "kind", "excludes"), [(0, None, None), (1, "normal", None), (2, None, "normal")]
)
def test_normal_map_disabled_is_a_deliberate_no(
    adapter: Adapter, version: Version, value: int, kind: str | None, excludes: str | None
) -> None:
    found = adapter.read_texture({"compress/normal_map": value}, version)
    assert (found.kind, found.excludes) == (kind, excludes)


def test_a_repeat_that_detection_wrote_as_a_bool_reads_as_repeat() -> None:
    assert Godot3().read_texture({"flags/repeat": True}, Version("3.6")).wrap == "repeat"
