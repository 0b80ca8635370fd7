"""Databases with rows, and what can happen to their files."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from bridge.store.database import open_database
from bridge.store.records import pack

PAGE = 4096


def filled(path: Path, rows: int = 2000) -> Path:
    """A database with so many receipts, each of about 1 KiB."""
    with contextlib.closing(open_database(path).conn) as connection:
        keep(connection, range(1, rows + 1))
    return path


@contextlib.contextmanager
def at_once(connection: sqlite3.Connection) -> Iterator[None]:
    """One transaction for many rows: each commit waits for the disk."""
    connection.execute("BEGIN")
    yield
    connection.execute("COMMIT")


def keep(connection: sqlite3.Connection, ids: Iterable[int]) -> None:
    columns = "id, session, project, project_name, command, args, deadline_ms, note, state, created"
    values = "?, 's', 'p', 'P', 'c', ?, 1000, 'n', 'applied', '2026'"
    with at_once(connection):
        connection.executemany(
            f"INSERT INTO receipts ({columns}) VALUES ({values})",
            [(number, pack({"data": bytes([number % 256]) * 1000})) for number in ids],
        )


def receipts(path: Path) -> list[int]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return [number for (number,) in connection.execute("SELECT id FROM receipts ORDER BY id")]


def content(path: Path) -> list[str]:
    """All that a database says, as statements."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def flip(path: Path, share: float, pages: int = 3) -> None:
    """Overwrites whole pages at `share` of the file's length."""
    first = int(path.stat().st_size / PAGE * share)
    with path.open("r+b") as file:
        file.seek(first * PAGE)
        file.write(b"\xa5" * PAGE * pages)


def misspell(path: Path, table: str) -> None:
    """Breaks a table's statement so that SQLite's error quotes bytes that are no UTF-8."""
    whole = path.read_bytes()
    path.write_bytes(
        whole.replace(f"CREATE TABLE {table}".encode(), b"CREATE \xff\xff\xff\xff\xff " + table.encode())
    )
    assert path.read_bytes() != whole
