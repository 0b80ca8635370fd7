"""SQLite files that may be thrown away: fast, as a broken or foreign one is only made anew."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from bridge.store.failures import FAILURES


def open_cache(path: Path | None, version: int, tables: str) -> sqlite3.Connection:
    """The file's tables, or tables in memory; each statement is a transaction of its own.

    `tables` makes those that aren't there and sets `user_version`. Raises FAILURES, also for a file of
    another version, and OSError.
    """
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(":memory:" if path is None else path, timeout=0.5, isolation_level=None)
    try:
        # What a power failure breaks is made anew.
        db.execute("PRAGMA synchronous = OFF")
        db.execute("PRAGMA journal_mode = WAL")
        if db.execute("PRAGMA user_version").fetchone()[0] not in (0, version):
            raise sqlite3.DatabaseError("made by another version")
        db.executescript(tables)
    except FAILURES:
        db.close()
        raise
    return db
