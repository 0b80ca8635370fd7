import errno
import os
import sys
import threading

import pytest

from accel import atomic_file
from accel.atomic_file import replace_file, write_atomic


def test_a_file_is_replaced_and_its_folder_made(tmp_path):
    file = tmp_path / "cache" / "known.json"
    for contents in (b"old", b"new"):
        write_atomic(file, contents)
        assert file.read_bytes() == contents
    assert list(file.parent.iterdir()) == [file]


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path):
    taken = tmp_path / "known.json"
    taken.mkdir()
    write_atomic(taken, b"new")
    assert list(tmp_path.iterdir()) == [taken] and not list(taken.iterdir())


@pytest.fixture
def files(tmp_path):
    source, target = tmp_path / "new", tmp_path / "file"
    source.write_bytes(b"new")
    target.write_bytes(b"old")
    return source, target


@pytest.mark.parametrize("refused", [0, 2, 3])
def test_who_refuses_is_asked_again_as_often_as_there_are_waits(files, monkeypatch, refused):
    replace, tries = os.replace, []

    def busy(source, target):
        tries.append(source)
        if len(tries) <= refused:
            raise PermissionError(errno.EACCES, "Access is denied")
        replace(source, target)

    monkeypatch.setattr(os, "replace", busy)
    monkeypatch.setattr(atomic_file, "WAITS_S", (0, 0))
    if refused == 3:
        with pytest.raises(PermissionError):
            replace_file(*files)
    else:
        replace_file(*files)
    assert len(tries) == min(3, refused + 1)
    assert files[1].read_bytes() == (b"old" if refused == 3 else b"new")


@pytest.mark.parametrize("in_the_way", ["a folder", "a read-only file"])
def test_what_waiting_mends_in_no_case_is_told_at_once(files, monkeypatch, in_the_way):
    tries = []

    def refuse(source, target):
        tries.append(source)
        raise PermissionError(errno.EACCES, "Access is denied")

    monkeypatch.setattr(os, "replace", refuse)
    monkeypatch.setattr(atomic_file, "WAITS_S", (0, 0))
    if in_the_way == "a folder":
        files[1].unlink()
        files[1].mkdir()
    else:
        # An administrator of another system may write to all.
        monkeypatch.setattr(os, "access", lambda path, mode: (path, mode) != (files[1], os.W_OK))
    with pytest.raises(PermissionError):
        replace_file(*files)
    assert len(tries) == 1


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.skipif(sys.platform != "win32", reason="others replace files that are open")
def test_on_windows_a_file_that_is_open_for_a_moment_is_waited_for(files, which):
    opened = files[which].open("rb")
    with pytest.raises(PermissionError):
        os.replace(*files)
    threading.Timer(0.1, opened.close).start()
    replace_file(*files)
    assert files[1].read_bytes() == b"new"
