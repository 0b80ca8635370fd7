"""Walking a project's folders survives whatever is in them."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.project.files import WalkedFolder, is_link, is_too_long, walk


def put(root: Path, *files: str) -> None:
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def found(root: Path) -> list[str]:
    return [walked.file for walked in walk(root)]


def test_files_come_folder_by_folder_in_the_order_of_their_names(tmp_path: Path) -> None:
    put(tmp_path, "b.png", "a/2.png", "a/1.png", "a/deep/x.png", "c/y.png", "A.png")
    assert found(tmp_path) == ["A.png", "b.png", "a/1.png", "a/2.png", "a/deep/x.png", "c/y.png"]


def test_hidden_folders_and_files_are_passed_over(tmp_path: Path) -> None:
    put(tmp_path, ".git/x.png", "a/.cache/y.png", "a/.z.png", "._rock.png", "rock.png")
    assert found(tmp_path) == ["rock.png"]


def test_names_of_any_script_and_length_come_back(tmp_path: Path) -> None:
    names = ["岩石_法线.png", "صخرة.png", "🪨 rock.png", "ß" * 100 + ".png", "e\u0301.png"]
    put(tmp_path, *names)
    assert sorted(found(tmp_path)) == sorted(names)


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are Unicode there")
def test_a_name_that_is_no_unicode_comes_back(tmp_path: Path) -> None:
    put(tmp_path, "b\udcff.png")
    assert found(tmp_path) == ["b\udcff.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="links want a privilege there")
def test_links_to_folders_are_not_followed_and_links_to_files_are(tmp_path: Path) -> None:
    put(tmp_path, "a/x.png")
    (tmp_path / "a/loop").symlink_to(tmp_path)
    (tmp_path / "a/self").symlink_to("self")
    (tmp_path / "y.png").symlink_to("a/x.png")
    (tmp_path / "dangling.png").symlink_to("gone.png")
    assert found(tmp_path) == ["y.png", "a/x.png"]
    assert is_link(tmp_path / "a/loop") and is_link(tmp_path / "dangling.png")
    assert not any(map(is_link, (tmp_path, tmp_path / "a/x.png", tmp_path / "gone", tmp_path / "\0")))


@pytest.mark.skipif(sys.platform != "win32", reason="junctions are Windows'")
def test_junctions_are_links(tmp_path: Path) -> None:
    import _winapi

    put(tmp_path, "a/x.png")
    try:
        _winapi.CreateJunction(str(tmp_path / "a"), str(tmp_path / "b"))
    except OSError as error:
        pytest.skip(f"no junctions on this disk: {error}")
    assert found(tmp_path) == ["a/x.png"]
    assert is_link(tmp_path / "b") and not is_link(tmp_path / "a")


@pytest.mark.skipif(sys.platform != "win32", reason="others have no such limit")
def test_on_windows_a_path_that_is_too_long_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = f"{'d' * 120}/{'e' * 120}"
    os.makedirs(rf"\\?\{tmp_path / deep}")
    scandir = os.scandir

    def short(folder: Path) -> object:
        # What Windows says unless long paths are enabled, which isn't to be found out here.
        if len(str(folder)) > 255:
            raise FileNotFoundError(2, "The system cannot find the path specified", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", short)
    (told,) = walk(tmp_path)
    assert told.file == deep and "longer than the 259 characters" in told.problem
    assert not is_too_long(tmp_path / deep / "gone") and not is_too_long(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes there")
def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    assert found(tmp_path) == []


def test_a_folder_that_vanishes_in_the_middle_is_passed_over(tmp_path: Path) -> None:
    put(tmp_path, "1.png", "a/x.png", "b/y.png")
    walking = walk(tmp_path)
    assert next(walking).file == "1.png"
    shutil.rmtree(tmp_path / "a")
    assert [walked.file for walked in walking] == ["b/y.png"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may list everything")
def test_a_folder_that_may_not_be_listed_is_told(tmp_path: Path) -> None:
    put(tmp_path, "a/x.png", "b/y.png")
    (tmp_path / "a").chmod(0)
    try:
        told = list(walk(tmp_path))
    finally:
        (tmp_path / "a").chmod(0o700)
    assert [walked.file for walked in told] == ["a", "b/y.png"] and "can't be listed" in told[0].problem


def test_a_file_in_place_of_the_root_holds_nothing(tmp_path: Path) -> None:
    put(tmp_path, "x.png")
    assert list(walk(tmp_path / "x.png")) == [] and list(walk(tmp_path / "gone")) == []


@given(deep=st.integers(1, 200))
def test_depth_costs_no_recursion(deep: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("deep")
    put(root, "/".join("d" * 1 for _ in range(deep)) + "/x.png")
    assert list(walk(root)) == [WalkedFolder("d/" * deep + "x.png")]
