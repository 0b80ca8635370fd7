"""Pictures in folders, and workloads of several inputs."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.host import host
from tests.advisors import pictures
from tests.commands.run import workloads


@pytest.fixture
def textures(tmp_path: Path) -> Path:
    """`wall.png`, `stone/rock.png`, `stone/rock.jpg`, `wood/rock.png`, and what is no image."""
    folder = tmp_path / "textures"
    for number, name in enumerate(("wall.png", "stone/rock.png", "stone/rock.jpg", "wood/rock.png")):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pictures.save(path, pictures.noise(3, 8 + number))
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden").mkdir()
    pictures.save(folder / ".hidden" / "secret.png", pictures.noise(3, 8))
    return folder


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' workloads are there too."""
    found = workloads.registry()
    monkeypatch.setattr(host, "load", lambda: found)
