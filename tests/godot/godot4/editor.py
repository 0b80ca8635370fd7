"""A project with the addon, and the real Godot 4 editor on it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import msgpack
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
SETTINGS = """\
[gd_resource type="EditorSettings" format=3]

[resource]
interface/editor/editor_language = "{language}"
"""


def program() -> list[str]:
    """The command of the engine. Skips the test where there is none, unless engines are required."""
    found = engines.godot4()
    if found is None:
        require("Godot 4 isn't here: `python tools/engines.py` brings it, or set POPBRIDGE_GODOT4")
    return found


def require(missing: str) -> NoReturn:
    """Skips the test, or fails it where engines are required."""
    if os.environ.get("POPBRIDGE_REQUIRE_ENGINES") == "1":
        pytest.fail(missing)
    pytest.skip(missing)


class Project(Godot3Project):
    """A Godot 4 project's folder with the addon enabled."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        (root / "project.godot").write_text(PROJECT, encoding="utf-8")
        GodotSupport(GODOT4).install(root)

    def set_language(self, home: Path, language: str) -> None:
        """As a person would in the editor's settings; each minor version has a file of its own."""
        folder = home / "xdg_config_home" / "godot"
        folder.mkdir(parents=True)
        for version in ("4", *(f"4.{minor}" for minor in range(3, 20))):
            file = folder / f"editor_settings-{version}.tres"
            file.write_text(SETTINGS.format(language=language), encoding="utf-8")

    def reported_at(self) -> int:
        """When the newest import was that the addon knows it has reported; 0 for none."""
        if not self.state.exists():
            return 0
        seconds: int = msgpack.unpackb(self.state.read_bytes(), strict_map_key=False)["reported_at"]
        return seconds

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
        self._opened = [*command, "--path", str(project.root), "--editor"]
        self._command = [*command, "--headless", "--path", str(project.root), "--editor"]

    def on_display(self, display: str) -> Editor:
        """With windows, drawn in software."""
        self._env |= {"DISPLAY": display, **engines.godot4_window_environment()}
        self._command = [
            *self._opened, "--single-window", "--rendering-method", "gl_compatibility",
            "--rendering-driver", "opengl3", "--audio-driver", "Dummy", "--resolution", "1280x800",
        ]  # fmt: skip
        return self
