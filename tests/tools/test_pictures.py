"""What the READMEs' pictures are taken of."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.demo.textures import textures
from tools import engines, pictures


def test_the_pictures_show_the_project_of_the_demo_with_the_addon(tmp_path: Path) -> None:
    pictures.make_project(tmp_path)
    assert all((tmp_path / texture.file).is_file() for texture in textures())
    assert (tmp_path / "addons" / "popbridge" / "plugin.cfg").is_file()


def test_without_the_editor_it_is_told_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(engines, "godot4", lambda: None)
    assert pictures.main() == 1
    assert "Godot 4: `python tools/engines.py` brings it" in capsys.readouterr().out


def test_the_command_that_the_manual_names_runs_from_any_folder(tmp_path: Path) -> None:
    env = {**os.environ, "PATH": str(tmp_path)}
    env.pop("PYTHONPATH", None)
    command = [sys.executable, pictures.__file__]
    ran = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stderr) == (1, "")
    assert "`python tools/engines.py` brings it" in ran.stdout
