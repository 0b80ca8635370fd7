"""The dock's Start button in the real headless editors."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.godot.editor import Editor, Project, until
from tests.godot.engine import Engine
from tests.godot.probe import Probe

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]

SHOWN_ANEW = "dock._starter.visible = false\nreturn dock._starter.show_for(true)"
"""Whether the panel offers to start the daemon."""


@dataclass(frozen=True)
class Searching:
    """An editor that has found no daemon."""

    home: Path
    probe: Probe

    def record(self, command: list[str]) -> Path:
        """Puts a command of the user's own in the place of an earlier one."""
        file = self.home / "start.json"
        file.unlink(missing_ok=True)
        file.write_text(json.dumps({"command": command}), encoding="utf-8")
        file.chmod(stat.S_IRUSR | stat.S_IWUSR)
        return file


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def searching(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Searching]:
    folder = tmp_path_factory.mktemp("start")
    project, home = Project(folder / "project", engine), folder / "home"
    home.mkdir()
    searching = Searching(home, Probe(project))
    searching.record([sys.executable, "-c", "pass"])
    async with Editor(project, home):
        await searching.probe.until("dock._starter._buttons.visible and not dock._starter._copy.visible")
        yield searching


@pytest.mark.skipif(sys.platform == "win32", reason="files have no such permissions on Windows")
@pytest.mark.parametrize("kind", ["none", "group", "world", "link", "relative", "project", "text"])
async def test_no_command_is_run_that_someone_else_may_have_written(searching: Searching, kind: str) -> None:
    probe = searching.probe
    relative = {"relative": ["start.sh"], "project": ["res://start.sh"]}
    file = searching.record([sys.executable, "-c", "pass"])
    assert await probe.run(SHOWN_ANEW)
    file = searching.record(relative.get(kind, [sys.executable, "-c", "pass"]))
    if kind == "none":
        file.unlink()
    elif kind == "group":
        file.chmod(0o620)
    elif kind == "world":
        file.chmod(0o602)
    elif kind == "text":
        file.write_text("start", encoding="utf-8")
    elif kind == "link":
        other = searching.home / "other.json"
        os.replace(file, other)
        file.symlink_to(other)
    assert not await probe.run(SHOWN_ANEW)
    assert await probe.run("return dock._starter._copy.visible and not dock._starter._buttons.visible")
    assert await probe.run("return dock._starter.read_command()") == []


async def test_the_button_runs_the_recorded_command(searching: Searching) -> None:
    mark = searching.home / "started here"
    searching.record([sys.executable, "-c", "import sys; open(sys.argv[1], 'w')", str(mark)])
    assert await searching.probe.run(SHOWN_ANEW)
    await searching.probe.run("dock._starter._on_start()")
    await until(mark.exists)
