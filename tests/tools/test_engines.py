"""Finding the engines of this machine, without bringing any."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import pytest

from tools import engines

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the editors here are shell scripts")


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with no engine, no apt and nothing unpacked; its PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("POPBRIDGE_GODOT3", raising=False)
    monkeypatch.delenv("POPBRIDGE_GODOT4", raising=False)
    monkeypatch.setattr(engines, "UNPACKED", tmp_path / "engines" / "godot4")
    monkeypatch.setattr(engines, "VERSIONS", tmp_path / "engines" / "versions.json")
    return folder


def script(path: Path, says: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {says}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.mark.usefixtures("bare")
def test_a_machine_with_nothing_is_told_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert engines.ensure(require=True) == 1
    out, err = capsys.readouterr()
    assert "this isn't Debian" in out
    assert "Godot 3" in err
    assert "Godot 4" in err
    assert engines.ensure(require=False) == 0


def test_programs_in_the_path_are_found(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = script(bare / "godot3-server", "3.6.stable")
    godot = script(bare / "godot", "4.6.stable")
    assert engines.godot3_server() == server
    assert engines.godot4() == [str(godot)]
    engines.ensure(require=False)
    assert "Godot 3 3.6.stable\nengines: Godot 4 4.6.stable" in capsys.readouterr().out


def test_the_environment_goes_before_the_path(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(bare / "godot4", "4.6.stable")
    monkeypatch.setenv("POPBRIDGE_GODOT4", "loader --library-path /lib '/my godot'")
    assert engines.godot4() == ["loader", "--library-path", "/lib", "/my godot"]


def test_an_unpacked_editor_runs_by_its_own_loader(bare: Path) -> None:
    libraries = engines.UNPACKED / "usr/lib/x86_64-linux-gnu"
    loader = script(libraries / "ld-linux-x86-64.so.2", "")
    assert engines.godot4() is None, "half an unpacking is no engine"
    editor = script(engines.UNPACKED / "usr/bin/godot", "")
    command = engines.godot4()
    assert command is not None
    assert (command[0], command[-1]) == (str(loader), str(editor))
    assert shlex.split(engines.environment()["POPBRIDGE_GODOT4"]) == command
    assert engines.godot4_window_environment()["LIBGL_DRIVERS_PATH"] == str(libraries / "dri")


def test_versions_are_asked_for_once(bare: Path) -> None:
    asked = bare.parent / "asked"
    editor = bare / "godot4"
    editor.write_text(f"#!/bin/sh\necho x >> {asked}\necho 4.6.stable\n", encoding="utf-8")
    editor.chmod(0o755)
    engines.ensure(require=False)
    engines.ensure(require=False)
    assert asked.read_text() == "x\n"
    os.utime(editor, ns=(0, 0))
    engines.ensure(require=False)
    assert asked.read_text() == "x\nx\n", "another program of the same name is asked anew"
