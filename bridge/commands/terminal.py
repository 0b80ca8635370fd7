"""Terminal output: language, width, tables, wrapping and units.

rich is imported where it is needed, because `popbridge --help` does without it."""

from __future__ import annotations

import locale
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from accel.text import AnyText, sentences, text
from bridge import locale as catalogues
from bridge.core.errors import RequestError, UserError
from bridge.core.text import printable_lines

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text as RichText


MIN_CELL_WIDTH = 36
"""Columns that a long cell needs to be readable when it is wrapped."""

MIN_TABLE_WIDTH = 72
"""Columns that a table needs to be readable."""

FILE_WIDTH = 10_000
"""Columns of output that doesn't go to a terminal: lines aren't wrapped."""

_WIDE = re.compile(r"[\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff00-\uff60]")
"""A Chinese, Japanese or Korean character or punctuation mark."""
_PIECES = re.compile(
    rf"\s*[（《“]*(?:{_WIDE.pattern}|(?:(?!{_WIDE.pattern})[^\s“”])+)[，。：；、）》”！？]*\s*|\s+|[“”]"
)
"""Unbreakable units: closing punctuation stays with the text before it, opening with the text after it."""


def screen_width() -> int:
    """Columns of the terminal, or FILE_WIDTH without one."""
    if not sys.stdout.isatty():
        return FILE_WIDTH
    columns = shutil.get_terminal_size().columns
    # On Windows, the line break after a full row adds an empty row.
    return max(1, columns - 1) if sys.platform == "win32" else columns


def table(rows: Sequence[tuple[str, ...]], heads: tuple[str, ...], less: Sequence[str] = ()) -> None:
    """Prints a table, wrapped to the screen; a narrow screen drops the columns in `less` one by one."""
    show(columns(rows, heads, less, screen_width()))


def show(shown: RenderableType) -> None:
    """Prints a rich renderable on stdout, as wide as the screen."""
    from rich.console import Console

    console = Console(file=sys.stdout, width=screen_width())
    # rich takes FORCE_COLOR for a terminal.
    if sys.stdout.isatty():
        console.print(shown)
        return
    with console.capture() as captured:
        console.print(shown)
    # In a file, the padding at the end of lines is a nuisance.
    click.echo("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()), nl=False)


def columns(
    rows: Sequence[tuple[str, ...]], heads: tuple[str, ...], less: Sequence[str], width: int
) -> Table:
    """Returns the table of `table`, `width` columns wide."""
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
        shown.add_row(*(_cell(printable_lines(text)) for text in row))
    return shown


def _need(head: str, column: Sequence[str]) -> int:
    """Returns the width that a column needs."""
    from rich.cells import cell_len

    lines = (line for text in (head, *column) for line in text.splitlines() or [""])
    return min(MIN_CELL_WIDTH, max(map(cell_len, lines)))


def _cell(text: str) -> RichText:
    """Returns text that wraps as its script allows."""
    from rich.console import Console
    from rich.containers import Lines
    from rich.text import Text as RichText

    class Cell(RichText):
        def wrap(self, console: Console, width: int, **how: Any) -> Lines:
            lines = self.plain.splitlines() if _WIDE.search(self.plain) else []
            if not lines:
                return super().wrap(console, width, **how)
            several = "\n".join(fold(line, 0, width) for line in lines)
            # A single name may be wider than its column.
            return RichText(several, self.style, overflow="fold").wrap(console, width, **how)

    return Cell(text, overflow="fold")


def is_narrow() -> bool:
    """Whether the screen is too narrow for a table."""
    return screen_width() < MIN_TABLE_WIDTH


def paragraphs(rows: Iterable[tuple[str, str]]) -> None:
    """Prints a table's rows for a narrow screen: a heading each, with the indented text below."""
    for head, body in rows:
        click.echo(wrap(printable_lines(head), 4))
        for line in printable_lines(body).splitlines() or [""]:
            click.echo(wrap(f"    {line}", 4))


def wrap(text: str, indent: int) -> str:
    """Wraps one line of text to the screen; further lines begin with `indent` spaces."""
    return fold_words(text, indent, screen_width())


def fold_words(text: str, indent: int, width: int, *, break_long_words: bool = True) -> str:
    """Wraps one line of text to `width` columns; further lines begin with `indent` spaces."""
    if _WIDE.search(text):
        return fold(text, indent, width)
    return textwrap.fill(
        text,
        width,
        subsequent_indent=" " * indent,
        break_on_hyphens=False,
        break_long_words=break_long_words,
    )


def fold(text: str, indent: int, width: int) -> str:
    """Wraps `text` to `width` columns, for scripts with wide characters and without spaces."""
    from rich.cells import cell_len

    lines = [""]
    for piece in _PIECES.findall(text):
        if cell_len(lines[-1]) + cell_len(piece.rstrip()) > width and lines[-1].strip():
            lines.append(" " * indent)
        lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)


VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")
"""The first that is set decides (POSIX.1-2017 §8.2)."""


def language(environment: Mapping[str, str] = os.environ) -> str:
    """Returns the user's locale, such as `zh_CN.UTF-8`; `en` if it isn't set."""
    return next((value for name in VARIABLES if (value := environment.get(name))), "") or _system_language()


def say(text: AnyText) -> str:
    """Translates `text` into the user's language."""
    return catalogues.translate(text, language())


def look_up(words: str) -> str:
    """Returns a plain constant, such as a workload's summary, in the user's language."""
    return catalogues.look_up(words, language())


def explain_error(error: UserError | RequestError) -> str:
    """Returns an error's message and hint in the user's language."""
    hint = error.hint_text if isinstance(error, RequestError) else ""
    return say(sentences((error.text, hint)))


def reads_chinese() -> bool:
    """Whether the user's language is Chinese."""
    return catalogues.language_of(language()) == "zh_CN"


def _system_language() -> str:
    if sys.platform != "win32":
        return "en"
    # Windows sets no such variables.
    import ctypes

    return locale.windows_locale.get(ctypes.windll.kernel32.GetUserDefaultUILanguage(), "en")


DAY_S, HOUR_S, MINUTE_S = 86_400, 3600, 60


def duration(seconds: float) -> str:
    """`45 s`, `3 min 20 s`, `2 h 5 min`, `4 d 3 h`."""
    whole = round(seconds)
    if whole < MINUTE_S:
        return say(text("{count} s", count=f"{seconds:.1f}" if seconds < 10 else whole))
    for unit, name, subunit, subunit_name in (
        (DAY_S, text("{count} d"), HOUR_S, text("{count} h")),
        (HOUR_S, text("{count} h"), MINUTE_S, text("{count} min")),
        (MINUTE_S, text("{count} min"), 1, text("{count} s")),
    ):
        if whole >= unit:
            rest = whole % unit // subunit
            return say(name.fill(count=whole // unit)) + (
                f" {say(subunit_name.fill(count=rest))}" if rest else ""
            )
    raise AssertionError(seconds)


def size(count: float) -> str:
    """`512 B`, `1.5 MiB`, `12 GiB`."""
    units = ["TiB", "GiB", "MiB", "KiB", "B"]
    while count >= 1024 and len(units) > 1:
        count /= 1024
        units.pop()
    unit = units[-1]
    return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"


def milliseconds(value: float | None) -> str:
    """`0.4 ms`, `12 ms`, `3.4 s`; `-` for none."""
    if value is None:
        return "-"
    if value >= 10_000:
        return duration(value / 1000)
    if value >= 1000:
        return say(text("{count} s", count=f"{value / 1000:.1f}"))
    return say(text("{count} ms", count=f"{value:.0f}" if value >= 10 else f"{value:.1f}"))
