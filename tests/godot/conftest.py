"""Each test of the addons runs in both generations of Godot; tests that need no fresh editor share one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.godot.daemon import Daemon
from tests.godot.editor import Editor, Project
from tests.godot.engine import GODOT3, GODOT4, Engine
from tools import engines

SMALL_FRAME = 8192


@pytest.fixture(scope="module", params=[GODOT3, GODOT4], ids=["godot3", "godot4"])
def engine(request: pytest.FixtureRequest) -> Engine:
    engine: Engine = request.param
    engine.command()
    return engine


@pytest.fixture
def project(engine: Engine, tmp_path: Path) -> Project:
    project = Project(tmp_path / "project", engine)
    project.add_texture("textures/rock.png")
    return project


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The daemon's folder, and the editor's for its own settings."""
    home = tmp_path / "home"
    home.mkdir()
    return home


@dataclass(frozen=True)
class Live:
    """An editor that is connected, with what it has said by then."""

    daemon: Daemon
    project: Project
    identify: dict[str, Any]
    imported: list[dict[str, Any]]
    """The data of the events of the first import."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Live, Editor]]:
    """A Chinese editor with 31 textures, whose daemon takes small frames only."""
    folder = tmp_path_factory.mktemp("live")
    project, home = Project(folder / "project", engine), folder / "home"
    home.mkdir()
    engines.set_language(home / "CONFIG", engine.settings, "zh_CN")
    for name in ("rock.png", *(f"many/{number}.png" for number in range(30))):
        project.add_texture(name, size=8)
    async with Daemon(home, frame=SMALL_FRAME) as daemon, Editor(project, home) as editor:
        identify = await daemon.hear("identify")
        await daemon.settled()
        imported = [await daemon.hear_event("asset.imported")]
        while imported[-1]["more"]:
            imported.append(await daemon.hear_event("asset.imported"))
        yield Live(daemon, project, identify, imported), editor


@pytest.fixture
def live(shared: tuple[Live, Editor]) -> Iterator[Live]:
    live, editor = shared
    yield live
    # pytest shows it where the test fails.
    print(editor.log()[-4000:])
