"""Interfaces through which adapters read and write projects on this machine; part of `bridge.api`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Protocol

from msgspec import Meta, Struct
from packaging.version import Version

from accel.text import AnyText, text
from bridge.core.errors import UserError
from bridge.core.textures import Kind, Severity, TextureUses


class AssetChange(Struct, frozen=True):
    """An actual or planned change of a project file."""

    path: str
    """The path, relative to the project."""
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
    title: AnyText = ""
    """The title of all remarks of this code, with their number as `n`: `plural("{n} seam", "{n} seams", 1)`.
    Empty shows the code."""
    short_title: AnyText = ""
    """The same in two or three words, without a number; empty shows the code."""


class TextureAsset(Struct, frozen=True):
    """A texture of a project, read from the project's files."""

    path: str
    """The engine's name for it."""
    file: str
    """The path relative to the project, with `/` on every system."""
    options: Mapping[str, Any] | None = None
    """The import settings, by the engine's names; None if they are missing or can't be read."""
    problem: AnyText = ""
    """Why the settings can't be read or a folder can't be listed, for people. Such files aren't changed."""
    broken: bool = False
    """Whether the engine can't read the settings either, as with an unresolved merge conflict."""
    remarks: Sequence[Remark] = ()
    """Further findings, independent of the pixels."""
    gone: bool = False
    """Whether the texture was deleted and `file` is a leftover, such as its import settings.

    Only `problem` and `remarks` are reported.
    """
    read_only: AnyText = ""
    """Why the settings can be read but not changed, for people; empty if they can."""
    settings: str = ""
    """The file with the import settings, relative to the project; empty if they aren't in one of their own.

    Audits say if it is read-only or a Git LFS pointer.
    """
    header_only: AnyText = ""
    """Why only the header of a texture can be read, for people; empty if its pixels are.

    Such a texture counts, although `gone` is set and only `problem` and `remarks` are reported.
    """
    as_is: bool = False
    """Whether the engine uses the file without import settings, so that none are missing."""


class ProjectSupport(Protocol):
    """Reads and writes an engine's projects through their files, without editors or sockets."""

    def project_version(self, project: Path) -> str | None:
        """Returns the engine version from the project's files; None if it isn't a project of this engine.

        Raises UserError if the files should contain a version and don't.
        """

    def textures(self, project: Path) -> Iterator[TextureAsset]:
        """Yields the project's textures; a project may have 100,000."""

    def texture(self, project: Path, file: str) -> TextureAsset | None:
        """Returns the texture at `file`, relative to the project; None if it isn't one.

        The result equals that of `textures`, except that `remarks` may be missing. A texture without written
        import settings has no options, in any folder.
        """

    def uses(self, project: Path) -> Mapping[str, TextureUses | Sequence[Kind]]:
        """Returns how materials and scenes use each texture, by `TextureAsset.file`.

        A list of kinds, as of plugins for 0.1.0, stands for slots of these kinds.
        """

    def apply(self, project: Path, changes: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        """Writes import settings: for each change, sets its `options` in the texture `path`.

        Other options stay unchanged; None removes one. Returns the result of the command `texture.apply`:
        `before`, `after` and `errors`, each a list with one map per file, which contains its `path`.

        Changes of an audit also have `seen`, all options that the finding was based on. If they differ from
        the file's now, the file stays unchanged and the error is `changed_since`. Reverts have `expected`,
        the last known options; `remaining_changes` returns those that may be reverted.
        """


class PixelSource(Protocol):
    """Finds the pixels of textures whose editor reports neither a file below the root nor a blob."""

    def pixels(self, project: Path, path: str, options: Mapping[str, Any]) -> Path | bytes | None:
        """Returns an image file, or the bytes of one; None if unknown.

        `path` is the engine's name and `options` are the import settings, both as the editor reported them: a
        file is read only if the user has registered a folder above it (`popbridge roots`).
        """


class AddonInstaller(Protocol):
    """Installs an editor addon into projects, through their files."""

    project_list: AnyText = ""
    """The program whose list `known_projects` reads, for people; empty if it is the engine's editor."""

    def project_version(self, project: Path) -> str | None:
        """Returns the engine version, like `ProjectSupport.project_version`."""

    def serves(self, version: Version) -> bool:
        """Returns whether this adapter's addon supports projects of `version`."""

    def known_projects(self) -> Sequence[Path]:
        """Returns the projects in the engine's own list, most recent first if the list records that."""
        return ()

    def install(self, project: Path) -> Sequence[AssetChange]:
        """Installs and enables the addon; idempotent. Raises UserError."""

    def remove(self, project: Path) -> Sequence[AssetChange]:
        """Undoes `install`. Raises UserError."""

    def install_reference(self, project: Path) -> Sequence[AssetChange]:
        """Enables the addon without copying it: the project refers to its files in this installation.

        `install` and `remove` undo it. Raises UserError, also if the engine has no such references.
        """
        raise UserError(text("This engine's addon can't be installed by a reference. Omit `--reference`."))

    def reference(self, project: Path) -> str:
        """Returns the path or URL outside the project that it gets the addon from; empty without one."""
        return ""

    def fault(self, project: Path) -> AnyText:
        """Returns why the engine doesn't load the installed addon, as when it is disabled; empty if it does.

        It completes a sentence: "it is disabled". Files that are missing or changed don't count. Raises
        UserError.
        """
        return ""


class EditorSupport(ProjectSupport, AddonInstaller, Protocol):
    """Also manages the engine's editors on this machine, through files and processes, without sockets."""

    def find_editor(self) -> Sequence[str]:
        """Returns the command of an installed editor that runs without a display; empty if there is none."""

    def create_project(self, folder: Path, textures: Mapping[str, Mapping[str, Any]]) -> None:
        """Creates a project in `folder`, which already contains the texture files.

        `textures` maps each file's path, relative to `folder`, to its initial import options.
        """

    def editor_command(self, editor: Sequence[str], project: Path) -> Sequence[str]:
        """Returns the command that opens the project in `editor` without a display, until it is ended."""

    def window_command(self, editor: Sequence[str], project: Path) -> Sequence[str]:
        """Returns the command that opens the project in a window of `editor`; empty if it has no windows."""
        return ()

    def camera(
        self, editor: Sequence[str], project: Path, settings: Path, locale: str
    ) -> EditorCamera | None:
        """Returns what takes pictures of the window of `editor`; None if nothing can.

        `settings` is an empty folder for the editor's settings, which replace the person's own; `locale`
        (BCP 47) is its language.
        """
        return None

    def headless(self, project: Path, answer: str | None = None, locale: str = "en") -> HeadlessEditor:
        """Returns a simulated editor that speaks the protocol and edits the project's files.

        `answer` is the action that it chooses in each popup that offers it; None leaves popups open. `locale`
        (BCP 47) is its language; implementations without this parameter use English.
        """


class EditorCamera(Protocol):
    """Takes pictures of an editor's window, which shows one project."""

    command: Sequence[str]
    """Opens the project in a window, until it is ended."""
    env: Mapping[str, str]
    """What the command needs in its environment."""

    def install(self) -> None:
        """Prepares the project. Raises OSError."""

    def request(self, name: str, *, select: str = "", press: str = "", alone: bool = False) -> None:
        """Requests the picture `name`, once the window stands still, with the file `select` selected.

        With `press`, the button of this action is pressed instead, as soon as a popup has it. `alone` hides
        PopBridge's panel.
        """

    def is_done(self, name: str) -> bool:
        """Returns whether the request has been answered."""

    def picture(self, name: str) -> bytes:
        """Returns a picture as PNG. Raises OSError if there is none."""

    def remove(self) -> None:
        """Undoes `install`; the editor must have ended. Raises OSError."""


class EditorUse(Struct, frozen=True, kw_only=True):
    """A material's slot that uses a texture."""

    slot: str
    """The property's name, such as `_BumpMap`."""
    shader: str = ""
    """The shader's name; empty if unknown."""
    kind: str = ""
    """The kind that the slot expects, by its name in textures' intents; empty if unknown."""


class EditorTexture(Struct, frozen=True, kw_only=True):
    """What an editor knows of a texture."""

    path: str
    """The engine's name for it, as in `TextureAsset.path`."""
    file: str = ""
    """The image that it was imported from, relative to the project, with `/`; empty if that is elsewhere."""
    asset: str = ""
    """The file that contains the texture, relative to the project; empty if it is the image itself."""
    picture: str = ""
    """The name of an image with its pixels, beside the report; empty without one."""
    options: Mapping[str, Any] | None = None
    """The import settings, by the engine's names; None if the project's files have them."""
    width: Annotated[int, Meta(ge=0)] = 0
    """In the editor, pixels; 0 if unknown."""
    height: Annotated[int, Meta(ge=0)] = 0
    """In the editor, pixels; 0 if unknown."""
    format: Annotated[str, Meta(max_length=80)] = ""
    """The engine's name of the format in GPU memory; empty if unknown."""
    memory: Annotated[int, Meta(ge=0, lt=2**50)] = 0
    """Bytes of GPU memory on `EditorReport.platform`; 0 if unknown."""
    used_as: Sequence[EditorUse] = ()
    """The materials' slots that use it."""


class EditorReport(Struct, frozen=True, kw_only=True):
    """What a run of an editor has found."""

    version: int
    """Of this record: 1."""
    engine: str
    """The editor's version."""
    platform: str = ""
    """The engine's name of the platform that formats and memory are of."""
    textures: Sequence[EditorTexture] = ()
    """All that it could read."""
    errors: Sequence[str] = ()
    """What it couldn't read, and why."""


class EditorCommand(Struct, frozen=True):
    """How an editor is started."""

    arguments: Sequence[str]
    """The program and its arguments."""
    env: Mapping[str, str] = {}
    """Further variables of its environment."""


class BatchEditor(Protocol):
    """Runs an engine's editor without a window, to read what a project's files alone don't tell.

    Runs must not change the project.
    """

    caches: Sequence[str] = ()
    """The project's folders that editors may write at any time, and which aren't in version control."""

    def find(self, project: Path) -> Sequence[Path]:
        """Returns the editors on this machine for the project's version, the best first.

        Raises UserError if the project's files don't tell the version.
        """

    def command(self, editor: Path, project: Path, folder: Path) -> EditorCommand:
        """Returns the command that writes an `EditorReport` to `report.json` in `folder`, all at once.

        The private folder also gets the editor's log, `editor.log`, and pictures. Raises UserError if the
        editor can't read the project or would change it.
        """

    def failure(self, log: str) -> AnyText:
        """Returns why a run failed, and what to do; empty if the editor's log doesn't say."""
        return ""

    def complete(self, project: Path, report: EditorReport) -> EditorReport:
        """Returns the report with what the adapter knows of it, such as the kinds of slots."""
        return report


class HeadlessEditor(Protocol):
    """A simulated editor in this process."""

    async def run(self, connection_file: Path) -> None:
        """Connects, reports the project's textures as imported, and executes commands until cancelled."""
