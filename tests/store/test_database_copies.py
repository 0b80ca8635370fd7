"""Copies: consistent beside a writer, whole or not there."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from pathlib import Path

import pytest

from bridge.store import database
from bridge.store.database import copy_blobs, copy_database, open_database, open_for_inspection
from tests.store.damage import filled, flip, receipts


def test_a_copy_beside_a_writer_holds_whole_transactions(tmp_path: Path) -> None:
    writer = open_database(tmp_path / "a.db").conn
    writer.execute("CREATE TABLE pairs (a, b)")
    stop = threading.Event()

    def write() -> None:
        for number in range(1_000_000):
            if stop.is_set():
                return
            writer.execute("BEGIN")
            writer.execute("INSERT INTO pairs (a) VALUES (?)", (number,))
            writer.execute("UPDATE pairs SET b = a WHERE a = ?", (number,))
            writer.execute("COMMIT")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        counts = []
        for number in range(5):
            with contextlib.closing(open_for_inspection(tmp_path / "a.db")) as source:
                copy_database(source, tmp_path / f"{number}.db")
            with contextlib.closing(sqlite3.connect(tmp_path / f"{number}.db")) as copy:
                sql = "SELECT count(*), count(b), coalesce(max(a) + 1, 0) FROM pairs"
                (found,) = copy.execute(sql)
            assert len(set(found)) == 1
            counts.append(found[0])
    finally:
        stop.set()
        thread.join()
    assert counts == sorted(counts)
    writer.close()


def test_a_copy_is_one_file_and_leaves_no_draft(tmp_path: Path) -> None:
    filled(tmp_path / "a.db", 10)
    (tmp_path / "to").mkdir()
    with contextlib.closing(open_for_inspection(tmp_path / "a.db")) as source:
        copy_database(source, tmp_path / "to" / "b.db")
    assert [path.name for path in (tmp_path / "to").iterdir()] == ["b.db"]
    assert receipts(tmp_path / "to" / "b.db") == list(range(1, 11))


def test_a_damaged_database_replaces_no_good_copy(tmp_path: Path) -> None:
    source, target = filled(tmp_path / "a.db"), tmp_path / "b.db"
    target.write_text("yesterday's")
    flip(source, 0.5)
    with (
        contextlib.closing(sqlite3.connect(source)) as damaged,
        pytest.raises(sqlite3.Error, match="damaged"),
    ):
        copy_database(damaged, target)
    assert target.read_text() == "yesterday's"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.db", "b.db"]


def test_two_copies_of_one_second_have_two_names(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    names = []
    for _ in range(2):
        names.append(database.dated_path(path, "old"))
        names[-1].touch()
    assert len(set(names)) == 2


def test_blobs_are_copied_once_and_drafts_never(tmp_path: Path) -> None:
    source, target = tmp_path / "blobs", tmp_path / "copy"
    source.mkdir()
    for name in ("a" * 64, "b" * 64, ".x.part"):
        (source / name).write_text(name)
    assert copy_blobs(source, target) == 2
    assert copy_blobs(source, target) == 0
    assert sorted(path.name for path in target.iterdir()) == ["a" * 64, "b" * 64]


def test_a_blob_that_vanishes_meanwhile_isnt_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "blobs"
    source.mkdir()
    (source / ("b" * 64)).write_text("b")
    monkeypatch.setattr("bridge.store.database.os.listdir", lambda folder: ["a" * 64, "b" * 64])
    assert copy_blobs(source, tmp_path / "copy") == 1
    assert [(tmp_path / "copy" / (name * 64)).exists() for name in "ab"] == [False, True]
