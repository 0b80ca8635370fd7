"""`popbridge audit` of a Unity project: what it finds, what `--fix` writes, and what `revert` puts back."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any

import pytest

from bridge import cli
from tests.unity.projects import VERSIONS, game, meta
from tests.unity.test_uses import URP_LIT, material, write

FILES = ("materials/rock_normal.png", "materials/wall_normal.png", "materials/rock_roughness.png",
         "materials/brick_albedo.png", "ui/icon.png")  # fmt: skip
NORMAL = {"    sRGBTexture: 1": "    sRGBTexture: 0", "  textureType: 0": "  textureType: 1"}
FIXED: dict[str, dict[str, str]] = {
    "materials/rock_normal.png": NORMAL,
    "materials/wall_normal.png": NORMAL,
    "materials/rock_roughness.png": {"    sRGBTexture: 1": "    sRGBTexture: 0"},
    "materials/brick_albedo.png": {},
    "ui/icon.png": {
        "    enableMipMap: 1": "    enableMipMap: 0",
        "    textureCompression: 1": "    textureCompression: 0",
    },
}
"""What `--fix` writes into each of the demo's files, line by line."""


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
    project = game(tmp_path / "game", version, FILES)
    before = settings_in(project)
    assert audit(project, "--fix") == 0
    assert f"unity {version}" in capsys.readouterr().out
    after = settings_in(project)
    assert {file: changed(before[file], after[file]) for file in FILES} == FIXED
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


def test_a_project_of_an_older_unity_is_audited_as_files_and_says_so(tmp_path: Path) -> None:
    told = report(game(tmp_path / "game", "2021.3.45f1", FILES[:1]), tmp_path)
    assert told["engine"] == "unity 2021.3.45f1"
    (tmp_path / "game/ProjectSettings/ProjectVersion.txt").write_text("m_EditorVersion: 2020.3.1f1\n")
    told = report(tmp_path / "game", tmp_path)
    assert told["engine"] is None and "unity 2020.3.1f1 is served by no adapter" in told["notice"]


def test_settings_that_were_merged_are_told_and_left_alone(tmp_path: Path) -> None:
    project = game(tmp_path / "game", only=FILES[:1])
    settings = project / "Assets" / f"{FILES[0]}.meta"
    text = settings.read_text(encoding="utf-8").replace("  mipmaps:", "<<<<<<< HEAD\n  mipmaps:")
    settings.write_text(text, encoding="utf-8", newline="")
    told = report(project, tmp_path, "--fix")
    (only,) = told["files"]
    assert "unknown_settings" in [finding["code"] for finding in only["findings"]]
    assert settings.read_text(encoding="utf-8") == text


def report(project: Path, folder: Path, *arguments: str) -> dict[str, Any]:
    audit(project, "--json", str(folder / "report.json"), *arguments)
    told: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return told
