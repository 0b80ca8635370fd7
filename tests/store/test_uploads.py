"""What arrives in pieces: whole under its name, waiting for the rest, or refused."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from pathlib import Path

import pytest

from bridge.core.errors import RequestError
from bridge.store.blobs import BlobStore
from bridge.store.uploads import PartialBlob, Upload

DATA = b"some bytes"
NAME = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs", max_size=100)


def waiting(store: BlobStore) -> list[bytes]:
    return sorted(path.read_bytes() for path in (store.folder / "uploads").iterdir())


def left(store: BlobStore, *pieces: bytes, name: str = NAME) -> None:
    """An upload that broke off after these."""
    with store.receive(name) as upload:
        upload.write(*pieces)


def resumed(store: BlobStore, offset: int) -> Upload:
    part = store.parts.take(NAME, offset)
    assert part is not None
    return store.receive(NAME, part)


def test_a_blob_appears_only_when_it_is_whole(store: BlobStore) -> None:
    with store.receive(NAME) as upload:
        upload.write(DATA[:3])
        assert not store.has(NAME)
        upload.write(DATA[3:5], DATA[5:])
        assert upload.size == store.used == 10
        upload.commit()
        assert store.path(NAME).read_bytes() == DATA
    assert (store.count, store.size, store.parts.bytes) == (1, 10, 0)
    assert waiting(store) == []


def test_what_somebody_removed_is_asked_for_again_from_the_first_byte(store: BlobStore) -> None:
    left(store, DATA[:4])
    shutil.rmtree(store.folder)
    assert store.parts.offset(NAME) == 0 and store.used == 0
    with store.receive(NAME) as upload:
        upload.write(DATA)
        upload.commit()
    assert store.path(NAME).read_bytes() == DATA


def test_what_is_removed_as_an_upload_goes_on_never_becomes_a_blob_without_its_beginning(
    store: BlobStore,
) -> None:
    left(store, DATA[:4])
    going_on = resumed(store, 4)
    shutil.rmtree(store.folder)
    with pytest.raises(RequestError, match="upload the blob again"), going_on as upload:
        upload.write(DATA[4:])
    assert not store.has(NAME) and store.used == 0


def test_an_empty_blob_arrives_too(store: BlobStore) -> None:
    with store.receive(hashlib.sha256(b"").hexdigest()) as upload:
        upload.commit()
    assert store.count == 1


def test_what_has_come_waits_for_the_rest(store: BlobStore) -> None:
    left(store, DATA[:4])
    assert (store.parts.offset(NAME), store.used) == (4, 4)
    with resumed(store, 4) as upload:
        assert store.parts.offset(NAME) == 0
        upload.write(DATA[4:])
        upload.commit()
    assert store.path(NAME).read_bytes() == DATA
    assert store.used == 10


def test_it_waits_through_a_restart(store: BlobStore) -> None:
    left(store, DATA[:4])
    (store.folder / "uploads" / "something else").touch()
    again = BlobStore(store.folder, 100)
    assert (again.parts.offset(NAME), again.used) == (4, 4)
    with resumed(again, 4) as upload:
        upload.write(DATA[4:])
        upload.commit()
    assert again.path(NAME).read_bytes() == DATA


def test_of_what_a_killed_daemon_left_of_one_blob_the_longest_waits(store: BlobStore) -> None:
    for size in (3, 5, 4):
        (store.folder / "uploads" / f"{NAME}.{size:032x}.part").write_bytes(DATA[:size])
    again = BlobStore(store.folder, 100)
    assert waiting(again) == [DATA[:5]]
    assert (again.parts.offset(NAME), again.used) == (5, 5)


def test_an_upload_of_which_nothing_came_leaves_nothing(store: BlobStore) -> None:
    with store.receive(NAME):
        pass
    assert waiting(store) == [] and store.used == 0


def test_another_offset_than_what_waits_gets_nothing(store: BlobStore) -> None:
    left(store, DATA[:4])
    assert store.parts.take(NAME, 0) is store.parts.take(NAME, 5) is None
    assert store.parts.offset(NAME) == 4


def test_of_two_that_broke_off_the_longer_waits(store: BlobStore) -> None:
    left(store, DATA[:4])
    left(store, DATA[:2])
    assert waiting(store) == [DATA[:4]]
    left(store, DATA[:6])
    assert waiting(store) == [DATA[:6]]
    assert store.used == 6


def test_the_same_blob_may_come_twice_at_once(store: BlobStore) -> None:
    with store.receive(NAME) as one, store.receive(NAME) as two:
        for piece in (DATA[:5], DATA[5:]):
            one.write(piece)
            two.write(piece)
        one.commit()
        two.commit()
    assert store.path(NAME).read_bytes() == DATA
    assert (store.count, store.used, waiting(store)) == (1, 10, [])


def test_what_waits_goes_when_another_upload_brings_it_whole(store: BlobStore) -> None:
    left(store, DATA[:4])
    with store.receive(NAME) as upload:
        upload.write(DATA)
        upload.commit()
    assert (waiting(store), store.used) == ([], 10)


def test_bytes_of_another_hash_are_refused_and_dont_wait(store: BlobStore) -> None:
    with pytest.raises(RequestError, match=NAME), store.receive("0" * 64) as upload:
        upload.write(DATA)
        upload.commit()
    assert waiting(store) == [] and store.used == 0 and not store.has("0" * 64)


def test_too_many_bytes_are_refused_as_they_come(store: BlobStore) -> None:
    with (
        pytest.raises(RequestError, match="101 bytes; this daemon accepts at most"),
        store.receive(NAME) as up,
    ):
        up.write(b"x" * 100)
        up.write(b"x")
    assert waiting(store) == [] and store.used == 0


def test_bytes_beyond_the_quota_are_refused_as_they_come(tmp_path: Path) -> None:
    store = BlobStore(tmp_path, 100, quota=8)
    with pytest.raises(RequestError) as caught, store.receive(NAME) as upload:
        upload.write(DATA[:8])
        upload.write(DATA[8:])
    assert caught.value.code.name == "storage_full"
    assert store.used == 0


def test_what_waits_too_long_goes(store: BlobStore) -> None:
    left(store, DATA[:4])
    (path,) = (store.folder / "uploads").iterdir()
    os.utime(path, (1e9, 1e9))
    assert store.parts.expire(before=1e9) == 0
    assert store.parts.expire(before=1e9 + 1) == 4
    assert store.used == 0 and waiting(store) == []


def test_what_somebody_took_away_is_forgotten_in_time(store: BlobStore) -> None:
    left(store, DATA[:4])
    next((store.folder / "uploads").iterdir()).unlink()
    store.parts.expire(before=1.0)
    assert store.parts.offset(NAME) == 0


def test_it_can_be_given_up(store: BlobStore) -> None:
    left(store, DATA[:4])
    store.parts.forget(NAME)
    store.parts.forget(NAME)
    assert waiting(store) == [] and store.used == 0


def test_nothing_is_written_after_the_end(store: BlobStore) -> None:
    with store.receive(NAME) as upload:
        upload.write(DATA[:4])
    with pytest.raises(ValueError, match="has ended"):
        upload.write(DATA[4:])
    assert upload.size == 0
    assert waiting(store) == [DATA[:4]]


def test_a_thread_that_still_writes_is_waited_for(store: BlobStore) -> None:
    pieces = [bytes([n]) for n in range(100)]
    with store.receive(NAME) as upload:
        writing = threading.Thread(target=upload.write, args=pieces)
        writing.start()
        while not upload.size and writing.is_alive():
            pass
    writing.join()
    assert waiting(store) == [b"".join(pieces)]


def test_a_blob_that_cant_be_put_in_its_place_waits(store: BlobStore) -> None:
    (store.folder / NAME).mkdir()
    with pytest.raises(OSError), store.receive(NAME) as upload:
        upload.write(DATA)
        upload.commit()
    assert (store.parts.offset(NAME), store.used) == (10, 10)


def test_a_part_knows_whose_it_is(store: BlobStore) -> None:
    assert PartialBlob(Path("x") / f"{NAME}.{0:032x}.part", 3).name == NAME
