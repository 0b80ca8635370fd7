"""What SQLite's errors mean, for people."""

from __future__ import annotations

import sqlite3

from bridge.core.errors import StoreError

FAILURES = (sqlite3.Error, UnicodeDecodeError)
"""What sqlite3 raises: the latter where a damaged file's text, or an error that quotes it, is no UTF-8."""
REASONS = {
    "FULL": "the disk is full",
    "READONLY": "its database or folder may not be written",
    "PERM": "its database or folder may not be written",
    "CANTOPEN": "its database can't be opened",
    "BUSY": "another program holds its database",
    "LOCKED": "another program holds its database",
    "CORRUPT": "its database is damaged: stop the bridge and run `popbridge db check`",
    "NOTADB": "its database is damaged: stop the bridge and run `popbridge db check`",
    "IOERR": "the disk failed",
    "INTERRUPT": "the database took too long to answer",
    "NOMEM": "there isn't enough memory",
    "TOOBIG": "it is too large for the database",
}
"""By SQLite's primary result codes (https://www.sqlite.org/rescode.html)."""
SAID_BY_THEM = frozenset(
    {
        "database or disk is full", "attempt to write a readonly database", "access permission denied",
        "unable to open database file", "database is locked", "database table is locked",
        "database disk image is malformed", "file is not a database", "disk I/O error", "interrupted",
        "out of memory", "string or blob too big",
    }
)  # fmt: skip
"""SQLite's own words for these codes (https://www.sqlite.org/c3ref/errcode.html), which add nothing."""


def as_store_error(error: sqlite3.Error | UnicodeDecodeError) -> StoreError | sqlite3.Error:
    """`error` in words; what is a mistake of the statement, and none of the file's, stays as it is."""
    if isinstance(error, UnicodeDecodeError):
        return StoreError(f"{REASONS['CORRUPT']} ({error})")
    # An extended code such as SQLITE_IOERR_WRITE begins with its primary one.
    name = getattr(error, "sqlite_errorname", "SQLITE_UNKNOWN").split("_")[1]
    reason = REASONS.get(name)
    if reason is None:
        return error
    return StoreError(reason if str(error) in SAID_BY_THEM else f"{reason} ({error})")


def is_damage(error: StoreError) -> bool:
    """Whether the file itself is broken, so that trying again is in vain."""
    return error.reason.startswith(REASONS["CORRUPT"])
