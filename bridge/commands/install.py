"""`popbridge install`: puts the editor's side into a project, or takes it out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bridge.commands import completing
from bridge.commands.language import told
from bridge.commands.listing import as_json
from bridge.commands.shared import say_json
from bridge.commands.texts import install as texts
from bridge.core.errors import UserError
from bridge.paths import typed

if TYPE_CHECKING:
    from bridge.api import Adapter, EditorSupport
    from bridge.host import Registry


@click.command()
@click.argument("engine", shell_complete=completing.engines)
@click.argument("project", type=click.Path(path_type=Path))
@click.option("--remove", is_flag=True, help="Undo it.")
@as_json
def install(engine: str, project: Path, remove: bool, as_json: bool) -> None:
    """Installs the addon for the project's own version of ENGINE into PROJECT; can be repeated."""
    from bridge import host

    try:
        editor = find_editor(host.load(), engine, project, removing=remove)
        changes = editor.remove(project) if remove else editor.install(project)
    except OSError as error:
        place = error.filename or project
        reason = error.strerror or error
        raise UserError(told(texts.UNWRITABLE, place=place, reason=reason)) from None
    if as_json:
        for change in changes:
            say_json(change)
        return
    for change in changes:
        done = texts.DONE.get(change.what, texts.OTHER)
        click.echo(told(done, what=change.what, path=change.path))
    if all(change.what == "unchanged" for change in changes):
        click.echo(told(texts.NOTHING))
    elif not remove:
        click.echo(told(texts.OPEN_IT))


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
    text = _version_text(editors, project)
    if text is None:
        instead = _instead(adapters, project)
        raise UserError(told(texts.NO_PROJECT, project=project, engine=engine, instead=instead))
    version = adapters[0].scheme.parse(text)
    editor = next((editor for editor in editors if editor.serves(version)), None)
    if editor is None and removing:
        return editors[0]
    if editor is None:
        ranges = ", ".join(f"{adapter.name} ({adapter.versions})" for adapter in adapters)
        about = {"project": project, "engine": engine, "version": version, "ranges": ranges}
        raise UserError(told(texts.UNSERVED, **about))
    return editor


def _unknown(registry: Registry, engine: str) -> UserError:
    names = sorted({adapter.engine for adapter in registry.adapters if adapter.editor is not None})
    known = told(texts.COMMA).join(names) or told(texts.NONE)
    disabled = told(texts.COMMA).join(registry.disabled)
    lacking = told(texts.LACKING, names=disabled) if disabled else ""
    return UserError(told(texts.UNKNOWN, engine=engine, known=known, lacking=lacking))


def _without_addon(adapters: Sequence[Adapter], engine: str, project: Path, *, removing: bool) -> UserError:
    if removing:
        return UserError(told(texts.NO_ADDON, engine=engine))
    if not project.is_dir():
        return _no_folder(engine, project)
    without = texts.AUDIT_IT if any(adapter.project for adapter in adapters) else texts.NO_ADDON
    return UserError(told(without, engine=engine, project=typed(project)))


def _no_folder(engine: str, project: Path) -> UserError:
    return UserError(told(texts.NO_FOLDER, project=project, engine=engine))


def _instead(adapters: Sequence[Adapter], project: Path) -> str:
    """Where a project is that `project` lies in or holds, as far as there is one."""
    from bridge.audit.nearby import NAMED, folders_near

    near = folders_near(adapters, project)
    more = told(texts.MORE, count=len(near) - NAMED) if len(near) > NAMED else ""
    folders = told(texts.COMMA).join(str(folder) for folder in near[:NAMED])
    return told(texts.INSTEAD, folders=folders, more=more) if near else told(texts.NAME_ONE)


def _version_text(editors: Sequence[EditorSupport], project: Path) -> str | None:
    texts = (editor.project_version(project) for editor in editors)
    return next((text for text in texts if text is not None), None)
