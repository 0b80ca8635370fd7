"""Blobs on the disk: whole and verified, or not there."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from bridge.core.errors import RequestError
from bridge.store.blobs import EMPTY, BlobStore

DATA = b"some bytes"
NAME = hashlib.sha256(DATA).hexdigest()
YEARS_AGO = 1e9


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs", max_size=100)


def files(store: BlobStore) -> list[str]:
    return sorted(path.name for path in store.folder.iterdir() if path.is_file())


def aged(store: BlobStore, name: str) -> Path:
    path = store.path(name)
    os.utime(path, (YEARS_AGO, YEARS_AGO))
    return path


# In.


def test_what_is_put_lies_under_its_hash(store: BlobStore) -> None:
    assert store.put(DATA) == NAME
    assert store.put(DATA) == NAME
    assert store.path(NAME).read_bytes() == DATA
    assert files(store) == [NAME]
    assert (store.count, store.size, store.used) == (1, 10, 10)


def test_nothing_at_all_is_a_blob_too(store: BlobStore) -> None:
    assert store.put(b"") == EMPTY
    assert store.path(EMPTY).read_bytes() == b""


def test_a_name_that_a_lost_power_left_empty_is_no_blob(store: BlobStore) -> None:
    (store.folder / NAME).touch()
    with pytest.raises(RequestError, match="does not exist"):
        store.path(NAME)
    assert store.put(DATA) == NAME
    assert store.path(NAME).read_bytes() == DATA


@pytest.mark.parametrize("name", ["", "x", NAME.upper(), NAME + "\n", "../" + NAME, NAME[:-1]])
def test_a_name_that_is_no_hash_leads_nowhere(store: BlobStore, name: str) -> None:
    for ask in (store.path, store.receive, store.has, store.use):
        with pytest.raises(RequestError) as caught:
            ask(name)
        assert caught.value.code.name == "bad_input"


def test_what_is_too_large_isnt_put(store: BlobStore) -> None:
    with pytest.raises(RequestError, match="101 bytes; this daemon accepts at most"):
        store.put(b"x" * 101)
    assert files(store) == []


def test_what_a_killed_daemon_left_half_is_cleared_away(store: BlobStore) -> None:
    (store.folder / ".abc.part").write_bytes(b"half")
    store.put(DATA)
    BlobStore(store.folder, 100)
    assert files(store) == [NAME]


def test_what_a_killed_daemon_was_about_to_remove_is_back(store: BlobStore) -> None:
    store.put(DATA)
    (store.folder / NAME).rename(store.folder / f".{NAME}.gone")
    assert BlobStore(store.folder, 100).path(NAME).read_bytes() == DATA


def test_a_folder_that_takes_nothing_is_said(store: BlobStore) -> None:
    store.folder.joinpath("uploads").rmdir()
    store.folder.rmdir()
    store.folder.write_text("in the way")
    with pytest.raises(RequestError, match=r"can't be stored: .* in the daemon's data folder") as caught:
        store.put(DATA)
    assert caught.value.code.name == "storage_full"


# The quota.


def test_beyond_the_quota_nothing_is_put(tmp_path: Path) -> None:
    store = BlobStore(tmp_path, 100, quota=25)
    calls: list[str] = []
    store.on_pressure = lambda: calls.append("pressed")
    store.put(b"1" * 20)
    assert not calls
    with pytest.raises(RequestError, match="20 of 25 bytes") as caught:
        store.put(b"2" * 20)
    assert caught.value.code.name == "storage_full"
    assert "blobs.quota" in caught.value.hint
    assert calls == ["pressed"]
    store.put(b"3" * 5)
    assert store.used == 25


def test_what_is_there_already_needs_no_room(tmp_path: Path) -> None:
    store = BlobStore(tmp_path, 100, quota=10)
    store.put(DATA)
    assert store.put(DATA) == NAME


def test_little_room_is_told_in_time(tmp_path: Path) -> None:
    store = BlobStore(tmp_path, 100, quota=100)
    calls: list[str] = []
    store.on_pressure = lambda: calls.append("pressed")
    store.put(b"1" * 90)
    assert not calls
    store.put(b"2" * 5)
    assert calls == ["pressed"]


# Use.


def test_every_use_dates_a_blob_anew(store: BlobStore) -> None:
    store.put(DATA)
    for use in (lambda: store.put(DATA), lambda: store.use(NAME), lambda: store.use(NAME, every_s=3600)):
        path = aged(store, NAME)
        use()
        assert time.time() - path.stat().st_mtime < 60


def test_reading_counts_once_in_a_while(store: BlobStore) -> None:
    store.put(DATA)
    path = store.path(NAME)
    half_an_hour_ago = time.time() - 1800
    os.utime(path, (half_an_hour_ago, half_an_hour_ago))
    store.use(NAME, every_s=3600)
    assert abs(path.stat().st_mtime - half_an_hour_ago) < 1


# Out.


def test_what_wasnt_used_since_can_be_removed(store: BlobStore) -> None:
    store.put(DATA)
    aged(store, NAME)
    assert store.remove(NAME, before=YEARS_AGO) is None
    assert store.remove(NAME, before=YEARS_AGO + 1) == 10
    assert files(store) == []
    assert (store.count, store.size, store.removed, store.removed_bytes) == (0, 0, 1, 10)
    assert store.remove(NAME, before=YEARS_AGO + 1) is None


def test_what_is_pinned_stays_until_the_last_pin_is_gone(store: BlobStore) -> None:
    store.put(DATA)
    aged(store, NAME)
    with store.pin(NAME, "0" * 64):
        with store.pin(NAME):
            assert store.remove(NAME, before=time.time()) is None
        assert store.remove(NAME, before=time.time()) is None
    assert store.remove(NAME, before=time.time()) == 10


def test_while_work_goes_on_what_was_used_since_it_began_stays(store: BlobStore) -> None:
    # Windows' steady clock goes in steps of 16 ms.
    begin = time.time() - time.get_clock_info("monotonic").resolution
    assert store.removable(0) >= begin
    with store.working():
        first = store.removable(0)
        assert first < begin
        with store.working():
            assert store.removable(0) <= first + 1e-3
        assert store.removable(86_400) < begin - 80_000
    assert store.removable(0) >= begin


def test_what_cant_be_removed_for_an_odd_reason_stays_as_it_is(store: BlobStore) -> None:
    folder = store.folder / NAME
    folder.mkdir()
    aged_at = (YEARS_AGO, YEARS_AGO)
    os.utime(folder, aged_at)
    assert store.remove(NAME, before=time.time()) is None
    assert folder.is_dir()
