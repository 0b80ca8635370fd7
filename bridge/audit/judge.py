"""Judges textures in their project: findings, GPU memory and plugin failures."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec.structs import replace

from accel.image.decode import LFS_POINTER
from accel.text import Text, plural, text
from accel.texture import context
from accel.texture.workloads import Examination
from accel.workload import WorkloadError
from bridge.advisors import advice
from bridge.advisors.explanation import explain, with_findings
from bridge.advisors.findings import ERROR, NOTE, Considered, Finding
from bridge.advisors.import_project import AuditResultsWriter
from bridge.advisors.material_sets import SetMember, material_batches, unite_materials
from bridge.advisors.texture_facts import facts_of, memory_of
from bridge.api import Remark, TextureAsset, TextureUses
from bridge.audit.examine import Answer, Trouble
from bridge.audit.project import Project, options_for
from bridge.audit.results import Fix, Issue, Report, Row, TextureState
from bridge.core.errors import UserError
from bridge.core.textures import NO_USES, Platform, TextureIntent
from bridge.host import isolation, validation

UNJUDGED, UNREMARKED = "unjudged", "unremarked"
OURS = "PopBridge"
FAILURES = {
    UNJUDGED: plural(
        "{plugin} failed, so {n} texture wasn't checked: {file} ({reason}). {remedy}",
        "{plugin} failed, so {n} textures weren't checked; the first is {file} ({reason}). {remedy}",
        0,
    ),
    UNREMARKED: plural(
        "{plugin}: extra checks failed for {n} texture: {file} ({reason}). {remedy}",
        "{plugin}: extra checks failed for {n} textures; the first is {file} ({reason}). {remedy}",
        0,
    ),
}
"""The notice about a plugin's failures, by the code of its issues."""
REMEDY = text("Update the plugin, or report this to its author.")
OWN_REMEDY = text("Update PopBridge, or report this.")
PLATFORM: Platform = "desktop"
"""The platform whose memory the report shows."""
PROBLEMS = {
    "unsupported": NOTE, "too_large": NOTE, "not_found": NOTE, "busy": NOTE, "deadline_exceeded": NOTE,
}  # fmt: skip
"""Error codes of files that aren't checked; all others mean that the file can't be read.

A missed deadline is more often the machine's fault than the file's.
"""
AT_ONCE = 256
"""Number of textures judged per step."""

_decoder = msgspec.msgpack.Decoder(Examination)


def fault_of(code: str, error: BaseException, plugin: str) -> Issue:
    """Returns the issue for a texture at which `plugin`, or else PopBridge itself, raised `error`."""
    by = plugin if isolation.is_plugin_frame(error) else OURS
    return Issue(code, NOTE, code, {"reason": isolation.describe(error), "plugin": by})


def plugin_faults(rows: Iterable[Row]) -> list[tuple[str, Issue]]:
    """Returns the plugins' failures, each with its file."""
    return [(row.file, issue) for row in rows for issue in row.issues if issue.code in FAILURES]


def failed_files(report: Report, code: str) -> Mapping[str, Issue]:
    """Returns the failures of this code by file."""
    return {file: issue for file, issue in report.faults if issue.code == code}


def report_faults(report: Report) -> None:
    """Adds a notice about plugins' failures; if most textures have them, it replaces their issues."""
    for code, asked in ((UNJUDGED, report.asked), (UNREMARKED, report.textures)):
        if textures := failed_files(report, code):
            report.notices.append(_notice(code, textures))
            report.incomplete = True
            # Textures of other kinds may not reach what fails.
            if 2 * len(textures) > asked > 1:
                for row in report.rows:
                    row.issues = [issue for issue in row.issues if issue.code != code]
                report.rows = [row for row in report.rows if row.issues]
                report.unseen = [(file, issue) for file, issue in report.unseen if issue.code != code]
                report.failed = True
    report.unjudged = len(failed_files(report, UNJUDGED))


def is_unjudged(report: Report) -> bool:
    """Whether a plugin's failure left something unchecked that no baseline ignores."""
    return report.failed or any(plugin_faults(report.rows))


def _notice(code: str, textures: Mapping[str, Issue]) -> Text:
    first = min(textures)
    values = textures[first].values
    remedy = OWN_REMEDY if values["plugin"] == OURS else REMEDY
    return FAILURES[code].fill(
        n=len(textures), plugin=values["plugin"], reason=values["reason"], file=first, remedy=remedy
    )


def measure_memory(project: Project, row: Row) -> None:
    """Sets the row's memory with its settings and with its options, and what each finding needs of both."""
    row.memory = row.memory_after = _memory(project, row, row.settings)
    row.fixes = {}
    if row.options:
        row.memory_after = _memory(project, row, {**(row.settings or {}), **row.options})
        row.fixes = dict(_fixes(project, row))


def _fixes(project: Project, row: Row) -> Iterator[tuple[str, Fix]]:
    """Yields what each code adds to those before it."""
    by_code: dict[str, list[Issue]] = {}
    # As in reports; not all adapters' issues may be there yet.
    for issue in sorted(row.issues, key=lambda issue: -issue.rank):
        if issue.fixable:
            by_code.setdefault(issue.code, []).append(issue)
    issues: list[Issue] = []
    options: Mapping[str, Any] = {}
    memory = row.memory
    for number, (code, some) in enumerate(by_code.items(), 1):
        issues += some
        last = number == len(by_code)
        wanted = row.options if last else options_for(project, row.settings, issues)
        settings = {**(row.settings or {}), **wanted}
        after = row.memory_after if last else _memory(project, row, settings)
        added = {name: value for name, value in wanted.items() if name not in options}
        yield code, Fix(added, memory - after)
        options, memory = wanted, after


def _memory(project: Project, row: Row, settings: Mapping[str, Any] | None) -> int:
    """Bytes on desktop; 0 if unknown."""
    adapter, version = project.adapter, project.version
    if adapter is None or version is None or settings is None or row.facts is None:
        return 0
    return memory_of(row.facts, settings, adapter, version, (PLATFORM,)).get(PLATFORM, 0)


class Judge:
    """Collects the examinations of one audit and makes the report's rows of them."""

    def __init__(
        self,
        project: Project,
        report: Report,
        max_size: int,
        explains: Callable[[str], bool] = lambda file: False,
    ) -> None:
        """`max_size` is the accepted longest side, pixels; `explains` whether a file gets an explanation."""
        self._project = project
        self._report = report
        self._max_size = max_size
        self._explains = explains
        self._context = context.Context()
        self._plugin = project.adapter.name if project.adapter else OURS
        self._examined: list[tuple[TextureAsset, int, bytes]] = []
        """With the file's size; encoded, as thousands wait for the last one."""
        self.classifications = AuditResultsWriter()
        self.states: list[TextureState] = []
        self.uses: Mapping[str, TextureUses] = {}
        """By file: what the project uses it as; set before `finish`."""

    def prepare(self, count: int) -> None:
        """Loads the model for up to `count` textures, before they are examined.

        Raises UserError if it is missing or damaged.
        """
        if count <= context.FEWEST:
            return
        try:
            context.load_context_model()
        except WorkloadError as error:
            raise UserError(text("Can't judge the textures: {reason}.", reason=error.reason)) from None

    def add_missing(self, asset: TextureAsset) -> None:
        """Adds the row of a texture without pixels: one that is gone, or of which only the header is read."""
        if not self._project.covers(asset.file):
            return
        row = self._new_row(asset, self._asset_issues(asset))
        if asset.header_only:
            self._report.textures += 1
            with contextlib.suppress(OSError):
                row.size = (self._project.root / asset.file).stat().st_size
        self._add(row)

    def add(self, asset: TextureAsset, answer: Answer) -> None:
        """Adds one texture's examination; a failed one gets its row immediately.

        Textures outside the audited part only count as context.
        """
        covered, found = self._project.covers(asset.file), answer.outcome
        self._report.textures += covered
        self._report.cached += covered and answer.cached
        if isinstance(found, Trouble):
            issue = _trouble(found)
            row = self._new_row(asset, [*self._asset_issues(asset), issue])
            row.size, row.content = answer.size, found.content
            if covered:
                self._add(row)
            return
        self._context.add(asset.file, found.inspection.extent, found.classification)
        self.classifications.add(asset.file, found)
        if covered:
            self._examined.append((asset, answer.size, msgspec.msgpack.encode(found)))

    async def finish(self) -> None:
        """Judges all examined textures and adds the rows of those with issues."""
        batches = list(material_batches(self._examined, lambda each: each[0].file, AT_ONCE))
        self._examined.clear()
        while batches:
            # Lets Ctrl-C interrupt.
            await asyncio.sleep(0)
            # From the end, which frees memory for the rows.
            self._judge(list(self._in_context(batches.pop())))
        self._report.faults = plugin_faults(self._report.rows)

    def _in_context(
        self, some: Iterable[tuple[TextureAsset, int, bytes]]
    ) -> Iterator[tuple[TextureAsset, int, Examination]]:
        examined = [(asset, size, _decoder.decode(encoded)) for asset, size, encoded in some]
        files = [asset.file for asset, _, _ in examined]
        images = [found.inspection for _, _, found in examined]
        in_context = self._context.judge(files, images, [found.classification for _, _, found in examined])
        for (asset, size, found), classification in zip(examined, in_context, strict=True):
            yield asset, size, replace(found, classification=classification)

    def _judge(self, some: Sequence[tuple[TextureAsset, int, Examination]]) -> None:
        members: list[SetMember] = []
        faults: dict[str, Issue] = {}
        considered: dict[str, Sequence[Considered]] = {}
        for asset, _, found in some:
            kind = found.classification.kind
            self._report.kinds[kind] = self._report.kinds.get(kind, 0) + 1
            self._report.asked += asset.options is not None
            try:
                considered[asset.file] = self._consider(asset, found)
                members.append(self._member(asset, found, considered[asset.file]))
            # An adapter is a plugin: its failure is one issue.
            except (Exception, SystemExit) as error:
                faults[asset.file] = fault_of(UNJUDGED, error, self._plugin)
        findings = {**{member.file: member.findings for member in members}, **self._united(members)}
        for asset, size, found in some:
            row = self._row(
                asset,
                found,
                findings.get(asset.file, ()),
                considered.get(asset.file, ()),
                faults.get(asset.file),
            )
            self._report.memory += row.memory
            extent = found.inspection.extent
            self.states.append(TextureState(asset.file, size, row.memory, found.fingerprint, extent))
            self._add(row)

    def _consider(self, asset: TextureAsset, found: Examination) -> Sequence[Considered]:
        """Judges a texture alone. Raises the adapter's exceptions."""
        adapter, version = self._project.adapter, self._project.version
        uses = self.uses.get(asset.file, NO_USES)
        return advice.judge_all(
            found, asset.file, asset.options, adapter, version, max_size=self._max_size, uses=uses
        )

    def _member(self, asset: TextureAsset, found: Examination, considered: Sequence[Considered]) -> SetMember:
        findings = [each.finding for each in considered if each.finding is not None]
        uses = self.uses.get(asset.file, NO_USES)
        return SetMember(asset.file, found, asset.options, findings, uses)

    def _united(self, members: Sequence[SetMember]) -> Mapping[str, Sequence[Finding]]:
        adapter, version = self._project.adapter, self._project.version
        if adapter is None or version is None:
            return {}
        try:
            return unite_materials(members, adapter, version, self._max_size)
        # An adapter is a plugin: what it says of each texture alone still holds.
        except (Exception, SystemExit):
            return {}

    def _row(
        self,
        asset: TextureAsset,
        found: Examination,
        findings: Sequence[Finding],
        considered: Sequence[Considered],
        fault: Issue | None,
    ) -> Row:
        row = self._new_row(asset, self._asset_issues(asset))
        _describe(row, found)
        try:
            if fault is None:
                self._advise(row, found, findings, considered, read_only=bool(asset.read_only))
        # An adapter is a plugin: its failure is one issue.
        except (Exception, SystemExit) as error:
            fault = fault_of(UNJUDGED, error, self._plugin)
        if fault is not None:
            row.issues = [*self._asset_issues(asset), fault]
            row.options, row.facts, row.memory, row.memory_after = {}, None, 0, 0
            row.explanation = None
        return row

    def _asset_issues(self, asset: TextureAsset) -> list[Issue]:
        """Issues that don't depend on the pixels, such as an import file that can't be parsed."""
        reason, rank = {"reason": asset.problem}, ERROR if asset.broken else NOTE
        unknown = [Issue("unknown_settings", rank, "unknown_settings", reason)] if asset.problem else []
        return unknown + _remarked(lambda: asset.remarks, self._plugin)

    def _advise(
        self,
        row: Row,
        found: Examination,
        findings: Sequence[Finding],
        considered: Sequence[Considered],
        *,
        read_only: bool,
    ) -> None:
        uses = self.uses.get(row.file, NO_USES)
        if read_only:
            findings = [replace(finding, intent=TextureIntent(), memory={}) for finding in findings]
        row.issues += map(Issue.of, findings)
        if self._explains(row.file):
            row.explanation = explain(
                found,
                row.file,
                with_findings(considered, findings),
                row.settings,
                partial(_options_of, self._project, row.settings),
                uses=uses,
            )
        row.issues += _remarked(lambda: _remarks(self._project, row, uses), self._plugin)
        row.options = options_for(self._project, row.settings, row.issues)
        measure_memory(self._project, row)

    def _new_row(self, asset: TextureAsset, issues: list[Issue]) -> Row:
        row = Row(asset.file, asset.path, issues, asset.options)
        row.editor = self._project.editor.known.get(asset.file) if self._project.editor else None
        return row

    def _add(self, row: Row) -> None:
        if row.explanation is not None:
            self._report.explained.append(row)
        if row.issues:
            row.issues.sort(key=lambda issue: -issue.rank)
            self._report.rows.append(row)


def _options_of(
    project: Project, settings: Mapping[str, Any] | None, considered: Considered
) -> Mapping[str, Any]:
    finding = considered.finding
    return {} if finding is None else options_for(project, settings, [Issue.of(finding)])


def _remarks(project: Project, row: Row, uses: TextureUses) -> Iterable[Remark]:
    adapter, version = project.adapter, project.version
    if adapter is None or version is None or row.settings is None or row.facts is None:
        return ()
    used_as = uses.kinds("slot", "declaration")
    return adapter.remarks(row.settings, row.facts, used_as, version)


def _describe(row: Row, found: Examination) -> None:
    image, classification = found.inspection, found.classification
    row.width, row.height, row.size, row.format = image.width, image.height, image.size, image.format
    row.facts = facts_of(image)
    row.kind, row.sure = classification.kind, classification.advise
    row.probability = classification.confidence
    row.evidence = classification.evidence
    row.content = found.fingerprint.file


def _remarked(remarks: Callable[[], Iterable[Remark]], plugin: str) -> list[Issue]:
    try:
        return [Issue.remarked(remark) for remark in validation.check_remarks(remarks())]
    # An adapter is a plugin: the other findings are valid without its remarks.
    except (Exception, SystemExit) as error:
        return [fault_of(UNREMARKED, error, plugin)]


def _trouble(trouble: Trouble) -> Issue:
    if trouble.reason == LFS_POINTER:
        return Issue("lfs_pointer", ERROR, "lfs_pointer")
    code = "unsupported" if trouble.code in PROBLEMS else "unreadable"
    return Issue(code, PROBLEMS.get(trouble.code, ERROR), code, {"reason": trouble.reason})
