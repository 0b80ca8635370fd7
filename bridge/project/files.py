"""Walks project folders and reads text files."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISLNK, S_ISREG

from msgspec import Struct

from accel.atomic_file import HELD
from accel.text import AnyText, text

Skip = Callable[[str, Collection[str]], bool]
"""Returns whether to skip a folder (relative to the root, with `/`) that contains these names."""

_MOUNT_POINT = 0xA0000003
"""Windows' IO_REPARSE_TAG_MOUNT_POINT: a junction, which Python before 3.12 reports as a folder."""
_MAX_PATH = 260
"""Windows' MAX_PATH, in characters with the terminating zero; applies unless long paths are enabled."""
TOO_LONG = text("its path exceeds Windows' limit of 259 characters: enable long paths, or move the project")


class WalkedFolder(Struct, frozen=True):
    """A file, or a folder that can't be listed."""

    file: str
    """The path relative to the root, with `/` on every system; bytes that aren't UTF-8 are surrogates."""
    problem: AnyText = ""
    """The reason why a folder can't be listed, for people; empty for a file."""


def is_hidden(folder: str, names: Collection[str]) -> bool:
    """Returns whether the folder's name begins with a dot."""
    return folder.rpartition("/")[2].startswith(".")


def walk(root: Path, skip: Skip = is_hidden) -> Iterator[WalkedFolder]:
    """Yields the regular files below `root`, folder by folder, sorted by name.

    Skips files whose name begins with a dot, such as macOS's `._NAME`, and entries that disappear meanwhile.
    Doesn't follow links to folders, which could form loops or leave the project.
    """
    pending = [""]
    while pending:
        folder = pending.pop()
        try:
            files, folders = _list(root, folder, skip)
        except (FileNotFoundError, NotADirectoryError):
            if is_too_long(root / folder):
                yield WalkedFolder(folder or ".", text("can't be listed ({reason})", reason=TOO_LONG))
            continue
        except OSError as error:
            yield WalkedFolder(
                folder or ".",
                text("can't be listed ({reason})", reason=error.strerror or error),
            )
            continue
        for file in files:
            yield WalkedFolder(file)
        pending += reversed(folders)


def is_link(path: Path) -> bool:
    """Returns whether `path` is a symbolic link or a junction; `walk` follows neither."""
    try:
        found = os.lstat(path)
    except (OSError, ValueError):
        return False
    return S_ISLNK(found.st_mode) or getattr(found, "st_reparse_tag", 0) == _MOUNT_POINT


def is_too_long(path: Path) -> bool:
    """Returns whether a path that Windows reports as missing exists but is too long."""
    absolute = os.path.abspath(path)
    # Listing a folder appends `\\*.*`.
    if sys.platform != "win32" or len(absolute) < _MAX_PATH - 4 or absolute.startswith("\\\\?\\"):
        return False
    long = f"\\\\?\\UNC{absolute[1:]}" if absolute.startswith("\\\\") else f"\\\\?\\{absolute}"
    return os.path.lexists(long)


def _list(root: Path, folder: str, skip: Skip) -> tuple[list[str], list[str]]:
    """Returns the files and folders in `folder`, relative to the root. Raises OSError."""
    with os.scandir(root / folder if folder else root) as scan:
        entries = sorted(scan, key=lambda entry: entry.name)
    if folder and skip(folder, {entry.name for entry in entries}):
        return [], []
    prefix = f"{folder}/" if folder else ""
    files = [
        prefix + entry.name for entry in entries if not entry.name.startswith(".") and _is(entry.is_file)
    ]
    folders = [prefix + entry.name for entry in entries if _is_folder(entry)]
    return files, folders


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False) and not _is_junction(entry)
    except OSError:
        return False


def _is_junction(entry: os.DirEntry[str]) -> bool:
    # On other systems `stat` would cost a system call per folder.
    tag = getattr(entry.stat(follow_symlinks=False), "st_reparse_tag", 0) if os.name == "nt" else 0
    return tag == _MOUNT_POINT


def _is(question: Callable[[], bool]) -> bool:
    try:
        return question()
    except OSError:
        return False


_CONFLICT = re.compile(r"^(?:<{7,} |>>>> ORIGINAL )", re.MULTILINE)
"""How Git and Perforce mark a conflict; Git writes more than seven within other conflicts and for renamed
files."""
LFS_HEAD = "version https://git-lfs."
LFS_BYTES = 1024
"""A pointer is smaller (Git LFS specification)."""
WRITABLE = 0o222
"""Permission bits; any of them makes a file writable. Windows sets all or none."""
MAX_BYTES = 16 << 20
"""Far more than the settings files of editors have."""


def is_merged(text: str) -> bool:
    """Returns whether the text contains a merge conflict of version control (`<<<<<<<`)."""
    return _conflict(text) >= 0


def checkout_problem(content: str) -> AnyText:
    """Returns why a text isn't what its program wrote, and what to do; empty if it may be.

    That is a merge conflict or a Git LFS pointer. `{path}` is left to be filled with the file's name. No full
    stop follows.
    """
    if len(content) < LFS_BYTES and content.startswith(LFS_HEAD):
        return text("{path} is a Git LFS pointer, not the file itself: run `git lfs pull`")
    if (at := _conflict(content)) >= 0:
        return text(
            "{path} has an unresolved merge conflict in line {line}: resolve it, for example with "
            "`git mergetool`",
            line=content.count("\n", 0, at) + 1,
        )
    return ""


def _conflict(text: str) -> int:
    """Returns where the first conflict begins; -1 without one."""
    found = _CONFLICT.search(text)
    return -1 if found is None else found.start()


def is_lfs_pointer(path: Path) -> bool:
    """Returns whether a file is a Git LFS pointer; False if it can't be read."""
    try:
        found = path.stat()
        if not S_ISREG(found.st_mode) or found.st_size >= LFS_BYTES:
            return False
        with path.open("rb") as opened:
            return opened.read(len(LFS_HEAD)) == LFS_HEAD.encode()
    except (OSError, ValueError):
        return False


def is_read_only(path: Path) -> bool:
    """Returns whether a file exists without permission to write, as Perforce leaves what isn't checked out.

    Also for administrators, to whom everything is writable.
    """
    try:
        found = path.stat()
    except (OSError, ValueError):
        return False
    return S_ISREG(found.st_mode) and not found.st_mode & WRITABLE


def read_text(path: Path) -> str:
    """Reads a UTF-8 file without changing line ends; bytes that aren't UTF-8 become surrogates.

    Raises OSError, also for files over 16 MiB and for what isn't a regular file: opening a pipe could block.
    """
    found = path.stat()
    if not S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, text("it isn't a regular file"), str(path))
    if found.st_size > MAX_BYTES:
        raise OSError(errno.EFBIG, text("it is larger than {limit} MiB", limit=MAX_BYTES >> 20), str(path))
    with naming(path):
        return path.read_bytes().decode("utf-8", "surrogateescape")


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Makes errors name the file itself and, on Windows, the usual reason for a missing permission."""
    try:
        yield
    except OSError as error:
        # Errors of PopBridge's own say more.
        denied = sys.platform == "win32" and isinstance(error, PermissionError) and error.winerror is not None
        raise OSError(error.errno, HELD if denied else error.strerror, str(path)) from None
