"""The branch for Windows, with functions of its kernel that are made of POSIX's: no junction is real here.

What Windows itself refuses, such as renaming a folder whose handle is open, is not shown by this.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import stat
import sys
from collections.abc import Iterator
from ctypes import wintypes
from pathlib import Path
from types import ModuleType

import pytest

from bridge.core.errors import UserError
from bridge.project import safe_files

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="test_project_safe_files.py runs there")

DIRECTORY, REPARSE_POINT = 0x10, 0x400
SYMLINK = 0xA000_000C
INVALID = wintypes.HANDLE(-1).value


class Function:
    """A function of a library, whose types are set before it is called."""

    def __init__(self, call: object) -> None:
        self.call = call

    def __call__(self, *arguments: object) -> object:
        return self.call(*arguments)  # type: ignore[operator]


class Kernel:
    """Handles by CreateFileW, GetFileInformationByHandleEx and CloseHandle."""

    def __init__(self, *_: object, **__: object) -> None:
        self.open: dict[int, str] = {}
        self.opened: list[str] = []
        self.error = 0
        self.CreateFileW = Function(self.create)
        self.GetFileInformationByHandleEx = Function(self.information)
        self.CloseHandle = Function(self.open.pop)

    def create(
        self, path: str, access: int, share: int, _: None, how: int, flags: int, __: None
    ) -> int | None:
        assert access & 1 and share == 3 and how == 3, (
            "a right that counts, no FILE_SHARE_DELETE, OPEN_EXISTING"
        )
        assert flags & 0x0200_0000, "FILE_FLAG_BACKUP_SEMANTICS, without which folders can't be opened"
        if not os.path.lexists(path):
            self.error = 2
            return INVALID
        handle = 100 + len(self.opened)
        self.open[handle] = path if flags & 0x0020_0000 else os.path.realpath(path)
        self.opened.append(path)
        return handle

    def information(self, handle: int, kind: int, buffer: object, size: int) -> int:
        assert kind == 9 and size == 8
        mode = os.lstat(self.open[handle]).st_mode
        info = buffer._obj  # type: ignore[attr-defined]
        info[0] = DIRECTORY if stat.S_ISDIR(mode) else REPARSE_POINT | DIRECTORY if stat.S_ISLNK(mode) else 0
        info[1] = SYMLINK if stat.S_ISLNK(mode) else 0
        return 1


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    kernel = Kernel()
    monkeypatch.setattr(ctypes, "WinDLL", lambda *_, **__: kernel, raising=False)
    monkeypatch.setattr(ctypes, "get_last_error", lambda: kernel.error, raising=False)
    monkeypatch.setattr(ctypes, "WinError", lambda code: OSError(code, os.strerror(code)), raising=False)
    return kernel


@pytest.fixture
def windows(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """`safe_files`, imported as on Windows."""
    monkeypatch.setattr(sys, "platform", "win32")
    spec = importlib.util.spec_from_file_location("safe_files_of_windows", safe_files.__file__)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    assert kernel.open == {}, "each handle is closed"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "project" / "art").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.txt").write_bytes(b"theirs")
    return tmp_path / "project"


def test_files_are_written_read_and_removed_by_their_paths(
    windows: ModuleType, kernel: Kernel, root: Path
) -> None:
    with windows.ProjectFolder(root) as folder:
        folder.write("art/made/a.txt", b"new", parents=True)
        folder.write("art/made/a.txt", b"newer", was=b"new", sync=True)
        folder.set_modified("art/made/a.txt", 1_700_000_000_000_000_000)
        assert folder.read("art/made/a.txt") == b"newer"
        assert (root / "art/made/a.txt").stat().st_mtime == 1_700_000_000
        assert folder.remove("art/made/a.txt") and folder.remove_empty_folders("art/made")
        folder.write("art/made/a.txt", b"new", parents=True)
        folder.remove_tree("art/made")
        assert list(kernel.open.values()) == [str(root)], "the project's own is open all the while"
    assert str(root / "art" / "made") in kernel.opened and os.listdir(root / "art") == []


def test_links_and_junctions_out_of_the_project_are_refused(windows: ModuleType, root: Path) -> None:
    (root / "folder").symlink_to(root.with_name("outside"))
    (root / "file.txt").symlink_to(root.with_name("outside") / "a.txt")
    (root / "inside").symlink_to("art")
    with windows.ProjectFolder(root) as folder:
        folder.write("inside/a.txt", b"mine")
        for path in ("folder/a.txt", "file.txt"):
            for change in (folder.read, folder.check, lambda path: folder.write(path, b"mine")):
                with pytest.raises(UserError):
                    change(path)
        for remove in (folder.remove, folder.remove_tree, folder.remove_empty_folders):
            with pytest.raises(UserError):
                remove("folder/a.txt")
    assert (root / "art/a.txt").read_bytes() == b"mine"
    assert (root.with_name("outside") / "a.txt").read_bytes() == b"theirs"


@pytest.mark.parametrize("path", ["art\\a.txt", "art/a.txt:stream", "C:/a.txt", "..\\outside\\a.txt"])
def test_backslashes_and_colons_lead_nowhere(windows: ModuleType, root: Path, path: str) -> None:
    with windows.ProjectFolder(root) as folder, pytest.raises(UserError):
        folder.write(path, b"mine")


def test_what_is_no_folder_or_not_there_is_told(windows: ModuleType, root: Path) -> None:
    (root / "file").touch()
    with windows.ProjectFolder(root) as folder:
        with pytest.raises(FileNotFoundError):
            folder.write("gone/a.txt", b"")
        with pytest.raises(NotADirectoryError):
            folder.write("file/a.txt", b"")
    with pytest.raises(OSError), windows.ProjectFolder(root / "gone"):
        pass
