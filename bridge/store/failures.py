"""What SQLite's errors mean, for people."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from accel.text import AnyText, Text, text
from bridge.core.errors import StoreError

Failure = sqlite3.Error | UnicodeDecodeError
FAILURES = (sqlite3.Error, UnicodeDecodeError)
"""What sqlite3 raises: the latter where a damaged file's column name, or an error that quotes the file, is no
UTF-8."""
NO_UTF8 = "Could not decode to UTF-8 column"
"""How sqlite3's own error of a text that is no UTF-8 begins; it has no result code of SQLite's."""
DAMAGED = text("its database is damaged: stop the bridge and run `popbridge db check`")
NOT_WRITABLE = text("its database or folder may not be written")
IN_USE = text("another program holds its database")
REASONS = {
    "FULL": text("the disk is full"),
    "READONLY": NOT_WRITABLE,
    "PERM": NOT_WRITABLE,
    "CANTOPEN": text("its database can't be opened"),
    "BUSY": IN_USE,
    "LOCKED": IN_USE,
    "CORRUPT": DAMAGED,
    "NOTADB": DAMAGED,
    "IOERR": text("the disk failed"),
    "INTERRUPT": text("the database took too long to answer"),
    "NOMEM": text("there isn't enough memory"),
    "TOOBIG": text("it is too large for the database"),
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


def as_store_error(error: Failure, path: Path | None = None) -> StoreError | sqlite3.Error:
    """`error` in words; what is a mistake of the statement, and none of the file's, stays as it is.

    Of damage they name the file `path`, where that is given.
    """
    if isinstance(error, UnicodeDecodeError):
        return LastingDamage(_damage(f"text that isn't UTF-8: {error}", path))
    if str(error).startswith(NO_UTF8):
        # The text itself, of any length, says nothing to anybody.
        column = str(error).removeprefix(NO_UTF8).partition(" with text")[0]
        return LastingDamage(_damage(f"text that isn't UTF-8 in column{column}", path))
    # An extended code such as SQLITE_IOERR_WRITE begins with its primary one.
    name = getattr(error, "sqlite_errorname", "SQLITE_UNKNOWN").split("_")[1]
    reason = REASONS.get(name)
    if reason is None:
        return error
    said = "" if str(error) in SAID_BY_THEM else str(error)
    if reason == DAMAGED:
        kind = DamagedRow if isinstance(error, Unreadable) else StoreError
        return kind(_damage(said, path))
    return StoreError(_explained(reason, said))


class Unreadable(sqlite3.DatabaseError):
    """A row that SQLite gives, and that holds something else than was ever kept; others may be whole."""

    sqlite_errorname = "SQLITE_CORRUPT"


class LastingDamage(StoreError):
    """SQLite gives what nobody can read, such as text that is no UTF-8: to ask again is in vain."""


class DamagedRow(LastingDamage):
    """What is said of an `Unreadable` one."""


def broken(said: str) -> sqlite3.DatabaseError:
    """As SQLite's own error of a damaged file, for damage that it doesn't see."""
    error = sqlite3.DatabaseError(said)
    error.sqlite_errorname = "SQLITE_CORRUPT"
    return error


def _damage(said: str, path: Path | None) -> AnyText:
    """The file `path` is broken; `said` is how that shows."""
    return _explained(DAMAGED, ": ".join(filter(None, (str(path or ""), said))))


def _explained(reason: Text, details: str) -> Text:
    return text("{reason} ({details})", reason=reason, details=details) if details else reason


def is_damage(error: StoreError) -> bool:
    """Whether the file itself is broken, so that trying again is in vain."""
    reason = error.reason
    return isinstance(reason, Text) and DAMAGED in (reason, reason.values.get("reason"))
