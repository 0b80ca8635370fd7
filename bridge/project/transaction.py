"""Changes of several files below a project that are undone if one of them fails."""

from __future__ import annotations

import contextlib
import errno
import os
from types import TracebackType
from typing import Self

from bridge.core.errors import UserError
from bridge.project.files import WRITABLE
from bridge.project.safe_files import READ_ONLY, ProjectFolder
from bridge.project.support import AssetChange


class Transaction:
    """Writes and removes files of an open project folder; an exception in its block restores all of them.

    Planned changes are checked before the first is made: links out of the project, and files that are
    read-only. What fails later, such as a full disk, is undone.
    """

    def __init__(self, folder: ProjectFolder) -> None:
        self._folder = folder
        self._steps: list[tuple[str, bytes | None, bytes | None]] = []
        """Path, content before and after; None is no file."""
        self._done: list[tuple[str, bytes | None]] = []
        self._made: list[str] = []
        """Folders that writing has created, the outermost first."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._undo()

    def write(self, path: str, content: bytes) -> AssetChange:
        """Plans a file's content. Raises OSError and UserError, also if it couldn't be written."""
        self._folder.check(path)
        old = self._content(path)
        if old == content:
            return AssetChange(path, "unchanged")
        self._steps.append((path, old, content))
        return AssetChange(path, "created" if old is None else "updated")

    def remove(self, path: str) -> AssetChange | None:
        """Plans to remove a file; None if there is none, as of a folder. Raises as `write`."""
        self._folder.check(path, remove=True)
        file = self._folder.root / path
        if not os.path.lexists(file) or (file.is_dir() and not file.is_symlink()):
            return None
        old = None if file.is_symlink() else self._content(path)
        self._steps.append((path, old, None))
        return AssetChange(path, "removed")

    def commit(self) -> None:
        """Makes the planned changes, in their order. Raises OSError and UserError."""
        for path, old, content in self._steps:
            if content is None:
                self._folder.remove(path)
                self._done.append((path, old))
            else:
                self._note_folders(path)
                self._done.append((path, old))
                self._folder.write(path, content, was=old or b"", parents=True)

    def _content(self, path: str) -> bytes | None:
        file = self._folder.root / path
        try:
            content = self._folder.read(path)
        except (FileNotFoundError, NotADirectoryError):
            self._check_folder(path)
            return None
        if not file.stat().st_mode & WRITABLE:
            raise PermissionError(errno.EACCES, READ_ONLY, str(file))
        if not os.access(file.parent, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file))
        return content

    def _check_folder(self, path: str) -> None:
        """Raises OSError if the nearest folder that exists can't get new files, or is a file."""
        for parent in (self._folder.root / path).parents:
            if os.path.lexists(parent):
                if not parent.is_dir():
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(parent))
                if not os.access(parent, os.W_OK):
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(parent))
                return

    def _note_folders(self, path: str) -> None:
        parents = []
        for parent in list((self._folder.root / path).parents):
            if parent == self._folder.root or parent.exists():
                break
            parents.append(parent.relative_to(self._folder.root).as_posix())
        self._made += reversed(parents)

    def _undo(self) -> None:
        # The first error matters more than one of these.
        for path, old in reversed(self._done):
            with contextlib.suppress(OSError, UserError):
                if old is None:
                    self._folder.remove(path)
                else:
                    self._folder.write(path, old, parents=True)
        for path in reversed(self._made):
            with contextlib.suppress(OSError, UserError):
                self._folder.remove_empty_folders(path)
