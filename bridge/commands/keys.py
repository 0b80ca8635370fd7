"""`popbridge keys`: shows, rotates, exports and imports the master key."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from pathlib import Path

import click

from accel.text import text
from bridge.commands.db import DaemonRunningError, exclusive
from bridge.commands.options import print_json
from bridge.commands.terminal import say
from bridge.core.errors import StoreError, UserError
from bridge.core.settings import SETTINGS, Settings, resolve
from bridge.host.plugin_policy import read_settings_file
from bridge.paths import Paths
from bridge.store import response_tables
from bridge.store.audit_log import AuditLog
from bridge.store.column_encryption import form_of, has_state, needed_key
from bridge.store.database import migrations, open_for_inspection
from bridge.store.encryption import key_id, new_key
from bridge.store.key_rotation import KeyRotation, copies, copy_form, open_vault
from bridge.store.master_key import MasterKey, format_key, parse_keys, write_keys
from bridge.store.records import FAILURES
from bridge.store.store import Store

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
FILE = click.Path(path_type=Path, dir_okay=False)
POLL_S = 0.3
"""Seconds between looks at how far the daemon is."""


@click.group()
def keys() -> None:
    """Manage the master key of the database.

    Popups, answers, requests and results are encrypted in the database, the cache and backups. Each value has
    a key of its own, which the master key wraps.
    """


@keys.command()
@AS_JSON
def status(as_json: bool) -> int:
    """Show where the master key is and what is encrypted; exit code 1 if the key is missing."""
    paths, settings = Paths.find(), _settings()
    ring = _master(paths, settings).read()
    ids = [key_id(key) for key in ring.keys]
    form, needed = _database_state(paths.database)
    stale = [path for path in copies(paths.database) if copy_form(path) != (ids[0] if ids else "")]
    is_missing = needed is not None and needed not in ids
    if as_json:
        print_json(
            {
                "enabled": settings["encryption"], "kind": ring.kind, "place": str(ring.place), "keys": ids,
                "missing": needed if is_missing else None, "database": form, "other_copies": stale,
            }
        )  # fmt: skip
        return 1 if is_missing else 0
    if not settings["encryption"]:
        click.echo(say(text("Encryption is off (setting `encryption`).")))
    if ids:
        click.echo(say(text("Master key {key}, in {place}.", key=ids[0], place=ring.place)))
    elif not is_missing:
        click.echo(say(text("There is no master key yet. The daemon makes one on its first run.")))
    if is_missing:
        click.echo(
            say(
                text(
                    "The master key {key} of {database} is MISSING; it was expected in {place}. Import a "
                    "copy with `popbridge keys import FILE`.",
                    key=needed,
                    database=paths.database,
                    place=ring.place,
                )
            )
        )
    elif form:
        click.echo(say(text("All rows of {database} are encrypted.", database=paths.database)))
    elif form is None and needed is not None:
        click.echo(say(text("{database} is being converted by the daemon.", database=paths.database)))
    if ids[1:]:
        click.echo(say(text("Earlier keys, until nothing needs them: {keys}.", keys=ids[1:])))
    for path in stale:
        click.echo(say(text("{path} isn't encrypted with this key.", path=path)))
    return 1 if is_missing else 0


@keys.command()
@AS_JSON
def rotate(as_json: bool) -> None:
    """Replace the master key by a new one.

    Wraps the key of each row anew, also while the daemon runs, and deletes the old master key when nothing in
    the data folder needs it any more. Copies elsewhere, such as those of `popbridge db backup`, stay
    encrypted with the old key: export it first if you keep any.
    """
    paths, settings = Paths.find(), _settings()
    master = _master(paths, settings)
    if not settings["encryption"]:
        raise UserError(text("Encryption is off. Turn it on with the setting `encryption`."))
    new = new_key()
    if not master.read().keys:
        raise UserError(text("There is no master key yet. The daemon makes one on its first run."))
    AuditLog(paths).append("key.rotate", subject=key_id(new))
    master.add(new)
    _finish(paths, settings, master, key_id(new))
    if as_json:
        print_json({"key": key_id(new)})
    else:
        click.echo(say(text("The master key is now {key}; the old one was deleted.", key=key_id(new))))


@keys.command()
@click.argument("file", type=FILE)
@click.option("--force", is_flag=True, help="Overwrite FILE.")
def export(file: Path, force: bool) -> None:
    """Copy the master key to FILE, readable by you only.

    Without the key, neither the database nor a backup can be read: keep the copy on another disk, and apart
    from the backups.
    """
    paths = Paths.find()
    ring = _master(paths, _settings()).read()
    if not ring.keys:
        raise UserError(text("There is no master key in {place}.", place=ring.place))
    if file.exists() and not force:
        raise UserError(text("{file} exists. Choose another name, or overwrite it with --force.", file=file))
    AuditLog(paths).append("key.export", subject=str(file.resolve()), detail={"key": key_id(ring.keys[0])})
    write_keys(file, ring.keys)
    click.echo(say(text("The master key {key} was copied to {file}.", key=key_id(ring.keys[0]), file=file)))


@keys.command("import")
@click.argument("file", type=FILE)
def import_(file: Path) -> None:
    """Add the keys of FILE, which `popbridge keys export` wrote.

    Stop the daemon first. Use it to restore a lost key, or before `popbridge db restore` of a backup that was
    made with another key.
    """
    paths = Paths.find()
    try:
        added = parse_keys(file.read_text(encoding="utf-8"), file)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(text("Can't read {file} ({reason}).", file=file, reason=reason)) from None
    if not added:
        raise UserError(text("{file} contains no master key.", file=file))
    master = _master(paths, _settings())
    with exclusive(paths):
        AuditLog(paths).append("key.import", subject=", ".join(map(key_id, added)))
        _, needed = _database_state(paths.database)
        for key in reversed(added):
            # The database's own key is the current one, if that was lost.
            is_lost = needed == key_id(key) and key not in master.read().keys
            master.add(key, current=is_lost or not master.read().keys)
    ids = [key_id(key) for key in added]
    click.echo(say(text("Imported the master keys {keys} from {file}.", keys=ids, file=file)))


@keys.command()
def new() -> None:
    """Print a new key, for the environment variable POPBRIDGE_MASTER_KEY."""
    click.echo(format_key(new_key()))


def _settings() -> Settings:
    """Returns PopBridge's own settings; those of plugins don't matter here."""
    file = Paths.find().settings_file
    return resolve(SETTINGS, None, os.environ, read_settings_file(file), str(file), plugins_disabled=True)


def _master(paths: Paths, settings: Settings) -> MasterKey:
    return MasterKey.find(paths.data, settings["encryption_key_file"], home=paths.home is not None)


def _database_state(database: Path) -> tuple[str | None, str | None]:
    """Returns the form of the rows, and the master key that they need."""
    if database.exists():
        with contextlib.suppress(*FAILURES), contextlib.closing(open_for_inspection(database)) as connection:
            if has_state(connection):
                return form_of(connection), needed_key(connection)
    return None, None


def _finish(paths: Paths, settings: Settings, master: MasterKey, key: str) -> None:
    """Converts everything to the new key, or waits until the daemon has done so."""
    waits = False
    while [key_id(one) for one in master.read().keys] != [key]:
        try:
            with exclusive(paths):
                asyncio.run(_convert(paths, settings, master))
        except DaemonRunningError:
            if not waits:
                notice = text("The daemon is converting the rows; both keys stay until it has finished.")
                click.echo(say(notice), err=True)
            waits = True
            time.sleep(POLL_S)


async def _convert(paths: Paths, settings: Settings, master: MasterKey) -> None:
    vault = open_vault(master, paths.database, seals=settings["encryption"])
    store = Store(paths.database, migrations, readers=1, vault=vault)
    responses = None
    try:
        if paths.responses_file.exists():
            with contextlib.suppress(UserError):
                responses = Store(
                    paths.responses_file, response_tables.migrations, readers=1, durable=False, vault=vault
                )
        await KeyRotation(master, vault, store, paths.blobs, threading.Lock()).settle(responses)
    except (StoreError, *FAILURES, OSError) as error:
        raise UserError(
            text(
                "The rotation isn't finished ({reason}). Both keys stay until the daemon, or this command, "
                "continues it.",
                reason=str(error),
            )
        ) from None
    finally:
        if responses is not None:
            await responses.close()
        await store.close()
