"""The dock of real editors says which files of the addon were changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.host import host
from tests.godot.editor import Editor, Project, until
from tests.godot.engine import GODOT3, GODOT4, Engine
from tests.godot.probe import Probe
from tests.server import daemons
from tests.server.daemons import ThreadDaemon

pytestmark = pytest.mark.engine

ADDON = Path("addons/popbridge")


@pytest.fixture(params=[GODOT3, GODOT4], ids=["godot3", "godot4"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Project:
    engine: Engine = request.param
    engine.command()
    return Project(tmp_path / "project", engine)


@pytest.fixture
def daemon(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared_workers: None
) -> Iterator[ThreadDaemon]:
    monkeypatch.setattr(daemons, "registry", host.load)
    running = ThreadDaemon(tmp_path / "home", roots=[str(project.root)]).start()
    yield running
    running.stop()


async def test_the_dock_names_changed_files(daemon: ThreadDaemon, project: Project) -> None:
    probe = Probe(project)
    async with Editor(project, daemon.paths.data):
        await until(lambda: len(daemon.look(lambda: daemon.bridge.sessions)) == 1)
        await probe.until("'Connected' in dock._status.text")
        assert "plugin.gd" not in await probe.run("return dock._status.text")
    # The editor has written its own files by now, which aren't changes.
    with (project.root / ADDON / "plugin.gd").open("a") as file:
        file.write("\n# changed\n")
    (project.root / ADDON / "payload.gd").write_text("tool\nextends Node\n")
    async with Editor(project, daemon.paths.data):
        await probe.until("'plugin.gd' in dock._status.text")
        assert "payload.gd" in await probe.run("return dock._status.text")
