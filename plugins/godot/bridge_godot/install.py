"""Installs the addons into Godot projects, and finds Godot editors on this machine."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from bridge.api import AssetChange, HeadlessEditor, UserError
from bridge_godot import project as projects
from bridge_godot.configfile import ConfigText
from bridge_godot.headless import GodotHeadless
from bridge_godot.versions import SCHEME

ADDON = Path("addons") / "popbridge"
# Godot writes these beside an addon's files; they go when the addon goes.
GENERATED = (".uid", ".import")


@dataclass(frozen=True)
class Generation:
    """What differs between Godot 3 and Godot 4 from outside."""

    name: str
    versions: str
    stable: str
    """The version that the stand-in for an editor calls itself."""
    array: str
    resource: str
    executables: tuple[str, ...]
    """Names of editors that run without a display, as they are called in PATH."""
    headless: tuple[str, ...]
    """Arguments with which the editor needs no display."""
    template: str
    """`project.godot` of a new project; `{name}` is its name."""
    state: tuple[str, ...] = ()
    """What the addon keeps in the project, outside of what is committed."""

    @property
    def variable(self) -> str:
        """The environment's name for the editor, perhaps with arguments."""
        return f"POPBRIDGE_{self.name.upper()}"

    @property
    def addon(self) -> Path:
        return Path(__file__).parent / "editor" / self.name / ADDON


GODOT3 = Generation(
    name="godot3",
    versions=">=3.5,<4",
    stable="3.6.stable.popbridge",
    array="PoolStringArray",
    resource="StreamTexture",
    executables=("godot3-server",),
    headless=(),
    template='config_version=4\n\n[application]\n\nconfig/name="{name}"\n',
    state=(".import/popbridge*",),
)
GODOT4 = Generation(
    name="godot4",
    # An unknown Godot 5 is served too, with a notice.
    versions=">=4.2,<5",
    stable="4.6.stable.popbridge",
    array="PackedStringArray",
    resource="CompressedTexture2D",
    executables=("godot4", "godot"),
    headless=("--headless",),
    template='config_version=5\n\n[application]\n\nconfig/name="{name}"\n'
    'config/features=PackedStringArray("4.2")\n',
    state=(".godot/popbridge*",),
)


class GodotSupport:
    """Projects and editors of one generation of Godot."""

    def __init__(self, generation: Generation) -> None:
        self._godot = generation

    def project_version(self, project: Path) -> str | None:
        return projects.version(project)

    def serves(self, version: Version) -> bool:
        # 4.5.dev has what 4.5 has, though PEP 440 sorts it before.
        return SpecifierSet(self._godot.versions).contains(version.base_version, prereleases=True)

    def install(self, project: Path) -> Sequence[AssetChange]:
        self._check(project)
        source = self._godot.addon
        if not (source / "plugin.cfg").is_file():
            raise UserError(f"The addon isn't in this installation of PopBridge ({source}): install it anew.")
        try:
            changes = [*_copy(source, project), *_remove_stale(source, project)]
        except OSError as error:
            raise _unwritable(project / ADDON, error) from None
        return [*changes, self._edit_project(project, enable=True)]

    def remove(self, project: Path) -> Sequence[AssetChange]:
        if not (project / projects.FILE).is_file():
            raise _no_project(project)
        # Disabled first: a Godot that is open must not look for an addon that is gone.
        changes = [self._edit_project(project, enable=False)]
        try:
            changes += _remove_files(project)
            for pattern in self._godot.state:
                for file in project.glob(pattern):
                    file.unlink()
        except OSError as error:
            raise _unwritable(project / ADDON, error) from None
        return changes

    def find_editor(self) -> Sequence[str]:
        # The variable may hold a loader and its arguments before the editor itself.
        if wanted := os.environ.get(self._godot.variable):
            return [wanted] if Path(wanted).is_file() else split_command(wanted, windows=os.name == "nt")
        found = (shutil.which(name) for name in self._godot.executables)
        return next(([editor] for editor in found if editor), [])

    def editor_command(self, editor: Sequence[str], project: Path) -> Sequence[str]:
        return [*editor, *self._godot.headless, "--path", str(project), "--editor"]

    def create_project(self, folder: Path, textures: Mapping[str, Mapping[str, Any]]) -> None:
        projects.create(folder, self._godot.template, textures, self._godot.resource)

    def headless(self, project: Path, answer: str | None = None) -> HeadlessEditor:
        return GodotHeadless(project, self._godot.stable, answer)

    def _check(self, project: Path) -> None:
        found = projects.version(project)
        if found is None:
            raise _no_project(project)
        if not self.serves(SCHEME.parse(found)):
            raise UserError(
                f"{project} is a project of Godot {found}; this addon is made for {self._godot.versions}."
            )

    def _edit_project(self, project: Path, *, enable: bool) -> AssetChange:
        path = project / projects.FILE
        try:
            text = ConfigText.read(path)
            before = text.text
            if enable:
                projects.enable_addon(text, self._godot.array)
            else:
                projects.disable_addon(text)
            if text.text != before:
                text.write(path)
        except OSError as error:
            raise _unwritable(path, error) from None
        return AssetChange(projects.FILE, "unchanged" if text.text == before else "updated")


def split_command(command: str, *, windows: bool) -> list[str]:
    """A program and its arguments, which may be quoted; a backslash is part of a path on Windows."""
    if windows:
        return [part.strip('"') for part in shlex.split(command, posix=False)]
    return shlex.split(command)


def _copy(source: Path, project: Path) -> Iterator[AssetChange]:
    for file in _files(source):
        place = ADDON / file
        target = project / place
        new = (source / file).read_bytes()
        old = target.read_bytes() if target.is_file() else None
        if old != new:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(new)
        what = "created" if old is None else "unchanged" if old == new else "updated"
        yield AssetChange(place.as_posix(), what)


def _remove_stale(source: Path, project: Path) -> Iterator[AssetChange]:
    """Removes what an older PopBridge had installed and this one hasn't any more."""
    ours = {file.as_posix() for file in _files(source)}
    for file in _files(project / ADDON):
        if file.as_posix() not in ours and _without_generated(file) not in ours:
            (project / ADDON / file).unlink()
            yield AssetChange((ADDON / file).as_posix(), "removed")


def _remove_files(project: Path) -> Iterator[AssetChange]:
    folder = project / ADDON
    if not folder.is_dir():
        return
    files = _files(folder)
    shutil.rmtree(folder)
    if not any(folder.parent.iterdir()):
        folder.parent.rmdir()
    yield from (AssetChange((ADDON / file).as_posix(), "removed") for file in files)


def _files(folder: Path) -> list[Path]:
    found = (f.relative_to(folder) for f in folder.rglob("*") if f.is_file() and "__pycache__" not in f.parts)
    return sorted(found)


def _without_generated(file: Path) -> str:
    return file.with_suffix("").as_posix() if file.suffix in GENERATED else file.as_posix()


def _no_project(project: Path) -> UserError:
    return UserError(f"{project} is no Godot project: there is no {projects.FILE} in it.")


def _unwritable(path: Path, error: OSError) -> UserError:
    return UserError(f"{path} can't be written: {error.strerror or error}.")
