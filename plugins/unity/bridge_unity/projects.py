"""Unity projects and packages: their version, their asset folders, and the asset paths of files."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection
from functools import partial
from pathlib import Path

from packaging.version import Version

from bridge.api import Skip, UserError, is_hidden, read_text, text

VERSION_FILE = "ProjectSettings/ProjectVersion.txt"
SETTINGS = "ProjectSettings/ProjectSettings.asset"
"""The player settings."""
EDITOR_FOLDERS = frozenset({"Assets/Editor Default Resources", "Assets/Gizmos"})
"""Folders whose assets are for the editor only, as are those of any folder named `Editor`."""
NATIVE_PLUGINS = (".androidlib", ".bundle", ".framework", ".plugin")
"""Suffixes of folders that are native plugins: their files are copied into the game unchanged. Since 2023.1
they have no `.meta` files; before, these had no effect."""
PACKAGE_FILE = "package.json"
ROOTS = ("Assets", "Packages")
"""The folders of a project that contain assets."""

MIN_VERSION = "2021.3"
"""The oldest version that the adapters support."""
BOM = "\ufeff"
PROJECT_FOLDERS = frozenset({"Assets", "ProjectSettings"})
"""Subfolders by which a folder is a project."""

_GAMMA = re.compile(r"^  m_ActiveColorSpace: 0\s*$", re.MULTILINE)
_VERSION = re.compile(r"^m_EditorVersion:[ \t]*(\d+\.\d\S*)", re.MULTILINE)


def version(folder: Path) -> str | None:
    """Returns the version of a project, or the oldest that a package supports; None if it is neither.

    Raises UserError if a project's file names no version, or two.
    """
    try:
        content = read_text(folder / VERSION_FILE).removeprefix(BOM)
    except (FileNotFoundError, NotADirectoryError):
        if (folder / SETTINGS).is_file():
            raise UserError(
                text("{file} is missing. Open the project in Unity.", file=folder / VERSION_FILE)
            ) from None
        return _package_version(folder)
    except OSError as error:
        raise UserError(
            text("{path} can't be read: {strerror}.", path=folder / VERSION_FILE, strerror=error.strerror)
        ) from None
    named = set(_VERSION.findall(content))
    if len(named) != 1:
        template = (
            text("{file} names two versions: it was merged, or isn't checked out. Open the project in Unity.")
            if named
            else text(
                "{file} names no version: it was merged, or isn't checked out. Open the project in Unity."
            )
        )
        raise UserError(template.fill(file=folder / VERSION_FILE))
    return str(named.pop())


def is_package(folder: Path) -> bool:
    """Whether a Unity folder is a single package instead of a project."""
    return not (folder / VERSION_FILE).is_file()


def skip(project: Path) -> Skip:
    """Returns the filter of folders that Unity ignores in a project or a package."""
    return partial(_is_ignored, package=is_package(project))


def is_gamma(project: Path) -> bool:
    """Whether a project uses the gamma colour space, or may: binary settings don't tell. False for a
    package, which has none.
    """
    try:
        settings = read_text(project / SETTINGS)
    except OSError:
        return False
    return "\0" in settings or bool(_GAMMA.search(settings))


class AssetPaths:
    """Converts files to Unity's asset paths, which have the name of a package instead of its folder."""

    def __init__(self, project: Path) -> None:
        self._roots: list[tuple[str, str]] = []
        """The folder and the asset path of each package."""
        single = is_package(project)
        for folder in [project] if single else sorted((project / "Packages").glob("*/")):
            if name := _package_json(folder).get("name"):
                root = "" if single else f"Packages/{folder.name}/"
                self._roots.append((root, f"Packages/{name}/"))

    def path(self, file: str) -> str:
        """Returns the asset path of a file, given relative to the project."""
        return next((asset + file[len(root) :] for root, asset in self._roots if file.startswith(root)), file)

    def file(self, path: str) -> str:
        """Returns the file of an asset path, relative to the project; it need not exist."""
        return next(
            (root + path[len(asset) :] for root, asset in self._roots if path.startswith(asset)), path
        )


def _is_ignored(folder: str, names: Collection[str], *, package: bool) -> bool:
    # "Hidden folders. Folders that start with '.'. Files and folders which end with '~'. Files and folders
    # named cvs." (Unity's manual, special folder names)
    own = folder.rpartition("/")[2]
    if is_hidden(folder, names) or own.endswith("~") or own.lower() == "cvs":
        return True
    if own == "Editor" or folder in EDITOR_FOLDERS or own.lower().endswith(NATIVE_PLUGINS):
        return True
    # A package may contain the project in which it is developed, which has its own version.
    if package and PROJECT_FOLDERS.issubset(names):
        return True
    # On Windows, names match in any case, for Unity too.
    known = map(os.path.normcase, ROOTS)
    return not package and "/" not in folder and os.path.normcase(own) not in known


def _package_version(folder: Path) -> str | None:
    package = _package_json(folder)
    minimum, release = package.get("unity"), package.get("unityRelease")
    if not isinstance(minimum, str) or not re.fullmatch(r"\d+\.\d+", minimum):
        return None
    if Version(minimum) < Version(MIN_VERSION):
        # It also runs in newer versions; older ones aren't supported here.
        return MIN_VERSION
    return f"{minimum}.{release}" if isinstance(release, str) and release else minimum


def _package_json(folder: Path) -> dict[str, object]:
    """Reads a package's manifest; empty if there is none."""
    try:
        found = json.loads(read_text(folder / PACKAGE_FILE).removeprefix(BOM))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
