"""What a folder is: a project of an engine that an adapter serves, or files alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace
from packaging.version import Version

from accel.text import AnyText, text
from bridge import failures, supports
from bridge.advisors import advice
from bridge.api import Adapter, Kind, ProjectSupport, TextureAsset, hidden, walk
from bridge.audit.nearby import projects_below
from bridge.audit.results import Issue
from bridge.core.errors import UserError
from bridge.core.versions import Choice, lowest
from bridge.folders import Walked

if TYPE_CHECKING:
    from bridge.host import Registry

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
                supports.check_texture(asset)
                yield _with(asset, self.planned.get(asset.file))
        except UserError:
            raise
        # An adapter is a plugin, as below.
        except (Exception, SystemExit) as error:
            why = failures.told(error)
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
        return supports.checked_uses(self.support.uses(self.root)) if self.support else {}


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
            supports.check_version(version_text)
        except UserError:
            raise
        # An adapter is a plugin: one that fails is no reason not to ask the others.
        except (Exception, SystemExit) as error:
            why = failures.told(error)
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
    for found in [Walked("")] if (root / part).is_file() else walk(root / part, hidden):
        file = str(PurePosixPath(part, found.file))
        if found.problem or file.lower().endswith(IMAGES):
            yield TextureAsset(file, file, problem=found.problem)
