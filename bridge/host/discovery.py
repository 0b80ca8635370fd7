"""Finds the plugins of installed distributions, even if other metadata of these is broken."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib import metadata
from importlib.machinery import BYTECODE_SUFFIXES, SOURCE_SUFFIXES
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NoReturn

from msgspec import Struct
from msgspec.structs import replace
from packaging.markers import UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from accel.text import AnyText, text
from bridge import __version__
from bridge.core.errors import UserError
from bridge.hooks import PROJECT, popbridge_adapters
from bridge.host import isolation
from bridge.host.plugin_policy import News, PluginPolicy

DISTRIBUTION = "popbridge"
"""The distribution of our own plugins."""

UNKNOWN = "unknown"
"""The name of a distribution without metadata and folder."""

SUFFIXES = (*SOURCE_SUFFIXES, *BYTECODE_SUFFIXES)
"""Extensions of Python code. Other files may be gigabytes."""

FILE = "entry_points.txt"

ALL = PluginPolicy()
"""Allows all plugins; none is new."""


class PluginRecord(Struct, frozen=True):
    """One plugin and its state, for `popbridge plugins`."""

    name: str
    distribution: str
    version: str
    status: Literal["ok", "disabled", "blocked"] = "ok"
    """`blocked` by a setting: its code isn't imported."""
    reason: AnyText = ""
    """Why it isn't `ok`, for people."""
    traceback: str = ""
    """Location of the failure in its code, for its author."""
    provides: tuple[str, ...] = ()
    """The plugin's contributions, as `adapter acme4`, `workload image.inspect`, ..."""
    module: str = ""
    """The module of its entry point; empty if unknown."""
    news: News = ""
    """Whether it is new, or has another version, since a daemon last started."""

    @property
    def text(self) -> AnyText:
        """The plugin's name, distribution and version, for people."""
        distribution = f"{self.distribution} {self.version}".strip()
        return text("plugin {name} ({distribution})", name=repr(self.name), distribution=distribution)

    def __str__(self) -> str:
        return str(self.text)

    @property
    def is_own(self) -> bool:
        """Whether it is a part of PopBridge."""
        return self.distribution == DISTRIBUTION

    @property
    def may_serve(self) -> bool:
        """Whether it may have adapters: its code mentions the hook's name, even if it fails to load."""
        top = self.module.partition(".")[0]
        return not top or _contains(top, popbridge_adapters.__name__.encode())


Source = Callable[[], object]
"""Returns the plugin; may raise anything."""


def find_plugins(policy: PluginPolicy = ALL) -> list[tuple[PluginRecord, Source]]:
    """Returns all plugins with their sources: ours first, because the first owner of a name wins; then by
    name.

    Imports nothing. Those that `policy` refuses are `blocked`, and their sources must not be used.
    """
    found = sorted(
        _found(), key=lambda each: (not each[0].is_own, each[0].name, each[0].distribution, each[0].version)
    )
    return [(_judged(record, policy), source) for record, source in found]


def _judged(record: PluginRecord, policy: PluginPolicy) -> PluginRecord:
    news = policy.news(record.name, record.distribution, record.version, is_own=record.is_own)
    if reason := policy.refusal(record.name, record.distribution, is_own=record.is_own):
        return replace(record, status="blocked", reason=reason, news=news)
    return replace(record, news=news) if news else record


def _found() -> Iterable[tuple[PluginRecord, Source]]:
    try:
        return [_named(point) for point in metadata.entry_points(group=PROJECT)]
    # One broken distribution, of any program, makes the query fail.
    except Exception:
        return _one_by_one()


def _one_by_one() -> Iterator[tuple[PluginRecord, Source]]:
    seen: set[str] = set()
    for distribution in metadata.distributions():
        name, version = _called(distribution)
        # The first on the path wins.
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
    """Returns the contents of its entry points file; empty if it can't be read."""
    if isinstance(error, UnicodeDecodeError):
        return error.object.decode("utf-8", "replace")
    try:
        return distribution.read_text(FILE) or ""
    # A finder is third-party code; its error was reported before.
    except Exception:
        return ""


def _contains(module: str, word: bytes) -> bool:
    """Whether the code of a module or package, without importing it, contains `word` or can't be read."""
    try:
        spec = find_spec(module)
        places = [*(spec.submodule_search_locations or ()), spec.origin] if spec else []
        there = [Path(place) for place in places if place]
        code = [file for place in there for file in (place.rglob("*") if place.is_dir() else [place])]
        mine = [file for file in code if file.name.endswith(SUFFIXES) and file.is_file()]
        return not mine or any(word in file.read_bytes() for file in mine)
    # A finder is third-party code. Without an answer, it may have the word.
    except Exception:
        return True


def _refuse(error: Exception) -> NoReturn:
    raise UserError(
        text("its {file} can't be read ({reason}): reinstall it", file=FILE, reason=isolation.describe(error))
    ) from error


def _named(point: metadata.EntryPoint) -> tuple[PluginRecord, Source]:
    record = PluginRecord(point.name, *_called(point.dist), module=point.module)
    return record, point.load if record.is_own else partial(_loaded, point)


def _called(distribution: metadata.Distribution | None) -> tuple[str, str]:
    """Returns the name and version of a distribution; without a name, its folder's name."""
    # Distributions that pip installed have a folder.
    folder = Path(str(getattr(distribution, "_path", UNKNOWN))).name
    try:
        # None or, before Python 3.12, an error without a metadata file.
        about = distribution.metadata if distribution is not None else None
        return (about["Name"] or folder, about["Version"] or "") if about is not None else (folder, "")
    # Messages need a name, even for broken plugins.
    except Exception:
        return folder, ""


def _loaded(point: metadata.EntryPoint) -> object:
    """Loads the plugin. Raises UserError if its distribution requires another release of PopBridge."""
    for requirement in _requires(point.dist):
        required = _required_releases(requirement)
        if required is not None and not required.contains(__version__, prereleases=True):
            raise UserError(
                text(
                    "it requires {distribution}{releases}, but this is {version}: install another version of "
                    "one of them",
                    distribution=DISTRIBUTION,
                    releases=required,
                    version=__version__,
                )
            )
    return point.load()


def _requires(distribution: metadata.Distribution | None) -> Iterable[str]:
    try:
        return (distribution.requires if distribution else None) or ()
    # Broken metadata requires nothing; other errors show when the plugin is loaded.
    except Exception:
        return ()


def _required_releases(text: str) -> SpecifierSet | None:
    """Returns the releases of PopBridge that a requirement allows; None if it is for another package."""
    try:
        requirement = Requirement(text)
        ours = canonicalize_name(requirement.name) == DISTRIBUTION
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    except (InvalidRequirement, UndefinedEnvironmentName):
        return None
    return requirement.specifier if ours and applies else None
