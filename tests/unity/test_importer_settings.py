"""What single platforms have settings of their own for, and when that undoes the compression of all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from bridge import cli
from bridge.api import TextureIntent
from bridge_unity import importer_settings
from bridge_unity.plugin import Unity2022
from tests.unity.projects import PLATFORM, VERSIONS, game, imported, meta
from tests.unity.test_audit import audit, changed, codes, report, settings_in

DEFAULT = "DefaultTexturePlatform"
VERSION = Version("6000.0")
ALBEDO = "materials/brick_albedo.png"
BLOCKS = {f"{DEFAULT}.textureCompression": "Compressed"}
RAW = {f"{DEFAULT}.textureCompression": "Uncompressed"}


def own(platform: str, form: str = "Automatic", compression: str = "Uncompressed") -> dict[str, Any]:
    settings = {"overridden": True, "format": form, "textureCompression": compression}
    return {f"{platform}.{name}": value for name, value in settings.items()}


@pytest.mark.parametrize(
    ("options", "undone"),
    [
        (BLOCKS, []),
        ({**BLOCKS, **own("Android")}, ["Android"]),
        ({**BLOCKS, **own("Android", "RGBA32", "Compressed"), **own("iPhone")}, ["Android", "iOS"]),
        ({**BLOCKS, **own("iPhone"), **own("iOS")}, ["iOS"]),
        ({**BLOCKS, **own("Android", "ASTC_6x6")}, []),
        ({**BLOCKS, **own("Android", compression="CompressedHQ")}, []),
        ({**BLOCKS, **own("Windows Store Apps")}, ["Windows Store Apps"]),
        # It draws nothing.
        ({**BLOCKS, **own("Server")}, []),
        ({**BLOCKS, **own("Android"), "Android.overridden": False}, []),
        ({**RAW, **own("Android")}, []),
        ({**own("Android")}, []),
        ({}, []),
    ],
)
def test_compression_is_undone_where_a_platform_has_none_and_the_default_has(
    options: dict[str, Any], undone: list[str]
) -> None:
    assert [*Unity2022().platform_options(options, VERSION)] == undone


def test_what_holds_on_one_platform_alone_is_read_and_changed_there_alone() -> None:
    options = {"mipmapEnabled": True, **BLOCKS, **own("Android", "RGBA32"), **own("iPhone")}
    alone = Unity2022().platform_options(options, VERSION)["Android"]
    assert alone == {"mipmapEnabled": True, **own("Android", "RGBA32")}
    assert Unity2022().read_texture(options, VERSION).compression is None
    assert Unity2022().read_texture(alone, VERSION).compression == "none"
    assert Unity2022().compile_texture(TextureIntent(compression="block"), alone, VERSION) == {
        "Android.format": "Automatic",
        "Android.textureCompression": "Compressed",
    }
    assert [*importer_settings.platforms(options)] == [DEFAULT, "Android", "iPhone"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POPBRIDGE_HOME", str(tmp_path / "home"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return game(tmp_path / "game", only=[ALBEDO])


def override(project: Path, version: str, platform: str, form: int = -1, texture: str = ALBEDO) -> str:
    """Settings that compress everywhere but on `platform`, which has its own."""
    file = f"Assets/{texture}"
    listed = PLATFORM.format(platform=platform, overridden=0)
    was = listed.replace("overridden: 0", "overridden: 1").replace(
        "textureFormat: -1", f"textureFormat: {form}"
    )
    text = meta(file, version, {listed: was.replace("textureCompression: 1", "textureCompression: 0")})
    imported(project, file, text)
    return text


@pytest.mark.parametrize("version", VERSIONS)
def test_fix_changes_the_lines_of_that_platform_alone(version: str, project: Path, tmp_path: Path) -> None:
    before = override(project, version, "Android", 4)
    told = report(project, tmp_path)
    (only,) = told["files"]
    (finding,) = only["findings"]
    assert (finding["code"], finding["severity"], finding["fixable"]) == ("uncompressed", "warning", True)
    assert "on Android: separate settings override" in finding["message"]
    # On the desktop it is compressed already.
    assert only["memory"] == only["memory_after"] and only["memory"] > 0
    assert audit(project, "--fix") == 0
    after = settings_in(project)[ALBEDO]
    assert changed(before, after) == {
        "    textureFormat: 4": "    textureFormat: -1",
        "    textureCompression: 0": "    textureCompression: 1",
    }
    assert after.index("textureFormat: -1") < after.index("buildTarget: Android")
    assert audit(project) == 0
    assert cli.main(["revert", "1"]) == 0
    assert settings_in(project)[ALBEDO] == before


def test_what_is_freed_on_the_desktop_is_in_the_figures(project: Path, tmp_path: Path) -> None:
    override(project, "6000.0.76f1", "Standalone")
    (only,) = report(project, tmp_path)["files"]
    assert "on Standalone: " in only["findings"][0]["message"]
    # 512 x 512 texels of four bytes, and DXT1, with their mipmaps.
    assert (only["memory"], only["memory_after"]) == (1_398_100, 174_776)


@pytest.mark.parametrize("platform", ["WebGL", "Switch", "Windows Store Apps", "tvOS", "VisionOS"])
def test_the_audit_tells_other_platforms_too(platform: str, project: Path, tmp_path: Path) -> None:
    file = f"Assets/{ALBEDO}"
    own = PLATFORM.format(platform=platform, overridden=1)
    own = own.replace("textureCompression: 1", "textureCompression: 0")
    imported(project, file, meta(file, replaced={"  spriteSheet:\n": f"{own}  spriteSheet:\n"}))
    (only,) = report(project, tmp_path)["files"]
    assert f"on {platform}: " in only["findings"][0]["message"]
    assert only["options"] == {f"{platform}.textureCompression": "Compressed"}
    assert audit(project, "--fix") == 0


def test_other_mistakes_are_mended_along_with_it(project: Path, tmp_path: Path) -> None:
    text = override(project, "6000.0.76f1", "Android")
    imported(project, f"Assets/{ALBEDO}", text.replace("sRGBTexture: 1", "sRGBTexture: 0"))
    (only,) = report(project, tmp_path, "--fix")["files"]
    assert sorted(issue["code"] for issue in only["mended"]) == ["color_as_linear", "uncompressed"]
    assert only["options"] == {"sRGBTexture": True, "Android.textureCompression": "Compressed"}


def test_where_platforms_differ_an_interface_is_no_more_certain_than_elsewhere(tmp_path: Path) -> None:
    button = "ui/button.png"
    project = game(tmp_path / "game", only=[button])
    usual = codes(report(project, tmp_path))
    override(project, "6000.0.76f1", "Android", texture=button)
    assert codes(report(project, tmp_path)) == usual
