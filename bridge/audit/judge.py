"""Findings per texture; duplicates; memory; plugin faults."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from accel.image.hashes import find_groups
from accel.text import text
from accel.texture import context
from accel.texture.workloads import Examination
from accel.workload import WorkloadError
from bridge.advisors import advice
from bridge.advisors.findings import NOTE, WRONG
from bridge.advisors.import_project import KnownFile
from bridge.advisors.texture_facts import facts_of
from bridge.api import Remark, TextureAsset
from bridge.audit.examine import Answer, Trouble
from bridge.audit.project import Project, options_for
from bridge.audit.results import Group, Issue, Report, Row, TextureState
from bridge.core.errors import UserError
from bridge.core.textures import Platform
from bridge.host import isolation, validation

UNJUDGED, UNREMARKED = "unjudged", "unremarked"
OURS = "PopBridge"
TOLD = {
    UNJUDGED: "{plugin} has left {count} of the textures unjudged, as it failed ({why}); the first is "
    "{file}.",
    UNREMARKED: "{plugin} has left {count} of the textures without remarks, as it failed ({why}); the first "
    "is {file}.",
}
"""What is said of the plugin, by the code of what is said of a texture."""
REMEDY = text("Update the plugin, or tell whoever wrote it.")
OUR_REMEDY = text("Update PopBridge, or report this.")


def fault_of(code: str, error: BaseException, plugin: str) -> Issue:
    """What is said of the texture over which `error` was raised, by `plugin` if by anything of it."""
    by = plugin if isolation.is_plugin_frame(error) else OURS
    return Issue(code, NOTE, code, {"reason": isolation.describe(error), "plugin": by})


def plugin_faults(rows: Iterable[Row]) -> list[tuple[str, Issue]]:
    """What was failed at, each with its file."""
    return [(row.file, issue) for row in rows for issue in row.issues if issue.code in TOLD]


def failed_files(report: Report, code: str) -> Mapping[str, Issue]:
    """What was failed at by this code, by file."""
    return {file: issue for file, issue in report.faults if issue.code == code}


def report_faults(report: Report) -> None:
    """Says once what plugins have failed at; where these are most of what they were asked of, not of each."""
    for code, asked in ((UNJUDGED, report.asked), (UNREMARKED, report.textures)):
        if textures := failed_files(report, code):
            report.notices.append(_told(code, textures))
            report.incomplete = True
            # Many of one kind may not need what it fails at.
            if 2 * len(textures) > asked > 1:
                _leave_out(report, code)
                report.failed = True
    report.unjudged = len(failed_files(report, UNJUDGED))


def is_unjudged(report: Report) -> bool:
    """Whether something isn't judged as a plugin has failed, and nobody has accepted that."""
    return report.failed or any(plugin_faults(report.rows))


def _leave_out(report: Report, code: str) -> None:
    for row in report.rows:
        row.issues = [issue for issue in row.issues if issue.code != code]
    report.rows = [row for row in report.rows if row.issues]
    report.unseen = [(file, issue) for file, issue in report.unseen if issue.code != code]


def _told(code: str, textures: Mapping[str, Issue]) -> str:
    first = min(textures)
    plugin, why = textures[first].values["plugin"], textures[first].values["reason"]
    said = TOLD[code].format(plugin=plugin, count=len(textures), why=why, file=first)
    return f"{said} {OUR_REMEDY if plugin == OURS else REMEDY}"


PLATFORM: Platform = "desktop"
"""The one that reports sum up."""


def measure_memory(project: Project, row: Row) -> None:
    """Says in the row what it takes as it is, and with its options."""
    row.memory = row.memory_after = _memory(project, row, row.settings)
    if row.options:
        row.memory_after = _memory(project, row, {**(row.settings or {}), **row.options})


def _memory(project: Project, row: Row, settings: Mapping[str, Any] | None) -> int:
    """Bytes on the desktop; 0 where no engine says how the texture is kept."""
    adapter, version = project.adapter, project.version
    if adapter is None or version is None or settings is None or row.facts is None:
        return 0
    return validation.check_memory(adapter.gpu_memory(settings, row.facts, PLATFORM, version)) or 0


PROBLEMS = {
    "unsupported": NOTE, "too_large": NOTE, "not_found": NOTE, "busy": NOTE, "deadline_exceeded": NOTE,
}  # fmt: skip
"""Why a file isn't examined, and how bad that is; everything else is a file that is broken.

What wasn't done in time says more of the machine than of the file.
"""
AT_ONCE = 256
"""Textures that are judged in one go."""

_decoder = msgspec.msgpack.Decoder(Examination)


class Judge:
    """What one audit gathers, and the rows that come of it."""

    def __init__(self, project: Project, report: Report, max_size: int) -> None:
        """`max_size` is the longest side that is accepted, pixels."""
        self._project = project
        self._report = report
        self._max_size = max_size
        self._context = context.Context()
        self._plugin = project.adapter.name if project.adapter else OURS
        """Whose fault it is where one of the textures can't be judged."""
        self._examined: list[tuple[TextureAsset, int, bytes]] = []
        """With the file's size. Encoded, as thousands of them wait for the last one."""
        self.taken = KnownFile()
        self.seen: list[TextureState] = []

    def prepare(self, count: int) -> None:
        """Reads what up to `count` textures are judged by, before they are examined.

        Raises UserError where that is missing or damaged.
        """
        if count <= context.FEWEST:
            return
        try:
            context.load_context_model()
        except WorkloadError as error:
            raise UserError(text("The textures can't be judged: {reason}.", reason=error.reason)) from None

    def tell(self, asset: TextureAsset) -> None:
        """Gives what is left of a texture that is gone its row."""
        if self._project.covers(asset.file):
            self._add(_row(asset, self._known(asset)))

    def take(self, asset: TextureAsset, answer: Answer) -> None:
        """Keeps what came of one texture; what couldn't be examined has its row at once.

        Of what isn't told of only what it is counts, for the others.
        """
        covered, found = self._project.covers(asset.file), answer.outcome
        self._report.textures += covered
        self._report.cached += covered and answer.cached
        if isinstance(found, Trouble):
            row = _row(asset, [*self._known(asset), _trouble(found)])
            row.size, row.content = answer.size, found.content
            if covered:
                self._add(row)
            return
        self._context.add(asset.file, found.inspection.extent, found.classification)
        self.taken.add(asset.file, found)
        if covered:
            self._examined.append((asset, answer.size, msgspec.msgpack.encode(found)))

    async def finish(self) -> None:
        """Judges all that was examined; keeps a row only where there is something to say."""
        while some := self._examined[-AT_ONCE:]:
            # Ctrl-C would else be heard only in the end.
            await asyncio.sleep(0)
            # From the end, so that its memory serves for what comes of them.
            del self._examined[-AT_ONCE:]
            for asset, size, found in self._in_context(some):
                self._judge(asset, size, found)
        self._report.faults = plugin_faults(self._report.rows)

    def _in_context(
        self, some: Iterable[tuple[TextureAsset, int, bytes]]
    ) -> Iterator[tuple[TextureAsset, int, Examination]]:
        examined = [(asset, size, _decoder.decode(encoded)) for asset, size, encoded in some]
        files = [asset.file for asset, _, _ in examined]
        sizes = [found.inspection.extent for _, _, found in examined]
        told = self._context.judge(files, sizes, [found.classification for _, _, found in examined])
        for (asset, size, found), classification in zip(examined, told, strict=True):
            yield asset, size, replace(found, classification=classification)

    def _judge(self, asset: TextureAsset, size: int, found: Examination) -> None:
        kind = found.classification.kind
        self._report.kinds[kind] = self._report.kinds.get(kind, 0) + 1
        self._report.asked += asset.options is not None
        row = self._judged(asset, found)
        self._report.memory += row.memory
        self.seen.append(TextureState(asset.file, size, row.memory, found.fingerprint))
        self._add(row)

    def _judged(self, asset: TextureAsset, found: Examination) -> Row:
        row = _row(asset, self._known(asset))
        _describe(row, found)
        try:
            self._advise(row, found)
        # An adapter is a plugin: what it can't judge costs one line.
        except (Exception, SystemExit) as error:
            row.issues = [*self._known(asset), fault_of(UNJUDGED, error, self._plugin)]
            row.options, row.facts, row.memory, row.memory_after = {}, None, 0, 0
        return row

    def _known(self, asset: TextureAsset) -> list[Issue]:
        """What is said of it without a look at its pixels: its import file may have an unknown syntax."""
        reason, rank = {"reason": asset.problem}, WRONG if asset.broken else NOTE
        unknown = [Issue("unknown_settings", rank, "unknown_settings", reason)] if asset.problem else []
        return unknown + _remarked(lambda: asset.remarks, self._plugin)

    def _advise(self, row: Row, found: Examination) -> None:
        adapter, version = self._project.adapter, self._project.version
        findings = advice.judge(found, row.file, row.settings, adapter, version, max_size=self._max_size)
        row.issues += map(Issue.of, findings)
        row.issues += _remarked(lambda: _remarks(self._project, row), self._plugin)
        row.options = options_for(self._project, row.settings, row.issues)
        measure_memory(self._project, row)

    def _add(self, row: Row) -> None:
        if row.issues:
            row.issues.sort(key=lambda issue: -issue.rank)
            self._report.rows.append(row)


def _remarks(project: Project, row: Row) -> Iterable[Remark]:
    adapter, version = project.adapter, project.version
    if adapter is None or version is None or row.settings is None or row.facts is None:
        return ()
    used_as = {found.kind for found in row.evidence if found.source == "slot" and found.kind}
    return adapter.remarks(row.settings, row.facts, used_as, version)


def _describe(row: Row, found: Examination) -> None:
    image, classification = found.inspection, found.classification
    row.width, row.height, row.size, row.format = image.width, image.height, image.size, image.format
    row.facts = facts_of(image)
    row.kind, row.sure = classification.kind, classification.advise
    row.probability = float(classification.probabilities.get(row.kind, 0.0))
    row.evidence = classification.evidence
    row.content = found.fingerprint.file


def _row(asset: TextureAsset, issues: list[Issue]) -> Row:
    return Row(asset.file, asset.path, issues, asset.options)


def _remarked(remarks: Callable[[], Iterable[Remark]], plugin: str) -> list[Issue]:
    try:
        return [Issue.remarked(remark) for remark in validation.check_remarks(remarks())]
    # An adapter is a plugin: without what it remarks the other findings are still true.
    except (Exception, SystemExit) as error:
        return [fault_of(UNREMARKED, error, plugin)]


def _trouble(trouble: Trouble) -> Issue:
    code = "unsupported" if trouble.code in PROBLEMS else "unreadable"
    return Issue(code, PROBLEMS.get(trouble.code, WRONG), "unreadable", {"reason": trouble.reason})


def duplicate_groups(seen: Sequence[TextureState], root: Path) -> list[Group]:
    """Groups of two and more below `root`: equal ones before look-alikes, the most wasteful first."""
    by_name = {one.file: one for one in seen}
    found = find_groups({one.file: one.fingerprint for one in seen})
    made = [_group(alike.how, [by_name[name] for name in alike.names], root) for alike in found]
    return sorted(made, key=lambda group: (group.how == "looks", -group.memory, -group.disk, group.files))


def _group(how: str, alike: Sequence[TextureState], root: Path) -> Group:
    """The largest, which mostly holds the most, is the one to keep: so much at least is wasted."""
    # A link takes nothing of the disk; each name has a texture of its own in the GPU's memory.
    disk = sorted({_place(root, one.file): one.size for one in alike}.values())
    memory = sorted(one.memory for one in alike)
    return Group(how, tuple(one.file for one in alike), sum(disk[:-1]), sum(memory[:-1]))


def _place(root: Path, file: str) -> tuple[int, int, str]:
    """Where on the disk a file lies, the same for all links to it."""
    try:
        found = os.stat(root / file)
    except (OSError, ValueError):
        return 0, 0, file
    return (found.st_dev, found.st_ino, "") if found.st_ino else (0, 0, file)


WORDS: Mapping[str, str] = {"file": "same_file", "pixels": "same_pixels", "looks": "similar"}
"""The sentence for each way to be alike."""
