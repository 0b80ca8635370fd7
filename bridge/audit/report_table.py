"""The report at the shell: the worst first, folded to the screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.audit.alike import WORDS
from bridge.audit.plain import change_text, plain
from bridge.audit.results import Group, Report, Row
from bridge.audit.summary import summary
from bridge.audit.texts import bytes_text, kind_of, say, sentence

STYLES = {"wrong": "bold red", "waste": "yellow", "note": "dim", "mended": "green"}
NAMED = 4
"""How many files of a group are named."""


def show(report: Report, rows: Sequence[Row], locale: str, limit: int, out: IO[str], width: int) -> None:
    """Prints `rows`, at most `limit` of them (0 is no limit), and what the report says as a whole."""
    console = Console(file=out, width=width, highlight=False, soft_wrap=False)
    engine = report.engine or say("no_engine", locale)
    console.print(Text(f"{plain(report.name)} ({engine})"))
    if report.notice:
        console.print(Text(plain(report.notice)))
    shown = rows[:limit] if limit else rows
    if shown:
        console.print(_table(shown, locale))
    _tell_more(console, len(rows) - len(shown), locale)
    groups = report.groups[:limit] if limit else report.groups
    if groups:
        console.print(_groups(groups, locale))
    _tell_more(console, len(report.groups) - len(groups), locale)
    for line in summary(report, locale):
        console.print(Text(line))


def _tell_more(console: Console, left_out: int, locale: str) -> None:
    if left_out:
        console.print(Text(say("left_out", locale, count=left_out), style="dim"))


def _table(rows: Sequence[Row], locale: str) -> Table:
    table = Table(box=None, pad_edge=False, highlight=False)
    for head in ("severity", "file", "kind", "size", "finding"):
        table.add_column(say(head, locale), overflow="fold", ratio=2 if head == "finding" else None)
    for row in rows:
        severity = row.issues[0].severity if row.issues else "mended"
        table.add_row(
            Text(say(severity, locale), STYLES[severity]),
            Text(plain(row.file)),
            Text(kind_of(row, locale)),
            Text(f"{row.width}×{row.height}" if row.width else ""),
            Text("\n".join(_said(row, locale))),
        )
    return table


def _said(row: Row, locale: str) -> list[str]:
    mended = [plain(sentence(issue, locale)) for issue in row.mended]
    if row.issues:
        # Its severity is that of what is left.
        mended = [say("mended_issue", locale, what=what) for what in mended]
    lines = [*mended, *(plain(sentence(issue, locale)) for issue in row.issues)]
    changes = ", ".join(change_text(name, row.present, row.options) for name in row.options)
    return [*lines, changes] if changes else lines


def _groups(groups: Sequence[Group], locale: str) -> Table:
    table = Table(
        box=None, pad_edge=False, highlight=False, title=say("duplicates", locale), title_justify="left"
    )
    for head in ("how", "disk", "memory", "files"):
        table.add_column(say(head, locale), overflow="fold")
    for group in groups:
        named = [plain(file) for file in group.files[:NAMED]]
        more = [f"… +{len(group.files) - NAMED}"] if len(group.files) > NAMED else []
        table.add_row(
            Text(say(WORDS[group.how], locale)),
            Text(bytes_text(group.disk)),
            Text(bytes_text(group.memory) if group.memory else ""),
            Text("\n".join([*named, *more])),
        )
    return table
