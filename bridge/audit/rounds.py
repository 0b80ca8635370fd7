"""Rounds of an audit: settings are evidence too, so that what is planned for some tells more of others."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from accel.text import text
from bridge.advisors.findings import WRONG
from bridge.audit import faults
from bridge.audit.project import Project
from bridge.audit.results import NOT_APPLIED, Issue, Report, Row
from bridge.core.errors import UserError

if TYPE_CHECKING:
    from bridge.audit.run import Plan

MOST = 5
"""Rounds; two are enough nearly always, and two textures might each speak against the other for ever."""

Plans = dict[str, dict[str, Any]]
"""Options to set, by file."""


async def until_settled(project: Project, look: Callable[[Project], Awaitable[Report]]) -> Report:
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
    failed = faults.failed(last, faults.UNJUDGED)
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
    return any(issue.code == faults.UNJUDGED for issue in row.issues)


def _left(row: Row, failed: Issue) -> Row:
    """One that isn't to be mended, as its adapter fails at what would be written."""
    reason = text(
        "{values} fails at what would be written: {values_2}",
        values=failed.values["plugin"],
        values_2=failed.values["reason"],
    )
    refused = Issue(NOT_APPLIED, WRONG, NOT_APPLIED, {"reason": reason})
    return replace(row, issues=[refused, *row.issues], options={}, memory_after=row.memory)
