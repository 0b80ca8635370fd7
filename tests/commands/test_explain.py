"""`popbridge explain`: why a texture was judged as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.core.textures import CODES
from tests.audit.projects import game
from tests.commands.shell import one_line

COLOR, NORMAL = "materials/brick_albedo.png", "materials/rock_normal.png"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return game(tmp_path / "game", "4.6", (COLOR, NORMAL))


def explained(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_it_tells_kind_evidence_findings_and_what_would_change_it(popbridge: Any, project: Path) -> None:
    code, out, _ = popbridge("explain", str(project / NORMAL), "--json", "--workers", "1")
    (found,) = explained(out)
    assert (code, found["file"], found["kind"], found["sure"]) == (0, NORMAL, "normal", True)
    assert {each["source"] for each in found["evidence"]} >= {"pixels", "name"}
    raised = {each["code"] for each in found["findings"] if each["raised"]}
    assert "normal_as_color" in raised
    assert sorted([each["code"] for each in found["findings"]] + found["not_applicable"]) == sorted(CODES)
    fixed = next(each for each in found["findings"] if each["code"] == "normal_as_color")
    assert fixed["options"] and fixed["present"].keys() == fixed["options"].keys()


def test_several_files_of_several_projects_come_in_the_order_they_are_named(
    popbridge: Any, project: Path, tmp_path: Path
) -> None:
    other = game(tmp_path / "other", "4.6", (NORMAL,))
    files = [str(project / NORMAL), str(other / NORMAL), str(project / COLOR)]
    code, out, _ = popbridge("explain", *files, "--json", "--workers", "1")
    assert code == 0 and [each["file"] for each in explained(out)] == [NORMAL, NORMAL, COLOR]


def test_an_image_outside_of_all_projects_is_explained_alone(
    popbridge: Any, project: Path, tmp_path: Path
) -> None:
    loose = tmp_path / "loose_normal.png"
    loose.write_bytes((project / NORMAL).read_bytes())
    code, out, _ = popbridge("explain", str(loose), "--json", "--workers", "1")
    (found,) = explained(out)
    assert (code, found["file"], found["kind"]) == (0, "loose_normal.png", "normal")


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
def test_it_fits_into_a_terminal(
    popbridge: Any, project: Path, monkeypatch: pytest.MonkeyPatch, locale: str
) -> None:
    code, out, _ = popbridge("explain", str(project / NORMAL), "--workers", "1", "--locale", locale)
    assert code == 0 and NORMAL in out and "normal_as_color" in out and "compress/normal_map" in out
    assert ("法线贴图" in out) == (locale == "zh-CN")
    assert max(map(len, out.splitlines())) <= 120


def test_a_broken_image_is_told_with_exit_code_1(popbridge: Any, project: Path) -> None:
    (project / COLOR).write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    code, out, _ = popbridge("explain", str(project / COLOR), "--workers", "1")
    assert code == 1 and COLOR in out
    code, out, _ = popbridge("explain", str(project / COLOR), "--json", "--workers", "1")
    assert code == 1 and explained(out)[0]["error"]


@pytest.mark.parametrize("file", ["gone.png", "project.godot"])
def test_what_is_no_texture_is_a_mistake(popbridge: Any, project: Path, file: str) -> None:
    code, _, err = popbridge("explain", str(project / file))
    assert code == 2 and one_line(err) and file in err


def test_an_audit_explains_all_textures_in_its_json_report(
    popbridge: Any, project: Path, tmp_path: Path
) -> None:
    report = tmp_path / "audit.json"
    popbridge("audit", str(project), "--fix", "--workers", "1")
    arguments = ("audit", str(project), "--workers", "1", "--json", str(report))
    assert popbridge(*arguments)[0] == 0
    assert json.loads(report.read_text(encoding="utf-8"))["files"] == []
    assert popbridge(*arguments, "--all")[0] == 0
    files = json.loads(report.read_text(encoding="utf-8"))["files"]
    assert [each["file"] for each in files] == [COLOR, NORMAL]
    assert all(each["explanation"]["evidence"] and each["findings"] == [] for each in files)
    assert popbridge("audit", str(project), "--all")[0] == 2
