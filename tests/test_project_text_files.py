"""Text files that editors read at the same time: read with care, written in one step."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from accel.text import Text
from bridge.project.files import (
    MAX_BYTES,
    checkout_problem,
    is_lfs_pointer,
    is_merged,
    is_read_only,
    read_text,
)
from bridge.project.safe_files import write_text


@pytest.mark.parametrize("data", [b"", b"a\r\nb\n", "岩石".encode(), b"\xff\x00"])
def test_what_was_read_is_written_to_the_byte(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "a"
    file.write_bytes(data)
    text = read_text(file)
    file.unlink()
    write_text(file, text)
    assert file.read_bytes() == data and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("text", "merged"),
    [("<<<<<<< HEAD\na", True), ("a\r\n<<<<<<< ours\n", True), ("a <<<<<<< b", False), ("<<<<<<<", False),
     ("a\n<<<<<<<< HEAD:a.meta\n", True), ("<<<<<< a", False),
     ("a\n>>>> ORIGINAL //depot/a#1\n", True), (">>>> ORIGINAL //depot/a#1\n", True)],
)  # fmt: skip
def test_what_a_merge_has_left_is_seen(text: str, merged: bool) -> None:
    assert is_merged(text) is merged


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"


@pytest.mark.parametrize(
    ("content", "values"),
    [
        ("a: 1\n", None), ("", None), (POINTER + "x" * 1024, None), (" " + POINTER, None),
        (POINTER, {}),
        ("<<<<<<< HEAD\na", {"line": 1}), ("a\nb\n<<<<<<< ours\n", {"line": 3}),
        ("a\r\n>>>> ORIGINAL //a\r\n<<<<<<< b\r\n", {"line": 2}),
    ],
)  # fmt: skip
def test_what_version_control_left_in_a_text_is_told_with_its_line(
    content: str, values: dict[str, int] | None
) -> None:
    found = checkout_problem(content)
    assert (found == "") is (values is None)
    if values is not None:
        assert isinstance(found, Text) and found.values == values and "{path}" in found.id


def test_pointers_and_protection_are_told_by_the_file(tmp_path: Path) -> None:
    for name, content in (("pointer", POINTER), ("large", POINTER + "x" * 2000), ("text", "a")):
        (tmp_path / name).write_text(content, encoding="utf-8")
    assert is_lfs_pointer(tmp_path / "pointer")
    assert not any(map(is_lfs_pointer, (tmp_path / "large", tmp_path / "text", tmp_path, tmp_path / "gone")))
    (tmp_path / "text").chmod(0o444)
    assert is_read_only(tmp_path / "text")
    (tmp_path / "text").chmod(0o644)
    assert not any(map(is_read_only, (tmp_path / "text", tmp_path, tmp_path / "gone", Path("a\0b"))))


def test_what_is_no_file_or_far_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="isn't a regular file"):
        read_text(tmp_path)
    with (tmp_path / "large").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(OSError, match="larger than 16 MiB"):
        read_text(tmp_path / "large")
    with pytest.raises(FileNotFoundError):
        read_text(tmp_path / "gone")


def test_what_cant_be_written_is_told_by_its_own_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        write_text(tmp_path / "gone" / "a", "new")
    assert raised.value.filename == str(tmp_path.resolve() / "gone" / "a")


def test_what_another_program_has_written_since_it_was_read_stays(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"\xff old")
    was = read_text(file)
    write_text(file, "mine", was)
    assert file.read_bytes() == b"mine"
    with pytest.raises(OSError, match="another program changed it at the same time; try again"):
        write_text(file, "mine too", was)
    assert file.read_bytes() == b"mine" and list(tmp_path.iterdir()) == [file]
    file.unlink()
    with pytest.raises(FileNotFoundError):
        write_text(file, "mine too", was)
    assert list(tmp_path.iterdir()) == []


def test_what_another_program_writes_while_one_waits_for_it_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"old")

    def held(*_: object, **__: object) -> None:
        # As Windows refuses it of a file that its writer has open.
        file.write_bytes(b"theirs")
        raise PermissionError

    monkeypatch.setattr(os, "replace", held)
    with pytest.raises(OSError, match="at the same time"):
        write_text(file, "mine", "old")
    assert file.read_bytes() == b"theirs" and list(tmp_path.iterdir()) == [file]


def test_a_file_that_is_read_only_stays(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"old")
    file.chmod(0o444)
    with pytest.raises(PermissionError, match="it is read-only"):
        write_text(file, "new")
    assert file.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1
    file.chmod(0o644)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there, and files have no such rights")
def test_links_and_rights_stay(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"old")
    file.chmod(0o640)
    (tmp_path / "link").symlink_to(file)
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink() and file.read_bytes() == b"new"
    assert os.stat(file).st_mode & 0o777 == 0o640


@pytest.mark.skipif(sys.platform != "win32", reason="others read and replace files that are open")
def test_a_file_that_another_program_holds_open_stays_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"old")
    with file.open("rb"), pytest.raises(PermissionError, match="another program has it open"):
        write_text(file, "new")
    assert file.read_bytes() == b"old" and list(tmp_path.iterdir()) == [file]


@pytest.mark.skipif(sys.platform != "win32", reason="others read files that are open")
def test_a_file_that_another_program_keeps_to_itself_is_told_as_that(tmp_path: Path) -> None:
    import _winapi

    file = tmp_path / "a"
    file.write_bytes(b"old")
    held = _winapi.CreateFile(str(file), _winapi.GENERIC_READ, 0, 0, _winapi.OPEN_EXISTING, 0, 0)
    try:
        with pytest.raises(PermissionError, match="another program has it open"):
            read_text(file)
    finally:
        _winapi.CloseHandle(held)
    assert read_text(file) == "old"
