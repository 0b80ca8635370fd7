"""Files of a project are written and removed in its own folders, whatever links it has."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.core.errors import UserError
from bridge.paths import private_umask
from bridge.project.files import MAX_BYTES
from bridge.project.safe_files import ProjectFolder
from tests.messages import in_chinese, is_chinese

posix = pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "art").mkdir(parents=True)
    (root / "art" / "a.txt").write_bytes(b"old")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.txt").write_bytes(b"theirs")
    return root


def test_a_file_is_written_read_and_removed(root: Path) -> None:
    with ProjectFolder(root) as folder:
        folder.write("art/a.txt", b"new")
        assert folder.read("art/a.txt") == b"new"
        assert folder.remove("art/a.txt") and not folder.remove("art/a.txt")
        assert not folder.remove("gone/a.txt") and not folder.remove("art")
    assert list((root / "art").iterdir()) == []


def test_missing_folders_are_created_if_asked_for_and_removed_if_empty(root: Path) -> None:
    with ProjectFolder(root) as folder:
        with pytest.raises(FileNotFoundError) as raised:
            folder.write("x/y/z.txt", b"")
        assert raised.value.filename == str(root / "x/y/z.txt")
        folder.write("x/y/z.txt", b"", parents=True)
        folder.write("x/other/z.txt", b"", parents=True)
        (root / "x/empty/empty").mkdir(parents=True)
        assert not folder.remove_empty_folders("x")
        assert sorted(os.listdir(root / "x")) == ["other", "y"]
        folder.remove("x/y/z.txt")
        folder.remove("x/other/z.txt")
        assert folder.remove_empty_folders("x") and folder.remove_empty_folders("x")
        folder.write("x/y/z.txt", b"", parents=True)
        folder.remove_tree("x")
        folder.remove_tree("x")
    assert os.listdir(root) == ["art"]


def test_a_file_that_has_changed_since_stays(root: Path) -> None:
    with ProjectFolder(root) as folder:
        folder.write("art/a.txt", b"new", was=b"old", sync=True)
        for was in (b"old", b""):
            with pytest.raises(OSError, match="at the same time"):
                folder.write("art/a.txt", b"newer", was=was)
        folder.write("art/b.txt", b"new", was=b"")
        with pytest.raises(FileNotFoundError):
            folder.write("art/c.txt", b"new", was=b"old")
        assert folder.read("art/a.txt") == b"new"
    assert sorted(os.listdir(root / "art")) == ["a.txt", "b.txt"]


@pytest.mark.parametrize(
    "path", ["", ".", "/etc/passwd", "../outside/a.txt", "art/../../outside/a.txt", "a\0"]
)
def test_a_path_that_isnt_below_the_project_is_refused(root: Path, path: str) -> None:
    with ProjectFolder(root) as folder:
        for change in (folder.remove, folder.read, lambda path: folder.write(path, b"mine")):
            with pytest.raises(UserError) as raised:
                change(path)
            assert is_chinese(in_chinese(raised.value))


def test_what_is_no_file_or_far_too_large_isnt_read(root: Path) -> None:
    with (root / "large").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with ProjectFolder(root) as folder, pytest.raises(OSError, match="larger than 16 MiB"):
        folder.read("large")
    if sys.platform != "win32":
        os.mkfifo(root / "pipe")
        with ProjectFolder(root) as folder, pytest.raises(OSError, match="isn't a regular file"):
            folder.read("pipe")


def test_a_file_is_given_another_time(root: Path) -> None:
    with ProjectFolder(root) as folder:
        folder.set_modified("art/a.txt", 1_700_000_000_000_000_000)
    assert (root / "art/a.txt").stat().st_mtime == 1_700_000_000


@posix
def test_a_project_behind_a_link_is_written(root: Path) -> None:
    link = root.with_name("link")
    link.symlink_to(root)
    with ProjectFolder(link) as folder:
        folder.write("art/a.txt", b"new")
    assert (root / "art/a.txt").read_bytes() == b"new"


@posix
def test_links_within_the_project_are_followed_and_stay(root: Path) -> None:
    (root / "one").symlink_to("art")
    (root / "two").symlink_to(root / "one")
    (root / "three.txt").symlink_to("two/a.txt")
    (root / "new.txt").symlink_to("art/new.txt")
    with ProjectFolder(root) as folder:
        for path in ("one/a.txt", "two/a.txt", "three.txt", "new.txt"):
            folder.check(path)
            folder.write(path, path.encode())
            assert (
                folder.read(path) == path.encode()
                and (root / path).resolve().parent == root.resolve() / "art"
            )
        folder.write("two/made/b.txt", b"new", parents=True)
        assert folder.remove("two/made/b.txt") and folder.remove_empty_folders("two/made")
        assert folder.remove("three.txt") and (root / "art/a.txt").exists()
        assert not folder.remove_empty_folders("two") and folder.remove("two")
    assert sorted(os.listdir(root)) == ["art", "new.txt", "one"]


CHANGES: list[Callable[[ProjectFolder, str], object]] = [
    lambda folder, path: folder.write(path, b"mine"),
    lambda folder, path: folder.write_text(path, "mine", "theirs"),
    lambda folder, path: folder.write(path, b"mine", parents=True),
    lambda folder, path: folder.read(path),
    lambda folder, path: folder.check(path),
    lambda folder, path: folder.set_modified(path, 0),
]
REMOVALS: list[Callable[[ProjectFolder, str], object]] = [
    lambda folder, path: folder.remove(path),
    lambda folder, path: folder.check(path, remove=True),
    lambda folder, path: folder.remove_tree(path),
    lambda folder, path: folder.remove_empty_folders(path),
]


@posix
@pytest.mark.parametrize(
    "path", ["file.txt", "dangling", "loop", "up", "root", "folder/a.txt", "chain/a.txt", "art/up/a.txt"]
)
def test_a_link_out_of_the_project_is_refused_by_name(root: Path, path: str) -> None:
    outside = root.with_name("outside")
    (root / "file.txt").symlink_to(outside / "a.txt")
    (root / "dangling").symlink_to(outside / "gone.txt")
    (root / "loop").symlink_to("loop")
    (root / "up").symlink_to("..")
    (root / "root").symlink_to(".")
    (root / "folder").symlink_to(outside)
    (root / "chain").symlink_to("folder")
    (root / "art/up").symlink_to("../../outside")
    link = next(part for part in ("art/up", *path.split("/")) if path.startswith(part))
    with ProjectFolder(root) as folder:
        for change in (*CHANGES, *(REMOVALS if "/" in path else ())):
            with pytest.raises(UserError) as raised:
                change(folder, path)
            assert str(root / link) in str(raised.value)
            assert is_chinese(in_chinese(raised.value))
    assert {file.name: file.read_bytes() for file in outside.iterdir()} == {"a.txt": b"theirs"}


@posix
def test_removing_a_link_removes_nothing_behind_it(root: Path) -> None:
    outside = root.with_name("outside")
    (root / "art/link").symlink_to(outside)
    with ProjectFolder(root) as folder:
        assert not folder.remove_empty_folders("art/link")
        folder.remove_tree("art/link")
        (root / "art/link").symlink_to(outside)
        folder.remove_tree("art")
    assert os.listdir(root) == [] and os.listdir(outside) == ["a.txt"]


@posix
def test_a_project_that_isnt_there_is_told(root: Path) -> None:
    for name in ("gone", "art/a.txt"):
        with pytest.raises(OSError), ProjectFolder(root / name):
            pass


@posix
def test_the_daemons_umask_isnt_that_of_a_projects_files(root: Path) -> None:
    before = os.umask(0o022)
    try:
        with private_umask(), ProjectFolder(root) as folder:
            folder.write("new.txt", b"")
            (root / "own.txt").touch()
            (root / "art/a.txt").chmod(0o640)
            folder.write("art/a.txt", b"")
        with ProjectFolder(root) as folder:
            folder.write("usual.txt", b"")
    finally:
        os.umask(before)
    modes = {
        name: (root / name).stat().st_mode & 0o777
        for name in ("new.txt", "own.txt", "art/a.txt", "usual.txt")
    }
    assert modes == {"new.txt": 0o644, "own.txt": 0o600, "art/a.txt": 0o640, "usual.txt": 0o644}
