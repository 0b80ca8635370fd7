"""`popbridge roots`: the folders whose projects editors may open without a question."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import click

from accel.text import AnyText, plural, text
from bridge.commands.options import as_json, print_json
from bridge.commands.terminal import say, table
from bridge.core.access import LOCAL_ID
from bridge.core.errors import UserError
from bridge.paths import Paths
from bridge.store.audit_log import AuditLog
from bridge.store.database import open_readonly
from bridge.store.records import FAILURES, local_time_text
from bridge.store.roots import Root, RootStore, check_root, open_roots, resolved_root

SOURCES: Mapping[str, AnyText] = {
    "install": "popbridge install",
    "terminal": "popbridge roots add",
    "editor": text("an editor's popup"),
    "run": "popbridge run",
}

TOKEN = click.option(
    "--token", metavar="ID", default=LOCAL_ID, show_default=True, help="The token whose clients may read it."
)


@click.group()
def roots() -> None:
    """Manage the folders that PopBridge may read.

    Without a folder here, the first editor that opens a project asks. Folders of the setting `roots` and of
    `popbridge serve --root` aren't listed.
    """


@roots.command(name="list")
@as_json
def list_roots(as_json: bool) -> None:
    """List the folders, with who has allowed them."""
    found = _stored()
    if as_json:
        for root in found:
            print_json(root)
    elif not found:
        click.echo(say(text("No folders yet: the first editor that opens a project asks.")))
    else:
        heads = (text("folder"), text("token"), text("allowed by"), text("when"))
        rows = [(r.path, r.owner, say(SOURCES[r.source]), local_time_text(r.created)) for r in found]
        table(rows, tuple(map(say, heads)))


@roots.command()
@click.argument("folder", type=click.Path(path_type=Path))
@TOKEN
def add(folder: Path, token: str) -> None:
    """Let PopBridge read the projects in FOLDER; an editor that waits for it goes on at once."""
    paths = Paths.find()
    found = check_root(os.fspath(folder), paths.own_folders)
    AuditLog(paths).append("root.register", subject=found, detail={"token": token})
    with open_roots(paths.database) as store:
        _, is_new = store.add(found, "terminal", token)
    done = text("PopBridge may now read {path}.") if is_new else text("PopBridge may read {path} already.")
    click.echo(say(done.fill(path=found)))


@roots.command()
@click.argument("folder", type=click.Path(path_type=Path))
def remove(folder: Path) -> None:
    """Let PopBridge no longer read FOLDER. Editors that have it open notice when they connect again."""
    found = resolved_root(folder)
    paths = Paths.find()
    with open_roots(paths.database) as store:
        if any(root.path == found for root in store.all()):
            AuditLog(paths).append("root.remove", subject=found)
        count = store.remove(found)
        rest = [root.path for root in store.all()]
    if not count:
        raise UserError(text("{path} isn't listed. `popbridge roots list` shows the folders.", path=found))
    above = [root for root in rest if Path(found).is_relative_to(root)]
    click.echo(say(text("PopBridge may no longer read {path}.", path=found)))
    if above:
        click.echo(
            say(
                plural(
                    "It is in {paths}, which is still allowed.",
                    "It is in {paths}, which are still allowed.",
                    len(above),
                    paths=above,
                )
            )
        )


def _stored() -> list[Root]:
    db = open_readonly(Paths.find().database)
    if db is None:
        return []
    try:
        # A database of 0.2.0 that is only read has no such table.
        return RootStore(db).all() if db.table("roots").exists() else []
    except FAILURES as error:
        raise UserError(text("Can't read the folders ({reason}).", reason=error)) from None
    finally:
        db.conn.close()
