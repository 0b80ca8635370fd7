"""Parses engine versions and chooses the adapter for a version."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Generic, Protocol, TypeVar

from msgspec import Struct
from packaging.specifiers import Specifier, SpecifierSet
from packaging.version import Version

from accel.text import AnyText, text
from bridge.core.errors import UserError


class VersionScheme(Struct, frozen=True):
    """The format of an engine's versions: dotted numbers, optionally followed by a stage and its number.

    `stages` maps the engine's stages to PEP 440 segments (`a`, `b`, `rc`, `.dev`, `.post`, or empty for a
    release), which sort like the engine's own versions.
    """

    engine: str
    """Name of the engine, for errors."""
    stages: Mapping[str, str]
    """PEP 440 segments by engine stage; empty if the engine only has releases."""
    title: str = ""
    """The engine's name as people write it; without it, `engine`."""
    example: str = "4.2.1"
    """A version of the engine, for errors."""

    @property
    def name(self) -> str:
        """The engine's name, for people."""
        return self.title or self.engine

    def parse(self, version: str) -> Version:
        """Parses `version`, ignoring what follows the stage, such as build numbers and hashes.

        Raises UserError if it isn't a version.
        """
        release, _, segment, number = self._parts(version)
        return Version(f"{release}{segment}{(number or '0') if segment else ''}")

    def shown(self, version: str) -> str:
        """Returns `version` as the engine writes it, without build numbers, hashes and a release's stage.

        Raises UserError if it isn't a version.
        """
        release, stage, segment, _ = self._parts(version)
        return f"{release}{stage}" if segment else release

    def _parts(self, version: str) -> tuple[str, str, str, str]:
        """Returns the numbers, the stage as it is written, and its segment and number, empty without one."""
        words = "|".join(sorted(map(re.escape, self.stages), key=len, reverse=True))
        found = re.match(
            # A stage ends with its number or the word; the `f` of `-final` isn't a stage.
            rf"\s*v?(\d{{1,9}}(?:\.\d{{1,9}}){{1,3}})([.\-]?({words})(?:(\d{{1,9}})|(?![A-Za-z])))?",
            version,
            re.ASCII,
        )
        if found is None:
            raise UserError(
                text(
                    "{version} is not a valid {engine} version; expected one like {example}.",
                    version=repr(version),
                    engine=self.name,
                    example=self.example,
                )
            )
        release, stage, word, number = found.groups()
        return release, stage or "", self.stages[word] if word else "", number or ""


class Ranged(Protocol):
    """An object for a range of an engine's versions."""

    @property
    def name(self) -> str: ...
    @property
    def engine(self) -> str: ...
    @property
    def versions(self) -> str: ...


Candidate = TypeVar("Candidate", bound=Ranged)


class Choice(Struct, Generic[Candidate], frozen=True):
    """The adapter for a version. `notice` warns if the version is outside its range."""

    adapter: Candidate
    exact: bool
    notice: AnyText = ""


def contains(versions: str, version: Version) -> bool:
    """Whether `version` is in the PEP 440 range. Pre-releases count as their release."""
    return SpecifierSet(versions).contains(_as_release(version), prereleases=True)


def choose(
    candidates: Iterable[Candidate], engine: str, version: Version, name: str = ""
) -> Choice[Candidate] | None:
    """Returns the candidate whose range contains `version`; else, with a notice, the one that reads it as an
    older version or the newest older one; else None.

    The notice calls the engine with its version `name`, such as `Acme 2020.3.18f1`.
    The ranges must not overlap, which the plugin host checks.
    """
    own = [c for c in candidates if c.engine == engine]
    # The scheme's segments, such as .post1, are no engine's.
    name = name or f"{engine} {version if version.post is None else version.base_version}"
    for candidate in own:
        if contains(candidate.versions, version):
            return Choice(candidate, exact=True)
    for candidate in own:
        if reads_older(candidate, version):
            notice = text(
                "{engine} is older than the versions that PopBridge is tested with; it is read like {like}.",
                engine=name,
                like=lowest(candidate.versions),
            )
            return Choice(candidate, exact=False, notice=notice)
    older = [c for c in own if lowest(c.versions) <= _as_release(version)]
    if not older:
        return None
    newest = max(older, key=lambda c: lowest(c.versions))
    template = (
        text(
            "{engine} is newer than the versions that PopBridge is tested with; it is read like {like}. "
            "Update PopBridge if something looks wrong."
        )
        if is_newer(own, engine, version)
        else text("PopBridge isn't tested with {engine}, which is read like {like}.")
    )
    return Choice(newest, exact=False, notice=template.fill(engine=name, like=lowest(newest.versions)))


def is_newer(candidates: Iterable[Ranged], engine: str, version: Version) -> bool:
    """Whether `version` is above the ranges of all candidates for the engine."""
    own = [candidate for candidate in candidates if candidate.engine == engine]
    return bool(own) and all(lowest(each.versions) <= _as_release(version) for each in own)


def reads_older(candidate: Ranged, version: Version) -> bool:
    """Whether the candidate reads projects of this version, although it is older than the tested ones."""
    older: str = getattr(candidate, "older_versions", "")
    return bool(older) and contains(older, version)


def lowest(versions: str) -> Version:
    """Returns the lower bound of a range, or 0 if it has none."""
    lower = (s for s in SpecifierSet(versions) if s.operator in (">=", ">", "==", "~="))
    return max((_as_release(_bound(s)) for s in lower), default=Version("0"))


def overlap(one: str, other: str) -> Version | None:
    """Returns the lowest release in both ranges (or one just above an open bound), or None if they don't
    overlap."""
    bounds = [Version("0")]
    for specifier in (*SpecifierSet(one), *SpecifierSet(other)):
        bound = _as_release(_bound(specifier))
        bounds.append(bound)
        if specifier.operator == "!=" and specifier.version.endswith(".*"):
            bounds.append(Version(".".join(map(str, (*bound.release[:-1], bound.release[-1] + 1)))))
    # An overlap starts at a bound or just above one. Appending zeros and a 1 to a bound, with more parts than
    # any bound has, gives a version with no bound in between.
    parts = max(len(bound.release) for bound in bounds)
    probes = {*bounds, *(_just_above(bound, parts) for bound in bounds)}
    both = (probe for probe in sorted(probes) if contains(one, probe) and contains(other, probe))
    return next(both, None)


def _bound(specifier: Specifier) -> Version:
    return Version(specifier.version.removesuffix(".*"))


def _just_above(bound: Version, parts: int) -> Version:
    padding = (0,) * (parts - len(bound.release))
    return Version(".".join(map(str, (*bound.release, *padding, 1))))


def _as_release(version: Version) -> Version:
    # 4.5.dev and 4.5.rc2 have the features of 4.5, but PEP 440 sorts them before >=4.5.
    return Version(version.base_version)
