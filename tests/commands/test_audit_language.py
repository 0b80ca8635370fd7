"""`popbridge audit` speaks the language of who reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("system", "flags", "says"),
    [
        ("zh_CN.UTF-8", [], "0 张贴图"),
        ("de_DE.UTF-8", [], "0 textures"),
        ("zh_CN", ["--locale", "en"], "0 textures"),
    ],
)
def test_it_speaks_the_systems_language_unless_told_another(
    popbridge: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, flags: list[str], says: str
) -> None:
    monkeypatch.setenv("LC_ALL", system)
    (tmp_path / "empty").mkdir()
    assert says in popbridge("audit", str(tmp_path / "empty"), *flags)[1]


def test_projects_nearby_are_told_in_the_reports_language(popbridge: Any, tmp_path: Path) -> None:
    (tmp_path / "games" / "one").mkdir(parents=True)
    (tmp_path / "games" / "one" / "project.godot").write_text("config_version=5\n", encoding="utf-8")
    out = popbridge("audit", str(tmp_path / "games"), "--locale", "zh-CN")[1]
    assert "Godot 项目（one）" in out and "import settings" not in out


def test_a_language_that_it_does_not_speak_is_refused(popbridge: Any, tmp_path: Path) -> None:
    code, _, err = popbridge("audit", str(tmp_path), "--locale", "fr")
    assert code == 2 and "zh-CN" in err
