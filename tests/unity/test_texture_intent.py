"""Texture intent and Unity's import settings, there and back, for every range of versions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from bridge.api import Adapter, TextureIntent, UserError
from bridge_unity import importer_settings
from bridge_unity.assets import options
from bridge_unity.metafile import MetaFile
from bridge_unity.plugin import Unity6, Unity6_3, Unity2021, Unity2022
from tests.plugins.intents import intents
from tests.unity.projects import meta

ADAPTERS = [
    (Unity2021(), Version("2021.3.45")), (Unity2022(), Version("2022.3.62")),
    (Unity6(), Version("6000.0")), (Unity6_3(), Version("6000.3")),
]  # fmt: skip
every = pytest.mark.parametrize(
    ("adapter", "version"), ADAPTERS, ids=lambda value: getattr(value, "name", str(value))
)
DEFAULTS = options(MetaFile(meta(overridden=["Android"])))
DEFAULT = "DefaultTexturePlatform"
PLAIN, GREEN_INVERTED = 0x03_02_01_00, 0x03_02_05_00
"""Swizzles: as the file has it, and with green turned over."""


def _values(name: str) -> st.SearchStrategy[Any]:
    values = importer_settings.setting(name).values
    # Sprite sheets have a test of their own.
    named = [value for value in values.values() if value != "Multiple"]
    known = st.sampled_from(named) if named else st.sampled_from([32, 2048, 100, PLAIN, GREEN_INVERTED])
    return known | st.integers(-1, 99) | st.none() | st.just("") | st.just([1]) | st.floats()


present = st.fixed_dictionaries({}, optional={n: st.just(v) | _values(n) for n, v in DEFAULTS.items()})


@every
@given(present=present, intent=intents)
def test_what_is_compiled_reads_back(
    adapter: Adapter, version: Version, present: dict[str, Any], intent: TextureIntent
) -> None:
    change = adapter.compile_texture(intent, present, version)
    after = {**present, **change}
    assert adapter.expressible(intent, version).differs(adapter.read_texture(after, version)).fields() == {}
    assert adapter.compile_texture(intent, after, version) == {}, "applied twice, it changed something again"
    for name, value in change.items():
        assert (
            importer_settings.from_file(
                importer_settings.setting(name),
                importer_settings.to_file(name, importer_settings.setting(name), value),
            )
            == value
        )


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


def test_what_the_editor_writes_by_default_is_read() -> None:
    found = Unity2022().read_texture(options(MetaFile(meta())), Version("6000.0"))
    assert found == TextureIntent(
        color_space="srgb", normal_convention="opengl", compression="block", mipmaps=True, max_size=2048,
        wrap="repeat", filter="linear", mip_filter="nearest", mip_generation="box", lod_bias=0.0,
        streaming=False, virtual_texture=False, shape="2d", platforms={},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("intent", "change"),
    [
        (TextureIntent(kind="normal", color_space="linear"),
         {"textureType": "NormalMap", "sRGBTexture": False}),
        (TextureIntent(kind="normal", normal_convention="directx"),
         {"textureType": "NormalMap", "sRGBTexture": False, "flipGreenChannel": True}),
        (TextureIntent(color_space="linear", mipmaps=False), {"sRGBTexture": False, "mipmapEnabled": False}),
        (TextureIntent(compression="block_high"), {f"{DEFAULT}.textureCompression": "CompressedHQ"}),
        (TextureIntent(compression="lossless"), {f"{DEFAULT}.textureCompression": "Uncompressed"}),
        (TextureIntent(compression="universal", max_size=512), {f"{DEFAULT}.maxTextureSize": 512}),
        (TextureIntent(filter="nearest"), {"filterMode": "Point"}),
        (TextureIntent(wrap="mirror"), {"wrapModeU": "Mirror", "wrapModeV": "Mirror"}),
        (TextureIntent(kind="ui", alpha="transparency", max_size=100), {}),
    ],
)  # fmt: skip
def test_unity_gets_its_own_names(intent: TextureIntent, change: dict[str, Any]) -> None:
    assert Unity2022().compile_texture(intent, options(MetaFile(meta())), Version("2022.3")) == change


def test_a_green_channel_that_is_turned_over_already_isnt_once_more() -> None:
    present = {"swizzle": GREEN_INVERTED, "flipGreenChannel": False}
    assert Unity2022().read_texture(present, Version("6000.0")).normal_convention == "directx"
    assert Unity2022().compile_texture(
        TextureIntent(normal_convention="opengl"), present, Version("6000.0")
    ) == {"flipGreenChannel": True}


def test_what_is_cut_into_sprites_keeps_them() -> None:
    present = {"textureType": "Sprite", "spriteImportMode": "Multiple", "sRGBTexture": True}
    wanted = TextureIntent(kind="normal", color_space="linear")
    assert Unity2022().compile_texture(wanted, present, Version("6000.0")) == {}
    single = {**present, "spriteImportMode": "Single"}
    assert Unity2022().compile_texture(wanted, single, Version("6000.0"))["textureType"] == "NormalMap"
    was_cut = {**present, "textureType": "Default"}
    assert Unity2022().compile_texture(wanted, was_cut, Version("6000.0"))["textureType"] == "NormalMap"


def test_before_2022_nothing_is_said_of_the_green_channel() -> None:
    intent = TextureIntent(normal_convention="directx")
    assert Unity2021().compile_texture(intent, {"flipGreenChannel": False}, Version("2021.3")) == {}
    assert "normal_convention" not in Unity2021().texture_fields


@pytest.mark.parametrize(
    ("kind", "color_space", "colors"),
    [("albedo", None, True), ("ao", None, False), ("ao", "srgb", True), ("albedo", "linear", False)],
)
def test_what_is_no_normal_map_gets_its_colours_back(kind: Any, color_space: Any, colors: bool) -> None:
    was = {"textureType": "NormalMap", "sRGBTexture": not colors}
    change = Unity2022().compile_texture(
        TextureIntent(kind=kind, color_space=color_space), was, Version("6000")
    )
    assert change == {"textureType": "Default", "sRGBTexture": colors}


def test_heights_of_which_unity_makes_normals_are_heights_and_no_colours() -> None:
    present = {"textureType": "NormalMap", "convertToNormalmap": True, "sRGBTexture": False}
    found = Unity2022().read_texture(present, Version("6000.0"))
    assert (found.kind, found.color_space) == ("height", "linear")
    change = Unity2022().compile_texture(TextureIntent(kind="normal"), present, Version("6000.0"))
    assert change == {"convertToNormalmap": False}


@pytest.mark.parametrize(
    ("texture_type", "shape", "kind"),
    [("Sprite", "Texture2D", "sprite"), ("GUI", None, "ui"), ("Cursor", None, "ui"), ("Default", None, None),
     ("SingleChannel", None, None), ("Default", "TextureCube", "environment"), (99, 99, None)],
)  # fmt: skip
def test_types_say_what_a_texture_is_for(texture_type: Any, shape: Any, kind: str | None) -> None:
    found = Unity2022().read_texture({"textureType": texture_type, "textureShape": shape}, Version("6000"))
    assert found.kind == kind


@pytest.mark.parametrize(
    ("form", "compression"),
    [("Automatic", "block"), ("RGBA32", "none"), ("DXT5", "block"), ("BC7", "block_high"),
     ("ASTC_6x6", "block"), ("ASTC_4x4", "block_high"), ("DXT1Crunched", "block"), (999, None)],
)  # fmt: skip
def test_a_format_that_somebody_chose_counts(form: Any, compression: str | None) -> None:
    present = {f"{DEFAULT}.format": form, f"{DEFAULT}.textureCompression": "Compressed"}
    assert Unity2022().read_texture(present, Version("6000.0")).compression == compression
    wanted = {f"{DEFAULT}.format": "Automatic", f"{DEFAULT}.textureCompression": "CompressedHQ"}
    change = Unity2022().compile_texture(TextureIntent(compression="block_high"), present, Version("6000.0"))
    assert change == (
        {} if compression == "block_high" else {k: v for k, v in wanted.items() if present[k] != v}
    )


def test_where_platforms_differ_nothing_is_said_and_what_is_wanted_is_set_for_all() -> None:
    android = {"Android.overridden": True, "Android.textureCompression": "Uncompressed"}
    present = {f"{DEFAULT}.textureCompression": "Compressed", **android}
    assert Unity2022().read_texture(present, Version("6000.0")).compression is None
    change = Unity2022().compile_texture(TextureIntent(compression="block"), present, Version("6000.0"))
    assert change == {"Android.textureCompression": "Compressed"}


def test_a_platforms_smaller_limit_stays_and_larger_ones_shrink() -> None:
    android = {"Android.overridden": True, "Android.maxTextureSize": 1024}
    present = {f"{DEFAULT}.maxTextureSize": 8192, **android}
    assert Unity2022().read_texture(present, Version("6000.0")).max_size == 8192
    change = Unity2022().compile_texture(TextureIntent(max_size=4096), present, Version("6000.0"))
    assert change == {f"{DEFAULT}.maxTextureSize": 4096}
    change = Unity2022().compile_texture(TextureIntent(max_size=512), present, Version("6000.0"))
    assert change == {f"{DEFAULT}.maxTextureSize": 512, "Android.maxTextureSize": 512}


@pytest.mark.parametrize(
    ("options", "color_space"),
    [({"sRGBTexture": True}, "srgb"), ({"textureType": "SingleChannel", "sRGBTexture": True}, "linear"),
     ({"sRGBTexture": True, importer_settings.COLOR_SPACE: "Gamma"}, None), ({}, None)],
)  # fmt: skip
def test_colours_are_where_the_inspector_asks_for_them_and_the_project_heeds_it(
    options: dict[str, Any], color_space: str | None
) -> None:
    assert Unity2022().read_texture(options, Version("6000.0")).color_space == color_space


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [("colour", 1, "colour is not a known import setting"),
     ("Android.colour", 1, "is not a known import setting"),
     ("sRGBTexture", 1, "sRGBTexture can't be 1"), ("textureType", "Albedo", "can't be 'Albedo'"),
     ("Android.maxTextureSize", True, "can't be True")],
)  # fmt: skip
def test_a_setting_that_isnt_there_or_cant_be_so_is_refused(name: str, value: Any, says: str) -> None:
    with pytest.raises(UserError, match=says):
        importer_settings.to_file(name, importer_settings.setting(name), value)
