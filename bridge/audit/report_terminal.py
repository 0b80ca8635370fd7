"""The report for the terminal, as a table or, on narrow screens, a list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

from rich.cells import cell_len
from rich.console import Console
from rich.console import Group as Lines
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bridge.advisors.texts import bytes_text
from bridge.audit.results import Group, Report, Row
from bridge.audit.texts import MATCHES, kind_of, notices, say, sentence, summary
from bridge.core.text import change_text, printable
from bridge.locale import translate

INDENT = 2
"""Columns of indentation below a file's name."""


def list_entry(row: Row, severity: Text, lines: Sequence[str], locale: str) -> Lines:
    """Returns the entry of one texture: severity and name, kind and size, then a line for each finding."""
    head = severity.append(f"  {printable(row.file)}", "default not bold not dim")
    size = f"{row.width}×{row.height}" if row.width else ""
    about = "  ".join(filter(None, [kind_of(row, locale), size]))
    return _entry(head, [about, *lines] if about else lines)


def list_group(found: Group, files: Sequence[str], locale: str) -> Lines:
    """Returns the entry of one group of duplicates; `files` are those to name."""
    sizes = [f"{say('disk', locale)} {bytes_text(found.disk)}"]
    if found.memory:
        sizes.append(f"{say('memory', locale)} {bytes_text(found.memory)}")
    return _entry(Text("  ".join([translate(MATCHES[found.how], locale), *sizes])), files)


def _entry(head: Text, lines: Sequence[str]) -> Lines:
    head.overflow = "fold"
    return Lines(head, *(Padding.indent(Text(line, overflow="fold"), INDENT) for line in lines))


STYLES = {"error": "bold red", "warning": "yellow", "note": "dim", "mended": "green"}
NAMED = 4
"""Number of files listed for a group."""
READABLE = 36
"""Width that the last column needs; with less, rows are a list instead of a table."""
WIDEST = 200
"""Maximal width before the last column: in a file, a long name would push all sentences out of sight."""
GAP = 2
"""Spaces between columns."""


def show(report: Report, rows: Sequence[Row], locale: str, limit: int, out: IO[str], width: int) -> None:
    """Prints `rows`, at most `limit` (0 means unlimited), the groups, notices and the summary."""
    console = Console(file=out, width=width, highlight=False, soft_wrap=False)
    if out.isatty():
        _print(console, report, rows, locale, limit)
        return
    with console.capture() as captured:
        _print(console, report, rows, locale, limit)
    # In a file, the padding at the end of lines is a nuisance.
    out.writelines(f"{line.rstrip()}\n" for line in captured.get().split("\n")[:-1])


def _print(console: Console, report: Report, rows: Sequence[Row], locale: str, limit: int) -> None:
    engine = report.engine or say("no_engine", locale)
    console.print(Text(f"{printable(report.name)} ({engine})"))
    for notice in notices(report, locale):
        console.print(Text(printable(notice)))
    shown = rows[:limit] if limit else rows
    if shown:
        _print_rows(console, shown, locale)
    _print_omitted(console, len(rows) - len(shown), locale)
    groups = report.groups[:limit] if limit else report.groups
    if groups:
        _print_groups(console, groups, locale)
    _print_omitted(console, len(report.groups) - len(groups), locale)
    for line in summary(report, locale):
        console.print(Text(line))


def _print_omitted(console: Console, omitted: int, locale: str) -> None:
    if omitted:
        console.print(Text(say("left_out", locale, count=omitted), style="dim"))


def _print_rows(console: Console, rows: Sequence[Row], locale: str) -> None:
    cells = [_cells(row, locale) for row in rows]
    if _fits(console.width, [_heads(locale), *cells]):
        console.print(_table(rows, cells, locale))
        return
    for row in rows:
        console.print(list_entry(row, _severity(row, locale), _lines(row, locale), locale))


def _print_groups(console: Console, groups: Sequence[Group], locale: str) -> None:
    cells = [_group(group, locale) for group in groups]
    heads = [say(head, locale) for head in ("how", "disk", "memory", "files")]
    if _fits(console.width, [heads[:-1], *(row[:-1] for row in cells)]):
        console.print(_groups(heads, cells, locale))
        return
    console.print(Text(say("duplicates", locale), "italic"))
    for group in groups:
        console.print(list_group(group, _named(group, locale), locale))


def _fits(width: int, cells: Sequence[Sequence[str]]) -> bool:
    """Whether a readable last column fits beside these without folding them."""
    before = sum(max(map(cell_len, column)) + GAP for column in zip(*cells, strict=True))
    return before <= min(width - READABLE, WIDEST)


def _heads(locale: str) -> list[str]:
    return [say(head, locale) for head in ("severity", "file", "kind", "size")]


def _cells(row: Row, locale: str) -> list[str]:
    """Returns the columns before the findings."""
    size = f"{row.width}×{row.height}" if row.width else ""
    return [_severity(row, locale).plain, printable(row.file), kind_of(row, locale), size]


def _severity(row: Row, locale: str) -> Text:
    severity = row.issues[0].severity if row.issues else "mended"
    return Text(say(severity, locale), STYLES[severity])


def _table(rows: Sequence[Row], cells: Sequence[Sequence[str]], locale: str) -> Table:
    table = Table(box=None, pad_edge=False, highlight=False)
    _add_columns(table, [*_heads(locale), say("finding", locale)])
    for row, (_, *others) in zip(rows, cells, strict=True):
        lines = Text("\n".join(_lines(row, locale)))
        table.add_row(_severity(row, locale), *map(Text, others), lines)
    return table


def _lines(row: Row, locale: str) -> list[str]:
    mended = [sentence(issue, locale) for issue in row.mended]
    if row.issues:
        # The row's severity is that of the remaining issues.
        mended = [say("mended_issue", locale, what=what) for what in mended]
    lines = [*mended, *(sentence(issue, locale) for issue in row.issues)]
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
        # Without no_wrap, rich shrinks every column.
        table.add_column(head, no_wrap=True)
    table.add_column(last, overflow="fold")


def _group(group: Group, locale: str) -> list[str]:
    memory = bytes_text(group.memory) if group.memory else ""
    return [
        translate(MATCHES[group.how], locale),
        bytes_text(group.disk),
        memory,
        "\n".join(_named(group, locale)),
    ]


def _named(group: Group, locale: str) -> list[str]:
    named = [printable(file) for file in group.files[:NAMED]]
    more = len(group.files) - NAMED
    return [*named, say("more_files", locale, count=more)] if more > 0 else named
