"""Godot's import options in the words of its Import dock."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from packaging.version import Version

from bridge.api import Adapter, TextureIntent
from bridge_godot.adapter import Godot3, Godot4
from tests.godot.test_textures import DEFAULTS, both
from tests.plugins.intents import intents


@both
@given(intent=intents)
def test_whatever_a_fix_sets_has_a_label(adapter: Adapter, version: Version, intent: TextureIntent) -> None:
    for locale in ("en", "zh_CN"):
        labels = adapter.option_labels(version, locale)
        for name, value in adapter.compile_texture(intent, DEFAULTS[adapter.name], version).items():
            assert name in labels, name
            assert isinstance(value, bool) or not labels[name].values or value in labels[name].values


@pytest.mark.parametrize(
    ("adapter", "name", "value", "english", "chinese"),
    [
        (Godot4(), "compress/mode", 2, "Compress › Mode: VRAM Compressed", "压缩 › 模式: VRAM 压缩"),
        (Godot4(), "compress/normal_map", 1, "Compress › Normal Map: Enable", "压缩 › 法线贴图: 启用"),
        (Godot4(), "detect_3d/compress_to", 0, "Detect 3D › Compress To: Disabled", "检测 3D › 压缩为: 禁用"),
        (Godot3(), "compress/mode", 2, "Compress › Mode: Video RAM", "压缩 › 模式: 显存"),
        (Godot3(), "flags/srgb", 1, "Flags › sRGB: Enable", "标志 › sRGB: 启用"),
    ],
)
def test_labels_are_the_docks(adapter: Adapter, name: str, value: Any, english: str, chinese: str) -> None:
    for locale, shown in (("en", english), ("de", english), ("zh-CN", chinese)):
        label = adapter.option_labels(Version("4.6"), locale)[name]
        assert f"{label.name}: {label.values[value]}" == shown


@pytest.mark.parametrize("adapter", [Godot3(), Godot4()])
def test_labels_are_of_options_that_the_editor_writes(adapter: Adapter) -> None:
    assert set(adapter.option_labels(Version("4.6"), "en")) <= set(DEFAULTS[adapter.name])
