"""The report at the shell: the worst first, folded to the screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.audit import report_list
from bridge.audit.alike import WORDS
from bridge.audit.plain import change_text, plain
from bridge.audit.results import Group, Report, Row
from bridge.audit.summary import notices, summary
from bridge.audit.texts import bytes_text, kind_of, say, sentence

STYLES = {"wrong": "bold red", "waste": "yellow", "note": "dim", "mended": "green"}
NAMED = 4
"""How many files of a group are named."""
READABLE = 36
"""Columns that a column of sentences or names needs: below that there is no table, but a list."""
WIDEST = 200
"""Columns that a table has at most before its last: in a file, one name of any length would push all
sentences out of sight."""
GAP = 2
"""Columns between those of a table."""


def show(report: Report, rows: Sequence[Row], locale: str, limit: int, out: IO[str], width: int) -> None:
    """Prints `rows`, at most `limit` of them (0 is no limit), and what the report says as a whole."""
    console = Console(file=out, width=width, highlight=False, soft_wrap=False)
    engine = report.engine or say("no_engine", locale)
    console.print(Text(f"{plain(report.name)} ({engine})"))
    for notice in notices(report, locale):
        console.print(Text(plain(notice)))
    shown = rows[:limit] if limit else rows
    if shown:
        _print_rows(console, shown, locale)
    _tell_more(console, len(rows) - len(shown), locale)
    groups = report.groups[:limit] if limit else report.groups
    if groups:
        _print_groups(console, groups, locale)
    _tell_more(console, len(report.groups) - len(groups), locale)
    for line in summary(report, locale):
        console.print(Text(line))


def _tell_more(console: Console, left_out: int, locale: str) -> None:
    if left_out:
        console.print(Text(say("left_out", locale, count=left_out), style="dim"))


def _print_rows(console: Console, rows: Sequence[Row], locale: str) -> None:
    cells = [_cells(row, locale) for row in rows]
    if _fits(console.width, [_heads(locale), *cells]):
        console.print(_table(rows, cells, locale))
        return
    for row in rows:
        console.print(report_list.entry(row, _severity(row, locale), _said(row, locale), locale))


def _print_groups(console: Console, groups: Sequence[Group], locale: str) -> None:
    cells = [_group(group, locale) for group in groups]
    heads = [say(head, locale) for head in ("how", "disk", "memory", "files")]
    if _fits(console.width, [heads[:-1], *(row[:-1] for row in cells)]):
        console.print(_groups(heads, cells, locale))
        return
    console.print(Text(say("duplicates", locale), "italic"))
    for group in groups:
        console.print(report_list.group(group, _named(group), locale))


def _fits(width: int, cells: Sequence[Sequence[str]]) -> bool:
    """Whether a last column that can be read has room beside these, none of them folded."""
    before = sum(max(map(cell_len, column)) + GAP for column in zip(*cells, strict=True))
    return before <= min(width - READABLE, WIDEST)


def _heads(locale: str) -> list[str]:
    return [say(head, locale) for head in ("severity", "file", "kind", "size")]


def _cells(row: Row, locale: str) -> list[str]:
    """What stands before the sentences."""
    size = f"{row.width}×{row.height}" if row.width else ""
    return [_severity(row, locale).plain, plain(row.file), kind_of(row, locale), size]


def _severity(row: Row, locale: str) -> Text:
    severity = row.issues[0].severity if row.issues else "mended"
    return Text(say(severity, locale), STYLES[severity])


def _table(rows: Sequence[Row], cells: Sequence[Sequence[str]], locale: str) -> Table:
    table = Table(box=None, pad_edge=False, highlight=False)
    _add_columns(table, [*_heads(locale), say("finding", locale)])
    for row, (_, *others) in zip(rows, cells, strict=True):
        said = Text("\n".join(_said(row, locale)))
        table.add_row(_severity(row, locale), *map(Text, others), said)
    return table


def _said(row: Row, locale: str) -> list[str]:
    mended = [plain(sentence(issue, locale)) for issue in row.mended]
    if row.issues:
        # Its severity is that of what is left.
        mended = [say("mended_issue", locale, what=what) for what in mended]
    lines = [*mended, *(plain(sentence(issue, locale)) for issue in row.issues)]
    changes = ", ".join(change_text(name, row.present, row.options) for name in row.options)
    return [*lines, changes] if changes else lines


def _groups(heads: Sequence[str], cells: Sequence[Sequence[str]], locale: str) -> Table:
    table = Table(
        box=None, pad_edge=False, highlight=False, title=say("duplicates", locale), title_justify="left"
    )
    _add_columns(table, heads)
    for row in cells:
        table.add_row(*map(Text, row))
    return table


def _add_columns(table: Table, heads: Sequence[str]) -> None:
    *others, last = heads
    for head in others:
        # Else rich takes the width that the last one lacks from all.
        table.add_column(head, no_wrap=True)
    table.add_column(last, overflow="fold")


def _group(group: Group, locale: str) -> list[str]:
    memory = bytes_text(group.memory) if group.memory else ""
    return [say(WORDS[group.how], locale), bytes_text(group.disk), memory, "\n".join(_named(group))]


def _named(group: Group) -> list[str]:
    named = [plain(file) for file in group.files[:NAMED]]
    return [*named, f"… +{len(group.files) - NAMED}"] if len(group.files) > NAMED else named
