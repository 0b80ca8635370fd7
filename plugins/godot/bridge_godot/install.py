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

from bridge.api import Addon, AssetChange, HeadlessEditor, Kind, TextureAsset, UserError, text
from bridge_godot import addonfiles, assets
from bridge_godot import project as projects
from bridge_godot.addonfiles import ADDON
from bridge_godot.configfile import ConfigText
from bridge_godot.headless import GodotHeadless
from bridge_godot.uses import uses
from bridge_godot.versions import SCHEME


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


CLIENT = "popbridge-godot"
"""What the addons call themselves."""


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
            raise UserError(
                text(
                    "The addon isn't in this installation of PopBridge ({source}): install it anew.",
                    source=source,
                )
            )
        try:
            stale = set(addonfiles.listed(project)) - set(addonfiles.of_source(source))
            changes = [*addonfiles.copy(source, project), *addonfiles.remove(project, sorted(stale))]
        except OSError as error:
            raise _unwritable(project / ADDON, error) from None
        return [*changes, self._edit_project(project, enable=True)]

    def remove(self, project: Path) -> Sequence[AssetChange]:
        # Whichever addon is there: the project may be of another version by now than it was installed for.
        if not (project / projects.FILE).is_file():
            raise _no_project(project)
        # Disabled first: a Godot that is open must not look for an addon that is gone.
        changes = [self._edit_project(project, enable=False)]
        try:
            changes += _remove_addon(project)
        except OSError as error:
            raise _unwritable(project / ADDON, error) from None
        return changes

    def addon(self) -> Addon | None:
        """None where it isn't in this installation."""
        try:
            return Addon(CLIENT, addonfiles.version(self._godot.addon))
        except OSError:
            return None

    def find_editor(self) -> Sequence[str]:
        # The variable may hold a loader and its arguments before the editor itself.
        if wanted := os.environ.get(self._godot.variable):
            return _named(self._godot.variable, wanted)
        found = (shutil.which(name) for name in self._godot.executables)
        return next(([editor] for editor in found if editor), [])

    def editor_command(self, editor: Sequence[str], project: Path) -> Sequence[str]:
        return [*editor, *self._godot.headless, "--path", str(project), "--editor"]

    def create_project(self, folder: Path, textures: Mapping[str, Mapping[str, Any]]) -> None:
        projects.create(folder, self._godot.template, textures, self._godot.resource)

    def headless(self, project: Path, answer: str | None = None, locale: str = "en") -> HeadlessEditor:
        return GodotHeadless(project, self._godot.stable, answer, locale)

    def textures(self, project: Path) -> Iterator[TextureAsset]:
        return assets.textures(project)

    def texture(self, project: Path, file: str) -> TextureAsset | None:
        return assets.texture(project, file)

    def uses(self, project: Path) -> Mapping[str, Sequence[Kind]]:
        return uses(project)

    def apply(self, project: Path, changes: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        places = [str(change.get("path")).removeprefix(assets.RES) for change in changes]
        before = {place: assets.written(project, place) for place in places}
        done = GodotHeadless(project, self._godot.stable).apply(changes)
        for change in done["after"]:
            place = change["path"].removeprefix(assets.RES)
            assets.forget_import(project, place, before[place])
        return done

    def _check(self, project: Path) -> None:
        found = projects.version(project)
        if found is None:
            raise _no_project(project)
        if not self.serves(SCHEME.parse(found)):
            raise UserError(
                text(
                    "{project} is a project of Godot {found}; this addon is made for {versions}.",
                    project=project,
                    found=found,
                    versions=self._godot.versions,
                )
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


def _named(variable: str, wanted: str) -> list[str]:
    """The command that a variable holds; a path, of a folder too, may have spaces. Raises UserError."""
    if os.path.exists(wanted):
        return [wanted]
    try:
        return split_command(wanted, windows=os.name == "nt")
    except ValueError as error:
        raise UserError(
            text(
                "{variable} holds no command: {wanted} ({error}). Mend or unset it.",
                variable=variable,
                wanted=wanted,
                error=error,
            )
        ) from None


def split_command(command: str, *, windows: bool) -> list[str]:
    """A program and its arguments, which may be quoted; a backslash is part of a path on Windows."""
    if windows:
        return [part.strip('"') for part in shlex.split(command, posix=False)]
    return shlex.split(command)


def _remove_addon(project: Path) -> Sequence[AssetChange]:
    ours = {*addonfiles.listed(project), addonfiles.MANIFEST}
    for generation in (GODOT3, GODOT4):
        ours |= set(addonfiles.of_source(generation.addon))
        for pattern in generation.state:
            for file in project.glob(pattern):
                file.unlink()
    changes = list(addonfiles.remove(project, sorted(ours)))
    addonfiles.remove_empty_folders(project)
    return changes


def _no_project(project: Path) -> UserError:
    return UserError(
        text("{project} is no Godot project: there is no {file} in it.", project=project, file=projects.FILE)
    )


def _unwritable(path: Path, error: OSError) -> UserError:
    return UserError(
        text(
            "{filename} can't be written: {strerror}.",
            filename=error.filename or path,
            strerror=error.strerror or error,
        )
    )
