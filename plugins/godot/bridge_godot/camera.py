"""Takes pictures of Godot 4's window, through an addon that it installs into a project for this time."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bridge.api import ProjectFolder
from bridge_godot import project as projects
from bridge_godot.config_file import ConfigFile

SOURCE = Path(__file__).parent / "editor" / "camera4"
ADDON = "addons/popbridge_camera"
FOLDER = ".godot/popbridge_camera"
"""Below the project: requests and pictures, as in camera.gd."""
SIZE = (1440, 900)
"""Of the window in pixels; on screens up to 800 pixels high, Godot draws everything smaller."""
WINDOW = ("--single-window", "--audio-driver", "Dummy", "--resolution", "{}x{}".format(*SIZE))
SOFTWARE = ("--rendering-method", "gl_compatibility", "--rendering-driver", "opengl3")
"""Arguments with which Godot draws without a graphics card."""
SETTINGS = ("editor_settings-4.tres", *(f"editor_settings-4.{minor}.tres" for minor in range(3, 20)))
"""Names that the file of the editor's own settings may have; each minor version has its own."""
SETTING = """\
[gd_resource type="EditorSettings" format=2]

[resource]
interface/editor/editor_language = "{language}"
"""


class GodotCamera:
    """The camera of one project. `settings` is an empty folder for the editor's settings."""

    def __init__(self, editor: Sequence[str], project: Path, array: str, settings: Path, locale: str) -> None:
        self._project = project
        self._array = array
        self.command: Sequence[str] = [
            *editor, *WINDOW, *SOFTWARE, "--path", str(project), "--editor",
        ]  # fmt: skip
        self.env: Mapping[str, str] = {}
        if sys.platform not in ("win32", "darwin"):
            self.env = _own_settings(settings, "zh_Hans" if locale.lower().startswith("zh") else "en")

    def install(self) -> None:
        """Copies and enables the addon. Raises OSError."""
        with ProjectFolder(self._project) as folder:
            for file in SOURCE.rglob("*"):
                if file.is_file():
                    name = f"{ADDON}/{file.relative_to(SOURCE).as_posix()}"
                    folder.write(name, file.read_bytes(), parents=True)
        config = ConfigFile.read(self._project / projects.FILE)
        projects.enable_addon(config, self._array, f"res://{ADDON}/plugin.cfg")
        config.write(self._project, projects.FILE)

    def request(self, name: str, *, select: str = "", press: str = "", alone: bool = False) -> None:
        """Requests the picture `name`, with the file `select` selected; `alone` hides PopBridge's panel.

        With `press`, the button of this action is pressed instead, as soon as a popup has it.
        """
        values: dict[str, object] = {"alone": alone}
        if select:
            values["select"] = f"res://{select}"
        if press:
            values["press"] = press
        with ProjectFolder(self._project) as folder:
            folder.write(f"{FOLDER}/{name}.json", json.dumps(values).encode(), parents=True)

    def is_done(self, name: str) -> bool:
        """Whether the request has been answered."""
        return not (self._project / FOLDER / f"{name}.json").exists()

    def picture(self, name: str) -> bytes:
        """Returns the picture as PNG. Raises OSError if there is none."""
        return (self._project / FOLDER / f"{name}.png").read_bytes()

    def remove(self) -> None:
        """Undoes `install`; the editor must have ended. Raises OSError."""
        config = ConfigFile.read(self._project / projects.FILE)
        projects.disable_addon(config, f"res://{ADDON}/plugin.cfg")
        config.write(self._project, projects.FILE)
        with ProjectFolder(self._project) as folder:
            folder.remove_tree(ADDON)
            folder.remove_tree(FOLDER)


def _own_settings(folder: Path, language: str) -> Mapping[str, str]:
    """Returns the environment of an editor with default settings and `language`."""
    settings = folder / "CONFIG" / "godot"
    settings.mkdir(parents=True, exist_ok=True)
    for name in SETTINGS:
        (settings / name).write_text(SETTING.format(language=language), encoding="utf-8")
    return {f"XDG_{kind}_HOME": str(folder / kind) for kind in ("CONFIG", "DATA", "CACHE")}
