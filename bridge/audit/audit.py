"""One audit from folder to report."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from accel.text import text
from accel.workload import Limits, Workload
from bridge.advisors.findings import WRONG
from bridge.advisors.import_project import KnownFile
from bridge.api import Kind, TextureAsset
from bridge.audit import judge, report_html
from bridge.audit import project as project_module
from bridge.audit.examine import Cache, Examiner, Question, Workers, examination_questions, unlisted_folders
from bridge.audit.judge import Judge, duplicate_groups
from bridge.audit.project import Project, unset
from bridge.audit.results import NOT_APPLIED, UNSEEN, Issue, Report, Row
from bridge.core.errors import UserError
from bridge.host import isolation
from bridge.project.config import ProjectFile, ignored_code_notices, missing_folder_notices

if TYPE_CHECKING:
    from bridge.host.host import Registry


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


class AuditOutcome(Struct, frozen=True):
    """Whom to tell how far it is."""

    total: Callable[[int], object] = lambda count: None
    done: Callable[[int], object] = lambda count: None
    opened: Callable[[Cache], object] = lambda cache: None


async def audit(
    project: Project, plan: Plan, registry: Registry, told: AuditOutcome, agreed: ProjectFile
) -> Report:
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
            *project_module.scope_notices(project, (asset.file for asset in listed)),
            *([project.notice] if project.notice else []),
            *unimported,
        ],
        incomplete=bool(unimported),
        failed=project.failed,
    )
    judging = Judge(project, report, agreed.textures.max_size or plan.max_size)
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
            *ignored_code_notices(Path(), agreed, _remarked(report)),
            *await asyncio.to_thread(missing_folder_notices, project.root, agreed),
        ]
        report.rows.sort(key=lambda row: (-row.rank, row.file))
        report.unseen = [(row.file, one) for row in report.rows for one in row.issues if one.code in UNSEEN]
        if plan.pictures and not project.planned:
            await report_html.embed_pictures(project.root, report.rows, _thumbnail(registry), workers, cache)
        if not project.alone:
            cache.prune((name for file in known for name in (file, report_html.PREFIX + file)), len(known))
    if not project.planned:
        report.groups = await asyncio.to_thread(duplicate_groups, judging.seen, project.root)
    report.seconds = time.perf_counter() - begin
    return report


def _remarked(report: Report) -> set[str]:
    """The codes that are an adapter's remarks, which nothing settles but a person."""
    issues = (issue for row in report.rows for issue in row.issues)
    # One without a dot is a finding's, too, which settings may well settle.
    return {issue.code for issue in issues if issue.remark is not None and "." in issue.code}


async def add_pictures(project: Project, plan: Plan, registry: Registry, report: Report) -> None:
    """Gives those of a report's worst rows their pictures that have none yet. Raises UserError as `audit`."""
    async with _tools(project, plan) as (workers, cache):
        await report_html.embed_pictures(project.root, report.rows, _thumbnail(registry), workers, cache)


def record_fixes(project: Project, plan: Plan, report: Report) -> None:
    """Leaves the import advisor what the mended textures are taken for by their new settings."""
    mended = {row.file for row in report.rows if row.mended}
    if mended and report.taken and report.taken_planned:
        _keep(project, plan, report.taken.with_those_of(report.taken_planned, mended))


def _keep(project: Project, plan: Plan, taken: KnownFile) -> None:
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
    shut = [row for asset in assets if (row := unlisted_folders(project, asset))]
    report.rows += [row for row in shut if project.tells_of(row.file)]
    gone = {row.file for row in shut}
    there = [asset for asset in assets if asset.file not in gone]
    uses = await asyncio.to_thread(_uses, project, report)
    return examination_questions(project, there, uses, plan.use_names)


def _examiner(project: Project, plan: Plan, registry: Registry, workers: Workers, cache: Cache) -> Examiner:
    workload = _workload(registry)
    return Examiner(project.root, workload, _version(workload, plan.limits), workers, cache)


def _workload(registry: Registry) -> Workload:
    from accel.texture.workloads import examine

    return registry.workloads.get(examine.workload.name, examine.workload)


def _thumbnail(registry: Registry) -> Workload:
    from accel.image.operations.geometry import thumbnail

    return registry.workloads.get(thumbnail.workload.name, thumbnail.workload)


async def _looked_at(project: Project, agreed: ProjectFile) -> tuple[Project, list[TextureAsset]]:
    """What is audited, and its textures: of a part in which the engine finds none, the files alone."""
    found = await _in_thread(_listed(project))
    gone = [asset for asset in found if asset.gone]
    there = (asset for asset in found if not asset.gone)
    if project.part and project.support and not any(project.tells_of(asset.file) for asset in there):
        alone = project_module.is_alone(project)
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
        why = isolation.describe(error)
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


MOST = 5
"""Rounds; two are enough nearly always, and two textures might each speak against the other for ever."""

Plans = dict[str, dict[str, Any]]
"""Options to set, by file."""


async def fix_until_settled(project: Project, look: Callable[[Project], Awaitable[Report]]) -> Report:
    """The report on a project with all that is left to mend once what it says is mended; writes nothing.

    `look` audits a project and accepts what is known of it; it is asked anew with what is planned, until that
    adds nothing. Raises UserError as it does.
    """
    plans: Plans = {}
    reports = [await look(project)]
    while _plan(plans, reports[-1]) and len(reports) < MOST:
        reports.append(await look(replace(project, planned=plans)))
    return _merged(reports, plans) if len(reports) > 1 else reports[0]


@contextlib.contextmanager
def remembering(plan: Plan) -> Iterator[Plan]:
    """`plan` with a cache: without one of its own what one round found serves the next, and no other run.

    Raises UserError where there is no room for it.
    """
    if plan.cache is not None:
        yield plan
        return
    try:
        folder = tempfile.TemporaryDirectory(prefix="popbridge-", ignore_cleanup_errors=True)
    except OSError as error:
        raise UserError(
            text(
                "--fix --no-cache keeps in a temporary folder what it finds, and none can be made "
                "({reason}): let TMPDIR (on Windows: TEMP) name a folder with room that can be "
                "written, or leave out --no-cache.",
                reason=_reason(error),
            )
        ) from None
    with folder as path:
        yield replace(plan, cache=Path(path))


def _reason(error: OSError) -> str:
    return f"{error.strerror}: {error.filename}" if error.filename else error.strerror or str(error)


def _plan(plans: Plans, report: Report) -> bool:
    """Adds what the report would set; False where that is nothing."""
    rows = [row for row in report.rows if row.options]
    for row in rows:
        plans[row.file] = {**plans.get(row.file, {}), **row.options}
    return bool(rows)


def _merged(reports: list[Report], plans: Plans) -> Report:
    """The first report, with the rows of all rounds, each texture as it was seen in the last."""
    first, last = reports[0], reports[-1]
    rounds = [{row.file: row for row in report.rows} for report in reports]
    files = dict.fromkeys(file for rows in rounds for file in rows)
    failed = judge.failed_files(last, judge.UNJUDGED)
    rows = [
        _row([rows.get(file) for rows in rounds], plans.get(file, {}), failed.get(file)) for file in files
    ]
    return replace(
        first,
        rows=sorted((row for row in rows if row.issues), key=lambda row: (-row.rank, row.file)),
        notices=list(dict.fromkeys(said for report in reports for said in report.notices)),
        failed=any(report.failed for report in reports),
        faults=[one for report in reports for one in report.faults],
        unseen=_unseen(reports),
        kinds=last.kinds,
        accepted=last.accepted,
        stale=last.stale,
        taken_planned=last.taken,
        seconds=sum(report.seconds for report in reports),
    )


def _unseen(reports: list[Report]) -> list[tuple[str, Issue]]:
    found = {(file, issue.code): (file, issue) for report in reports for file, issue in report.unseen}
    return list(found.values())


def _row(seen: list[Row | None], plan: Mapping[str, Any], failed: Issue | None) -> Row:
    """One texture in all rounds, in None of which there was nothing to say of it; `failed` is why it wasn't
    judged in the last one."""
    told = [row for row in seen if row is not None]
    there = [row for row in told if not _is_unjudged(row)] or told
    options = {name: value for name, value in plan.items() if value != (there[0].settings or {}).get(name)}
    if failed and options:
        return _left(there[0], failed)
    # What a later round sets otherwise isn't what mends the finding of an earlier one.
    fixable = {
        issue.code: issue
        for row in there
        if any(name in options and options[name] == value for name, value in row.options.items())
        for issue in row.issues
        if issue.fixable
    }
    left = [issue for issue in seen[-1].issues if not issue.fixable] if seen[-1] else []
    last = there[-1]
    return replace(
        last,
        issues=sorted([*fixable.values(), *left], key=lambda issue: -issue.rank),
        settings=there[0].settings,
        options=options,
        memory=there[0].memory,
        picture=there[0].picture,
    )


def _is_unjudged(row: Row) -> bool:
    return any(issue.code == judge.UNJUDGED for issue in row.issues)


def _left(row: Row, failed: Issue) -> Row:
    """One that isn't to be mended, as its adapter fails at what would be written."""
    reason = text(
        "{values} fails at what would be written: {values_2}",
        values=failed.values["plugin"],
        values_2=failed.values["reason"],
    )
    refused = Issue(NOT_APPLIED, WRONG, NOT_APPLIED, {"reason": reason})
    return replace(row, issues=[refused, *row.issues], options={}, memory_after=row.memory)
