"""The report for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from accel.text import Text
from bridge.audit import faults
from bridge.audit.plain import plain
from bridge.audit.results import Group, Issue, Report, Row
from bridge.audit.summary import notices
from bridge.audit.texts import sentence
from bridge.core.texts import in_a_row

VERSION = 1
"""Raised when a field changes its meaning or goes."""


def pieces(report: Report, locale: str) -> Iterator[str]:
    """One JSON object, in pieces, as a project may have 100,000 textures.

    A name's byte that is no UTF-8 is an escaped surrogate.
    """
    head = {
        "popbridge_audit": VERSION,
        "project": report.name,
        "part": report.part or None,
        "engine": report.engine or None,
        "notice": in_a_row(notices(report, locale)) or None,
        "textures": report.textures,
        "cached": report.cached,
        "unjudged": report.unjudged,
        "failed": faults.is_left(report),
        "kinds": dict(sorted(report.kinds.items())),
        "wrong": report.count("wrong"),
        "waste": report.count("waste"),
        "notes": report.count("note"),
        "memory": report.memory or None,
        "accepted": report.accepted,
        "receipt": report.receipt,
        "seconds": round(report.seconds, 3),
    }
    yield json.dumps(head, indent=1)[:-2]
    yield from array("files", (_row(row, locale) for row in report.listed))
    yield from array("duplicates", map(_group, report.groups))
    yield "\n}\n"


def array(name: str, values: Iterable[Any]) -> Iterator[str]:
    """A further member of the object that is being written, a line for each of its elements."""
    yield f',\n "{name}": ['
    for at, value in enumerate(values):
        yield f"{',' if at else ''}\n  {json.dumps(value, default=str)}"
    yield "\n ]"


def _group(group: Group) -> dict[str, Any]:
    return {
        "how": group.how,
        "disk": group.disk,
        "memory": group.memory or None,
        "files": list(group.files),
    }


def _row(row: Row, locale: str) -> dict[str, Any]:
    return {
        "file": row.file,
        "path": row.path,
        "sha256": row.content or None,
        "format": row.format or None,
        "width": row.width,
        "height": row.height,
        "size": row.size,
        "memory": row.memory or None,
        "memory_after": row.memory_after or None,
        "kind": row.kind,
        "sure": row.sure,
        "probability": round(row.probability, 4),
        "evidence": [msgspec.to_builtins(one) for one in row.evidence],
        "findings": [_issue(issue, locale) for issue in row.issues],
        "mended": [_issue(issue, locale) for issue in row.mended],
        "present": row.present,
        "options": row.options,
    }


def _issue(issue: Issue, locale: str) -> dict[str, Any]:
    return {
        "code": issue.code,
        "severity": issue.severity,
        "message": plain(sentence(issue, locale)),
        "values": {name: str(one) if isinstance(one, Text) else one for name, one in issue.values.items()},
        "fixable": issue.fixable,
    }
