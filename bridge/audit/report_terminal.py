"""The report for the terminal: each problem with its textures, or only statistics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO, NamedTuple

from msgspec.structs import replace
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bridge.advisors.texts import bytes_text
from bridge.audit.results import Group, Problem, Report, Row, problems_of
from bridge.audit.texts import (
    MATCHES,
    OptionTexts,
    evidence_line,
    memory_effect,
    notices,
    problem_effect,
    problem_title,
    say,
    summary,
)
from bridge.core.text import printable
from bridge.locale import translate

STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan", "mended": "green"}
INDENT = 2
"""Columns of indentation below a problem's title."""
FEW = 3
"""So many findings of an adapter have their own sentences; of more, only the files are listed."""
NAMED = 4
"""Number of files listed for a group of duplicates."""
READABLE = 36
"""Width that a sentence beside the names needs; with less it has a line of its own."""
WIDEST = 72
"""Longest name that sentences stand beside: one long name would push all of them out of sight."""
GAP = 2
"""Spaces between columns."""


def show(report: Report, locale: str, limit: int, out: IO[str], width: int) -> None:
    """Prints the problems, with at most `limit` textures (0 means unlimited), the groups, notices and the
    summary.
    """
    _print(out, width, [*_head(report, locale), *_body(report, locale, limit, width), *_foot(report, locale)])


def show_statistics(report: Report, locale: str, limit: int, out: IO[str], width: int) -> None:
    """Prints how many findings each code has, in how many files, and the GPU memory of their fixes."""
    table = Table(box=None, pad_edge=False, highlight=False)
    for name in ("count", "files", "severity", "code", "memory"):
        right = name in ("count", "files", "memory")
        table.add_column(say(name, locale), justify="right" if right else "left", no_wrap=True)
    problems = problems_of(report.listed)
    for problem in sorted(problems, key=lambda problem: -len(problem.found)):
        files = len({row.file for row, _ in problem.found})
        level = Text(say(problem.severity, locale), STYLES[problem.severity])
        memory = ("-" if problem.saved > 0 else "+") + bytes_text(abs(problem.saved)) if problem.saved else ""
        table.add_row(str(len(problem.found)), str(files), level, Text(printable(problem.code)), memory)
    _print(out, width, [*_head(report, locale), *([table] if problems else []), *_foot(report, locale)])


def _print(out: IO[str], width: int, lines: Sequence[RenderableType]) -> None:
    console = Console(file=out, width=width, highlight=False, soft_wrap=False)
    if out.isatty():
        console.print(*lines, sep="\n")
        return
    with console.capture() as captured:
        console.print(*lines, sep="\n")
    # In a file, the padding at the end of lines is a nuisance.
    out.writelines(f"{line.rstrip()}\n" for line in captured.get().split("\n")[:-1])


def _head(report: Report, locale: str) -> Iterator[Text]:
    engine = printable(report.engine) or say("no_engine", locale)
    yield Text(f"{printable(report.name)} ({engine})")
    yield from (Text(printable(notice)) for notice in notices(report, locale))


def _foot(report: Report, locale: str) -> Iterator[Text]:
    yield from map(Text, summary(report, locale))


def _body(report: Report, locale: str, limit: int, width: int) -> Iterator[RenderableType]:
    options = OptionTexts(report.labels, locale)
    problems = problems_of(report.listed)
    mended = problems_of(replace(row, issues=row.mended) for row in report.listed if row.mended)
    levels = [*(problem.severity for problem in problems), *("mended" for _ in mended)]
    shown = _shares([len(problem.found) for problem in (*problems, *mended)], limit)
    for problem, level, count in zip((*problems, *mended), levels, shown, strict=True):
        yield from _problem(problem, level, count, options, locale, width)
    if sum(len(problem.found) for problem in (*problems, *mended)) > sum(shown):
        yield Text(say("show_all", locale), "dim")
    yield from _groups(report.groups, limit, locale)
    if problems or mended or report.groups:
        yield Text("")


def _shares(counts: Sequence[int], limit: int) -> list[int]:
    """Returns how many textures of each problem are shown: one of each, then more of the first ones."""
    if not limit:
        return list(counts)
    shown = [min(1, count) for count in counts]
    left = max(0, limit - sum(shown))
    for at, count in enumerate(counts):
        more = min(count - shown[at], left)
        shown[at] += more
        left -= more
    return shown


def _problem(
    problem: Problem, level: str, count: int, options: OptionTexts, locale: str, width: int
) -> Iterator[RenderableType]:
    yield Text("")
    code = "" if problem.code in (title := problem_title(problem, locale)) else f"  {printable(problem.code)}"
    yield Text.assemble(
        (say(level, locale), STYLES[level]), "  ", (title, "bold"), (code, "dim"), overflow="fold"
    )
    changes = {_changes(row, problem.code, options) for row, _ in problem.found}
    shared = changes.pop() if len(changes) == 1 else ""
    about = [problem_effect(problem, locale), shared, memory_effect(problem.saved, locale)]
    if line := " · ".join(filter(None, about)):
        yield _indented(line, "dim")
    sentences = {evidence_line(issue, locale) for _, issue in problem.found}
    # The lines above say what all have in common, and what an adapter's finding is about.
    explained = problem.found[0][1].remark is not None and bool(problem_effect(problem, locale))
    common = len(problem.found) > 1 and (len(sentences) == 1 or (explained and len(problem.found) > FEW))
    lines = []
    for row, issue in problem.found[:count]:
        own = ["" if common else evidence_line(issue, locale)]
        own += [] if shared else [_changes(row, problem.code, options)]
        size = f"{row.width}×{row.height}" if row.width else ""
        lines.append(_Line(printable(row.file), size, " · ".join(filter(None, own))))
    yield from _aligned(lines, width)
    if (more := len(problem.found) - count) > 0:
        yield _indented(say("more_files", locale, count=more), "dim")


class _Line(NamedTuple):
    """A texture with a problem."""

    file: str
    size: str
    sentence: str


def _aligned(lines: Sequence[_Line], width: int) -> Iterator[RenderableType]:
    """Yields a table if a readable column of sentences fits beside the names, else two lines for each."""
    names, sizes = (max(map(cell_len, column), default=0) for column in list(zip(*lines, strict=True))[:2])
    if names <= WIDEST and INDENT + names + GAP + sizes + GAP + READABLE <= width:
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, GAP, 0, 0))
        for minimum in (names, sizes):
            table.add_column(no_wrap=True, min_width=minimum)
        table.add_column(overflow="fold")
        for line in lines:
            table.add_row(Text(line.file), Text(line.size, "dim"), Text(line.sentence))
        yield Padding(table, (0, 0, 0, INDENT))
        return
    for line in lines:
        yield _indented(f"{line.file}  {line.size}".rstrip())
        if line.sentence:
            yield _indented(line.sentence, level=2)


def _indented(line: str, style: str = "", level: int = 1) -> Padding:
    return Padding(Text(line, style, overflow="fold"), (0, 0, 0, INDENT * level))


def _changes(row: Row, code: str, options: OptionTexts) -> str:
    fix = row.fixes.get(code)
    if fix is None or row.refused:
        return ""
    present = row.settings or {}
    return ", ".join(options.change(name, present, fix.options) for name in fix.options)


def _groups(groups: Sequence[Group], limit: int, locale: str) -> Iterator[RenderableType]:
    if not groups:
        return
    yield Text("")
    yield Text(say("duplicates", locale), "bold")
    for group in groups[:limit] if limit else groups:
        sizes = [f"{say('disk', locale)} {bytes_text(group.disk)}"]
        if group.memory:
            sizes.append(f"{say('memory', locale)} {bytes_text(group.memory)}")
        yield _indented("  ".join([translate(MATCHES[group.how], locale), *sizes]))
        for name in _names(group, locale):
            yield _indented(name, level=2)
    if limit and (more := len(groups) - limit) > 0:
        yield Text(say("left_out", locale, count=more), "dim")


def _names(group: Group, locale: str) -> list[str]:
    named = [printable(file) for file in group.files[:NAMED]]
    more = len(group.files) - NAMED
    return [*named, say("more_files", locale, count=more)] if more > 0 else named
