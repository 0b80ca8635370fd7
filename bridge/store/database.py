"""The daemon's SQLite file: opened, migrated, in WAL mode.

One connection, used from the event loop: what is written here comes at a person's pace (popups,
answers, commands), and a commit in WAL mode with `synchronous=NORMAL` outlives a killed process.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlite_utils import Database, Migrations

from bridge.core.errors import UserError

migrations = Migrations("popbridge")
BUSY_TIMEOUT_MS = 2000


@migrations()
def first_tables(db: Database) -> None:
    """Sessions, popups with their advisors' state, receipts, rules."""
    db.table("sessions").create(
        {
            "id": str,
            "token_digest": str,
            "seq_reserved": int,
            "acked": int,
            "identify": bytes,
            "closed": int,
        },
        pk="id",
        not_null={"token_digest", "seq_reserved", "acked", "identify", "closed"},
    )
    db.table("popups").create(
        {
            "id": int,
            "session": str,
            "seq": int,
            "advisor": str,
            "message": bytes,
            "state": bytes,
            "status": str,
            "answer": bytes,
            "parent": int,
            "step": int,
            "created": str,
        },
        pk="id",
        not_null={"session", "advisor", "message", "state", "status", "created"},
    )
    db.table("popups").create_index(["session", "status"])
    db.table("popups").create_index(["parent", "step"], unique=True)
    db.table("receipts").create(
        {
            "id": int,
            "session": str,
            "seq": int,
            "project": str,
            "project_name": str,
            "command": str,
            "args": bytes,
            "deadline_ms": int,
            "note": str,
            "state": str,
            "before": bytes,
            "after": bytes,
            "errors": bytes,
            "reverts": int,
            "parent": int,
            "step": int,
            "created": str,
            "answered": str,
        },
        pk="id",
        not_null={"session", "project", "command", "args", "note", "state", "created"},
    )
    db.table("receipts").create_index(["session", "state"])
    db.table("receipts").create_index(["parent", "step"], unique=True)
    db.table("rules").create(
        {"project": str, "folder": str, "finding": str, "created": str}, pk=("project", "folder", "finding")
    )


def open_database(path: Path) -> Database:
    """The database at `path`, made or migrated. Raises UserError where the file can't be used."""
    connection = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path)
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        db = Database(connection)
        migrations.apply(db)
    except (sqlite3.Error, OSError) as error:
        if connection is not None:
            connection.close()
        raise UserError(
            f"The database {path} can't be used ({error}): free, mend or move that file."
        ) from None
    return db


def open_readonly(path: Path) -> Database | None:
    """The database for reading beside a running daemon; None where there is none yet."""
    if not path.exists():
        return None
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        connection.execute("SELECT 1 FROM receipts LIMIT 1")
    except sqlite3.Error as error:
        raise UserError(f"The database {path} can't be read ({error}).") from None
    return Database(connection)
