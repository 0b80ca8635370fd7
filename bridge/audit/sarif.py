"""The report as SARIF 2.1.0, for tools that show findings beside the code that is reviewed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import metadata
from itertools import chain
from typing import Any

from bridge.audit.alike import WORDS
from bridge.audit.baseline import fingerprint
from bridge.audit.plain import change_text, plain
from bridge.audit.report_json import array
from bridge.audit.results import Group, Issue, Report, Row
from bridge.audit.sarif_notices import invocation
from bridge.audit.sarif_places import above as folder_of
from bridge.audit.sarif_places import location
from bridge.audit.texts import bytes_text, explain, explain_issue, say, sentence

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
    above = folder_of(report.root)
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
                "locations": [location(above + row.file)],
                "partialFingerprints": {FINGERPRINT: fingerprint(row, issue)},
            }


def _message(row: Row, issue: Issue, locale: str) -> str:
    """What the issue says; with the worst one that can be settled, how they all are."""
    said = plain(sentence(issue, locale))
    changes = ", ".join(change_text(name, row.present, row.options) for name in row.options)
    worst = next((other for other in row.issues if other.fixable), None)
    return f"{said} ({changes})" if changes and issue is worst else said


def _duplicate(group: Group, above: str, locale: str) -> dict[str, Any]:
    named = [plain(file) for file in group.files[:NAMED]]
    more = [f"… +{len(group.files) - NAMED}"] if len(group.files) > NAMED else []
    files = ", ".join([*named, *more])
    sizes = {"disk": bytes_text(group.disk), "memory": bytes_text(group.memory)}
    message = say("duplicate_of", locale, how=say(WORDS[group.how], locale), files=files, **sizes)
    return {
        "ruleId": DUPLICATE,
        "level": "note",
        "message": {"text": message},
        "locations": [location(above + group.files[0])],
        "relatedLocations": [
            {"id": at, **location(above + file)} for at, file in enumerate(group.files[1:RELATED], 1)
        ],
        "partialFingerprints": {FINGERPRINT: _of_group(group)},
    }


def _of_group(group: Group) -> str:
    import hashlib

    return hashlib.sha256(json.dumps([group.how, list(group.files)]).encode()).hexdigest()
