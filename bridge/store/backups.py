"""Makes daily backups of the daemon's database and restores them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import shutil
import sqlite3
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct
from sqlite_utils import Database

from accel.atomic_file import make_private_folder, sync_folder
from accel.text import text
from bridge.store.database import (
    applied_migrations,
    check_integrity,
    copy_database,
    dated_path,
    file_uri,
    migrations,
    newer_migrations,
    open_for_inspection,
    replace_database,
    sync,
    wal_size,
)
from bridge.store.integrity import tables
from bridge.store.records import FAILURES

log = logging.getLogger(__name__)

MAX_BACKUPS = 7
"""Number of daily backups to keep."""
START_DELAY_S = 30.0
"""Seconds from the daemon's start to its first backup, because starting needs the disk."""
CHECK_INTERVAL_S = 3600.0
"""Seconds between checks for today's backup, and between attempts."""
PAUSE_S = 0.002
"""Pause in seconds after each copied MiB, because writers need the disk, too."""
STAMP = "%Y%m%d-%H%M%S"

STARTUP_QUERIES = (
    "SELECT * FROM sessions WHERE closed = 0",
    "SELECT * FROM popups WHERE status != 'settled'",
    "SELECT * FROM receipts WHERE state = 'sent'",
)
"""Rows that the daemon reads when it starts; it can't start if their text isn't UTF-8."""


class DailyBackup:
    """Makes a backup on each day (UTC) on which the daemon runs, and keeps the latest seven."""

    def __init__(self, database: Path, lock: threading.Lock | None = None) -> None:
        """`lock` is held while a backup is made."""
        self._database = database
        self._lock = lock or threading.Lock()
        self._cancelled = threading.Event()

    async def run(self) -> None:
        """Makes backups until cancelled. Failures are logged and retried."""
        pause = START_DELAY_S
        while True:
            await asyncio.sleep(pause)
            pause = CHECK_INTERVAL_S
            work = asyncio.ensure_future(asyncio.to_thread(self._make_if_due))
            try:
                await asyncio.shield(work)
            except asyncio.CancelledError:
                # The database can't be closed while the thread uses it.
                self._cancelled.set()
                await work
                raise

    def _make_if_due(self) -> None:
        try:
            today = datetime.now(UTC)
            if all(backup_time(path).date() != today.date() for path in list_backups(self._database)):
                with self._lock:
                    result = make_backup(self._database, self._step)
                log.info("the database was backed up to %s", result)
        # A failed backup must not stop the daemon.
        except Exception as error:
            if not self._cancelled.is_set():
                reason = getattr(error, "strerror", None) or error
                expected = isinstance(error, (*FAILURES, OSError))
                log.warning(
                    "%s was not backed up (%s); the next attempt is in %.0f minutes",
                    self._database, reason, CHECK_INTERVAL_S / 60, exc_info=not expected,
                )  # fmt: skip

    def _step(self) -> None:
        if self._cancelled.wait(PAUSE_S):
            raise InterruptedError("the daemon is stopping")


def backups_folder(database: Path) -> Path:
    return database.with_name("backups")


def list_backups(database: Path) -> list[Path]:
    """Returns the daily backups of a database, oldest first. Raises OSError."""
    name = re.compile(rf"{re.escape(database.stem)}-\d{{8}}-\d{{6}}\.db")
    folder = backups_folder(database)
    return sorted(path for path in folder.glob("*.db") if name.fullmatch(path.name))


def backup_time(backup: Path) -> datetime:
    """Returns the time in a backup's name, or else the file's time. Raises OSError."""
    try:
        return datetime.strptime("-".join(backup.stem.split("-")[-2:]), STAMP).replace(tzinfo=UTC)
    except ValueError:
        return datetime.fromtimestamp(backup.stat().st_mtime, UTC)


def make_backup(database: Path, step: Callable[[], None] = lambda: None) -> Path:
    """Makes a backup, even while a daemon writes, and deletes the oldest ones beyond seven.

    `step` is called between parts of the work; if it raises, the work ends.

    Raises OSError, for instance if the disk has too little space, or sqlite3.Error, for instance if the
    database is damaged; in either case no backup is deleted.
    """
    folder = backups_folder(database)
    folder.mkdir(mode=0o700, exist_ok=True)
    # Drafts left by a killed daemon.
    for draft in folder.glob(f".{database.stem}-*"):
        draft.unlink(missing_ok=True)
    _require_room(database, folder)
    result = folder / f"{database.stem}-{datetime.now(UTC):{STAMP}}.db"
    with contextlib.closing(open_for_inspection(database)) as source:
        copy_database(source, result, check=lambda copy: _check(copy, step), step=step)
    older = [path for path in list_backups(database) if path != result]
    for path in older[: -(MAX_BACKUPS - 1)]:
        path.unlink(missing_ok=True)
    return result


def _require_room(database: Path, folder: Path) -> None:
    size = database.stat().st_size + wal_size(database)
    # Keep as much again free, so that a backup can't fill the database's disk.
    free, needed = shutil.disk_usage(folder).free, 2 * size
    if free < needed:
        raise OSError(f"its disk has {free >> 20} MiB free, and a backup needs {needed >> 20} MiB")


def _check(copy: sqlite3.Connection, step: Callable[[], None]) -> None:
    """Raises sqlite3.Error for a copy that is damaged or that no daemon could start with."""

    def interrupted() -> bool:
        try:
            step()
        except OSError:
            return True
        return False

    copy.set_progress_handler(interrupted, 1_000_000)
    check_integrity(copy, "quick_check")
    for select in STARTUP_QUERIES:
        for _ in copy.execute(select):
            pass
    copy.set_progress_handler(None, 0)


class Restored(Struct):
    """The contents of a restored database compared with those of the one it replaced."""

    old: Path | None
    """Path of the replaced database, if there was one."""
    rows: dict[str, int]
    """Number of rows by table."""
    lost: dict[str, int | None]
    """Number of rows found only in the old database, by table, omitting zeros; None if unknown."""


def newest_backup(database: Path) -> tuple[Path | None, list[Path]]:
    """Returns the newest intact backup, and damaged ones newer than it. Raises OSError."""
    damaged = []
    for path in reversed(list_backups(database)):
        try:
            with contextlib.closing(open_for_inspection(path)) as connection:
                check_integrity(connection, "quick_check")
        except FAILURES:
            damaged.append(path)
        else:
            return path, damaged
    return None, damaged


def restore(backup: Path, database: Path) -> Restored:
    """Replaces `database` with a verified copy of `backup` and keeps the old file.

    No daemon may be running. Raises OSError, and sqlite3.Error for a backup that is damaged, newer than this
    PopBridge, or another program's.
    """
    make_private_folder(database.parent)
    draft = database.with_name(f".{database.name}.{uuid.uuid4().hex[:12]}")
    try:
        with contextlib.closing(open_for_inspection(backup)) as source:
            _refuse_foreign(source)
            copy_database(source, draft)
        restored = _compare(draft, database)
        if database.exists():
            restored.old = _keep(database)
        replace_database(draft, database)
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            with contextlib.suppress(OSError):
                draft.with_name(draft.name + suffix).unlink(missing_ok=True)
    return restored


def _compare(draft: Path, database: Path) -> Restored:
    restored = Restored(None, {}, {})
    with contextlib.closing(open_for_inspection(draft)) as new:
        for table in tables(new):
            (restored.rows[table],) = new.execute(f'SELECT count(*) FROM "{table}"').fetchone()
    if database.exists():
        restored.lost = dict.fromkeys(restored.rows)
        with contextlib.suppress(*FAILURES), contextlib.closing(open_for_inspection(database)) as old:
            old.execute("ATTACH ? AS new", (f"{file_uri(draft.resolve())}?mode=ro",))
            missing = {table: _count_missing(old, table) for table in restored.rows}
            restored.lost = {table: count for table, count in missing.items() if count != 0}
    return restored


def _count_missing(old: sqlite3.Connection, table: str) -> int | None:
    """Returns how many keys of `table` are missing in `new`, or None if they can't be read."""
    try:
        columns = old.execute(f'PRAGMA new.table_info("{table}")').fetchall()
        key = [f'"{column[1]}"' for column in columns if column[5]] or ["rowid"]
        same = " AND ".join(f"theirs.{name} IS ours.{name}" for name in key)
        (count,) = old.execute(
            f'SELECT count(*) FROM main."{table}" AS ours '
            f'WHERE NOT EXISTS (SELECT 1 FROM new."{table}" AS theirs WHERE {same})'
        ).fetchone()
    except FAILURES:
        return None
    return int(count)


def _refuse_foreign(source: sqlite3.Connection) -> None:
    db = Database(source)
    if not applied_migrations(db, migrations):
        raise sqlite3.DatabaseError(text("it isn't a PopBridge database"))
    if newer_migrations(db, migrations):
        raise sqlite3.DatabaseError(text("it was made by a newer PopBridge; update PopBridge first"))


def set_aside(database: Path) -> Path:
    """Renames the database, which no program may have open, and returns its new name. Raises sqlite3.Error
    and OSError."""
    old = _keep(database)
    database.unlink()
    sync_folder(database.parent)
    return old


def _keep(database: Path) -> Path:
    """Links or copies the database to a dated name and returns that. Raises sqlite3.Error and OSError."""
    old = dated_path(database, "old")
    log, old_log = (path.with_name(f"{path.name}-wal") for path in (database, old))
    if log.exists():
        # SQLite deletes the log of a file that it doesn't recognise as a database.
        shutil.copy2(log, old_log)
    try:
        _into_one_file(database)
        old_log.unlink(missing_ok=True)
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            old_log.unlink(missing_ok=True)
            raise  # another program uses it
        # A damaged file's log must not be applied to the restored file.
        for suffix in ("-wal", "-shm"):
            database.with_name(f"{database.name}{suffix}").unlink(missing_ok=True)
    try:
        os.link(database, old)
    except OSError:  # the file system may not support links
        shutil.copy2(database, old)
        sync(old)
    sync_folder(database.parent)
    return old


def _into_one_file(database: Path) -> None:
    # This fails while another program has the file open.
    with contextlib.closing(sqlite3.connect(database, timeout=2, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
