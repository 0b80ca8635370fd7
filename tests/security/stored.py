"""What a thief of the disk finds: marks in files, and databases looked at without the daemon."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from bridge.paths import Paths
from bridge.store.column_encryption import form_of, needed_key
from bridge.store.database import open_for_inspection


def found(folder: Path, marks: Sequence[str]) -> set[tuple[str, str]]:
    """The marks in files below a folder, in UTF-8 or UTF-16, with the files' names or their folder's."""
    seen = set()
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        content = path.read_bytes()
        name = "blobs" if path.parent.name == "blobs" else path.name
        seen |= {
            (name, mark) for mark in marks if mark.encode() in content or mark.encode("utf-16-le") in content
        }
    return seen


def form(paths: Paths) -> str | None:
    """The key's id that all rows are sealed with; None while they differ."""
    return _look(paths.database, form_of)


def needs(paths: Paths) -> str | None:
    """The key's id without which the database can't be opened."""
    return _look(paths.database, needed_key)


def _look(database: Path, at):  # type: ignore[no-untyped-def]
    if not database.exists():
        return None
    with contextlib.suppress(sqlite3.Error), contextlib.closing(open_for_inspection(database)) as connection:
        return at(connection)
    return None
