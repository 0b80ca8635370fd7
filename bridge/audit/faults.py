"""What an adapter, which is a plugin, fails at while textures are judged: told as its fault, and once."""

from __future__ import annotations

from bridge import failures
from bridge.advisors.findings import NOTE
from bridge.audit.results import Issue, Report, Row

UNJUDGED = "unjudged"
CODES = {
    UNJUDGED: "Not judged, as {plugin} failed at them ({why}). Textures: {count}, the first {file}.",
    "unremarked": "No remarks, as {plugin} failed at these ({why}). Textures: {count}, the first {file}.",
}
"""Codes of what is said of a texture then, and what is said of the plugin."""
REMEDY = "Update the plugin, or tell whoever wrote it."


def fault(code: str, error: BaseException, plugin: str) -> Issue:
    """What is said of the texture at which `plugin` has raised `error`."""
    return Issue(code, NOTE, code, {"reason": failures.told(error), "plugin": plugin})


def tell(report: Report, asked: int) -> None:
    """Says of the plugin what it has failed at; where these are most of the `asked` textures, not of each."""
    for code in CODES:
        failed = sorted((row for row in report.rows if _found(row, code)), key=lambda row: row.file)
        if not failed:
            continue
        report.notices.append(_told(code, failed))
        report.unjudged += len(failed) if code == UNJUDGED else 0
        # Many of one kind may not need what it fails at.
        if 2 * len(failed) > asked > 1:
            for row in failed:
                row.issues = [issue for issue in row.issues if issue.code != code]
    report.rows = [row for row in report.rows if row.issues]


def _told(code: str, failed: list[Row]) -> str:
    values = _found(failed[0], code)[0].values
    said = CODES[code].format(
        plugin=values["plugin"], count=len(failed), file=failed[0].file, why=values["reason"]
    )
    return f"{said} {REMEDY}"


def _found(row: Row, code: str) -> list[Issue]:
    return [issue for issue in row.issues if issue.code == code]
