"""What whoever audits has named: a project, or a part of one, judged by the whole and told by itself."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from accel.text import AnyText, text
from bridge.audit.nearby import engine_of
from bridge.audit.project import Project, find, missing
from bridge.core.errors import UserError

if TYPE_CHECKING:
    from bridge.host import Registry

ONLY = text("Of the project only this part is reported: {part}.")
NOTHING = text("No texture lies in it, or all are passed over.")
ALONE = text("{engine} takes nothing there for a texture: the files alone are audited.")


def named(registry: Registry, text: str) -> Project:
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


def notices(project: Project, files: Iterable[str]) -> list[AnyText]:
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


def alone(project: Project) -> Project:
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
