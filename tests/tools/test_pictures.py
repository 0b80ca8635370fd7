"""The command that takes the READMEs' pictures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import pyvips

from bridge.demo.editor import PictureError
from tools import engines, pictures


def test_the_pictures_are_of_the_panel_alone_and_small() -> None:
    for picture in pictures.PICTURES.values():
        image = pyvips.Image.new_from_file(str(picture))
        assert (image.width, image.height) == pictures.PART[2:]
        assert picture.stat().st_size < 200 * 1024


def test_without_the_editor_the_command_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(engines, "godot3", lambda: None)
    monkeypatch.setattr(engines, "godot4", lambda: None)
    monkeypatch.setattr(engines, "have_display_tools", lambda: True)
    assert pictures.main() == 1
    # No picture needs Godot 3.
    assert "missing Godot 4: `python tools/engines.py`" in capsys.readouterr().out


def test_the_callers_settings_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    # The fixture restores the variables of the test run itself.
    monkeypatch.setattr(os, "environ", {**os.environ})
    monkeypatch.setattr(engines, "environment", lambda: {"POPBRIDGE_GODOT4": "godot"})
    monkeypatch.setattr(engines, "godot4_window_environment", lambda: {})
    os.environ.update(POPBRIDGE_HOME="mine", POPBRIDGE_TEST_ANSWER="apply")
    pictures.set_environment()
    assert [name for name in os.environ if name.startswith("POPBRIDGE_")] == ["POPBRIDGE_GODOT4"]


def test_an_editor_without_pictures_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(locale: str, picture: Path) -> None:
        raise PictureError("the editor exited with code 1")

    monkeypatch.setattr(engines, "missing", lambda: [])
    monkeypatch.setattr(pictures, "set_environment", lambda: None)
    monkeypatch.setattr(pictures, "take", fail)
    assert pictures.main() == 1
    assert capsys.readouterr().out == "pictures: the editor exited with code 1\n"


def test_the_command_in_the_manual_runs_from_any_folder(tmp_path: Path) -> None:
    env = {**os.environ, "PATH": str(tmp_path)}
    env.pop("PYTHONPATH", None)
    command = [sys.executable, pictures.__file__]
    ran = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stderr) == (1, "")
    assert "`python tools/engines.py`" in ran.stdout
