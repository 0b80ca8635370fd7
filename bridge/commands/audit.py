"""`popbridge audit`: a whole project's textures, with no editor running."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from accel.text import text
from bridge.commands.options import read_settings
from bridge.commands.terminal import explain_error, reads_chinese, say, screen_width
from bridge.core.errors import UserError
from bridge.core.text import join_sentences

if TYPE_CHECKING:
    from bridge.audit.audit import Plan
    from bridge.audit.baseline import Entry
    from bridge.audit.examine import Cache
    from bridge.audit.project import Project
    from bridge.audit.results import Report, Row
    from bridge.host.host import Registry
    from bridge.project.config import ProjectFile


Function = TypeVar("Function", bound=Callable[..., Any])

STDOUT = "-"
LEVELS = ("wrong", "waste", "note")
NEVER = "never"
"""What is found fails no build that only reports."""

EXAMPLES = """\b
Examples:
  popbridge audit game
  popbridge audit game --html audit.html
  popbridge audit game/Assets/Textures --fix
  popbridge audit game --fix
  popbridge audit game --baseline audit-baseline.json --update-baseline
  popbridge audit game --sarif - --baseline audit-baseline.json
`popbridge revert ID` puts back what --fix has written."""


def _output(name: str, text: str) -> Callable[[Function], Function]:
    return click.option(
        f"--{name}", metavar="FILE", type=click.Path(dir_okay=False, allow_dash=True), help=text
    )


def _language() -> str:
    return "zh-CN" if reads_chinese() else "en"


@click.command(epilog=EXAMPLES)
@click.argument("folder", metavar="PROJECT", type=click.Path())
@_output("html", "Writes the report as a page, with pictures; - is stdout.")
@_output("json", "Writes the report for programs; - is stdout.")
@_output("sarif", "Writes the report for code-review tools (SARIF 2.1.0); - is stdout.")
@click.option("--fix", "mend", is_flag=True, help="Writes the settings into the project's import files.")
@click.option("--baseline", metavar="FILE", type=click.Path(dir_okay=False), help="Accepts what it lists.")
@click.option("--update-baseline", is_flag=True, help="Makes it list everything that is found.")
@click.option(
    "--severity",
    type=click.Choice(LEVELS),
    default="note",
    show_default=True,
    help="Reports what is as bad as this, and worse.",
)
@click.option(
    "--fail-on", type=click.Choice((*LEVELS[:2], NEVER)), default="waste", show_default=True,
    help="Exit code 1 for what is as bad as this, and worse; never for nothing that is found.",
)  # fmt: skip
@click.option("--no-names", is_flag=True, help="File and folder names are no evidence.")
@click.option("--no-cache", is_flag=True, help="Examines everything anew.")
@click.option("--limit", type=click.IntRange(0), default=50, show_default=True, help="Rows shown; 0 is all.")
@click.option(
    "--locale", type=click.Choice(["en", "zh-CN"]), default=_language, show_default="the system's",
    help="Language of the report.",
)  # fmt: skip
@click.option("--workers", type=click.IntRange(1, 256), help="Worker processes; one per core unless set.")
def audit(
    folder: str, html: str | None, json: str | None, sarif: str | None, mend: bool, baseline: str | None,
    update_baseline: bool, severity: str, fail_on: str, no_names: bool, no_cache: bool, limit: int,
    locale: str, workers: int | None,
) -> int:  # fmt: skip
    """Audits all textures of PROJECT, or of a folder or file in one; exit code 1 if one could be better."""
    from bridge.audit import project as project_module
    from bridge.audit.fix import check_nameable
    from bridge.host import host
    from bridge.project import config

    # What fails inside of a workload is a line of the report.
    logging.basicConfig(level="CRITICAL")
    outputs = {"html": html, "json": json, "sarif": sarif}
    _check(folder, outputs, baseline, update_baseline)
    registry = host.load()
    project = project_module.scope_name(registry, folder)
    if mend and project.support is not None:
        check_nameable(project.root)
    agreed = config.read(project.root)
    known = _known(baseline, project, update=update_baseline)
    plan = _plan(registry, workers, names=not no_names, cache=not no_cache, pictures=html is not None)
    with _stoppable(plan, locale) as opened:
        report = _examined(project, plan, registry, agreed, known, opened, mend=mend)
    failures = _settle(project, report, plan, baseline if update_baseline else None, locale, mend=mend)
    report.shown = _ranked(report.rows, severity)
    failures += _tell(report, outputs, locale, limit)
    if failures:
        # Told last: what could be written is, and who mends has seen the receipt.
        raise UserError(join_sentences(failures))
    return int(fail_on != NEVER and _fails(report, fail_on))


def _fails(report: Report, fail_on: str) -> bool:
    from bridge.audit import judge
    from bridge.audit.results import SEVERITIES

    # A build that passes because nothing was judged would pass whatever is wrong.
    return judge.is_unjudged(report) or any(row.rank >= SEVERITIES[fail_on] for row in report.rows)


def _check(folder: str, outputs: dict[str, str | None], baseline: str | None, update: bool) -> None:
    from bridge.audit.baseline import check_replaceable
    from bridge.audit.report_json import check_writable

    if not folder:
        # As a script gives it whose variable isn't set; to Python it is the current folder.
        raise click.UsageError(
            say(text("PROJECT is empty: name the folder of a project, or . for this one."))
        )
    if update and baseline is None:
        raise click.UsageError(say(text("--update-baseline wants --baseline FILE, the one to write.")))
    if baseline in ("", STDOUT):
        raise click.UsageError(say(text("{option} wants the name of a file.", option="--baseline")))
    if sum(file == STDOUT for file in outputs.values()) > 1:
        raise click.UsageError(say(text("Only one report can go to stdout.")))
    if update and baseline:
        check_replaceable(Path(baseline))
    # Told before the work, not after it.
    for name, file in outputs.items():
        if file == "":
            raise click.UsageError(say(text("{option} wants the name of a file.", option=f"--{name}")))
    for file in (*outputs.values(), *([baseline] if update else [])):
        if file and file != STDOUT:
            check_writable(file)
        if file and file != STDOUT and _is_image(Path(file)):
            raise UserError(text("{file} is an image: name another file for the report.", file=file))


def _is_image(file: Path) -> bool:
    from accel.image.decode import HEAD, sniff

    try:
        with file.open("rb") as opened:
            return sniff(opened.read(HEAD)) is not None
    except OSError:
        return False


def _known(baseline: str | None, project: Project, *, update: bool) -> set[Entry]:
    """What the baseline accepts; nothing where it is made anew. Raises UserError where it can't be read."""
    from bridge.audit.baseline import read, read_others

    if baseline is None:
        return set()
    if update:
        # What stays is read again when it is written: this tells of a mistake before the work.
        read_others(Path(baseline), project)
        return set()
    return read(Path(baseline))


def _plan(registry: Registry, workers: int | None, *, names: bool, cache: bool, pictures: bool) -> Plan:
    from accel.execution.executor import cores
    from accel.workload import Limits
    from bridge.audit.audit import Plan
    from bridge.paths import Paths

    paths = Paths.find()
    flags = {"workers": workers}
    settings = read_settings(
        registry.settings, paths.settings_file, os.environ, flags, lacking=registry.lacks
    )
    return Plan(
        workers=settings["workers"] or cores(),
        limits=Limits(max_pixels=settings["images.max_pixels"]),
        memory_mib=settings["worker.memory_mib"],
        deadline_s=settings["deadline_ms"] / 1000,
        max_size=settings["textures.max_size"],
        use_names=names,
        cache=paths.cache if cache else None,
        pictures=pictures,
    )


@contextlib.contextmanager
def _stoppable(plan: Plan, locale: str) -> Iterator[list[Cache]]:
    """Tells whoever stops it what has become of the work; gives where to put the caches that are opened."""
    from bridge.audit.texts import say

    opened: list[Cache] = []
    try:
        yield opened
    except KeyboardInterrupt:
        # Without one of its own a run has a cache for itself alone.
        kept = plan.cache is not None and any(cache.lasting for cache in opened)
        keys = ["interrupted", "kept"] if kept else ["interrupted"]
        raise _stopped(join_sentences(say(key, locale) for key in keys)) from None


def _stopped(said: str) -> click.Abort:
    """Says it; click itself would leave an empty line behind it."""
    # A terminal shows ^C in the line.
    if sys.stderr.isatty():
        click.echo(err=True)
    click.echo(f"popbridge: {said}", err=True)
    return click.Abort()


def _examined(
    project: Project,
    plan: Plan,
    registry: Registry,
    agreed: ProjectFile,
    known: set[Entry],
    opened: list[Cache],
    *,
    mend: bool,
) -> Report:
    """The report, without what is known; with all that is to be mended once some is."""
    from bridge.audit import judge
    from bridge.audit.audit import add_pictures, fix_until_settled, with_cache
    from bridge.audit.baseline import accept

    async def settled() -> Report:
        with with_cache(plan) as cached:
            report = await fix_until_settled(project, lambda project: look(project, cached))
            if plan.pictures:
                # Of what only a later round has found.
                await add_pictures(project, cached, registry, report)
        return report

    async def look(project: Project, plan: Plan) -> Report:
        report = await _run(project, plan, registry, agreed, opened)
        accept(report, known, project)
        return report

    made: list[Report] = []

    async def run() -> None:
        made.append(await (settled() if mend else look(project, plan)))

    # asyncio.run asks for a signal's handler, for which Python makes a text of all that the task gave.
    asyncio.run(run())
    judge.report_faults(made[0])
    return made[0]


async def _run(
    project: Project, plan: Plan, registry: Registry, agreed: ProjectFile, opened: list[Cache]
) -> Report:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from bridge.audit.audit import ProgressCallbacks, audit

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # Where there is no terminal, a bar would leave an empty line.
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("audit", total=None)
        callbacks = ProgressCallbacks(
            total=lambda count: progress.update(bar, total=count),
            done=lambda count: progress.advance(bar, count),
            opened=opened.append,
        )
        return await audit(project, plan, registry, callbacks, agreed)


def _settle(
    project: Project,
    report: Report,
    plan: Plan,
    baseline: str | None,
    locale: str,
    *,
    mend: bool,
) -> list[str]:
    """Mends what is to be, and accepts all else in this baseline, if any; gives what couldn't be written."""
    from bridge.audit.audit import record_fixes
    from bridge.audit.fix import NO_SETTINGS

    if mend and not report.engine:
        report.notices.append(NO_SETTINGS)
    elif mend:
        try:
            _mend(project, report, locale)
        except UserError as error:
            # What was found is told all the same, and nothing of it accepted: it was to be mended.
            return [explain_error(error)]
        record_fixes(project, plan, report)
    return _accept(project, report, baseline) if baseline is not None else []


def _mend(project: Project, report: Report, locale: str) -> None:
    from bridge.audit.fix import fix
    from bridge.audit.texts import say
    from bridge.paths import Paths

    try:
        fix(project, report, Paths.find().database)
    except KeyboardInterrupt:
        if report.receipt is not None:
            raise _stopped(say("stopped", locale, receipt=report.receipt)) from None
        raise


def _accept(project: Project, report: Report, baseline: str) -> list[str]:
    """Accepts everything in this baseline beside what stays there; gives what couldn't be written."""
    from bridge.audit.baseline import accept, baseline_text, entries, read_others

    try:
        # Another part may have been accepted while this one was examined.
        others = read_others(Path(baseline), project)
    except UserError as error:
        return [explain_error(error)]
    if failures := _written(baseline, [baseline_text(report.rows, others)]):
        return failures
    accept(report, entries(report.rows), project)
    return []


def _ranked(rows: Iterable[Row], severity: str) -> list[Row]:
    """The rows with issues so bad and worse, without the others; and what was mended."""
    from msgspec.structs import replace

    from bridge.audit.results import SEVERITIES

    found = []
    for row in rows:
        issues = [issue for issue in row.issues if issue.rank >= SEVERITIES[severity]]
        if issues or row.mended:
            found.append(row if len(issues) == len(row.issues) else replace(row, issues=issues))
    return found


def _tell(report: Report, outputs: dict[str, str | None], locale: str, limit: int) -> list[str]:
    """Writes every report that is asked for; gives what couldn't be written."""
    from bridge.audit import report_html, report_json, report_sarif, report_terminal

    forms = {"html": report_html.pages, "json": report_json.pieces, "sarif": report_sarif.pieces}
    failures: list[str] = []
    for form, pieces in forms.items():
        if file := outputs[form]:
            failures += _written(file, pieces(report, locale))
    if STDOUT not in outputs.values():
        report_terminal.show(report, report.listed, locale, limit, sys.stdout, screen_width())
    return failures


def _written(file: str, pieces: Iterable[str]) -> list[str]:
    from bridge.audit.report_json import write

    try:
        write(file, pieces)
    except UserError as error:
        return [explain_error(error)]
    return []
