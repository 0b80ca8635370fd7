"""Which columns are encrypted, and how rows are sealed, opened and converted."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from bridge.store.encryption import (
    KEY_BYTES,
    MissingKeyError,
    SealError,
    Vault,
    is_sealed,
    keyed_digest,
    new_key,
    sealing_key,
)
from bridge.store.records import UnreadableRow


class EncryptedTable(Struct, frozen=True):
    """A table with encrypted columns."""

    key: Sequence[str]
    """Columns that identify a row; they are part of each value's context."""
    columns: Sequence[str]
    text: str = ""
    """The one of `columns` that holds text."""


TABLES: Mapping[str, EncryptedTable] = {
    "sessions": EncryptedTable(("id",), ("identify",)),
    "popups": EncryptedTable(("id",), ("message", "state", "answer")),
    "popup_textures": EncryptedTable(("popup",), ("textures",)),
    "receipts": EncryptedTable(("id",), ("args", "note", "before", "after", "errors"), text="note"),
    "jobs": EncryptedTable(("id",), ("params", "inputs", "answer")),
    "outbox": EncryptedTable(("session", "seq"), ("message",)),
    "responses": EncryptedTable(("key",), ("packed",)),
}
"""Every column with content of users: what they are asked, answer, request and get. Names of projects and
workloads, times, sizes and states stay readable."""

STATE_TABLE = (
    "CREATE TABLE IF NOT EXISTS encryption (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"
)
HASH_KEY = "hash_key"
FORM = "form"
"""Name of the row with the id of the key that all rows are sealed with, empty if none is sealed."""
ROWS_PER_STEP = 64
BYTES_PER_STEP = 1 << 20
"""Bytes of values converted in a transaction, about 10 ms."""

_OPEN_ONLY = Vault()


class VaultConnection(sqlite3.Connection):
    """A connection with the vault of its encrypted columns."""

    vault = _OPEN_ONLY


class LockedRow(UnreadableRow):
    """A row whose master key is missing. It may be intact."""


def vault_of(connection: sqlite3.Connection) -> Vault:
    """Returns the connection's vault. Other connections read and write values that aren't sealed."""
    return connection.vault if isinstance(connection, VaultConnection) else _OPEN_ONLY


def seal(
    connection: sqlite3.Connection, table: str, key: Iterable[object], column: str, value: str | bytes | None
) -> str | bytes | None:
    """Returns `value` as it is stored in a column of the row with this key. Empty values stay as they are."""
    assert column in TABLES[table].columns
    vault = vault_of(connection)
    if value is None or not vault.form or _is_empty(value):
        return value
    data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
    return vault.seal(data, _context(table, key, column))


def _is_empty(value: str | bytes) -> bool:
    # A packed null, empty list or empty map is one byte.
    return not value or (len(value) == 1 and isinstance(value, bytes))


def unseal(connection: sqlite3.Connection, table: str, key: Iterable[object], column: str, value: Any) -> Any:
    """Returns the value of an encrypted column; one that isn't sealed is returned as it is.

    Raises UnreadableRow, or LockedRow if only the key is missing.
    """
    if not is_sealed(value):
        return value
    key = tuple(key)
    try:
        data = vault_of(connection).open(value, _context(table, key, column))
        return data.decode("utf-8", "surrogatepass") if column == TABLES[table].text else data
    except (SealError, UnicodeDecodeError) as error:
        kind = LockedRow if isinstance(error, MissingKeyError) else UnreadableRow
        raise kind(f"{table}, row {_row(key)}, column {column}: {error}") from None


def sealed(connection: sqlite3.Connection, table: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a row with its encrypted columns sealed. It must contain the table's key."""
    declared = TABLES[table]
    key = [row[name] for name in declared.key]
    changed = {
        name: seal(connection, table, key, name, row[name]) for name in declared.columns if name in row
    }
    return {**row, **changed}


def opened(connection: sqlite3.Connection, table: str, row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns a row with its encrypted columns opened. Raises UnreadableRow."""
    declared = TABLES[table]
    found = [name for name in declared.columns if is_sealed(row.get(name))]
    if not found:
        return row
    key = [row.get(name) for name in declared.key]
    return {**row, **{name: unseal(connection, table, key, name, row[name]) for name in found}}


def next_id(connection: sqlite3.Connection, table: str) -> int:
    """Returns the id of the table's next row, for which its values can be sealed before it exists.

    The caller must hold the write lock.
    """
    used = "SELECT max(id) AS id FROM {0} UNION ALL SELECT seq FROM sqlite_sequence WHERE name = '{0}'"
    (last,) = connection.execute(f"SELECT max(id) FROM ({used.format(table)})").fetchone()
    return int(last or 0) + 1


DIGEST = b"\x01"
"""First byte of a stored digest that is an HMAC; plain SHA-256 digests of earlier versions have no such byte
and are a byte shorter."""


def stored_digest(connection: sqlite3.Connection, digest: bytes) -> bytes:
    """Returns a request's digest as it is stored: an HMAC, so that a file doesn't confirm guesses."""
    return DIGEST + keyed_digest(vault_of(connection).hmac_key("digests of requests"), digest)


def is_digest(connection: sqlite3.Connection, stored: bytes, digest: bytes) -> bool:
    """Whether `stored` is the stored form of `digest`, or the digest itself as earlier versions stored it."""
    return stored in (digest, stored_digest(connection, digest))


class Progress(Struct):
    """How far the conversion of a table is."""

    table: str
    after: int = -(1 << 63)
    """The last row that was examined."""
    done: bool = False
    converted: int = 0
    """Number of converted rows."""
    unreadable: int = 0
    """Number of rows that no known key opens; they stay as they are."""


def convert_step(connection: sqlite3.Connection, progress: Progress) -> Progress:
    """Converts some rows to the form that the vault stores now. The caller must hold the write lock."""
    table, declared, vault = progress.table, TABLES[progress.table], vault_of(connection)
    columns = [*declared.columns, *(["digest"] if table == "jobs" else [])]
    cursor = connection.execute(
        f"SELECT rowid, {', '.join((*declared.key, *columns))} FROM {table} WHERE rowid > ? "
        f"ORDER BY rowid LIMIT {ROWS_PER_STEP}",
        (progress.after,),
    )
    after, converted, unreadable, size, done = progress.after, 0, 0, 0, True
    updates = []
    for count, (rowid, *values) in enumerate(cursor, 1):
        key, values = values[: len(declared.key)], values[len(declared.key) :]
        after = rowid
        try:
            changed = _converted(connection, vault, table, key, dict(zip(columns, values, strict=True)))
        except SealError:
            changed = {}
            unreadable += 1
        if changed:
            updates.append((rowid, changed))
        size += sum(len(value) for value in values if isinstance(value, bytes | str))
        if count == ROWS_PER_STEP or size >= BYTES_PER_STEP:
            done = False
            break
    cursor.close()
    for rowid, changed in updates:
        assigned = ", ".join(f"{name} = ?" for name in changed)
        connection.execute(f"UPDATE {table} SET {assigned} WHERE rowid = ?", (*changed.values(), rowid))
        converted += 1
    return Progress(table, after, done, progress.converted + converted, progress.unreadable + unreadable)


def _converted(
    connection: sqlite3.Connection, vault: Vault, table: str, key: Sequence[object], row: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns the columns of a row to change. Raises SealError."""
    changed: dict[str, Any] = {}
    for name, value in row.items():
        if name == "digest":
            if isinstance(value, bytes) and not (len(value) > KEY_BYTES and value.startswith(DIGEST)):
                changed[name] = stored_digest(connection, value)
        elif isinstance(value, bytes | str) and not _is_empty(value):
            is_text = isinstance(value, str)
            data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
            new = vault.convert(data, _context(table, key, name))
            if new is not None:
                back = name == TABLES[table].text and not is_sealed(new) and not is_text
                changed[name] = new.decode("utf-8", "surrogatepass") if back else new
    return changed


def has_state(connection: sqlite3.Connection) -> bool:
    """Whether the database is of a version that encrypts."""
    found = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'encryption'").fetchone()
    return found is not None


def form_of(connection: sqlite3.Connection) -> str | None:
    """Returns the id of the key that all rows are sealed with: empty if no row is sealed, None if they
    differ."""
    found = _state(connection, FORM)
    return found.decode("ascii", "replace") if found is not None else None


def needed_key(connection: sqlite3.Connection) -> str | None:
    """Returns the id of the master key that opens the database; None if it needs none."""
    found = _state(connection, HASH_KEY)
    return sealing_key(found) if found is not None and is_sealed(found) else None


def load_hash_key(connection: sqlite3.Connection, vault: Vault) -> bool:
    """Gives the vault the database's key for digests. Returns whether there is one. Raises SealError."""
    found = _state(connection, HASH_KEY)
    if found is not None:
        vault.hash_key = vault.open(found, _HASH_KEY_CONTEXT)
    return found is not None


def store_hash_key(connection: sqlite3.Connection, vault: Vault) -> None:
    """Stores the vault's key for digests in the vault's form, a new one if it has none. The caller must hold
    the write lock."""
    if not vault.hash_key:
        vault.hash_key = new_key()
    _set_state(connection, HASH_KEY, vault.seal(vault.hash_key, _HASH_KEY_CONTEXT))


def begin_conversion(connection: sqlite3.Connection) -> None:
    """Marks the rows as mixed."""
    connection.execute("DELETE FROM encryption WHERE name = ?", (FORM,))


def convert_hash_key(connection: sqlite3.Connection) -> None:
    """Stores the key for digests, if there is one, in the vault's form. Called last, because without the
    master key that it needs, the daemon doesn't start. Raises SealError."""
    found = _state(connection, HASH_KEY)
    if found is not None and (changed := vault_of(connection).convert(found, _HASH_KEY_CONTEXT)) is not None:
        _set_state(connection, HASH_KEY, changed)


def end_conversion(connection: sqlite3.Connection, form: str) -> None:
    """Marks all rows as sealed with the key `form`, unless another conversion is due."""
    if form == vault_of(connection).form:
        _set_state(connection, FORM, form.encode())


def prepare_copy(connection: sqlite3.Connection, vault: Vault) -> None:
    """Gives a copy's vault the copy's key for digests; one from before encryption gets that of `vault`.

    Raises UnreadableRow.
    """
    connection.execute(STATE_TABLE)
    try:
        if not load_hash_key(connection, vault_of(connection)):
            store_hash_key(connection, vault)
            load_hash_key(connection, vault_of(connection))
    except SealError as error:
        raise LockedRow(f"table encryption: {error}") from None
    begin_conversion(connection)


def encrypted_tables(connection: sqlite3.Connection) -> list[str]:
    """Returns the tables of this database that have encrypted columns."""
    rows = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    return sorted(TABLES.keys() & {name for (name,) in rows})


_HASH_KEY_CONTEXT = "encryption/hash_key/value"


def _state(connection: sqlite3.Connection, name: str) -> bytes | None:
    row = connection.execute("SELECT value FROM encryption WHERE name = ?", (name,)).fetchone()
    return bytes(row[0]) if row is not None and isinstance(row[0], bytes) else None


def _set_state(connection: sqlite3.Connection, name: str, value: bytes) -> None:
    connection.execute("INSERT OR REPLACE INTO encryption VALUES (?, ?)", (name, value))


def _context(table: str, key: Iterable[object], column: str) -> str:
    return f"{table}/{_row(key)}/{column}"


def _row(key: Iterable[object]) -> str:
    return ":".join(part.hex() if isinstance(part, bytes) else str(part) for part in key)
