"""What Unity's versions differ in, beside their labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bridge.api import ImageFacts, UserError
from bridge.core.versions import contains
from bridge_unity import importer_settings
from bridge_unity.plugin import UnityProjects, popbridge_adapters
from bridge_unity.versions import SCHEME, UNITY6, UNITY6_3, UNITY2021, UNITY2022, UnityVersion
from tests.unity.projects import game

FILE = "Assets/materials/rock_normal.png"
FACTS = ImageFacts(4, False, False, False)


@pytest.mark.parametrize(
    ("version", "name", "value", "allowed"),
    [
        (UNITY2021, "flipGreenChannel", True, False),
        (UNITY2021, "flipGreenChannel", None, True),
        (UNITY2021, "swizzle", 0x03020100, False),
        (UNITY2022, "flipGreenChannel", True, True),
        (UNITY2021, "Android.format", "RGBA32_SIGNED", False),
        (UNITY2022, "Android.format", "RGBA32_SIGNED", False),
        (UNITY6, "Android.format", "RGBA32_SIGNED", True),
        (UNITY6_3, "iPhone.format", "PVRTC_RGBA4", True),
        (UNITY2021, "sRGBTexture", False, True),
    ],
)
def test_what_a_version_lacks_is_refused(version: UnityVersion, name: str, value: Any, allowed: bool) -> None:
    assert bool(version.refusal(name, value)) is not allowed


def test_a_setting_that_the_version_lacks_is_not_written(tmp_path: Path) -> None:
    project = game(tmp_path / "game", "2021.3.45f1", only=["materials/rock_normal.png"])
    meta = project / f"{FILE}.meta"
    before = meta.read_bytes()
    done = UnityProjects(UNITY2021).apply(project, [{"path": FILE, "options": {"flipGreenChannel": True}}])
    assert (done["before"], done["after"]) == ([], [])
    assert [error["path"] for error in done["errors"]] == [FILE]
    assert meta.read_bytes() == before


@pytest.mark.parametrize(
    ("version", "codes"),
    [("2022.3.62f1", []), ("6000.2.0f1", []), ("6000.3.1f1", ["unity.obsolete_format"])],
)
def test_pvrtc_is_obsolete_from_6000_3_on(version: str, codes: list[str]) -> None:
    parsed = SCHEME.parse(version)
    adapter = next(each for each in popbridge_adapters() if contains(each.versions, parsed))
    options = {
        "DefaultTexturePlatform.format": "Automatic",
        "iPhone.overridden": True,
        "iPhone.format": "PVRTC_RGBA4",
    }
    assert [remark.code for remark in adapter.remarks(options, FACTS, (), parsed)] == codes


def test_signed_formats_have_no_block_compression() -> None:
    signed = {name for name in importer_settings.FORMATS.values() if name.endswith("_SIGNED")}
    assert len(signed) == 8 and signed <= importer_settings.UNCOMPRESSED
    setting = importer_settings.setting("Android.format")
    assert importer_settings.from_file(setting, "78") == "RGBA32_SIGNED"
    with pytest.raises(UserError):
        importer_settings.to_file("Android.format", setting, "RGBA32_UNSIGNED")
