"""`popbridge db`: is the database whole, copies of it, and a smaller one."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from accel.text import text
from bridge.commands.language import say
from bridge.commands.screen import table
from bridge.commands.shared import say_json, size_text
from bridge.core.errors import UserError

if TYPE_CHECKING:
    from bridge.paths import Paths
    from bridge.store.inspect import Report
    from bridge.store.salvage import Salvaged

ROWS = (
    text("table"),
    text("rows"),
)
SAVED = (
    text("table"),
    text("rows"),
    text("lost"),
)

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
        with contextlib.closing(open_to_look(database)) as source:
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
    with _alone(paths), _or_nothing(say(text("{source} can't be restored", source=source))):
        if salvage:
            old, saved = salvaged(source, paths.database)
        else:
            old = restore(source, paths.database)
        blobs = copy_blobs(_blobs_of(source), paths.blobs) if _blobs_of(source).is_dir() else 0
    if as_json:
        came = {"rows": saved.rows, "lost": saved.lost} if saved else {"rows": {}, "lost": {}}
        say_json({"database": paths.database, "old": old, "blobs": blobs, **came})
        return
    now = (
        text("{database} is now what could be read of {source}.")
        if salvage
        else text("{database} is now what {source} holds.")
    )
    click.echo(say(now.fill(database=paths.database, source=source)))
    if saved:
        _saved(saved)
    if blobs:
        click.echo(say(text("{count} blobs came back.", count=blobs)))
    if old:
        click.echo(say(text("The old one is {old}: remove it when nothing is missing.", old=old)))


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
        said = (
            text("{database}: {size}, {gained} less.")
            if after < before
            else text("{database}: {size}, nothing was to be gained.")
        )
        gained = size_text(before - after)
        click.echo(say(said.fill(database=database, size=size_text(after), gained=gained)))


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


def _source(file: Path | None, paths: Paths, salvage: bool) -> Path:
    """What is to be restored. Raises UserError."""
    if file is None:
        if not salvage:
            raise UserError(text("Name the backup FILE, or give --salvage to keep what can be read."))
        return _there(paths)
    if not file.is_file():
        raise UserError(text("There is no file {file}.", file=file))
    if not salvage and paths.database.exists() and file.samefile(paths.database):
        raise UserError(
            text("{file} is the database itself; `popbridge db check` says whether it is whole.", file=file)
        )
    return file


def _blobs_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.blobs")


@contextlib.contextmanager
def _or_nothing(failed: str) -> Iterator[None]:
    """Raises UserError for what the database or the disk says."""
    from bridge.store.failures import FAILURES

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
            text(
                "The folder {folder} can't be used ({reason}).",
                folder=paths.runtime,
                reason=error.strerror,
            )
        ) from None
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
    if not report.size:
        click.echo(
            say(
                text(
                    "{path} is empty: the daemon makes it anew, or `popbridge db restore FILE` fills it.",
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
    if not report.problems:
        _rows(report.rows)
        return
    for problem in report.problems:
        click.echo(f"  {say(problem)}")
    if saved is None:
        click.echo(say(text("Nothing of it can be read: `popbridge db restore FILE` puts back a backup.")))
        return
    click.echo(
        say(
            text(
                "These rows can still be read; stop the daemon, then `popbridge db restore "
                "--salvage` keeps them,\nor `popbridge db restore FILE` puts back a backup:"
            )
        )
    )
    _saved(saved)


def _saved(saved: Salvaged) -> None:
    """What came of each table; and in a line what is lost."""
    cells = [(name, f"{kept:,}", _lost(saved, name)) for name, kept in saved.rows.items()]
    table(cells, tuple(map(say, SAVED)))
    if saved.lost:
        click.echo(
            say(
                text(
                    "What couldn't be read, and is lost without a backup: {tables}.",
                    tables=", ".join(saved.lost),
                )
            )
        )


def _lost(saved: Salvaged, name: str) -> str:
    count = saved.lost.get(name, 0)
    if count is None:
        return say(text("unknown"))
    return say(text("about {count}", count=f"{count:,}")) if count else "-"


def _rows(rows: Mapping[str, int | None]) -> None:
    if rows:
        cells = [(name, "?" if count is None else f"{count:,}") for name, count in rows.items()]
        table(cells, tuple(map(say, ROWS)))
