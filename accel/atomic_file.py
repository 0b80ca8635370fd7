"""Replaces files atomically: readers see either the old or the new contents."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from accel.text import text

WAITS_S = (0.01, 0.05, 0.2, 0.5) if sys.platform == "win32" else ()
"""Pauses between attempts to replace a file that another program has open, which only Windows refuses."""

DESCRIPTOR_ERRNOS = frozenset({errno.EMFILE, errno.ENFILE, getattr(errno, "WSAEMFILE", errno.EMFILE)})
"""Error numbers for too many open files, of this process or the system."""

HELD = text("another program has it open, or you don't have permission")
"""What Windows reports as a missing permission."""


def replace_file(
    source: str | Path,
    target: str | Path,
    *,
    done: Callable[[], bool] | None = None,
    dir_fd: int | None = None,
) -> None:
    """Like `os.replace`, but on Windows waits up to 0.8 s for programs that have one of the files open.

    Virus scanners open every new file, and editors read what others write. After a failed attempt, `done` is
    asked whether replacing is still necessary. Both paths are relative to the folder `dir_fd`, if given.
    Raises OSError.
    """
    for wait_s in (*WAITS_S, None):
        try:
            if dir_fd is None:
                return os.replace(source, target)
            return os.replace(source, target, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
        except PermissionError:
            if done is not None and done():
                return
            if wait_s is None or _is_for_good(target):
                raise
        time.sleep(wait_s)


def sync_folder(folder: Path) -> None:
    """Flushes a folder's entries to disk. Raises OSError."""
    if sys.platform == "win32":
        return  # Windows can't open folders for that, and NTFS journals names
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _is_for_good(target: str | Path) -> bool:
    """Whether waiting is useless: Windows reports the same error for folders and read-only files."""
    return os.path.isdir(target) or (os.path.exists(target) and not os.access(target, os.W_OK))


def make_private_folder(folder: Path) -> None:
    """Creates a folder and those above it that are missing, all for their owner alone. Raises OSError.

    `mkdir(parents=True)` applies its mode to the innermost folder only.
    """
    if not folder.is_dir():
        if folder.parent != folder:
            make_private_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def write_atomic(file: Path, contents: bytes) -> None:
    """Replaces a file's contents and creates its folder, both for their owner alone.

    On failure, the file stays unchanged.
    """
    draft = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        make_private_folder(file.parent)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
        with open(os.open(draft, flags, 0o600), "wb") as target:
            target.write(contents)
        replace_file(draft, file)
    except OSError:
        # The disk is full, or a reader has the file open.
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
