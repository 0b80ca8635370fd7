"""Godot projects: their version, their enabled addons, and new ones around textures."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bridge.api import UserError, text
from bridge_godot.configfile import ConfigText
from bridge_godot.literals import Raw, parse, render

FILE = "project.godot"
PLUGINS = "editor_plugins"
ADDON = "res://addons/popbridge/plugin.cfg"

# A project of Godot 3 doesn't say of which version, and one without `features` is an early 4.
LATEST_3, EARLIEST_4 = "3.6", "4.2"
_FORMATS = {3: "3.0", 4: LATEST_3, 5: EARLIEST_4}


def version(project: Path) -> str | None:
    """The engine version that `project.godot` names; None if there is no such file."""
    try:
        config = ConfigText.read(project / FILE)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UserError(
            text("{project} can't be read: {strerror}.", project=project / FILE, strerror=error.strerror)
        ) from None
    features = config.raw("application", "config/features") or ""
    if named := re.search(r'"(\d+\.\d+)"', features):
        return named.group(1)
    literal = config.raw("", "config_version")
    number = parse(literal) if literal else None
    return _FORMATS.get(number, "5.0") if isinstance(number, int) else None


def place(project: Path) -> str:
    """The project's folder as Godot names it, and the addons tell it: absolute, with `/` on every system."""
    if sys.platform == "win32":
        # Godot leaves links and mapped drives as they are; elsewhere its working directory resolves them.
        return Path(os.path.abspath(project)).as_posix()
    return project.resolve().as_posix()


def identity(project: Path) -> str:
    """The project's id on the wire, the same that the addons make: of its place on this machine."""
    return hashlib.sha256(place(project).encode()).hexdigest()


def name(project: Path) -> str:
    """What the project calls itself, else its folder's name."""
    literal = ConfigText.read(project / FILE).raw("application", "config/name")
    value = parse(literal) if literal else None
    return value if isinstance(value, str) and value and not isinstance(value, Raw) else project.name


def enable_addon(text: ConfigText, array: str) -> None:
    """Puts the addon among the enabled ones; `array` is what this Godot calls an array of strings."""
    literal = text.raw(PLUGINS, "enabled")
    if literal is None:
        text.set(PLUGINS, "enabled", f"{array}({_padding(array)}{render(ADDON)}{_padding(array)})")
    elif render(ADDON) not in literal:
        text.set(PLUGINS, "enabled", _with(literal, render(ADDON)))


def disable_addon(text: ConfigText) -> None:
    """Takes the addon away from the enabled ones, and the list with its last one."""
    literal = text.raw(PLUGINS, "enabled")
    if literal is None or render(ADDON) not in literal:
        return
    quoted = re.escape(render(ADDON))
    rest = re.sub(rf"\s*,\s*{quoted}|{quoted}\s*,\s*|{quoted}", "", literal, count=1)
    if '"' in rest:
        text.set(PLUGINS, "enabled", rest)
    else:
        text.remove(PLUGINS, "enabled")


def create(folder: Path, template: str, textures: Mapping[str, Mapping[str, Any]], resource: str) -> None:
    """Makes a project; `resource` is the type that this Godot imports textures to. Raises UserError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).write_text(template.format(name=folder.name), encoding="utf-8", newline="\n")
        for file, options in textures.items():
            _write_import(folder / file, f"res://{file}", options, resource)
    except OSError as error:
        raise UserError(
            text("{folder} can't be made into a project: {strerror}.", folder=folder, strerror=error.strerror)
        ) from None


def _write_import(asset: Path, path: str, options: Mapping[str, Any], resource: str) -> None:
    # Without `path` and `dest_files` Godot imports it when it opens the project, with these options.
    params = "".join(f"{name}={render(value)}\n" for name, value in options.items())
    asset.with_name(asset.name + ".import").write_text(
        f'[remap]\n\nimporter="texture"\ntype="{resource}"\n\n'
        f"[deps]\n\nsource_file={render(path)}\n\n[params]\n\n{params}",
        encoding="utf-8",
        newline="\n",
    )


def _padding(array: str) -> str:
    return " " if array.startswith("Pool") else ""


def _with(literal: str, item: str) -> str:
    body, bracket, tail = literal.rpartition(")")
    if not bracket:
        raise UserError(
            text(
                "{file}: [{plugins}] enabled isn't a list ({literal}); correct it in Godot first.",
                file=FILE,
                plugins=PLUGINS,
                literal=literal,
            )
        )
    kept = body.rstrip()
    space = body[len(kept) :]
    between = "" if kept.endswith("(") else ", "
    return f"{kept}{between}{item}{space}{bracket}{tail}"
