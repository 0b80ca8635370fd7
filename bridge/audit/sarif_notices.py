"""What an audit says of its own work in SARIF: what it was told and can't obey, and what it couldn't read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bridge.audit.plain import plain
from bridge.audit.results import Report
from bridge.audit.sarif_places import location
from bridge.audit.summary import oddities, passed_over
from bridge.audit.texts import sentence
from bridge.projectfile import NAME

UNSEEN = frozenset({"unlisted", "unreadable", "unsupported"})
"""Codes of files and folders about which nothing else could be found out."""


def invocation(report: Report, above: str, rules: Mapping[str, int], locale: str) -> dict[str, Any]:
    """SARIF's `invocation`, of one audit; `rules` are those of the log, each with its index."""
    return {
        # So the process did, whatever it has found.
        "executionSuccessful": True,
        "toolConfigurationNotifications": [
            {**_notification("passed_over", "warning", said), "locations": [location(above + NAME)]}
            for said in passed_over(report, locale)
        ],
        "toolExecutionNotifications": [
            *(_notification("notice", "note", said) for said in oddities(report, locale)),
            *_unseen(report, above, rules, locale),
        ],
    }


def _unseen(report: Report, above: str, rules: Mapping[str, int], locale: str) -> Iterator[dict[str, Any]]:
    """What the report doesn't know of, so that nobody takes silence for praise."""
    for row in report.listed:
        for issue in row.issues:
            if issue.code in UNSEEN:
                level = "note" if issue.severity == "note" else "warning"
                yield {
                    **_notification(issue.code, level, sentence(issue, locale)),
                    "associatedRule": {"id": issue.code, "index": rules[issue.code]},
                    "locations": [location(above + row.file)],
                }


def _notification(code: str, level: str, said: str) -> dict[str, Any]:
    return {"descriptor": {"id": code}, "level": level, "message": {"text": plain(said)}}
