"""What an adapter, which is a plugin, fails at while textures are judged: told as its fault, and once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from accel.text import text
from bridge import failures
from bridge.advisors.findings import NOTE
from bridge.audit.results import Issue, Report, Row

UNJUDGED, UNREMARKED = "unjudged", "unremarked"
OURS = "PopBridge"
TOLD = {
    UNJUDGED: "{plugin} has left {count} of the textures unjudged, as it failed ({why}); the first is "
    "{file}.",
    UNREMARKED: "{plugin} has left {count} of the textures without remarks, as it failed ({why}); the first "
    "is {file}.",
}
"""What is said of the plugin, by the code of what is said of a texture."""
REMEDY = text("Update the plugin, or tell whoever wrote it.")
OUR_REMEDY = text("Update PopBridge, or report this.")


def fault(code: str, error: BaseException, plugin: str) -> Issue:
    """What is said of the texture over which `error` was raised, by `plugin` if by anything of it."""
    by = plugin if failures.is_theirs(error) else OURS
    return Issue(code, NOTE, code, {"reason": failures.told(error), "plugin": by})


def found(rows: Iterable[Row]) -> list[tuple[str, Issue]]:
    """What was failed at, each with its file."""
    return [(row.file, issue) for row in rows for issue in row.issues if issue.code in TOLD]


def failed(report: Report, code: str) -> Mapping[str, Issue]:
    """What was failed at by this code, by file."""
    return {file: issue for file, issue in report.faults if issue.code == code}


def tell(report: Report) -> None:
    """Says once what plugins have failed at; where these are most of what they were asked of, not of each."""
    for code, asked in ((UNJUDGED, report.asked), (UNREMARKED, report.textures)):
        if textures := failed(report, code):
            report.notices.append(_told(code, textures))
            report.incomplete = True
            # Many of one kind may not need what it fails at.
            if 2 * len(textures) > asked > 1:
                _leave_out(report, code)
                report.failed = True
    report.unjudged = len(failed(report, UNJUDGED))


def is_left(report: Report) -> bool:
    """Whether something isn't judged as a plugin has failed, and nobody has accepted that."""
    return report.failed or any(found(report.rows))


def _leave_out(report: Report, code: str) -> None:
    for row in report.rows:
        row.issues = [issue for issue in row.issues if issue.code != code]
    report.rows = [row for row in report.rows if row.issues]
    report.unseen = [(file, issue) for file, issue in report.unseen if issue.code != code]


def _told(code: str, textures: Mapping[str, Issue]) -> str:
    first = min(textures)
    plugin, why = textures[first].values["plugin"], textures[first].values["reason"]
    said = TOLD[code].format(plugin=plugin, count=len(textures), why=why, file=first)
    return f"{said} {OUR_REMEDY if plugin == OURS else REMEDY}"
