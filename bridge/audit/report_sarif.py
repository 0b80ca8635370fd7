"""The report as SARIF 2.1.0, for code review."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bridge.advisors.texts import join_list
from bridge.audit import judge
from bridge.audit.baseline import fingerprint
from bridge.audit.report_json import array, editor_values
from bridge.audit.results import Group, Issue, Report, Row
from bridge.audit.texts import duplicate_text, explain, explain_issue, say, sentence
from bridge.core.text import change_text, printable
from bridge.locale import language_of, translate
from bridge.project.config import NAME


def repository_root(root: str) -> str:
    """Returns the project's path below the folder with `.git`, with `/` at the end; empty for that folder
    itself.
    """
    place = Path(root).resolve()
    for folder in (place, *place.parents):
        if os.path.exists(folder / ".git"):
            return "" if folder == place else f"{place.relative_to(folder).as_posix()}/"
    return ""


def location_of(file: str) -> dict[str, Any]:
    """Returns SARIF's location of a file, by its path below the repository's root."""
    # Code review needs a line even in binary files.
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(file), "uriBaseId": "%SRCROOT%"},
            "region": {"startLine": 1},
        }
    }


def _uri(file: str) -> str:
    """Returns a relative path as a relative URI (RFC 3986): the file's own bytes, percent-encoded."""
    return quote(os.fsencode(file))


def invocation(report: Report, above: str, rules: Mapping[str, int], locale: str) -> dict[str, Any]:
    """Returns SARIF's `invocation` of one audit; `rules` maps the log's rules to their index."""
    failed = judge.is_unjudged(report)
    return {
        # Findings don't make a run fail. A notification of level `error` does (SARIF 2.1.0 §3.20.21): its
        # results aren't complete.
        "executionSuccessful": not failed,
        "toolConfigurationNotifications": [
            {**_notification("passed_over", "warning", said), "locations": [location_of(above + NAME)]}
            for said in (translate(each, locale) for each in report.passed_over)
        ],
        "toolExecutionNotifications": [
            *([_notification("failed", "error", say("failed", locale))] if failed else []),
            *(
                _notification("notice", "note", said)
                for said in (translate(each, locale) for each in report.notices)
            ),
            *_unseen(report, above, rules, locale),
        ],
    }


def _unseen(report: Report, above: str, rules: Mapping[str, int], locale: str) -> Iterator[dict[str, Any]]:
    """Files that couldn't be examined: no results for them don't mean that all is right."""
    for file, issue in report.unseen:
        level = "note" if issue.severity == "note" else "warning"
        # The log has only rules of results: not those of ignored or unlisted ones.
        rule = {"id": issue.code, "index": rules[issue.code]} if issue.code in rules else None
        yield {
            **_notification(issue.code, level, sentence(issue, locale)),
            **({"associatedRule": rule} if rule else {}),
            "locations": [location_of(above + file)],
        }


def _notification(code: str, level: str, said: str) -> dict[str, Any]:
    return {"descriptor": {"id": code}, "level": level, "message": {"text": printable(said)}}


SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
DUPLICATE = "duplicate"
NAMED = 8
"""Number of files in a group that the message lists."""
RELATED = 100
"""Number of files in a group that become locations: code review shows no more, and refuses results with
1,000.
"""
FINGERPRINT = "popbridgeFinding/v1"


def pieces(report: Report, locale: str) -> Iterator[str]:
    """Yields one SARIF log with one run in pieces.

    Paths are relative to the repository around the project, else to the project's root: the same on every
    machine.
    """
    above = repository_root(report.root)
    rules = _rules(report, locale)
    index = {rule["id"]: at for at, rule in enumerate(rules)}
    driver = {"name": "PopBridge", "semanticVersion": metadata.version("popbridge"), "rules": rules}
    run = {
        "tool": {"driver": driver},
        "invocations": [invocation(report, above, index, locale)],
        "language": "zh-CN" if language_of(locale) else "en-US",
        "columnKind": "utf16CodeUnits",
        "originalUriBaseIds": {
            "%SRCROOT%": {
                "description": {"text": "The repository's folder, or the project's without a repository."}
            }
        },
        "properties": {
            "engine": report.engine,
            **({"part": report.part} if report.part else {}),
            "textures": report.textures,
            **({"editor": report.editor.version} if report.editor else {}),
        },
    }
    groups = (_duplicate(group, above, locale) for group in report.groups)
    results = chain(_results(report, above, locale), groups)
    yield f'{{\n "$schema": "{SCHEMA}",\n "version": "2.1.0",\n "runs": [{json.dumps(run, indent=1)[:-2]}'
    yield from array("results", ({**result, "ruleIndex": index[result["ruleId"]]} for result in results))
    yield "\n}]\n}\n"


def _rules(report: Report, locale: str) -> list[dict[str, Any]]:
    """Returns a rule for each code in the report, sorted."""
    worst: dict[str, Issue] = {}
    for row in report.listed:
        for issue in row.issues:
            if issue.code not in worst or issue.rank > worst[issue.code].rank:
                worst[issue.code] = issue
    rules = {code: _rule(code, issue.severity, explain_issue(issue, locale)) for code, issue in worst.items()}
    if report.groups:
        rules[DUPLICATE] = _rule(DUPLICATE, "note", explain(DUPLICATE, locale))
    return [rules[code] for code in sorted(rules)]


def _rule(code: str, severity: str, description: str) -> dict[str, Any]:
    words = code.replace(".", "_").split("_")
    # A single word would repeat the id, which validators report.
    name = {"name": "".join(map(str.capitalize, words))} if len(words) > 1 else {}
    return {
        "id": code,
        **name,
        "shortDescription": {"text": code if "." in code else code.replace("_", " ")},
        "fullDescription": {"text": description},
        "help": {"text": description},
        "defaultConfiguration": {"level": severity},
    }


def _results(report: Report, above: str, locale: str) -> Iterator[dict[str, Any]]:
    for row in report.listed:
        for issue in row.issues:
            yield {
                "ruleId": issue.code,
                "level": issue.severity,
                "message": {"text": _message(row, issue, locale)},
                "locations": [location_of(above + row.file)],
                "partialFingerprints": {FINGERPRINT: fingerprint(row, issue)},
                **({"properties": {"editor": editor_values(row.editor)}} if row.editor else {}),
            }


def _message(row: Row, issue: Issue, locale: str) -> str:
    """Returns the issue's sentence; the first fixable issue also has the changes that fix all."""
    said = sentence(issue, locale)
    changes = ", ".join(change_text(name, row.present, row.options) for name in row.options)
    worst = next((other for other in row.issues if other.fixable), None)
    return f"{said} ({changes})" if changes and issue is worst else said


def _duplicate(group: Group, above: str, locale: str) -> dict[str, Any]:
    named = [printable(file) for file in group.files[:NAMED]]
    if len(group.files) > NAMED:
        named.append(say("more_files", locale, count=len(group.files) - NAMED))
    message = translate(duplicate_text(group, join_list(named)), locale)
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
