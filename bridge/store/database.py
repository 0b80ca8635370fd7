"""Schema, migrations, open, copy."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import sys
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path, PurePath
from urllib.parse import quote_from_bytes

from sqlite_utils import Database, Migrations

from accel.atomic_file import replace_file
from accel.text import text
from bridge.core.errors import StoreError, UserError
from bridge.store.blobs import NAME
from bridge.store.records import FAILURES, as_store_error, integrity_error, is_damage

KEPT = 3
"""How many copies from before migrations lie beside the file."""
STEP_PAGES = 256
"""Pages that are copied between two steps: 1 MiB."""

Check = Callable[[sqlite3.Connection], None]
"""Raises sqlite3.Error for a copy that must not be used."""
Step = Callable[[], None]


def copy_database(
    source: sqlite3.Connection, target: Path, *, check: Check | None = None, step: Step | None = None
) -> None:
    """Copies what `source` sees to `target`, replacing it in one step once the copy has been checked.

    Later commits of other connections are not in it. `check` replaces SQLite's full integrity check. `step`
    is called between small parts of the work; what it raises ends the copy. Raises OSError, and sqlite3.Error
    also for a damaged copy.
    """
    draft = target.with_name(f".{target.name}.{uuid.uuid4().hex[:12]}")
    try:
        _fill(source, draft, check or check_integrity, step)
        replace_database(draft, target)
    finally:
        for rest in (draft, draft.with_name(f"{draft.name}-journal")):
            with contextlib.suppress(OSError):
                rest.unlink(missing_ok=True)


def check_integrity(copy: sqlite3.Connection, pragma: str = "integrity_check") -> None:
    """Raises sqlite3.DatabaseError if SQLite's check finds damage."""
    found = copy.execute(f"PRAGMA {pragma}(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(text("it is damaged: {found}", found=found))


def _fill(source: sqlite3.Connection, draft: Path, check: Check, step: Step | None) -> None:
    with contextlib.closing(sqlite3.connect(draft, isolation_level=None)) as copy:
        if step is None:
            source.backup(copy)
        else:
            _copy_in_steps(source, copy, step)
        # In WAL mode it would be several files as soon as it is opened.
        copy.execute("PRAGMA journal_mode = DELETE")
        check(copy)


def _copy_in_steps(source: sqlite3.Connection, copy: sqlite3.Connection, step: Step) -> None:
    # Without an open transaction SQLite begins anew whenever another connection has written.
    source.execute("BEGIN")
    try:
        source.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
        source.backup(copy, pages=STEP_PAGES, progress=lambda *_: step())
    finally:
        source.execute("ROLLBACK")


def replace_database(draft: Path, target: Path) -> None:
    """`target` is `draft` from now on, whenever the power fails. Raises OSError."""
    sync(draft)
    replace_file(draft, target)
    sync_folder(target.parent)


def sync(path: Path) -> None:
    """The file's bytes are on the disk. Raises OSError."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """The folder's names are on the disk. Raises OSError."""
    if sys.platform == "win32":
        return  # Windows opens no folder for that, and NTFS keeps a journal of names
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def dated_path(path: Path, word: str) -> Path:
    """A name beside `path` that isn't taken: `popbridge.db.before-20260131-120000`."""
    now = datetime.now(UTC)
    name = f"{path.name}.{word}-{now:%Y%m%d-%H%M%S}"
    found = path.with_name(name)
    return found if not found.exists() else path.with_name(f"{name}-{now:%f}")


def back_up_before_migration(source: sqlite3.Connection, path: Path) -> Path:
    """Copies the database `path`, open in `source`, before it is migrated; the latest few are kept.

    Raises sqlite3.Error, OSError.
    """
    kept = dated_path(path, "before")
    copy_database(source, kept)
    # Their names sort by time.
    for old in sorted(path.parent.glob(f"{path.name}.before-*"))[:-KEPT]:
        with contextlib.suppress(OSError):
            old.unlink()
    return kept


def copy_blobs(source: Path, target: Path) -> int:
    """Gives `target` the blobs of `source` that it lacks; says how many. Raises OSError."""
    target.mkdir(parents=True, exist_ok=True)
    missing = sorted(
        name for name in os.listdir(source) if NAME.fullmatch(name) and not (target / name).exists()
    )
    count = 0
    for name in missing:
        draft = target / f".{uuid.uuid4().hex}.part"
        try:
            shutil.copyfile(source / name, draft)
            replace_database(draft, target / name)
            count += 1
        except FileNotFoundError:
            continue  # nothing needs it any more: it was removed meanwhile
        finally:
            draft.unlink(missing_ok=True)
    return count


BUSY_TIMEOUT_MS = 2000


def connect_readonly(path: Path) -> sqlite3.Connection:
    """A connection that can't write, for any thread, by one at a time. Raises sqlite3.Error."""
    connection = _connect(path, "mode=ro")
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    return connection


def open_for_inspection(path: Path) -> sqlite3.Connection:
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


migrations = Migrations("popbridge")

JOURNAL = (
    # AUTOINCREMENT: the name of a job that was swept is never another's.
    """CREATE TABLE jobs (
        id INTEGER PRIMARY KEY AUTOINCREMENT, scope TEXT NOT NULL, key TEXT, digest BLOB NOT NULL,
        workload TEXT NOT NULL, priority INTEGER NOT NULL, state TEXT NOT NULL,
        owner TEXT, fence INTEGER NOT NULL DEFAULT 0,
        crashes INTEGER NOT NULL DEFAULT 0, deaths REAL NOT NULL DEFAULT 0,
        deadline_ms INTEGER, deadline REAL, cache INTEGER NOT NULL, finished REAL, created TEXT NOT NULL,
        root TEXT, params BLOB NOT NULL, inputs BLOB NOT NULL, answer BLOB)""",
    "CREATE UNIQUE INDEX jobs_key ON jobs (scope, key) WHERE key IS NOT NULL",
    "CREATE INDEX jobs_waiting ON jobs (priority, deaths, id) WHERE state = 'waiting'",
    "CREATE INDEX jobs_leased ON jobs (owner) WHERE state = 'leased'",
    "CREATE INDEX jobs_finished ON jobs (finished) WHERE finished IS NOT NULL",
    """CREATE TABLE waiters (
        session TEXT NOT NULL, request INTEGER NOT NULL, job INTEGER NOT NULL, key TEXT, deadline_ms INTEGER,
        PRIMARY KEY (session, request)) WITHOUT ROWID""",
    "CREATE INDEX waiters_job ON waiters (job)",
    """CREATE TABLE outbox (
        session TEXT NOT NULL, seq INTEGER NOT NULL, key TEXT, message BLOB NOT NULL,
        PRIMARY KEY (session, seq))""",
    "CREATE TABLE uptime (id INTEGER PRIMARY KEY CHECK (id = 1), seconds REAL NOT NULL)",
    "INSERT INTO uptime VALUES (1, 0)",
)
MARKS = (
    """CREATE TABLE marks (
        id INTEGER PRIMARY KEY, advisor TEXT NOT NULL, project TEXT NOT NULL, mark BLOB NOT NULL)""",
    "CREATE UNIQUE INDEX marks_mark ON marks (advisor, project, mark)",
)
LEFT = "CREATE INDEX popups_open ON popups (session) WHERE status = 'open'"
MAX_WAL = 16 << 20
"""Bytes of the log that are left to be used again."""


@migrations()
def first_tables(db: Database) -> None:
    """Sessions, popups with their advisors' state, receipts, rules."""
    db.table("sessions").create(
        {
            "id": str,
            "token_digest": str,
            "seq_reserved": int,
            "acked": int,
            "identify": bytes,
            "closed": int,
        },
        pk="id",
        not_null={"token_digest", "seq_reserved", "acked", "identify", "closed"},
    )
    db.table("popups").create(
        {
            "id": int,
            "session": str,
            "seq": int,
            "advisor": str,
            "message": bytes,
            "state": bytes,
            "status": str,
            "answer": bytes,
            "parent": int,
            "step": int,
            "created": str,
        },
        pk="id",
        not_null={"session", "advisor", "message", "state", "status", "created"},
    )
    db.table("popups").create_index(["session", "status"])
    db.table("popups").create_index(["parent", "step"], unique=True)
    db.table("receipts").create(
        {
            "id": int,
            "session": str,
            "seq": int,
            "project": str,
            "project_name": str,
            "command": str,
            "args": bytes,
            "deadline_ms": int,
            "note": str,
            "state": str,
            "before": bytes,
            "after": bytes,
            "errors": bytes,
            "reverts": int,
            "parent": int,
            "step": int,
            "created": str,
            "answered": str,
        },
        pk="id",
        not_null={"session", "project", "command", "args", "note", "state", "created"},
    )
    db.table("receipts").create_index(["session", "state"])
    db.table("receipts").create_index(["parent", "step"], unique=True)
    db.table("rules").create(
        {"project": str, "folder": str, "finding": str, "created": str}, pk=("project", "folder", "finding")
    )


@migrations()
def journal(db: Database) -> None:
    """Jobs that are promised, who waits for them, and answers that weren't acknowledged."""
    for statement in JOURNAL:
        db.execute(statement)


@migrations()
def marks(db: Database) -> None:
    """What advisors have settled in each project; and open popups are found, whose ever they were."""
    for statement in (*MARKS, LEFT):
        db.execute(statement)


def connect(path: Path, schema: Migrations, *, durable: bool = True) -> Database:
    """The database at `path`, made or migrated; for any thread, by one at a time.

    What was committed outlives a power failure if it is `durable`, else a killed process. Raises UserError
    where it can't be migrated, then it is as it was; FAILURES, OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        db = Database(connection)
        connection.execute("BEGIN IMMEDIATE")
        _migrate(path, db, schema, keep=durable)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
        # What a burst has made long is cut when it has been moved into the file.
        connection.execute(f"PRAGMA journal_size_limit = {MAX_WAL}")
        # macOS: fsync alone leaves it in the disk's own cache (fcntl(2), F_FULLFSYNC).
        connection.execute(f"PRAGMA fullfsync = {'ON' if durable else 'OFF'}")
    except BaseException:
        connection.close()
        raise
    return db


def _migrate(path: Path, db: Database, schema: Migrations, *, keep: bool) -> None:
    """In the caller's transaction. With `keep` a copy of what holds rows is made before."""
    if newer := newer_migrations(db, schema):
        names = ", ".join(sorted(newer))
        raise UserError(
            text(
                "The database {path} was made by a newer PopBridge ({names}): update PopBridge, or "
                "put back an older one: `popbridge db restore {path_2}.before-…`.",
                path=path,
                names=names,
                path_2=path.name,
            )
        )
    if not applied_migrations(db, schema) and _tables(db, schema):
        raise UserError(
            text(
                "The database {path} isn't PopBridge's, or has lost its list of migrations: move it away, or "
                "restore the newest backup with `popbridge db restore`.",
                path=path,
            )
        )
    if not schema.pending(db):
        return
    if keep and _holds_rows(db, schema):
        # A connection that has begun to write can't be copied from: Python would wait for ever.
        with contextlib.closing(connect_readonly(path)) as source:
            back_up_before_migration(source, path)
    try:
        schema.apply(db)
    # A migration may fail in any way, on rows that nobody has thought of.
    except Exception as error:
        if isinstance(error, FAILURES) and isinstance(as_store_error(error), StoreError):
            raise  # the disk's
        raise UserError(
            text(
                "The database {path} can't be brought to this version ({name}: {error}). It is as it "
                "was: use the earlier version of PopBridge, and report this.",
                path=path,
                name=type(error).__name__,
                error=error,
            )
        ) from error


def newer_migrations(db: Database, schema: Migrations) -> set[str]:
    """What has made the database and isn't known here. Raises FAILURES."""
    return set(applied_migrations(db, schema)) - set(declared_migrations(schema))


def declared_migrations(schema: Migrations) -> list[str]:
    """The names of all migrations of `schema`, in order."""
    with Database(memory=True) as empty:
        return [migration.name for migration in schema.pending(empty)]


def applied_migrations(db: Database, schema: Migrations) -> list[str]:
    """What has made the database, in order. Raises FAILURES, also for a damaged table of migrations."""
    table = schema.migrations_table
    if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", [table]).fetchone():
        return []
    # Both columns, as the library reads them too, and says KeyError where one isn't there.
    columns = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
    if missing := {"migration_set", "name", "applied_at"} - columns:
        raise integrity_error(f"table {table} has no column {', '.join(sorted(missing))}")
    rows = db.execute(f"SELECT name FROM {table} WHERE migration_set = ? ORDER BY rowid", [schema.name])
    names = [name for (name,) in rows.fetchall()]
    if strange := [name for name in names if not isinstance(name, str)]:
        raise integrity_error(f"table {table} has {strange[0]!r} in the place of a name")
    return names


def _tables(db: Database, schema: Migrations) -> set[str]:
    """Those that aren't for keeping the others."""
    names = {name for name in db.table_names() if not name.startswith("sqlite_")}
    return names - {schema.migrations_table}


def _holds_rows(db: Database, schema: Migrations) -> bool:
    return any(db.execute(f'SELECT 1 FROM "{name}" LIMIT 1').fetchone() for name in _tables(db, schema))


def open_database(path: Path) -> Database:
    """The daemon's database at `path`, made or migrated. Raises UserError where the file can't be used."""
    try:
        return connect(path, migrations)
    except (*FAILURES, OSError) as error:
        raise unusable(path, error) from None


def unusable(path: Path, error: Exception) -> UserError:
    """What is said of a file that can't be opened."""
    if isinstance(error, FAILURES):
        known = as_store_error(error)
        error = known if isinstance(known, StoreError) else error
    if isinstance(error, StoreError) and is_damage(error):
        return UserError(
            text(
                "The database {path} can't be used: it is damaged. `popbridge db check` says where, "
                "`popbridge db restore` restores the newest backup.",
                path=path,
            )
        )
    return UserError(
        text(
            "The database {path} can't be used ({error}): make room, or free, mend or move that file.",
            path=path,
            error=error,
        )
    )


def open_readonly(path: Path) -> Database | None:
    """The database for reading beside a running daemon; None where there is none yet. Raises UserError."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UserError(
            text("The database {path} can't be read ({strerror}).", path=path, strerror=error.strerror)
        ) from None
    connection = None
    try:
        connection = open_for_inspection(path)
        # A daemon that found no room for more leaves an empty one.
        if connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone() is None:
            connection.close()
            return None
        connection.execute("SELECT 1 FROM receipts LIMIT 1")
    except FAILURES as error:
        if connection is not None:
            connection.close()
        raise UserError(
            text("The database {path} can't be read ({error}).", path=path, error=error)
        ) from None
    return Database(connection)
