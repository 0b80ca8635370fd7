"""`project.godot`: a project's version, name and enabled addons; new projects."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bridge.api import ProjectFolder, UserError, VersionScheme, text
from bridge_godot.config_file import ConfigFile, Raw, parse, render

SCHEME = VersionScheme(
    engine="godot",
    stages={"dev": ".dev", "alpha": "a", "beta": "b", "rc": "rc", "stable": ""},
    title="Godot",
)
"""Godot's version strings, such as `4.2.1.stable.official.b09f793f5`; dev < alpha < beta < rc < stable."""

FILE = "project.godot"
PLUGINS = "editor_plugins"
ADDON = "res://addons/popbridge/plugin.cfg"

# Projects of Godot 3 don't name a version; one without `features` is of an early Godot 4.
LATEST_3, EARLIEST_4 = "3.6", "4.2"
_VERSIONS = {3: "3.0", 4: LATEST_3, 5: EARLIEST_4}
"""By `config_version`."""


def version(project: Path) -> str | None:
    """Returns the engine version that `project.godot` names, or None if there is no such file."""
    try:
        config = ConfigFile.read(project / FILE)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UserError(
            text("{project} can't be read: {strerror}.", project=project / FILE, strerror=error.strerror)
        ) from None
    features = config.raw("application", "config/features") or ""
    if found := re.search(r'"(\d+\.\d+)"', features):
        return found.group(1)
    literal = config.raw("", "config_version")
    number = parse(literal) if literal else None
    return _VERSIONS.get(number, "5.0") if isinstance(number, int) else None


def known_projects(generation: int) -> list[Path]:
    """Returns the projects in the list of Godot's project manager that still exist, in its order.

    Godot 4 writes a section for each into `projects.cfg`, Godot 3 a line into its editor settings.
    """
    if generation == 3:
        pattern, files = _LISTED_3, [folder / "editor_settings-3.tres" for folder in _data_folders()]
    else:
        pattern, files = _LISTED_4, [folder / "projects.cfg" for folder in _data_folders()]
    listed: dict[Path, None] = {}
    for file in files:
        try:
            content = file.read_text("utf-8", errors="replace")
        except OSError:
            continue
        listed.update(dict.fromkeys(Path(path) for path in pattern.findall(content)))
    return [project for project in listed if (project / FILE).is_file()]


_LISTED_3 = re.compile(r'^projects/[^=\n]* = "([^"\n]+)"', re.MULTILINE)
_LISTED_4 = re.compile(r"^\[(.+)\]$", re.MULTILINE)


def _data_folders() -> list[Path]:
    """Returns the folders in which editors store their settings."""
    home, env = Path.home(), os.environ
    if sys.platform == "win32":
        return [Path(env.get("APPDATA") or home / "AppData" / "Roaming") / "Godot"]
    if sys.platform == "darwin":
        return [home / "Library" / "Application Support" / "Godot"]
    config = Path(env.get("XDG_CONFIG_HOME") or home / ".config")
    data = Path(env.get("XDG_DATA_HOME") or home / ".local" / "share")
    return [config / "godot", data / "godot"]


def root(project: Path) -> str:
    """Returns the absolute path of the project as Godot and the addons write it: with `/` on every system."""
    if sys.platform == "win32":
        # Godot doesn't resolve links and mapped drives; elsewhere its working directory does.
        return Path(os.path.abspath(project)).as_posix()
    return project.resolve().as_posix()


def identity(project: Path) -> str:
    """Returns the project's id in messages, which the addons compute in the same way."""
    return hashlib.sha256(root(project).encode()).hexdigest()


def name(project: Path) -> str:
    """Returns the project's name, or else its folder's."""
    literal = ConfigFile.read(project / FILE).raw("application", "config/name")
    value = parse(literal) if literal else None
    return value if isinstance(value, str) and value and not isinstance(value, Raw) else project.name


def enable_addon(config: ConfigFile, array: str, addon: str = ADDON) -> None:
    """Enables an addon. `array` is the type that this Godot has for arrays of strings."""
    literal = config.raw(PLUGINS, "enabled")
    if literal is None:
        space = " " if array.startswith("Pool") else ""
        config.set(PLUGINS, "enabled", f"{array}({space}{render(addon)}{space})")
    elif render(addon) not in literal:
        config.set(PLUGINS, "enabled", _append(literal, render(addon)))


def is_addon_enabled(config: ConfigFile, addon: str = ADDON) -> bool:
    return render(addon) in (config.raw(PLUGINS, "enabled") or "")


def disable_addon(config: ConfigFile, addon: str = ADDON) -> None:
    """Disables an addon, and removes the list if it was the only one."""
    literal = config.raw(PLUGINS, "enabled")
    if literal is None or render(addon) not in literal:
        return
    item = re.escape(render(addon))
    rest = re.sub(rf"\s*,\s*{item}|{item}\s*,\s*|{item}", "", literal, count=1)
    if '"' in rest:
        config.set(PLUGINS, "enabled", rest)
    else:
        config.remove(PLUGINS, "enabled")


def create(folder: Path, template: str, textures: Mapping[str, Mapping[str, Any]], resource: str) -> None:
    """Creates a project. `resource` is the type that this Godot imports textures as. Raises UserError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with ProjectFolder(folder) as project:
            project.write_text(FILE, template.format(name=folder.name))
            for file, options in textures.items():
                project.write_text(f"{file}.import", _import_file(f"res://{file}", options, resource))
    except OSError as error:
        raise UserError(
            text("No project can be created in {folder}: {strerror}.", folder=folder, strerror=error.strerror)
        ) from None


def _import_file(path: str, options: Mapping[str, Any], resource: str) -> str:
    """Returns the content of an import file."""
    # Without `path` and `dest_files` Godot imports the texture with these options when it opens the project.
    params = "".join(f"{name}={render(value)}\n" for name, value in options.items())
    return (
        f'[remap]\n\nimporter="texture"\ntype="{resource}"\n\n'
        f"[deps]\n\nsource_file={render(path)}\n\n[params]\n\n{params}"
    )


def _append(array: str, item: str) -> str:
    """Returns the literal of an array with another item."""
    body, bracket, tail = array.rpartition(")")
    if not bracket:
        raise UserError(
            text(
                "{file}: [{section}] enabled isn't a list ({literal}); correct it in Godot first.",
                file=FILE,
                section=PLUGINS,
                literal=array,
            )
        )
    items = body.rstrip()
    space = body[len(items) :]
    comma = "" if items.endswith("(") else ", "
    return f"{items}{comma}{item}{space}{bracket}{tail}"
