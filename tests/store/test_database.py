"""The database file: made, migrated, refused in words."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.core.errors import UserError
from bridge.store.database import open_database, open_readonly


def test_a_new_database_has_every_table_and_outlives_a_killed_process(tmp_path: Path) -> None:
    db = open_database(tmp_path / "deep" / "popbridge.db")
    assert {"sessions", "popups", "receipts", "rules"} <= set(db.table_names())
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    db.conn.close()


def test_opening_it_again_changes_nothing(tmp_path: Path) -> None:
    schemas = []
    for _ in range(2):
        db = open_database(tmp_path / "popbridge.db")
        schemas.append(db.schema)
        db.conn.close()
    assert schemas[0] == schemas[1]


def locked(path: Path) -> sqlite3.Connection:
    holder = sqlite3.connect(path)
    holder.execute("BEGIN EXCLUSIVE")
    return holder


def garbage(path: Path) -> None:
    path.write_bytes(b"this was a letter to grandmother" * 1000)


def folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("spoil", [garbage, folder, locked])
def test_a_file_that_cant_be_used_is_named(
    tmp_path: Path, spoil: Callable[[Path], sqlite3.Connection | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.store.database.BUSY_TIMEOUT_MS", 10)
    path = tmp_path / "popbridge.db"
    holder = spoil(path)
    with pytest.raises(UserError) as caught:
        open_database(path)
    assert str(path) in str(caught.value)
    if holder:
        holder.close()


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="can't be used"):
        open_database(tmp_path / "file" / "popbridge.db")


def test_without_a_database_there_is_nothing_to_read(tmp_path: Path) -> None:
    assert open_readonly(tmp_path / "popbridge.db") is None


def test_a_reader_beside_the_daemon_cant_write(tmp_path: Path) -> None:
    writer = open_database(tmp_path / "popbridge.db")
    reader = open_readonly(tmp_path / "popbridge.db")
    assert reader is not None
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.table("rules").insert({"project": "p", "folder": "f", "finding": "x", "created": "now"})
    reader.conn.close()
    writer.conn.close()


def test_a_reader_of_what_is_no_database_is_told_so(tmp_path: Path) -> None:
    garbage(tmp_path / "popbridge.db")
    with pytest.raises(UserError, match="can't be read"):
        open_readonly(tmp_path / "popbridge.db")
