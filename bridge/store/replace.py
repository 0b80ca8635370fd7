"""Puts another database in the place of the daemon's, and keeps the old one beside it."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import uuid
from collections.abc import Callable
from pathlib import Path

from sqlite_utils import Database

from accel.text import text
from bridge.store.copies import copy_database, dated, put_in_place, sync, sync_folder
from bridge.store.database import applied_migrations, migrations, newer_migrations
from bridge.store.looking import open_to_look
from bridge.store.salvage import Salvaged, salvage


def restore(backup: Path, database: Path) -> Path | None:
    """Copies `backup` into the place of `database`, once it was found whole; gives where the old one lies.

    No daemon may run. Raises sqlite3.Error where it is damaged or of a newer or another program, OSError.
    """

    def make(draft: Path) -> None:
        with contextlib.closing(open_to_look(backup)) as source:
            _refuse_foreign(source)
            copy_database(source, draft)

    return _replaced(database, make)


def salvaged(damaged: Path, database: Path) -> tuple[Path | None, Salvaged]:
    """As `restore`, with what can still be read; gives also what came of the rows."""
    made: list[Salvaged] = []
    old = _replaced(database, lambda draft: made.append(salvage(damaged, draft)))
    return old, made[0]


def _refuse_foreign(source: sqlite3.Connection) -> None:
    db = Database(source)
    if not applied_migrations(db, migrations):
        raise sqlite3.DatabaseError(text("it is no database of PopBridge"))
    if newer_migrations(db, migrations):
        raise sqlite3.DatabaseError(text("it was made by a newer PopBridge: update PopBridge first"))


def _replaced(database: Path, make: Callable[[Path], None]) -> Path | None:
    database.parent.mkdir(parents=True, exist_ok=True)
    draft = database.with_name(f".{database.name}.{uuid.uuid4().hex[:12]}")
    try:
        make(draft)
        kept = _keep(database) if database.exists() else None
        put_in_place(draft, database)
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            with contextlib.suppress(OSError):
                draft.with_name(draft.name + suffix).unlink(missing_ok=True)
    return kept


def _keep(database: Path) -> Path:
    """A second name for the database, which is never without its first. Raises sqlite3.Error, OSError."""
    kept = dated(database, "old")
    log, kept_log = (path.with_name(f"{path.name}-wal") for path in (database, kept))
    if log.exists():
        # SQLite removes the log of what it takes for no database.
        shutil.copy2(log, kept_log)
    try:
        _into_one_file(database)
        kept_log.unlink(missing_ok=True)
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            kept_log.unlink(missing_ok=True)
            raise  # it is in use
        # What a damaged file's log holds belongs to it, and to no other.
        for suffix in ("-wal", "-shm"):
            database.with_name(f"{database.name}{suffix}").unlink(missing_ok=True)
    try:
        os.link(database, kept)
    except OSError:  # not every file system has links
        shutil.copy2(database, kept)
        sync(kept)
    sync_folder(database.parent)
    return kept


def _into_one_file(database: Path) -> None:
    # No other program can have it open for that.
    with contextlib.closing(sqlite3.connect(database, timeout=2, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
