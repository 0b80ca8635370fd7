"""`popbridge audit` of a Unity project: what it finds, what `--fix` writes, and what `revert` puts back."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bridge import cli
from bridge.demo.textures import save
from tests.unity.projects import VERSIONS, game, imported, meta
from tests.unity.test_assets import OLD_META
from tests.unity.test_projects import package
from tests.unity.test_usage import URP_LIT, material, write

pytestmark = pytest.mark.usefixtures("shared_workers")

FILES = ("materials/rock_normal.png", "materials/wall_normal.png")
SPRITE = {"  textureType: 0": "  textureType: 8", "    filterMode: 1": "    filterMode: 0",
          "    enableMipMap: 1": "    enableMipMap: 0"}  # fmt: skip
NORMAL = {"    sRGBTexture: 1": "    sRGBTexture: 0", "  textureType: 0": "  textureType: 1"}
LINEAR = {"    sRGBTexture: 1": "    sRGBTexture: 0"}
FLIP = {"    flipGreenChannel: 0": "    flipGreenChannel: 1"}
FIXED: dict[str, dict[str, str]] = {
    "materials/brick_normal.png": NORMAL,
    "materials/metal_orm.png": LINEAR,
    "materials/rock_normal.png": NORMAL,
    "materials/rock_roughness.png": LINEAR,
    "materials/wall_normal.png": NORMAL,
    # It is shown as squares, as pixel art is.
    "ui/icon.png": {"    textureCompression: 1": "    textureCompression: 0"},
}
"""What `--fix` writes into files of the demo, line by line."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POPBRIDGE_HOME", str(tmp_path / "home"))


def audit(project: Path, *arguments: str) -> int:
    return cli.main(["audit", str(project), "--workers", "1", *arguments])


def settings_in(project: Path) -> dict[str, str]:
    return {
        path.relative_to(project / "Assets").as_posix().removesuffix(".meta"): path.read_text(
            encoding="utf-8"
        )
        for path in (project / "Assets").rglob("*.png.meta")
    }


def changed(before: str, after: str) -> dict[str, str]:
    lines = [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "+-"]
    assert len(lines) % 2 == 0
    return {old[2:]: new[2:] for old, new in zip(lines[::2], lines[1::2], strict=True)}


@pytest.mark.parametrize("version", VERSIONS)
def test_fix_changes_single_lines_and_revert_puts_every_byte_back(
    version: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = game(tmp_path / "game", version)
    imported(project, "Assets/ui/icon.png", meta("Assets/ui/icon.png", version, SPRITE))
    before = settings_in(project)
    assert audit(project, "--fix") == 0
    assert f"unity {version}" in capsys.readouterr().out
    after = settings_in(project)
    lines = {file: changed(before[file], after[file]) for file in before}
    bricks = "materials/brick_normal.png"
    if FLIP.keys() <= set(before[bricks].splitlines()):
        # Older versions have no setting for the green channel.
        assert FLIP.items() <= lines[bricks].items()
        lines[bricks] = {line: new for line, new in lines[bricks].items() if line not in FLIP}
    assert {file: different for file, different in lines.items() if different} == FIXED
    assert audit(project) == 0
    assert cli.main(["revert", "1"]) == 0
    assert settings_in(project) == before


def test_a_material_says_what_a_texture_is(tmp_path: Path) -> None:
    project = game(tmp_path / "game", only=["materials/rock_roughness.png"])
    place = project / "Assets/materials/rock_roughness.png"
    (project / "Assets/x.png.meta").write_text(meta("Assets/x.png"), encoding="utf-8", newline="")
    place.rename(project / "Assets/x.png")
    place.with_name("rock_roughness.png.meta").unlink()
    write(project, "Assets/rock.mat", material(URP_LIT, _OcclusionMap="Assets/x.png"))
    told = report(project, tmp_path)
    (only,) = told["files"]
    assert (only["kind"], only["options"]) == ("ao", {"sRGBTexture": False})
    assert {"source": "slot", "detail": "used as ao", "kind": "ao"} in only["evidence"]


def test_grey_reflections_are_colours_in_unity(tmp_path: Path) -> None:
    project = game(tmp_path / "game", only=["materials/rock_roughness.png"])
    place = project / "Assets/materials/rock_roughness.png"
    place.rename(project / "Assets/rock_specular.png")
    place.with_name("rock_roughness.png.meta").rename(project / "Assets/rock_specular.png.meta")
    (only,) = report(project, tmp_path)["files"]
    assert only["kind"] == "specular" and only["options"] == {}


def renamed(project: Path, old: str, new: str, **replaced: str) -> None:
    """Gives a texture of the demo another name, and its settings other lines, `{old: new}`."""
    (project / "Assets" / old).rename(project / "Assets" / new)
    (project / "Assets" / f"{old}.meta").unlink()
    imported(project, f"Assets/{new}", meta(f"Assets/{new}", replaced=replaced))


def test_metalness_with_smoothness_is_left_as_unitys_own_shaders_take_it(tmp_path: Path) -> None:
    project = game(tmp_path / "game", only=["materials/metal_orm.png"])
    packed = np.zeros((256, 256, 4))
    packed[:128, :, 0] = 0.6
    packed[..., 3] = np.random.default_rng(1).uniform(0.2, 0.8, (256, 256))
    save(packed, project / "Assets/materials/metal_orm.png")
    renamed(project, "materials/metal_orm.png", "rock_MetallicSmoothness.png")
    assert "data_as_srgb" not in codes(report(project, tmp_path))
    renamed(project, "rock_MetallicSmoothness.png", "rock_mask.png")
    assert "data_as_srgb" in codes(report(project, tmp_path))
    packed[:128, :, 0] = 1
    save(packed, project / "Assets/rock_mask.png")
    assert "data_as_srgb" not in codes(report(project, tmp_path)), "sRGB leaves 0 and 1 as they are"


def test_where_colours_are_computed_as_they_are_stored_nothing_is_said_of_that(tmp_path: Path) -> None:
    project = game(tmp_path / "game", only=["materials/rock_roughness.png", "materials/rock_normal.png"])
    settings = "PlayerSettings:\n  m_ActiveColorSpace: 0\n"
    (project / "ProjectSettings/ProjectSettings.asset").write_text(settings, encoding="utf-8")
    assert codes(report(project, tmp_path)) == ["grey_as_rgb", "normal_as_color"]
    assert audit(project, "--fix") == 0
    assert cli.main(["revert", "1"]) == 0


def test_widgets_and_sprites_with_the_editors_defaults_are_right(tmp_path: Path) -> None:
    project = game(tmp_path / "game", only=["ui/icon.png", "ui/button.png", "sprites/hero.png"])
    for file in ("ui/icon.png", "ui/button.png", "sprites/hero.png"):
        text = meta(f"Assets/{file}", replaced={"  textureType: 0": "  textureType: 8"})
        imported(project, f"Assets/{file}", text)
    assert "error" not in severities(report(project, tmp_path))


@pytest.mark.parametrize(("channel", "told"), [("0", False), ("1", True)], ids=["alpha", "red"])
def test_of_one_channel_only_what_unity_can_compress_is_to_be_compressed(
    channel: str, told: bool, tmp_path: Path
) -> None:
    file = "materials/rock_roughness.png"
    project = game(tmp_path / "game", only=[file])
    lines = {"  textureType: 0": "  textureType: 10", "textureCompression: 1": "textureCompression: 0",
             "singleChannelComponent: 0": f"singleChannelComponent: {channel}"}  # fmt: skip
    imported(project, f"Assets/{file}", meta(f"Assets/{file}", replaced=lines))
    found = report(project, tmp_path)
    assert ("uncompressed" in codes(found)) is told
    # A byte for each of 512 x 512 texels, and their mipmaps.
    assert found["memory"] == 349_525


def test_one_mistake_is_told_once(tmp_path: Path) -> None:
    project = game(tmp_path / "game", only=["materials/brick_albedo.png"])
    renamed(project, "materials/brick_albedo.png", "brick_albedo.png", **NORMAL)
    assert codes(report(project, tmp_path)) == ["color_as_normal"]


def test_normals_of_which_unity_makes_normals_are_told_as_such(tmp_path: Path) -> None:
    project = game(tmp_path / "game", only=FILES[:1])
    renamed(
        project, FILES[0], "rock_normal.png", **NORMAL, **{"convertToNormalMap: 0": "convertToNormalMap: 1"}
    )
    (only,) = report(project, tmp_path)["files"]
    (finding,) = only["findings"]
    assert "computes normals from its brightness" in finding["message"]
    assert only["options"] == {"convertToNormalmap": False}


def test_one_odd_file_keeps_no_other_from_being_mended(tmp_path: Path) -> None:
    project = game(tmp_path / "game", only=FILES[:2])
    odd = project / "Assets" / f"{FILES[0]}.meta"
    text = odd.read_text(encoding="utf-8").replace("  mipmaps:", "  mipmaps: {sRGBTexture: 1}\n  rest:", 1)
    odd.write_text("\ufeff" + text.replace("  textureType: 0\n", ""), encoding="utf-8", newline="")
    told = report(project, tmp_path, "--fix")
    assert {file["file"]: file["mended"] != [] for file in told["files"]} == {
        f"Assets/{file}": True for file in FILES[:2]
    }
    assert odd.read_text(encoding="utf-8").startswith("\ufefffileFormatVersion")
    assert cli.main(["revert", "1"]) == 0
    assert odd.read_text(encoding="utf-8") == "\ufeff" + text.replace("  textureType: 0\n", "")


def test_of_what_unity_writes_where_nothing_was_set_nobody_is_said_to_have_changed_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = game(tmp_path / "game", only=["materials/rock_normal.png"])
    file = project / "Assets/materials/rock_normal.png.meta"
    whole = file.read_bytes()
    unset = whole.replace(b"  textureType: 0\n", b"")
    file.write_bytes(unset)
    assert audit(project, "--fix") == 0 and b"  textureType: 1\n" in file.read_bytes()
    assert cli.main(["revert", "1"]) == 0
    assert file.read_bytes() == unset
    file.write_bytes(whole)
    assert cli.main(["revert", "2"]) == 1
    said = 'textureType is "Default" but wasn\'t set before'
    assert said in " ".join(capsys.readouterr().out.split())
    assert b"  textureType: 0\n" in file.read_bytes()


def test_a_project_of_an_older_unity_is_read_and_says_so(tmp_path: Path) -> None:
    told = report(game(tmp_path / "game", "2021.3.45f1", FILES[:1]), tmp_path)
    assert told["engine"] == "unity 2021.3.45f1"
    (tmp_path / "game/ProjectSettings/ProjectVersion.txt").write_text("m_EditorVersion: 2020.3.1f1\n")
    told = report(tmp_path / "game", tmp_path)
    assert told["engine"] == "unity 2020.3.1f1" and "2020.3.1" in told["notice"]
    assert [finding["code"] for finding in told["files"][0]["findings"]] == ["normal_as_color"]
    (tmp_path / "game/ProjectSettings/ProjectVersion.txt").write_text("m_EditorVersion: 4.7.2f1\n")
    told = report(tmp_path / "game", tmp_path)
    assert told["engine"] is None and "No adapter supports Unity 4.7.2f1" in told["notice"]


def test_settings_that_were_merged_are_told_and_left_alone(tmp_path: Path) -> None:
    project = game(tmp_path / "game", only=FILES[:1])
    settings = project / "Assets" / f"{FILES[0]}.meta"
    text = settings.read_text(encoding="utf-8").replace("  mipmaps:", "<<<<<<< HEAD\n  mipmaps:")
    settings.write_text(text, encoding="utf-8", newline="")
    told = report(project, tmp_path, "--fix")
    (only,) = told["files"]
    severities = {finding["code"]: finding["severity"] for finding in only["findings"]}
    assert severities["unknown_settings"] == "error"
    assert settings.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("ignore", ["com.acme.rocks", "Packages/com.acme.rocks/**", "Packages/rocks/"])
def test_a_package_is_ignored_by_its_name_and_by_its_folders(ignore: str, tmp_path: Path) -> None:
    project = game(tmp_path / "game", only=FILES[:1])
    package(project / "Packages/rocks", name="com.acme.rocks", unity="2021.3")
    (project / "Assets/materials").rename(project / "Packages/rocks/materials")
    assert report(project, tmp_path)["files"][0]["path"] == f"Packages/com.acme.rocks/{FILES[0]}"
    (project / "popbridge.toml").write_text(f'[textures]\nignore = ["{ignore}"]\n', encoding="utf-8")
    assert report(project, tmp_path)["textures"] == 0


def test_a_pattern_with_a_slash_begins_at_the_root(tmp_path: Path) -> None:
    project = game(tmp_path / "game", only=FILES[:1])
    package(project / "Packages/rocks", name="com.acme.rocks", unity="2021.3")
    (project / "Assets/materials").rename(project / "Packages/rocks/materials")
    (project / "popbridge.toml").write_text('[textures]\nignore = ["com.acme.rocks/**"]\n', encoding="utf-8")
    assert report(project, tmp_path)["textures"] == 1


def codes(told: dict[str, Any]) -> list[str]:
    return sorted(finding["code"] for file in told["files"] for finding in file["findings"])


def severities(told: dict[str, Any]) -> set[str]:
    return {finding["severity"] for file in told["files"] for finding in file["findings"]}


def report(project: Path, folder: Path, *arguments: str) -> dict[str, Any]:
    audit(project, "--json", str(folder / "report.json"), *arguments)
    told: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return told


def test_pointers_of_git_lfs_are_told_as_such_and_stay(tmp_path: Path) -> None:
    project = game(tmp_path / "game", only=FILES)
    pointer = project / "Assets" / FILES[0]
    pointer.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    (project / "Assets" / FILES[1]).write_bytes(b"\x89PNG\r\n\x1a\n, and no more")
    before = pointer.read_bytes(), settings_in(project)
    told = report(project, tmp_path, "--fix")
    assert codes(told) == ["lfs_pointer", "unreadable"] and severities(told) == {"error"}
    assert (pointer.read_bytes(), settings_in(project)) == before


def test_settings_of_unity_5_are_judged_with_one_notice_and_never_fixed(tmp_path: Path) -> None:
    project = game(tmp_path / "game", only=FILES[:1])
    settings = project / "Assets" / f"{FILES[0]}.meta"
    text = OLD_META.format(linear=0, external=0, form=-1, type=0, cube=0)
    settings.write_text(text, encoding="utf-8", newline="")
    told = report(project, tmp_path, "--fix")
    assert "written by Unity 5.4 or older" in told["notice"] and "ForceReserializeAssets" in told["notice"]
    (only,) = told["files"]
    assert {finding["code"]: finding["fixable"] for finding in only["findings"]} == {"normal_as_color": False}
    assert settings.read_text(encoding="utf-8") == text
