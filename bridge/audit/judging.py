"""Judges a project's textures once all were examined: each by what the others are too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator

import msgspec
from msgspec.structs import replace

from accel.text import text
from accel.texture import context
from accel.texture.examine import Examination
from accel.workload import WorkloadError
from bridge import supports
from bridge.advisors import advice
from bridge.advisors.findings import NOTE, WRONG
from bridge.advisors.import_known import Taken
from bridge.advisors.subject import facts_of
from bridge.api import Remark, TextureAsset
from bridge.audit import faults
from bridge.audit.examine import Answer, Trouble
from bridge.audit.memory import measure
from bridge.audit.project import Project, options_for
from bridge.audit.results import Issue, Report, Row, Seen
from bridge.core.errors import UserError

PROBLEMS = {
    "unsupported": NOTE, "too_large": NOTE, "not_found": NOTE, "busy": NOTE, "deadline_exceeded": NOTE,
}  # fmt: skip
"""Why a file isn't examined, and how bad that is; everything else is a file that is broken.

What wasn't done in time says more of the machine than of the file.
"""
AT_ONCE = 256
"""Textures that are judged in one go."""

_decoder = msgspec.msgpack.Decoder(Examination)


class Judging:
    """What one audit gathers, and the rows that come of it."""

    def __init__(self, project: Project, report: Report, max_size: int) -> None:
        """`max_size` is the longest side that is accepted, pixels."""
        self._project = project
        self._report = report
        self._max_size = max_size
        self._context = context.Context()
        self._plugin = project.adapter.name if project.adapter else faults.OURS
        """Whose fault it is where one of the textures can't be judged."""
        self._examined: list[tuple[TextureAsset, int, bytes]] = []
        """With the file's size. Encoded, as thousands of them wait for the last one."""
        self.taken = Taken()
        self.seen: list[Seen] = []

    def prepare(self, count: int) -> None:
        """Reads what up to `count` textures are judged by, before they are examined.

        Raises UserError where that is missing or damaged.
        """
        if count <= context.FEWEST:
            return
        try:
            context.experience()
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
        self._report.faults = faults.found(self._report.rows)

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
        self.seen.append(Seen(asset.file, size, row.memory, found.fingerprint))
        self._add(row)

    def _judged(self, asset: TextureAsset, found: Examination) -> Row:
        row = _row(asset, self._known(asset))
        _describe(row, found)
        try:
            self._advise(row, found)
        # An adapter is a plugin: what it can't judge costs one line.
        except (Exception, SystemExit) as error:
            row.issues = [*self._known(asset), faults.fault(faults.UNJUDGED, error, self._plugin)]
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
        measure(self._project, row)

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
        return [Issue.remarked(remark) for remark in supports.checked_remarks(remarks())]
    # An adapter is a plugin: without what it remarks the other findings are still true.
    except (Exception, SystemExit) as error:
        return [faults.fault(faults.UNREMARKED, error, plugin)]


def _trouble(trouble: Trouble) -> Issue:
    code = "unsupported" if trouble.code in PROBLEMS else "unreadable"
    return Issue(code, PROBLEMS.get(trouble.code, WRONG), "unreadable", {"reason": trouble.reason})
