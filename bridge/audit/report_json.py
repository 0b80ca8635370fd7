"""The report for programs."""

from __future__ import annotations

import json
from typing import Any

from bridge.audit.plain import plain
from bridge.audit.results import Issue, Report, Row
from bridge.audit.texts import sentence

VERSION = 1
"""Raised when a field changes its meaning or goes."""


def text(report: Report, locale: str) -> str:
    """One JSON object; a name's byte that is no UTF-8 is an escaped surrogate."""
    value = {
        "popbridge_audit": VERSION,
        "project": report.name,
        "engine": report.engine or None,
        "notice": report.notice or None,
        "textures": report.textures,
        "cached": report.cached,
        "kinds": dict(sorted(report.kinds.items())),
        "wrong": report.count("wrong"),
        "waste": report.count("waste"),
        "notes": report.count("note"),
        "memory": report.memory or None,
        "accepted": report.accepted,
        "receipt": report.receipt,
        "seconds": round(report.seconds, 3),
        "files": [_row(row, locale) for row in report.rows],
        "duplicates": [
            {"how": group.how, "disk": group.disk, "memory": group.memory or None, "files": list(group.files)}
            for group in report.groups
        ],
    }
    return json.dumps(value, indent=1, default=str) + "\n"


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
        "kind": row.kind or None,
        "sure": row.sure,
        "probability": round(row.probability, 4),
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
        "values": issue.values,
        "fixable": issue.fixable,
    }
