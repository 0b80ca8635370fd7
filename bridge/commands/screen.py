"""Text for a screen of any width: folded lines, and columns."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from bridge.audit.plain import plain_lines

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text as RichText

FOLDED = 36
"""Columns that a long cell needs at least, so that it can be read when it is folded."""

NARROW = 72
"""Columns from which on a table is readable."""

IN_A_FILE = 10_000
"""Columns of what goes into a file or to a program, whose lines are folded by nobody."""

_WIDE = re.compile(r"[\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff00-\uff60]")
"""A letter of Chinese, Japanese or Korean, or a sign that goes with them."""
_PIECES = re.compile(
    rf"\s*[（《“]*(?:{_WIDE.pattern}|(?:(?!{_WIDE.pattern})[^\s“”])+)[，。：；、）》”！？]*\s*|\s+|[“”]"
)
"""What lines aren't broken in: signs that close stand behind something, those that open before it."""


def screen_width() -> int:
    """Columns of the terminal; what goes into a file is as wide as it is."""
    if not sys.stdout.isatty():
        return IN_A_FILE
    columns = shutil.get_terminal_size().columns
    # There a line that fills its row is followed by an empty one, as the cursor is in the next row already.
    return max(1, columns - 1) if sys.platform == "win32" else columns


def table(rows: Sequence[tuple[str, ...]], heads: tuple[str, ...], less: Sequence[str] = ()) -> None:
    """Columns on stdout, folded to the screen; those of `less` are left out, in turn, where it is narrow."""
    show(columns(rows, heads, less, screen_width()))


def show(shown: RenderableType) -> None:
    """Prints what rich draws on stdout, as wide as the screen."""
    from rich.console import Console

    console = Console(file=sys.stdout, width=screen_width())
    # Rich takes FORCE_COLOR for a terminal, too.
    if sys.stdout.isatty():
        console.print(shown)
        return
    with console.capture() as captured:
        console.print(shown)
    # What fills a screen's lines up is in the way in a file.
    click.echo("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()), nl=False)


def columns(
    rows: Sequence[tuple[str, ...]], heads: tuple[str, ...], less: Sequence[str], width: int
) -> Table:
    """The same, of `width` columns of letters, to be printed."""
    from rich.table import Table

    cells = {head: [row[at] for row in rows] for at, head in enumerate(heads)}
    needs = {head: _need(head, column) for head, column in cells.items()}
    for head in less:
        if sum(needs[kept] + 2 for kept in cells) - 2 > width:
            del cells[head]
    shown = Table(box=None, pad_edge=False, highlight=False)
    for head in cells:
        shown.add_column(_cell(head))
    for row in zip(*cells.values(), strict=True):
        shown.add_row(*(_cell(plain_lines(text)) for text in row))
    return shown


def _need(head: str, column: Sequence[str]) -> int:
    """How wide a column is to be."""
    from rich.cells import cell_len

    lines = (line for text in (head, *column) for line in text.splitlines() or [""])
    return min(FOLDED, max(map(cell_len, lines)))


def _cell(text: str) -> RichText:
    """Text that is folded where its script may be."""
    from rich.console import Console
    from rich.containers import Lines
    from rich.text import Text as RichText

    class Cell(RichText):
        def wrap(self, console: Console, width: int, **how: Any) -> Lines:
            lines = self.plain.splitlines() if _WIDE.search(self.plain) else []
            if not lines:
                return super().wrap(console, width, **how)
            several = "\n".join(folded(line, 0, width) for line in lines)
            # A name alone may be wider than its column.
            return RichText(several, self.style, overflow="fold").wrap(console, width, **how)

    return Cell(text, overflow="fold")


def is_narrow() -> bool:
    """Whether a table of several columns would be torn to pieces."""
    return screen_width() < NARROW


def paragraphs(rows: Iterable[tuple[str, str]]) -> None:
    """What a table would have, for a narrow screen: a line each, and what is said of it below."""
    for head, said in rows:
        click.echo(wrapped(plain_lines(head), 4))
        for line in plain_lines(said).splitlines() or [""]:
            click.echo(wrapped(f"    {line}", 4))


def wrapped(text: str, indent: int) -> str:
    """One line of text, folded to the screen; `indent` spaces before what follows the first."""
    if _WIDE.search(text):
        return folded(text, indent, screen_width())
    return textwrap.fill(text, screen_width(), subsequent_indent=" " * indent, break_on_hyphens=False)


def folded(text: str, indent: int, width: int) -> str:
    """Lines of a script whose letters take two columns each, and which has no spaces to fold at."""
    from rich.cells import cell_len

    lines = [""]
    for piece in _PIECES.findall(text):
        if cell_len(lines[-1]) + cell_len(piece.rstrip()) > width and lines[-1].strip():
            lines.append(" " * indent)
        lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)
