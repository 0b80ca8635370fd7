import errno
import hashlib
import os
from pathlib import Path

import msgspec
import pytest

from accel import atomic_file
from accel.execution.worker import result_file, store_output
from accel.workload import OutputFile, WorkloadError

FILE = OutputFile("preview", "image/png", b"abc")
DIGEST = hashlib.sha256(b"abc").hexdigest()


def test_a_file_in_memory_has_its_digest_and_size():
    file = result_file(FILE)
    assert (file.sha256, file.size, file.data, file.path) == (DIGEST, 3, b"abc", None)


def test_a_stored_file_is_written_once_and_leaves_no_draft(tmp_path):
    first = store_output(FILE, tmp_path)
    inode = (tmp_path / DIGEST).stat().st_ino
    again = store_output(FILE, tmp_path)
    assert (first.fresh, again.fresh) == (True, False)
    assert msgspec.structs.replace(again, fresh=True) == first
    assert [path.name for path in tmp_path.iterdir()] == [DIGEST]
    assert (tmp_path / DIGEST).stat().st_ino == inode


def test_a_file_that_is_there_is_dated_anew(tmp_path):
    store_output(FILE, tmp_path)
    os.utime(tmp_path / DIGEST, (1e9, 1e9))
    store_output(FILE, tmp_path)
    assert (tmp_path / DIGEST).stat().st_mtime > 1.1e9


def test_a_file_that_a_lost_power_left_empty_is_written_again(tmp_path):
    (tmp_path / DIGEST).touch()
    assert store_output(FILE, tmp_path).fresh
    assert (tmp_path / DIGEST).read_bytes() == b"abc"


def test_a_file_that_cannot_be_put_in_place_leaves_no_draft(tmp_path):
    (tmp_path / DIGEST).mkdir()
    with pytest.raises(WorkloadError, match=r"the file preview can't be written"):
        store_output(FILE, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [DIGEST]


def test_a_full_disk_is_told_in_words(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(WorkloadError) as caught:
        store_output(FILE, tmp_path)
    assert caught.value.reason == "the file preview can't be written (no space left on device)"
    assert caught.value.code == "storage_full" and not list(tmp_path.iterdir())


def test_a_file_that_another_worker_made_and_that_is_read_needs_no_replacing(tmp_path, monkeypatch):
    def busy(draft, path):
        os.rename(draft, path)
        raise PermissionError(errno.EACCES, "Access is denied")

    monkeypatch.setattr(os, "replace", busy)
    assert Path(store_output(FILE, tmp_path).path).read_bytes() == b"abc"


def test_what_stays_open_is_an_error_that_says_so(tmp_path, monkeypatch):
    def busy(draft, path):
        raise PermissionError(errno.EACCES, "Access is denied")

    monkeypatch.setattr(os, "replace", busy)
    monkeypatch.setattr(atomic_file, "WAITS_S", (0,))
    with pytest.raises(WorkloadError, match=r"can't be written \(access is denied\)"):
        store_output(FILE, tmp_path)
    assert not list(tmp_path.iterdir())
