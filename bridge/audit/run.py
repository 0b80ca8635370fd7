"""One audit from the folder to the report: lists, examines, judges, groups."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from accel.texture.examine import Examination
from accel.workload import Limits, Workload
from bridge.advisors import advice
from bridge.advisors.findings import NOTE, WRONG
from bridge.api import Kind, TextureAsset
from bridge.audit import pictures
from bridge.audit.alike import groups
from bridge.audit.cache import Cache
from bridge.audit.examine import Answer, Examiner, Question, Trouble, Workers
from bridge.audit.memory import memory
from bridge.audit.project import Project, options_for
from bridge.audit.results import Issue, Report, Row, Seen
from bridge.projectfile import ProjectFile

if TYPE_CHECKING:
    from bridge.host import Registry

NEIGHBOURS = 12
"""Names before and after a texture's own that are told as its siblings: a set of one material lies together,
and all names of a folder for each of its files would cost the square of their number."""
PROBLEMS = {"unsupported": NOTE, "too_large": NOTE, "not_found": NOTE, "busy": NOTE}
"""Why a file isn't examined, and how bad that is; everything else is a file that is broken."""


class Plan(Struct, frozen=True, kw_only=True):
    """How to audit."""

    workers: int
    limits: Limits
    memory_mib: int = 0
    deadline_s: float = 60.0
    max_size: int = 4096
    use_names: bool = True
    cache: Path | None = None
    """The folder of what earlier runs found; None does without."""
    pictures: bool = False
    """Whether the rows get their pictures."""


class Told(Struct, frozen=True):
    """Whom to tell how far it is."""

    total: Callable[[int], object] = lambda count: None
    done: Callable[[int], object] = lambda count: None


async def audit(project: Project, plan: Plan, registry: Registry, told: Told, agreed: ProjectFile) -> Report:
    """The report on a project. Raises UserError where no worker process can be started."""
    begin = time.perf_counter()
    assets = await _in_thread(_listed(project, agreed))
    told.total(len(assets))
    report = Report(
        name=project.root.resolve().name, root=str(project.root), engine=project.engine, notice=project.notice
    )
    work = _Work(project, plan, report, agreed)
    workload = _workload(registry)
    cache = Cache(_cache_file(plan.cache, project.root) if plan.cache else None)
    workers = Workers(plan.workers, plan.limits, plan.memory_mib, plan.deadline_s)
    version = _version(workload, plan.limits)
    examiner = Examiner(project.root, workload, version, workers, cache)
    known = {asset.file: asset for asset in assets}
    try:
        questions = work.questions(assets, await asyncio.to_thread(_uses, project, report))
        async with contextlib.aclosing(examiner.answers(questions)) as answers:
            async for answer in answers:
                work.take(known[answer.question.file], answer)
                told.done(1)
        report.rows.sort(key=lambda row: (-row.rank, row.file))
        if plan.pictures:
            await pictures.take(project.root, report.rows, _thumbnail(registry), workers, cache)
        cache.prune((name for file in known for name in (file, pictures.PREFIX + file)), len(known))
    finally:
        # After Ctrl-C too: what is known by then needn't be found out again.
        cache.close()
        await workers.close()
    report.groups = await asyncio.to_thread(groups, work.seen)
    report.seconds = time.perf_counter() - begin
    return report


def _workload(registry: Registry) -> Workload:
    from accel.texture.examine import examine

    return registry.workloads.get(examine.workload.name, examine.workload)


def _thumbnail(registry: Registry) -> Workload:
    from accel.image.thumbnail import thumbnail

    return registry.workloads.get(thumbnail.workload.name, thumbnail.workload)


def _listed(project: Project, agreed: ProjectFile) -> Iterator[TextureAsset]:
    """The textures to look at; equal settings of many are kept once."""
    options: dict[bytes, Mapping[str, Any]] = {}
    for asset in project.textures():
        if agreed.textures.ignores(asset.file):
            continue
        if asset.options is not None:
            key = msgspec.msgpack.encode(asset.options)
            asset = replace(asset, options=options.setdefault(key, asset.options))
        yield asset


async def _in_thread(assets: Iterator[TextureAsset]) -> list[TextureAsset]:
    """All of them, from a thread, so that the bar moves; Ctrl-C waits for the next one only."""
    stop = threading.Event()
    try:
        return await asyncio.to_thread(lambda: list(takewhile(lambda _: not stop.is_set(), assets)))
    finally:
        stop.set()


def _uses(project: Project, report: Report) -> Mapping[str, Sequence[Kind]]:
    try:
        return project.uses()
    # An adapter is a plugin: without what it says of uses the pixels are still there.
    except Exception as error:
        told = f"{project.engine}: its adapter can't tell what uses the textures ({error!r})."
        report.notice = " ".join(filter(None, [report.notice, told]))
        return {}


def _cache_file(folder: Path, root: Path) -> Path:
    name = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:24]
    return folder / "audit" / f"{name}.sqlite3"


def _version(workload: Workload, limits: Limits) -> bytes:
    """A digest of what the same file might be judged otherwise by: the code's version, models, limits."""
    import accel.texture

    digest = hashlib.sha256(f"{workload.target} {workload.version} {limits.max_pixels}".encode())
    for model in sorted(Path(*accel.texture.__path__).glob("*.onnx")):
        digest.update(model.read_bytes())
    return digest.digest()


class _Work:
    """What one audit gathers."""

    def __init__(self, project: Project, plan: Plan, report: Report, agreed: ProjectFile) -> None:
        self._project = project
        self._plan = plan
        self._report = report
        self._max_size = agreed.textures.max_size or plan.max_size
        self.seen: list[Seen] = []

    def questions(
        self, assets: Sequence[TextureAsset], uses: Mapping[str, Sequence[Kind]]
    ) -> Iterator[Question]:
        names = [asset.file.rpartition("/") for asset in assets]
        for at, asset in enumerate(assets):
            if asset.problem and asset.options is None and not self._is_file(asset):
                self._report.rows.append(_row(asset, [Issue("unlisted", WRONG, "unlisted", _why(asset))]))
                continue
            near = range(max(0, at - NEIGHBOURS), min(len(names), at + NEIGHBOURS + 1))
            siblings = [names[n][2] for n in near if n != at and names[n][0] == names[at][0]]
            yield Question(
                asset.file,
                {
                    "use_name": self._plan.use_names,
                    "siblings": [name for name in siblings if _is_unicode(name)]
                    if self._plan.use_names
                    else [],
                    "slots": list(uses.get(asset.file, ())),
                    "imported_as": self._imported_as(asset),
                },
            )

    def take(self, asset: TextureAsset, answer: Answer) -> None:
        """Judges one texture; keeps a row of it only if there is something to say."""
        self._report.textures += 1
        self._report.cached += answer.cached
        issues = [Issue("unknown_settings", NOTE, "unknown_settings", _why(asset))] if asset.problem else []
        if isinstance(answer.outcome, Trouble):
            row = _row(asset, [*issues, _trouble(answer.outcome)])
            row.size, row.content = answer.size, answer.outcome.content
        else:
            found = answer.outcome
            kind = found.classification.kind
            self._report.kinds[kind] = self._report.kinds.get(kind, 0) + 1
            row = self._judged(asset, found, issues)
            self._report.memory += row.memory
            self.seen.append(Seen(asset.file, answer.size, row.memory, found.fingerprint))
        if row.issues:
            row.issues.sort(key=lambda issue: -issue.rank)
            self._report.rows.append(row)

    def _judged(self, asset: TextureAsset, found: Examination, issues: list[Issue]) -> Row:
        adapter, version = self._project.adapter, self._project.version
        options: dict[str, Any] = {}
        before = after = 0
        try:
            findings = advice.judge(
                found, asset.file, asset.options, adapter, version, max_size=self._max_size
            )
            issues = [*issues, *map(Issue.of, findings)]
            options = options_for(self._project, asset.options, issues)
            before = after = memory(self._project, found.inspection, asset.options)
            if options:
                after = memory(self._project, found.inspection, {**(asset.options or {}), **options})
        # An adapter is a plugin: what it can't judge costs one line.
        except Exception as error:
            issues = [Issue("unreadable", NOTE, "unreadable", {"reason": f"{error!r}"})]
        row = _row(asset, issues)
        row.options, row.memory, row.memory_after = options, before, after
        image = found.inspection
        row.width, row.height, row.size, row.format = image.width, image.height, image.size, image.format
        row.kind, row.sure = found.classification.kind, found.classification.advise
        row.probability = float(found.classification.probabilities.get(row.kind, 0.0))
        row.content = found.fingerprint.file
        return row

    def _imported_as(self, asset: TextureAsset) -> Kind | None:
        adapter, version = self._project.adapter, self._project.version
        if adapter is None or version is None or asset.options is None:
            return None
        try:
            return adapter.read_texture(asset.options, version).kind
        # An adapter is a plugin: what it can't read says nothing.
        except Exception:
            return None

    def _is_file(self, asset: TextureAsset) -> bool:
        return not (self._project.root / asset.file).is_dir()


def _row(asset: TextureAsset, issues: list[Issue]) -> Row:
    return Row(asset.file, asset.path, issues, asset.options)


def _why(asset: TextureAsset) -> dict[str, str]:
    return {"reason": asset.problem}


def _trouble(trouble: Trouble) -> Issue:
    code = "unsupported" if trouble.code in PROBLEMS else "unreadable"
    return Issue(code, PROBLEMS.get(trouble.code, WRONG), "unreadable", {"reason": trouble.reason})


def _is_unicode(name: str) -> bool:
    return name.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in name)
