"""`popbridge audit` of a folder or a file in a project: reports, --fix and baselines hold for that alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from bridge.audit import audit as audit_module
from tests.audit.projects import game
from tests.commands.shell import one_line
from tests.unity.projects import game as unity_game

ROCK = "materials/rock_normal.png"
TEXT = '{{"popbridge_baseline": 1, "accepted": [{{"file": "{}", "code": "x", "content": ""}}]}}'


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of each engine with a finding in each of two folders, drawn once."""
    folder = tmp_path_factory.mktemp("drawn")
    game(folder / "godot", only=[ROCK, "materials/brick_albedo.png"])
    unity_game(folder / "unity", only=[ROCK, "materials/rock_roughness.png"])
    (folder / "godot/walls").mkdir()
    for path in (folder / "godot/materials").glob("brick*"):
        path.rename(folder / "godot/walls" / path.name)
    (folder / "unity/Assets/walls").mkdir()
    for path in (folder / "unity/Assets/materials").glob("rock_rough*"):
        path.rename(folder / "unity/Assets/walls" / path.name)
    return folder


@pytest.fixture(params=[("godot", "."), ("unity", "Assets")])
def textures(request: pytest.FixtureRequest, drawn: Path, tmp_path: Path) -> Path:
    """The folder of the two folders, in a project of its own."""
    engine, below = request.param
    return Path(shutil.copytree(drawn / engine, tmp_path / "game")) / below


def settings(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.suffix in (".import", ".meta")}


def test_fix_mends_the_part_alone_and_is_put_back(popbridge: Any, textures: Path) -> None:
    before, others = settings(textures), settings(textures / "walls")
    walls = ["audit", str(textures / "walls"), "--workers", "1"]
    materials = ["audit", str(textures / "materials"), "--workers", "1"]
    assert popbridge(*walls)[0] == popbridge(*materials)[0] == 1
    code, out, err = popbridge(*materials, "--fix")
    assert (code, err) == (0, "") and "`popbridge revert" in out
    assert "Only this part of the project was checked: " in out and "walls" not in out
    assert settings(textures / "walls") == others and settings(textures) != before
    assert popbridge(*materials)[0] == 0 and popbridge(*walls)[0] == 1
    assert popbridge("revert", "1")[0] == 0 and settings(textures) == before


def test_a_baseline_of_a_part_keeps_what_was_accepted_elsewhere(
    popbridge: Any, textures: Path, tmp_path: Path
) -> None:
    base = tmp_path / "b.json"
    flags = ["--workers", "1", "--baseline", str(base)]
    assert popbridge("audit", str(textures / "materials"), *flags, "--update-baseline")[0] == 0
    assert popbridge("audit", str(textures), *flags)[0] == 1
    code, out, _ = popbridge("audit", str(textures / "walls"), *flags, "--update-baseline")
    assert code == 0 and "fit nothing" not in out
    for place in (".", "materials", "walls"):
        code, out, _ = popbridge("audit", str(textures / place), *flags)
        assert code == 0 and "fit nothing" not in out


def test_what_others_accept_meanwhile_stays_and_what_they_break_is_told(
    popbridge: Any, textures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tmp_path / "b.json"
    flags = ["--workers", "1", "--baseline", str(base)]
    update = ["audit", str(textures / "materials"), *flags, "--update-baseline"]
    meanwhile, real = [TEXT.format("else.png")], audit_module.audit

    async def audit(*args: Any) -> Any:
        base.write_text(meanwhile[0], encoding="utf-8")
        return await real(*args)

    monkeypatch.setattr(audit_module, "audit", audit)
    assert popbridge(*update)[0] == 0
    assert "else.png" in base.read_text(encoding="utf-8") and popbridge(*update)[0] == 0
    meanwhile[0] = "<<<<<<< HEAD\n" + meanwhile[0]
    code, out, err = popbridge(*update)
    assert code == 2 and one_line(err) and "is not a valid baseline" in err and "1 texture" in out
    assert base.read_text(encoding="utf-8") == meanwhile[0]


def test_one_texture_is_audited_by_itself(popbridge: Any, textures: Path, tmp_path: Path) -> None:
    told = tmp_path / "j"
    file = next((textures / "walls").glob("*.png"))
    assert popbridge("audit", str(file), "--workers", "1", "--json", str(told))[0] == 1
    report = json.loads(told.read_text(encoding="utf-8"))
    assert (report["project"], report["textures"]) == ("game", 1) and report["part"].endswith(file.name)
    assert [one["file"] for one in report["files"]] == [report["part"]]


def test_the_projects_own_file_holds_in_its_parts(popbridge: Any, textures: Path) -> None:
    root = textures.parent if textures.name == "Assets" else textures
    (root / "popbridge.toml").write_text('[textures]\nignore = ["walls/"]\n', encoding="utf-8")
    code, out, _ = popbridge("audit", str(textures / "walls"), "--workers", "1")
    assert code == 0 and "contains no textures, or all are ignored" in out
    file = next((textures / "walls").glob("*.png"))
    code, _, err = popbridge("audit", str(file), "--workers", "1")
    assert code == 2 and one_line(err) and str(file) in err
    (root / "popbridge.toml").write_text("[textures]\nmax_size = 0\n", encoding="utf-8")
    code, _, err = popbridge("audit", str(textures / "walls"))
    assert code == 2 and one_line(err) and "popbridge.toml" in err


def test_where_the_engine_finds_nothing_the_files_are_audited_and_nothing_is_mended(
    popbridge: Any, textures: Path, tmp_path: Path
) -> None:
    root = textures.parent if textures.name == "Assets" else textures
    (root / "Source~").mkdir()
    (root / "Source~/.gdignore").touch()
    (root / "Source~/a.png").write_bytes(b"broken")
    before = settings(textures)
    code, out, err = popbridge("audit", str(root / "Source~"), "--workers", "1", "--fix")
    assert (code, err) == (1, "") and "no engine, files only" in out and "Source~/a.png" in out
    assert "--fix has nothing to write" in out and settings(textures) == before


def test_an_engines_own_path_is_understood_in_the_project(
    popbridge: Any, drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(drawn / "godot/materials")
    code, out, _ = popbridge("audit", "res://walls", "--workers", "1", "--locale", "zh-CN")
    assert code == 1 and "：walls。" in out
    assert "walls/brick_albedo.png" in out and "rock_normal" not in out


@pytest.mark.parametrize("named", ["empty", ".", "textures"])
def test_a_build_fails_if_it_asks_for_a_project_and_there_is_none(
    popbridge: Any, drawn: Path, tmp_path: Path, named: str
) -> None:
    shutil.copytree(drawn / "unity", tmp_path / "game")
    for folder in ("empty", "textures"):
        (tmp_path / folder).mkdir()
    place = ["audit", str(tmp_path / named), "--workers", "1", "--fail-on", "never"]
    assert popbridge(*place)[0] == 0
    code, out, err = popbridge(*place, "--require-project")
    assert (code, out) == (2, "") and one_line(err) and str(tmp_path / named) in err
    # A game in a subfolder is named.
    assert ("(game)" in err) == (named == ".")


def test_a_project_and_its_parts_are_a_project(popbridge: Any, textures: Path) -> None:
    for place in (textures, textures / "walls"):
        code, _, err = popbridge("audit", str(place), "--require-project", "--fail-on", "never", "--quiet")
        assert (code, err) == (0, "")
