"""Unity's projects and packages: their version, and which of their folders hold assets."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection
from functools import partial
from pathlib import Path

from packaging.version import Version

from bridge.api import Skip, UserError, hidden, read_text, text

VERSION_FILE = "ProjectSettings/ProjectVersion.txt"
SETTINGS = "ProjectSettings/ProjectSettings.asset"
"""The player's settings."""
TOOLS = frozenset({"Assets/Editor Default Resources", "Assets/Gizmos"})
"""Folders of what is seen in the editor alone, and in no game, beside each that is called `Editor`."""
NATIVE = (".androidlib", ".bundle", ".framework", ".plugin")
"""Folders that are native plugins: what is in them goes into the game as it is, from 2023.1 on without
`.meta` files of its own, and with such as have no effect before."""
PACKAGE_FILE = "package.json"
ROOTS = ("Assets", "Packages")
"""The folders of a project that hold assets."""

OLDEST = "2021.3"
"""The least version that adapters are made for."""
BOM = "\ufeff"
OF_PROJECT = frozenset({"Assets", "ProjectSettings"})
"""Folders that make a whole project of the one that they lie in."""

_GAMMA = re.compile(r"^  m_ActiveColorSpace: 0\s*$", re.MULTILINE)
_VERSION = re.compile(r"^m_EditorVersion:[ \t]*(\S+)", re.MULTILINE)


def version(folder: Path) -> str | None:
    """The version that a project's files name, or the least that a package wants; None for neither.

    Raises UserError where a project's file names none, or two.
    """
    try:
        content = read_text(folder / VERSION_FILE).removeprefix(BOM)
    except (FileNotFoundError, NotADirectoryError):
        if (folder / SETTINGS).is_file():
            raise UserError(
                text("{folder} isn't there: open the project in Unity.", folder=folder / VERSION_FILE)
            ) from None
        return _wanted_by_package(folder)
    except OSError as error:
        raise UserError(
            text("{folder} can't be read: {strerror}.", folder=folder / VERSION_FILE, strerror=error.strerror)
        ) from None
    named = set(_VERSION.findall(content))
    if len(named) != 1:
        said = (
            text("{file} names two versions: it was merged, or isn't checked out. Open the project in Unity.")
            if named
            else text(
                "{file} names no version: it was merged, or isn't checked out. Open the project in Unity."
            )
        )
        raise UserError(said.fill(file=folder / VERSION_FILE))
    return str(named.pop())


def is_package(folder: Path) -> bool:
    """Whether a folder that is of Unity is a package by itself, and no project."""
    return not (folder / VERSION_FILE).is_file()


def skip(project: Path) -> Skip:
    """Which folders of a project or a package Unity passes over."""
    return partial(_ignored, alone=is_package(project))


def is_gamma(project: Path) -> bool:
    """Whether a project computes with colours as they are stored; of a package that can't be said."""
    try:
        return bool(_GAMMA.search(read_text(project / SETTINGS)))
    except OSError:
        return False


class Names:
    """A project's files as Unity names them: a package goes by its own name, not by that of its folder."""

    def __init__(self, project: Path) -> None:
        self._roots: list[tuple[str, str]] = []
        """Where a package lies, and what Unity calls that."""
        alone = is_package(project)
        for folder in [project] if alone else sorted((project / "Packages").glob("*/")):
            if name := _package(folder).get("name"):
                place = "" if alone else f"Packages/{folder.name}/"
                self._roots.append((place, f"Packages/{name}/"))

    def path(self, file: str) -> str:
        """What Unity calls the file at this place below the project's root."""
        return next((to + file[len(at) :] for at, to in self._roots if file.startswith(at)), file)

    def place(self, path: str) -> str:
        """The reverse of `path`, whatever that says."""
        return next((to + path[len(at) :] for to, at in self._roots if path.startswith(at)), path)


def _ignored(folder: str, names: Collection[str], *, alone: bool) -> bool:
    # "Hidden folders. Folders that start with '.'. Files and folders which end with '~'. Files and folders
    # named cvs." (Unity's manual, special folder names)
    own = folder.rpartition("/")[2]
    if hidden(folder, names) or own.endswith("~") or own.lower() == "cvs":
        return True
    if own == "Editor" or folder in TOOLS or own.lower().endswith(NATIVE):
        return True
    # Some keep the project in which a package is developed below it: that has a version of its own.
    if alone and OF_PROJECT.issubset(names):
        return True
    # On Windows they are found in upper and lower case alike, as Unity finds them there.
    known = map(os.path.normcase, ROOTS)
    return not alone and "/" not in folder and os.path.normcase(own) not in known


def _wanted_by_package(folder: Path) -> str | None:
    package = _package(folder)
    least, release = package.get("unity"), package.get("unityRelease")
    if not isinstance(least, str) or not re.fullmatch(r"\d+\.\d+", least):
        return None
    if Version(least) < Version(OLDEST):
        # It runs in later ones, too, and what there would be of older ones isn't known here.
        return OLDEST
    return f"{least}.{release}" if isinstance(release, str) and release else least


def _package(folder: Path) -> dict[str, object]:
    """What a package says of itself; nothing for what is none."""
    try:
        found = json.loads(read_text(folder / PACKAGE_FILE).removeprefix(BOM))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
