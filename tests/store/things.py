"""A table to write to and to read from."""

from __future__ import annotations

import sqlite3

from sqlite_utils import Database, Migrations

migrations = Migrations("test")


@migrations()
def tables(db: Database) -> None:
    db.table("things").create({"id": int, "text": str}, pk="id")


def texts(connection: sqlite3.Connection) -> list[str]:
    return [text for (text,) in connection.execute("SELECT text FROM things ORDER BY id")]
