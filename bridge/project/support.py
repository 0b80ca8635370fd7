"""An engine's projects on this machine, as adapters read and write them; part of `bridge.api`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct
from packaging.version import Version

from accel.text import AnyText
from bridge.core.textures import Kind, Severity


class AssetChange(Struct, frozen=True):
    """What was (or would be) done to one file of a project."""

    path: str
    """The file, below the project's root."""
    what: str
    """`created`, `updated`, `removed` or `unchanged`."""


class Remark(Struct, frozen=True):
    """An engine's own finding about a texture, which no import settings fix."""

    code: str
    """Its code in reports and baselines; with a dot: `acme.seams`."""
    severity: Severity
    """How serious it is."""
    text: AnyText
    """A sentence for people; it follows the file's name."""
    about: AnyText = ""
    """Explains all remarks of this code; empty shows `text`."""


class TextureAsset(Struct, frozen=True):
    """One texture of a project, as the project's own files have it."""

    path: str
    """As the engine names it."""
    file: str
    """Its place below the project's root, with `/` on every system."""
    options: Mapping[str, Any] | None = None
    """Its import settings, in the engine's own names; None where there are none, or none that can be read."""
    problem: AnyText = ""
    """Why they can't be read, or why a folder can't be listed, for people; such files are left untouched."""
    broken: bool = False
    """Whether the engine itself can't read them either, as after a merge that nobody has settled."""
    remarks: Sequence[Remark] = ()
    """What else is to be said of it, whatever its pixels are."""
    gone: bool = False
    """Whether there is no such texture any more, and `file` is what is left of it, as its import settings:
    of that only `problem` and `remarks` are told."""
    as_is: bool = False
    """Whether the engine takes the file as it is, so that it never gets import settings: none are missed."""


class ProjectSupport(Protocol):
    """An engine's projects on this machine, by their own files: no editor, no sockets."""

    def project_version(self, project: Path) -> str | None:
        """The engine version that the project's own files name; None if it is no project of this engine.

        Raises UserError where its files should name one and don't.
        """

    def textures(self, project: Path) -> Iterator[TextureAsset]:
        """The project's textures, one after the other; a project may have 100,000 of them."""

    def texture(self, project: Path, file: str) -> TextureAsset | None:
        """The texture at `file` below the project's root, as `textures` gives it, with or without its
        remarks; None where it is none, as what is imported as something else. One whose import settings
        nobody has written has no options, wherever it lies."""

    def uses(self, project: Path) -> Mapping[str, Sequence[Kind]]:
        """What the project's materials and scenes use textures as, by their `TextureAsset.file`."""

    def apply(self, project: Path, changes: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        """Writes import settings into the project's own files: `path` and `options` of each change.

        Only the options that are named change; None takes one away. The value is that of the command
        `texture.apply`: `before`, `after` and `errors`, one map with `path` in them for each file.

        A change of an audit has `seen`, too: all options of the file by which it was decided on. Where it has
        others by now, as somebody has set them since, nothing of it changes, and an error is what
        `changed_since` says. What puts back has `expected`, options as they were just before:
        `remaining_changes` says which of them stay.
        """


class EditorSupport(ProjectSupport, Protocol):
    """An engine's projects and, beside them, its editors on this machine: files and processes, no sockets."""

    def serves(self, version: Version) -> bool:
        """Whether this adapter's addon is the one for a project of `version`."""

    def install(self, project: Path) -> Sequence[AssetChange]:
        """Puts the addon into the project and enables it; repeating it changes nothing. Raises UserError."""

    def remove(self, project: Path) -> Sequence[AssetChange]:
        """Undoes `install`. Raises UserError."""

    def find_editor(self) -> Sequence[str]:
        """The command of an editor of this range that runs here without a display; empty if there is none."""

    def create_project(self, folder: Path, textures: Mapping[str, Mapping[str, Any]]) -> None:
        """Makes an empty project around texture files that are in `folder` already.

        `textures` maps a file's path below `folder` to the import options that it starts with.
        """

    def editor_command(self, editor: Sequence[str], project: Path) -> Sequence[str]:
        """The command that opens the project in `editor` without a display and stays open."""

    def headless(self, project: Path, answer: str | None = None, locale: str = "en") -> HeadlessEditor:
        """The built-in stand-in for an editor: it speaks the protocol and edits the project's files.

        `answer` is the action that it presses on each popup which has it; None leaves popups open. `locale`
        (BCP 47) is the language that it asks for; one that takes no `locale` goes on in English.
        """


class HeadlessEditor(Protocol):
    """A stand-in for an editor that runs in this process."""

    async def run(self, connection_file: Path) -> None:
        """Connects, reports the project's textures as imported, carries out commands, until cancelled."""
