"""Cache files of SQLite, as audits and runs open them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from bridge.store.records import FAILURES
from bridge.store.response_tables import open_cache
from tests.store.damage import misspell

TABLES = "CREATE TABLE IF NOT EXISTS things (name TEXT); PRAGMA user_version = 3;"


def test_what_is_kept_is_there_when_the_file_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "made" / "cache.db"
    first = open_cache(path, 3, TABLES)
    first.execute("INSERT INTO things VALUES ('rock')")
    first.close()
    again = open_cache(path, 3, TABLES)
    assert again.execute("SELECT name FROM things").fetchall() == [("rock",)]
    again.close()


@pytest.mark.parametrize("version", [2, 4])
def test_a_file_of_another_version_is_refused(tmp_path: Path, version: int) -> None:
    open_cache(tmp_path / "cache.db", 3, TABLES).close()
    with pytest.raises(sqlite3.DatabaseError, match="made by another version"):
        open_cache(tmp_path / "cache.db", version, TABLES)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cache.db").write_bytes(b"no database" * 100)
    with pytest.raises(sqlite3.DatabaseError):
        open_cache(tmp_path / "cache.db", 3, TABLES)


def test_a_file_whose_error_is_no_unicode_is_refused_and_closed(tmp_path: Path) -> None:
    open_cache(tmp_path / "cache.db", 3, TABLES).close()
    misspell(tmp_path / "cache.db", "things")
    with pytest.raises(FAILURES):
        open_cache(tmp_path / "cache.db", 3, TABLES)
    # Windows removes no file that is open.
    (tmp_path / "cache.db").unlink()


def test_without_a_path_it_lives_in_memory() -> None:
    db = open_cache(None, 3, TABLES)
    assert db.execute("SELECT count(*) FROM things").fetchone() == (0,)
    db.close()
