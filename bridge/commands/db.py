"""`popbridge db`: is the database whole, copies of it, and a smaller one."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bridge.commands.shared import say_json, size_text, table
from bridge.core.errors import UserError

if TYPE_CHECKING:
    from bridge.paths import Paths
    from bridge.store.inspect import Report
    from bridge.store.salvage import Salvaged

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
    from bridge.store.inspect import inspect

    database = _there(_paths())
    report = inspect(database, quick=quick)
    saved = _salvageable(database) if report.problems else None
    if as_json:
        say_json(
            {"whole": not report.problems, "report": report, "salvageable": saved.rows if saved else None}
        )
    else:
        _tell(report, saved)
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
    from bridge.store.copies import copy_blobs, copy_database
    from bridge.store.looking import open_to_look

    paths = _paths()
    database = _there(paths)
    if _is_ours(file, paths):
        raise UserError(f"{file} is a file of the running system: name one outside {paths.data}.")
    if file.exists() and not force:
        raise UserError(f"{file} is there already: choose another name, or give --force to replace it.")
    if not file.parent.is_dir():
        raise UserError(f"There is no folder {file.parent}: make it, or name a file in another one.")
    with _told(f"{database} can't be copied to {file}"):
        with contextlib.closing(open_to_look(database)) as source:
            copy_database(source, file)
        # After the database: each blob that it names is still there, or nothing needs it any more.
        count = copy_blobs(paths.blobs, _blobs_of(file)) if blobs and paths.blobs.is_dir() else 0
    if as_json:
        say_json({"file": file, "size": file.stat().st_size, "blobs": count})
        return
    more = f"; {count} blobs were new in {_blobs_of(file)}" if blobs else ""
    click.echo(f"{file}: {size_text(file.stat().st_size)}, checked{more}.")


def _is_ours(file: Path, paths: Paths) -> bool:
    """Whether the daemon itself writes there: the database, its log, blobs, locks."""
    place = file.resolve()
    folders = {paths.data.resolve(), paths.runtime.resolve(), paths.database.parent.resolve()}
    ours = (f"{paths.database.name}-", paths.connection_file.name, paths.lock_file.name)
    named = place.name == paths.database.name or place.name.startswith(ours)
    return (place.parent in folders and named) or place.is_relative_to(paths.blobs.resolve())


@db.command()
@click.argument("file", type=FILE, required=False)
@click.option("--salvage", is_flag=True, help="Keeps what can be read of FILE, or of the damaged database.")
@AS_JSON
def restore(file: Path | None, salvage: bool, as_json: bool) -> None:
    """Puts the backup FILE in the place of the database, and its blobs from FILE.blobs.

    The old database is kept beside the new one. Editors that were connected begin new sessions.
    """
    from bridge.store.copies import copy_blobs
    from bridge.store.replace import restore, salvaged

    paths = _paths()
    source = _source(file, paths, salvage)
    saved: Salvaged | None = None
    with _alone(paths), _told(f"{source} can't be restored"):
        if salvage:
            old, saved = salvaged(source, paths.database)
        else:
            old = restore(source, paths.database)
        blobs = copy_blobs(_blobs_of(source), paths.blobs) if _blobs_of(source).is_dir() else 0
    if as_json:
        told = {"rows": saved.rows, "lost": saved.lost} if saved else {"rows": {}, "lost": {}}
        say_json({"database": paths.database, "old": old, "blobs": blobs, **told})
        return
    held = f"what could be read of {source}" if salvage else f"what {source} holds"
    click.echo(f"{paths.database} is now {held}.")
    if saved:
        _saved(saved)
    if blobs:
        click.echo(f"{blobs} blobs came back.")
    if old:
        click.echo(f"The old one is {old}: remove it when nothing is missing.")


@db.command()
@AS_JSON
def vacuum(as_json: bool) -> None:
    """Makes the file as small as what is in it; needs room for a second one meanwhile."""
    from bridge.store.database import open_database

    paths = _paths()
    database = _there(paths)
    with _alone(paths), _told(f"{database} can't be made smaller"):
        before = database.stat().st_size
        with contextlib.closing(open_database(database).conn) as connection:
            connection.execute("VACUUM")
            connection.execute("PRAGMA optimize")
        after = database.stat().st_size
    if as_json:
        say_json({"database": database, "before": before, "after": after})
    else:
        gained = f"{size_text(before - after)} less" if after < before else "nothing was to be gained"
        click.echo(f"{database}: {size_text(after)}, {gained}.")


def _paths() -> Paths:
    from bridge.paths import Paths

    return Paths.find()


def _there(paths: Paths) -> Path:
    if not paths.database.is_file():
        raise UserError(f"There is no database {paths.database} yet: the daemon makes it when it first runs.")
    return paths.database


def _source(file: Path | None, paths: Paths, salvage: bool) -> Path:
    """What is to be restored. Raises UserError."""
    if file is None:
        if not salvage:
            raise UserError("Name the backup FILE, or give --salvage to keep what can be read.")
        return _there(paths)
    if not file.is_file():
        raise UserError(f"There is no file {file}.")
    if not salvage and paths.database.exists() and file.samefile(paths.database):
        raise UserError(f"{file} is the database itself; `popbridge db check` says whether it is whole.")
    return file


def _blobs_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.blobs")


@contextlib.contextmanager
def _told(failed: str) -> Iterator[None]:
    """Raises UserError for what the database or the disk says."""
    from bridge.store.failures import FAILURES

    try:
        yield
    except (*FAILURES, OSError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise UserError(f"{failed} ({reason}); nothing was changed.") from None


@contextlib.contextmanager
def _alone(paths: Paths) -> Iterator[None]:
    """No daemon runs or starts meanwhile. Raises UserError."""
    from filelock import FileLock, Timeout

    lock = FileLock(paths.lock_file, timeout=0)
    try:
        paths.runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise UserError("The daemon is running and uses the database: stop it first.") from None
    except OSError as error:
        raise UserError(f"The folder {paths.runtime} can't be used ({error.strerror}).") from None
    try:
        yield
    finally:
        lock.release()


def _salvageable(database: Path) -> Salvaged | None:
    """What could be kept of the rows; None where nothing can be read."""
    from bridge.store.failures import FAILURES
    from bridge.store.salvage import salvage

    with tempfile.TemporaryDirectory(prefix="popbridge-") as folder:
        try:
            return salvage(database, Path(folder) / "fresh.db")
        except (*FAILURES, UserError, OSError):
            return None


def _tell(report: Report, saved: Salvaged | None) -> None:
    waiting = f", and {size_text(report.wal)} of log that belongs to it" if report.wal else ""
    if not report.size:
        click.echo(
            f"{report.path} is empty: the daemon makes it anew, or `popbridge db restore FILE` fills it."
        )
        return
    state = "DAMAGED" if report.problems else "whole"
    click.echo(f"{report.path} is {state}: {size_text(report.size)}{waiting}.")
    if report.schema:
        click.echo(f"Schema {len(report.schema)}, {report.schema[-1]}; {size_text(report.free)} unused.")
    if report.newer:
        click.echo(f"A newer PopBridge has made {', '.join(report.newer)} in it: update PopBridge.")
    if not report.problems:
        _rows(report.rows)
        return
    for problem in report.problems:
        click.echo(f"  {problem}")
    if saved is None:
        click.echo("Nothing of it can be read: `popbridge db restore FILE` puts back a backup.")
        return
    click.echo(
        "These rows can still be read; stop the daemon, then `popbridge db restore --salvage` keeps them,"
    )
    click.echo("or `popbridge db restore FILE` puts back a backup:")
    _saved(saved)


def _saved(saved: Salvaged) -> None:
    """What came of each table; and in a line what is lost."""
    cells = [(name, f"{kept:,}", _lost(saved, name)) for name, kept in saved.rows.items()]
    table(cells, ("table", "rows", "lost"))
    if saved.lost:
        click.echo(f"What couldn't be read, and is lost without a backup: {', '.join(saved.lost)}.")


def _lost(saved: Salvaged, name: str) -> str:
    count = saved.lost.get(name, 0)
    return "unknown" if count is None else f"about {count:,}" if count else "-"


def _rows(rows: Mapping[str, int | None]) -> None:
    if rows:
        cells = [(name, "?" if count is None else f"{count:,}") for name, count in rows.items()]
        table(cells, ("table", "rows"))
