"""The report at a shell that is too narrow for a table: one entry after the other."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group as Lines
from rich.padding import Padding
from rich.text import Text

from bridge.audit.alike import WORDS
from bridge.audit.plain import plain
from bridge.audit.results import Group, Row
from bridge.audit.texts import bytes_text, kind_of, say

INDENT = 2
"""Columns before what is said of a file."""


def entry(row: Row, severity: Text, said: Sequence[str], locale: str) -> Lines:
    """One texture: its severity and name, then what it is, then a line for each finding."""
    head = severity.append(f"  {plain(row.file)}", "default not bold not dim")
    size = f"{row.width}×{row.height}" if row.width else ""
    about = "  ".join(filter(None, [kind_of(row, locale), size]))
    return _entry(head, [about, *said] if about else said)


def group(found: Group, files: Sequence[str], locale: str) -> Lines:
    """One group of files that are alike, of which `files` are named."""
    sizes = [f"{say('disk', locale)} {bytes_text(found.disk)}"]
    if found.memory:
        sizes.append(f"{say('memory', locale)} {bytes_text(found.memory)}")
    return _entry(Text("  ".join([say(WORDS[found.how], locale), *sizes])), files)


def _entry(head: Text, lines: Sequence[str]) -> Lines:
    head.overflow = "fold"
    return Lines(head, *(Padding.indent(Text(line, overflow="fold"), INDENT) for line in lines))
