"""The rows of the store as typed records, and how plain values are packed into them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct

from bridge.store.failures import Unreadable

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
