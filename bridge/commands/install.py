"""`popbridge install`: puts the editor's side into a project, or takes it out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bridge.commands.shared import say_json
from bridge.core.errors import UserError

if TYPE_CHECKING:
    from bridge.api import Adapter, EditorSupport
    from bridge.host import Registry


@click.command()
@click.argument("engine")
@click.argument("project", type=click.Path(path_type=Path))
@click.option("--remove", is_flag=True, help="Undo it.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def install(engine: str, project: Path, remove: bool, as_json: bool) -> None:
    """Installs the addon for the project's own version of ENGINE into PROJECT; can be repeated."""
    from bridge import host

    try:
        editor = find_editor(host.load(), engine, project, removing=remove)
        changes = editor.remove(project) if remove else editor.install(project)
    except OSError as error:
        place = error.filename or project
        raise UserError(f"{place} can't be written ({error.strerror or error}).") from None
    if as_json:
        for change in changes:
            say_json(change)
        return
    for change in changes:
        click.echo(f"{change.what:<10} {change.path}")
    if all(change.what == "unchanged" for change in changes):
        click.echo("Nothing had to change.")
    elif not remove:
        click.echo(
            "Open the project in its editor: the addon connects by itself while `popbridge serve` runs."
        )


def find_editor(registry: Registry, engine: str, project: Path, *, removing: bool = False) -> EditorSupport:
    """The editor support for the version that `project`'s own files name. Raises UserError.

    For `removing` any will do: a project that has moved on to another version can still be cleared.
    """
    adapters = [adapter for adapter in registry.adapters if adapter.engine == engine.lower()]
    if not adapters:
        raise UserError(f"Unknown engine {engine!r}; known: {', '.join(registry.engines) or 'none'}.")
    editors = [editor for adapter in adapters if (editor := adapter.editor) is not None]
    if not editors:
        raise UserError(f"There is no addon for {engine} yet.")
    if not project.is_dir():
        raise UserError(f"{project} is no folder: name the folder of a {engine} project.")
    text = _version_text(editors, project)
    if text is None:
        raise UserError(f"{project} is no {engine} project{_instead(adapters, project)}.")
    version = adapters[0].scheme.parse(text)
    editor = next((editor for editor in editors if editor.serves(version)), None)
    if editor is None and removing:
        return editors[0]
    if editor is None:
        ranges = ", ".join(f"{adapter.name} ({adapter.versions})" for adapter in adapters)
        raise UserError(f"{project} is of {engine} {version}, which no addon serves; there are {ranges}.")
    return editor


def _instead(adapters: Sequence[Adapter], project: Path) -> str:
    """Where a project is that `project` lies in or holds; empty where there is none."""
    from bridge.audit.nearby import NAMED, folders_near

    near = folders_near(adapters, project)
    more = f" and {len(near) - NAMED} more" if len(near) > NAMED else ""
    names = ", ".join(str(folder) for folder in near[:NAMED])
    return f"; name the folder of one, as {names}{more}" if near else ""


def _version_text(editors: Sequence[EditorSupport], project: Path) -> str | None:
    texts = (editor.project_version(project) for editor in editors)
    return next((text for text in texts if text is not None), None)
