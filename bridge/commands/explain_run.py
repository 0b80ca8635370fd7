"""Runs `popbridge explain`: audits the files in their projects and prints the explanations."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from msgspec.structs import replace

from bridge.advisors.explanation import plain
from bridge.audit import report_explanation
from bridge.audit.project import Project, no_texture_error, scope_name
from bridge.audit.results import Report, Row
from bridge.audit.texts import sentence
from bridge.commands.audit_run import audit_with_progress, interruptible, plan_audit
from bridge.commands.options import print_json
from bridge.commands.terminal import screen_width
from bridge.core.text import printable
from bridge.host import host
from bridge.host.host import Registry
from bridge.locale import translate
from bridge.project import config

PAGE_WIDTH = 120
"""Columns of output that doesn't go to a terminal."""


def run_explain(
    files: Sequence[str],
    *,
    as_json: bool,
    use_names: bool,
    use_cache: bool,
    locale: str,
    workers: int | None,
) -> int:
    """Returns the exit code: 1 if a file couldn't be examined. Raises UserError."""
    # Failures inside workloads become findings.
    logging.basicConfig(level="CRITICAL")
    registry = host.load()
    scopes = [scope_name(registry, file, loose=True) for file in files]
    rows: dict[Path, list[Row]] = {}
    for root in dict.fromkeys(scope.root.resolve() for scope in scopes):
        together = [scope for scope in scopes if scope.root.resolve() == root]
        report = _audit(
            registry, together, locale, {"workers": workers, "use_names": use_names, "use_cache": use_cache}
        )
        _print_notices(report, locale)
        rows[root] = list({row.file: row for row in [*report.rows, *report.explained]}.values())
    chosen = [row for scope in scopes for row in _rows_of(scope, rows)]
    if as_json:
        for row in chosen:
            print_json(_plain(row, locale))
    else:
        width = screen_width() if sys.stdout.isatty() else PAGE_WIDTH
        report_explanation.show(chosen, locale, sys.stdout, width)
    return int(any(row.explanation is None for row in chosen))


def _audit(registry: Registry, scopes: Sequence[Project], locale: str, options: dict[str, Any]) -> Report:
    """Audits the common part of `scopes`, which have one root."""
    project = scopes[0]
    if len(scopes) > 1:
        parts = [scope.part for scope in scopes]
        common = os.path.commonpath(parts) if all(parts) else ""
        project = replace(project, part=Path(common).as_posix() if common else "", is_file=False)
    plan = plan_audit(registry, **options, explains=lambda file: any(scope.covers(file) for scope in scopes))
    reports: list[Report] = []

    async def run() -> None:
        project_file = config.read(project.root)
        reports.append(await audit_with_progress(project, plan, registry, project_file, caches))

    with interruptible(plan, locale) as caches:
        # Not returned from the task: asyncio.run's signal handler would format it.
        asyncio.run(run())
    # The first one names the part, which is what was asked for.
    return replace(reports[0], notices=reports[0].notices[bool(project.part) :])


def _print_notices(report: Report, locale: str) -> None:
    for notice in report.notices:
        click.echo(printable(translate(notice, locale)), err=True)


def _rows_of(scope: Project, rows: dict[Path, list[Row]]) -> list[Row]:
    """Returns the rows in the scope, sorted by name. Raises UserError if there are none."""
    found = [row for row in rows[scope.root.resolve()] if scope.covers(row.file)]
    if not found:
        raise no_texture_error(scope.root / scope.part)
    return sorted(found, key=lambda row: row.file)


def _plain(row: Row, locale: str) -> dict[str, Any]:
    about = {
        "file": row.file,
        "path": row.path,
        "width": row.width,
        "height": row.height,
        "format": row.format,
    }
    if row.explanation is None:
        return {**about, "error": " ".join(sentence(issue, locale) for issue in row.issues)}
    return {**about, **plain(row.explanation, locale)}
