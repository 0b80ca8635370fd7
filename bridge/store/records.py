"""Rows as records; SQLite errors in words."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct

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
        return PermanentDamage(_damage(f"text that isn't UTF-8: {error}", path))
    if str(error).startswith(NO_UTF8):
        # The text itself, of any length, says nothing to anybody.
        column = str(error).removeprefix(NO_UTF8).partition(" with text")[0]
        return PermanentDamage(_damage(f"text that isn't UTF-8 in column{column}", path))
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


class PermanentDamage(StoreError):
    """SQLite gives what nobody can read, such as text that is no UTF-8: to ask again is in vain."""


class DamagedRow(PermanentDamage):
    """What is said of an `Unreadable` one."""


def integrity_error(said: str) -> sqlite3.DatabaseError:
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


Stored = TypeVar("Stored")

Row = Mapping[str, Any]

AUDIT_FIX = "audit.fix"
"""The command of receipts that `popbridge audit --fix` keeps; no editor knows it."""

ReceiptState = Literal["sent", "applied", "failed"]


class StoredSession(Struct, kw_only=True):
    """What brings a session back after the daemon was restarted."""

    id: str
    token_digest: str
    seq_reserved: int
    """No number above this one was ever given."""
    acked: int
    identify: bytes


class StoredPopup(Struct, kw_only=True):
    """A popup, what its advisor wants to know when it is answered, and how far it has come."""

    id: int
    session: str
    seq: int | None
    advisor: str
    message: bytes
    state: bytes
    status: Literal["open", "answered", "settled"]
    answer: bytes | None = None


class Receipt(Struct, kw_only=True):
    """What one command changed, or will have changed, before and after."""

    id: int
    """That of its command."""
    session: str
    """Whose editor was asked."""
    seq: int | None = None
    """The command's number, once it is sent."""
    project: str
    """The project's id."""
    project_name: str = ""
    """What people call the project."""
    command: str
    """Its name, for example `texture.apply`."""
    args: dict[str, Any]
    """Its arguments."""
    deadline_ms: int = 60_000
    """Milliseconds that it might take."""
    note: str
    """Why it was sent, for people."""
    state: ReceiptState
    """`sent`: not answered yet; `applied`: at least a part was done; `failed`: nothing was."""
    before: Any = None
    """What the editor observed before, as in its answer."""
    after: Any = None
    """What it observed after."""
    errors: Any = None
    """What could not be done, a list of maps with `message` and perhaps `path`."""
    reverts: int | None = None
    """The receipt that this one puts back."""
    created: str
    """When it was sent: ISO 8601, UTC."""
    answered: str | None = None
    """When it was answered."""


class Damaged(Struct):
    """A receipt of which no more is known: what the file holds of it is nothing that was ever kept."""

    id: int


def pack(value: Any) -> bytes:
    """Plain values and Structs as msgpack."""
    return msgspec.msgpack.encode(value)


def unpack(data: bytes | None, kind: Any = Any) -> Any:
    """What `pack` packed; None for None. Raises msgspec.DecodeError for what isn't, as in a damaged file."""
    try:
        return None if data is None else msgspec.msgpack.decode(data, type=kind)
    # Text in it that is no UTF-8, and a column that holds no bytes.
    except (UnicodeDecodeError, TypeError) as error:
        raise msgspec.DecodeError(str(error)) from None


def as_record(table: str, row: Row, kind: type[Stored], packed: Mapping[str, Any] = {}) -> Stored:
    """`row` of `table` as a record; `packed` are its columns with packed values, and what they hold.

    Raises Unreadable where it is another's, or damaged.
    """
    try:
        values = {name: row[name] for name in kind.__struct_fields__}  # type: ignore[attr-defined]
        values |= {name: unpack(values[name], of) for name, of in packed.items()}
        return msgspec.convert(values, kind)
    # A column may have any name, too.
    except (msgspec.DecodeError, KeyError) as error:
        said = f"no column {error}" if isinstance(error, KeyError) else str(error)
        raise Unreadable(f"{table}, row {row.get('id')}: {said}") from None


def now_text() -> str:
    """UTC, ISO 8601, to the millisecond."""
    return before_text(0)


def before_text(days: float) -> str:
    """The same, so many days ago."""
    then = datetime.now(UTC) - timedelta(days=days)
    return then.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def when_text(then: str) -> str:
    """What `now_text` said, to the minute, in this machine's time; as it stands where it is no time."""
    try:
        return datetime.fromisoformat(then).astimezone().strftime("%Y-%m-%d %H:%M")
    # Windows says OSError of what lies before 1970 for its clock.
    except (ValueError, OverflowError, OSError):
        return then if then and then.isprintable() else "?"
