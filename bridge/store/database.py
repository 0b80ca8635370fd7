"""Opens, migrates and copies the daemon's database."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path, PurePath
from urllib.parse import quote_from_bytes

from sqlite_utils import Database, Migrations

from accel.atomic_file import make_private_folder, replace_file, sync_folder
from accel.text import text
from bridge.core.errors import StoreError, UserError
from bridge.paths import create_private
from bridge.store.blobs import NAME
from bridge.store.column_encryption import (
    STATE_TABLE,
    VaultConnection,
    form_of,
    has_state,
    load_hash_key,
    needed_key,
    store_hash_key,
)
from bridge.store.encryption import SealError, Vault, missing_key_error
from bridge.store.master_key import FILE, MasterKey
from bridge.store.records import FAILURES, as_store_error, integrity_error, is_damage

MAX_MIGRATION_COPIES = 3
"""Number of pre-migration copies to keep."""
STEP_PAGES = 256
"""Pages copied between two calls of `step`: 1 MiB."""

Check = Callable[[sqlite3.Connection], None]
"""Raises sqlite3.Error for an unusable copy."""
Step = Callable[[], None]


def copy_database(
    source: sqlite3.Connection, target: Path, *, check: Check | None = None, step: Step | None = None
) -> None:
    """Copies the current state of `source` to a new file, verifies it and replaces `target` with it.

    `check` replaces SQLite's full integrity check. `step` is called between small parts of the work; if it
    raises, the copy ends. Raises OSError and sqlite3.Error, also for a damaged copy.
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
    create_private(draft)
    with contextlib.closing(sqlite3.connect(draft, isolation_level=None)) as copy:
        if step is None:
            source.backup(copy)
        else:
            _copy_in_steps(source, copy, step)
        # Opening a copy in WAL mode would create more files.
        copy.execute("PRAGMA journal_mode = DELETE")
        check(copy)


def _copy_in_steps(source: sqlite3.Connection, copy: sqlite3.Connection, step: Step) -> None:
    # Without an open transaction, SQLite restarts the copy whenever another connection writes.
    source.execute("BEGIN")
    try:
        source.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
        source.backup(copy, pages=STEP_PAGES, progress=lambda *_: step())
    finally:
        source.execute("ROLLBACK")


def replace_database(draft: Path, target: Path) -> None:
    """Durably replaces `target` with `draft`. Raises OSError."""
    sync(draft)
    replace_file(draft, target)
    sync_folder(target.parent)


def sync(path: Path) -> None:
    """Flushes a file to disk. Raises OSError."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def dated_path(path: Path, word: str) -> Path:
    """Returns an unused name next to `path`, for example `popbridge.db.before-20260131-120000`."""
    now = datetime.now(UTC)
    name = f"{path.name}.{word}-{now:%Y%m%d-%H%M%S}"
    found = path.with_name(name)
    return found if not found.exists() else path.with_name(f"{name}-{now:%f}")


def back_up_before_migration(source: sqlite3.Connection, path: Path) -> Path:
    """Copies the database at `path`, open in `source`, before a migration, and deletes the oldest copies.

    Raises sqlite3.Error and OSError.
    """
    copy = dated_path(path, "before")
    copy_database(source, copy)
    # The names sort by time.
    for old in sorted(path.parent.glob(f"{path.name}.before-*"))[:-MAX_MIGRATION_COPIES]:
        with contextlib.suppress(OSError):
            old.unlink()
    return copy


def copy_blobs(source: Path, target: Path) -> int:
    """Copies the blobs that `target` lacks and returns their number. Raises OSError."""
    make_private_folder(target)
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
            continue  # deleted meanwhile, since nothing refers to it
        finally:
            draft.unlink(missing_ok=True)
    return count


BUSY_TIMEOUT_MS = 2000


def connect_readonly(path: Path, vault: Vault | None = None) -> VaultConnection:
    """Opens a read-only connection for use by one thread at a time. Raises sqlite3.Error."""
    connection = _connect(path, "mode=ro", vault)
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    return connection


def open_for_inspection(path: Path, vault: Vault | None = None) -> VaultConnection:
    """Like `connect_readonly`, but also works in a read-only folder. Raises sqlite3.Error."""
    connection = connect_readonly(path, vault)
    try:
        connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        # In WAL mode, readers write to a file next to it. Without a log, `immutable` misses nothing.
        if error.sqlite_errorname.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")) and not wal_size(path):
            return _connect(path, "immutable=1", vault)
        raise
    except FAILURES:
        connection.close()
        raise
    return connection


def connect_copy(path: Path, vault: Vault) -> VaultConnection:
    """Opens a database file that no other connection uses, for changes in place. Raises sqlite3.Error."""
    connection = _open(path, vault)
    connection.execute("PRAGMA journal_mode = DELETE")
    return connection


def wal_size(path: Path) -> int:
    """Returns the size of a database's write-ahead log in bytes."""
    wal = path.with_name(f"{path.name}-wal")
    return wal.stat().st_size if wal.exists() else 0


def _connect(path: Path, how: str, vault: Vault | None) -> VaultConnection:
    return _open(f"{file_uri(path.resolve())}?{how}", vault, uri=True)


def _open(address: str | Path, vault: Vault | None, *, uri: bool = False) -> VaultConnection:
    connection = sqlite3.connect(
        address, uri=uri, isolation_level=None, check_same_thread=False, factory=VaultConnection
    )
    if vault is not None:
        connection.vault = vault
    return connection


def file_uri(path: PurePath) -> str:
    """Returns an SQLite URI for an absolute path."""
    # https://www.sqlite.org/uri.html: "If the authority is not an empty string or "localhost", an error is
    # returned"; `as_uri` puts the server of a network share there, even for a mapped drive.
    place = path.as_posix()
    return f"file://{'' if place.startswith('/') else '/'}{quote_from_bytes(os.fsencode(place))}"


migrations = Migrations("popbridge")

JOURNAL = (
    # AUTOINCREMENT keeps the ids of deleted jobs from being reused.
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
POPUP_TEXTURES = """CREATE TABLE popup_textures (
    popup INTEGER PRIMARY KEY, project TEXT NOT NULL, advisor TEXT NOT NULL, textures BLOB NOT NULL)"""
TOKENS = (
    """CREATE TABLE tokens (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, scopes TEXT NOT NULL, stored_key BLOB NOT NULL,
        server_key BLOB NOT NULL, created REAL NOT NULL, expires REAL, used REAL, revoked REAL)""",
    "CREATE UNIQUE INDEX tokens_name ON tokens (name) WHERE revoked IS NULL",
)
RECEIPT_OWNERS = "ALTER TABLE receipts ADD COLUMN owner TEXT NOT NULL DEFAULT 'local'"
ROOTS = """CREATE TABLE roots (
    id INTEGER PRIMARY KEY, path TEXT NOT NULL, owner TEXT NOT NULL, source TEXT NOT NULL,
    created TEXT NOT NULL, expires TEXT)"""
AUDIT_HEAD = """CREATE TABLE audit_head (
    id INTEGER PRIMARY KEY CHECK (id = 1), number INTEGER NOT NULL, mac TEXT NOT NULL, seal TEXT NOT NULL)"""
OPEN_POPUPS_INDEX = "CREATE INDEX popups_open ON popups (session) WHERE status = 'open'"
MAX_WAL = 16 << 20
"""Size in bytes to which the log is truncated."""


@migrations()
def first_tables(db: Database) -> None:
    """Creates sessions, popups, receipts and rules."""
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
    """Creates durable jobs, their waiters, and unacknowledged answers."""
    for statement in JOURNAL:
        db.execute(statement)


@migrations()
def marks(db: Database) -> None:
    """Creates marks (what advisors have settled in each project) and an index of open popups."""
    for statement in (*MARKS, OPEN_POPUPS_INDEX):
        db.execute(statement)


@migrations()
def popup_textures(db: Database) -> None:
    """Creates the textures that popups are about."""
    db.execute(POPUP_TEXTURES)


@migrations()
def tokens(db: Database) -> None:
    """Creates the tokens of clients."""
    for statement in TOKENS:
        db.execute(statement)


@migrations()
def owners_and_roots(db: Database) -> None:
    """Creates the owners of receipts, and the folders that PopBridge may read."""
    for statement in (RECEIPT_OWNERS, ROOTS):
        db.execute(statement)


@migrations()
def audit_head(db: Database) -> None:
    """Creates the record of the audit log's last entry."""
    db.execute(AUDIT_HEAD)


@migrations()
def encryption(db: Database) -> None:
    """Creates the state of encryption: the key for digests, and the form of the rows."""
    db.execute(STATE_TABLE)


def connect(path: Path, schema: Migrations, *, durable: bool = True, vault: Vault | None = None) -> Database:
    """Opens the database at `path` and creates or migrates its tables. For one thread at a time.

    If `durable`, commits survive a power failure, otherwise only a killed process. Encrypted columns are
    sealed and opened with `vault`. Raises UserError if it can't be migrated, or its master key is missing,
    and is left unchanged; also raises FAILURES and OSError.
    """
    make_private_folder(path.parent)
    # SQLite gives its log the same mode.
    create_private(path)
    connection = _open(path, vault)
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        db = Database(connection)
        connection.execute("BEGIN IMMEDIATE")
        _migrate(path, db, schema, keep=durable)
        if vault is not None and schema is migrations:
            _unlock(path, connection, vault)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
        # Truncates a log that a burst of writes has enlarged.
        connection.execute(f"PRAGMA journal_size_limit = {MAX_WAL}")
        # On macOS, fsync leaves data in the disk's cache (fcntl(2), F_FULLFSYNC).
        connection.execute(f"PRAGMA fullfsync = {'ON' if durable else 'OFF'}")
    except BaseException:
        connection.close()
        raise
    return db


def _unlock(path: Path, connection: sqlite3.Connection, vault: Vault) -> None:
    """Gives the vault the database's key for digests, or makes one. Raises UserError without the master
    key."""
    needed = needed_key(connection)
    if needed is not None and needed not in vault.ids:
        raise missing_key_error(path, needed, vault.place)
    try:
        if not load_hash_key(connection, vault):
            store_hash_key(connection, vault)
    except SealError as error:
        raise integrity_error(f"table encryption: {error}") from None


def _migrate(path: Path, db: Database, schema: Migrations, *, keep: bool) -> None:
    """Migrates within the caller's transaction. With `keep`, first copies a database that has rows."""
    if newer := newer_migrations(db, schema):
        names = ", ".join(sorted(newer))
        raise UserError(
            text(
                "The database {path} was made by a newer PopBridge ({names}). Update PopBridge, or "
                "restore an "
                "older copy with `popbridge db restore {name}.before-…`.",
                path=path,
                names=names,
                name=path.name,
            )
        )
    if not applied_migrations(db, schema) and _tables(db, schema):
        raise UserError(
            text(
                "The database {path} isn't a PopBridge database, or its list of migrations is lost. "
                "Move it away, "
                "or restore the newest backup with `popbridge db restore`.",
                path=path,
            )
        )
    if not schema.pending(db):
        return
    if keep and _holds_rows(db, schema):
        # Copying from a connection with an open write transaction would wait forever.
        with contextlib.closing(connect_readonly(path)) as source:
            back_up_before_migration(source, path)
    try:
        schema.apply(db)
    # A migration can fail in any way on unexpected rows.
    except Exception as error:
        if isinstance(error, FAILURES) and isinstance(as_store_error(error), StoreError):
            raise  # not a fault of the migration
        raise UserError(
            text(
                "The database {path} can't be migrated ({name}: {error}) and is unchanged. Use the previous "
                "version of PopBridge, and report this.",
                path=path,
                name=type(error).__name__,
                error=error,
            )
        ) from error


def newer_migrations(db: Database, schema: Migrations) -> set[str]:
    """Returns the applied migrations that `schema` lacks. Raises FAILURES."""
    return set(applied_migrations(db, schema)) - set(declared_migrations(schema))


def declared_migrations(schema: Migrations) -> list[str]:
    """Returns the names of all migrations of `schema`, in order."""
    with Database(memory=True) as empty:
        return [migration.name for migration in schema.pending(empty)]


def applied_migrations(db: Database, schema: Migrations) -> list[str]:
    """Returns the applied migrations in order. Raises FAILURES, also for a damaged migrations table."""
    table = schema.migrations_table
    if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", [table]).fetchone():
        return []
    # sqlite-utils reads these columns and raises KeyError if one is missing.
    columns = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
    if missing := {"migration_set", "name", "applied_at"} - columns:
        raise integrity_error(f"table {table} has no column {', '.join(sorted(missing))}")
    rows = db.execute(f"SELECT name FROM {table} WHERE migration_set = ? ORDER BY rowid", [schema.name])
    names = [name for (name,) in rows.fetchall()]
    if strange := [name for name in names if not isinstance(name, str)]:
        raise integrity_error(f"table {table} has {strange[0]!r} in the place of a name")
    return names


def _tables(db: Database, schema: Migrations) -> set[str]:
    """Returns the tables except those of migrations."""
    names = {name for name in db.table_names() if not name.startswith("sqlite_")}
    return names - {schema.migrations_table}


def _holds_rows(db: Database, schema: Migrations) -> bool:
    return any(db.execute(f'SELECT 1 FROM "{name}" LIMIT 1').fetchone() for name in _tables(db, schema))


class _FolderVault(Vault):
    """A vault with the keys of a folder, which follows a rotation by another process."""

    def __init__(self, master: MasterKey, *, seals: bool) -> None:
        self._master = master
        self._stamp = master.stamp()
        ring = master.read()
        super().__init__(ring.keys, seals=seals, place=ring.place)

    def seal(self, data: bytes, context: str) -> bytes:
        # The daemon deletes the earlier key as soon as no row needs it.
        if (stamp := self._master.stamp()) != self._stamp:
            self._stamp = stamp
            self.use(self._master.read().keys)
        return super().seal(data, context)


def folder_vault(path: Path) -> Vault:
    """Returns the vault for the database at `path`, with the keys of its folder, that seals as the database's
    rows are sealed.

    For commands; the daemon's settings may name other places. Raises UserError.
    """
    seals, needed = True, None
    if path.exists():
        with contextlib.suppress(*FAILURES), contextlib.closing(open_for_inspection(path)) as connection:
            if has_state(connection):
                seals, needed = form_of(connection) != "", needed_key(connection)
    if needed is None and not (seals and (path.parent / FILE).exists()):
        # The daemon makes the first key, and seals what it finds.
        return Vault()
    return _FolderVault(MasterKey.find(path.parent), seals=seals)


def open_database(path: Path, vault: Vault | None = None) -> Database:
    """Opens the daemon's database, creating or migrating it. Raises UserError if it can't be used.

    Without `vault`, uses that of its folder.
    """
    try:
        return connect(path, migrations, vault=folder_vault(path) if vault is None else vault)
    except (*FAILURES, OSError) as error:
        raise unusable_error(path, error) from None


def unusable_error(path: Path, error: Exception) -> UserError:
    """Returns the error for a database that can't be opened."""
    if isinstance(error, FAILURES):
        known = as_store_error(error)
        error = known if isinstance(known, StoreError) else error
    if isinstance(error, StoreError) and is_damage(error):
        return UserError(
            text(
                "The database {path} is damaged. `popbridge db check` shows where; `popbridge db "
                "restore` restores the newest backup.",
                path=path,
            )
        )
    return UserError(
        text(
            "The database {path} can't be used ({error}). Free disk space, or unlock, repair or move "
            "the file.",
            path=path,
            error=error,
        )
    )


def open_readonly(path: Path) -> Database | None:
    """Opens the database read-only, even while a daemon runs, or returns None if it doesn't exist.

    Raises UserError, also if its master key isn't in its folder.
    """
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
        # A daemon on a full disk may leave an empty file.
        if connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone() is None:
            connection.close()
            return None
        connection.execute("SELECT 1 FROM receipts LIMIT 1")
        if has_state(connection) and (needed := needed_key(connection)) is not None:
            connection.vault = vault = folder_vault(path)
            if needed not in vault.ids:
                raise missing_key_error(path, needed, vault.place)
            load_hash_key(connection, vault)
    except UserError:
        if connection is not None:
            connection.close()
        raise
    except (SealError, *FAILURES) as error:
        if connection is not None:
            connection.close()
        raise UserError(
            text("The database {path} can't be read ({error}).", path=path, error=error)
        ) from None
    return Database(connection)
