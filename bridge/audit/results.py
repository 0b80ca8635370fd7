"""What an audit found: the one value that every form of the report is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from accel.image.operations.analysis import Fingerprint
from accel.text import AnyText
from accel.texture.kinds import Evidence, Kind
from bridge.advisors.findings import NOTE, WASTE, WRONG, Finding
from bridge.advisors.import_project import KnownFile
from bridge.api import Remark
from bridge.core.textures import ImageFacts

SEVERITIES: Mapping[str, int] = {"wrong": WRONG, "waste": WASTE, "note": NOTE}
"""The words for ranks, the worst first."""
SEVERITY_OF: Mapping[int, str] = {rank: word for word, rank in SEVERITIES.items()}

UNSEEN = frozenset({"unjudged", "unlisted", "unreadable", "unsupported"})
"""Codes of files and folders about which nothing else could be found out."""

NOT_APPLIED = "not_applied"
"""The code of what --fix has tried in vain."""


class Issue(Struct, frozen=True):
    """One finding about one file, as a report tells it."""

    code: str
    rank: int
    sentence: str
    """Key of its sentence in the texts of the audit or of the advisors."""
    values: Mapping[str, Any] = field(default_factory=dict)
    finding: Finding | None = None
    """Where an advisor's judgement says it."""
    remark: Remark | None = None
    """Where an engine's adapter says it."""

    @classmethod
    def of(cls, finding: Finding) -> Issue:
        return cls(finding.code, finding.rank, finding.sentence, finding.values, finding)

    @classmethod
    def remarked(cls, remark: Remark) -> Issue:
        # A plugin of a newer PopBridge may know another word.
        return cls(remark.code, SEVERITIES.get(remark.severity, NOTE), "remark", remark=remark)

    @property
    def fixable(self) -> bool:
        """Whether import settings settle it."""
        return self.finding is not None and self.finding.applicable

    @property
    def severity(self) -> str:
        return SEVERITY_OF.get(self.rank, "note")


class Row(Struct):
    """One texture about which there is something to say."""

    file: str
    """Its place below the project's root."""
    path: str
    """As the engine names it."""
    issues: list[Issue]
    """The worst first."""
    settings: Mapping[str, Any] | None = None
    """Its import settings; None where there are none."""
    options: dict[str, Any] = field(default_factory=dict)
    """What settles the fixable ones, in the engine's own names; or has, where `mended` says so."""
    width: int = 0
    height: int = 0
    size: int = 0
    """The file's bytes."""
    format: str = ""
    facts: ImageFacts | None = None
    """What decides on its format in the GPU's memory; None where it couldn't be examined."""
    kind: Kind | None = None
    """The most probable one; None where the file couldn't be examined."""
    sure: bool = False
    """Whether that is sure enough to act on."""
    probability: float = 0.0
    evidence: Sequence[Evidence] = ()
    """What speaks for that, or for another one."""
    content: str = ""
    """SHA-256 of the file; empty where it can't be read."""
    memory: int = 0
    """Bytes of the GPU's memory with its settings; 0 where that isn't known."""
    memory_after: int = 0
    """The same with `options`."""
    mended: list[Issue] = field(default_factory=list)
    """What this run has settled."""
    picture: bytes = b""
    """A small WebP; empty for none."""

    @property
    def rank(self) -> int:
        return max((issue.rank for issue in self.issues), default=-1)

    @property
    def refused(self) -> bool:
        """Whether --fix has tried in vain."""
        return any(issue.code == NOT_APPLIED for issue in self.issues)

    @property
    def present(self) -> dict[str, Any]:
        """The options of `options` as they are, or were before this run."""
        return {name: (self.settings or {}).get(name) for name in self.options}


class Group(Struct, frozen=True):
    """Files that are the same, or nearly."""

    how: str
    """`file`: equal bytes; `pixels`: equal pixels in other files; `looks`: nearly the same picture."""
    files: Sequence[str]
    disk: int
    """Bytes on disk of all but the largest of them, of all links to one place once."""
    memory: int = 0
    """Bytes of the GPU's memory of all but the largest; 0 where that isn't known."""


class Report(Struct, kw_only=True):
    """The whole audit."""

    name: str
    """The project's folder, without what lies above it."""
    root: str
    engine: str
    """With its version; empty for none."""
    part: str = ""
    """The folder or file below `root` that it tells of alone; empty for all."""
    notices: list[AnyText] = field(default_factory=list)
    """What is odd about the project, a sentence each, in English."""
    passed_over: list[AnyText] = field(default_factory=list)
    """What of `popbridge.toml` counts for nothing, and why, in English."""
    rows: list[Row] = field(default_factory=list)
    """The worst first, then by name."""
    unseen: list[tuple[str, Issue]] = field(default_factory=list)
    """Files and folders that couldn't be examined, each with why: also what a baseline accepts."""
    shown: list[Row] | None = None
    """Those that are bad enough to be listed, with such issues alone; None is all."""
    groups: list[Group] = field(default_factory=list)
    textures: int = 0
    """How many were looked at."""
    cached: int = 0
    """How many of them were known from an earlier run."""
    asked: int = 0
    """Of how many of them the engine's adapter was asked."""
    unjudged: int = 0
    """How many of them aren't judged, as their engine's adapter failed at them."""
    faults: list[tuple[str, Issue]] = field(default_factory=list)
    """What the adapter failed at, each with its file: also what a baseline accepts."""
    incomplete: bool = False
    """Whether something that textures are judged by is missing, so that silence is no praise."""
    failed: bool = False
    """Whether a plugin has failed at more than textures that are told one by one, which can be accepted."""
    kinds: dict[str, int] = field(default_factory=dict)
    """How many textures there are of each kind."""
    memory: int = 0
    """Bytes of the GPU's memory of all textures, as far as it is known."""
    accepted: int = 0
    """How many issues the baseline accepts."""
    stale: int = 0
    """How many entries of the baseline fit nothing any more."""
    taken: KnownFile | None = None
    """What its textures are taken for alone, by the settings that they have."""
    taken_planned: KnownFile | None = None
    """The same, by the settings with all of `rows`' options; None where there are none."""
    receipt: int | None = None
    """Of what was written with --fix."""
    seconds: float = 0.0

    @property
    def saved(self) -> int:
        """Bytes of the GPU's memory that the options of all rows free; below 0 where they take more.

        What couldn't be written frees nothing.
        """
        return sum(row.memory - row.memory_after for row in self.rows if row.options and not row.refused)

    @property
    def listed(self) -> list[Row]:
        """The rows that a report lists; what it says as a whole is said of all."""
        return self.rows if self.shown is None else self.shown

    @property
    def unlisted(self) -> int:
        """How many issues are left out."""
        return sum(len(row.issues) for row in self.rows) - sum(len(row.issues) for row in self.listed)

    def count(self, severity: str) -> int:
        rank = SEVERITIES[severity]
        return sum(issue.rank == rank for row in self.rows for issue in row.issues)


class TextureState(Struct, frozen=True):
    """What is kept of every texture until the end, to find those that are alike."""

    file: str
    size: int
    memory: int
    """Bytes of the GPU's memory; 0 where that isn't known."""
    fingerprint: Fingerprint
