"""Runs an audit for the command line: from the options to reports, fixes and the exit code."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from msgspec.structs import replace
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from accel.execution.executor import cores
from accel.execution.sandbox import Sandbox
from accel.image.decode import HEAD_SIZE, sniff
from accel.text import Text, sentences, text
from accel.workload import Limits
from bridge.audit import audit as audit_module
from bridge.audit import (
    baseline,
    fix,
    judge,
    report_html,
    report_json,
    report_sarif,
    report_terminal,
    results,
)
from bridge.audit.audit import Plan, ProgressCallbacks, add_pictures, fix_until_settled, with_cache
from bridge.audit.editor_run import editor_report
from bridge.audit.editor_textures import EditorTextures
from bridge.audit.examine import Cache
from bridge.audit.project import Project, check_recognised, option_labels, scope_name
from bridge.audit.results import Report, Row
from bridge.commands.options import NEVER, STDOUT, AuditOptions, read_settings
from bridge.commands.terminal import explain_error, say, screen_width
from bridge.core.errors import UserError
from bridge.core.text import join_sentences
from bridge.host import host
from bridge.host.host import Registry
from bridge.locale import translate
from bridge.paths import Paths
from bridge.project import config
from bridge.project.config import ProjectFile
from bridge.project.safe_files import ProjectFolder

RANKS = {str(severity): rank for severity, rank in results.RANKS.items()}


def run_audit(options: AuditOptions) -> int:
    """Returns the exit code. Raises UserError where the audit can't begin, or a report or fix can't be
    written.
    """
    # Failures inside workloads become findings.
    logging.basicConfig(level="CRITICAL")
    _check_files(options)
    registry = host.load()
    project = scope_name(registry, options.place)
    if options.require_project:
        check_recognised(project)
    _check_links(project.root, options)
    if options.fix and project.support is not None:
        fix.check_nameable(project.root)
    project_file = config.read(project.root)
    accepted = _accepted(options, project)
    plan = plan_audit(
        registry,
        options.workers,
        use_names=options.use_names,
        use_cache=options.use_cache,
        pictures=options.reports["html"] is not None,
        explains=lambda file: options.lists_all or options.reports["html"] is not None,
    )
    with interruptible(plan, options.locale) as caches, _with_editor(project, options) as project:
        report = _examine(project, plan, registry, project_file, accepted, caches, apply_fixes=options.fix)
    failures = _fix_and_accept(project, report, plan, options)
    report.shown = _at_least(report.rows, RANKS[options.severity])
    report.labels = option_labels(project, options.locale)
    failures += _write_reports(report, options)
    if failures:
        # Raised last: everything else is written, and the user has seen the receipt.
        raise UserError(join_sentences(failures))
    if options.fail_on == NEVER:
        return 0
    # Without judgements a build would pass despite findings.
    return int(judge.is_unjudged(report) or any(row.rank >= RANKS[options.fail_on] for row in report.rows))


@contextlib.contextmanager
def _with_editor(project: Project, options: AuditOptions) -> Iterator[Project]:
    """Yields the project with what its editor has read, if it is to be asked. Raises UserError."""
    if not options.with_editor:
        yield project
        return
    program = Path(options.editor) if options.editor else None
    log = Paths.find().cache / "editor.log"
    with contextlib.ExitStack() as stack:
        with _waiting():
            report, pictures, notices = stack.enter_context(
                editor_report(project, program, log, options.editor_timeout_s)
            )
        known = EditorTextures(project.support, project.root, report, pictures)
        notice = sentences((project.notice, *notices)) if project.notice else sentences(notices)
        yield replace(project, support=known, editor=known, notice=notice)


@contextlib.contextmanager
def _waiting() -> Iterator[None]:
    """Shows on a terminal that the editor runs, which takes minutes."""
    console = Console(stderr=True)
    if not sys.stderr.isatty():
        yield
        return
    with console.status(say(text("The engine's editor reads the project…"))):
        yield


def _check_files(options: AuditOptions) -> None:
    """Raises UserError, before the work, for files that can't be written."""
    if options.update_baseline and options.baseline:
        baseline.check_replaceable(Path(options.baseline))
    for file in _written_files(options):
        report_json.check_writable(file)
        if _is_image(Path(file)):
            raise UserError(text("{file} is an image. Name another file for the report.", file=file))


def _check_links(root: Path, options: AuditOptions) -> None:
    """Raises UserError for a report or baseline in the project that a link leads out of it."""
    for file in map(os.path.abspath, _written_files(options)):
        for home in (os.path.abspath(root), os.path.realpath(root)):
            if Path(file).is_relative_to(home):
                with ProjectFolder(root) as folder:
                    folder.check(Path(file).relative_to(home).as_posix())


def _written_files(options: AuditOptions) -> list[str]:
    """Returns the reports and the baseline to be written, without stdout."""
    files = (*options.reports.values(), options.baseline if options.update_baseline else None)
    return [file for file in files if file and file != STDOUT]


def _is_image(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return sniff(opened.read(HEAD_SIZE)) is not None
    except OSError:
        return False


def _accepted(options: AuditOptions, project: Project) -> set[baseline.Entry]:
    """Returns the entries of the baseline; none if it is to be written. Raises UserError."""
    if options.baseline is None:
        return set()
    if options.update_baseline:
        # It is read again before it is written; a mistake in it is reported now.
        baseline.read_others(Path(options.baseline), project)
        return set()
    return baseline.read(Path(options.baseline))


def plan_audit(
    registry: Registry, workers: int | None, *, use_names: bool, use_cache: bool, **more: Any
) -> Plan:
    """Returns the plan for these options and the user's settings; `more` are other fields of `Plan`."""
    paths = Paths.find()
    settings = read_settings(
        registry.settings,
        paths.settings_file,
        os.environ,
        {"workers": workers},
        plugins_disabled=registry.lacks,
    )
    return Plan(
        workers=settings["workers"] or cores(),
        limits=Limits(max_pixels=settings["images.max_pixels"]),
        memory_mib=settings["worker.memory_mib"],
        total_mib=settings["worker.total_mib"],
        sandbox=Sandbox("", settings["worker.writable"]) if settings["worker.sandbox"] else None,
        deadline_s=settings["deadline_ms"] / 1000,
        max_size=settings["textures.max_size"],
        use_names=use_names,
        cache=paths.cache if use_cache else None,
        **more,
    )


@contextlib.contextmanager
def interruptible(plan: Plan, locale: str) -> Iterator[list[Cache]]:
    """Yields the list for the caches that the audit opens; on Ctrl-C, reports the state of the work."""
    caches: list[Cache] = []
    try:
        yield caches
    except KeyboardInterrupt:
        sentences = [text("Stopped: nothing was written.")]
        # An audit without a cache folder has a temporary cache.
        if plan.cache is not None and any(cache.lasting for cache in caches):
            sentences.append(text("The next run continues from here."))
        raise _abort(sentences, locale) from None


def _abort(sentences: Iterable[Text], locale: str) -> click.Abort:
    """Prints `sentences` on a line of their own: click.Abort alone prints an empty one."""
    # A terminal shows ^C in the line.
    if sys.stderr.isatty():
        click.echo(err=True)
    line = join_sentences(translate(sentence, locale) for sentence in sentences)
    click.echo(f"popbridge: {line}", err=True)
    return click.Abort()


def _examine(
    project: Project,
    plan: Plan,
    registry: Registry,
    project_file: ProjectFile,
    accepted: set[baseline.Entry],
    caches: list[Cache],
    *,
    apply_fixes: bool,
) -> Report:
    """Returns the findings without accepted ones; with `apply_fixes`, including those that appear after a
    fix.
    """

    async def look(project: Project, plan: Plan) -> Report:
        report = await audit_with_progress(project, plan, registry, project_file, caches)
        baseline.accept(report, accepted, project)
        return report

    async def until_settled() -> Report:
        with with_cache(plan) as cached:
            report = await fix_until_settled(project, lambda project: look(project, cached))
            if plan.pictures:
                # The later rounds add rows without pictures.
                await add_pictures(project, cached, registry, report)
        return report

    reports: list[Report] = []

    async def run() -> None:
        reports.append(await (until_settled() if apply_fixes else look(project, plan)))

    # Not returned from the task: asyncio.run's signal handler would format it.
    asyncio.run(run())
    judge.report_faults(reports[0])
    return reports[0]


async def audit_with_progress(
    project: Project, plan: Plan, registry: Registry, project_file: ProjectFile, caches: list[Cache]
) -> Report:
    """Audits with a progress bar on stderr; adds the opened cache to `caches`. Raises UserError."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # Without a terminal, the bar would leave an empty line.
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("audit", total=None)
        outcome = ProgressCallbacks(
            total=lambda count: progress.update(bar, total=count),
            done=lambda count: progress.advance(bar, count),
            opened=caches.append,
        )
        return await audit_module.audit(project, plan, registry, outcome, project_file)


def _fix_and_accept(project: Project, report: Report, plan: Plan, options: AuditOptions) -> list[str]:
    """Writes fixes, then the baseline, if asked to; returns what couldn't be written."""
    if options.fix and not report.engine:
        report.notices.append(fix.NO_SETTINGS)
    elif options.fix:
        try:
            fix.fix(project, report, Paths.find().database)
        except UserError as error:
            # The report is still written. The baseline isn't: it would accept findings that were to be fixed.
            return [explain_error(error)]
        except KeyboardInterrupt:
            if report.receipt is not None:
                sentence = text(
                    "Stopped while fixes were written. Undo them with `popbridge revert {receipt}`, or write "
                    "the rest with --fix.",
                    receipt=report.receipt,
                )
                raise _abort([sentence], options.locale) from None
            raise
        audit_module.record_fixes(project, plan, report)
    if options.update_baseline and options.baseline is not None:
        return _update_baseline(project, report, options.baseline)
    return []


def _update_baseline(project: Project, report: Report, file: str) -> list[str]:
    """Writes all findings beside those of other parts of the project; returns what couldn't be written."""
    try:
        # Another part may have been accepted during this audit.
        others = baseline.read_others(Path(file), project)
    except UserError as error:
        return [explain_error(error)]
    if failures := _write(file, [baseline.baseline_text(report.rows, others)]):
        return failures
    baseline.accept(report, baseline.entries(report.rows), project)
    return []


def _at_least(rows: Iterable[Row], rank: int) -> list[Row]:
    """Returns the rows with findings of that rank or above, without their other findings; and the fixed
    rows.
    """
    found = []
    for row in rows:
        issues = [issue for issue in row.issues if issue.rank >= rank]
        if issues or row.mended:
            found.append(row if len(issues) == len(row.issues) else replace(row, issues=issues))
    return found


def _write_reports(report: Report, options: AuditOptions) -> list[str]:
    """Writes every report that was asked for; returns what couldn't be written."""
    formats = {"html": report_html.pages, "json": report_json.pieces, "sarif": report_sarif.pieces}
    failures: list[str] = []
    for name, pieces in formats.items():
        if file := options.reports[name]:
            failures += _write(file, pieces(report, options.locale))
    if not options.quiet and STDOUT not in options.reports.values():
        show = report_terminal.show_statistics if options.statistics else report_terminal.show
        show(report, options.locale, options.limit, sys.stdout, screen_width())
    return failures


def _write(file: str, pieces: Iterable[str]) -> list[str]:
    try:
        report_json.write(file, pieces)
    except UserError as error:
        return [explain_error(error)]
    return []
