"""One audit from the folder to the report: lists, examines, judges, groups."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from accel.text import text
from accel.workload import Limits, Workload
from bridge import failures
from bridge.advisors.import_known import Taken
from bridge.api import Kind, TextureAsset
from bridge.audit import parts, pictures
from bridge.audit.alike import groups
from bridge.audit.cache import Cache
from bridge.audit.examine import Examiner, Question, Workers
from bridge.audit.judging import Judging
from bridge.audit.project import Project, unset
from bridge.audit.questions import questions, unlisted
from bridge.audit.results import UNSEEN, Report
from bridge.projectfile import ProjectFile, nowhere, passed_over

if TYPE_CHECKING:
    from bridge.host import Registry


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
    opened: Callable[[Cache], object] = lambda cache: None


async def audit(project: Project, plan: Plan, registry: Registry, told: Told, agreed: ProjectFile) -> Report:
    """The report on a project; of one with planned options, which nobody may ever write, without duplicates
    and pictures, and without a word to the import advisor.

    Raises UserError where no worker process can be started, or what textures are judged by is damaged.
    """
    begin = time.perf_counter()
    project, listed = await _looked_at(project, agreed)
    assets = [asset for asset in listed if not asset.gone]
    told.total(len(assets))
    unimported = unset(project, assets)
    report = Report(
        name=project.root.resolve().name,
        root=str(project.root),
        engine=project.engine,
        part=project.part,
        notices=[
            *parts.notices(project, (asset.file for asset in listed)),
            *([project.notice] if project.notice else []),
            *unimported,
        ],
        incomplete=bool(unimported),
        failed=project.failed,
    )
    judging = Judging(project, report, agreed.textures.max_size or plan.max_size)
    await asyncio.to_thread(judging.prepare, len(assets))
    for asset in listed:
        if asset.gone:
            judging.tell(asset)
    async with _tools(project, plan) as (workers, cache):
        told.opened(cache)
        asked = await _asked(project, plan, report, assets)
        known = {asset.file: asset for asset in assets}
        examiner = _examiner(project, plan, registry, workers, cache)
        async with contextlib.aclosing(examiner.answers(asked)) as answers:
            async for answer in answers:
                judging.take(known[answer.question.file], answer)
                told.done(1)
        report.taken = judging.taken
        if not project.planned and not project.alone:
            await asyncio.to_thread(_keep, project, plan, report.taken)
        await judging.finish()
        report.passed_over = [
            *passed_over(Path(), agreed, _remarked(report)),
            *await asyncio.to_thread(nowhere, project.root, agreed),
        ]
        report.rows.sort(key=lambda row: (-row.rank, row.file))
        report.unseen = [(row.file, one) for row in report.rows for one in row.issues if one.code in UNSEEN]
        if plan.pictures and not project.planned:
            await pictures.take(project.root, report.rows, _thumbnail(registry), workers, cache)
        if not project.alone:
            cache.prune((name for file in known for name in (file, pictures.PREFIX + file)), len(known))
    if not project.planned:
        report.groups = await asyncio.to_thread(groups, judging.seen, project.root)
    report.seconds = time.perf_counter() - begin
    return report


def _remarked(report: Report) -> set[str]:
    """The codes that are an adapter's remarks, which nothing settles but a person."""
    issues = (issue for row in report.rows for issue in row.issues)
    # One without a dot is a finding's, too, which settings may well settle.
    return {issue.code for issue in issues if issue.remark is not None and "." in issue.code}


async def illustrate(project: Project, plan: Plan, registry: Registry, report: Report) -> None:
    """Gives those of a report's worst rows their pictures that have none yet. Raises UserError as `audit`."""
    async with _tools(project, plan) as (workers, cache):
        await pictures.take(project.root, report.rows, _thumbnail(registry), workers, cache)


def keep_mended(project: Project, plan: Plan, report: Report) -> None:
    """Leaves the import advisor what the mended textures are taken for by their new settings."""
    mended = {row.file for row in report.rows if row.mended}
    if mended and report.taken and report.taken_planned:
        _keep(project, plan, report.taken.with_those_of(report.taken_planned, mended))


def _keep(project: Project, plan: Plan, taken: Taken) -> None:
    """Leaves the import advisor what textures are taken for alone, with the settings that they have."""
    # It sees names too.
    if plan.cache and plan.use_names:
        taken.keep(plan.cache, project.root)


@contextlib.asynccontextmanager
async def _tools(project: Project, plan: Plan) -> AsyncIterator[tuple[Workers, Cache]]:
    cache = Cache(_cache_file(plan.cache, project.root) if plan.cache else None)
    workers = Workers(plan.workers, plan.limits, plan.memory_mib, plan.deadline_s)
    try:
        yield workers, cache
    finally:
        # After Ctrl-C too: what is known by then needn't be found out again.
        cache.close()
        await workers.close()


async def _asked(
    project: Project, plan: Plan, report: Report, assets: Sequence[TextureAsset]
) -> Iterator[Question]:
    """What is asked about each texture; what can't be listed has its row in the report instead."""
    shut = [row for asset in assets if (row := unlisted(project, asset))]
    report.rows += [row for row in shut if project.tells_of(row.file)]
    gone = {row.file for row in shut}
    there = [asset for asset in assets if asset.file not in gone]
    uses = await asyncio.to_thread(_uses, project, report)
    return questions(project, there, uses, plan.use_names)


def _examiner(project: Project, plan: Plan, registry: Registry, workers: Workers, cache: Cache) -> Examiner:
    workload = _workload(registry)
    return Examiner(project.root, workload, _version(workload, plan.limits), workers, cache)


def _workload(registry: Registry) -> Workload:
    from accel.texture.examine import examine

    return registry.workloads.get(examine.workload.name, examine.workload)


def _thumbnail(registry: Registry) -> Workload:
    from accel.image.thumbnail import thumbnail

    return registry.workloads.get(thumbnail.workload.name, thumbnail.workload)


async def _looked_at(project: Project, agreed: ProjectFile) -> tuple[Project, list[TextureAsset]]:
    """What is audited, and its textures: of a part in which the engine finds none, the files alone."""
    found = await _in_thread(_listed(project))
    gone = [asset for asset in found if asset.gone]
    there = (asset for asset in found if not asset.gone)
    if project.part and project.support and not any(project.tells_of(asset.file) for asset in there):
        alone = parts.alone(project)
        taken = (asset for asset in _listed(alone) if not project.takes_otherwise(asset.file))
        if files := _wanted(await _in_thread(taken), agreed):
            return alone, [*files, *_wanted(gone, agreed)]
    return project, await asyncio.to_thread(_wanted, found, agreed)


def _wanted(assets: Iterable[TextureAsset], agreed: ProjectFile) -> list[TextureAsset]:
    return [asset for asset in assets if not _ignored(asset, agreed)]


def _ignored(asset: TextureAsset, agreed: ProjectFile) -> bool:
    # What is left of a texture is passed over with it, which may have another path than place.
    files = [asset.file, os.path.splitext(asset.file)[0]] if asset.gone else [asset.file]
    return any(agreed.textures.ignores(file, asset.path) for file in files)


def _listed(project: Project) -> Iterator[TextureAsset]:
    """The textures that there are; equal settings of many are kept once."""
    options: dict[str, Mapping[str, Any]] = {}
    for asset in project.textures():
        if asset.options is not None:
            # Not encoded: an import file may hold numbers and bytes that no message can.
            asset = replace(asset, options=options.setdefault(repr(asset.options), asset.options))
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
    except (Exception, SystemExit) as error:
        why = failures.told(error)
        report.notices.append(
            text(
                "{engine}: its adapter can't tell what uses the textures ({why}).",
                engine=project.engine,
                why=why,
            )
        )
        report.incomplete = report.failed = True
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
