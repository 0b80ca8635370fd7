"""What an audit says of its own work in SARIF: what it was told and can't obey, and what it couldn't read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bridge.audit import faults
from bridge.audit.plain import plain
from bridge.audit.results import Report
from bridge.audit.sarif_places import location
from bridge.audit.summary import oddities, passed_over
from bridge.audit.texts import say, sentence
from bridge.projectfile import NAME


def invocation(report: Report, above: str, rules: Mapping[str, int], locale: str) -> dict[str, Any]:
    """SARIF's `invocation`, of one audit; `rules` are those of the log, each with its index."""
    failed = faults.is_left(report)
    return {
        # By what it has found no run fails. SARIF 2.1.0 §3.20.21: by a notification of level `error` it does,
        # so that nobody takes its results for complete.
        "executionSuccessful": not failed,
        "toolConfigurationNotifications": [
            {**_notification("passed_over", "warning", said), "locations": [location(above + NAME)]}
            for said in passed_over(report, locale)
        ],
        "toolExecutionNotifications": [
            *([_notification("failed", "error", say("failed", locale))] if failed else []),
            *(_notification("notice", "note", said) for said in oddities(report, locale)),
            *_unseen(report, above, rules, locale),
        ],
    }


def _unseen(report: Report, above: str, rules: Mapping[str, int], locale: str) -> Iterator[dict[str, Any]]:
    """What the report doesn't know of, so that nobody takes silence for praise."""
    for file, issue in report.unseen:
        level = "note" if issue.severity == "note" else "warning"
        # There is one where a result has it: not of what is accepted, or isn't bad enough to be listed.
        rule = {"id": issue.code, "index": rules[issue.code]} if issue.code in rules else None
        yield {
            **_notification(issue.code, level, sentence(issue, locale)),
            **({"associatedRule": rule} if rule else {}),
            "locations": [location(above + file)],
        }


def _notification(code: str, level: str, said: str) -> dict[str, Any]:
    return {"descriptor": {"id": code}, "level": level, "message": {"text": plain(said)}}
