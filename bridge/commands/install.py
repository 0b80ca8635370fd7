"""`popbridge install`: puts the editor's side into a project, or takes it out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from accel.text import text
from bridge.commands import options
from bridge.commands.listing import as_json
from bridge.commands.options import say_json
from bridge.commands.terminal import say
from bridge.core.errors import UserError
from bridge.paths import typed

if TYPE_CHECKING:
    from bridge.api import Adapter, EditorSupport
    from bridge.host.host import Registry


DONE = {
    "created": text("created    {path}"),
    "updated": text("updated    {path}"),
    "removed": text("removed    {path}"),
    "unchanged": text("unchanged  {path}"),
}


@click.command()
@click.argument("engine", shell_complete=options.engines)
@click.argument("project", type=click.Path(path_type=Path))
@click.option("--remove", is_flag=True, help="Undo it.")
@as_json
def install(engine: str, project: Path, remove: bool, as_json: bool) -> None:
    """Installs the addon for the project's own version of ENGINE into PROJECT; can be repeated."""
    from bridge.host import host

    try:
        editor = find_editor(host.load(), engine, project, removing=remove)
        changes = editor.remove(project) if remove else editor.install(project)
    except OSError as error:
        place = error.filename or project
        reason = error.strerror or error
        raise UserError(text("{place} can't be written ({reason}).", place=place, reason=reason)) from None
    if as_json:
        for change in changes:
            say_json(change)
        return
    for change in changes:
        done = DONE.get(change.what, text("{what} {path}"))
        click.echo(say(done.fill(what=change.what, path=change.path)))
    if all(change.what == "unchanged" for change in changes):
        click.echo(say(text("Nothing had to change.")))
    elif not remove:
        click.echo(
            say(
                text(
                    "Open the project in its editor: the addon connects by itself while `popbridge "
                    "serve` runs."
                )
            )
        )


def find_editor(registry: Registry, engine: str, project: Path, *, removing: bool = False) -> EditorSupport:
    """The editor support for the version that `project`'s own files name. Raises UserError.

    For `removing` any will do: a project that has moved on to another version can still be cleared.
    """
    adapters = [adapter for adapter in registry.adapters if adapter.engine == engine.lower()]
    if not adapters:
        raise _unknown(registry, engine)
    editors = [editor for adapter in adapters if (editor := adapter.editor) is not None]
    if not editors:
        raise _without_addon(adapters, engine, project, removing=removing)
    if not project.is_dir():
        raise _no_folder(engine, project)
    found = _version_text(editors, project)
    if found is None:
        instead = _instead(adapters, project)
        raise UserError(
            text(
                "{project} is no {engine} project{instead}.",
                project=project,
                engine=engine,
                instead=instead,
            )
        )
    version = adapters[0].scheme.parse(found)
    editor = next((editor for editor in editors if editor.serves(version)), None)
    if editor is None and removing:
        return editors[0]
    if editor is None:
        ranges = ", ".join(f"{adapter.name} ({adapter.versions})" for adapter in adapters)
        about = {"project": project, "engine": engine, "version": version, "ranges": ranges}
        raise UserError(
            text("{project} is of {engine} {version}, which no addon serves; there are {ranges}.", **about)
        )
    return editor


def _unknown(registry: Registry, engine: str) -> UserError:
    names = sorted({adapter.engine for adapter in registry.adapters if adapter.editor is not None})
    known = say(text(", ")).join(names) or say(text("none"))
    disabled = say(text(", ")).join(registry.disabled)
    lacking = (
        say(
            text(
                " Plugins that are disabled add none: {names}; `popbridge plugins` says why.", names=disabled
            )
        )
        if disabled
        else ""
    )
    return UserError(
        text(
            "Unknown engine {engine}: no plugin that is installed serves it. There are addons "
            "for: {known}.{lacking}",
            engine=repr(engine),
            known=known,
            lacking=lacking,
        )
    )


def _without_addon(adapters: Sequence[Adapter], engine: str, project: Path, *, removing: bool) -> UserError:
    if removing:
        return UserError(text("There is no addon for {engine} yet.", engine=engine))
    if not project.is_dir():
        return _no_folder(engine, project)
    without = (
        text(
            "There is no addon for {engine} yet: `popbridge audit {project}` looks at the whole "
            "project without one."
        )
        if any(adapter.project for adapter in adapters)
        else text("There is no addon for {engine} yet.")
    )
    return UserError(without.fill(engine=engine, project=typed(project)))


def _no_folder(engine: str, project: Path) -> UserError:
    return UserError(
        text(
            "{project} is no folder: name the folder of a {engine} project.",
            project=project,
            engine=engine,
        )
    )


def _instead(adapters: Sequence[Adapter], project: Path) -> str:
    """Where a project is that `project` lies in or holds, as far as there is one."""
    from bridge.audit.project import NAMED, nearby_folders

    near = nearby_folders(adapters, project)
    more = say(text(" and {count} more", count=len(near) - NAMED)) if len(near) > NAMED else ""
    folders = say(text(", ")).join(str(folder) for folder in near[:NAMED])
    return (
        say(text("; name the folder of one, as {folders}{more}", folders=folders, more=more))
        if near
        else say(text("; name the folder of one"))
    )


def _version_text(editors: Sequence[EditorSupport], project: Path) -> str | None:
    texts = (editor.project_version(project) for editor in editors)
    return next((text for text in texts if text is not None), None)
