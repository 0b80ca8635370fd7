"""Reading a database wherever it lies."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path, PureWindowsPath

import pytest

from bridge.store.database import connect_readonly, file_uri


@pytest.mark.parametrize(
    ("path", "address"),
    [(r"\\nas\our share\a#1.db", "file:////nas/our%20share/a%231.db"), (r"C:\a\b.db", "file:///C%3A/a/b.db")],
)
def test_sqlite_is_told_of_no_machine_where_the_database_lies_on_its_share(path: str, address: str) -> None:
    assert file_uri(PureWindowsPath(path)) == address


def test_sqlite_looks_for_a_database_on_a_share() -> None:
    address = file_uri(PureWindowsPath(r"\\127.0.0.1\no share\a.db"))
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        sqlite3.connect(f"{address}?mode=ro", uri=True)


@pytest.mark.parametrize("name", ["a b.db", "100%.db", "a#1.db", "游戏.db"])
def test_a_database_is_read_whatever_its_name(tmp_path: Path, name: str) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / name)) as made:
        made.execute("CREATE TABLE things (name)")
    with contextlib.closing(connect_readonly(tmp_path / name)) as read:
        assert read.execute("SELECT name FROM sqlite_schema").fetchall() == [("things",)]
