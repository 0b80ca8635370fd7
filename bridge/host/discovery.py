"""What the distributions that are installed here name as plugins, whatever else is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib import metadata
from importlib.machinery import BYTECODE_SUFFIXES, SOURCE_SUFFIXES
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NoReturn

from msgspec import Struct
from packaging.markers import UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from accel.text import AnyText, text
from bridge import __version__
from bridge.core.errors import UserError
from bridge.hooks import PROJECT, popbridge_adapters
from bridge.host import isolation

DISTRIBUTION = "popbridge"
"""Of which our own plugins are."""

UNKNOWN = "unknown"
"""What a distribution is called that has neither a name nor a folder."""

SUFFIXES = (*SOURCE_SUFFIXES, *BYTECODE_SUFFIXES)
"""Of files with Python's code: libraries beside it may be gigabytes."""

FILE = "entry_points.txt"
"""Where a distribution names them."""


class PluginRecord(Struct, frozen=True):
    """What is known of one plugin, for `popbridge plugins`."""

    name: str
    distribution: str
    version: str
    status: Literal["ok", "disabled"] = "ok"
    reason: AnyText = ""
    """Why it is disabled, for people."""
    traceback: str = ""
    """Where its code failed, for whoever wrote it."""
    provides: tuple[str, ...] = ()
    """What it gives, as `adapter acme4`, `workload image.inspect`, ..."""
    module: str = ""
    """Where its code begins; empty where that isn't known."""

    @property
    def text(self) -> AnyText:
        """What it is called among plugins, for people."""
        distribution = f"{self.distribution} {self.version}".strip()
        return text("plugin {name} ({distribution})", name=repr(self.name), distribution=distribution)

    def __str__(self) -> str:
        return str(self.text)

    @property
    def is_own(self) -> bool:
        """Whether it came with PopBridge."""
        return self.distribution == DISTRIBUTION

    @property
    def may_serve(self) -> bool:
        """Whether it may have adapters, also where its code fails: there its hook for them has its name."""
        top = self.module.partition(".")[0]
        return not top or _names(top, popbridge_adapters.__name__.encode())


Source = Callable[[], object]
"""Gives the plugin; raises whatever its code does, and UserError."""


def find_plugins() -> list[tuple[PluginRecord, Source]]:
    """Ours come first, so that no other can take what is theirs; then by name and distribution."""
    return sorted(
        _found(), key=lambda each: (not each[0].is_own, each[0].name, each[0].distribution, each[0].version)
    )


def _found() -> Iterable[tuple[PluginRecord, Source]]:
    try:
        return [_named(point) for point in metadata.entry_points(group=PROJECT)]
    # One that isn't as it should be, of any distribution of whatever program, and none can be asked for.
    except Exception:
        return _one_by_one()


def _one_by_one() -> Iterator[tuple[PluginRecord, Source]]:
    seen: set[str] = set()
    for distribution in metadata.distributions():
        name, version = _called(distribution)
        # What comes later on the path by the same name is never imported.
        if canonicalize_name(name) in seen:
            continue
        seen.add(canonicalize_name(name))
        try:
            points = distribution.entry_points.select(group=PROJECT)
        except Exception as error:
            if f"[{PROJECT}]" in _text(error, distribution):
                yield PluginRecord(name, name, version), partial(_refuse, error)
        else:
            yield from map(_named, points)


def _text(error: Exception, distribution: metadata.Distribution) -> str:
    """What its file says; empty where that can't be read."""
    if isinstance(error, UnicodeDecodeError):
        return error.object.decode("utf-8", "replace")
    try:
        return distribution.read_text(FILE) or ""
    # A finder is anybody's code, and one that can't give the text has said why already.
    except Exception:
        return ""


def _names(module: str, word: bytes) -> bool:
    """Whether the code of a module or package, which isn't loaded for that, has `word`, or can't be read."""
    try:
        spec = find_spec(module)
        places = [*(spec.submodule_search_locations or ()), spec.origin] if spec else []
        there = [Path(place) for place in places if place]
        code = [file for place in there for file in (place.rglob("*") if place.is_dir() else [place])]
        mine = [file for file in code if file.name.endswith(SUFFIXES) and file.is_file()]
        return not mine or any(word in file.read_bytes() for file in mine)
    # A finder is anybody's code, too, and what isn't known to have none may have one.
    except Exception:
        return True


def _refuse(error: Exception) -> NoReturn:
    raise UserError(
        text("its {file} can't be read ({told}): install it anew", file=FILE, told=isolation.describe(error))
    ) from error


def _named(point: metadata.EntryPoint) -> tuple[PluginRecord, Source]:
    record = PluginRecord(point.name, *_called(point.dist), module=point.module)
    return record, point.load if record.is_own else partial(_loaded, point)


def _called(distribution: metadata.Distribution | None) -> tuple[str, str]:
    """Its name and version; of one that doesn't say them its folder's name."""
    # A path only where it is one in a folder, which all that pip installs are.
    folder = Path(str(getattr(distribution, "_path", UNKNOWN))).name
    try:
        # None where nothing is said; a Python before 3.12 raises without the file.
        about = distribution.metadata if distribution is not None else None
        return (about["Name"] or folder, about["Version"] or "") if about is not None else (folder, "")
    # Whatever is wrong with it, it has to be called something where that is told.
    except Exception:
        return folder, ""


def _loaded(point: metadata.EntryPoint) -> object:
    """The plugin. Raises UserError where its distribution wants another release of PopBridge."""
    for requirement in _requires(point.dist):
        wanted = _wanted(requirement)
        if wanted is not None and not wanted.contains(__version__, prereleases=True):
            raise UserError(
                text(
                    "it is made for {distribution}{wanted}, and this is {version}: install another "
                    "version of one of them",
                    distribution=DISTRIBUTION,
                    wanted=wanted,
                    version=__version__,
                )
            )
    return point.load()


def _requires(distribution: metadata.Distribution | None) -> Iterable[str]:
    try:
        return (distribution.requires if distribution else None) or ()
    # What can't be read refuses no release; what else is wrong shows when the plugin is loaded.
    except Exception:
        return ()


def _wanted(text: str) -> SpecifierSet | None:
    """The releases of PopBridge that a requirement names; None for one of something else."""
    try:
        requirement = Requirement(text)
        ours = canonicalize_name(requirement.name) == DISTRIBUTION
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    except (InvalidRequirement, UndefinedEnvironmentName):
        return None
    return requirement.specifier if ours and applies else None
