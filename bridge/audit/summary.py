"""What a report says of a project as a whole, in sentences: below the table, and at the top of the page."""

from __future__ import annotations

from accel.text import clauses
from bridge.audit.results import Report, Row
from bridge.audit.texts import bytes_text, say
from bridge.locale import translate


def notices(report: Report, locale: str) -> list[str]:
    """What is odd about the project, and what of its `popbridge.toml` is passed over: a sentence each."""
    return [*oddities(report, locale), *passed_over(report, locale)]


def oddities(report: Report, locale: str) -> list[str]:
    """What is odd about the project."""
    return [translate(said, locale) for said in report.notices]


def passed_over(report: Report, locale: str) -> list[str]:
    """What of its `popbridge.toml` is passed over, and why."""
    return [translate(said, locale) for said in report.passed_over]


def summary(report: Report, locale: str) -> list[str]:
    """The sentences; none for what there is nothing to say about."""
    counts = {word: report.count(word) for word in ("wrong", "waste", "note")}
    lines = [say("summary", locale, textures=report.textures, **counts)]
    if report.unlisted:
        lines.append(say("unlisted_issues", locale, count=report.unlisted))
    if fixable := sum(_fixable(row) for row in report.rows):
        lines.append(say("fixable", locale, count=fixable))
    if report.memory:
        told = [say("takes", locale, memory=bytes_text(report.memory))]
        if report.saved > 0:
            key = "freed" if any(row.mended for row in report.rows) else "frees"
            told.append(say(key, locale, memory=bytes_text(report.saved)))
        lines.append(translate(clauses(told), locale))
    if count := sum(bool(row.mended) for row in report.rows):
        lines.append(say("fixed", locale, count=count, receipt=report.receipt))
    if report.accepted:
        lines.append(say("accepted", locale, count=report.accepted))
    if report.stale:
        lines.append(say("stale", locale, count=report.stale))
    return lines


def _fixable(row: Row) -> int:
    """Issues that --fix would settle; none where it has just tried in vain."""
    return 0 if row.refused else sum(issue.fixable for issue in row.issues)
