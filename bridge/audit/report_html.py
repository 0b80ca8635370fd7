"""The report as one HTML page: nothing is loaded from elsewhere, and no name can become markup."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from html import escape

from bridge.audit.alike import WORDS
from bridge.audit.page import SCRIPT, STYLE
from bridge.audit.plain import change_text, plain
from bridge.audit.results import Group, Issue, Report, Row
from bridge.audit.summary import notices, summary
from bridge.audit.texts import bytes_text, explain_issue, kind_name, kind_of, reasons, say, sentence
from bridge.core.texts import is_chinese

COLUMNS = ("picture", "severity", "file", "kind", "size", "bytes", "memory", "finding", "setting")
LARGEST_FIRST = {"severity", "size", "bytes", "memory", "setting"}
"""What the first click sorts so."""
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def pages(report: Report, locale: str) -> Iterator[str]:
    """The page in pieces, as thousands of pictures are long."""
    title = escape(say("title", locale, name=plain(report.name)))
    language = "zh-CN" if is_chinese(locale) else "en"
    yield (
        f'<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>"
    )
    yield from (f"<p>{escape(line)}</p>" for line in _opening(report, locale))
    if report.listed:
        yield from _table(report, locale)
    elif not report.rows and report.textures and not report.incomplete:
        yield f"<p>{escape(say('clean', locale))}</p>"
    if report.groups:
        yield from _groups(report, locale)
    yield f"<script>{SCRIPT}</script></body></html>\n"


def _opening(report: Report, locale: str) -> list[str]:
    engine = report.engine or say("no_engine", locale)
    kinds = ", ".join(f"{kind_name(kind, locale)} {count}" for kind, count in sorted(report.kinds.items()))
    told = map(plain, notices(report, locale))
    return [line for line in (engine, *told, *summary(report, locale), kinds) if line]


def _table(report: Report, locale: str) -> Iterator[str]:
    label = escape(say("filter", locale))
    shown = escape(say("shown", locale, count="{}"))
    yield f'<p><input type="search" id="filter" placeholder="{label}" aria-label="{label}">'
    yield f' <output id="shown" data-text="{shown}"></output></p>'
    pictured = sum(bool(row.picture) for row in report.listed)
    if 0 < pictured < sum(bool(row.width) for row in report.listed):
        yield f"<p>{escape(say('more_pictures', locale, count=pictured))}</p>"
    heads = "".join(_head(column, locale) for column in COLUMNS)
    yield f'<table id="rows" class="{_unused(report)}"><thead><tr>{heads}</tr></thead><tbody>'
    for row in report.listed:
        yield _row(row, locale)
    yield "</tbody></table>"


def _head(column: str, locale: str) -> str:
    word = escape(say(column, locale))
    if column == "picture":
        # Nobody looks for a picture by its order.
        return f'<th scope="col">{word}</th>'
    order = " data-largest" if column in LARGEST_FIRST else ""
    order += ' aria-sort="descending"' if column == "severity" else ""
    return f'<th scope="col"{order}><button type="button">{word}</button></th>'


def _unused(report: Report) -> str:
    """Classes that hide the columns of which no row says anything."""
    memory, setting = any(row.memory for row in report.listed), any(row.options for row in report.listed)
    return " ".join(name for name, used in (("no-memory", memory), ("no-setting", setting)) if not used)


def _row(row: Row, locale: str) -> str:
    severity = row.issues[0].severity if row.issues else "mended"
    cells = (
        (str(len(row.picture)), _picture(row)),
        (str(row.rank), f'<span class="{severity}">{escape(say(severity, locale))}</span>'),
        (plain(row.file), escape(plain(row.file))),
        (
            row.kind or "",
            f'<span title="{escape(reasons(row, locale))}">{escape(kind_of(row, locale))}</span>'
            if row.kind
            else "",
        ),
        (str(row.width * row.height), f"{row.width} × {row.height}" if row.width else ""),
        (str(row.size), escape(bytes_text(row.size)) if row.size else ""),
        (str(row.memory), _memory(row)),
        (row.issues[0].code if row.issues else "", _issues(row, locale)),
        (str(len(row.options)), _settings(row)),
    )
    body = "".join(f'<td data-sort="{escape(key)}">{cell}</td>' for key, cell in cells)
    return f"<tr>{body}</tr>\n"


def _memory(row: Row) -> str:
    if not row.memory:
        return ""
    if not row.options or row.memory_after == row.memory:
        return bytes_text(row.memory)
    return f"{bytes_text(row.memory)} → {bytes_text(row.memory_after)}"


def _picture(row: Row) -> str:
    if not row.picture:
        return ""
    data = base64.b64encode(row.picture).decode()
    return f'<img alt="" loading="lazy" src="data:image/webp;base64,{data}">'


def _issues(row: Row, locale: str) -> str:
    return "".join(_issue(issue, "issue", locale) for issue in row.issues) + "".join(
        _issue(issue, "issue mended", locale) for issue in row.mended
    )


def _issue(issue: Issue, style: str, locale: str) -> str:
    told = escape(explain_issue(issue, locale))
    text = escape(plain(sentence(issue, locale)))
    return f'<p class="{style}" title="{told}">{text} <code>{escape(issue.code)}</code></p>'


def _settings(row: Row) -> str:
    lines = (change_text(name, row.present, row.options) for name in row.options)
    return "<br>".join(f"<code>{escape(line)}</code>" for line in lines)


def _groups(report: Report, locale: str) -> Iterator[str]:
    yield f"<h2>{escape(say('duplicates', locale))}</h2><table><thead><tr>"
    yield "".join(
        f'<th scope="col">{escape(say(head, locale))}</th>' for head in ("how", "disk", "memory", "files")
    )
    yield "</tr></thead><tbody>"
    for group in report.groups:
        yield _group(group, locale)
    yield "</tbody></table>"


def _group(group: Group, locale: str) -> str:
    memory = bytes_text(group.memory) if group.memory else ""
    files = "<br>".join(escape(plain(file)) for file in group.files)
    told = (escape(say(WORDS[group.how], locale)), bytes_text(group.disk), memory, files)
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in told)}</tr>\n"
