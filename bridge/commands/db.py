"""`popbridge db`: checks, backs up, restores and shrinks the database."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import click

from accel.text import AnyText, Text, text
from bridge.commands.options import print_json, show_notice, size_text
from bridge.commands.terminal import say, table
from bridge.core.errors import UserError
from bridge.paths import Paths, private_umask
from bridge.store import backups, home
from bridge.store.audit_log import AuditLog
from bridge.store.backups import Restored
from bridge.store.database import copy_blobs, copy_database, open_database, open_for_inspection
from bridge.store.encryption import key_id
from bridge.store.integrity import Report, inspect
from bridge.store.key_rotation import locking_key
from bridge.store.master_key import MasterKey
from bridge.store.records import FAILURES

HEADS = (text("table"), text("rows"))
RESTORED_HEADS = (*HEADS, text("lost"))

FILE = click.Path(path_type=Path, dir_okay=False)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group()
def db() -> None:
    """Check, back up and restore the database.

    It is one SQLite file with sessions, popups and receipts. `check` and `backup` work while the daemon runs;
    `restore` and `vacuum` need it stopped.
    """


@db.command()
@click.option("--quick", is_flag=True, help="Skip the comparison of indexes with their tables.")
@AS_JSON
def check(quick: bool, as_json: bool) -> int:
    """Check the database and count its rows; exit code 1 if it is damaged."""
    database = _existing(Paths.find())
    report = inspect(database, quick=quick)
    copies = backups.list_backups(database)
    if as_json:
        print_json({"whole": not report.problems, "report": report, "backups": copies})
    else:
        _print_report(report, copies)
    return 1 if report.problems or report.newer else 0


@db.command()
@click.argument("file", type=FILE)
@click.option("--blobs", is_flag=True, help="Copy missing blobs to the folder FILE.blobs, too.")
@click.option("--force", is_flag=True, help="Overwrite FILE.")
@AS_JSON
def backup(file: Path, blobs: bool, force: bool, as_json: bool) -> None:
    """Copy the database to FILE and check the copy.

    Popups and unfinished jobs refer to blobs, which are files beside the database; --blobs copies them, too.
    """
    paths = Paths.find()
    database = _existing(paths)
    if _is_ours(file, paths):
        raise UserError(
            text(
                "{file} is one of PopBridge's own files. Choose a file outside {folder}.",
                file=file,
                folder=paths.data,
            )
        )
    if file.exists() and not force:
        raise UserError(text("{file} exists. Choose another name, or overwrite it with --force.", file=file))
    if not file.parent.is_dir():
        raise UserError(
            text("Folder {folder} does not exist. Create it, or choose another one.", folder=file.parent)
        )
    with _database_errors(text("Can't copy {database} to {file}", database=database, file=file)):
        with contextlib.closing(open_for_inspection(database)) as source:
            copy_database(source, file)
        # After the database: a blob deleted in between is no longer referenced.
        count = copy_blobs(paths.blobs, _blobs_of(file)) if blobs and paths.blobs.is_dir() else 0
    if as_json:
        print_json({"file": file, "size": file.stat().st_size, "blobs": count})
        return
    more = (
        say(text("; {count} blobs copied to {folder}", count=count, folder=_blobs_of(file))) if blobs else ""
    )
    click.echo(
        say(
            text(
                "{file}: {size}, checked{blobs}.", file=file, size=size_text(file.stat().st_size), blobs=more
            )
        )
    )


def _is_ours(file: Path, paths: Paths) -> bool:
    """Whether the daemon itself writes there: database, write-ahead log, blobs, backups, locks."""
    place = file.resolve()
    folders = {paths.data.resolve(), paths.runtime.resolve(), paths.database.parent.resolve()}
    prefixes = (f"{paths.database.name}-", paths.connection_file.name, paths.lock_file.name)
    is_ours = place.name == paths.database.name or place.name.startswith(prefixes)
    whole_folders = (paths.blobs.resolve(), backups.backups_folder(paths.database).resolve())
    return (place.parent in folders and is_ours) or any(
        place.is_relative_to(folder) for folder in whole_folders
    )


@db.command()
@click.argument("file", type=FILE, required=False)
@AS_JSON
def restore(file: Path | None, as_json: bool) -> None:
    """Restore the newest daily backup, or FILE and its blobs from FILE.blobs.

    The old database stays beside the new one. Connected editors begin new sessions.
    """
    paths = Paths.find()
    with exclusive(paths):
        source = _source(file, paths)
        _require_key(source, paths)
        with (
            AuditLog(paths).database_change("database.restore", subject=str(source)),
            _database_errors(text("Can't restore {source}", source=source)),
        ):
            made = backups.backup_time(source)
            restored = backups.restore(source, paths.database)
            blobs = copy_blobs(_blobs_of(source), paths.blobs) if _blobs_of(source).is_dir() else 0
    if as_json:
        result = {"database": paths.database, "source": source, "made": made.isoformat(), "blobs": blobs}
        print_json({**result, "old": restored.old, "rows": restored.rows, "lost": restored.lost})
        return
    click.echo(
        say(
            text(
                "Restored {database} from {source}, made {time}.",
                database=paths.database,
                source=source,
                time=_local(made),
            )
        )
    )
    cells = [(name, f"{count:,}", _lost(restored, name)) for name, count in restored.rows.items()]
    table(cells, tuple(map(say, RESTORED_HEADS)))
    if blobs:
        click.echo(say(text("Restored {count} blobs.", count=blobs)))
    if restored.old:
        click.echo(
            say(
                text(
                    "Rows under “lost” are only in the old database. "
                    "So are changes made to other rows since {time}.",
                    time=_local(made),
                )
            )
        )
        click.echo(
            say(text("The old database is now {old}. Delete it when nothing is missing.", old=restored.old))
        )


@db.command()
@click.option("--yes", is_flag=True, help="Don't ask.")
@AS_JSON
def reset(yes: bool, as_json: bool) -> None:
    """Start with an empty database, for instance if the master key is lost.

    The old database stays beside the new one, and becomes readable again with its master key.
    """
    paths = Paths.find()
    database = _existing(paths)
    if not yes:
        click.confirm(
            say(text("Set {database} aside and start without its content?", database=database)), abort=True
        )
    with (
        exclusive(paths),
        AuditLog(paths).database_change("database.reset", subject=str(database)),
        _database_errors(text("Can't set {database} aside", database=database)),
    ):
        old = backups.set_aside(database)
        master = MasterKey.find(paths.data, home=paths.home is not None)
        try:
            master.read()
            old_key = None
        except UserError:
            old_key = master.set_aside()
    if as_json:
        print_json({"database": database, "old": old, "old_key": old_key})
        return
    click.echo(say(text("The old database is now {old}. The next daemon starts with an empty one.", old=old)))
    if old_key is not None:
        click.echo(say(text("The old master key is now {old_key}.", old_key=old_key)))


def _require_key(source: Path, paths: Paths) -> None:
    """Raises UserError for a backup whose master key is missing."""
    needed = locking_key(source)
    if needed is None:
        return
    ring = MasterKey.find(paths.data, home=paths.home is not None).read()
    if needed not in map(key_id, ring.keys):
        raise UserError(
            text(
                "{source} is encrypted with the master key {key}, which isn't in {place}. Import a copy with "
                "`popbridge keys import FILE` first.",
                source=source,
                key=needed,
                place=ring.place,
            )
        )


@db.command()
@AS_JSON
def vacuum(as_json: bool) -> None:
    """Shrink the database file; needs disk space for a second copy."""
    paths = Paths.find()
    database = _existing(paths)
    with exclusive(paths), _database_errors(text("Can't shrink {database}", database=database)):
        before = database.stat().st_size
        with contextlib.closing(open_database(database).conn) as connection:
            connection.execute("VACUUM")
            connection.execute("PRAGMA optimize")
        after = database.stat().st_size
    if as_json:
        print_json({"database": database, "before": before, "after": after})
    else:
        outcome = (
            text("{database}: {size}, {freed} freed.")
            if after < before
            else text("{database}: {size}, already as small as possible.")
        )
        freed = size_text(before - after)
        click.echo(say(outcome.fill(database=database, size=size_text(after), freed=freed)))


class DaemonRunningError(UserError):
    """A daemon is running."""


def _existing(paths: Paths) -> Path:
    """Returns the database file. Raises UserError if it doesn't exist."""
    try:
        exists = paths.database.is_file()
    except OSError as error:
        raise UserError(
            text(
                "Can't read the database {database} ({reason}).",
                database=paths.database,
                reason=error.strerror,
            )
        ) from None
    if not exists:
        raise UserError(
            text(
                "Database {database} does not exist yet. The daemon creates it on its first run.",
                database=paths.database,
            )
        )
    return paths.database


def _source(file: Path | None, paths: Paths) -> Path:
    """Returns the file to restore. Raises UserError."""
    if file is None:
        return _newest(paths)
    if not file.is_file():
        raise UserError(text("{file} does not exist.", file=file))
    if paths.database.exists() and file.samefile(paths.database):
        raise UserError(text("{file} is the database itself. Check it with `popbridge db check`.", file=file))
    return file


def _newest(paths: Paths) -> Path:
    """Returns the newest undamaged backup. Raises UserError if there is none."""
    newest, damaged = backups.newest_backup(paths.database)
    for file in damaged:
        show_notice(text("{file} is damaged. Using an older backup.", file=file))
    if newest is None:
        raise UserError(
            text(
                "No backup in {folder}. The daemon makes one a day.",
                folder=backups.backups_folder(paths.database),
            )
        )
    return newest


def _blobs_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.blobs")


@contextlib.contextmanager
def _database_errors(problem: Text) -> Iterator[None]:
    """Raises UserError, which begins with `problem`, for errors of the database or the disk."""
    try:
        yield
    except (*FAILURES, OSError) as error:
        reason: AnyText | None = next((part for part in error.args if isinstance(part, Text)), None)
        reason = reason or getattr(error, "strerror", None) or str(error)
        raise UserError(
            text("{problem} ({reason}). Nothing was changed.", problem=problem, reason=reason).map(
                lambda line: " ".join(line.split())
            )
        ) from None


@contextlib.contextmanager
def exclusive(paths: Paths) -> Iterator[None]:
    """Prevents the daemon from starting. Raises DaemonRunningError if one is running, and UserError."""
    with private_umask(), contextlib.ExitStack() as held:
        try:
            home.create_folders(paths)
            held.enter_context(home.HomeLock(paths))
        except home.HomeInUseError:
            raise DaemonRunningError(text("The daemon is using the database. Stop it first.")) from None
        except OSError as error:
            raise UserError(
                text("Can't use the folder {folder} ({reason}).", folder=paths.runtime, reason=error.strerror)
            ) from None
        yield


def _print_report(report: Report, copies: Sequence[Path]) -> None:
    if not report.size:
        click.echo(
            say(
                text(
                    "{path} is empty. Start the daemon to create it again, "
                    "or restore the newest backup with `popbridge db restore`.",
                    path=report.path,
                )
            )
        )
        return
    log = say(text(" and {size} of write-ahead log", size=size_text(report.wal))) if report.wal else ""
    state = (
        text("{path} is DAMAGED: {size}{log}.") if report.problems else text("{path} is intact: {size}{log}.")
    )
    click.echo(say(state.fill(path=report.path, size=size_text(report.size), log=log)))
    if report.schema:
        count, last = len(report.schema), report.schema[-1]
        click.echo(
            say(
                text(
                    "Schema {count}, {last}; {size} unused.",
                    count=count,
                    last=last,
                    size=size_text(report.free),
                )
            )
        )
    if report.newer:
        click.echo(
            say(
                text(
                    "A newer PopBridge created {names} in it. Update PopBridge.",
                    names=[*report.newer],
                )
            )
        )
    for problem in report.problems:
        click.echo(f"  {say(problem)}")
    if report.rows:
        cells = [(name, "?" if count is None else f"{count:,}") for name, count in report.rows.items()]
        table(cells, tuple(map(say, HEADS)))
    if copies:
        click.echo(
            say(
                text(
                    "Newest backup: {file}, {time}.",
                    file=copies[-1],
                    time=_local(backups.backup_time(copies[-1])),
                )
            )
        )
    else:
        click.echo(
            say(
                text(
                    "No backup in {folder}. The daemon makes one a day.",
                    folder=backups.backups_folder(report.path),
                )
            )
        )
    if report.problems:
        click.echo(
            say(
                text("Stop the daemon, then run `popbridge db restore`.")
                if copies
                else text(
                    "Recover the rest with `.recover` in the `sqlite3` shell; see docs/guides/backup.md."
                )
            )
        )


def _lost(restored: Restored, name: str) -> str:
    count = restored.lost.get(name, 0)
    if count is None:
        return say(text("unknown"))
    return f"{count:,}" if count else "-"


def _local(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"
