"""Walk folders; read and write text atomically."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISLNK, S_ISREG

from msgspec import Struct

from accel.atomic_file import HELD, replace_file
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


class WalkedFolder(Struct, frozen=True):
    """A file, or a folder that can't be listed."""

    file: str
    """Its place below the root, with `/` on every system; bytes that are no UTF-8 are surrogates."""
    problem: AnyText = ""
    """Why the folder can't be listed, for people; empty for a file."""


def is_hidden(folder: str, names: Collection[str]) -> bool:
    """Whether the folder's name begins with a dot."""
    return folder.rpartition("/")[2].startswith(".")


def walk(root: Path, skip: Skip = is_hidden) -> Iterator[WalkedFolder]:
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


WRITABLE = 0o222
"""The rights of which one at least makes a file writable; Windows' attribute is all of them."""
CONFLICT = "<<<<<<< "
MAX_BYTES = 16 << 20
"""No settings that an editor has written are nearly so large."""
READ_ONLY = "it is read-only; check it out, or make it writable"
"""Only what version control has checked out is its user's to change."""
CHANGED = text("another program changed it in the same moment; try again")


def is_merged(text: str) -> bool:
    """Whether version control has left two versions in it, between `<<<<<<<` and `>>>>>>>`."""
    return text.startswith(CONFLICT) or f"\n{CONFLICT}" in text


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, line ends as they are; bytes that are no UTF-8 become surrogates.

    Raises OSError, also for what is no regular file (to open a pipe is to wait) or has more than 16 MiB.
    """
    found = path.stat()
    if not S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    if found.st_size > MAX_BYTES:
        raise OSError(errno.EFBIG, f"it has more than {MAX_BYTES >> 20} MiB", str(path))
    with _told(path):
        return path.read_bytes().decode("utf-8", "surrogateescape")


def write_text(path: Path, text: str, was: str | None = None) -> None:
    """In one step, so that an editor that looks at the same time never reads half of it.

    A link stays one: the file that it leads to is written. `was` is what `read_text` gave, where `text` was
    made of that: a file that holds something else by now stays. Raises OSError, also for that and for what is
    read-only: so version control marks what isn't checked out, and a folder's rights alone would let it be
    replaced.
    """
    path = path.resolve()
    if path.exists() and not path.stat().st_mode & WRITABLE:
        raise PermissionError(errno.EACCES, READ_ONLY, str(path))
    # A name of its own: that of the file may be as long as names can be.
    draft = path.with_name(f".{uuid.uuid4().hex}.popbridge-new")
    try:
        with _told(path):
            draft.write_bytes(_encoded(text))
            if path.exists():
                shutil.copymode(path, draft)
            _replace(draft, path, was)
    finally:
        # A virus scanner may have it open: what couldn't be written is the thing to tell.
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _replace(draft: Path, path: Path, was: str | None) -> None:
    def changed() -> bool:
        # What can't be read now, as its writer keeps it to itself, is looked at again before the next try.
        with suppress(PermissionError):
            return was is not None and path.read_bytes() != _encoded(was)
        return False

    if not changed():
        replace_file(draft, path, done=changed)
    if draft.exists():
        raise OSError(errno.EBUSY, CHANGED, str(path))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Names the file itself, and on Windows what is mostly the matter where it refuses one."""
    try:
        yield
    except OSError as error:
        held = sys.platform == "win32" and isinstance(error, PermissionError)
        raise OSError(error.errno, HELD if held else error.strerror, str(path)) from None
