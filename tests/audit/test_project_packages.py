"""A package of Unity in a project: `package.json` makes it a project by itself, but the game imports it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from bridge.audit import baseline
from bridge.audit.project import scope_name
from bridge.host import host
from tests.audit.test_baseline import row
from tests.unity.projects import game as unity_game
from tests.unity.projects import texture


@pytest.fixture(params=["Packages/com.acme.rocks", "Assets/Plugins/Rocks"])
def package(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    root = unity_game(tmp_path / "game", "2022.3.62f1", only=["materials/rock_roughness.png"])
    place = root / request.param
    texture(place, "Runtime/a.png")
    text = '{"name": "com.acme.rocks", "version": "1.0.0", "unity": "2019.4"}'
    (place / "package.json").write_text(text, encoding="utf-8")
    return place


@pytest.mark.parametrize("below", ["", "Runtime", "Runtime/a.png"])
def test_it_is_a_part_of_the_project(
    tmp_path: Path, package: Path, registry: host.Registry, below: str
) -> None:
    game = tmp_path / "game"
    found = scope_name(registry, str(package / below))
    assert found.engine == "unity 2022.3.62f1" and found.root == game.resolve()
    assert found.part == (package / below).relative_to(game).as_posix()


def test_without_a_texture_it_is_audited_by_itself(package: Path, registry: host.Registry) -> None:
    (package / "Runtime/a.png").unlink()
    assert scope_name(registry, str(package)).root == package.resolve()


def test_it_is_so_by_other_letters_too(
    tmp_path: Path, package: Path, registry: host.Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows and macOS, where a file is found by other letters, too."""
    if not (package / "RUNTIME").exists():
        # Here another file stands for the same one: of no importer that Unity has for textures.
        texture(package, "Runtime/A.png", "fileFormatVersion: 2\nguid: 0\nDefaultImporter:\n  userData: \n")
        listdir = os.listdir
        monkeypatch.setattr(os, "listdir", lambda folder: sorted({*listdir(folder)} - {"A.png"}))
        monkeypatch.setattr(os.path, "samefile", lambda one, other: Path(one).suffix == ".png")
    found = scope_name(registry, str(package / "Runtime/A.png"))
    assert found.root == (tmp_path / "game").resolve()
    assert found.part == (package / "Runtime/a.png").relative_to(tmp_path / "game").as_posix()


def test_a_baseline_of_the_project_keeps_what_is_accepted_elsewhere(
    package: Path, registry: host.Registry, tmp_path: Path
) -> None:
    (tmp_path / "b.json").write_text(baseline.baseline_text([row("Assets/a.png", "x")]), encoding="utf-8")
    others = baseline.read_others(tmp_path / "b.json", scope_name(registry, str(package)))
    assert {entry.file for entry in others} == {"Assets/a.png"}


def test_in_a_project_that_is_broken_it_is_one_by_itself(
    tmp_path: Path, package: Path, registry: host.Registry
) -> None:
    game = tmp_path / "game"
    (game / "ProjectSettings/ProjectVersion.txt").write_text("", encoding="utf-8")
    assert scope_name(registry, str(package / "Runtime")).root == package.resolve()


def test_in_a_project_that_passes_over_it_it_is_one_by_itself(
    tmp_path: Path, package: Path, registry: host.Registry
) -> None:
    game = tmp_path / "game"
    shutil.copytree(package, game / "Assets/Editor/Rocks")
    assert scope_name(registry, str(game / "Assets/Editor/Rocks")).part == ""


@pytest.mark.parametrize("below", ["", "Assets", "Assets/materials/rock_roughness.png"])
def test_a_project_below_a_package_is_one_by_itself(
    tmp_path: Path, registry: host.Registry, below: str
) -> None:
    texture(tmp_path, "rocks/Runtime/a.png")
    text = '{"name": "com.acme.rocks", "version": "1.0.0", "unity": "2021.3"}'
    (tmp_path / "rocks/package.json").write_text(text, encoding="utf-8")
    dev = unity_game(tmp_path / "rocks/Dev", "2022.3.62f1", only=["materials/rock_roughness.png"])
    texture(dev, "Library/PackageCache/com.acme.moss/b.png")
    found = scope_name(registry, str(dev / below))
    assert (found.engine, found.root, found.part) == ("unity 2022.3.62f1", dev.resolve(), below)
    of_package = scope_name(registry, str(tmp_path / "rocks")).textures()
    assert [one.file for one in of_package] == ["Runtime/a.png"]
