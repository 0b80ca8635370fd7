"""Opens files that must be where they were found: a link that took their place meanwhile leads nowhere.

A path that is checked and opened afterwards may lead elsewhere by then. Here, the open file is compared with
the path, which has no links, and stays open as long as it is read.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator, Sequence

from accel.text import text
from accel.workload import Input, WorkloadError

F_GETPATH, MAXPATHLEN = 50, 1024
"""`fcntl` of macOS that returns the path of an open file (fcntl(2))."""


@contextlib.contextmanager
def opened(inputs: Sequence[Input]) -> Iterator[Sequence[Input]]:
    """Yields the inputs with paths that lead to the right files until the end; changes only those `confined`.

    On Linux these are paths of open files. Windows neither moves nor replaces an open file or its folders.
    Elsewhere, they are copies. Raises WorkloadError.
    """
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(_opened(one)) if one.confined else one for one in inputs]


@contextlib.contextmanager
def _opened(source: Input) -> Iterator[Input]:
    try:
        file = os.open(source.path, _FLAGS)
    except FileNotFoundError:
        raise WorkloadError("not_found", text("isn't there"), source.name) from None
    except (OSError, ValueError):
        raise _replaced(source) from None
    try:
        # Something may have taken its place that isn't a file at all, such as a pipe.
        if not stat.S_ISREG(os.fstat(file).st_mode) or not is_at(file, source.path):
            raise _replaced(source)
        if sys.platform == "linux":
            yield Input(source.name, f"/proc/self/fd/{file}")
        elif sys.platform == "win32":
            yield Input(source.name, source.path)
        else:
            with _copied(file) as path:
                yield Input(source.name, path)
    finally:
        os.close(file)


@contextlib.contextmanager
def _copied(file: int) -> Iterator[str]:
    """Yields the path of a copy of an open file: its own path may lead elsewhere, and there is no other."""
    with tempfile.TemporaryDirectory(prefix="popbridge-") as folder:
        path = os.path.join(folder, "input")
        with open(file, "rb", closefd=False) as source, open(path, "wb") as target:
            shutil.copyfileobj(source, target)
        yield path


_FLAGS = os.O_RDONLY | sum(
    getattr(os, name, 0) for name in ("O_BINARY", "O_CLOEXEC", "O_NOCTTY", "O_NOFOLLOW", "O_NONBLOCK")
)


def _replaced(source: Input) -> WorkloadError:
    reason = text("it was replaced by a link or is no file any more; try again")
    return WorkloadError("forbidden", reason, source.name)


def is_at(file: int, path: str) -> bool:
    """Whether an open file is at this path, which has no links."""
    try:
        found = path_of(file)
    except OSError:
        return False
    return os.path.normcase(found) == os.path.normcase(path)


def path_of(file: int) -> str:
    """Returns the path of an open file, as the system knows it. Raises OSError."""
    if sys.platform == "win32":
        return _final_path(file)
    if sys.platform == "darwin":
        import fcntl

        found = fcntl.fcntl(file, F_GETPATH, bytes(MAXPATHLEN))
        return os.fsdecode(found.partition(b"\0")[0])
    return os.readlink(f"/proc/self/fd/{file}")


if sys.platform == "win32":
    import ctypes
    import msvcrt

    MAX_LONG_PATH = 32_768

    def _final_path(file: int) -> str:
        """Returns the path of an open file without the prefix for long paths, as `os.path.realpath` does."""
        buffer = ctypes.create_unicode_buffer(MAX_LONG_PATH)
        find = ctypes.windll.kernel32.GetFinalPathNameByHandleW
        find.argtypes = (ctypes.c_void_p, ctypes.c_wchar_p, ctypes.c_uint32, ctypes.c_uint32)
        size = find(msvcrt.get_osfhandle(file), buffer, MAX_LONG_PATH, 0)
        if not 0 < size < MAX_LONG_PATH:
            raise ctypes.WinError()
        found = buffer.value
        if found.startswith("\\\\?\\UNC\\"):
            return "\\\\" + found[8:]
        return found.removeprefix("\\\\?\\")
