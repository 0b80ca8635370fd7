"""A project with the addon, and the real Godot 4 editor on it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bridge_godot.install import GODOT4, GodotSupport
from tests.godot.godot3.editor import Editor as Godot3Editor
from tests.godot.godot3.editor import Project as Godot3Project
from tools import engines

PROJECT = """\
config_version=5

[application]

config/name="Test project"
config/features=PackedStringArray("4.2")
"""


def program() -> list[str]:
    """The command of the engine. Skips the test where there is none, unless engines are required."""
    found = engines.godot4()
    if found is None:
        missing = "Godot 4 isn't here: `python tools/engines.py` brings it, or set POPBRIDGE_GODOT4"
        if os.environ.get("POPBRIDGE_REQUIRE_ENGINES") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    return found


class Project(Godot3Project):
    """A Godot 4 project's folder with the addon enabled."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        (root / "project.godot").write_text(PROJECT, encoding="utf-8")
        GodotSupport(GODOT4).install(root)

    @property
    def state(self) -> Path:
        """Where the addon keeps what must outlive the editor."""
        return self.root / ".godot" / "popbridge.state"

    def import_mark(self, name: str) -> Path:
        (mark,) = (self.root / ".godot/imported").glob(f"{Path(name).name}-*.md5")
        return mark


class Editor(Godot3Editor):
    """The editor's process without a display, until the block ends."""

    def __init__(self, project: Project, home: Path, *, command: list[str], answer: str = "", **env: str):
        super().__init__(project, home, program="", answer=answer, **env)
        self._command = [*command, "--headless", "--path", str(project.root), "--editor"]
