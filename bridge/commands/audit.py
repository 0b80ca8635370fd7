"""`popbridge audit`: checks the textures of a whole project without an editor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from accel.text import text
from bridge.commands.options import NEVER, STDOUT, AuditOptions
from bridge.commands.terminal import reads_chinese, say
from bridge.core.textures import SEVERITIES, severity_of

Function = TypeVar("Function", bound=Callable[..., Any])

EXAMPLES = """\b
Examples:
  popbridge audit game
  popbridge audit game --statistics
  popbridge audit game --html audit.html
  popbridge audit game/Assets/Textures --fix
  popbridge audit game --fix
  popbridge audit game --with-editor --html audit.html
  popbridge audit game --baseline audit-baseline.json --update-baseline
  popbridge audit game --sarif - --baseline audit-baseline.json
Undo the changes of --fix with `popbridge revert ID`."""


class SeverityChoice(click.Choice[str]):
    """Severities; the words of 0.1.0 are accepted but not shown."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return super().convert(severity_of(value) or value, param, ctx)


def _report_option(name: str, description: str) -> Callable[[Function], Function]:
    return click.option(
        f"--{name}", metavar="FILE", type=click.Path(dir_okay=False, allow_dash=True), help=description
    )


def default_locale() -> str:
    """Returns the report's language for the user's locale."""
    return "zh-CN" if reads_chinese() else "en"


@click.command(epilog=EXAMPLES)
@click.argument("place", metavar="PROJECT", type=click.Path())
@click.option("--fix", is_flag=True, help="Write fixes to the project's import files.")
@_report_option("html", "Write a page with pictures; - is stdout.")
@_report_option("json", "Write a report for programs; - is stdout.")
@_report_option("sarif", "Write a report for code review (SARIF 2.1.0); - is stdout.")
@click.option(
    "--baseline", metavar="FILE", type=click.Path(dir_okay=False), help="Ignore findings listed in FILE."
)
@click.option("--update-baseline", is_flag=True, help="Write all findings to the baseline.")
@click.option("--all", "lists_all", is_flag=True, help="List all textures in --json, with explanations.")
@click.option(
    "--severity",
    type=SeverityChoice(SEVERITIES),
    default="note",
    show_default=True,
    help="Lowest level to list.",
)
@click.option(
    "--fail-on",
    type=SeverityChoice((*SEVERITIES, NEVER)),
    default="warning",
    show_default=True,
    help="Lowest level that exits with 1.",
)
@click.option("--no-names", is_flag=True, help="Don't use file and folder names as evidence.")
@click.option("--no-cache", is_flag=True, help="Examine every file again.")
@click.option("--with-editor", is_flag=True, help="Also run the engine's editor, which knows more.")
@click.option("--editor", metavar="PATH", type=click.Path(), help="The editor's program; default: searched.")
@click.option(
    "--editor-timeout",
    metavar="SECONDS",
    type=click.FloatRange(1, 86400),
    default=1800,
    show_default=True,
    help="Time after which the editor is ended.",
)
@click.option(
    "--require-project",
    is_flag=True,
    help="Fail (exit code 2) if PROJECT is of no known engine, as CI should.",
)
@click.option("--statistics", is_flag=True, help="Print only counts: findings, files and memory by code.")
@click.option("--limit", type=click.IntRange(0), default=50, show_default=True, help="Lines shown; 0 is all.")
@click.option(
    "--locale", type=click.Choice(["en", "zh-CN"]), default=default_locale, show_default="the system's",
    help="Language of the report.",
)  # fmt: skip
@click.option("--workers", "-j", type=click.IntRange(1, 256), help="Worker processes; default: one per core.")
@click.option("--quiet", "-q", is_flag=True, help="Print no report; the exit code and files tell.")
def audit(
    place: str, fix: bool, html: str | None, json: str | None, sarif: str | None, baseline: str | None,
    update_baseline: bool, lists_all: bool, severity: str, fail_on: str, no_names: bool, no_cache: bool,
    statistics: bool, limit: int, locale: str, workers: int | None, quiet: bool, with_editor: bool,
    editor: str | None, editor_timeout: float, require_project: bool,
) -> int:  # fmt: skip
    """Check the textures of a project, folder or file.

    Exit code 1 if a finding reaches --fail-on (with --fix: remains), or a plugin failed. With
    `--fail-on never`, findings don't change the exit code.
    """
    reports = {"html": html, "json": json, "sarif": sarif}
    _check_options(place, reports, baseline, update_baseline)
    if lists_all and json is None:
        raise click.UsageError(say(text("--all needs --json FILE.")))
    if editor is not None and not with_editor:
        raise click.UsageError(say(text("--editor needs --with-editor.")))
    options = AuditOptions(
        place=place,
        reports=reports,
        fix=fix,
        baseline=baseline,
        update_baseline=update_baseline,
        severity=severity,
        fail_on=fail_on,
        use_names=not no_names,
        use_cache=not no_cache,
        limit=limit,
        statistics=statistics,
        locale=locale,
        workers=workers,
        quiet=quiet,
        lists_all=lists_all,
        with_editor=with_editor,
        editor=editor,
        editor_timeout_s=editor_timeout,
        require_project=require_project,
    )
    # It needs numpy and pyvips, which `--help` and completion do without.
    from bridge.commands.audit_run import run_audit

    return run_audit(options)


def _check_options(
    place: str, reports: dict[str, str | None], baseline: str | None, update_baseline: bool
) -> None:
    """Raises click.UsageError."""
    if not place:
        # Python takes it for the current folder, but a script passes it when its variable is unset.
        raise click.UsageError(say(text("PROJECT is empty. Give a project, or . for the current folder.")))
    if update_baseline and baseline is None:
        raise click.UsageError(say(text("--update-baseline needs --baseline FILE.")))
    files = {"--baseline": "" if baseline == STDOUT else baseline}
    files |= {f"--{name}": file for name, file in reports.items()}
    for option, file in files.items():
        if file == "":
            raise click.UsageError(say(text("{option} needs a file name.", option=option)))
    if sum(file == STDOUT for file in reports.values()) > 1:
        raise click.UsageError(say(text("Only one report can go to stdout.")))
