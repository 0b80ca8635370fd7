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


def busy(path: Path, rows: int = 500) -> Path:
    """A database in which each kind of table has rows: short and long ones, some removed, none in the log."""
    job = (
        "INSERT INTO jobs "
        "(scope, key, digest, workload, priority, state, cache, created, finished, params, inputs) "
        "VALUES ('s', ?, x'00', 'image.resize', 1, 'done', 1, '2026', ?, ?, x'90')"
    )
    waiter = "INSERT INTO waiters (session, request, job, key) VALUES (?, ?, ?, ?)"
    answer = "INSERT INTO outbox (session, seq, key, message) VALUES ('s', ?, 'k', ?)"
    with contextlib.closing(open_database(path).conn) as connection:
        keep(connection, range(1, rows + 1))
        with at_once(connection):
            for number in range(1, rows + 1):
                long = bytes([number % 256]) * (9000 if number % 50 == 0 else 300)
                connection.execute(job, (f"key{number}", float(number), long))
                connection.execute(waiter, (f"s{number % 7}", number, number, "k" * 200))
                connection.execute(answer, (number, long))
            connection.execute("DELETE FROM jobs WHERE id < ?", (rows // 10,))
    return path


def overwrite(path: Path, pages: Iterable[int], content: bytes = b"\xa5" * PAGE) -> None:
    """Puts `content` in the place of whole pages, of which the first is 1."""
    with path.open("r+b") as file:
        for page in pages:
            file.seek((page - 1) * PAGE)
            file.write(content)


def readable(path: Path, table: str, numbers: Iterable[int]) -> set[int]:
    """Those rows that can be read when each is asked for alone."""
    found = set()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for number in numbers:
            with contextlib.suppress(sqlite3.DatabaseError):
                if connection.execute(
                    f'SELECT * FROM "{table}" NOT INDEXED WHERE rowid = ?', (number,)
                ).fetchone():
                    found.add(number)
    return found


def numbers(path: Path, table: str) -> set[int]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return {number for (number,) in connection.execute(f'SELECT rowid FROM "{table}"')}
