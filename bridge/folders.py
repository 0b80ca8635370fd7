"""Walks a project's folders, whatever is in them: links, names in any script, what vanishes meanwhile."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from stat import S_ISLNK

from msgspec import Struct

from accel.text import AnyText, text

Skip = Callable[[str, Collection[str]], bool]
"""Whether a folder (below the root, with `/`) that holds these names is to be passed over."""

_MOUNT_POINT = 0xA0000003
"""Windows' IO_REPARSE_TAG_MOUNT_POINT: a junction, which Python before 3.12 takes for a folder."""
_MAX_PATH = 260
"""Windows': "In the Windows API [...] the maximum length for a path is MAX_PATH, which is defined as 260
characters", the closing zero among them, where long paths aren't enabled."""
TOO_LONG = text(
    "its path is longer than the 259 characters that Windows takes: enable long paths, or move the project"
)


class Walked(Struct, frozen=True):
    """A file, or a folder that can't be listed."""

    file: str
    """Its place below the root, with `/` on every system; bytes that are no UTF-8 are surrogates."""
    problem: AnyText = ""
    """Why the folder can't be listed, for people; empty for a file."""


def hidden(folder: str, names: Collection[str]) -> bool:
    """Whether the folder's name begins with a dot."""
    return folder.rpartition("/")[2].startswith(".")


def walk(root: Path, skip: Skip = hidden) -> Iterator[Walked]:
    """Every regular file below `root`, folder by folder, in the order of their names; none whose own name
    begins with a dot, such as the `._NAME` that macOS puts beside each file on other systems' disks.

    Links to folders aren't followed: they would lead in circles, or out of the project. What vanishes
    while it is walked is passed over.
    """
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            files, folders = _list(root, folder, skip)
        except (FileNotFoundError, NotADirectoryError):
            if is_too_long(root / folder):
                yield Walked(
                    folder or ".", text("the folder can't be listed ({too_long})", too_long=TOO_LONG)
                )
            continue
        except OSError as error:
            yield Walked(
                folder or ".",
                text("the folder can't be listed ({strerror})", strerror=error.strerror or error),
            )
            continue
        for file in files:
            yield Walked(file)
        waiting += reversed(folders)


def is_link(path: Path) -> bool:
    """Whether that is a link, which isn't followed by `walk`: a symbolic one, or a junction."""
    try:
        found = os.lstat(path)
    except (OSError, ValueError):
        return False
    return S_ISLNK(found.st_mode) or getattr(found, "st_reparse_tag", 0) == _MOUNT_POINT


def is_too_long(path: Path) -> bool:
    """Whether what Windows says isn't there is there, and its path alone too long."""
    place = os.path.abspath(path)
    # What is listed has `\\*.*` behind it.
    if sys.platform != "win32" or len(place) < _MAX_PATH - 4 or place.startswith("\\\\?\\"):
        return False
    long = f"\\\\?\\UNC{place[1:]}" if place.startswith("\\\\") else f"\\\\?\\{place}"
    return os.path.lexists(long)


def _list(root: Path, folder: str, skip: Skip) -> tuple[list[str], list[str]]:
    """The files and folders in `folder`, by their places below the root. Raises OSError."""
    with os.scandir(root / folder if folder else root) as listed:
        entries = sorted(listed, key=lambda entry: entry.name)
    if folder and skip(folder, {entry.name for entry in entries}):
        return [], []
    above = f"{folder}/" if folder else ""
    files = [above + entry.name for entry in entries if not entry.name.startswith(".") and _is(entry.is_file)]
    folders = [above + entry.name for entry in entries if _is_folder(entry)]
    return files, folders


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False) and not _is_junction(entry)
    except OSError:
        return False


def _is_junction(entry: os.DirEntry[str]) -> bool:
    # Elsewhere the question would cost a system call for each folder.
    tag = getattr(entry.stat(follow_symlinks=False), "st_reparse_tag", 0) if os.name == "nt" else 0
    return tag == _MOUNT_POINT


def _is(question: Callable[[], bool]) -> bool:
    try:
        return question()
    except OSError:
        return False
