"""Copies of a database: whole, checked and in one file, or not there at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import sys
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from accel.replacing import replace_file
from accel.text import text
from bridge.store.blobs import NAME

KEPT = 3
"""How many copies from before migrations lie beside the file."""
STEP_PAGES = 256
"""Pages that are copied between two steps: 1 MiB."""

Check = Callable[[sqlite3.Connection], None]
"""Raises sqlite3.Error for a copy that must not be used."""
Step = Callable[[], None]


def copy_database(
    source: sqlite3.Connection, target: Path, *, check: Check | None = None, step: Step | None = None
) -> None:
    """Copies what `source` sees to `target`, replacing it in one step once the copy has been checked.

    Later commits of other connections are not in it. `check` replaces SQLite's full integrity check. `step`
    is called between small parts of the work; what it raises ends the copy. Raises OSError, and sqlite3.Error
    also for a damaged copy.
    """
    draft = target.with_name(f".{target.name}.{uuid.uuid4().hex[:12]}")
    try:
        _fill(source, draft, check or check_integrity, step)
        put_in_place(draft, target)
    finally:
        for rest in (draft, draft.with_name(f"{draft.name}-journal")):
            with contextlib.suppress(OSError):
                rest.unlink(missing_ok=True)


def check_integrity(copy: sqlite3.Connection, pragma: str = "integrity_check") -> None:
    """Raises sqlite3.DatabaseError if SQLite's check finds damage."""
    found = copy.execute(f"PRAGMA {pragma}(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(text("it is damaged: {found}", found=found))


def _fill(source: sqlite3.Connection, draft: Path, check: Check, step: Step | None) -> None:
    with contextlib.closing(sqlite3.connect(draft, isolation_level=None)) as copy:
        if step is None:
            source.backup(copy)
        else:
            _copy_in_steps(source, copy, step)
        # In WAL mode it would be several files as soon as it is opened.
        copy.execute("PRAGMA journal_mode = DELETE")
        check(copy)


def _copy_in_steps(source: sqlite3.Connection, copy: sqlite3.Connection, step: Step) -> None:
    # Without an open transaction SQLite begins anew whenever another connection has written.
    source.execute("BEGIN")
    try:
        source.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
        source.backup(copy, pages=STEP_PAGES, progress=lambda *_: step())
    finally:
        source.execute("ROLLBACK")


def put_in_place(draft: Path, target: Path) -> None:
    """`target` is `draft` from now on, whenever the power fails. Raises OSError."""
    sync(draft)
    replace_file(draft, target)
    sync_folder(target.parent)


def sync(path: Path) -> None:
    """The file's bytes are on the disk. Raises OSError."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """The folder's names are on the disk. Raises OSError."""
    if sys.platform == "win32":
        return  # Windows opens no folder for that, and NTFS keeps a journal of names
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def dated(path: Path, word: str) -> Path:
    """A name beside `path` that isn't taken: `popbridge.db.before-20260131-120000`."""
    now = datetime.now(UTC)
    name = f"{path.name}.{word}-{now:%Y%m%d-%H%M%S}"
    found = path.with_name(name)
    return found if not found.exists() else path.with_name(f"{name}-{now:%f}")


def keep_before(source: sqlite3.Connection, path: Path) -> Path:
    """Copies the database `path`, open in `source`, before it is migrated; the latest few are kept.

    Raises sqlite3.Error, OSError.
    """
    kept = dated(path, "before")
    copy_database(source, kept)
    # Their names sort by time.
    for old in sorted(path.parent.glob(f"{path.name}.before-*"))[:-KEPT]:
        with contextlib.suppress(OSError):
            old.unlink()
    return kept


def copy_blobs(source: Path, target: Path) -> int:
    """Gives `target` the blobs of `source` that it lacks; says how many. Raises OSError."""
    target.mkdir(parents=True, exist_ok=True)
    missing = sorted(
        name for name in os.listdir(source) if NAME.fullmatch(name) and not (target / name).exists()
    )
    count = 0
    for name in missing:
        draft = target / f".{uuid.uuid4().hex}.part"
        try:
            shutil.copyfile(source / name, draft)
            put_in_place(draft, target / name)
            count += 1
        except FileNotFoundError:
            continue  # nothing needs it any more: it was removed meanwhile
        finally:
            draft.unlink(missing_ok=True)
    return count
