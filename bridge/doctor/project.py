"""Checks of a project: engine, addon, access, rules and the files of its textures."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from accel.text import AnyText, plural, text
from bridge.api import Adapter, Addon, TextureAsset
from bridge.audit.project import Project, engine_of, find, read_only_notices
from bridge.core.access import LOCAL_ID
from bridge.core.errors import UserError
from bridge.core.versions import is_newer, lowest
from bridge.doctor.check import UPDATE, Check, Results, Step
from bridge.doctor.machine import settings_of
from bridge.host.host import Registry
from bridge.paths import Paths, quoted
from bridge.project import config
from bridge.project.files import is_lfs_pointer, is_read_only
from bridge.server.handshake import addon_of, referenced_addon
from bridge.store.addon_manifests import Difference, Manifest, Manifests, compare
from bridge.store.database import open_readonly
from bridge.store.roots import RootStore, is_covered, resolved_root, root_refusal

NAMED = 3
"""Files that a line names."""
LIMIT_S = 0.8
"""Time for looking at textures; a project may have 100,000."""


def steps(root: Path, paths: Paths, registry: Registry) -> Iterator[Step]:
    """Yields the checks of the project in the folder `root`."""
    yield "project.engine", lambda: engine(root, registry)
    yield "project.addon", lambda: addon(root, paths, registry)
    yield "project.editor", lambda: editor(root, registry)
    yield "project.roots", lambda: registered(root, paths, registry)
    yield "project.access", lambda: access(root)
    yield "project.rules", lambda: rules(root)
    yield "project.textures", lambda: textures(root, registry)


def engine(root: Path, registry: Registry) -> Results:
    """Checks that an adapter supports the project's engine version."""
    name = "project.engine"
    several = {engine for adapter in registry.adapters if (engine := engine_of([adapter], root))}
    if len(several) > 1:
        yield Check(
            name,
            "error",
            text(
                "{root} is a project of several engines ({engines}).",
                root=root,
                engines=[registry.engine_name(each) for each in sorted(several)],
            ),
            text("Move each project into a folder of its own."),
        )
        return
    found = find(registry, root)
    if found.adapter is None:
        remedy = text("Give the folder that you open in the engine's editor.")
        if several:
            remedy = text("Use a version of the engine that PopBridge supports.")
        yield Check(
            name,
            "error",
            found.notice or text("{root} isn't a project of a known engine.", root=root),
            remedy,
        )
    elif found.notice:
        yield Check(name, "warning", found.notice, _other_version(registry, found, found.adapter))
    else:
        yield Check(
            name,
            "ok",
            text(
                "{engine}, served by the adapter {adapter}.", engine=found.title, adapter=found.adapter.name
            ),
        )


def _other_version(registry: Registry, found: Project, adapter: Adapter) -> AnyText:
    """Returns what to do about a version that PopBridge isn't tested with."""
    own = [each for each in registry.adapters if each.engine == adapter.engine]
    if found.version is not None and is_newer(own, adapter.engine, found.version):
        return UPDATE
    return text(
        "Audits work; the editor addon needs {engine} {version} or newer.",
        engine=adapter.scheme.name,
        version=min(lowest(each.versions) for each in own),
    )


def addon(root: Path, paths: Paths, registry: Registry) -> Results:
    """Checks that the editor addon is installed, current and unchanged, and that the engine loads it."""
    name, found = "project.addon", _project(registry, root)
    if found is None or found.adapter is None or found.version is None:
        return
    own, installer = addon_of(found.adapter), found.adapter.installer
    if own is None or not own.files:
        yield Check(name, "ok", text("{engine} has no editor addon.", engine=found.adapter.scheme.name))
        return
    if installer is not None and not installer.serves(found.version):
        yield Check(name, "ok", text("{engine} has no editor addon.", engine=found.title))
        return
    install = f"popbridge install {found.adapter.engine} {quoted(root)}"
    difference = compare(root, _manifest(found.adapter, own))
    missing = len(difference.missing) == len(own.files)
    reference = referenced_addon(found.adapter, root) if missing else ""
    # Installers of plugins for 0.3.0 and older have no such method.
    look = getattr(installer, "fault", None)
    fault: AnyText = ""
    try:
        fault = look(root) if look is not None else ""
    except UserError as error:
        yield Check(
            "project.addon-loaded", "error", error.text, text("Then run `{install}`.", install=install)
        )
        if missing:
            return
    # It is also at fault where it isn't installed.
    if fault and (reference or not missing):
        yield Check(
            "project.addon-loaded",
            "error",
            text("{engine} doesn't load the editor addon: {fault}.", engine=found.title, fault=fault),
            text("Run `{install}` and reopen the project.", install=install),
        )
    if reference:
        yield Check(name, "ok", text("The editor addon comes from {place}.", place=reference))
    elif missing:
        yield Check(
            name,
            "warning",
            text("The editor addon isn't installed."),
            text("Run `{install}`.", install=install),
        )
    elif not difference:
        yield Check(
            name, "ok", text("The editor addon {version} is installed and unchanged.", version=own.version)
        )
    elif (older := _version(root, paths, found.adapter.name)) == own.version:
        yield Check(
            name,
            "warning",
            text("The editor addon is an older {version} than PopBridge has.", version=own.version),
            text("Run `{install}` and reopen the project.", install=install),
        )
    elif older:
        yield Check(
            name,
            "warning",
            text("The editor addon is {theirs}, but PopBridge has {ours}.", theirs=older, ours=own.version),
            text("Run `{install}` and reopen the project.", install=install),
        )
    elif not difference.missing and not difference.changed:
        yield Check(
            name,
            "warning",
            text("Files in the addon's folder aren't PopBridge's: {files}.", files=difference.text),
            text("Remove them, unless they are yours."),
        )
    elif difference.missing and not difference.changed:
        yield Check(
            name,
            "error",
            text(
                "Files of the editor addon are missing: {files}.",
                files=Difference(missing=difference.missing).text,
            ),
            text("Run `{install}` and reopen the project.", install=install),
        )
    else:
        yield Check(
            name,
            "warning",
            text(
                "The editor addon differs from the one that this PopBridge ships: {files}.",
                files=difference.text,
            ),
            text("Run `{install}` and reopen the project.", install=install),
        )


def editor(root: Path, registry: Registry) -> Results:
    """Checks that an editor for the project is on this machine, as `popbridge audit --with-editor` needs.

    Of engines that audits need no editor for, a missing one is no fault.
    """
    name, found = "project.editor", _project(registry, root)
    if found is None or found.adapter is None:
        return
    if found.adapter.batch_editor is None:
        if found.adapter.editor is not None:
            command = found.adapter.editor.find_editor()
            yield Check(
                name,
                "ok",
                text("The editor is {path}.", path=command[0])
                if command
                else text("No editor for {engine} was found; audits need none.", engine=found.title),
            )
        return
    editors = found.adapter.batch_editor.find(root)
    if editors:
        yield Check(name, "ok", text("The editor is {path}.", path=editors[0]))
        return
    yield Check(
        name,
        "warning",
        text("No editor for {engine} was found on this machine.", engine=found.title),
        text(
            "Install it, or name it: `popbridge audit --with-editor --editor PATH {root}`.", root=quoted(root)
        ),
    )


def _manifest(adapter: Adapter, own: Addon) -> Manifest:
    return Manifest(adapter.name, own.version, dict(own.files), own.sidecars)


def _version(root: Path, paths: Paths, adapter: str) -> str:
    """Returns the version of PopBridge that installed the addon; empty if it equals none."""
    # Without the key, reading would make another one.
    if not (paths.data / "addons" / "manifests.key").exists():
        return ""
    known = Manifests(paths).all(adapter)
    return next((each.version for each in known if not compare(root, each)), "")


def _project(registry: Registry, root: Path) -> Project | None:
    """Returns the project; None if its engine can't be read, which `engine` reports."""
    try:
        return find(registry, root)
    except UserError:
        return None


def registered(root: Path, paths: Paths, registry: Registry) -> Results:
    """Checks that the daemon may read the project."""
    name, path = "project.roots", resolved_root(root)
    found = _project(registry, root)
    if found is not None and found.adapter is None and not (root / config.NAME).exists():
        # A folder above projects; each of them is registered by itself.
        return
    if reason := root_refusal(path, paths.own_folders):
        yield Check(
            name,
            "error",
            text("PopBridge never reads all of {path}, because {reason}.", path=path, reason=reason),
            text("Move the project into a folder of its own."),
        )
        return
    roots = [resolved_root(Path(each).expanduser()) for each in settings_of(paths, registry)["roots"]]
    if is_covered(path, [*roots, *_stored(paths)]):
        yield Check(name, "ok", text("The daemon may read {path}.", path=path))
    else:
        yield Check(
            name,
            "warning",
            text("The daemon asks before it reads {path}.", path=path),
            text("Allow it with `popbridge roots add {path}`.", path=quoted(root)),
        )


def _stored(paths: Paths) -> list[str]:
    db = open_readonly(paths.database)
    if db is None:
        return []
    try:
        # A database of 0.2.0 that is only read has no such table.
        return RootStore(db).paths(LOCAL_ID) if db.table("roots").exists() else []
    finally:
        db.conn.close()


def access(root: Path) -> Results:
    """Checks that the project's folder can be read and written."""
    name = "project.access"
    readable, writable = os.access(root, os.R_OK | os.X_OK), os.access(root, os.W_OK)
    if readable and writable:
        yield Check(name, "ok", text("{root} can be read and written.", root=root))
        return
    yield Check(
        name,
        "warning" if readable else "error",
        text("{root} is read-only: nothing can be fixed or installed.", root=root)
        if readable
        else text("{root} can't be read.", root=root),
        text("Allow it with `chmod u+rwx {root}`.", root=quoted(root))
        if os.name == "posix"
        else text("Allow your user to change the folder."),
    )


def rules(root: Path) -> Results:
    """Checks `popbridge.toml`."""
    name = "project.rules"
    try:
        found = config.read(root)
    except UserError as error:
        yield Check(name, "error", error.text, text("Edit the file."))
        return
    notices = [*config.ignored_code_notices(root, found), *config.missing_folder_notices(root, found)]
    for notice in notices:
        yield Check(name, "warning", notice, text("Edit the file."))
    if not notices:
        exists = (root / config.NAME).exists()
        yield Check(
            name, "ok", text("popbridge.toml is valid.") if exists else text("There is no popbridge.toml.")
        )


def textures(root: Path, registry: Registry) -> Results:
    """Checks the files of textures: merge conflicts, Git LFS pointers and write protection."""
    name, found = "project.textures", _project(registry, root)
    if found is None or found.support is None:
        return
    seen, is_whole = _looked_at(found)
    pointers = [asset.file for asset in seen if is_lfs_pointer(root / asset.file)]
    pointers += [each.settings for each in seen if each.settings and is_lfs_pointer(root / each.settings)]
    conflicts = [asset.file for asset in seen if asset.broken and asset.settings not in pointers]
    # Whoever makes the files writable can't change these either: the adapter has another reason.
    for notice in read_only_notices(found, seen):
        yield Check("project.unchangeable", "ok", notice)
    protected = [
        each.file
        for each in seen
        if each.settings and not each.read_only and is_read_only(root / each.settings)
    ]
    if conflicts:
        yield Check(
            "project.conflicts",
            "error",
            plural(
                "The import settings of {n} texture can't be read, as after a merge conflict: {files}.",
                "The import settings of {n} textures can't be read, as after a merge conflict: {files}.",
                len(conflicts),
                files=_named(conflicts),
            ),
            text("Resolve the conflict in these files, for example with `git mergetool`."),
        )
    if pointers:
        yield Check(
            "project.lfs",
            "warning",
            plural(
                "{n} file is a Git LFS pointer, without its contents: {files}.",
                "{n} files are Git LFS pointers, without their contents: {files}.",
                len(pointers),
                files=_named(pointers),
            ),
            text("Get the files with `git lfs pull`."),
        )
    if protected:
        yield Check(
            "project.protected",
            "warning",
            plural(
                "{n} texture is read-only and can't be fixed: {files}.",
                "{n} textures are read-only and can't be fixed: {files}.",
                len(protected),
                files=_named(protected),
            ),
            text("Check the files out, for example with `p4 edit`."),
        )
    if not (conflicts or pointers or protected):
        done = (
            plural("{n} texture was looked at.", "{n} textures were looked at.", len(seen))
            if is_whole
            else plural(
                "The first {n} texture was looked at.", "The first {n} textures were looked at.", len(seen)
            )
        )
        yield Check(name, "ok", done)


def _looked_at(project: Project) -> tuple[list[TextureAsset], bool]:
    """Returns the textures that can be read within the time limit, and whether these are all."""
    deadline = time.monotonic() + LIMIT_S
    seen: list[TextureAsset] = []
    for asset in project.textures():
        if time.monotonic() > deadline:
            return seen, False
        seen.append(asset)
    return seen, True


def _named(files: Sequence[str]) -> list[AnyText]:
    names: list[AnyText] = list(files[:NAMED])
    return names if len(files) <= NAMED else [*names, text("{count} more", count=len(files) - NAMED)]
