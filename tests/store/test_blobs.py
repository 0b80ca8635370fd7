"""Blobs on the disk: whole and verified, or not there."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from bridge.core.errors import RequestError
from bridge.store.blobs import BlobStore

DATA = b"some bytes"
NAME = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs", max_size=100)


def test_what_is_put_lies_under_its_hash(store: BlobStore) -> None:
    assert store.put(DATA) == NAME
    assert store.put(DATA) == NAME
    assert store.path(NAME).read_bytes() == DATA


def test_a_blob_appears_only_when_it_is_whole(store: BlobStore) -> None:
    with store.receive(NAME) as upload:
        upload.write(DATA[:3])
        with pytest.raises(RequestError, match="isn't there"):
            store.path(NAME)
        upload.write(DATA[3:])
        upload.commit()
    assert store.path(NAME).read_bytes() == DATA


def test_an_upload_that_is_given_up_leaves_nothing(store: BlobStore) -> None:
    with store.receive(NAME) as upload:
        upload.write(DATA)
    assert list(store.folder.iterdir()) == []


def test_the_same_blob_may_come_twice_at_once(store: BlobStore) -> None:
    with store.receive(NAME) as one, store.receive(NAME) as two:
        for upload in (one, two):
            upload.write(DATA)
            upload.commit()
    assert [path.name for path in store.folder.iterdir()] == [NAME]


def test_bytes_of_another_hash_are_refused(store: BlobStore) -> None:
    with store.receive("0" * 64) as upload, pytest.raises(RequestError, match=NAME):
        upload.write(DATA)
        upload.commit()
    assert list(store.folder.iterdir()) == []


def test_too_many_bytes_are_refused_as_they_come(store: BlobStore) -> None:
    with store.receive(NAME) as upload:
        upload.write(b"x" * 100)
        with pytest.raises(RequestError, match="101 bytes, more than this bridge takes"):
            upload.write(b"x")


@pytest.mark.parametrize("name", ["", "x", NAME.upper(), NAME + "\n", "../" + NAME, NAME[:-1]])
def test_a_name_that_is_no_hash_leads_nowhere(store: BlobStore, name: str) -> None:
    with pytest.raises(RequestError) as read:
        store.path(name)
    with pytest.raises(RequestError) as written:
        store.receive(name)
    assert read.value.code.name == written.value.code.name == "bad_input"


def test_what_a_killed_daemon_left_half_is_cleared_away(store: BlobStore) -> None:
    (store.folder / ".abc.part").write_bytes(b"half")
    store.put(DATA)
    BlobStore(store.folder, 100)
    assert [path.name for path in store.folder.iterdir()] == [NAME]
