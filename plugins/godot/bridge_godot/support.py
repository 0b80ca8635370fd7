"""Installs the addons into Godot projects, finds Godot editors, and works on projects without an editor."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from bridge.api import (
    Addon,
    AnyText,
    AssetChange,
    EditorCamera,
    EditorSupport,
    HeadlessEditor,
    ProjectFolder,
    TextureAsset,
    TextureUses,
    Transaction,
    UserError,
    read_text,
    text,
)
from bridge_godot import import_file
from bridge_godot import project as projects
from bridge_godot.camera import GodotCamera
from bridge_godot.config_file import ConfigFile
from bridge_godot.headless import GodotHeadless
from bridge_godot.texture_uses import texture_uses

CLIENT = "popbridge-godot"
"""The addons' name in `identify`."""
ADDON = Path("addons") / "popbridge"
CONFIG = "plugin.cfg"
MANIFEST = "files.txt"
"""In the addon's folder of a project: the files that PopBridge installed."""
MANIFEST_HEAD = "# Installed by PopBridge, which leaves other files in this folder alone.\n"
SIDECARS = (".uid", ".import")
"""Godot writes these beside an addon's files; they are removed with them."""
_VERSION_LINE = re.compile(rb'^(version="[^"+]*)', re.MULTILINE)


@dataclass(frozen=True)
class Generation:
    """The differences between Godot 3 and Godot 4 outside of texture options."""

    name: str
    versions: str
    stable: str
    """The version that the headless stand-in reports."""
    array: str
    """The type of arrays of strings."""
    resource: str
    """The type that textures are imported as."""
    executables: tuple[str, ...]
    """Names in PATH of editors that run without a display."""
    headless: tuple[str, ...]
    """Arguments with which the editor needs no display."""
    has_window: bool
    """Whether these editors also run with a window."""
    template: str
    """`project.godot` of a new project; `{name}` is its name."""
    state: tuple[str, ...]
    """Patterns of the files that the addon writes in the project."""

    @property
    def variable(self) -> str:
        """The environment variable with the editor's command."""
        return f"POPBRIDGE_{self.name.upper()}"

    @property
    def addon(self) -> Path:
        return Path(__file__).parent / "editor" / self.name / ADDON

    def state_files(self, project: Path) -> Iterator[str]:
        """Yields the paths, below the project, of the files that the addon has written there."""
        for pattern in self.state:
            for file in project.glob(pattern):
                yield file.relative_to(project).as_posix()


GODOT3 = Generation(
    name="godot3",
    versions=">=3.5,<4",
    stable="3.6.stable.popbridge",
    array="PoolStringArray",
    resource="StreamTexture",
    executables=("godot3-server",),
    headless=(),
    has_window=False,
    template='config_version=4\n\n[application]\n\nconfig/name="{name}"\n',
    state=(".import/popbridge*",),
)
GODOT4 = Generation(
    name="godot4",
    versions=">=4.2,<5",
    stable="4.6.stable.popbridge",
    array="PackedStringArray",
    resource="CompressedTexture2D",
    executables=("godot4", "godot"),
    headless=("--headless",),
    has_window=True,
    template='config_version=5\n\n[application]\n\nconfig/name="{name}"\n'
    'config/features=PackedStringArray("4.2")\n',
    state=(".godot/popbridge*",),
)
GENERATIONS = (GODOT3, GODOT4)


class GodotSupport(EditorSupport):
    """Projects and editors of Godot 3 or Godot 4."""

    def __init__(self, generation: Generation) -> None:
        self._godot = generation

    def project_version(self, project: Path) -> str | None:
        return projects.version(project)

    def serves(self, version: Version) -> bool:
        # PEP 440 sorts 4.5.dev before 4.5, but it has the features of 4.5.
        return SpecifierSet(self._godot.versions).contains(version.base_version, prereleases=True)

    def known_projects(self) -> Sequence[Path]:
        return projects.known_projects(3 if self._godot.name == "godot3" else 4)

    def install(self, project: Path) -> Sequence[AssetChange]:
        self._check_version(project)
        source = self._godot.addon
        if not (source / CONFIG).is_file():
            raise UserError(
                text(
                    "The addon is missing from this installation ({source}): reinstall PopBridge.",
                    source=source,
                )
            )
        try:
            with ProjectFolder(project) as folder, Transaction(folder) as changes:
                names = addon_files(source)
                contents = {name: _addon_file(source, name) for name in names} | {MANIFEST: _manifest(names)}
                obsolete = sorted({*installed_files(project)} - {*contents})
                done = [changes.write(_path(name), content) for name, content in contents.items()]
                done += _remove_files(changes, obsolete)
                # Enabled last: an open Godot must not load half of the addon.
                done.append(self._edit_project(changes, project, enable=True))
                changes.commit()
        except OSError as error:
            raise _unwritable(project / ADDON, error) from None
        return done

    def remove(self, project: Path) -> Sequence[AssetChange]:
        # Removes either addon: the project's version may have changed since it was installed.
        if not (project / projects.FILE).is_file():
            raise _not_a_project(project)
        try:
            with ProjectFolder(project) as folder, Transaction(folder) as changes:
                state = [file for each in GENERATIONS for file in each.state_files(project)]
                for file in (ADDON.as_posix(), *state):
                    folder.check(file, remove=True)
                # Disabled first: an open Godot must not load an addon that is gone.
                done = [self._edit_project(changes, project, enable=False)]
                done += _remove_files(changes, sorted(_removable_files(project)))
                changes.commit()
                for file in state:
                    folder.remove(file)
                if folder.remove_empty_folders(ADDON.as_posix()):
                    folder.remove_empty_folders(ADDON.parent.as_posix())
        except OSError as error:
            raise _unwritable(project / ADDON, error) from None
        return done

    def fault(self, project: Path) -> AnyText:
        try:
            enabled = projects.is_addon_enabled(ConfigFile.read(project / projects.FILE))
        except OSError as error:
            raise UserError(
                text(
                    "Can't read {file} ({reason}).",
                    file=error.filename or project / projects.FILE,
                    reason=error.strerror or error,
                )
            ) from None
        return "" if enabled else text("it is disabled in the project settings")

    def addon(self) -> Addon | None:
        """Returns the addon of this installation, or None if it is missing."""
        try:
            source = self._godot.addon
            names = addon_files(source)
            contents = {name: _addon_file(source, name) for name in names} | {MANIFEST: _manifest(names)}
            files = {
                (ADDON / name).as_posix(): hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()
                for name, content in contents.items()
            }
            return Addon(CLIENT, addon_version(source), files, SIDECARS)
        except OSError:
            return None

    def find_editor(self) -> Sequence[str]:
        # The variable may hold a loader and its arguments before the editor itself.
        if command := os.environ.get(self._godot.variable):
            return _command_of(self._godot.variable, command)
        editors = (shutil.which(name) for name in self._godot.executables)
        return next(([editor] for editor in editors if editor), [])

    def editor_command(self, editor: Sequence[str], project: Path) -> Sequence[str]:
        return [*editor, *self._godot.headless, "--path", str(project), "--editor"]

    def window_command(self, editor: Sequence[str], project: Path) -> Sequence[str]:
        # `godot3-server` has no windows.
        return [*editor, "--path", str(project), "--editor"] if self._godot.has_window else []

    def camera(
        self, editor: Sequence[str], project: Path, settings: Path, locale: str
    ) -> EditorCamera | None:
        if not self._godot.has_window:
            return None
        return GodotCamera(editor, project, self._godot.array, settings, locale)

    def create_project(self, folder: Path, textures: Mapping[str, Mapping[str, Any]]) -> None:
        projects.create(folder, self._godot.template, textures, self._godot.resource)

    def headless(self, project: Path, answer: str | None = None, locale: str = "en") -> HeadlessEditor:
        return GodotHeadless(project, self._godot.stable, answer, locale)

    def textures(self, project: Path) -> Iterator[TextureAsset]:
        return import_file.textures(project)

    def texture(self, project: Path, file: str) -> TextureAsset | None:
        return import_file.texture(project, file)

    def uses(self, project: Path) -> Mapping[str, TextureUses]:
        return texture_uses(project)

    def apply(self, project: Path, changes: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        files = [str(change.get("path")).removeprefix(import_file.RES) for change in changes]
        before = {file: import_file.modified_at(project, file) for file in files}
        result = GodotHeadless(project, self._godot.stable).apply(changes)
        for change in result["after"]:
            file = change["path"].removeprefix(import_file.RES)
            try:
                import_file.invalidate_import(project, file, before[file])
            except UserError as error:
                message = text("Reimport it in Godot to apply its new settings: {reason}", reason=error.text)
                result["errors"].append({"path": change["path"], "message": message})
        return result

    def _check_version(self, project: Path) -> None:
        found = projects.version(project)
        if found is None:
            raise _not_a_project(project)
        if not self.serves(projects.SCHEME.parse(found)):
            raise UserError(
                text(
                    "{project} is a project of Godot {version}; this addon supports {versions}.",
                    project=project,
                    version=found,
                    versions=self._godot.versions,
                )
            )

    def _edit_project(self, changes: Transaction, project: Path, *, enable: bool) -> AssetChange:
        """Plans to enable or disable the addon. Raises OSError and UserError."""
        config = ConfigFile.read(project / projects.FILE)
        if enable:
            projects.enable_addon(config, self._godot.array)
        else:
            projects.disable_addon(config)
        return changes.write(projects.FILE, config.text.encode("utf-8", "surrogateescape"))


def addon_files(source: Path) -> list[str]:
    """Returns the files of an addon in this installation of PopBridge."""
    files = (file.relative_to(source) for file in source.rglob("*") if file.is_file())
    return sorted(file.as_posix() for file in files if "__pycache__" not in file.parts)


def addon_version(source: Path) -> str:
    """Returns the version that the addon reports once it is installed. Raises OSError."""
    found = re.search(rb'^version="(.*)"', _addon_file(source, CONFIG), re.MULTILINE)
    return found[1].decode() if found else ""


def installed_files(project: Path) -> list[str]:
    """Returns the files that the manifest in a project names, perhaps of an older version. Raises OSError."""
    try:
        manifest = read_text(project / ADDON / MANIFEST)
    except FileNotFoundError:
        return []
    return [line for line in manifest.splitlines() if _is_safe_name(line)]


def split_command(command: str, *, windows: bool) -> list[str]:
    """Splits a command into a program and its arguments. On Windows a backslash is part of a path."""
    if windows:
        return [part.strip('"') for part in shlex.split(command, posix=False)]
    return shlex.split(command)


def _manifest(names: Iterable[str]) -> bytes:
    return (MANIFEST_HEAD + "".join(f"{name}\n" for name in names)).encode()


def _removable_files(project: Path) -> set[str]:
    """Returns the names of all files that any version of the addon has. Raises OSError."""
    names = {*installed_files(project), MANIFEST}
    return names.union(*(addon_files(each.addon) for each in GENERATIONS))


def _remove_files(changes: Transaction, names: Iterable[str]) -> Iterator[AssetChange]:
    """Plans to remove those of `names` that exist, and what Godot wrote beside them.

    Raises OSError and UserError.
    """
    for name in names:
        for extension in ("", *SIDECARS):
            if change := changes.remove(_path(name) + extension):
                yield change


def _path(name: str) -> str:
    """Returns the path of an addon's file below the project."""
    return (ADDON / name).as_posix()


def _addon_file(source: Path, name: str) -> bytes:
    """Returns the content of a file as it is installed; the version identifies the addon's exact content."""
    content = (source / name).read_bytes()
    if name != CONFIG:
        return content
    digest = hashlib.sha256()
    for file in addon_files(source):
        # Git may have converted the line breaks on Windows.
        digest.update(file.encode() + b"\0" + (source / file).read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return _VERSION_LINE.sub(rb"\1+" + digest.hexdigest()[:8].encode(), content, count=1)


def _is_safe_name(name: str) -> bool:
    """Whether a line of the manifest, which anybody may have edited, is a path inside the addon's folder."""
    path = PurePosixPath(name)
    is_odd = not name or name.startswith("#") or not {":", "\\", "\0"}.isdisjoint(name)
    return not is_odd and not path.is_absolute() and ".." not in path.parts


def _command_of(variable: str, value: str) -> list[str]:
    """Returns the command in a variable. An existing path may contain spaces. Raises UserError."""
    if os.path.exists(value):
        return [value]
    try:
        return split_command(value, windows=os.name == "nt")
    except ValueError as error:
        raise UserError(
            text(
                "{variable} isn't a valid command: {value} ({error}). Correct or unset it.",
                variable=variable,
                value=value,
                error=error,
            )
        ) from None


def _not_a_project(project: Path) -> UserError:
    return UserError(
        text("{project} isn't a Godot project: it has no {file}.", project=project, file=projects.FILE)
    )


def _unwritable(path: Path, error: OSError) -> UserError:
    return UserError(
        text(
            "{filename} can't be written: {strerror}.",
            filename=error.filename or path,
            strerror=error.strerror or error,
        )
    )
