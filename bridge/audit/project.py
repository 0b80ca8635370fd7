"""What a folder is; nearby projects; scope."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace
from packaging.version import Version

from accel.text import AnyText, text
from bridge.advisors import advice
from bridge.api import Adapter, Kind, ProjectSupport, TextureAsset, walk
from bridge.audit.results import Issue
from bridge.core.errors import UserError
from bridge.core.versions import Choice, lowest
from bridge.host import isolation, validation
from bridge.project.files import WalkedFolder, is_hidden

if TYPE_CHECKING:
    from bridge.host.host import Registry


DEPTH = 2
"""How many folders deep a project is looked for."""
MOST = 2000
"""Folders that are looked into."""
NAMED = 3


def projects_below(adapters: Iterable[Adapter], root: Path) -> AnyText:
    """What to say of the projects in `root`; empty where there is none."""
    place = root.resolve()
    found = list(_below(list(adapters), place))
    return _told(place, found) if found else ""


def nearby_folders(adapters: Iterable[Adapter], root: Path) -> list[Path]:
    """The nearest project around `root`, else those in it, the nearest first."""
    known, place = list(adapters), root.resolve()
    around = next(_projects(known, place.parents), None)
    return [folder for folder, _ in ([around] if around else _below(known, place))]


def _below(known: Sequence[Adapter], place: Path) -> Iterator[tuple[Path, str]]:
    """The projects in `place`, the nearest first, each with its engine."""
    return _projects(known, islice(_folders(place, DEPTH), MOST))


def _projects(known: Sequence[Adapter], folders: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    for folder in folders:
        if engine := engine_of(known, folder):
            yield folder, engine


def _told(place: Path, near: Sequence[tuple[Path, str]]) -> AnyText:
    found = [(folder.relative_to(place).as_posix(), engine) for folder, engine in near]
    engines = {engine for _, engine in found}
    # Said by name where there are several, in signs that every language has.
    named = [name if len(engines) == 1 else f"{name}: {engine}" for name, engine in found[:NAMED]]
    names = ", ".join(named) + (f" and {len(found) - NAMED} more" if len(found) > NAMED else "")
    if len(found) == 1:
        return text(
            "There is a project of {found} in it ({names}): audit that for its import settings.",
            found=found[0][1],
            names=names,
        )
    of = f" of {found[0][1]}" if len(engines) == 1 else ""
    return f"There are projects{of} in it ({names}): audit each for its import settings."


def engine_of(adapters: Iterable[Adapter], folder: Path) -> str:
    """The engine of the project in a folder; empty for none, also where that can't be told."""
    for adapter in adapters:
        # An adapter is a plugin, and a folder may be unreadable: then it says nothing here.
        with suppress(Exception, SystemExit):
            if adapter.project is not None and adapter.project.project_version(folder) is not None:
                return adapter.engine
    return ""


def _folders(folder: Path, depth: int) -> Iterator[Path]:
    """Folders, the nearest first; none that is hidden or a link."""
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
"""What is looked at where no engine says which files are textures, in lower case."""
UNSET = text(
    "No texture here has import settings yet, so that the files alone are judged: open "
    "the project once in its editor, and keep the import files that it writes."
)
SOME_UNSET = text(
    "Textures without import settings yet: {count}, the first is {file}. Of these the "
    "files alone are judged: open the project once in its editor, and keep the import "
    "files that it writes."
)
DISABLED = text(
    "Plugins are disabled ({names}), so that a project of theirs isn't known as one: the "
    "files alone are audited. `popbridge plugins` says why."
)


class Project(Struct, frozen=True):
    """A folder that is audited; all is None where it is of no engine that is known here."""

    root: Path
    adapter: Adapter | None = None
    version: Version | None = None
    support: ProjectSupport | None = None
    named: str = ""
    """The version as the project's own files have it."""
    notice: AnyText = ""
    """What people should know about the choice of the adapter."""
    failed: bool = False
    """Whether a plugin has failed that might have said whose project it is."""
    planned: Mapping[str, Mapping[str, Any]] = {}
    """Options that count as set already, by file."""
    part: str = ""
    """The folder or file below `root`, with `/`, that is told of and mended alone; empty for all."""
    is_file: bool = False
    """Whether `part` was a file when it was named."""

    @property
    def engine(self) -> str:
        """The engine and its version; empty for none."""
        return f"{self.adapter.engine} {self.named}" if self.adapter else ""

    @property
    def alone(self) -> bool:
        """Whether it is a part of a project whose files are looked at without the project's others."""
        return self.support is None and bool(self.part)

    def textures(self) -> Iterator[TextureAsset]:
        """One after the other, as a project may have 100,000 of them. Raises UserError."""
        try:
            for asset in self.support.textures(self.root) if self.support else _files(self.root, self.part):
                validation.check_texture(asset)
                yield _with(asset, self.planned.get(asset.file))
        except UserError:
            raise
        # An adapter is a plugin, as below.
        except (Exception, SystemExit) as error:
            why = isolation.describe(error)
            raise UserError(
                text("{engine}: its adapter can't list the textures ({why}).", engine=self.engine, why=why)
            ) from error

    def covers(self, file: str) -> bool:
        """Whether `file`, below the root, is told of."""
        return not self.part or file == self.part or file.startswith(f"{self.part}/")

    def tells_of(self, file: str) -> bool:
        """Whether `file`, which may be a folder that can't be listed, is told of: it may hold the part."""
        return self.covers(file) or file == "." or self.part.startswith(f"{file}/")

    def takes_otherwise(self, file: str) -> bool:
        """Whether the engine has imported `file` as something else than a texture that anybody sets."""
        try:
            return self.support is not None and self.support.texture(self.root, file) is None
        # An adapter is a plugin: what it can't say of a file is no reason not to look at it.
        except (Exception, SystemExit):
            return False

    def uses(self) -> Mapping[str, Sequence[Kind]]:
        """What materials and scenes use textures as, by file; raises whatever the adapter does."""
        return validation.check_uses(self.support.uses(self.root)) if self.support else {}


def options_for(
    project: Project, settings: Mapping[str, Any] | None, issues: Iterable[Issue]
) -> dict[str, Any]:
    """What to set so that the fixable ones of `issues` are settled, in the engine's own names."""
    fixable = [issue.finding for issue in issues if issue.finding and issue.fixable]
    if not fixable or project.adapter is None or project.version is None or settings is None:
        return {}
    return advice.options_for(fixable, settings, project.adapter, project.version)


def find(registry: Registry, root: Path) -> Project:
    """The project in `root`. Raises UserError where that is no folder."""
    if not root.is_dir():
        raise missing(root)
    notice: AnyText = ""
    failed = False
    for adapter in registry.adapters:
        try:
            version_text = adapter.project.project_version(root) if adapter.project else None
            validation.check_version(version_text)
        except UserError:
            raise
        # An adapter is a plugin: one that fails is no reason not to ask the others.
        except (Exception, SystemExit) as error:
            why = isolation.describe(error)
            notice = text(
                "{adapter} can't tell whether this is a project of {engine} ({why}).",
                adapter=adapter.name,
                engine=adapter.engine,
                why=why,
            )
            failed = True
            continue
        if version_text is None:
            continue
        choice = registry.choose(adapter.engine, version_text)
        if choice is None or choice.adapter.project is None or not _of_its_generation(choice, version_text):
            notice = text(
                "{engine} {version_text} is served by no adapter ({served} are): the files alone are "
                "audited.",
                engine=adapter.engine,
                version_text=version_text,
                served=_served(registry, adapter.engine),
            )
            continue
        version = choice.adapter.scheme.parse(version_text)
        return Project(
            root, choice.adapter, version, choice.adapter.project, version_text, choice.notice or ""
        )
    if notice := notice or projects_below(registry.adapters, root):
        return Project(root, notice=notice, failed=failed)
    disabled = ", ".join(registry.unserving)
    return Project(root, notice=DISABLED.fill(names=disabled) if disabled else "", failed=bool(disabled))


def unset(project: Project, assets: Iterable[TextureAsset]) -> list[AnyText]:
    """That nobody has imported its textures yet, or some of them, so that silence about their settings is no
    praise; nothing of those that never get any, or of which the adapter says itself what is wrong."""
    told = [asset for asset in assets if project.covers(asset.file) and not asset.as_is]
    bare = [asset.file for asset in told if asset.options is None and not asset.problem and not asset.remarks]
    if project.support is None or not bare:
        return []
    return [UNSET if len(bare) == len(told) else SOME_UNSET.fill(count=len(bare), file=min(bare))]


def missing(place: object) -> UserError:
    """That nothing can be audited at `place`."""
    return UserError(text("{place} isn't there: name a project, or a folder or texture in one.", place=place))


def _served(registry: Registry, engine: str) -> str:
    return " and ".join(adapter.versions for adapter in registry.adapters if adapter.engine == engine)


def _with(asset: TextureAsset, planned: Mapping[str, Any] | None) -> TextureAsset:
    return replace(asset, options={**(asset.options or {}), **planned}) if planned else asset


def _of_its_generation(choice: Choice[Adapter], version: str) -> bool:
    """Whether an adapter's options are right; else `--fix` would write wrong ones, seen by nobody."""
    if choice.exact:
        return True
    return lowest(choice.adapter.versions).major == choice.adapter.scheme.parse(version).major


def _files(root: Path, part: str) -> Iterator[TextureAsset]:
    for found in [WalkedFolder("")] if (root / part).is_file() else walk(root / part, is_hidden):
        file = str(PurePosixPath(part, found.file))
        if found.problem or file.lower().endswith(IMAGES):
            yield TextureAsset(file, file, problem=found.problem)


ONLY = text("Of the project only this part is reported: {part}.")
NOTHING = text("No texture lies in it, or all are passed over.")
ALONE = text("{engine} takes nothing there for a texture: the files alone are audited.")


def scope_name(registry: Registry, text: str) -> Project:
    """The project in the folder that `text` names, or around what it names, which is a part of it then.

    A folder of no project is audited by its files alone. `text` may also be an engine's own path (`res://art`)
    in the project around the current folder. Raises UserError where there is no such folder or texture.
    """
    place = _place(registry, text)
    if not place.is_file():
        lies = _resolved(place)
        around = _around(registry, lies) if place.is_dir() else None
        return find(registry, place) if around in (None, lies) else _part(registry, around, lies)
    # A link is the texture that it is called, but a folder is where it lies.
    place = _resolved(place.parent) / place.name
    around = _around(registry, place)
    if around is None:
        raise _no_texture(place)
    return _part(registry, around, place)


def scope_notices(project: Project, files: Iterable[str]) -> list[AnyText]:
    """What to say of the part that is audited, by all textures that are looked at.

    Raises UserError where it is a file that is none of them.
    """
    if not project.part:
        return []
    told = ONLY.fill(part=project.part)
    # A folder that can't be listed may hide what there is, and has its own line.
    if any(map(project.tells_of, files)):
        return [told]
    if project.is_file:
        raise _no_texture(project.root / project.part)
    return [told, NOTHING]


def is_alone(project: Project) -> Project:
    """A part of it without its engine, which passes over that: source art, for example."""
    notice = ALONE.fill(engine=project.engine)
    return Project(project.root, notice=notice, part=project.part, is_file=project.is_file)


def _no_texture(file: Path) -> UserError:
    return UserError(
        text(
            "{file} is no texture of a project, or passed over: name one, or the folder that it "
            "lies in, {parent}.",
            file=file,
            parent=file.parent,
        )
    )


def _part(registry: Registry, around: Path, place: Path) -> Project:
    """What lies at `place` in the project `around` it; the files alone where nothing serves that."""
    part = _spelled(around, place.relative_to(around))
    return replace(find(registry, around), part=part, is_file=place.is_file())


def _around(registry: Registry, place: Path) -> Path | None:
    """The project that `place` is judged in: the nearest from there upwards, or one further up that lists
    what lies here; where none is known, the nearest that an adapter fails at, so that this is told. Raises
    UserError where the nearest is broken."""
    untold = None
    for folder in [place, *place.parents] if place.is_dir() else place.parents:
        known = _is_project(registry, folder)
        if known:
            return next(_importing(registry, folder, place), folder)
        untold = folder if known is None and untold is None else untold
    return untold


def _importing(registry: Registry, nearest: Path, place: Path) -> Iterator[Path]:
    """Projects further up that list what lies at `place`, the outermost first; of another engine there are
    none, as its editor may take a folder of pictures for its own, too."""
    engine = engine_of(registry.adapters, nearest)
    for folder in reversed(nearest.parents):
        # A package may be a project by itself, but is imported by the version and settings of the game.
        if engine_of(registry.adapters, folder) == engine and _lists(registry, folder, place):
            yield folder


def _lists(registry: Registry, root: Path, place: Path) -> bool:
    """Whether the engine finds textures of the project in `root` at `place`."""
    part = _spelled(root, place.relative_to(root))
    try:
        project = replace(find(registry, root), part=part)
        return project.support is not None and any(
            project.covers(one.file) and not one.gone for one in project.textures()
        )
    # It was not the one that was asked for: what is broken in it says nothing of that.
    except UserError:
        return False


def _is_project(registry: Registry, folder: Path) -> bool | None:
    """None where no adapter knows it for one, and one fails at it."""
    known: bool | None = False
    for adapter in registry.adapters:
        try:
            if adapter.project is not None and adapter.project.project_version(folder) is not None:
                return True
        except UserError:
            raise
        # An adapter is a plugin: one that fails is no reason not to ask the others.
        except (Exception, SystemExit):
            known = None
    return known


def _place(registry: Registry, text: str) -> Path:
    _, mark, below = text.partition("://")
    if not mark or os.path.exists(text):
        return Path(text)
    around = _around(registry, _resolved(Path()))
    place = Path(os.path.normpath(around / below)) if around else None
    # By its words, as a link in the project may well lead out of it.
    if around is None or place is None or not place.is_relative_to(around) or not place.exists():
        raise missing(text)
    if not _names(find(registry, around), text.removesuffix(below)):
        raise missing(text)
    return place


def _names(project: Project, root: str) -> bool:
    """Whether the engine may call the project's root so, by what it calls one of the textures."""
    # What is left of a texture is a file of another name.
    first = next((asset for asset in project.textures() if not asset.gone), None)
    return first is None or first.path == root + first.file


def _resolved(place: Path) -> Path:
    """Raises UserError where even the current folder is gone."""
    try:
        return place.resolve()
    except FileNotFoundError:
        raise missing(place) from None


def _spelled(root: Path, place: Path) -> str:
    """`place` with `/`, as its folders list it: Windows and macOS find it by other letters, too."""
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
    # A file may be linked in one folder under several names.
    alike = sorted(names, key=lambda one: one.casefold() != name.casefold())
    return next((one for one in alike if _is_same(folder / one, folder / name)), name)


def _is_same(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False
