"""The properties of Unreal's textures in the words of its Details panel."""

from __future__ import annotations

from itertools import pairwise

import pytest
from packaging.version import Version

from bridge_unreal.labels import option_labels

VERSIONS = [Version(text) for text in ("4.27", "5.0", "5.1", "5.2", "5.3", "5.4", "5.5", "5.6", "5.8", "6.0")]


@pytest.mark.parametrize(
    ("version", "name", "value", "shown"),
    [
        ("4.27.2", "compression_settings", "TC_GRAYSCALE", "Grayscale (R8, RGB8 sRGB)"),
        ("5.0", "compression_settings", "TC_HDR_COMPRESSED", "HDRCompressed (RGB, BC6H, DX11)"),
        ("5.1", "compression_settings", "TC_GRAYSCALE", "Grayscale (G8/16, RGB8 sRGB)"),
        ("5.4.4", "compression_settings", "TC_DEFAULT", "Default (DXT1/5, BC1/3 on DX11)"),
        ("5.6.1", "compression_settings", "TC_DEFAULT", "Default (BC1 or BC3 with A)"),
        ("5.8", "compression_settings", "TC_EDITOR_ICON", "Uncompressed (RGBA8)"),
        ("5.2", "lossy_compression_amount", "TLCA_LOW", "Low"),
        ("5.3", "lossy_compression_amount", "TLCA_LOW", "Low (Oodle RDO 10)"),
        ("5.6", "lossy_compression_amount", "TLCA_NONE", "No lossy compression (Oodle RDO disabled)"),
        ("5.6", "power_of_two_mode", "PAD_TO_POWER_OF_TWO", "Pad to Power Of Two"),
        ("5.6", "lod_group", "TEXTUREGROUP_PIXELS2D", "2D Pixels (unfiltered)"),
    ],
)
def test_values_are_shown_as_by_that_version(version: str, name: str, value: str, shown: str) -> None:
    assert option_labels(Version(version), "en")[name].values[value] == shown


@pytest.mark.parametrize(
    ("version", "shown"),
    [
        ("4.27", "Texture › Power Of Two Mode"),
        ("5.2", "Texture › Power Of Two Mode"),
        ("5.3", "Texture › Padding and Resizing"),
        ("5.8", "Texture › Padding and Resizing"),
    ],
)
def test_the_padding_has_another_name_since_5_3(version: str, shown: str) -> None:
    assert option_labels(Version(version), "en")["power_of_two_mode"].name == shown


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_both_languages_have_the_same_properties_and_values(version: Version) -> None:
    english, chinese = option_labels(version, "en"), option_labels(version, "zh-Hans-CN")
    assert option_labels(version, "fr") == english
    assert {name: set(label.values) for name, label in english.items()} == {
        name: set(label.values) for name, label in chinese.items()
    }
    assert chinese["compression_settings"].values["TC_MASKS"] == "遮罩 (无 sRGB)"


def test_newer_versions_have_all_values_of_older_ones() -> None:
    for older, newer in pairwise(option_labels(version, "en") for version in VERSIONS):
        for name, label in older.items():
            assert label.values.keys() <= newer[name].values.keys()
