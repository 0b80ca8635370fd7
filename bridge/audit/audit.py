"""One audit, from listing the textures to the report, and repeating it with fixes."""

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

from accel.execution.executor import SANDBOX
from accel.execution.memory_budget import MemoryBudget
from accel.execution.sandbox import Sandbox
from accel.text import text
from accel.workload import Limits, Workload
from bridge.advisors.findings import ERROR
from bridge.advisors.import_project import AuditResultsWriter, cache_file
from bridge.api import TextureAsset, TextureUses
from bridge.audit import illustrate, judge
from bridge.audit import project as project_module
from bridge.audit.duplicates import duplicate_groups
from bridge.audit.examine import Cache, Examiner, Question, Workers, examination_questions, unlisted_folders
from bridge.audit.judge import Judge
from bridge.audit.project import (
    Project,
    header_only_notices,
    protected_notices,
    read_only_notices,
    unimported_notices,
)
from bridge.audit.results import NOT_APPLIED, UNSEEN, Fix, Issue, Report, Row, folders_of
from bridge.core.errors import UserError
from bridge.host import isolation
from bridge.project.config import ProjectFile, ignored_code_notices, missing_folder_notices

if TYPE_CHECKING:
    from bridge.host.host import Registry


class Plan(Struct, frozen=True, kw_only=True):
    """Options of an audit."""

    workers: int
    limits: Limits
    memory_mib: int = 0
    total_mib: int = 0
    sandbox: Sandbox | None = SANDBOX
    deadline_s: float = 60.0
    max_size: int = 4096
    use_names: bool = True
    cache: Path | None = None
    """The cache folder; None for none."""
    pictures: bool = False
    """Whether rows have pictures."""
    explains: Callable[[str], bool] = lambda file: False
    """Whether a file's row has an explanation."""


class ProgressCallbacks(Struct, frozen=True):
    """Callbacks for progress."""

    total: Callable[[int], object] = lambda count: None
    done: Callable[[int], object] = lambda count: None
    opened: Callable[[Cache], object] = lambda cache: None


async def audit(
    project: Project, plan: Plan, registry: Registry, progress: ProgressCallbacks, project_file: ProjectFile
) -> Report:
    """Audits a project.

    With planned options the report has no duplicates and pictures, and the import advisor gets no
    classifications: the options may never be written. Raises UserError if no worker process can be started,
    or a model is damaged.
    """
    begin = time.perf_counter()
    project, listed = await _list(project, project_file)
    assets = [asset for asset in listed if not asset.gone]
    progress.total(len(assets))
    unimported = unimported_notices(project, assets)
    report = Report(
        name=project.root.resolve().name,
        root=str(project.root),
        engine=project.engine,
        adapter=project.adapter_info,
        part=project.part,
        notices=[
            *project_module.scope_notices(project, (asset.file for asset in listed)),
            *([project.notice] if project.notice else []),
            *project_module.nothing_notices(project, listed),
            *unimported,
            *read_only_notices(project, [asset for asset in listed if not asset.gone or asset.header_only]),
            *header_only_notices(project, listed),
            *await asyncio.to_thread(protected_notices, project, assets),
        ],
        incomplete=bool(unimported),
        failed=project.failed,
        editor=project.editor,
    )
    judging = Judge(project, report, project_file.textures.max_size or plan.max_size, plan.explains)
    await asyncio.to_thread(judging.prepare, len(assets))
    for asset in listed:
        if asset.gone:
            judging.add_missing(asset)
    async with _open_tools(project, plan) as (workers, cache):
        progress.opened(cache)
        judging.uses = await asyncio.to_thread(_uses, project, report)
        questions = _questions(project, plan, report, assets, judging.uses)
        known = {asset.file: asset for asset in assets}
        workload = _workload(registry)
        version = _version(workload, plan.limits)
        examiner = Examiner(project.root, workload, version, workers, cache, project.image)
        async with contextlib.aclosing(examiner.answers(questions)) as answers:
            async for answer in answers:
                judging.add(known[answer.question.file], answer)
                progress.done(1)
        report.classifications = judging.classifications
        if not project.planned and not project.alone:
            await asyncio.to_thread(_share, project, plan, report.classifications)
        await judging.finish()
        report.folders = folders_of(judging.states)
        report.passed_over = [
            *ignored_code_notices(Path(), project_file, _remark_codes(report)),
            *await asyncio.to_thread(missing_folder_notices, project.root, project_file),
        ]
        report.rows.sort(key=lambda row: (-row.rank, row.file))
        report.unseen = [(row.file, one) for row in report.rows for one in row.issues if one.code in UNSEEN]
        if not project.planned:
            report.groups = await asyncio.to_thread(duplicate_groups, judging.states, project.root)
        if plan.pictures and not project.planned:
            await _illustrate(project, report, registry, workers, cache)
        if not project.alone:
            names = (prefix + file for file in known for prefix in ("", *illustrate.PREFIXES))
            cache.prune(names, len(known))
    report.seconds, report.finished = time.perf_counter() - begin, time.time()
    return report


def _remark_codes(report: Report) -> set[str]:
    """Returns the codes of adapters' remarks, which no import settings fix."""
    issues = (issue for row in report.rows for issue in row.issues)
    # A code without a dot is a finding's too, which settings may fix.
    return {issue.code for issue in issues if issue.remark is not None and "." in issue.code}


async def add_pictures(project: Project, plan: Plan, registry: Registry, report: Report) -> None:
    """Adds pictures and diffs to the rows that have none. Raises UserError as `audit`."""
    async with _open_tools(project, plan) as (workers, cache):
        await _illustrate(project, report, registry, workers, cache)


async def _illustrate(
    project: Project, report: Report, registry: Registry, workers: Workers, cache: Cache
) -> None:
    from accel.image.operations.geometry import thumbnail
    from accel.texture.workloads import preview_lit

    small, lit = (
        registry.workloads.get(each.workload.name, each.workload) for each in (thumbnail, preview_lit)
    )
    await illustrate.illustrate(project, report, small, lit, workers, cache)


def record_fixes(project: Project, plan: Plan, report: Report) -> None:
    """Passes the classifications of fixed textures with their new settings to the import advisor."""
    fixed = {row.file for row in report.rows if row.mended}
    if fixed and report.classifications and report.fixed_classifications:
        _share(project, plan, report.classifications.replace(fixed, report.fixed_classifications))


def _share(project: Project, plan: Plan, classifications: AuditResultsWriter) -> None:
    """Writes the classifications for the import advisor, which always uses names."""
    if plan.cache and plan.use_names:
        classifications.write(plan.cache, project.root)


@contextlib.asynccontextmanager
async def _open_tools(project: Project, plan: Plan) -> AsyncIterator[tuple[Workers, Cache]]:
    cache = Cache(cache_file(plan.cache / "audit", project.root, ".sqlite3") if plan.cache else None)
    workers = Workers(
        plan.workers,
        plan.limits,
        plan.memory_mib,
        plan.deadline_s,
        sandbox=plan.sandbox,
        budget=MemoryBudget(plan.total_mib),
    )
    try:
        yield workers, cache
    finally:
        # Also after Ctrl-C, so that the next run continues.
        cache.close()
        await workers.close()


def _questions(
    project: Project,
    plan: Plan,
    report: Report,
    assets: Sequence[TextureAsset],
    uses: Mapping[str, TextureUses],
) -> Iterator[Question]:
    """Returns the question about each texture; folders that can't be listed get their rows."""
    unlisted = [row for asset in assets if (row := unlisted_folders(project, asset))]
    report.rows += [row for row in unlisted if project.reports(row.file)]
    folders = {row.file for row in unlisted}
    textures = [asset for asset in assets if asset.file not in folders]
    return examination_questions(project, textures, uses, plan.use_names)


def _workload(registry: Registry) -> Workload:
    from accel.texture.workloads import examine

    return registry.workloads.get(examine.workload.name, examine.workload)


async def _list(project: Project, project_file: ProjectFile) -> tuple[Project, list[TextureAsset]]:
    """Returns the textures to audit, or the image files of a part without textures of the engine."""
    found = await _in_thread(_textures(project))
    gone = [asset for asset in found if asset.gone]
    present = (asset for asset in found if not asset.gone or asset.header_only)
    if project.part and project.support and not any(project.reports(asset.file) for asset in present):
        alone = project_module.is_alone(project)
        files = (asset for asset in _textures(alone) if not project.imports_otherwise(asset.file))
        if checked := _without_ignored(await _in_thread(files), project_file):
            return alone, [*checked, *_without_ignored(gone, project_file)]
    return project, await asyncio.to_thread(_without_ignored, found, project_file)


def _without_ignored(assets: Iterable[TextureAsset], project_file: ProjectFile) -> list[TextureAsset]:
    def is_ignored(asset: TextureAsset) -> bool:
        # The import file of a missing texture is ignored with it.
        files = [asset.file, os.path.splitext(asset.file)[0]] if asset.gone else [asset.file]
        return any(project_file.textures.ignores(file, asset.path) for file in files)

    return [asset for asset in assets if not is_ignored(asset)]


def _textures(project: Project) -> Iterator[TextureAsset]:
    """Yields the project's textures; equal settings share one object."""
    options: dict[str, Mapping[str, Any]] = {}
    for asset in project.textures():
        if asset.options is not None:
            # Not encoded: an import file may hold numbers and bytes that no message can.
            asset = replace(asset, options=options.setdefault(repr(asset.options), asset.options))
        yield asset


async def _in_thread(assets: Iterator[TextureAsset]) -> list[TextureAsset]:
    """Lists all from a thread, so that the progress bar can update; Ctrl-C waits for one item at most."""
    stop = threading.Event()
    try:
        return await asyncio.to_thread(lambda: list(takewhile(lambda _: not stop.is_set(), assets)))
    finally:
        stop.set()


def _uses(project: Project, report: Report) -> Mapping[str, TextureUses]:
    try:
        return project.uses()
    # An adapter is a plugin: textures can be judged without their uses.
    except (Exception, SystemExit) as error:
        why = isolation.describe(error)
        report.notices.append(
            text(
                "The adapter for {engine} can't read what uses the textures: {reason}.",
                engine=project.title,
                reason=why,
            )
        )
        report.incomplete = report.failed = True
        return {}


def _version(workload: Workload, limits: Limits) -> bytes:
    """Returns a digest of the code's version, the models and the limits: cached examinations depend on
    them.
    """
    import accel.texture

    digest = hashlib.sha256(f"{workload.target} {workload.version} {limits.max_pixels}".encode())
    for model in sorted(Path(*accel.texture.__path__).glob("*.onnx")):
        digest.update(model.read_bytes())
    return digest.digest()


MAX_ROUNDS = 5
"""Two are nearly always enough, but two textures could change each other's kind forever."""

Plans = dict[str, dict[str, Any]]
"""Options to set, by file."""


async def fix_until_settled(project: Project, look: Callable[[Project], Awaitable[Report]]) -> Report:
    """Audits repeatedly with the planned fixes until they add no others; writes nothing.

    `look` audits a project. Raises UserError as `look` does.
    """
    plans: Plans = {}
    reports = [await look(project)]
    while _plan(plans, reports[-1]) and len(reports) < MAX_ROUNDS:
        reports.append(await look(replace(project, planned=plans)))
    return _merged(reports, plans) if len(reports) > 1 else reports[0]


@contextlib.contextmanager
def with_cache(plan: Plan) -> Iterator[Plan]:
    """Yields `plan` with a cache; without its own, a temporary one for the rounds of this run.

    Raises UserError if that can't be created.
    """
    if plan.cache is not None:
        yield plan
        return
    try:
        folder = tempfile.TemporaryDirectory(prefix="popbridge-", ignore_cleanup_errors=True)
    except OSError as error:
        raise UserError(
            text(
                "Can't create the temporary folder that --fix --no-cache needs ({reason}). Set TMPDIR (on "
                "Windows: TEMP) to a writable folder, or omit --no-cache.",
                reason=_reason(error),
            )
        ) from None
    with folder as path:
        yield replace(plan, cache=Path(path))


def _reason(error: OSError) -> str:
    return f"{error.strerror}: {error.filename}" if error.filename else error.strerror or str(error)


def _plan(plans: Plans, report: Report) -> bool:
    """Adds the report's options to the plans; False without any."""
    rows = [row for row in report.rows if row.options]
    for row in rows:
        plans[row.file] = {**plans.get(row.file, {}), **row.options}
    return bool(rows)


def _merged(reports: list[Report], plans: Plans) -> Report:
    """Returns the first report with the rows of all rounds."""
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
        notices=list(dict.fromkeys(notice for report in reports for notice in report.notices)),
        failed=any(report.failed for report in reports),
        faults=[one for report in reports for one in report.faults],
        unseen=_unseen(reports),
        kinds=last.kinds,
        accepted=last.accepted,
        ignored=last.ignored,
        stale=last.stale,
        fixed_classifications=last.classifications,
        seconds=sum(report.seconds for report in reports),
    )


def _unseen(reports: list[Report]) -> list[tuple[str, Issue]]:
    found = {(file, issue.code): (file, issue) for report in reports for file, issue in report.unseen}
    return list(found.values())


def _row(seen: list[Row | None], plan: Mapping[str, Any], failed: Issue | None) -> Row:
    """Merges a texture's rows of all rounds; `failed` is the adapter's failure in the last."""
    rows = [row for row in seen if row is not None]
    judged = [row for row in rows if all(issue.code != judge.UNJUDGED for issue in row.issues)] or rows
    options = {name: value for name, value in plan.items() if value != (judged[0].settings or {}).get(name)}
    if failed and options:
        return _left(judged[0], failed)
    # Options that a later round changes don't fix the findings of an earlier one.
    fixable = {
        issue.code: issue
        for row in judged
        if any(name in options and options[name] == value for name, value in row.options.items())
        for issue in row.issues
        if issue.fixable
    }
    left = [issue for issue in seen[-1].issues if not issue.fixable] if seen[-1] else []
    last = judged[-1]
    return replace(
        last,
        issues=sorted([*fixable.values(), *left], key=lambda issue: -issue.rank),
        settings=judged[0].settings,
        options=options,
        fixes=_fixes(judged, options),
        memory=judged[0].memory,
        picture=judged[0].picture,
    )


def _fixes(rounds: Sequence[Row], options: Mapping[str, Any]) -> dict[str, Fix]:
    """Returns the fixes of all rounds, each with those of its options that are still to be set."""
    return {
        code: Fix({name: value for name, value in fix.options.items() if name in options}, fix.saved)
        for row in rounds
        for code, fix in row.fixes.items()
    }


def _left(row: Row, failed: Issue) -> Row:
    """Returns the row of a texture that isn't fixed, as its adapter fails with the new options."""
    reason = text(
        "{plugin} failed with the new options: {reason}",
        plugin=failed.values["plugin"],
        reason=failed.values["reason"],
    )
    refused = Issue(NOT_APPLIED, ERROR, NOT_APPLIED, {"reason": reason})
    return replace(row, issues=[refused, *row.issues], options={}, fixes={}, memory_after=row.memory)
