import hashlib

import pytest

from accel.outputs import named, stored
from accel.workload import OutputFile

FILE = OutputFile("preview", "image/png", b"abc")
DIGEST = hashlib.sha256(b"abc").hexdigest()


def test_a_file_in_memory_has_its_digest_and_size():
    file = named(FILE)
    assert (file.sha256, file.size, file.data, file.path) == (DIGEST, 3, b"abc", None)


def test_a_stored_file_is_written_once_and_leaves_no_draft(tmp_path):
    first = stored(FILE, tmp_path)
    before = (tmp_path / DIGEST).stat().st_mtime_ns
    assert stored(FILE, tmp_path) == first
    assert [path.name for path in tmp_path.iterdir()] == [DIGEST]
    assert (tmp_path / DIGEST).stat().st_mtime_ns == before


def test_a_file_that_cannot_be_put_in_place_leaves_no_draft(tmp_path):
    (tmp_path / DIGEST).mkdir()
    with pytest.raises(OSError):
        stored(FILE, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [DIGEST]
