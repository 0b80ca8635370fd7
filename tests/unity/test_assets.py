"""A project's textures are found as Unity finds them, and what can't be read is told and left alone."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from bridge.core.revert import error_text
from bridge_unity.assets import textures
from bridge_unity.plugin import UnityProjects
from tests.messages import in_chinese
from tests.unity.projects import game, imported, meta, texture

DEFAULT = "DefaultTexturePlatform"
FIX = {"textureType": "NormalMap", "sRGBTexture": False}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return game(tmp_path / "game", only=["none of them"])


def files(root: Path) -> list[str]:
    return [found.file for found in textures(root)]


def apply(root: Path, path: str, options: dict[str, Any]) -> dict[str, Any]:
    return dict(UnityProjects().apply(root, [{"path": path, "options": options}]))


def refused(root: Path, path: str, options: dict[str, Any] | None = None) -> str:
    done = apply(root, path, FIX if options is None else options)
    assert done["before"] == done["after"] == []
    (error,) = done["errors"]
    assert error["path"] == path
    assert in_chinese(error_text(error)) != error["message"]
    return str(error["message"])


def test_a_texture_comes_with_its_path_its_place_and_its_options(root: Path) -> None:
    texture(root, "Assets/a/岩石.png", meta(overridden=["Android"]))
    (found,) = textures(root)
    assert (found.path, found.file, found.problem) == ("Assets/a/岩石.png", "Assets/a/岩石.png", "")
    assert found.options == {
        "textureType": "Default", "textureShape": "Texture2D", "sRGBTexture": True, "mipmapEnabled": True,
        "convertToNormalmap": False, "flipGreenChannel": False, "alphaSource": "FromInput",
        "alphaIsTransparency": False, "npotScale": "ToNearest", "isReadable": False, "wrapModeU": "Repeat",
        "wrapModeV": "Repeat", "filterMode": "Bilinear", "spriteImportMode": "None",
        "singleChannelComponent": "Alpha", "mipmapFilter": "BoxFilter", "mipMapBias": 0.0,
        "streamingMipmaps": False, "vtOnly": False,
        f"{DEFAULT}.overridden": False, f"{DEFAULT}.maxTextureSize": 2048, f"{DEFAULT}.format": "Automatic",
        f"{DEFAULT}.textureCompression": "Compressed", f"{DEFAULT}.crunchedCompression": False,
        "Android.overridden": True, "Android.maxTextureSize": 2048, "Android.format": "Automatic",
        "Android.textureCompression": "Compressed", "Android.crunchedCompression": False,
    }  # fmt: skip


def test_one_texture_can_be_asked_for(root: Path) -> None:
    texture(root, "Assets/b.png")
    texture(root, "Assets/font.png", "fileFormatVersion: 2\nTrueTypeFontImporter:\n  fontSize: 16\n")
    (root / "Assets/new.png").write_bytes(b"png")
    support = UnityProjects()
    assert support.texture(root, "Assets/b.png") in list(textures(root))
    assert support.texture(root, "Assets/font.png") is None
    new = support.texture(root, "Assets/new.png")
    assert new is not None and new.options is None


def test_what_unity_passes_over_is_passed_over(root: Path) -> None:
    for place in (
        "Library/x.png",
        "Assets/.x/y.png",
        "Assets/Art~/z.png",
        "Temp/w.png",
        "Assets/notes.txt",
        "logo.png",
    ):
        texture(root, place)
    texture(root, "Packages/com.acme.rocks/kept.PNG")
    texture(root, "Assets/kept.psd")
    assert files(root) == ["Assets/kept.psd", "Packages/com.acme.rocks/kept.PNG"]


def test_on_windows_folders_are_found_in_upper_and_lower_case_alike(root: Path) -> None:
    texture(root, "assets/rock.png")
    assert files(root) == (["assets/rock.png"] if sys.platform == "win32" else [])
    if sys.platform == "win32":
        assert apply(root, "Assets/rock.png", FIX)["errors"] == []
        assert "textureType: 1" in (root / "assets/rock.png.meta").read_text(encoding="utf-8")


def test_what_unity_bakes_and_what_is_imported_as_something_else_is_no_texture(root: Path) -> None:
    for number in (6, 11, 12):
        text = meta(replaced={"textureType: 0": f"textureType: {number}"})
        texture(root, f"Assets/Lightmap-{number}.png", text)
    texture(root, "Assets/raw.png", "fileFormatVersion: 2\nScriptedImporter:\n  userData: \n")
    assert files(root) == []


@pytest.mark.parametrize("text", [None, "fileFormatVersion: 2\nIHVImageFormatImporter:\n  sRGBTexture: 1\n",
                                  "fileFormatVersion: 2\nguid: 0\n"])  # fmt: skip
def test_a_texture_without_settings_has_no_options_and_no_problem(root: Path, text: str | None) -> None:
    file = texture(root, "Assets/rock.dds", text)
    if text is None:
        file.with_name("rock.dds.meta").unlink()
    (found,) = textures(root)
    assert (found.options, found.problem) == (None, "")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (meta(replaced={"  mipmaps:": "<<<<<<<< HEAD:a\n  mipmaps:"}), "merge conflict in line 7"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "`git lfs pull`"),
        (meta(replaced={"  isReadable: 0": "  isReadable: 0\n  isReadable: 1"}), "has isReadable twice"),
        (meta(replaced={"    wrapU: 0": "    wrapU: 0\n    wrapU: 1"}), "has wrapU twice"),
        ("{json: 1", "rock.png.meta has syntax in line"),
        ("\0" * 400, "has syntax that isn't known"),
        ("", "rock.png.meta has no settings"),
    ],
)
def test_syntax_that_isnt_known_is_told_and_left_untouched(root: Path, text: str, says: str) -> None:
    file = texture(root, "Assets/rock.png", text)
    (found,) = textures(root)
    assert found.options is None and says in found.problem
    assert found.broken is ("<<<<<<<" in text or "git-lfs" in text)
    assert in_chinese(found.problem) != found.problem
    assert says.removeprefix("rock.png.meta ") in refused(root, "Assets/rock.png")
    assert file.with_name("rock.png.meta").read_text(encoding="utf-8") == text


OLD_META = """\
fileFormatVersion: 2
guid: 0123456789abcdef0123456789abcdef
timeCreated: 1428537765
licenseType: Pro
TextureImporter:
  fileIDToRecycleName: {{}}
  serializedVersion: 2
  mipmaps:
    mipMapMode: 0
    enableMipMap: 1
    linearTexture: {linear}
    correctGamma: 0
    fadeOut: 0
    borderMipMap: 0
    mipMapFadeDistanceStart: 1
    mipMapFadeDistanceEnd: 3
  bumpmap:
    convertToNormalMap: 0
    externalNormalMap: {external}
    heightScale: 0.25
    normalMapFilter: 0
  isReadable: 0
  grayScaleToAlpha: 0
  generateCubemap: {cube}
  seamlessCubemap: 0
  textureFormat: {form}
  maxTextureSize: 1024
  textureSettings:
    filterMode: -1
    aniso: 16
    mipBias: -1
    wrapMode: 1
  nPOTScale: 1
  lightmap: 0
  rGBM: 0
  compressionQuality: 50
  spriteMode: 0
  alphaIsTransparency: 0
  textureType: {type}
  buildTargetSettings:
  - buildTarget: Android
    maxTextureSize: 512
    textureFormat: 34
    compressionQuality: 50
    allowsAlphaSplitting: 0
  spriteSheet:
    sprites: []
    outline: []
  spritePackingTag:
  userData:
  assetBundleName:
"""


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"type": 0, "linear": 1}, {"textureType": "Default", "sRGBTexture": True}),
        ({"type": 1}, {"textureType": "NormalMap", "sRGBTexture": None}),
        ({"type": 3}, {"textureType": "Default", "textureShape": "TextureCube"}),
        ({"type": 5, "cube": 1}, {"textureType": "Default", "textureShape": "TextureCube"}),
        ({"type": 5, "linear": 1}, {"textureType": "Default", "sRGBTexture": False}),
        ({"type": -1, "external": 1}, {"textureType": "NormalMap"}),
        ({"type": 8, "form": -3}, {"textureType": "Sprite",
                                   "DefaultTexturePlatform.textureCompression": "Uncompressed"}),
    ],
)  # fmt: skip
def test_settings_of_unity_5_are_read_as_unity_translates_them_and_never_written(
    root: Path, values: dict[str, int], expected: dict[str, object]
) -> None:
    text = OLD_META.format(**{"linear": 0, "external": 0, "form": -1, "type": 0, "cube": 0, **values})
    file = texture(root, "Assets/rock.png", text)
    (found,) = textures(root)
    assert found.options is not None and found.read_only and not found.problem
    everywhere = {
        "mipmapEnabled": True, "filterMode": "Bilinear", "wrapModeU": "Clamp",
        "DefaultTexturePlatform.maxTextureSize": 1024, "DefaultTexturePlatform.format": "Automatic",
        "Android.overridden": True, "Android.maxTextureSize": 512, "Android.format": "ETC_RGB4",
    }  # fmt: skip
    assert {name: found.options.get(name) for name in {**everywhere, **expected}} == everywhere | expected
    assert "written by Unity 5.4 or older" in refused(root, "Assets/rock.png")
    assert file.with_name("rock.png.meta").read_text(encoding="utf-8") == text


def test_settings_that_are_not_checked_out_are_told_and_left_alone(root: Path) -> None:
    texture(root, "Assets/rock.png")
    settings = root / "Assets/rock.png.meta"
    settings.chmod(0o444)
    said = refused(root, "Assets/rock.png")
    assert "rock.png.meta can't be written: it is read-only: check it out, for example with `p4 edit`" in said
    assert settings.read_text(encoding="utf-8") == meta()
    settings.chmod(0o644)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_a_link_stays_one_and_leads_nowhere_else(root: Path) -> None:
    for name, place in (("in", root / "shared.txt"), ("out", root.parent / "others.txt")):
        texture(root, f"Assets/{name}.png")
        settings = root / f"Assets/{name}.png.meta"
        settings.rename(place)
        settings.symlink_to(place)
    assert apply(root, "Assets/in.png", FIX)["errors"] == []
    assert (root / "Assets/in.png.meta").is_symlink()
    assert "textureType: 1" in (root / "shared.txt").read_text(encoding="utf-8")
    assert "leads out of the project" in refused(root, "Assets/out.png")
    assert (root.parent / "others.txt").read_text(encoding="utf-8") == meta("Assets/out.png")


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_assets_that_are_a_link_are_told(root: Path) -> None:
    texture(root, "elsewhere/a.png")
    (root / "Assets").symlink_to(root / "elsewhere")
    (found,) = textures(root)
    assert (found.file, found.problem) == ("Assets", "the folder is a link, which isn't followed")
    assert in_chinese(found.problem) != found.problem


@pytest.mark.skipif(sys.platform != "win32", reason="others read and replace files that are open")
def test_settings_that_another_program_holds_open_are_told_and_left_alone(root: Path) -> None:
    texture(root, "Assets/rock.png")
    with (root / "Assets/rock.png.meta").open("rb"):
        said = refused(root, "Assets/rock.png")
    assert said.startswith("rock.png.meta can't be written: another program has it open")
    assert (root / "Assets/rock.png.meta").read_text(encoding="utf-8") == meta()
    assert len(list((root / "Assets").iterdir())) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="pipes have no names there")
def test_a_pipe_in_the_place_of_settings_is_told_and_not_waited_for(root: Path) -> None:
    texture(root, "Assets/rock.png")
    (root / "Assets/rock.png.meta").unlink()
    os.mkfifo(root / "Assets/rock.png.meta")
    (found,) = textures(root)
    assert found.options is None and "isn't a regular file" in found.problem


@pytest.mark.parametrize(
    ("path", "says"),
    [("Assets/../../out.png", "isn't a path of this"), ("/etc/passwd", "isn't a path of this"),
     ("Assets/gone.png", "does not exist"), ("Assets/" + "a" * 5000, "does not exist"),
     ("a\0b", "does not exist"),
     ("", "isn't a path")],
)  # fmt: skip
def test_a_path_that_is_none_of_the_project_is_refused(root: Path, path: str, says: str) -> None:
    assert says in refused(root, path)


def test_what_is_no_texture_is_refused(root: Path) -> None:
    texture(root, "Assets/raw.png", "fileFormatVersion: 2\nScriptedImporter:\n  userData: \n")
    assert "is imported as ScriptedImporter" in refused(root, "Assets/raw.png")
    (root / "Assets/new.png").write_bytes(b"png")
    assert "isn't imported" in refused(root, "Assets/new.png")


def test_a_change_tells_what_was_and_is_and_none_takes_away(root: Path) -> None:
    old = meta(version="2021.3.45f1")
    texture(root, "Assets/rock.png", old)
    done = apply(root, "Assets/rock.png", {"flipGreenChannel": True, f"{DEFAULT}.maxTextureSize": 512})
    (before,), (after,) = done["before"], done["after"]
    assert before["options"] == {"flipGreenChannel": None, f"{DEFAULT}.maxTextureSize": 2048}
    assert after["options"] == {"flipGreenChannel": True, f"{DEFAULT}.maxTextureSize": 512}
    assert apply(root, "Assets/rock.png", before["options"])["errors"] == []
    assert (root / "Assets/rock.png.meta").read_text(encoding="utf-8") == old


@pytest.mark.parametrize(
    ("options", "says"),
    [({"colour": 1}, "is not a known import setting"), ({"sRGBTexture": "yes"}, "sRGBTexture can't be 'yes'"),
     ({"iPhone.maxTextureSize": 32}, "there is no place for maxTextureSize")],
)  # fmt: skip
def test_a_change_that_cant_be_is_refused_and_nothing_is_written(
    root: Path, options: dict[str, Any], says: str
) -> None:
    texture(root, "Assets/rock.png")
    assert says in refused(root, "Assets/rock.png", {"isReadable": True, **options})
    assert (root / "Assets/rock.png.meta").read_text(encoding="utf-8") == meta()


def test_two_values_of_a_group_that_isnt_there_are_written_with_it(root: Path) -> None:
    text = "fileFormatVersion: 2\nTextureImporter:\n  serializedVersion: 13\n"
    texture(root, "Assets/rock.png", text)
    done = apply(root, "Assets/rock.png", {"sRGBTexture": False, "mipmapEnabled": True})
    (before,), (after,) = done["before"], done["after"]
    assert after["options"] == {"sRGBTexture": False, "mipmapEnabled": True}
    assert apply(root, "Assets/rock.png", before["options"])["errors"] == []
    assert (root / "Assets/rock.png.meta").read_text(encoding="utf-8") == text


def test_a_folder_that_cant_be_listed_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imported(root, "Assets/a/b.png")
    scandir = os.scandir

    def closed(folder: Any) -> Any:
        if str(folder).endswith("a"):
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", closed)
    (found,) = textures(root)
    assert found.file == "Assets/a" and "can't be listed" in found.problem


@pytest.mark.parametrize(
    ("replaced", "overridden", "says"),
    [
        ({"  isReadable: 0": "  isReadable: 1"}, (), "isReadable is true, not false"),
        ({"  textureType: 0": "  textureType: 8"}, (), 'textureType is "Sprite", not "Default"'),
        ({}, ("Android",), "Android.overridden is true, not –"),
        ({"  userData: ": "  userData: mine"}, (), ""),
        ({"    sRGBTexture: 1": "    sRGBTexture: 0"}, (), ""),
    ],
)
def test_settings_that_arent_those_that_were_judged_stay(
    root: Path, replaced: dict[str, str], overridden: tuple[str, ...], says: str
) -> None:
    settings = "PlayerSettings:\n  m_ActiveColorSpace: 0\n"
    (root / "ProjectSettings/ProjectSettings.asset").write_text(settings, encoding="utf-8")
    texture(root, "Assets/rock.png")
    (seen,) = textures(root)
    mine = meta(replaced=replaced, overridden=overridden)
    file = imported(root, "Assets/rock.png", mine)
    change = {"path": "Assets/rock.png", "options": FIX, "seen": seen.options}
    done = UnityProjects().apply(root, [change])
    assert [error["message"] for error in done["errors"]] == (
        [f"rock.png.meta was changed during the audit: {says}. Left unchanged; run the audit again."]
        if says
        else []
    )
    assert (file.read_text(encoding="utf-8") == mine) is bool(says)
    assert len(done["after"]) == (not says)


def test_what_is_put_back_is_what_is_as_expected(root: Path) -> None:
    texture(root, "Assets/rock.png")
    expected = {"textureType": "NormalMap", "sRGBTexture": True}
    change = {"path": "Assets/rock.png", "options": {**FIX, "textureType": "Sprite"}, "expected": expected}
    done = UnityProjects().apply(root, [change])
    assert done["before"] == [{"path": "Assets/rock.png", "options": {"sRGBTexture": True}}]
    assert done["after"] == [{"path": "Assets/rock.png", "options": {"sRGBTexture": False}}]
    (error,) = done["errors"]
    assert error["message"].startswith('textureType was changed meanwhile: it is "Default", not "Nor')
