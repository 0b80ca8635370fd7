"""Records of database rows, and conversion of SQLite errors to readable errors."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct

from accel.atomic_file import DESCRIPTOR_ERRNOS
from accel.text import AnyText, Text, text
from bridge.core.access import LOCAL_ID
from bridge.core.errors import OutOfDescriptors, StoreError

Failure = sqlite3.Error | UnicodeDecodeError
FAILURES = (sqlite3.Error, UnicodeDecodeError)
"""Exceptions raised by sqlite3. UnicodeDecodeError occurs if a damaged file has a column name that isn't
UTF-8, or an error quotes such text."""
UTF8_ERROR_PREFIX = "Could not decode to UTF-8 column"
"""Start of sqlite3's error for text that isn't UTF-8, which has no SQLite result code."""
DAMAGED = text("its database is damaged; stop the daemon and run `popbridge db check`")
NOT_WRITABLE = text("its database or folder is not writable")
IN_USE = text("another program has locked its database")
REASONS = {
    "FULL": text("the disk is full"),
    "READONLY": NOT_WRITABLE,
    "PERM": NOT_WRITABLE,
    "CANTOPEN": text("its database can't be opened"),
    "BUSY": IN_USE,
    "LOCKED": IN_USE,
    "CORRUPT": DAMAGED,
    "NOTADB": DAMAGED,
    "IOERR": text("the disk reported an error"),
    "INTERRUPT": text("the database took too long to answer"),
    "NOMEM": text("there isn't enough memory"),
    "TOOBIG": text("it is too large for the database"),
}
"""Reasons by SQLite's primary result codes (https://www.sqlite.org/rescode.html)."""
SQLITE_MESSAGES = frozenset(
    {
        "database or disk is full", "attempt to write a readonly database", "access permission denied",
        "unable to open database file", "database is locked", "database table is locked",
        "database disk image is malformed", "file is not a database", "disk I/O error", "interrupted",
        "out of memory", "string or blob too big",
    }
)  # fmt: skip
"""SQLite's own messages for these codes (https://www.sqlite.org/c3ref/errcode.html), which add nothing."""


def as_store_error(error: Failure, path: Path | None = None) -> StoreError | sqlite3.Error:
    """Converts `error` to a StoreError, or returns an error in the statement itself unchanged.

    For damage, the reason names the file `path`, if given.
    """
    if isinstance(error, UnicodeDecodeError):
        return PermanentDamage(_damage(f"text that isn't UTF-8: {error}", path))
    if str(error).startswith(UTF8_ERROR_PREFIX):
        # The quoted text may be long and unreadable.
        column = str(error).removeprefix(UTF8_ERROR_PREFIX).partition(" with text")[0]
        return PermanentDamage(_damage(f"text that isn't UTF-8 in column{column}", path))
    # An extended code such as SQLITE_IOERR_WRITE begins with its primary code.
    name = getattr(error, "sqlite_errorname", "SQLITE_UNKNOWN").split("_")[1]
    reason = REASONS.get(name)
    if reason is None:
        return error
    said = "" if str(error) in SQLITE_MESSAGES else str(error)
    if name == "CANTOPEN" and _is_out_of_descriptors():
        return OutOfDescriptors(text("the daemon has too many files open"))
    if reason == DAMAGED:
        kind = DamagedRow if isinstance(error, UnreadableRow) else StoreError
        return kind(_damage(said, path))
    return StoreError(_explained(reason, said))


def _is_out_of_descriptors() -> bool:
    """Whether no file can be opened, which SQLite reports as if its file were missing."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno in DESCRIPTOR_ERRNOS
    return False


class UnreadableRow(sqlite3.DatabaseError):
    """A row with invalid values, which SQLite itself accepts. Other rows may be intact."""

    sqlite_errorname = "SQLITE_CORRUPT"


class PermanentDamage(StoreError):
    """Damaged data, such as invalid UTF-8. Retrying is useless."""


class DamagedRow(PermanentDamage):
    """The StoreError for an `UnreadableRow`."""


def integrity_error(said: str) -> sqlite3.DatabaseError:
    """Returns an error like SQLite's for a damaged file, for damage that SQLite itself doesn't detect."""
    error = sqlite3.DatabaseError(said)
    error.sqlite_errorname = "SQLITE_CORRUPT"
    return error


def _damage(said: str, path: Path | None) -> AnyText:
    """Returns the reason for a damaged file, with `said` as details."""
    return _explained(DAMAGED, ": ".join(filter(None, (str(path or ""), said))))


def _explained(reason: Text, details: str) -> Text:
    return text("{reason} ({details})", reason=reason, details=details) if details else reason


def is_damage(error: StoreError) -> bool:
    """Whether the file is damaged, so that retrying is useless."""
    reason = error.reason
    return isinstance(reason, Text) and DAMAGED in (reason, reason.values.get("reason"))


Stored = TypeVar("Stored")

Row = Mapping[str, Any]

AUDIT_FIX = "audit.fix"
"""Command name in receipts of `popbridge audit --fix`; it is never sent to an editor."""

ReceiptState = Literal["sent", "applied", "failed"]


class StoredSession(Struct, kw_only=True):
    """A session that can be restored when the daemon restarts."""

    id: str
    token_digest: str
    seq_reserved: int
    """No higher `seq` was ever used."""
    acked: int
    identify: bytes


class StoredPopup(Struct, kw_only=True):
    """A popup with its advisor's state, its status and its answer."""

    id: int
    session: str
    seq: int | None
    advisor: str
    message: bytes
    state: bytes
    status: Literal["open", "answered", "settled"]
    answer: bytes | None = None


class Receipt(Struct, kw_only=True):
    """The record of a command: who was asked to change what, and the values before and after."""

    id: int
    """Id of its command."""
    session: str
    """The session of the editor."""
    owner: str = LOCAL_ID
    """The id of the token that opened this session."""
    seq: int | None = None
    """The command's `seq`, once sent."""
    project: str
    """The project's id."""
    project_name: str = ""
    """The project's display name."""
    command: str
    """The command's name, for example `texture.apply`."""
    args: dict[str, Any]
    """The command's arguments."""
    deadline_ms: int = 60_000
    """The command's time limit in milliseconds."""
    note: str
    """Why it was sent, for people."""
    state: ReceiptState
    """`sent`: not answered yet; `applied`: done at least in part; `failed`: nothing was done."""
    before: Any = None
    """The values before the change, as the daemon read them, or, in files that it can't read, as the editor
    reported them."""
    after: Any = None
    """The values after the change, from the same source."""
    errors: Any = None
    """Failures: a list of maps with `message` and optionally `path`."""
    reverts: int | None = None
    """The id of the receipt that this one reverts."""
    created: str
    """When it was sent: ISO 8601, UTC."""
    answered: str | None = None
    """When it was answered."""


class DamagedReceipt(Struct):
    """A receipt that can't be read."""

    id: int


def pack(value: Any) -> bytes:
    """Encodes plain values and Structs as msgpack."""
    return msgspec.msgpack.encode(value)


def unpack(data: bytes | None, kind: Any = Any) -> Any:
    """Decodes msgpack; None stays None. Raises msgspec.DecodeError, also for damaged data."""
    try:
        return None if data is None else msgspec.msgpack.decode(data, type=kind)
    # Text that isn't UTF-8, or a column that isn't bytes.
    except (UnicodeDecodeError, TypeError) as error:
        raise msgspec.DecodeError(str(error)) from None


def as_record(table: str, row: Row, kind: type[Stored], packed: Mapping[str, Any] = {}) -> Stored:
    """Converts a row of `table` to a record; `packed` has the types of its packed columns.

    Raises UnreadableRow for invalid values.
    """
    # A database or backup of 0.2.0 that is only read has no owners.
    row = {"owner": LOCAL_ID, **row}
    try:
        values = {name: row[name] for name in kind.__struct_fields__}  # type: ignore[attr-defined]
        values |= {name: unpack(values[name], of) for name, of in packed.items()}
        return msgspec.convert(values, kind)
    # In a damaged file, a column may be missing.
    except (msgspec.DecodeError, KeyError) as error:
        said = f"no column {error}" if isinstance(error, KeyError) else str(error)
        raise UnreadableRow(f"{table}, row {row.get('id')}: {said}") from None


def now_text() -> str:
    """Returns the current time in ISO 8601 (UTC) with milliseconds."""
    return before_text(0)


def before_text(days: float) -> str:
    """Returns the time `days` ago in the format of `now_text`."""
    then = datetime.now(UTC) - timedelta(days=days)
    return then.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def local_time_text(then: str) -> str:
    """Converts a time from `now_text` to local time, to the minute. Returns other text unchanged."""
    try:
        return datetime.fromisoformat(then).astimezone().strftime("%Y-%m-%d %H:%M")
    # Windows raises OSError for times before 1970.
    except (ValueError, OverflowError, OSError):
        return then if then and then.isprintable() else "?"
