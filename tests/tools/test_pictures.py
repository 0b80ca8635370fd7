"""What the READMEs' pictures are taken of."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import pyvips

from bridge.demo.textures import textures
from tools import engines, pictures

DEAF = """\
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""
"""Ignores that it is asked to end."""


def test_the_pictures_show_the_project_of_the_demo_with_the_addon(tmp_path: Path) -> None:
    pictures.make_project(tmp_path)
    assert all((tmp_path / texture.file).is_file() for texture in textures())
    assert (tmp_path / "addons" / "popbridge" / "plugin.cfg").is_file()


def test_the_pictures_are_of_the_panel_alone_and_small() -> None:
    for picture in pictures.PICTURES.values():
        image = pyvips.Image.new_from_file(str(picture))
        assert (image.width, image.height) == pictures.PART[2:]
        assert picture.stat().st_size < 200 * 1024


def test_without_the_editor_it_is_told_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(engines, "godot3", lambda: None)
    monkeypatch.setattr(engines, "godot4", lambda: None)
    monkeypatch.setattr(engines, "have_display_tools", lambda: True)
    assert pictures.main() == 1
    # No picture needs Godot 3.
    assert capsys.readouterr().out == "pictures: missing Godot 4: `python tools/engines.py` brings it\n"


def test_settings_of_the_caller_take_no_part(monkeypatch: pytest.MonkeyPatch) -> None:
    # What the tests themselves were given comes back afterwards.
    for name in [name for name in os.environ if name.startswith("POPBRIDGE_")]:
        monkeypatch.delenv(name)
    for name in ("POPBRIDGE_HOME", "POPBRIDGE_TEST_ANSWER", "POPBRIDGE_GODOT4"):
        monkeypatch.setenv(name, "mine")
    pictures.forget_settings()
    assert [name for name in os.environ if name.startswith("POPBRIDGE_")] == ["POPBRIDGE_GODOT4"]


def test_an_editor_that_dies_is_told_with_its_last_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(engines, "godot4", lambda: [sys.executable, "-c", "raise SystemExit('no display')"])
    with (
        pictures.editor(tmp_path / "project", tmp_path, "en", ":0") as check,
        pytest.raises(RuntimeError, match="the editor ended with 1:\nno display"),
    ):
        while True:
            check()


def test_no_picture_is_taken_of_an_editor_that_died(tmp_path: Path) -> None:
    def check() -> None:
        raise RuntimeError("the editor ended")

    with pytest.raises(RuntimeError, match="the editor ended"):
        pictures.complete(":no-display", tmp_path / "none.db", check)


def test_an_editor_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "STOP_S", 0.1)
    with subprocess.Popen([sys.executable, "-c", DEAF], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"ready"
        pictures.stop(process)
        assert process.poll() is not None


def test_the_command_that_the_manual_names_runs_from_any_folder(tmp_path: Path) -> None:
    env = {**os.environ, "PATH": str(tmp_path)}
    env.pop("PYTHONPATH", None)
    command = [sys.executable, pictures.__file__]
    ran = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stderr) == (1, "")
    assert "`python tools/engines.py` brings it" in ran.stdout
