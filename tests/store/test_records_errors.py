"""What is said of SQLite's errors."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from bridge.core.errors import StoreError
from bridge.store.records import REASONS, as_store_error, is_damage


def failed(connection: sqlite3.Connection, statement: str) -> sqlite3.Error:
    with pytest.raises(sqlite3.Error) as caught:
        connection.execute(statement)
    return caught.value


def test_a_full_disk_is_said_once() -> None:
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (x)")
        # No more than so many pages: SQLite says then what it says of a full disk.
        connection.execute("PRAGMA max_page_count = 2")
        said = as_store_error(failed(connection, "INSERT INTO t VALUES (zeroblob(100000))"))
    assert isinstance(said, StoreError) and said.reason == "the disk is full"


def test_what_sqlite_says_beyond_its_code_is_kept() -> None:
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET sql = 'CREATE TABLE t ('")
        connection.execute("PRAGMA writable_schema = RESET")
        said = as_store_error(failed(connection, "SELECT * FROM t"))
    assert isinstance(said, StoreError)
    assert str(said.reason).startswith(f"{REASONS['CORRUPT']} (malformed database schema")


def test_an_error_that_is_no_unicode_is_damage() -> None:
    said = as_store_error(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"))
    assert isinstance(said, StoreError) and is_damage(said)


def test_text_that_is_no_utf8_is_damage_of_which_file_and_column_are_named() -> None:
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        with pytest.raises(sqlite3.Error) as caught:
            connection.execute("SELECT CAST(x'ff41' AS TEXT) AS note").fetchall()
        said = as_store_error(caught.value, Path("p.db"))
    assert isinstance(said, StoreError) and is_damage(said)
    assert said.reason == f"{REASONS['CORRUPT']} (p.db: text that isn't UTF-8 in column 'note')"


def test_of_damage_the_file_is_named_and_of_all_else_it_isnt(tmp_path: Path) -> None:
    path = tmp_path / "no.db"
    path.write_bytes(b"a letter to grandmother" * 100)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        said = as_store_error(failed(connection, "SELECT 1 FROM t"), path)
    assert str(said) == f"{REASONS['NOTADB']} ({path})"
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("PRAGMA max_page_count = 1")
        said = as_store_error(failed(connection, "CREATE TABLE t (x)"), path)
    assert str(said) == "the disk is full"


def test_a_mistake_in_a_statement_stays_what_it_is() -> None:
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        error = failed(connection, "SELEKT")
    assert as_store_error(error) is error
