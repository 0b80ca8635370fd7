"""Reading a database file without writing: beside a daemon, and where its folder may not be written."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path, PurePath
from urllib.parse import quote_from_bytes

from bridge.store.failures import FAILURES

BUSY_TIMEOUT_MS = 2000


def connect_readonly(path: Path) -> sqlite3.Connection:
    """A connection that can't write, for any thread, by one at a time. Raises sqlite3.Error."""
    connection = _connect(path, "mode=ro")
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    return connection


def open_to_look(path: Path) -> sqlite3.Connection:
    """As `connect_readonly`, also where the file's folder may not be written. Raises sqlite3.Error."""
    connection = connect_readonly(path)
    try:
        connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        # In WAL mode reading writes too, to a file beside it; without a log nothing is missed.
        if error.sqlite_errorname.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")) and not wal_size(path):
            return _connect(path, "immutable=1")
        raise
    except FAILURES:
        connection.close()
        raise
    return connection


def wal_size(path: Path) -> int:
    """Bytes of the write-ahead log beside a database; 0 where there is none."""
    wal = path.with_name(f"{path.name}-wal")
    return wal.stat().st_size if wal.exists() else 0


def _connect(path: Path, how: str) -> sqlite3.Connection:
    address = f"{address_of(path.resolve())}?{how}"
    return sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)


def address_of(path: PurePath) -> str:
    """The URI by which SQLite finds the file of an absolute path."""
    # https://www.sqlite.org/uri.html: "If the authority is not an empty string or "localhost", an error is
    # returned"; `as_uri` names the machine there whose share it is, also where Windows maps that to a drive.
    place = path.as_posix()
    return f"file://{'' if place.startswith('/') else '/'}{quote_from_bytes(os.fsencode(place))}"
