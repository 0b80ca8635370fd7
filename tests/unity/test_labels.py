"""The settings of Unity's importer in the words of its Inspector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from packaging.version import Version

from bridge.api import Adapter, OptionLabel, TextureIntent
from bridge.core.versions import contains
from bridge_unity import importer_settings
from bridge_unity.importer_settings import DEFAULT
from bridge_unity.plugin import _Unity, popbridge_adapters
from bridge_unity.versions import SCHEME
from tests.plugins.intents import intents
from tests.unity.test_texture_intent import every, present


def labels_of(version: str) -> Mapping[str, OptionLabel]:
    parsed = SCHEME.parse(version)
    adapter = next(each for each in popbridge_adapters() if contains(each.versions, parsed))
    return adapter.option_labels(parsed, "en")


@every
@given(present=present, intent=intents)
def test_whatever_a_fix_sets_has_a_label(
    adapter: Adapter, version: Version, present: dict[str, Any], intent: TextureIntent
) -> None:
    labels = adapter.option_labels(version, "en")
    for name, value in adapter.compile_texture(intent, present, version).items():
        assert name in labels, name
        known = labels[name].values
        assert isinstance(value, bool | int | float) or value in known or name.endswith(".format")


@pytest.mark.parametrize(
    ("version", "name", "value", "shown"),
    [
        ("2021.3", "textureType", "NormalMap", "Texture Type: Normal map"),
        ("2021.3", "npotScale", "ToNearest", "Advanced › Non-Power of 2: ToNearest"),
        ("2022.3", f"{DEFAULT}.textureCompression", "Compressed", "Default › Compression: Normal Quality"),
        ("6000.0", "iPhone.textureCompression", "CompressedHQ", "iOS › Compression: High Quality"),
        ("2022.3", "WebGL.format", "Automatic", "WebGL › Format: Automatic"),
        ("6000.3", "WebGL.format", "Automatic", "Web › Format: Automatic"),
    ],
)  # fmt: skip
def test_labels_are_the_inspectors(version: str, name: str, value: str, shown: str) -> None:
    label = labels_of(version)[name]
    assert f"{label.name}: {label.values[value]}" == shown


@pytest.mark.parametrize(
    ("version", "name"),
    [
        ("2021.3", "Generate Mip Maps"), ("2022.3", "Generate Mipmaps"), ("6000.0", "Generate Mipmap"),
        ("6000.3", "Generate Mipmap"),
    ],
)  # fmt: skip
def test_each_version_has_its_own_words(version: str, name: str) -> None:
    assert labels_of(version)["mipmapEnabled"].name == f"Advanced › {name}"


@every
def test_labels_are_of_settings_and_values_that_this_version_has(adapter: Adapter, version: Version) -> None:
    assert isinstance(adapter, _Unity)
    for name, label in adapter.option_labels(version, "en").items():
        known = importer_settings.setting(name).values.values()
        assert set(label.values) <= set(known), name
        assert not adapter.unity.refusal(name, True), name


@every
def test_every_setting_and_platform_has_a_label_in_both_languages(adapter: Adapter, version: Version) -> None:
    english, chinese = (adapter.option_labels(version, locale) for locale in ("en", "zh-CN"))
    assert english.keys() == chinese.keys()
    assert adapter.option_labels(version, "de") == english
    assert isinstance(adapter, _Unity)
    expected = importer_settings.SETTINGS.keys() - adapter.unity.lacks.keys()
    assert expected <= english.keys()
    for platform in ("DefaultTexturePlatform", "Standalone", "Android", "iPhone", "Server"):
        for name in importer_settings.PLATFORM_SETTINGS.keys() - {"overridden"}:
            assert f"{platform}.{name}" in english
    assert chinese["textureType"].values["NormalMap"] == "法线贴图"
    assert all(chinese[name].values.keys() == label.values.keys() for name, label in english.items())


@pytest.mark.parametrize(
    ("version", "platform", "known"),
    [
        ("2021.3", "VisionOS", False), ("2022.3", "VisionOS", True), ("6000.0", "VisionOS", True),
        ("2021.3", "Stadia", True), ("6000.0", "Stadia", False),
        ("2022.3", "Nintendo Switch 2", False), ("6000.0", "Nintendo Switch 2", True),
    ],
)  # fmt: skip
def test_platforms_are_those_of_the_version(version: str, platform: str, known: bool) -> None:
    assert (f"{platform}.format" in labels_of(version)) is known
