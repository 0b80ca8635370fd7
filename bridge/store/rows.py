"""Rows that SQLite gives and that hold something else than was kept: what no check of SQLite's sees."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping

from msgspec import DecodeError

from bridge.core.messages import Answer, Identify, Popup
from bridge.store.failures import Unreadable
from bridge.store.receipts import read_receipt
from bridge.store.records import Row, StoredPopup, StoredSession, as_record, unpack


def _session(row: Row) -> None:
    unpack(as_record("sessions", row, StoredSession).identify, Identify)


def _popup(row: Row) -> None:
    popup = as_record("popups", row, StoredPopup)
    unpack(popup.message, Popup)
    unpack(popup.state)
    unpack(popup.answer, Answer)


READ: Mapping[str, tuple[str, Callable[[Row], object]]] = {
    "sessions": ("closed = 0", _session),
    "popups": ("status != 'settled'", _popup),
    "receipts": ("1", read_receipt),
}
"""Which rows somebody may ask for once more, by table, and how each is read."""


def unreadable(connection: sqlite3.Connection, table: str) -> Iterator[tuple[int, str]]:
    """The numbers of the rows of `table` that can't be read, and why. Raises sqlite3.Error."""
    where, read = READ[table]
    cursor = connection.execute(f"SELECT rowid AS number, * FROM {table} WHERE {where} ORDER BY rowid")
    names = [column[0] for column in cursor.description]
    for values in cursor:
        row = dict(zip(names, values, strict=True))
        try:
            read(row)
        except (Unreadable, DecodeError) as error:
            yield row["number"], str(error)
