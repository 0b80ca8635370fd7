"""Writes and removes files below a project without following links out of it.

A project may come from anybody: a link in it, such as `addons/popbridge/x` to `~/.ssh`, must not make the
user's own files those of the project. Each folder on the way is opened from the one above it (openat(2),
O_NOFOLLOW), and files are created, renamed and removed in the folder that was opened, so that a folder that
is swapped for a link meanwhile leads nowhere. On Windows, a folder can't be renamed or deleted while its
handle is open, and reparse points are told by the handle.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Self

from accel.atomic_file import replace_file
from accel.text import text
from bridge.core.errors import UserError
from bridge.paths import shared_mode
from bridge.project.files import MAX_BYTES, WRITABLE, naming

READ_ONLY = text("it is read-only: check it out, for example with `p4 edit`, or make it writable")
"""Version control marks files that aren't checked out as read-only."""
CHANGED = text("another program changed it at the same time; try again")


class ProjectFolder:
    """A project's folder, held open: reads, writes and removes files below it.

    Paths are relative, with `/`. A link whose target lies in the project is followed; any other link on the
    way raises UserError, which names it. The project's own folder may be a link. For one thread at a time.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def __enter__(self) -> Self:
        """Raises OSError if the project's folder can't be opened."""
        self._folder = _Folder.root(self.root)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.close()

    def read(self, relative: str) -> bytes:
        """Returns a file's bytes.

        Raises UserError; OSError, also for more than 16 MiB and for what isn't a regular file.
        """
        with naming(self.root / relative), self._parent(relative) as (folder, name):
            return folder.read(name)

    def write(
        self,
        relative: str,
        content: bytes,
        *,
        was: bytes | None = None,
        parents: bool = False,
        sync: bool = False,
    ) -> None:
        """Replaces a file's content atomically; its permissions stay.

        `was` is the content that the new one is based on, empty for a missing file: if the file has changed
        since, it stays unchanged. `parents` creates missing folders; `sync` waits for the disk. Raises
        UserError; OSError, also for a changed and for a read-only file.
        """
        path = self.root / relative
        with naming(path), self._parent(relative, parents=parents) as (folder, name):
            present = folder.stat(name)
            # The folder's permissions would allow to replace a read-only file.
            if present is not None and not present.st_mode & WRITABLE:
                raise PermissionError(errno.EACCES, READ_ONLY, str(path))
            # The daemon's own umask is for its own files.
            mode = shared_mode() if present is None else stat.S_IMODE(present.st_mode)
            # Not the file's name with a suffix, which may exceed the limit of names.
            draft = f".{uuid.uuid4().hex}.popbridge-new"
            try:
                folder.create(draft, content, mode, sync=sync)
                folder.replace(draft, name, lambda: was is not None and folder.differs(name, was))
            finally:
                # A virus scanner may have it open. The first error matters more.
                with contextlib.suppress(OSError):
                    folder.unlink(draft)

    def write_text(self, relative: str, text: str, was: str | None = None) -> None:
        """Like `write`, for UTF-8; surrogates of `read_text` become the bytes that they were.

        Without `was`, the file is replaced in any case.
        """
        before = None if was is None else was.encode("utf-8", "surrogateescape")
        self.write(relative, text.encode("utf-8", "surrogateescape"), was=before)

    def check(self, relative: str, *, remove: bool = False) -> None:
        """Raises UserError if a link keeps `write` from writing this path, or `remove` from removing it."""
        with contextlib.suppress(OSError), self._parent(relative, follow=not remove):
            pass

    def remove(self, relative: str) -> bool:
        """Removes a file, or a link itself; False if there is none. Raises UserError and OSError."""
        try:
            with naming(self.root / relative), self._parent(relative, follow=False) as (folder, name):
                found = folder.stat(name)
                if found is None or (stat.S_ISDIR(found.st_mode) and not folder.is_link(name)):
                    return False
                folder.unlink(name)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def remove_tree(self, relative: str) -> None:
        """Removes a folder with its contents, but nothing behind links. Raises as `remove`."""
        with (
            contextlib.suppress(FileNotFoundError, NotADirectoryError),
            naming(self.root / relative),
            self._parent(relative, follow=False) as (folder, name),
        ):
            if folder.is_link(name):
                folder.unlink(name)
            else:
                shutil.rmtree(folder.at(name), dir_fd=folder.descriptor)

    def remove_empty_folders(self, relative: str) -> bool:
        """Removes a folder's subfolders and the folder, as far as they are empty; whether it is gone.

        Raises as `remove`.
        """
        try:
            with naming(self.root / relative), self._parent(relative, follow=False) as (folder, name):
                return _remove_empty(folder, name)
        except (FileNotFoundError, NotADirectoryError):
            return True

    def set_modified(self, relative: str, modified_ns: int) -> None:
        """Sets when a file was accessed and modified, in nanoseconds since 1970. Raises as `remove`."""
        with naming(self.root / relative), self._parent(relative) as (folder, name):
            folder.set_modified(name, modified_ns)

    @contextlib.contextmanager
    def _parent(
        self, relative: str, *, parents: bool = False, follow: bool = True
    ) -> Iterator[tuple[_Folder, str]]:
        """Opens the folder of a path and returns it with the name in it, which isn't a link if `follow`."""
        parts = _parts(self.root, relative)
        with contextlib.ExitStack() as stack:
            try:
                folder = self._open(stack, parts, parents=parents, strict=follow)
            except _LinkError as link:
                folder, parts = self._behind(stack, link.index, parts, strict=follow, parents=parents)
            yield folder, parts[-1]

    def _open(
        self, stack: contextlib.ExitStack, parts: list[str], *, strict: bool, parents: bool = False
    ) -> _Folder:
        """Opens all but the last of the parts. Raises _LinkError for a link, also as the last if `strict`."""
        folder = self._folder
        for index, name in enumerate(parts[:-1]):
            if parents:
                folder.make(name)
            try:
                folder = stack.enter_context(contextlib.closing(folder.open(name)))
            except OSError:
                if folder.is_link(name):
                    raise _LinkError(index) from None
                raise
        if strict and folder.is_link(parts[-1]):
            raise _LinkError(len(parts) - 1)
        return folder

    def _behind(
        self, stack: contextlib.ExitStack, index: int, parts: list[str], *, strict: bool, parents: bool
    ) -> tuple[_Folder, list[str]]:
        """Opens the target of the link at `index` by a path without links. Raises UserError outside."""
        link = self.root.joinpath(*parts[: index + 1])
        home = os.path.realpath(self.root)
        last = [] if strict else [parts[-1]]
        found = Path(os.path.realpath(os.path.join(home, *parts[: len(parts) - len(last)])))
        try:
            resolved = [*found.relative_to(home).parts, *last]
            # Another link, if it was swapped meanwhile or leads to itself.
            return self._open(stack, resolved, strict=strict, parents=parents), resolved
        except (ValueError, IndexError, _LinkError):
            raise UserError(
                text(
                    "{path} is a link that leads out of the project, and PopBridge changes nothing behind "
                    "it: replace it with a file or folder of the project's own.",
                    path=link,
                )
            ) from None


def write_text(path: Path, text: str, was: str | None = None) -> None:
    """Replaces a file's text atomically, like `ProjectFolder(path.parent).write_text`.

    `was` is the text from `read_text` that `text` is based on: if the file has changed since, it stays.
    Whether its folder lies in the project isn't checked: prefer `ProjectFolder` of the project. Raises
    UserError for a link out of the folder; OSError, also for a changed and for a read-only file.
    """
    with naming(path), ProjectFolder(path.parent) as folder:
        folder.write_text(path.name, text, was)


class _LinkError(Exception):
    """A part of a path, counted from 0, is a link."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


class _Folder:
    """An open folder, by whose descriptor or handle its entries are reached."""

    def __init__(self, path: str, handle: int) -> None:
        self._path, self._handle = path, handle

    @classmethod
    def root(cls, path: Path) -> _Folder:
        """Opens a folder, which may be a link. Raises OSError."""
        return cls(str(path), _open_folder(str(path), follow=True))

    def open(self, name: str) -> _Folder:
        """Opens a subfolder. Raises OSError, also for a link."""
        path = os.path.join(self._path, name)
        return _Folder(path, _open_folder(self.at(name), dir_fd=self.descriptor))

    def close(self) -> None:
        _close(self._handle)

    @property
    def descriptor(self) -> int | None:
        """The descriptor that `at` is relative to; None on Windows."""
        return None if sys.platform == "win32" else self._handle

    def at(self, name: str) -> str:
        """Returns the path of an entry for functions of `os` with `dir_fd=descriptor`."""
        # On Windows nobody can rename or delete a folder on the way while its handle is open.
        return os.path.join(self._path, name) if sys.platform == "win32" else name

    def stat(self, name: str) -> os.stat_result | None:
        """Returns an entry's own state, also of a link; None if there is none."""
        try:
            return os.stat(self.at(name), dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def is_link(self, name: str) -> bool:
        """Returns whether an entry is a symbolic link or, on Windows, a junction."""
        found = self.stat(name)
        if found is None:
            return False
        # Windows' IsReparseTagNameSurrogate; files of OneDrive have reparse points of other kinds.
        return stat.S_ISLNK(found.st_mode) or bool(getattr(found, "st_reparse_tag", 0) & 0x2000_0000)

    def read(self, name: str) -> bytes:
        # Without O_NONBLOCK, a pipe would block.
        flags = os.O_RDONLY | _flags("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY")
        with open(os.open(self.at(name), flags, dir_fd=self.descriptor), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise OSError(errno.EINVAL, text("it isn't a regular file"))
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise OSError(errno.EFBIG, text("it is larger than {limit} MiB", limit=MAX_BYTES >> 20))
        return content

    def differs(self, name: str, content: bytes) -> bool:
        """Returns whether a file has another content. Raises OSError, also if it is gone."""
        try:
            return self.read(name) != content
        except FileNotFoundError:
            if content:
                raise
            return False
        except PermissionError:
            # A writer may have it locked; it is checked again before the next try.
            return False

    def create(self, name: str, content: bytes, mode: int | None, *, sync: bool) -> None:
        """Creates a file; None is the usual mode. Raises OSError, also if the name is taken."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _flags("O_NOFOLLOW", "O_CLOEXEC", "O_BINARY")
        with open(os.open(self.at(name), flags, 0o666, dir_fd=self.descriptor), "wb") as file:
            if sys.platform != "win32" and mode is not None:
                os.fchmod(file.fileno(), mode)
            file.write(content)
            if sync:
                file.flush()
                os.fsync(file.fileno())

    def replace(self, draft: str, name: str, changed: Callable[[], bool]) -> None:
        """Renames `draft` to `name` unless that has changed meanwhile. Raises OSError."""
        if not changed():
            replace_file(self.at(draft), self.at(name), done=changed, dir_fd=self.descriptor)
        if self.stat(draft) is not None:
            raise OSError(errno.EBUSY, CHANGED)

    def make(self, name: str) -> None:
        """Creates a subfolder, if it is missing. Raises OSError."""
        with contextlib.suppress(FileExistsError):
            os.mkdir(self.at(name), dir_fd=self.descriptor)

    def names(self) -> list[str]:
        return os.listdir(self._path if sys.platform == "win32" else self._handle)

    def unlink(self, name: str) -> None:
        os.unlink(self.at(name), dir_fd=self.descriptor)

    def rmdir(self, name: str) -> None:
        os.rmdir(self.at(name), dir_fd=self.descriptor)

    def set_modified(self, name: str, modified_ns: int) -> None:
        times = (modified_ns, modified_ns)
        if sys.platform == "win32":
            os.utime(self.at(name), ns=times)
        else:
            os.utime(name, ns=times, dir_fd=self.descriptor, follow_symlinks=False)


def _remove_empty(folder: _Folder, name: str) -> bool:
    """Removes what is empty of a folder; whether it is gone. Links count as files."""
    if folder.is_link(name):
        return False
    with contextlib.closing(folder.open(name)) as inner:
        for each in sorted(inner.names()):
            found = inner.stat(each)
            if found is not None and stat.S_ISDIR(found.st_mode):
                _remove_empty(inner, each)
        if inner.names():
            return False
    # Somebody may have put a file there meanwhile.
    with contextlib.suppress(OSError):
        folder.rmdir(name)
    return folder.stat(name) is None


def _parts(root: Path, relative: str) -> list[str]:
    """Returns the names in a path below `root`. Raises UserError for any other path."""
    path = PurePosixPath(relative)
    parts = list(path.parts)
    # A colon begins a stream or, like a backslash, leads elsewhere on Windows.
    is_odd = "\0" in relative or (sys.platform == "win32" and not {":", "\\"}.isdisjoint(relative))
    if not parts or path.is_absolute() or ".." in parts or is_odd:
        raise UserError(
            text("{path} isn't a path below the project {project}.", path=repr(relative), project=root)
        )
    return parts


def _flags(*names: str) -> int:
    """Returns those of these flags of open(2) that the system has."""
    return sum(getattr(os, name, 0) for name in names)


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _LIST_DIRECTORY, _READ_ATTRIBUTES = 0x0001, 0x0080
    _SHARE_READ_WRITE = 0x0003
    """Without FILE_SHARE_DELETE: the folder can't be renamed or deleted while the handle is open."""
    _OPEN_EXISTING = 3
    _BACKUP_SEMANTICS, _OPEN_REPARSE_POINT = 0x0200_0000, 0x0020_0000
    _ATTRIBUTE_TAG_INFO = 9
    """FILE_INFO_BY_HANDLE_CLASS.FileAttributeTagInfo"""
    _DIRECTORY, _REPARSE_POINT = 0x0010, 0x0400
    _NAME_SURROGATE = 0x2000_0000
    """The bit of reparse tags that stand for another name: symbolic links and junctions."""

    _kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    _kernel.CreateFileW.restype = wintypes.HANDLE
    _kernel.CreateFileW.argtypes = [
        wintypes.LPCWSTR, wintypes.DWORD, wintypes.DWORD, wintypes.LPVOID, wintypes.DWORD, wintypes.DWORD,
        wintypes.HANDLE,
    ]  # fmt: skip
    _kernel.GetFileInformationByHandleEx.argtypes = [
        wintypes.HANDLE, ctypes.c_int, wintypes.LPVOID, wintypes.DWORD,
    ]  # fmt: skip
    _kernel.CloseHandle.argtypes = [wintypes.HANDLE]

    def _open_folder(path: str, *, dir_fd: int | None = None, follow: bool = False) -> int:
        """Returns a handle of a folder that isn't a link, unless `follow`. Raises OSError."""
        flags = _BACKUP_SEMANTICS | (0 if follow else _OPEN_REPARSE_POINT)
        handle: int | None = _kernel.CreateFileW(
            path, _LIST_DIRECTORY | _READ_ATTRIBUTES, _SHARE_READ_WRITE, None, _OPEN_EXISTING, flags, None
        )
        if handle is None or handle == wintypes.HANDLE(-1).value:
            raise ctypes.WinError(ctypes.get_last_error())
        info = (ctypes.c_uint32 * 2)()
        known = _kernel.GetFileInformationByHandleEx(
            handle, _ATTRIBUTE_TAG_INFO, ctypes.byref(info), ctypes.sizeof(info)
        )
        error = ctypes.get_last_error()
        attributes, tag = info
        if known and attributes & _DIRECTORY and not (attributes & _REPARSE_POINT and tag & _NAME_SURROGATE):
            return handle
        _kernel.CloseHandle(handle)
        raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) if known else ctypes.WinError(error)

    def _close(handle: int) -> None:
        _kernel.CloseHandle(handle)

else:

    def _open_folder(path: str, *, dir_fd: int | None = None, follow: bool = False) -> int:
        """Returns a descriptor of a folder that isn't a link, unless `follow`. Raises OSError."""
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
        return os.open(path, flags, dir_fd=dir_fd)

    _close = os.close
