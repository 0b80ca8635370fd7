"""SARIF 2.1.0."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bridge.audit import judge
from bridge.audit.baseline import fingerprint
from bridge.audit.judge import WORDS
from bridge.audit.report_json import array
from bridge.audit.results import Group, Issue, Report, Row
from bridge.audit.texts import bytes_text, explain, explain_issue, oddities, passed_over, say, sentence
from bridge.core.text import change_text, printable
from bridge.project.config import NAME


def repository_root(root: str) -> str:
    """Where the project lies below the folder that is under version control; empty where that is itself."""
    place = Path(root).resolve()
    for folder in (place, *place.parents):
        if os.path.exists(folder / ".git"):
            return "" if folder == place else f"{place.relative_to(folder).as_posix()}/"
    return ""


def location_of(file: str) -> dict[str, Any]:
    """The place of a file, named from that folder."""
    # Code review wants a line even where there are none.
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(file), "uriBaseId": "%SRCROOT%"},
            "region": {"startLine": 1},
        }
    }


def _uri(file: str) -> str:
    """A relative path as a relative URI (RFC 3986): the file's own bytes, percent-encoded."""
    return quote(os.fsencode(file))


def invocation(report: Report, above: str, rules: Mapping[str, int], locale: str) -> dict[str, Any]:
    """SARIF's `invocation`, of one audit; `rules` are those of the log, each with its index."""
    failed = judge.is_unjudged(report)
    return {
        # By what it has found no run fails. SARIF 2.1.0 §3.20.21: by a notification of level `error` it does,
        # so that nobody takes its results for complete.
        "executionSuccessful": not failed,
        "toolConfigurationNotifications": [
            {**_notification("passed_over", "warning", said), "locations": [location_of(above + NAME)]}
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
            "locations": [location_of(above + file)],
        }


def _notification(code: str, level: str, said: str) -> dict[str, Any]:
    return {"descriptor": {"id": code}, "level": level, "message": {"text": printable(said)}}


SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {"wrong": "error", "waste": "warning", "note": "note"}
DUPLICATE = "duplicate"
NAMED = 8
"""How many files of a group its message names."""
RELATED = 100
"""How many of them are locations: code review shows no more, and refuses a log with a result of 1,000."""
FINGERPRINT = "popbridgeFinding/v1"


def pieces(report: Report, locale: str) -> Iterator[str]:
    """One SARIF log with one run, in pieces.

    Paths are relative to the repository that the project lies in, as code review names files, else to the
    project's root: the same on every machine.
    """
    above = repository_root(report.root)
    rules = _rules(report, locale)
    index = {rule["id"]: at for at, rule in enumerate(rules)}
    driver = {"name": "PopBridge", "semanticVersion": metadata.version("popbridge"), "rules": rules}
    run = {
        "tool": {"driver": driver},
        "invocations": [invocation(report, above, index, locale)],
        "language": "zh-CN" if locale.lower().startswith("zh") else "en-US",
        "columnKind": "utf16CodeUnits",
        "originalUriBaseIds": {
            "%SRCROOT%": {
                "description": {"text": "The repository's folder; the project's where there is none."}
            }
        },
        "properties": {
            "engine": report.engine,
            **({"part": report.part} if report.part else {}),
            "textures": report.textures,
        },
    }
    groups = (_duplicate(group, above, locale) for group in report.groups)
    results = chain(_results(report, above, locale), groups)
    yield f'{{\n "$schema": "{SCHEMA}",\n "version": "2.1.0",\n "runs": [{json.dumps(run, indent=1)[:-2]}'
    yield from array("results", ({**result, "ruleIndex": index[result["ruleId"]]} for result in results))
    yield "\n}]\n}\n"


def _rules(report: Report, locale: str) -> list[dict[str, Any]]:
    """A rule for each code that is met, in their alphabetical order."""
    worst: dict[str, Issue] = {}
    for row in report.listed:
        for issue in row.issues:
            if issue.code not in worst or issue.rank > worst[issue.code].rank:
                worst[issue.code] = issue
    rules = {code: _rule(code, issue.severity, explain_issue(issue, locale)) for code, issue in worst.items()}
    if report.groups:
        rules[DUPLICATE] = _rule(DUPLICATE, "note", explain(DUPLICATE, locale))
    return [rules[code] for code in sorted(rules)]


def _rule(code: str, severity: str, told: str) -> dict[str, Any]:
    words = code.replace(".", "_").split("_")
    # Of one word it would be the id once more, which validators complain of.
    name = {"name": "".join(map(str.capitalize, words))} if len(words) > 1 else {}
    return {
        "id": code,
        **name,
        "shortDescription": {"text": code if "." in code else code.replace("_", " ")},
        "fullDescription": {"text": told},
        "help": {"text": told},
        "defaultConfiguration": {"level": LEVELS[severity]},
    }


def _results(report: Report, above: str, locale: str) -> Iterator[dict[str, Any]]:
    for row in report.listed:
        for issue in row.issues:
            yield {
                "ruleId": issue.code,
                "level": LEVELS[issue.severity],
                "message": {"text": _message(row, issue, locale)},
                "locations": [location_of(above + row.file)],
                "partialFingerprints": {FINGERPRINT: fingerprint(row, issue)},
            }


def _message(row: Row, issue: Issue, locale: str) -> str:
    """What the issue says; with the worst one that can be settled, how they all are."""
    said = printable(sentence(issue, locale))
    changes = ", ".join(change_text(name, row.present, row.options) for name in row.options)
    worst = next((other for other in row.issues if other.fixable), None)
    return f"{said} ({changes})" if changes and issue is worst else said


def _duplicate(group: Group, above: str, locale: str) -> dict[str, Any]:
    named = [printable(file) for file in group.files[:NAMED]]
    more = [f"… +{len(group.files) - NAMED}"] if len(group.files) > NAMED else []
    files = ", ".join([*named, *more])
    sizes = {"disk": bytes_text(group.disk), "memory": bytes_text(group.memory)}
    message = say("duplicate_of", locale, how=say(WORDS[group.how], locale), files=files, **sizes)
    return {
        "ruleId": DUPLICATE,
        "level": "note",
        "message": {"text": message},
        "locations": [location_of(above + group.files[0])],
        "relatedLocations": [
            {"id": at, **location_of(above + file)} for at, file in enumerate(group.files[1:RELATED], 1)
        ],
        "partialFingerprints": {FINGERPRINT: _of_group(group)},
    }


def _of_group(group: Group) -> str:
    import hashlib

    return hashlib.sha256(json.dumps([group.how, list(group.files)]).encode()).hexdigest()
