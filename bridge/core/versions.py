"""Engine version strings become `packaging` versions; one adapter is chosen for each."""

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
    """How one engine writes its versions: dotted numbers, then perhaps a stage with a number.

    `stages` maps the engine's word for a stage to PEP 440's segment (`a`, `b`, `rc`, `.dev`, `.post`, or
    empty for a release), so that the order of PEP 440 is the engine's own order.
    """

    engine: str
    """The engine's name, for errors."""
    stages: Mapping[str, str]
    """PEP 440's segment by the engine's word; empty if it has releases alone."""

    def parse(self, version: str) -> Version:
        """The version in `version`; whatever follows the stage (build numbers, hashes) is ignored.

        Raises UserError if there is no version in it.
        """
        words = "|".join(sorted(map(re.escape, self.stages), key=len, reverse=True))
        found = re.match(
            # A stage ends in its number or at the end of the word: the `f` of `-final` is none.
            rf"\s*v?(\d{{1,9}}(?:\.\d{{1,9}}){{1,3}})(?:[.\-]?({words})(?:(\d{{1,9}})|(?![A-Za-z])))?",
            version,
            re.ASCII,
        )
        if found is None:
            raise UserError(
                text(
                    "{version} is no {engine} version; expected something like 4.2.1.",
                    version=repr(version),
                    engine=self.engine,
                )
            )
        release, stage, number = found.groups()
        segment = self.stages[stage] if stage else ""
        return Version(f"{release}{segment}{(number or '0') if segment else ''}")


class Ranged(Protocol):
    """Something made for a range of one engine's versions."""

    @property
    def name(self) -> str: ...
    @property
    def engine(self) -> str: ...
    @property
    def versions(self) -> str: ...


Candidate = TypeVar("Candidate", bound=Ranged)


class Choice(Struct, Generic[Candidate], frozen=True):
    """The adapter that serves a version; `notice` says so where it isn't made for it."""

    adapter: Candidate
    exact: bool
    notice: AnyText = ""


def contains(versions: str, version: Version) -> bool:
    """Whether `version` is in the PEP 440 range; pre-releases count as what they precede."""
    return SpecifierSet(versions).contains(_as_release(version), prereleases=True)


def choose(candidates: Iterable[Candidate], engine: str, version: Version) -> Choice[Candidate] | None:
    """The one whose range has `version`; else the newest older one, with a notice; else none.

    Pre-condition: no two ranges overlap (the plugin host refuses that at start).
    """
    own = [c for c in candidates if c.engine == engine]
    for candidate in own:
        if contains(candidate.versions, version):
            return Choice(candidate, exact=True)
    older = [c for c in own if lowest(c.versions) <= _as_release(version)]
    if not older:
        return None
    newest = max(older, key=lambda c: lowest(c.versions))
    notice = text(
        "{engine} {version} isn't known to {newest} ({versions}); it serves all the same. "
        "Update PopBridge if something looks wrong.",
        engine=engine,
        version=version,
        newest=newest.name,
        versions=newest.versions,
    )
    return Choice(newest, exact=False, notice=notice)


def lowest(versions: str) -> Version:
    """The lower bound of a range, or 0 where it has none."""
    lower = (s for s in SpecifierSet(versions) if s.operator in (">=", ">", "==", "~="))
    return max((_as_release(_bound(s)) for s in lower), default=Version("0"))


def overlap(one: str, other: str) -> Version | None:
    """The lowest release in both ranges (or one just above an open bound); None where there is none."""
    bounds = [Version("0")]
    for specifier in (*SpecifierSet(one), *SpecifierSet(other)):
        bound = _as_release(_bound(specifier))
        bounds.append(bound)
        if specifier.operator == "!=" and specifier.version.endswith(".*"):
            bounds.append(Version(".".join(map(str, (*bound.release[:-1], bound.release[-1] + 1)))))
    # What both have begins at a bound or just above one. Versions are dense: nothing lies between a bound
    # and the same with more parts than any bound has, the last of them 1.
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
    # An editor's 4.5.dev or 4.5.rc2 has 4.5's features: PEP 440 would sort it before >=4.5.
    return Version(version.base_version)
