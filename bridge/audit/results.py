"""The audit's results, from which every form of the report is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from accel.image.operations.analysis import Fingerprint
from accel.text import AnyText
from accel.texture.kinds import Evidence, Kind
from bridge.advisors.explanation import Explanation
from bridge.advisors.findings import ERROR, NOTE, WARNING, Finding
from bridge.advisors.import_project import AuditResultsWriter
from bridge.api import EditorTexture, OptionLabel, Remark
from bridge.audit.editor_textures import EditorTextures
from bridge.core.messages import AdapterInfo
from bridge.core.textures import OLD_SEVERITIES, ImageFacts, Severity, severity_of

RANKS: dict[Severity, int] = {"error": ERROR, "warning": WARNING, "note": NOTE}
SEVERITY_OF: Mapping[int, Severity] = {rank: severity for severity, rank in RANKS.items()}
SEVERITIES: Mapping[str, int] = {
    word: RANKS[severity] for word in (*RANKS, *OLD_SEVERITIES) if (severity := severity_of(word))
}
"""Ranks by severity, also by the words of 0.1.0."""

UNSEEN = frozenset({"lfs_pointer", "unjudged", "unlisted", "unreadable", "unsupported"})
"""Codes of files and folders that couldn't be examined."""

NOT_APPLIED = "not_applied"
"""The code of textures that --fix couldn't fix."""


class Issue(Struct, frozen=True):
    """One finding in a report: of an advisor, of an engine's adapter, or of the audit itself."""

    code: str
    rank: int
    sentence: str
    """Key of its sentence in the texts of the audit, or of the advisors if `finding` is set."""
    values: Mapping[str, Any] = field(default_factory=dict)
    finding: Finding | None = None
    remark: Remark | None = None

    @classmethod
    def of(cls, finding: Finding) -> Issue:
        return cls(finding.code, finding.rank, finding.sentence, finding.values, finding)

    @classmethod
    def remarked(cls, remark: Remark) -> Issue:
        # A plugin for a newer PopBridge may have another severity.
        severity = severity_of(remark.severity) or "note"
        return cls(remark.code, RANKS[severity], "remark", remark=remark)

    @property
    def fixable(self) -> bool:
        """Whether import settings fix it."""
        return self.finding is not None and self.finding.applicable

    @property
    def severity(self) -> Severity:
        return SEVERITY_OF.get(self.rank, "note")


class Fix(Struct, frozen=True):
    """The part of a texture's options that one finding needs."""

    options: Mapping[str, Any]
    """Those that the findings before it don't set already."""
    saved: int
    """Bytes of GPU memory that they free; negative if they cost memory."""


class LitPair(Struct, frozen=True):
    """How a texture looks before and after its fix."""

    scene: str
    """What `texture.preview_lit` drew: `lit`, `far` or `detail`."""
    before: bytes
    """WebP, like `after`."""
    after: bytes


class Row(Struct):
    """One texture with findings."""

    file: str
    """Path below the project's root."""
    path: str
    """The engine's name for it."""
    issues: list[Issue]
    """Sorted by severity."""
    settings: Mapping[str, Any] | None = None
    """Import settings; None without any."""
    options: dict[str, Any] = field(default_factory=dict)
    """The options that fix the fixable issues, or fixed those in `mended`, in the engine's own names."""
    width: int = 0
    height: int = 0
    size: int = 0
    """The file's bytes."""
    format: str = ""
    facts: ImageFacts | None = None
    """Facts that determine its format in GPU memory; None if it couldn't be examined."""
    kind: Kind | None = None
    """The most probable one; None if the file couldn't be examined."""
    sure: bool = False
    """Whether the kind is sure enough for advice."""
    probability: float = 0.0
    """Of the kind's class, as in `Classification.confidence`."""
    evidence: Sequence[Evidence] = ()
    """For this kind and others."""
    content: str = ""
    """SHA-256 of the file; empty if it can't be read."""
    memory: int = 0
    """Bytes of GPU memory with its settings; 0 if unknown."""
    memory_after: int = 0
    """Bytes of GPU memory with `options`; 0 if unknown."""
    mended: list[Issue] = field(default_factory=list)
    """The issues that this run fixed."""
    fixes: Mapping[str, Fix] = field(default_factory=dict)
    """By code, in the order of the issues; together they have all `options` and the memory they free."""
    picture: bytes = b""
    """A small WebP; empty without one."""
    explanation: Explanation | None = None
    """Set if the plan asks for it."""
    lit: LitPair | None = None
    """None without one, and for textures that look the same."""
    editor: EditorTexture | None = None
    """What the engine's editor knows of it; None if no editor was asked, or it doesn't know the texture."""
    diff: str = ""
    """What the options change in the import file, as a unified diff without file names; empty if unknown."""

    @property
    def rank(self) -> int:
        return max((issue.rank for issue in self.issues), default=-1)

    @property
    def exists(self) -> bool:
        """Whether there is a file, which was examined or couldn't be read."""
        return bool(self.width or self.size)

    @property
    def refused(self) -> bool:
        """Whether --fix failed at it."""
        return any(issue.code == NOT_APPLIED for issue in self.issues)

    @property
    def present(self) -> dict[str, Any]:
        """The values of `options` before the fix."""
        return {name: (self.settings or {}).get(name) for name in self.options}

    def saved_by(self, issue: Issue) -> int:
        """Bytes of GPU memory that fixing `issue` frees; negative if it costs memory."""
        fix = self.fixes.get(issue.code) if issue.fixable and not self.refused else None
        return fix.saved if fix else 0


class Group(Struct, frozen=True):
    """Duplicate or similar files."""

    how: str
    """`file`: identical files; `pixels`: identical pixels; `looks`: similar images."""
    files: Sequence[str]
    disk: int
    """Bytes on disk of all but the largest; links to one file count once."""
    memory: int = 0
    """Bytes of GPU memory of all but the largest; 0 if unknown."""


class Folder(Struct):
    """The textures of one folder, without those of folders in it."""

    memory: int = 0
    """Bytes of GPU memory of those for which it is known."""
    textures: int = 0


class Problem(Struct):
    """All findings of one code and severity."""

    code: str
    rank: int
    found: list[tuple[Row, Issue]] = field(default_factory=list)
    saved: int = 0
    """Bytes of GPU memory that fixing all frees; negative if it costs memory."""

    @property
    def severity(self) -> Severity:
        return SEVERITY_OF.get(self.rank, "note")


def problems_of(rows: Iterable[Row]) -> list[Problem]:
    """Groups the findings of `rows`: the most severe first, then those that free most memory.

    Within a problem, the textures that free most memory come first.
    """
    problems: dict[tuple[int, str], Problem] = {}
    for row in rows:
        for issue in row.issues:
            problem = problems.setdefault((issue.rank, issue.code), Problem(issue.code, issue.rank))
            if all(known is not row for known, _ in problem.found[-1:]):
                problem.saved += row.saved_by(issue)
            problem.found.append((row, issue))
    for problem in problems.values():
        problem.found.sort(key=lambda found: (-found[0].saved_by(found[1]), found[0].file))
    return sorted(problems.values(), key=lambda one: (-one.rank, -one.saved, -len(one.found), one.code))


class Report(Struct, kw_only=True):
    """The results of one audit."""

    name: str
    """The name of the project's folder."""
    root: str
    engine: str
    """With its version; empty without one."""
    adapter: AdapterInfo | None = None
    """The adapter for the engine's version; None without an engine."""
    part: str = ""
    """The folder or file below `root` that was audited; empty for the whole project."""
    notices: list[AnyText] = field(default_factory=list)
    """Sentences about the whole project."""
    passed_over: list[AnyText] = field(default_factory=list)
    """Ignored parts of `popbridge.toml`, with reasons."""
    rows: list[Row] = field(default_factory=list)
    """Sorted by severity, then by name."""
    explained: list[Row] = field(default_factory=list)
    """The rows with an explanation, also of textures without findings."""
    unseen: list[tuple[str, Issue]] = field(default_factory=list)
    """Files and folders that couldn't be examined; also those that the baseline ignores."""
    shown: list[Row] | None = None
    """The rows and issues of the listed severities; None for all."""
    groups: list[Group] = field(default_factory=list)
    textures: int = 0
    """Number of examined textures."""
    cached: int = 0
    """Number of examined textures that came from the cache."""
    asked: int = 0
    """Number of textures for which the engine's adapter was called."""
    unjudged: int = 0
    """Number of textures for which the engine's adapter failed."""
    faults: list[tuple[str, Issue]] = field(default_factory=list)
    """The adapter's failures by file; also those that the baseline ignores."""
    incomplete: bool = False
    """Whether some evidence is missing, so that no findings don't mean that all is right."""
    failed: bool = False
    """Whether a plugin failed in a way that no baseline can ignore."""
    kinds: dict[str, int] = field(default_factory=dict)
    """Number of textures by kind."""
    memory: int = 0
    """Bytes of GPU memory of all textures for which it is known."""
    folders: dict[str, Folder] = field(default_factory=dict)
    """By path below the root; empty for the root itself."""
    accepted: int = 0
    """Number of issues that the baseline ignores."""
    ignored: list[tuple[str, Issue]] = field(default_factory=list)
    """These issues by file."""
    stale: int = 0
    """Number of baseline entries that match nothing."""
    classifications: AuditResultsWriter | None = None
    """The textures' classifications without context, for the import advisor."""
    fixed_classifications: AuditResultsWriter | None = None
    """The classifications with all options of `rows` set; None if there are none."""
    receipt: int | None = None
    """Id of the change that --fix made."""
    seconds: float = 0.0
    finished: float = 0.0
    """Seconds since 1970; 0 if unknown."""
    editor: EditorTextures | None = None
    """What the engine's editor has read; None if no editor was asked."""
    labels: Mapping[str, OptionLabel] = field(default_factory=dict)
    """How the engine's editor shows the options of `rows`, in the report's language."""
    pictures: dict[str, bytes] = field(default_factory=dict)
    """Small WebPs of duplicates, by file."""
    unlit: int = 0
    """Number of textures whose lit pictures were left out of the page because of its size."""

    @property
    def saved(self) -> int:
        """Bytes of GPU memory that the options of all rows free; negative if they cost memory.

        Rows that couldn't be fixed don't count.
        """
        return sum(row.memory - row.memory_after for row in self.rows if row.options and not row.refused)

    @property
    def listed(self) -> list[Row]:
        """The rows that the report lists; its totals count all."""
        return self.rows if self.shown is None else self.shown

    @property
    def judged(self) -> int:
        """The number of textures that could be examined."""
        return max(self.textures - len(self._unseen_files), 0)

    @property
    def well_imported(self) -> int:
        """The number of these without an error or a warning."""
        unseen = self._unseen_files
        # A texture that is missing wasn't examined.
        bad = sum(row.rank >= WARNING and row.exists and row.file not in unseen for row in self.rows)
        return max(self.judged - bad, 0)

    @property
    def _unseen_files(self) -> set[str]:
        # Folders are no textures.
        return {file for file, issue in self.unseen if issue.code != "unlisted"}

    @property
    def unlisted(self) -> int:
        """The number of issues that aren't listed."""
        return sum(len(row.issues) for row in self.rows) - sum(len(row.issues) for row in self.listed)

    def count(self, severity: Severity) -> int:
        rank = RANKS[severity]
        return sum(issue.rank == rank for row in self.rows for issue in row.issues)


class TextureState(Struct, frozen=True):
    """Facts about a texture that are needed to find duplicates."""

    file: str
    size: int
    memory: int
    """Bytes of GPU memory; 0 if unknown."""
    fingerprint: Fingerprint
    extent: tuple[int, int]
    """Width and height, pixels."""


def folders_of(textures: Iterable[TextureState]) -> dict[str, Folder]:
    """Returns the folders of these textures by path below the root; empty for the root itself."""
    folders: dict[str, Folder] = {}
    for texture in textures:
        folder = folders.setdefault(texture.file.rpartition("/")[0], Folder())
        folder.memory += texture.memory
        folder.textures += 1
    return folders
