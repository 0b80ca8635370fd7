"""Files, folders and patterns as they are typed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from accel.text import text
from bridge.commands.run.inputs import InputFile, Problem, find_files
from tests.advisors import pictures


def names(found: list[InputFile], below: Path) -> list[str]:
    return [os.path.relpath(each.file, below).replace(os.sep, "/") for each in found]


def test_a_folder_gives_its_images_in_order_and_nothing_hidden(textures: Path) -> None:
    found = find_files([str(textures)], recursive=True, out=None)
    assert names(found, textures) == ["wall.png", "stone/rock.jpg", "stone/rock.png", "wood/rock.png"]
    assert all(each.root == str(textures) and not each.problem for each in found)


def test_a_hidden_file_is_taken_where_it_is_named(textures: Path) -> None:
    hidden = textures / "._wall.png"
    hidden.write_bytes(b"x")
    assert len(find_files([str(textures)], recursive=True, out=None)) == 4
    assert names(find_files([str(hidden)], recursive=False, out=None), textures) == ["._wall.png"]


def test_what_earlier_runs_made_inside_a_folder_isnt_taken_for_images(textures: Path) -> None:
    out = textures / "wood"
    found = find_files([str(textures)], recursive=True, out=out)
    assert names(found, textures) == ["wall.png", "stone/rock.jpg", "stone/rock.png"]
    found = find_files([str(textures / "**" / "*.png")], recursive=False, out=out)
    assert names(found, textures) == ["stone/rock.png", "wall.png"]


def test_a_folder_without_recursive_and_one_without_images_are_told(textures: Path, tmp_path: Path) -> None:
    (found,) = find_files([str(textures)], recursive=False, out=None)
    assert found.problem == Problem("bad_input", "is a folder; name the files in it, or add --recursive")
    (tmp_path / "empty").mkdir()
    (found,) = find_files([str(tmp_path / "empty")], recursive=True, out=None)
    assert found.problem is not None and found.problem.code == "not_found"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may list every folder")
def test_a_folder_that_cant_be_listed_is_told(textures: Path) -> None:
    (textures / "wood").chmod(0)
    try:
        found = find_files([str(textures)], recursive=True, out=None)
    finally:
        (textures / "wood").chmod(0o755)
    assert [each.problem.code for each in found if each.problem] == ["bad_input"]


def test_a_folder_of_somebody_else_is_told_once_and_by_its_name(
    textures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not every user may be refused.
    def refused(folder: Path, below: str, skip: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("bridge.project.files._list", refused)
    (found,) = find_files([str(textures)], recursive=True, out=None)
    assert found.file == str(textures)
    assert found.problem == Problem(
        "bad_input", text("can't be listed ({reason})", reason="Permission denied")
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows takes it for one that isn't there")
def test_what_the_system_wont_look_at_isnt_said_to_be_missing() -> None:
    (found,) = find_files(["x" * 5_000], recursive=False, out=None)
    assert found.problem == Problem("bad_input", "can't be read (File name too long)")
    (found,) = find_files(["no\0name"], recursive=False, out=None)
    assert found.problem is not None and found.problem.code == "not_found"


def test_patterns_are_expanded_here(textures: Path) -> None:
    found = find_files([str(textures / "*" / "rock.*")], recursive=False, out=None)
    assert names(found, textures) == ["stone/rock.jpg", "stone/rock.png", "wood/rock.png"]
    found = find_files([str(textures / "**")], recursive=False, out=None)
    assert names(found, textures) == [
        "notes.txt", "stone/rock.jpg", "stone/rock.png", "wall.png", "wood/rock.png",
    ]  # fmt: skip


def test_a_file_that_is_called_like_a_pattern_is_that_file(textures: Path) -> None:
    (textures / "t[1].png").write_bytes(b"this")
    (textures / "t1.png").write_bytes(b"that")
    assert names(find_files([str(textures / "t[1].png")], recursive=False, out=None), textures) == [
        "t[1].png"
    ]


@pytest.mark.parametrize("name", ["*.bmp", "gone.png"])
def test_a_missing_file_is_a_problem(textures: Path, name: str) -> None:
    (found,) = find_files([str(textures / name)], recursive=False, out=None)
    assert found.problem is not None and found.problem.code == "not_found"


def test_a_file_whose_name_windows_keeps_for_a_device_costs_itself_alone(
    textures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices = [textures / "aux.png", textures / "con" / "a.png"]
    for device in devices:
        # With this in front Windows takes every name as it is.
        long = Path(f"\\\\?\\{device}") if sys.platform == "win32" else device
        long.parent.mkdir(exist_ok=True)
        long.write_bytes(b"x")
    whole = os.path.abspath

    def of_windows(path: str) -> str:
        stem = os.path.basename(path).partition(".")[0]
        return f"\\\\.\\{stem}" if stem in ("aux", "con") else whole(path)

    monkeypatch.setattr(os.path, "abspath", of_windows)
    found = find_files([str(textures)], recursive=True, out=None)
    problems = {each.file: each.problem for each in found if each.problem}
    assert list(problems) == [str(device) for device in devices]
    for problem, name in zip(problems.values(), ("aux.png", "con"), strict=True):
        assert problem.code == "bad_input" and f"{name} is a device" in str(problem.reason)
    assert len(found) == 6


def test_several_folders_are_kept_apart(textures: Path) -> None:
    found = find_files([str(textures / "stone"), str(textures / "wood")], recursive=True, out=None)
    assert [each.under for each in found] == ["stone", "stone", "wood"]


@pytest.mark.parametrize(
    ("folders", "under"),
    [
        (("a/textures", "b/textures", "b/x"), ["a/textures", "b/textures", "x"]),
        (("a/textures", "b/Textures"), ["a/textures", "b/Textures"]),
        (("textures", "textures/textures"), ["textures", "textures", "textures/textures"]),
        (("a/textures", "a/textures/"), ["textures", "textures"]),
    ],
)
def test_folders_of_one_name_are_kept_apart_by_those_that_they_lie_in(
    tmp_path: Path, folders: tuple[str, ...], under: list[str]
) -> None:
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        pictures.save(tmp_path / folder / "wall.png", pictures.noise(3, 8))
    found = find_files([f"{tmp_path}/{folder}" for folder in folders], recursive=True, out=None)
    assert [Path(each.under).as_posix() for each in found] == under
