"""An explanation for the terminal: verdict, probabilities, evidence, findings, and what would change it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from accel.text import AnyText, text
from bridge.advisors.explanation import (
    SEVERITIES,
    SOURCES,
    ConsideredFinding,
    Explanation,
    WeighedEvidence,
    factor_text,
    kind_text,
    verdict_text,
)
from bridge.audit.report_terminal import STYLES
from bridge.audit.results import Row
from bridge.audit.texts import sentence
from bridge.core.text import change_text, printable
from bridge.locale import translate

BAR = 12
"""Columns of a full bar."""
FULL_WEIGHT = 7.0
"""The weight of a full bar: odds of about 1,000 to 1."""
MOST_KINDS = 5
PARTS = " ▏▎▍▌▋▊▉"
"""A bar's last cell by eighths."""
AGAINST = "░"

LEAST_WEIGHT = 0.05
"""The weight from which on evidence counts for or against the verdict."""
INDENT = 2
GAP = 2

Say = Callable[[AnyText], str]
"""Translates a text and makes it printable."""


def show(rows: Sequence[Row], locale: str, out: IO[str], width: int) -> None:
    """Prints the explanation of each row, or the reason why it has none."""
    console = Console(file=out, width=width, highlight=False)
    if out.isatty():
        _print(console, rows, locale)
        return
    with console.capture() as captured:
        _print(console, rows, locale)
    # In a file, the padding at the end of lines is a nuisance.
    out.writelines(f"{line.rstrip()}\n" for line in captured.get().split("\n")[:-1])


def _print(console: Console, rows: Sequence[Row], locale: str) -> None:
    for at, row in enumerate(rows):
        if at:
            console.print()
        size = f"{row.width}×{row.height} {row.format.upper()}".strip() if row.width else ""
        console.print(Text.assemble((printable(row.file), "bold"), f"  {size}".rstrip(), overflow="fold"))
        if row.explanation is None:
            for issue in row.issues:
                console.print(Text(sentence(issue, locale)))
        else:
            console.print(_explained(row.explanation, locale))


def _explained(found: Explanation, locale: str) -> Group:
    def say(each: AnyText) -> str:
        return printable(translate(each, locale))

    parts: list[RenderableType] = [Text(say(verdict_text(found)))]

    def add(heading: AnyText, *body: RenderableType) -> None:
        parts.extend([Text(f"\n{say(heading)}", "bold"), Padding.indent(Group(*body), INDENT)])

    add(text("Kinds"), _kinds(found, say))
    if found.evidence:
        heading = text("Evidence, with the factor by which it changes the odds of: {kind}")
        add(heading.fill(kind=kind_text(found.kind)), _evidence(found.evidence, say))
    if raised := [each for each in found.findings if each.raised]:
        add(text("Findings"), _raised(raised, say))
    others = [each for each in found.findings if not each.raised]
    if others or found.not_applicable:
        add(text("Considered and not raised"), *_not_raised(others, found.not_applicable, say))
    add(text("What would change it"), *(Text(say(each), overflow="fold") for each in found.changes))
    return Group(*parts)


def _kinds(found: Explanation, say: Say) -> Table:
    table = Table.grid(padding=(0, GAP, 0, 0))
    for kind, share in list(found.probabilities.items())[:MOST_KINDS]:
        style = "bold" if kind == found.kind else ""
        number = Text(f"{share:.1%}", style, justify="right")
        table.add_row(
            Text(say(kind_text(kind)), style), number, Text(_bar(share), "green" if style else "dim")
        )
    return table


def _bar(share: float) -> str:
    """Returns a bar of a share, 0 to 1, in eighths of a cell."""
    eighths = round(min(share, 1.0) * BAR * 8)
    return ("█" * (eighths // 8) + PARTS[eighths % 8]).rstrip()


def _evidence(evidence: Sequence[WeighedEvidence], say: Say) -> Table:
    table = Table.grid(padding=(0, GAP, 0, 0))
    for _ in range(3):
        table.add_column(overflow="fold")
    for each in evidence:
        source, detail = Text(say(SOURCES.get(each.source, each.source))), Text(say(each.detail))
        if each.weight is None:
            detail.stylize("dim")
            table.add_row("", "", detail, "", "")
            continue
        is_for, matters = each.weight > 0, abs(each.weight) >= LEAST_WEIGHT
        style = ("green" if is_for else "red") if matters else "dim"
        bar = _bar(abs(each.weight) / FULL_WEIGHT) if matters else ""
        table.add_row(
            Text(("+" if is_for else "−") if matters else "", style),
            source,
            detail,
            Text(factor_text(each.weight), style, justify="right"),
            Text(bar if is_for else AGAINST * len(bar), style),
        )
    return table


def _raised(findings: Iterable[ConsideredFinding], say: Say) -> Table:
    table = _two_columns(head_columns=2)
    for each in findings:
        severity = each.severity or "note"
        changes = [change_text(name, each.present, each.options) for name in each.options]
        message = Text(say(each.message))
        for change in changes:
            message.append(f"\n{change}", "cyan")
        table.add_row(Text(say(SEVERITIES[severity]), STYLES[severity]), each.code, message)
    return table


def _not_raised(
    findings: Iterable[ConsideredFinding], not_applicable: Sequence[str], say: Say
) -> Iterator[RenderableType]:
    table = _two_columns(head_columns=1)
    for each in findings:
        table.add_row(Text(each.code, "dim"), Text(say(each.message)))
    if table.row_count:
        yield table
    if not_applicable:
        # With spaces in every language, where lines may break.
        codes = text("Only for other kinds: {codes}", codes=", ".join(not_applicable))
        yield Text(say(codes), "dim", overflow="fold")


def _two_columns(head_columns: int) -> Table:
    """Returns a grid of columns that don't wrap, and a last one that does."""
    table = Table.grid(padding=(0, GAP, 0, 0))
    for _ in range(head_columns):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table
