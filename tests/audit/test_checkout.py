"""Audits of files that version control left as they can't be used: pointers, conflicts, write protection."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge import cli
from tests.audit import projects as godot
from tests.unity import projects as unity

pytestmark = pytest.mark.usefixtures("shared_workers")

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%064d\nsize 9\n"
NORMAL = "materials/rock_normal.png"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POPBRIDGE_HOME", str(tmp_path / "home"))


@pytest.fixture(params=["unity", "godot"])
def image(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A normal map that is imported as colour."""
    if request.param == "unity":
        yield unity.game(tmp_path / "game", only=[NORMAL]) / "Assets" / NORMAL
    else:
        yield godot.game(tmp_path / "game", only=[NORMAL]) / NORMAL
    for path in (tmp_path / "game").rglob("*"):
        path.chmod(path.stat().st_mode | stat.S_IWUSR)


def settings_of(image: Path) -> Path:
    return next(path for path in image.parent.iterdir() if path.name.startswith(f"{image.name}."))


def audit(image: Path, tmp_path: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    report = tmp_path / "report.json"
    code = cli.main([
        "audit", str(tmp_path / "game"), "--workers", "1", "--json", str(report), *arguments
    ])  # fmt: skip
    return code, json.loads(report.read_text(encoding="utf-8"))


def codes(told: dict[str, Any]) -> list[str]:
    return [finding["code"] for file in told["files"] for finding in file["findings"]]


def test_the_finding_is_there_at_all(image: Path, tmp_path: Path) -> None:
    code, told = audit(image, tmp_path)
    assert code == 1 and "normal_as_color" in codes(told) and told["notice"] is None
    assert told["adapter"]["exact"] is True
    assert len(told["files"][0]["changes"]) == len(told["files"][0]["options"])


def test_a_pointer_is_told_and_neither_judged_nor_changed(image: Path, tmp_path: Path) -> None:
    image.write_bytes(POINTER % 1)
    before = settings_of(image).read_bytes()
    code, told = audit(image, tmp_path, "--fix")
    assert (code, codes(told)) == (1, ["lfs_pointer"])
    (only,) = told["files"]
    assert (only["kind"], only["options"], told["receipt"]) == (None, {}, None)
    assert "git lfs pull" in only["findings"][0]["message"]
    assert (image.read_bytes(), settings_of(image).read_bytes()) == (POINTER % 1, before)


def test_two_equal_pointers_are_no_duplicates(image: Path, tmp_path: Path) -> None:
    for name in (image.name, f"copy_of_{image.name}"):
        image.with_name(name).write_bytes(POINTER % 1)
    assert audit(image, tmp_path)[1]["duplicates"] == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (POINTER % 2, "git lfs pull"),
        (b"<<<<<<< HEAD\na\n=======\nb\n>>>>>>> theirs\n", "merge conflict in line 1"),
    ],
)
def test_settings_that_arent_there_are_told_and_stay(
    image: Path, tmp_path: Path, content: bytes, says: str
) -> None:
    settings_of(image).write_bytes(content)
    code, told = audit(image, tmp_path, "--fix")
    assert code == 1 and told["receipt"] is None
    (message,) = [
        finding["message"]
        for file in told["files"]
        for finding in file["findings"]
        if finding["code"] == "unknown_settings" and finding["severity"] == "error"
    ]
    assert says in message and settings_of(image).name in message
    assert settings_of(image).read_bytes() == content


def test_protected_settings_are_told_before_and_not_written(image: Path, tmp_path: Path) -> None:
    settings = settings_of(image)
    before = settings.read_bytes()
    settings.chmod(0o444)
    code, told = audit(image, tmp_path)
    assert code == 1 and "p4 edit" in told["notice"] and settings.name in told["notice"]
    assert "normal_as_color" in codes(told) and told["files"][0]["options"]
    code, told = audit(image, tmp_path, "--fix")
    # Told once.
    assert code == 1 and {"normal_as_color", "not_applied"} <= {*codes(told)} and not told["notice"]
    (refused,) = [f for f in told["files"][0]["findings"] if f["code"] == "not_applied"]
    assert "read-only" in refused["message"]
    assert settings.read_bytes() == before and stat.S_IMODE(settings.stat().st_mode) == 0o444
    assert sorted(path.name for path in settings.parent.iterdir()) == sorted([image.name, settings.name])
