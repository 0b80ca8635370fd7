"""The dock's Start button in the real headless editors."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import pytest

from tests.godot.editor import Editor, Project, until
from tests.godot.probe import Probe

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]


def record(home: Path, command: list[str]) -> Path:
    file = home / "start.json"
    file.write_text(json.dumps({"command": command}), encoding="utf-8")
    file.chmod(stat.S_IRUSR | stat.S_IWUSR)
    return file


async def test_the_button_runs_the_recorded_command(project: Project, home: Path) -> None:
    probe, mark = Probe(project), home / "started here"
    record(home, [sys.executable, "-c", "import sys; open(sys.argv[1], 'w')", str(mark)])
    async with Editor(project, home):
        await probe.until("dock._starter._buttons.visible and not dock._starter._copy.visible")
        await probe.run("dock._starter._on_start()")
        await until(mark.exists)


@pytest.mark.skipif(sys.platform == "win32", reason="files have no such permissions on Windows")
@pytest.mark.parametrize("kind", ["none", "group", "world", "link", "relative", "project", "text"])
async def test_no_command_is_run_that_someone_else_may_have_written(
    project: Project, home: Path, kind: str
) -> None:
    probe = Probe(project)
    relative = {"relative": ["start.sh"], "project": ["res://start.sh"]}
    file = record(home, relative.get(kind, [sys.executable, "-c", "pass"]))
    if kind == "none":
        file.unlink()
    elif kind == "group":
        file.chmod(0o620)
    elif kind == "world":
        file.chmod(0o602)
    elif kind == "text":
        file.write_text("start", encoding="utf-8")
    elif kind == "link":
        other = home / "other.json"
        os.replace(file, other)
        file.symlink_to(other)
    async with Editor(project, home):
        await probe.until("dock._starter._copy.visible")
        assert not await probe.run("return dock._starter._buttons.visible")
        assert await probe.run("return dock._starter.read_command()") == []
