"""Brings everything stored to one form: sealed with the current master key, or not sealed."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import shutil
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

from msgspec import DecodeError, Struct
from sqlite_utils import Database

from bridge.store.backups import backups_folder, list_backups
from bridge.store.blob_encryption import convert_file, is_encrypted, seal_in_place
from bridge.store.blob_refs import ROWS_PER_READ
from bridge.store.blobs import DRAFT, NAME
from bridge.store.column_encryption import (
    LockedRow,
    Progress,
    begin_conversion,
    convert_hash_key,
    convert_step,
    encrypted_tables,
    end_conversion,
    form_of,
    has_state,
    needed_key,
    prepare_copy,
    unseal,
)
from bridge.store.database import (
    connect_copy,
    open_for_inspection,
    replace_database,
    wal_size,
)
from bridge.store.encryption import SealError, Vault, key_id
from bridge.store.master_key import MasterKey
from bridge.store.records import FAILURES, UnreadableRow, unpack
from bridge.store.store import Store

log = logging.getLogger(__name__)

PAUSE_S = 0.002
"""Seconds between two steps, for requests."""
SETTLE_S = 0.2
"""Seconds for a finished blob to get its name."""
DRAFTS_S = 30.0
"""Seconds to wait for blobs that are being written; a killed worker leaves its draft."""
CHECKPOINTS = 20
"""Attempts at emptying the write-ahead log, which readers may hold."""


class KeyRotation:
    """Converts a database, the response cache and all copies to the form that the vault stores.

    It may be killed at any point: earlier keys stay until nothing needs them, and the next run goes on.
    """

    def __init__(
        self, master: MasterKey, vault: Vault, store: Store, blobs: Path, copies_lock: threading.Lock
    ) -> None:
        """`blobs` is the folder of blobs. `copies_lock` is held while a backup is made."""
        self._blobs = blobs
        self._master = master
        self._vault = vault
        self._store = store
        self._copies_lock = copies_lock
        self._skipped: set[Path] = set()
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Ends a conversion of copies that runs on a thread."""
        self._cancelled.set()

    async def settle(self, responses: Store | None) -> bool:
        """Converts what has another form, then deletes keys that nothing needs. Returns whether anything was
        converted.

        Raises StoreError, UserError, OSError and sqlite3.Error; then calling it again continues.
        """
        changed = False
        for store in filter(None, (self._store, responses)):
            if await store.read(form_of) != self._vault.form:
                log.info("%s is being converted to encryption form %r", store.path, self._vault.form)
                await _convert_store(store)
                changed = True
        if changed and self._vault.form:
            await self._seal_lists()
        return await asyncio.to_thread(self._settle_files, changed) or changed

    async def _seal_lists(self) -> None:
        """Encrypts the blobs with lists of popups from before encryption."""
        after: int | None = 0
        while after is not None:
            after, names = await self._store.read(functools.partial(_lists, after), brief=False)
            await asyncio.to_thread(self._seal_blobs, names)

    def _seal_blobs(self, names: Iterable[str]) -> None:
        for path in (self._blobs / name for name in names if NAME.fullmatch(name)):
            with contextlib.suppress(FileNotFoundError):
                used = path.stat()
                if not is_encrypted(path):
                    seal_in_place(path, self._vault, path.name)
                    os.utime(path, ns=(used.st_atime_ns, used.st_mtime_ns))

    def _settle_files(self, changed: bool) -> bool:
        if changed or len(self._vault.ids) > 1:
            self._convert_blobs()
        # A backup in progress may still have rows of an earlier key.
        with self._copies_lock:
            remove_drafts(self._store.path)
            stale = [path for path in stale_copies(self._store.path, self._vault.form) if self._may_try(path)]
            for path in stale:
                try:
                    convert_copy(path, self._vault, self._step)
                    log.info("%s was converted", path)
                except LockedRow as error:
                    self._skipped.add(path)
                    log.info("%s stays as it is: %s", path, error)
                except FAILURES as error:
                    self._skipped.add(path)
                    log.warning("%s can't be encrypted (%s); delete it if you don't need it", path, error)
            # Without encryption, the key stays for copies elsewhere.
            if self._vault.form and (earlier := self._vault.ids[1:]):
                if self._master.retire(earlier):
                    log.info("the earlier master keys %s were deleted", ", ".join(earlier))
                self._vault.use([key for key in self._master.read().keys if key_id(key) == self._vault.form])
        return bool(stale)

    def _convert_blobs(self) -> None:
        if not self._blobs.is_dir():
            return
        # What is being written now may get its key wrapped by the earlier master key.
        drafts = [path for path in self._blobs.rglob(".*.part") if DRAFT.fullmatch(path.name)]
        self._convert_complete_blobs()
        deadline = time.monotonic() + DRAFTS_S
        while any(map(Path.exists, drafts)) and time.monotonic() < deadline:
            self._step()
        if self._cancelled.wait(SETTLE_S):
            return
        self._convert_complete_blobs()

    def _convert_complete_blobs(self) -> None:
        for name in os.listdir(self._blobs):
            if not NAME.fullmatch(name):
                continue
            try:
                if convert_file(self._blobs / name, self._vault):
                    self._step()
            except FileNotFoundError:
                continue
            except SealError as error:
                log.error("blob %s stays as it is: %s", name, error)

    def _step(self) -> None:
        if self._cancelled.wait(PAUSE_S):
            raise InterruptedError("the daemon is stopping")

    def _may_try(self, path: Path) -> bool:
        return path not in self._skipped


class _PopupList(Struct):
    """The part of a popup that names the blob with its list."""

    items_blob: str = ""


def _lists(after: int, connection: sqlite3.Connection) -> tuple[int | None, list[str]]:
    """Returns the last popup read (None after the end), and the blobs with lists."""
    rows = connection.execute(
        "SELECT id, message FROM popups WHERE id > ? ORDER BY id LIMIT ?", (after, ROWS_PER_READ)
    ).fetchall()
    names = []
    for popup, message in rows:
        with contextlib.suppress(UnreadableRow, DecodeError):
            found = unpack(unseal(connection, "popups", (popup,), "message", message), _PopupList)
            names.append(found.items_blob)
    return (rows[-1][0] if rows else None), names


def open_vault(master: MasterKey, database: Path, *, seals: bool) -> Vault:
    """Returns the vault for a database, with a new master key if none was ever made. Raises UserError."""
    ring = master.read()
    if not ring.keys and seals and locking_key(database) is None:
        ring = master.create()
    if ring.keys:
        master.point()
    return Vault(ring.keys, seals=seals, place=ring.place)


def locking_key(database: Path) -> str | None:
    """Returns the id of the master key that a database needs; None if it needs none or can't be read."""
    if database.exists():
        with contextlib.suppress(*FAILURES), contextlib.closing(open_for_inspection(database)) as connection:
            return needed_key(connection) if has_state(connection) else None
    return None


async def _convert_store(store: Store) -> None:
    form = store.vault.form
    await store.write(lambda db: begin_conversion(db.conn))
    unreadable = 0
    for table in await store.read(encrypted_tables):
        progress = Progress(table)
        while not progress.done:
            progress = await store.write(functools.partial(_step, progress), synced=False, brief=False)
            await asyncio.sleep(PAUSE_S)
        unreadable += progress.unreadable
    await store.write(lambda db: convert_hash_key(db.conn))
    await store.maintain(_rewrite)
    for _ in range(CHECKPOINTS):
        if await store.maintain(_empty_log):
            break
        await asyncio.sleep(0.1)
    await store.write(lambda db: end_conversion(db.conn, form))
    if unreadable:
        log.error(
            "%d rows of %s can't be opened with any known key; they stay as they are", unreadable, store.path
        )


def _step(progress: Progress, db: Database) -> Progress:
    return convert_step(db.conn, progress)


def _rewrite(db: Database) -> None:
    # Free pages, and gaps in others, still have what was deleted or overwritten.
    db.conn.execute("VACUUM")


def _empty_log(db: Database) -> bool:
    busy, _, _ = db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def copies(database: Path) -> list[Path]:
    """Returns the copies beside a database: daily backups, and those from before migrations and restores.

    Raises OSError.
    """
    beside = [
        path for word in ("before", "old") for path in database.parent.glob(f"{database.name}.{word}-*")
    ]
    return [
        *list_backups(database),
        *sorted(path for path in beside if not path.name.endswith(("-wal", "-shm"))),
    ]


def stale_copies(database: Path, form: str) -> list[Path]:
    """Returns the copies that aren't in this form. Raises OSError."""
    return [path for path in copies(database) if copy_form(path) != form]


def copy_form(path: Path) -> str | None:
    """Returns the form of a copy's rows: a key's id, empty if none is sealed, None if they differ or can't be
    read."""
    try:
        with contextlib.closing(open_for_inspection(path)) as connection:
            return form_of(connection) if has_state(connection) else None
    except FAILURES:
        return None


def remove_drafts(database: Path) -> None:
    """Deletes copies that a killed process left unfinished. Raises OSError."""
    for draft in (
        *database.parent.glob(f".{database.name}.*"),
        *backups_folder(database).glob(f".{database.stem}-*"),
    ):
        draft.unlink(missing_ok=True)


def convert_copy(path: Path, vault: Vault, step: Callable[[], None] = lambda: None) -> None:
    """Converts a database that no program has open. `step` is called between parts of the work; if it raises,
    the work ends.

    Raises sqlite3.Error, and OSError, for instance for a full disk.
    """
    if wal_size(path):
        raise sqlite3.DatabaseError("it has a write-ahead log")
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}")
    try:
        shutil.copyfile(path, draft)
        with contextlib.closing(connect_copy(draft, vault.sibling())) as copy:
            prepare_copy(copy, vault)
            for table in encrypted_tables(copy):
                progress = Progress(table)
                while not progress.done:
                    copy.execute("BEGIN IMMEDIATE")
                    progress = convert_step(copy, progress)
                    copy.execute("COMMIT")
                    step()
            convert_hash_key(copy)
            end_conversion(copy, vault.form)
            copy.execute("VACUUM")
        replace_database(draft, path)
    finally:
        for suffix in ("", "-journal", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                draft.with_name(draft.name + suffix).unlink(missing_ok=True)
