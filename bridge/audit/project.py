"""The project, or part of a project, that an audit covers."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace
from packaging.version import Version

from accel.text import AnyText, Text, plural, sentences, text
from bridge.advisors import advice
from bridge.advisors.texts import join_list
from bridge.api import Adapter, OptionLabel, ProjectSupport, TextureAsset, TextureUses, walk
from bridge.audit.editor_textures import EditorTextures
from bridge.audit.results import Issue
from bridge.core.errors import UserError
from bridge.core.messages import AdapterInfo
from bridge.core.versions import Choice, is_newer, lowest, reads_older
from bridge.host import isolation, validation
from bridge.project.files import WalkedFolder, is_hidden, is_read_only

if TYPE_CHECKING:
    from bridge.host.host import Registry


DEPTH = 2
"""Levels of folders in which projects are searched."""
MAX_FOLDERS = 2000
"""Folders that are searched."""
NAMED = 3
"""Projects that a message names."""


def projects_below(adapters: Iterable[Adapter], root: Path) -> AnyText:
    """Returns a notice about projects in `root`; empty without any."""
    place = root.resolve()
    found = list(_below(list(adapters), place))
    return _projects_notice(place, found) if found else ""


def nearby_folders(adapters: Iterable[Adapter], root: Path) -> list[Path]:
    """Returns the nearest project around `root`, otherwise those in it, the nearest first."""
    known, place = list(adapters), root.resolve()
    around = next(_projects(known, place.parents), None)
    return [folder for folder, _ in ([around] if around else _below(known, place))]


def _below(known: Sequence[Adapter], place: Path) -> Iterator[tuple[Path, str]]:
    """Yields the projects in `place` with their engines, the nearest first."""
    return _projects(known, islice(_folders(place, DEPTH), MAX_FOLDERS))


def _projects(known: Sequence[Adapter], folders: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    for folder in folders:
        if engine := engine_of(known, folder):
            yield folder, next(each.scheme.name for each in known if each.engine == engine)


def _projects_notice(place: Path, projects: Sequence[tuple[Path, str]]) -> Text:
    found = [(folder.relative_to(place).as_posix(), engine) for folder, engine in projects]
    engines = {engine for _, engine in found}
    names: list[AnyText] = [
        name if len(engines) == 1 else f"{name}: {engine}" for name, engine in found[:NAMED]
    ]
    if len(found) > NAMED:
        names.append(text("{count} more", count=len(found) - NAMED))
    if len(found) == 1:
        return text(
            "The folder contains a project of {engine} ({name}). Audit that to check its import settings.",
            engine=found[0][1],
            name=names[0],
        )
    if len(engines) == 1:
        return text(
            "The folder contains projects of {engine} ({names}). Audit each to check its import settings.",
            engine=found[0][1],
            names=join_list(names),
        )
    return text(
        "The folder contains projects ({names}). Audit each to check its import settings.",
        names=join_list(names),
    )


def engine_of(adapters: Iterable[Adapter], folder: Path) -> str:
    """Returns the engine of the project in a folder; empty without one, or if that can't be read."""
    for adapter in adapters:
        # An adapter is a plugin, and a folder may be unreadable.
        with suppress(Exception, SystemExit):
            if adapter.project is not None and adapter.project.project_version(folder) is not None:
                return adapter.engine
    return ""


def _folders(folder: Path, depth: int) -> Iterator[Path]:
    """Yields the folders below `folder`, nearest first, except hidden ones and links."""
    try:
        with os.scandir(folder) as listed:
            names = sorted(
                e.name for e in listed if e.is_dir(follow_symlinks=False) and not is_hidden(e.name, ())
            )
    except OSError:
        return
    yield from (folder / name for name in names)
    if depth > 1:
        for name in names:
            yield from _folders(folder / name, depth - 1)


IMAGES = (
    ".avif", ".bmp", ".dds", ".exr", ".gif", ".hdr", ".jpeg", ".jpg", ".ktx2", ".png", ".psd", ".tga", ".tif",
    ".tiff", ".webp",
)  # fmt: skip
"""Extensions of textures in folders without an engine."""
UNSET = text(
    "No texture has import settings yet, so only the files were checked. Open the project in its "
    "editor once and commit the import files."
)
SOME_UNSET = text(
    "Textures without import settings: {count}; the first is {file}. Only their files were checked. "
    "Open the project in its editor once and commit the import files."
)
READ_ONLY = plural(
    "The settings of {n} texture are read but not changed: {reason}.",
    "The settings of {n} textures are read but not changed. The first: {reason}.",
    0,
)
NOTHING_CHECKED = text("It contains no image files, so nothing was checked.")
HEADER_ONLY = plural(
    "Of {n} texture only the header was checked: {reason}.",
    "Of {n} textures only the headers were checked: {reason}.",
    0,
)
PROTECTED = plural(
    "The import settings of {n} texture are read-only, so --fix can't change them: check out {file}, for "
    "example with `p4 edit`, or make it writable.",
    "The import settings of {n} textures are read-only, so --fix can't change them: check them out, for "
    "example with `p4 edit`, or make them writable. The first is {file}.",
    0,
)
DISABLED = text(
    "Disabled plugins ({names}) can't recognise their projects, so only the files were checked. "
    "`popbridge plugins` shows why they are disabled."
)


class Project(Struct, frozen=True):
    """The audited folder; without an engine, only the files are checked."""

    root: Path
    adapter: Adapter | None = None
    version: Version | None = None
    support: ProjectSupport | None = None
    named: str = ""
    """The version in the project's own files."""
    notice: AnyText = ""
    """A notice about the choice of the adapter."""
    exact: bool = True
    """Whether the version is in the adapter's range."""
    failed: bool = False
    """Whether a plugin failed that may have recognised the project."""
    planned: Mapping[str, Mapping[str, Any]] = {}
    """By file: options that count as set already."""
    part: str = ""
    """The folder or file below `root`, with `/`, that is reported and fixed; empty for all."""
    is_file: bool = False
    """Whether `part` is a file."""
    editor: EditorTextures | None = None
    """What the engine's editor has read; it is `support`, too. None if the audit reads files only."""

    @property
    def engine(self) -> str:
        """The engine and its version; empty without one."""
        return f"{self.adapter.engine} {self.named}" if self.adapter else ""

    @property
    def title(self) -> str:
        """The engine and its version for people, such as `Acme 2021.3.6f1`; empty without one."""
        if self.adapter is None:
            return ""
        return f"{self.adapter.scheme.name} {self.adapter.scheme.shown(self.named)}"

    @property
    def adapter_info(self) -> AdapterInfo | None:
        """The adapter as editors get it in `ready`; None without an engine."""
        if self.adapter is None:
            return None
        return AdapterInfo(engine=self.adapter.engine, range=self.adapter.versions, exact=self.exact)

    @property
    def alone(self) -> bool:
        """Whether only the files of a part are checked, without the rest of a project."""
        return self.support is None and bool(self.part)

    def textures(self) -> Iterator[TextureAsset]:
        """Yields the textures; a project may have 100,000. Raises UserError."""
        try:
            for asset in self.support.textures(self.root) if self.support else _files(self.root, self.part):
                validation.check_texture(asset)
                yield _with(asset, self.planned.get(asset.file))
        except UserError:
            raise
        # An adapter is a plugin.
        except (Exception, SystemExit) as error:
            why = isolation.describe(error)
            raise UserError(
                text(
                    "The adapter for {engine} can't list the textures: {reason}.",
                    engine=self.title,
                    reason=why,
                )
            ) from error

    def image(self, file: str) -> Path:
        """Returns the image of the texture `file`, which may be elsewhere if the editor has read it."""
        found = self.editor.images.get(file) if self.editor else None
        return found or self.root / file

    def covers(self, file: str) -> bool:
        """Whether `file`, below the root, is in the audited part."""
        return not self.part or file == self.part or file.startswith(f"{self.part}/")

    def reports(self, file: str) -> bool:
        """Whether issues of `file` are reported; a folder that can't be listed may contain the part."""
        return self.covers(file) or file == "." or self.part.startswith(f"{file}/")

    def imports_otherwise(self, file: str) -> bool:
        """Whether the engine imports `file` as something else than a texture with settings."""
        try:
            return self.support is not None and self.support.texture(self.root, file) is None
        # An adapter is a plugin: if it fails, the file is checked.
        except (Exception, SystemExit):
            return False

    def uses(self) -> Mapping[str, TextureUses]:
        """Returns the uses of textures in materials and scenes, by file. Raises the adapter's exceptions."""
        return validation.check_uses(self.support.uses(self.root)) if self.support else {}


def options_for(
    project: Project, settings: Mapping[str, Any] | None, issues: Iterable[Issue]
) -> dict[str, Any]:
    """Returns the options that fix the fixable ones of `issues`, in the engine's own names."""
    fixable = [issue.finding for issue in issues if issue.finding and issue.fixable]
    if not fixable or project.adapter is None or project.version is None or settings is None:
        return {}
    return advice.options_for(fixable, settings, project.adapter, project.version)


def option_labels(project: Project, locale: str) -> Mapping[str, OptionLabel]:
    """Returns how the engine's editor shows the options; empty if the adapter doesn't say."""
    if project.adapter is None or project.version is None:
        return {}
    try:
        labels = project.adapter.option_labels(project.version, locale)
        return validation.check_labels(labels, project.adapter.name)
    # An adapter is a plugin: without labels the raw names are shown.
    except (Exception, SystemExit):
        return {}


def find(registry: Registry, root: Path) -> Project:
    """Recognises the project in `root`. Raises UserError if that isn't a folder."""
    if not root.is_dir():
        raise missing_path_error(root)
    notice: AnyText = ""
    failed = False
    projects: dict[str, Project] = {}
    for adapter in registry.adapters:
        if adapter.engine in projects:
            continue
        try:
            version_text = adapter.project.project_version(root) if adapter.project else None
            validation.check_version(version_text)
        except UserError:
            raise
        # An adapter is a plugin: if one fails, the others are asked.
        except (Exception, SystemExit) as error:
            why = isolation.describe(error)
            notice = text(
                "{adapter} failed to recognise a project of {engine}: {reason}.",
                adapter=adapter.name,
                engine=adapter.scheme.name,
                reason=why,
            )
            failed = True
            continue
        if version_text is None:
            continue
        choice = registry.choose(adapter.engine, version_text)
        if choice is None or choice.adapter.project is None or not _may_write(registry, choice, version_text):
            notice = _unsupported(registry, adapter.engine, version_text)
            continue
        version = choice.adapter.scheme.parse(version_text)
        projects[adapter.engine] = Project(
            root,
            choice.adapter,
            version,
            choice.adapter.project,
            version_text,
            choice.notice or "",
            exact=choice.exact,
        )
    if len(projects) > 1:
        raise _several_error(root, projects.values())
    if projects:
        return next(iter(projects.values()))
    if notice := notice or projects_below(registry.adapters, root):
        return Project(root, notice=notice, failed=failed)
    disabled = ", ".join(registry.unserving)
    return Project(root, notice=DISABLED.fill(names=disabled) if disabled else "", failed=bool(disabled))


def check_recognised(project: Project) -> None:
    """Raises UserError, with the notice that may say why, unless an adapter supports the project."""
    if project.support is None:
        problem = text("`{root}` is not in a project of a known engine.", root=project.root)
        raise UserError(sentences((problem, project.notice)) if project.notice else problem)


def unimported_notices(project: Project, assets: Iterable[TextureAsset]) -> list[AnyText]:
    """Returns a notice about textures that weren't imported yet, whose settings can't be checked.

    Those that never get settings don't count, nor those with a problem or remarks of the adapter.
    """
    covered = [asset for asset in assets if project.covers(asset.file) and not asset.as_is]
    bare = [each.file for each in covered if each.options is None and not each.problem and not each.remarks]
    if project.support is None or not bare:
        return []
    return [UNSET if len(bare) == len(covered) else SOME_UNSET.fill(count=len(bare), file=min(bare))]


def read_only_notices(project: Project, assets: Iterable[TextureAsset]) -> list[AnyText]:
    """Returns a notice about textures whose settings can be read but not changed."""
    covered = (asset for asset in assets if project.covers(asset.file))
    found = {asset.file: asset.read_only for asset in covered if asset.read_only}
    return [READ_ONLY.fill(n=len(found), reason=found[min(found)])] if found else []


def header_only_notices(project: Project, assets: Iterable[TextureAsset]) -> list[AnyText]:
    """Returns a notice for each reason why only the headers of textures were checked."""
    counts = Counter(
        asset.header_only for asset in assets if asset.header_only and project.covers(asset.file)
    )
    return [HEADER_ONLY.fill(n=count, reason=reason) for reason, count in counts.items()]


def nothing_notices(project: Project, assets: Iterable[TextureAsset]) -> list[AnyText]:
    """Returns a notice that nothing was checked, in a project of a version without an adapter."""
    return [NOTHING_CHECKED] if project.adapter is None and project.notice and not [*assets] else []


def protected_notices(project: Project, assets: Iterable[TextureAsset]) -> list[AnyText]:
    """Returns a notice about textures whose settings are in a read-only file."""
    own = [each for each in assets if project.covers(each.file) and each.options is not None]
    found = [each.settings for each in own if each.settings and is_read_only(project.root / each.settings)]
    return [PROTECTED.fill(n=len(found), file=min(found))] if found else []


def missing_path_error(place: object) -> UserError:
    """Returns the error for a path that doesn't exist."""
    return UserError(
        text("`{path}` does not exist. Give a project, or a folder or texture in one.", path=place)
    )


def _with(asset: TextureAsset, planned: Mapping[str, Any] | None) -> TextureAsset:
    return replace(asset, options={**(asset.options or {}), **planned}) if planned else asset


def _may_write(registry: Registry, choice: Choice[Adapter], version: str) -> bool:
    """Whether the adapter's options are those of this version.

    Between two generations, --fix could write wrong ones; those of a version above all ranges are most likely
    the newest adapter's.
    """
    parsed = choice.adapter.scheme.parse(version)
    if choice.exact or reads_older(choice.adapter, parsed):
        return True
    newer = is_newer(registry.adapters, choice.adapter.engine, parsed)
    return newer or lowest(choice.adapter.versions).major == parsed.major


def _unsupported(registry: Registry, engine: str, version: str) -> Text:
    own = [each for each in registry.adapters if each.engine == engine]
    oldest = min((lowest(each.versions) for each in own), default=Version("0"))
    return text(
        "No adapter supports {engine}, so only the files were checked. Open the project in {name} {oldest} "
        "or later.",
        engine=registry.engine_name(engine, version),
        name=registry.engine_name(engine),
        oldest=oldest,
    )


def _several_error(root: Path, projects: Iterable[Project]) -> UserError:
    """Returns the error for a folder that is a project of several engines."""
    return UserError(
        text(
            "`{root}` is a project of several engines ({engines}): which one is meant is unknown. Move each "
            "into a folder of its own.",
            root=root,
            engines=join_list([project.title for project in projects]),
        )
    )


def _files(root: Path, part: str) -> Iterator[TextureAsset]:
    for found in [WalkedFolder("")] if (root / part).is_file() else walk(root / part, is_hidden):
        file = str(PurePosixPath(part, found.file))
        if found.problem or file.lower().endswith(IMAGES):
            yield TextureAsset(file, file, problem=found.problem)


ONLY = text("Only this part of the project was checked: {part}.")
NOTHING = text("It contains no textures, or all are ignored.")
ALONE = text(
    "No textures there are part of the game: {engine} doesn't import them, or uses them in its editor only. "
    "Only the files were checked."
)


def scope_name(registry: Registry, text: str, *, loose: bool = False) -> Project:
    """Returns the project at the path `text`, or the part of a project around it.

    Of a folder without a project only the files are checked. `text` may also be an engine's own path
    (`res://art`) in the project around the current folder. Raises UserError if that folder or texture
    doesn't exist, or, unless `loose`, if no project is around an image.
    """
    place = _place(registry, text)
    if not place.is_file():
        resolved = _resolved(place)
        around = _around(registry, resolved) if place.is_dir() else None
        return find(registry, place) if around in (None, resolved) else _part(registry, around, resolved)
    # A link to a file is a texture by its own name; links in the folder's path are resolved.
    place = _resolved(place.parent) / place.name
    around = _around(registry, place)
    if around is not None:
        return _part(registry, around, place)
    if loose and place.name.lower().endswith(IMAGES):
        return Project(place.parent, part=place.name, is_file=True)
    raise no_texture_error(place)


def scope_notices(project: Project, files: Iterable[str]) -> list[AnyText]:
    """Notices about the audited part; `files` are all textures.

    Raises UserError if the part is a file that isn't one of them.
    """
    if not project.part:
        return []
    notice = ONLY.fill(part=project.part)
    # A folder that can't be listed may contain textures, and has its own issue.
    if any(map(project.reports, files)):
        return [notice]
    if project.is_file:
        raise no_texture_error(project.root / project.part)
    return [notice, NOTHING]


def is_alone(project: Project) -> Project:
    """Returns the part without its engine, which ignores it: source art, for example."""
    notice = ALONE.fill(engine=project.title)
    return Project(project.root, notice=notice, part=project.part, is_file=project.is_file)


def no_texture_error(file: Path) -> UserError:
    """Returns the error for a file that no audit examines."""
    return UserError(
        text(
            "`{file}` is not a texture of a project, or is ignored. Give a texture, or its folder "
            "`{folder}`.",
            file=file,
            folder=file.parent,
        )
    )


def _part(registry: Registry, around: Path, place: Path) -> Project:
    """Returns the part at `place` of the project `around` it."""
    part = _spelled(around, place.relative_to(around))
    return replace(find(registry, around), part=part, is_file=place.is_file())


def _around(registry: Registry, place: Path) -> Path | None:
    """Returns the project of `place`: the nearest one above it, or one further up that lists its textures.

    Without any, the nearest at which an adapter fails. Raises UserError if the nearest is broken.
    """
    failed = None
    for folder in [place, *place.parents] if place.is_dir() else place.parents:
        known = _is_project(registry, folder)
        if known:
            return next(_importing(registry, folder, place), folder)
        failed = folder if known is None and failed is None else failed
    return failed


def _importing(registry: Registry, nearest: Path, place: Path) -> Iterator[Path]:
    """Yields projects of the same engine further up that list textures at `place`, the outermost first.

    Editors of other engines may import a folder of images, too.
    """
    engine = engine_of(registry.adapters, nearest)
    for folder in reversed(nearest.parents):
        # A package may be a project itself, but is imported with the game's version and settings.
        if engine_of(registry.adapters, folder) == engine and _lists(registry, folder, place):
            yield folder


def _lists(registry: Registry, root: Path, place: Path) -> bool:
    """Whether the project in `root` has textures at `place`."""
    part = _spelled(root, place.relative_to(root))
    try:
        project = replace(find(registry, root), part=part)
        return project.support is not None and any(
            project.covers(one.file) and (not one.gone or one.header_only) for one in project.textures()
        )
    # Another project than the one that was asked for may be broken.
    except UserError:
        return False


def _is_project(registry: Registry, folder: Path) -> bool | None:
    """Whether an adapter recognises the folder; None if none does and one failed."""
    known: bool | None = False
    for adapter in registry.adapters:
        try:
            if adapter.project is not None and adapter.project.project_version(folder) is not None:
                return True
        except UserError:
            raise
        # An adapter is a plugin: if one fails, the others are asked.
        except (Exception, SystemExit):
            known = None
    return known


def _place(registry: Registry, text: str) -> Path:
    _, mark, below = text.partition("://")
    if not mark or os.path.exists(text):
        return Path(text)
    around = _around(registry, _resolved(Path()))
    place = Path(os.path.normpath(around / below)) if around else None
    # Unresolved: a link in the project may lead out of it.
    if around is None or place is None or not place.is_relative_to(around) or not place.exists():
        raise missing_path_error(text)
    if not _names(find(registry, around), text.removesuffix(below)):
        raise missing_path_error(text)
    return place


def _names(project: Project, root: str) -> bool:
    """Whether the engine's paths start with `root`, by the path of one texture."""
    # Remains of a missing texture have another name.
    first = next((asset for asset in project.textures() if not asset.gone), None)
    return first is None or first.path == root + first.file


def _resolved(place: Path) -> Path:
    """Raises UserError if the current folder is gone."""
    try:
        return place.resolve()
    except FileNotFoundError:
        raise missing_path_error(place) from None


def _spelled(root: Path, place: Path) -> str:
    """Returns `place` with `/`, in the case that its folders list: Windows and macOS ignore case."""
    found = root
    for name in place.parts:
        found /= _listed(found, name)
    return found.relative_to(root).as_posix()


def _listed(folder: Path, name: str) -> str:
    try:
        names = os.listdir(folder)
    except OSError:
        return name
    if name in names:
        return name
    # A folder may have several links to one file.
    alike = sorted(names, key=lambda one: one.casefold() != name.casefold())
    return next((one for one in alike if _is_same(folder / one, folder / name)), name)


def _is_same(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False
