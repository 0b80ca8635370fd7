"""The table `roots`: folders whose projects the user lets PopBridge read, and folders that it never reads."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, cast

from msgspec import Struct
from sqlite_utils import Database

from accel.text import AnyText, text
from bridge.core.access import LOCAL_ID
from bridge.core.errors import UserError
from bridge.store.database import BUSY_TIMEOUT_MS, file_uri, open_database
from bridge.store.records import FAILURES, as_record, now_text

Source = Literal["install", "terminal", "editor", "run"]
"""Who registered a root: `popbridge install`, `popbridge roots add`, an answer in an editor, or a command for
as long as it runs."""

RUN_KEEP_S = 86_400.0
"""Seconds after which the root of a command that was killed no longer counts."""


class Root(Struct, frozen=True, kw_only=True):
    """A registered folder: projects in it or below it may be read."""

    id: int
    path: str
    """Absolute, without links."""
    owner: str
    """The id of the token whose clients may read it; `local` for the user's own."""
    source: Source
    created: str
    """ISO 8601, UTC."""
    expires: str | None = None
    """When it no longer counts, in the same form; None for never."""


class RootStore:
    """The registered folders."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._connection = db.conn

    def add(
        self, path: str, source: Source, owner: str = LOCAL_ID, keep_s: float | None = None
    ) -> tuple[int, bool]:
        """Registers a folder, which `resolved_root` has returned. Returns its id, and whether it is new.

        With `keep_s`, it counts for that many seconds.
        """
        with self._db.atomic():
            self._connection.execute("DELETE FROM roots WHERE expires < ?", (now_text(),))
            if keep_s is None and (
                found := self._connection.execute(
                    "SELECT id FROM roots WHERE path = ? AND owner = ? AND expires IS NULL", (path, owner)
                ).fetchone()
            ):
                return int(found[0]), False
            row = self._db.table("roots").insert(
                {
                    "path": path,
                    "owner": owner,
                    "source": source,
                    "created": now_text(),
                    "expires": None if keep_s is None else _after(keep_s),
                }
            )
        return cast(int, row.last_pk), True

    def remove(self, path: str, owner: str | None = None) -> int:
        """Removes a folder, for all owners or for one. Returns the number of removed rows."""
        where, values = ("", [path]) if owner is None else (" AND owner = ?", [path, owner])
        return self._connection.execute(f"DELETE FROM roots WHERE path = ?{where}", values).rowcount

    def forget(self, root_id: int) -> None:
        """Removes the row `root_id`."""
        self._connection.execute("DELETE FROM roots WHERE id = ?", (root_id,))

    def all(self) -> list[Root]:
        """Returns the folders that count now, by path."""
        rows = self._db.query(
            "SELECT * FROM roots WHERE expires IS NULL OR expires >= ? ORDER BY path, id", [now_text()]
        )
        return [as_record("roots", row, Root) for row in rows]

    def paths(self, owner: str) -> list[str]:
        """Returns the paths that the clients of `owner` may read."""
        rows = self._connection.execute(
            "SELECT path FROM roots WHERE owner = ? AND (expires IS NULL OR expires >= ?)",
            (owner, now_text()),
        )
        return [path for (path,) in rows.fetchall() if isinstance(path, str)]


def _after(seconds: float) -> str:
    then = datetime.now(UTC) + timedelta(seconds=seconds)
    return then.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def resolved_root(path: str | os.PathLike[str]) -> str:
    """Returns an absolute path without links, as it is registered and compared."""
    return os.path.realpath(path)


def is_covered(path: str, roots: Iterable[str]) -> bool:
    """Whether `path` is one of `roots` or below one; all are from `resolved_root`."""
    whole = os.path.join(os.path.normcase(path), "")
    return any(whole.startswith(os.path.join(os.path.normcase(root), "")) for root in roots)


def root_refusal(path: str, data: Iterable[Path]) -> AnyText:
    """Returns why a folder can't be registered or be a project's root, as a predicate; empty if it can.

    `path` is from `resolved_root`; `data` are PopBridge's own folders.
    """
    if os.path.dirname(path) == path:
        # `/`, `C:\` and `\\server\share\`.
        return text("it is a whole drive")
    for home in _homes(path):
        if is_covered(resolved_root(home), [path]):
            return text("it is a home folder or contains one")
    for folder in data:
        if is_covered(path, [resolved_root(folder)]):
            return text("it is in PopBridge's own data folder")
    return ""


def _homes(path: str) -> Iterator[str]:
    """Yields the home folders of this user and of the owner of `path`."""
    with contextlib.suppress(RuntimeError):
        yield str(Path.home())
    if sys.platform != "win32":
        import pwd

        users = {os.getuid()}
        with contextlib.suppress(OSError):
            users.add(os.stat(path).st_uid)
        for user in users:
            # A container's user may have no entry.
            with contextlib.suppress(KeyError):
                home = pwd.getpwuid(user).pw_dir
                # Some system accounts have `/` or a folder of programs as their home.
                if user == os.getuid() or os.path.dirname(home) != "/":
                    yield home


def check_root(path: str, data: Iterable[Path]) -> str:
    """Returns `path` resolved. Raises UserError for a folder that can't be registered or isn't there."""
    found = resolved_root(path)
    if not os.path.isdir(found):
        raise UserError(text("{path} isn't a folder. Give the folder of a project.", path=path))
    if reason := root_refusal(found, data):
        raise UserError(
            text(
                "PopBridge never reads all of {path}, because {reason}. Give the folder of a project.",
                path=path,
                reason=reason,
            )
        )
    return found


@contextlib.contextmanager
def open_roots(database: Path) -> Iterator[RootStore]:
    """Yields the roots for writing, creating the database if needed; a daemon may be running.

    Raises UserError.
    """
    db = open_database(database)
    try:
        yield RootStore(db)
    except FAILURES as error:
        raise UserError(
            text("Can't write to the database {database} ({reason}).", database=database, reason=error)
        ) from None
    finally:
        db.conn.close()


@contextlib.contextmanager
def registered_for_run(database: Path, path: str) -> Iterator[None]:
    """Registers a folder that the user named in the terminal while a command sends its files to a daemon.

    Does nothing if the daemon's database can't be used or is an older one: then files are uploaded.
    """
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(*FAILURES, OSError):
            # Without migrations, which are for the daemon that is running.
            address = f"{file_uri(database.resolve())}?mode=rw"
            connection = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
            stack.callback(connection.close)
            connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
            store = RootStore(Database(connection))
            number, _ = store.add(resolved_root(path), "run", keep_s=RUN_KEEP_S)
            stack.callback(_forget, store, number)
        yield


def _forget(store: RootStore, number: int) -> None:
    with contextlib.suppress(*FAILURES):
        store.forget(number)
