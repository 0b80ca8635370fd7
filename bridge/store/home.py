"""The folders of PopBridge's own files: whose they are, who may read them, and which process uses them."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Self

from accel.atomic_file import make_private_folder
from accel.text import text
from bridge.core.errors import UserError
from bridge.paths import Paths

OTHERS = 0o077
"""The permission bits of the group and of all other users."""


class HomeInUseError(Exception):
    """Another process uses the folders."""


def create_folders(paths: Paths) -> None:
    """Creates the folders of data, of the running daemon and of the cache, and closes them to other users.

    Raises UserError for a folder that belongs to somebody else or that everybody may write to; OSError.
    """
    for folder in _folders(paths):
        make_private_folder(folder)
        if sys.platform != "win32":
            found = os.stat(folder)
            _check(folder, found)
            if found.st_mode & OTHERS:
                os.chmod(folder, stat.S_IMODE(found.st_mode) & ~OTHERS)


def close_files(paths: Paths, log_file: str = "") -> None:
    """Takes other users' permissions from files of older versions, and of a log with its older parts.

    Windows' files have the permissions of the user's profile folder.
    """
    if sys.platform != "win32":
        for folder in _folders(paths):
            _close_folder(str(folder), {str(paths.blobs)})
        if log_file:
            path = Path(log_file).expanduser()
            for part in (path, *path.parent.glob(f"{path.name}.*")):
                with contextlib.suppress(OSError):
                    _close(str(part), os.lstat(part))


def _folders(paths: Paths) -> dict[Path, None]:
    return dict.fromkeys((paths.data, paths.runtime, paths.cache))


if sys.platform != "win32":

    def _check(folder: Path, found: os.stat_result) -> None:
        """Raises UserError for a folder that another user could have filled."""
        if found.st_uid != os.geteuid():
            raise UserError(
                text(
                    "{folder} belongs to {owner}, but PopBridge runs as {user}. Set POPBRIDGE_HOME to a "
                    "folder of {user}'s own, or make {user} its owner.",
                    folder=folder,
                    owner=_name(found.st_uid),
                    user=_name(os.geteuid()),
                )
            )
        if found.st_mode & stat.S_IWOTH:
            raise UserError(
                text(
                    "Every user of this machine can write to {folder}, so its files can't be trusted. Set "
                    "POPBRIDGE_HOME to another folder, or check its files and close it with `chmod 700`.",
                    folder=folder,
                )
            )

    def _name(uid: int) -> str:
        import pwd

        try:
            return pwd.getpwuid(uid).pw_name
        except KeyError:
            return str(uid)

    def _close_folder(folder: str, large: Collection[str]) -> None:
        """Closes what is in a folder, then the folder.

        A folder of `large` that is closed was finished by an earlier start, and later files had the umask.
        """
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    found = entry.stat(follow_symlinks=False)
                    if stat.S_ISDIR(found.st_mode) and (found.st_mode & OTHERS or entry.path not in large):
                        _close_folder(entry.path, large)
                    _close(entry.path, found)

    def _close(path: str, found: os.stat_result) -> None:
        # A link has no mode of its own; root's programs meet other users' files.
        if found.st_mode & OTHERS and found.st_uid == os.geteuid() and not stat.S_ISLNK(found.st_mode):
            os.chmod(path, stat.S_IMODE(found.st_mode) & ~OTHERS)


class HomeLock:
    """Held by the only process that uses the folders: the daemon, or a command that replaces the database.

    On POSIX it is a lock file, which older versions know but which may be deleted while it is locked, and the
    data folder itself (flock(2)). Windows deletes no file that is open.
    """

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def __enter__(self) -> Self:
        """Raises HomeInUseError if another process holds it; OSError."""
        if sys.platform == "win32":
            self._lock = FileLock(self._paths.lock_file)
            try:
                self._lock.acquire(timeout=0)
            except Timeout:
                raise HomeInUseError from None
        else:
            self._locks: dict[Path, int] = {}
            try:
                for path, flags in self._targets():
                    try:
                        self._locks[path] = _lock(path, flags)
                    except OSError as error:
                        # Network file systems may lock no folders.
                        if path == self._paths.lock_file or error.errno not in NO_LOCKS:
                            raise
            except BaseException:
                self.__exit__()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        if sys.platform == "win32":
            self._lock.release()
        else:
            for descriptor in self._locks.values():
                os.close(descriptor)

    def renew(self) -> bool:
        """Locks anew what was deleted or replaced meanwhile; False if another process was faster.

        Takes a few microseconds if nothing has changed.
        """
        if sys.platform != "win32":
            for path, flags in self._targets():
                held = self._locks.get(path)
                if held is None or _is_at(path, held):
                    continue
                try:
                    make_private_folder(self._paths.runtime)
                    self._locks[path] = _lock(path, flags)
                except HomeInUseError:
                    return False
                except OSError:
                    continue  # The next call tries again
                os.close(held)
        return True

    if sys.platform != "win32":

        def _targets(self) -> tuple[tuple[Path, int], ...]:
            """Returns what is locked, and the flags to open it with."""
            return (
                (self._paths.data, os.O_RDONLY | os.O_DIRECTORY),
                (self._paths.lock_file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK),
            )


if sys.platform == "win32":
    from filelock import FileLock, Timeout
else:
    import fcntl

    NO_LOCKS = (errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)

    def _lock(path: Path, flags: int) -> int:
        """Returns a descriptor that holds the lock of `path`. Raises HomeInUseError and OSError."""
        while True:
            descriptor = os.open(str(path), flags | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # It may have been deleted since it was opened.
                if _is_at(path, descriptor):
                    return descriptor
            except OSError as error:
                os.close(descriptor)
                if error.errno in (errno.EACCES, errno.EWOULDBLOCK):
                    raise HomeInUseError from None
                raise OSError(error.errno, error.strerror, str(path)) from None
            os.close(descriptor)

    def _is_at(path: Path, descriptor: int) -> bool:
        """Returns whether `path` still names the file that is open."""
        try:
            return os.path.samestat(os.stat(path), os.fstat(descriptor))
        except OSError:
            return False
