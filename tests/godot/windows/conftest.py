"""A real editor with windows, on a display of its own, whose daemon is the test's."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from tests.godot.daemon import Daemon
from tests.godot.editor import Editor, Project
from tests.godot.engine import Engine, require
from tests.godot.probe import Probe
from tools import engines
from tools.display import display as own_display

PICTURE = "textures/rock.png"
CLEAN = """\
probe.addon._popups.close_all()
if probe.focused(): probe.focused().release_focus()
dock.has_left = false
dock.theme = null
"""


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    if not engines.have_display_tools():
        require("Xvfb, xdotool and ImageMagick aren't all here: `python tools/engines.py` brings them")
    with own_display() as name:
        yield name


@dataclass(frozen=True)
class Shown:
    """An editor with windows that is connected, and what is in them."""

    daemon: Daemon
    probe: Probe


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shown(
    engine: Engine, display: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Shown]:
    """Its daemon has one picture to offer."""
    folder = tmp_path_factory.mktemp("windows")
    project, home = Project(folder / "project", engine), folder / "home"
    home.mkdir()
    probe = Probe(project)
    project.add_texture(PICTURE)
    picture = (project.root / PICTURE).read_bytes()
    async with Daemon(home) as daemon, Editor(project, home, display=display):
        daemon.blobs[hashlib.sha256(picture).hexdigest()] = picture
        await daemon.hear_event("asset.imported")
        yield Shown(daemon, probe)


@pytest.fixture
def daemon(shown: Shown) -> Daemon:
    return shown.daemon


@pytest_asyncio.fixture(loop_scope="module")
async def probe(shown: Shown) -> AsyncIterator[Probe]:
    """Of an editor in which nothing is shown, and nothing remains."""
    await shown.probe.run(CLEAN)
    yield shown.probe
    await shown.probe.run(CLEAN)
