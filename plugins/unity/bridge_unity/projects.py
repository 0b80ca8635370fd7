"""Unity's projects and packages: their version, and which of their folders hold assets."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from functools import partial
from pathlib import Path

from bridge.api import Skip, UserError, hidden, read_text

VERSION_FILE = "ProjectSettings/ProjectVersion.txt"
PACKAGE_FILE = "package.json"
ROOTS = ("Assets", "Packages")
"""The folders of a project that hold assets."""

_VERSION = re.compile(r"^m_EditorVersion:[ \t]*(\S+)", re.MULTILINE)


def version(folder: Path) -> str | None:
    """The version that a project's files name, or the least that a package wants; None for neither.

    Raises UserError where a project's file names none, or two.
    """
    try:
        text = read_text(folder / VERSION_FILE)
    except (FileNotFoundError, NotADirectoryError):
        return _wanted_by_package(folder)
    except OSError as error:
        raise UserError(f"{folder / VERSION_FILE} can't be read: {error.strerror}.") from None
    named = set(_VERSION.findall(text))
    if len(named) != 1:
        much = "names two versions" if named else "names no version"
        raise UserError(
            f"{folder / VERSION_FILE} {much}: it was merged, or isn't checked out. Open the project in Unity."
        )
    return str(named.pop())


def skip(project: Path) -> Skip:
    """Which folders of a project or a package Unity passes over."""
    return partial(_ignored, is_package=not (project / VERSION_FILE).is_file())


def engine_path(project: Path, file: str) -> str:
    """A file's place as Unity names it: a package's own name stands before what lies in a lone package."""
    name = "" if (project / VERSION_FILE).is_file() else str(_package(project).get("name", ""))
    return f"Packages/{name}/{file}" if name else file


def place_of(project: Path, path: str) -> str:
    """The reverse of `engine_path`: a place below the project's root, whatever `path` says."""
    return path.removeprefix(engine_path(project, "")) if engine_path(project, "") else path


def _ignored(folder: str, names: Collection[str], *, is_package: bool) -> bool:
    # "Hidden folders. Folders that start with '.'. Files and folders which end with '~'. Files and folders
    # named cvs." (Unity's manual, special folder names)
    own = folder.rpartition("/")[2]
    if hidden(folder, names) or own.endswith("~") or own.lower() == "cvs":
        return True
    return not is_package and "/" not in folder and own not in ROOTS


def _wanted_by_package(folder: Path) -> str | None:
    package = _package(folder)
    least, release = package.get("unity"), package.get("unityRelease")
    if not isinstance(least, str) or not re.fullmatch(r"\d+\.\d+", least):
        return None
    return f"{least}.{release}" if isinstance(release, str) and release else least


def _package(folder: Path) -> dict[str, object]:
    """What a package says of itself; nothing for what is none."""
    try:
        found = json.loads(read_text(folder / PACKAGE_FILE))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
