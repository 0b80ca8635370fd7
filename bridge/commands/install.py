"""`popbridge install`: installs the editor addon in a project, or removes it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import click
from msgspec import Struct

from accel.text import AnyText, sentences, text
from bridge.api import Adapter, AddonInstaller, AssetChange
from bridge.commands import options
from bridge.commands.options import as_json, print_json, show_notice
from bridge.commands.run.plan import disabled_plugins
from bridge.commands.terminal import say
from bridge.core.access import LOCAL_ID
from bridge.core.errors import UserError
from bridge.core.versions import lowest
from bridge.host import host
from bridge.host.host import Registry
from bridge.paths import Paths, daemon_command, quoted, record_start_command
from bridge.store.addon_manifests import Difference, Manifest, Manifests, nearest, save_copies
from bridge.store.audit_log import AuditLog
from bridge.store.roots import check_root, open_roots, resolved_root

MAX_LISTED = 20

DONE = {
    "created": text("created    {path}"),
    "updated": text("updated    {path}"),
    "removed": text("removed    {path}"),
    "unchanged": text("unchanged  {path}"),
}


@click.command()
@click.argument("engine", shell_complete=options.engines)
@click.argument("project", type=click.Path(path_type=Path), required=False)
@click.option("--remove", is_flag=True, help="Remove the addon.")
@click.option(
    "--reference",
    is_flag=True,
    help="Refer to the addon's files instead of copying them, where the engine can.",
)
@click.option("-v", "--verbose", is_flag=True, help="List each file.")
@as_json
def install(
    engine: str, project: Path | None, remove: bool, reference: bool, verbose: bool, as_json: bool
) -> None:
    """Install the editor addon in a project.

    The project's own files tell the version of ENGINE. Without PROJECT, it offers those that the engine's own
    list has. Without ENGINE, the project's files tell it. Running it again updates the addon.
    """
    if remove and reference:
        raise click.UsageError(say(text("--remove and --reference exclude each other.")))
    registry = host.load()
    if project is None and (found := _engine_of(registry, engine, removing=remove)):
        engine, project = found, Path(engine)
    if project is None:
        project = _choose_project(registry, engine)
    try:
        installer = find_installer(registry, engine, project, removing=remove)
        AuditLog(Paths.find()).append(
            "addon.remove" if remove else "addon.install",
            subject=str(project.resolve()),
            detail={"engine": engine.lower()},
        )
        paths = Paths.find()
        state = _state(registry, engine, project)
        copies = _save_changed(paths, project, state.difference)
        if remove:
            changes = installer.remove(project)
        elif reference:
            # Installers of plugins for 0.3.0 and older have no such method.
            refer = getattr(
                installer, "install_reference", partial(AddonInstaller.install_reference, installer)
            )
            changes = refer(project)
        else:
            changes = installer.install(project)
        if not remove:
            record_start_command(paths, daemon_command())
    except OSError as error:
        raise UserError(
            text(
                "Can't write {file} ({reason}).",
                file=error.filename or project,
                reason=error.strerror or error,
            )
        ) from None
    _register(paths, project, remove=remove)
    _tell_of_changes(state.difference, copies, remove=remove)
    if as_json:
        for change in changes:
            print_json(change)
        return
    for change in changes if verbose else ():
        done = DONE.get(change.what, text("{what} {path}"))
        click.echo(say(done.fill(what=change.what, path=change.path)))
    click.echo(say(_summary(changes, project, state, remove=remove)))


def _register(paths: Paths, project: Path, *, remove: bool) -> None:
    """Lets PopBridge read the project, or no longer. A notice tells if the daemon will never read it."""
    if remove:
        if paths.database.exists():
            found = resolved_root(project)
            with open_roots(paths.database) as store:
                if any(root.path == found for root in store.all()):
                    AuditLog(paths).append("root.remove", subject=found)
                store.remove(found)
        return
    try:
        found = check_root(os.fspath(project), paths.own_folders)
    except UserError as error:
        show_notice(error.text)
        return
    with open_roots(paths.database) as store:
        if found not in store.paths(LOCAL_ID):
            AuditLog(paths).append("root.register", subject=found)
        store.add(found, "install")


class _State(Struct, frozen=True):
    """A project's addon before the command."""

    difference: Difference
    """From the most similar version that is known."""
    installed: bool | None
    """Whether there is one; None if that is unknown."""


def _state(registry: Registry, engine: str, project: Path) -> _State:
    """Looks at the project's addon, and stores the manifests of the present ones.

    Raises OSError and UserError.
    """
    # It takes 33 ms to import, which an unknown engine need not cost.
    from bridge.server.handshake import addon_of, referenced_addon

    stored = Manifests(Paths.find())
    manifests: list[Manifest] = []
    installed: bool | None = None
    for adapter in registry.adapters:
        addon = addon_of(adapter) if adapter.engine == engine.lower() else None
        if addon is not None and addon.files:
            stored.add(Manifest(adapter.name, addon.version, dict(addon.files), addon.sidecars))
            manifests += stored.all(adapter.name)
            is_there = any((project / file).exists() for file in addon.files)
            installed = installed or is_there or bool(referenced_addon(adapter, project))
    return _State(nearest(project, manifests), installed)


def _save_changed(paths: Paths, project: Path, found: Difference) -> Path | None:
    """Copies the addon's changed files, which are about to be lost; returns the folder. Raises OSError."""
    folder = paths.data / "addons/replaced" / f"{project.resolve().name}-{time.strftime('%Y%m%d-%H%M%S')}"
    return folder if save_copies(project, found.changed, folder) else None


def _tell_of_changes(found: Difference, copies: Path | None, *, remove: bool) -> None:
    """Says which files of the addon were lost, where copies are, and which files stay."""
    if lost := Difference(found.changed, () if remove else found.missing):
        said = (
            text("Changed files of the addon were removed, too: {files}.", files=lost.text)
            if remove
            else text(
                "Files of the addon that differed from what this PopBridge ships were replaced: {files}.",
                files=lost.text,
            )
        )
        where = text("Copies of the changed ones are in {folder}.", folder=copies) if copies else ""
        show_notice(sentences((said, where)))
    if found.added:
        files = Difference(added=found.added).text
        show_notice(text("Files in the addon's folder aren't PopBridge's and stay: {files}.", files=files))


def _summary(changes: Sequence[AssetChange], project: Path, state: _State, *, remove: bool) -> AnyText:
    count = sum(change.what != "unchanged" for change in changes)
    if not count:
        return text("{project}: nothing to change.", project=project)
    if remove:
        return text("{project}: the addon is removed.", project=project)
    created = any(change.what == "created" for change in changes)
    if created if state.installed is None else not state.installed:
        return text(
            "{project}: the addon is installed. Open the project to use it.",
            project=project,
        )
    return text("{project}: the addon is updated. Reopen the project to use it.", project=project)


def _choose_project(registry: Registry, engine: str) -> Path:
    """Returns the project that the user chooses from the engine's own list. Raises UserError."""
    installers = [
        a.installer for a in registry.adapters if a.engine == engine.lower() and a.installer is not None
    ]
    if not installers:
        raise _unknown_engine(registry, engine)
    listed = [project for installer in installers for project in installer.known_projects()][:MAX_LISTED]
    if not listed:
        # Installers of plugins for 0.3.0 and older have no such attribute.
        program = next((name for each in installers if (name := getattr(each, "project_list", ""))), "")
        raise UserError(
            text(
                "{program} lists no project. Give a project's folder.",
                program=program or registry.engine_name(engine.lower()),
            )
        )
    if not sys.stdin.isatty():
        commands = [f"popbridge install {engine} {quoted(project)}" for project in listed]
        raise UserError(text("Which project? {commands}", commands="\n  ".join(["", *commands])))
    for number, project in enumerate(listed, 1):
        click.echo(f"{number:>3}  {project}")
    chosen: int = click.prompt(say(text("Which one")), type=click.IntRange(1, len(listed)), default=1)
    return listed[chosen - 1]


def _engine_of(registry: Registry, place: str, *, removing: bool) -> str:
    """Returns the engine of the project in the folder `place`; empty if it is none, or an engine's name.

    Raises UserError if it has projects of several engines.
    """
    if any(adapter.engine == place.lower() for adapter in registry.adapters) or not Path(place).is_dir():
        return ""
    engines = _engines(registry, Path(place))
    if len(engines) > 1 and removing:
        raise UserError(
            text(
                "{project} has projects of several engines. Name one: {commands}",
                project=place,
                commands=[
                    f"`popbridge install {engine} {quoted(Path(place))} --remove`" for engine in engines
                ],
            )
        )
    if len(engines) > 1:
        raise _several_error(registry, engines, Path(place))
    return engines[0] if engines else ""


def _several_error(registry: Registry, engines: Sequence[str], project: Path) -> UserError:
    """Returns the error for a folder of several engines, which audits refuse, too."""
    return UserError(
        text(
            "{project} is a project of several engines ({engines}). Move each into a folder of its own.",
            project=project,
            engines=[registry.engine_name(engine) for engine in engines],
        )
    )


def _engines(registry: Registry, project: Path) -> list[str]:
    """Returns the engines that have an addon and a project in this folder."""
    found = set()
    for adapter in registry.adapters:
        # An adapter is a plugin, and a file of another engine may be damaged.
        with suppress(Exception, SystemExit):
            if adapter.installer is not None and adapter.installer.project_version(project) is not None:
                found.add(adapter.engine)
    return sorted(found)


def find_installer(
    registry: Registry, engine: str, project: Path, *, removing: bool = False
) -> AddonInstaller:
    """Returns the installer for the engine version of `project`. Raises UserError.

    With `removing`, any version's installer can do it, because the project may have been upgraded since.
    """
    adapters = [adapter for adapter in registry.adapters if adapter.engine == engine.lower()]
    if not adapters:
        raise _unknown_engine(registry, engine)
    name = adapters[0].scheme.name
    installers = [each for adapter in adapters if (each := adapter.installer) is not None]
    if not installers:
        raise _without_addon(adapters, name, project, removing=removing)
    if not project.is_dir():
        raise _not_a_folder(name, project)
    try:
        version_text = _version_text(installers, project)
    except UserError:
        if removing:
            return installers[0]
        raise
    if version_text is None:
        near = _nearby(adapters, project)
        if not near:
            raise UserError(
                text(
                    "No {engine} project is in {project}. Give the folder of one.",
                    project=project,
                    engine=name,
                )
            )
        raise UserError(
            text(
                "No {engine} project is in {project}. Projects nearby: {folders}.",
                project=project,
                engine=name,
                folders=near,
            )
        )
    if not removing and len(engines := _engines(registry, project)) > 1:
        raise _several_error(registry, engines, project)
    version = adapters[0].scheme.parse(version_text)
    installer = next((each for each in installers if each.serves(version)), None)
    if installer is None and removing:
        return installers[0]
    if installer is None:
        raise _unserved(registry, adapters, project, version_text)
    choice = None if removing else registry.choose(adapters[0].engine, version_text)
    if choice is not None and choice.notice:
        show_notice(choice.notice)
    return installer


def _unserved(registry: Registry, adapters: Sequence[Adapter], project: Path, version_text: str) -> UserError:
    """Returns the error for a version without an addon, although other versions have one."""
    engine, scheme = adapters[0].engine, adapters[0].scheme
    version = scheme.parse(version_text)
    served = (lowest(each.versions) for each in adapters if each.installer is not None)
    needed = min((each for each in served if each > version), default=None)
    name = registry.engine_name(engine, version_text)
    if needed is None:
        return UserError(
            text(
                "{project} uses {engine}, for which there is no addon yet. Update PopBridge.",
                project=project,
                engine=name,
            )
        )
    choice = registry.choose(engine, version_text)
    audits = choice is not None and choice.adapter.project is not None
    return UserError(
        sentences(
            (
                text(
                    "{project} uses {engine}; the addon needs {name} {version} or newer.",
                    project=project,
                    engine=name,
                    name=scheme.name,
                    version=needed,
                ),
                text("`popbridge audit {project}` works without it.", project=quoted(project))
                if audits
                else "",
            )
        )
    )


def _unknown_engine(registry: Registry, engine: str) -> UserError:
    names = sorted({adapter.engine for adapter in registry.adapters if adapter.installer is not None})
    return UserError(
        sentences(
            (
                text(
                    "Unknown engine {engine}. Engines with an addon: {names}.",
                    engine=repr(engine),
                    names=names or text("none"),
                ),
                disabled_plugins(registry.disabled),
            )
        )
    )


def _without_addon(adapters: Sequence[Adapter], engine: str, project: Path, *, removing: bool) -> UserError:
    if not removing and not project.is_dir():
        return _not_a_folder(engine, project)
    if removing or not any(adapter.project for adapter in adapters):
        return UserError(text("{engine} has no editor addon yet.", engine=engine))
    return UserError(
        text(
            "{engine} has no editor addon yet. Use `popbridge audit {project}`.",
            engine=engine,
            project=quoted(project),
        )
    )


def _not_a_folder(engine: str, project: Path) -> UserError:
    return UserError(
        text(
            "{project} isn't a folder. Give the folder of your {engine} project.",
            project=project,
            engine=engine,
        )
    )


def _nearby(adapters: Sequence[Adapter], project: Path) -> list[AnyText]:
    """Returns the projects above or below `project`; the last ones only as a count."""
    # It needs numpy, which only this error pays for.
    from bridge.audit.project import NAMED, nearby_folders

    near = nearby_folders(adapters, project)
    folders: list[AnyText] = [str(folder) for folder in near[:NAMED]]
    return [*folders, text("{count} more", count=len(near) - NAMED)] if len(near) > NAMED else folders


def _version_text(installers: Sequence[AddonInstaller], project: Path) -> str | None:
    texts = (installer.project_version(project) for installer in installers)
    return next((text for text in texts if text is not None), None)
