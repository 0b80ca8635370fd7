"""`popbridge db`: checks, backs up, restores and shrinks the database."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from accel.text import text
from bridge.commands.options import say_json, show_remark, size_text
from bridge.commands.terminal import say, table
from bridge.core.errors import UserError

if TYPE_CHECKING:
    from bridge.paths import Paths
    from bridge.store.backups import Restored
    from bridge.store.integrity import Report


ROWS = (text("table"), text("rows"))
RESTORED = (*ROWS, text("lost"))

FILE = click.Path(path_type=Path, dir_okay=False)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object.")


@click.group()
def db() -> None:
    """Looks after the database: sessions, popups, receipts and rules, in one SQLite file.

    `check` and `backup` work while the daemon runs; `restore` and `vacuum` need it stopped.
    """


@db.command()
@click.option("--quick", is_flag=True, help="Doesn't compare indexes with their tables: faster.")
@AS_JSON
def check(quick: bool, as_json: bool) -> int:
    """Says whether the database is whole, and what is in it; exit code 1 where it isn't."""
    from bridge.store.backups import list_backups
    from bridge.store.integrity import inspect

    database = _there(_paths())
    report = inspect(database, quick=quick)
    backups = list_backups(database)
    if as_json:
        say_json({"whole": not report.problems, "report": report, "backups": backups})
    else:
        _tell(report, backups)
    return 1 if report.problems or report.newer else 0


@db.command()
@click.argument("file", type=FILE)
@click.option("--blobs", is_flag=True, help="Also copies the blobs that it lacks to the folder FILE.blobs.")
@click.option("--force", is_flag=True, help="Replaces FILE where there is one.")
@AS_JSON
def backup(file: Path, blobs: bool, force: bool, as_json: bool) -> None:
    """Copies the database to FILE as it is at this moment, and checks the copy.

    Popups and work that isn't done yet name blobs, which lie beside the database: with --blobs they are in
    the backup too.
    """
    from bridge.store.database import copy_blobs, copy_database, open_for_inspection

    paths = _paths()
    database = _there(paths)
    if _is_ours(file, paths):
        raise UserError(
            text(
                "{file} is a file of the running system: name one outside {folder}.",
                file=file,
                folder=paths.data,
            )
        )
    if file.exists() and not force:
        raise UserError(
            text("{file} is there already: choose another name, or give --force to replace it.", file=file)
        )
    if not file.parent.is_dir():
        raise UserError(
            text("There is no folder {folder}: make it, or name a file in another one.", folder=file.parent)
        )
    with _or_nothing(say(text("{database} can't be copied to {file}", database=database, file=file))):
        with contextlib.closing(open_for_inspection(database)) as source:
            copy_database(source, file)
        # After the database: each blob that it names is still there, or nothing needs it any more.
        count = copy_blobs(paths.blobs, _blobs_of(file)) if blobs and paths.blobs.is_dir() else 0
    if as_json:
        say_json({"file": file, "size": file.stat().st_size, "blobs": count})
        return
    more = (
        say(text("; {count} blobs were new in {folder}", count=count, folder=_blobs_of(file)))
        if blobs
        else ""
    )
    click.echo(
        say(
            text(
                "{file}: {size}, checked{blobs}.", file=file, size=size_text(file.stat().st_size), blobs=more
            )
        )
    )


def _is_ours(file: Path, paths: Paths) -> bool:
    """Whether the daemon itself writes there: the database, its log, blobs, backups, locks."""
    from bridge.store.backups import backups_folder

    place = file.resolve()
    folders = {paths.data.resolve(), paths.runtime.resolve(), paths.database.parent.resolve()}
    ours = (f"{paths.database.name}-", paths.connection_file.name, paths.lock_file.name)
    named = place.name == paths.database.name or place.name.startswith(ours)
    kept = (paths.blobs.resolve(), backups_folder(paths.database).resolve())
    return (place.parent in folders and named) or any(place.is_relative_to(folder) for folder in kept)


@db.command()
@click.argument("file", type=FILE, required=False)
@AS_JSON
def restore(file: Path | None, as_json: bool) -> None:
    """Restores the database from the newest daily backup, or from FILE and its blobs from FILE.blobs.

    The old database is kept beside the new one. Editors that were connected begin new sessions.
    """
    from bridge.store.backups import made_at, restore
    from bridge.store.database import copy_blobs

    paths = _paths()
    with _alone(paths):
        source = _source(file, paths)
        with _or_nothing(say(text("{source} can't be restored", source=source))):
            made = made_at(source)
            restored = restore(source, paths.database)
            blobs = copy_blobs(_blobs_of(source), paths.blobs) if _blobs_of(source).is_dir() else 0
    if as_json:
        found = {"database": paths.database, "source": source, "made": made.isoformat(), "blobs": blobs}
        say_json({**found, "old": restored.old, "rows": restored.rows, "lost": restored.lost})
        return
    _tell_restored(
        restored,
        say(
            text(
                "Restored {database} from {source}, made {made}.",
                database=paths.database,
                source=source,
                made=_local(made),
            )
        ),
    )
    if blobs:
        click.echo(say(text("{count} blobs came back.", count=blobs)))
    if restored.old:
        click.echo(
            say(
                text(
                    "Rows under “lost” are only in the old database. "
                    "So are changes made to other rows since {made}.",
                    made=_local(made),
                )
            )
        )
        click.echo(
            say(text("The old database is now {old}. Delete it when nothing is missing.", old=restored.old))
        )


@db.command()
@AS_JSON
def vacuum(as_json: bool) -> None:
    """Makes the file as small as what is in it; needs room for a second one meanwhile."""
    from bridge.store.database import open_database

    paths = _paths()
    database = _there(paths)
    with _alone(paths), _or_nothing(say(text("{database} can't be made smaller", database=database))):
        before = database.stat().st_size
        with contextlib.closing(open_database(database).conn) as connection:
            connection.execute("VACUUM")
            connection.execute("PRAGMA optimize")
        after = database.stat().st_size
    if as_json:
        say_json({"database": database, "before": before, "after": after})
    else:
        done = (
            text("{database}: {size}, {gained} less.")
            if after < before
            else text("{database}: {size}, nothing was to be gained.")
        )
        gained = size_text(before - after)
        click.echo(say(done.fill(database=database, size=size_text(after), gained=gained)))


def _paths() -> Paths:
    from bridge.paths import Paths

    return Paths.find()


def _there(paths: Paths) -> Path:
    try:
        there = paths.database.is_file()
    except OSError as error:
        raise UserError(
            text(
                "The database {database} can't be read ({reason}).",
                database=paths.database,
                reason=error.strerror,
            )
        ) from None
    if not there:
        raise UserError(
            text(
                "There is no database {database} yet: the daemon makes it when it first runs.",
                database=paths.database,
            )
        )
    return paths.database


def _source(file: Path | None, paths: Paths) -> Path:
    """The file to restore. Raises UserError."""
    if file is None:
        return _newest(paths)
    if not file.is_file():
        raise UserError(text("There is no file {file}.", file=file))
    if paths.database.exists() and file.samefile(paths.database):
        raise UserError(
            text("{file} is the database itself; `popbridge db check` says whether it is whole.", file=file)
        )
    return file


def _newest(paths: Paths) -> Path:
    """The newest backup that is whole. Raises UserError."""
    from bridge.store.backups import backups_folder, newest_backup

    newest, damaged = newest_backup(paths.database)
    for file in damaged:
        show_remark(text("{file} is damaged; using an older backup.", file=file))
    if newest is None:
        raise UserError(
            text(
                "There is no backup in {folder}: the daemon makes one on each day that it runs.",
                folder=backups_folder(paths.database),
            )
        )
    return newest


def _blobs_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.blobs")


@contextlib.contextmanager
def _or_nothing(failed: str) -> Iterator[None]:
    """Raises UserError for what the database or the disk says."""
    from bridge.store.records import FAILURES

    try:
        yield
    except (*FAILURES, OSError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        reason = say(reason)
        raise UserError(
            text("{failed} ({reason}); nothing was changed.", failed=failed, reason=reason)
        ) from None


@contextlib.contextmanager
def _alone(paths: Paths) -> Iterator[None]:
    """No daemon runs or starts meanwhile. Raises UserError."""
    from filelock import FileLock, Timeout

    lock = FileLock(paths.lock_file, timeout=0)
    try:
        paths.runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise UserError(text("The daemon is running and uses the database: stop it first.")) from None
    except OSError as error:
        raise UserError(
            text("The folder {folder} can't be used ({reason}).", folder=paths.runtime, reason=error.strerror)
        ) from None
    try:
        yield
    finally:
        lock.release()


def _tell(report: Report, backups: Sequence[Path]) -> None:
    if not report.size:
        click.echo(
            say(
                text(
                    "{path} is empty: the daemon creates it again, "
                    "or `popbridge db restore` restores the newest backup.",
                    path=report.path,
                )
            )
        )
        return
    log = (
        say(text(", and {size} of log that belongs to it", size=size_text(report.wal))) if report.wal else ""
    )
    state = (
        text("{path} is DAMAGED: {size}{log}.") if report.problems else text("{path} is whole: {size}{log}.")
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
                    "A newer PopBridge has made {names} in it: update PopBridge.",
                    names=", ".join(report.newer),
                )
            )
        )
    for problem in report.problems:
        click.echo(f"  {say(problem)}")
    _tell_rows(report.rows)
    _tell_backups(report, backups)


def _tell_rows(rows: Mapping[str, int | None]) -> None:
    if rows:
        cells = [(name, "?" if count is None else f"{count:,}") for name, count in rows.items()]
        table(cells, tuple(map(say, ROWS)))


def _tell_backups(report: Report, backups: Sequence[Path]) -> None:
    from bridge.store.backups import backups_folder, made_at

    if backups:
        click.echo(
            say(text("Newest backup: {file}, {made}.", file=backups[-1], made=_local(made_at(backups[-1]))))
        )
    else:
        click.echo(
            say(
                text(
                    "There is no backup in {folder}: the daemon makes one on each day that it runs.",
                    folder=backups_folder(report.path),
                )
            )
        )
    if report.problems:
        click.echo(
            say(
                text("Stop the daemon, then run `popbridge db restore`.")
                if backups
                else text(
                    "Without a backup, the `.recover` command of the `sqlite3` shell reads what is left: "
                    "docs/guides/operations.md."
                )
            )
        )


def _tell_restored(restored: Restored, done: str) -> None:
    click.echo(done)
    cells = [(name, f"{count:,}", _lost(restored, name)) for name, count in restored.rows.items()]
    table(cells, tuple(map(say, RESTORED)))


def _lost(restored: Restored, name: str) -> str:
    count = restored.lost.get(name, 0)
    if count is None:
        return say(text("unknown"))
    return f"{count:,}" if count else "-"


def _local(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"
