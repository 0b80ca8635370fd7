"""The settings of Unity's importer in the words of its Inspector."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from packaging.version import Version

from bridge.api import Adapter, TextureIntent
from bridge_unity import importer_settings
from bridge_unity.labels import LABELS
from tests.plugins.intents import intents
from tests.unity.test_texture_intent import every, present


@every
@given(present=present, intent=intents)
def test_whatever_a_fix_sets_has_a_label(
    adapter: Adapter, version: Version, present: dict[str, Any], intent: TextureIntent
) -> None:
    labels = adapter.option_labels(version, "en")
    for name, value in adapter.compile_texture(intent, present, version).items():
        assert name in labels, name
        assert isinstance(value, bool | int) or value in labels[name].values or name.endswith(".format")


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("textureType", "NormalMap", "Texture Type: Normal map"),
        ("DefaultTexturePlatform.textureCompression", "Compressed", "Default › Compression: Normal Quality"),
        ("iPhone.textureCompression", "CompressedHQ", "iOS › Compression: High Quality"),
    ],
)
def test_labels_are_the_inspectors(name: str, value: str, shown: str) -> None:
    assert f"{LABELS[name].name}: {LABELS[name].values[value]}" == shown


@pytest.mark.parametrize("name", sorted(LABELS))
def test_labels_are_of_settings_and_values_that_exist(name: str) -> None:
    known = importer_settings.setting(name).values.values()
    assert set(LABELS[name].values) <= set(known)
