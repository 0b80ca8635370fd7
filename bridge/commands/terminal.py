"""Folding, columns, units."""

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
        shown.add_row(*(_cell(printable_lines(text)) for text in row))
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
            several = "\n".join(fold(line, 0, width) for line in lines)
            # A name alone may be wider than its column.
            return RichText(several, self.style, overflow="fold").wrap(console, width, **how)

    return Cell(text, overflow="fold")


def is_narrow() -> bool:
    """Whether a table of several columns would be torn to pieces."""
    return screen_width() < NARROW


def paragraphs(rows: Iterable[tuple[str, str]]) -> None:
    """What a table would have, for a narrow screen: a line each, and what is said of it below."""
    for head, said in rows:
        click.echo(wrap(printable_lines(head), 4))
        for line in printable_lines(said).splitlines() or [""]:
            click.echo(wrap(f"    {line}", 4))


def wrap(text: str, indent: int) -> str:
    """One line of text, folded to the screen; `indent` spaces before what follows the first."""
    if _WIDE.search(text):
        return fold(text, indent, screen_width())
    return textwrap.fill(text, screen_width(), subsequent_indent=" " * indent, break_on_hyphens=False)


def fold(text: str, indent: int, width: int) -> str:
    """Lines of a script whose letters take two columns each, and which has no spaces to fold at."""
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
    """A locale's name, such as `zh_CN.UTF-8`; `en` where nobody says."""
    return next((found for name in VARIABLES if (found := environment.get(name))), "") or _of_system()


def say(text: AnyText) -> str:
    """`text` in that language."""
    return catalogues.translate(text, language())


def look_up(words: str) -> str:
    """What is declared as a plain constant, such as a workload's summary, in that language."""
    return catalogues.look_up(words, language())


def explain_error(error: UserError | RequestError) -> str:
    """What an error says for people, in that language where it is known."""
    hint = error.hint_text if isinstance(error, RequestError) else ""
    return say(sentences((error.text, hint)))


def reads_chinese() -> bool:
    """Whether that language is Chinese."""
    return catalogues.language_of(language()) == "zh_CN"


def _of_system() -> str:
    if sys.platform != "win32":
        return "en"
    # A console on Windows has no such variables.
    import ctypes

    return locale.windows_locale.get(ctypes.windll.kernel32.GetUserDefaultUILanguage(), "en")


DAY_S, HOUR_S, MINUTE_S = 86_400, 3600, 60


def duration(seconds: float) -> str:
    """`45 s`, `3 min 20 s`, `2 h 5 min`, `4 d 3 h`."""
    whole = round(seconds)
    if whole < MINUTE_S:
        return say(text("{count} s", count=f"{seconds:.1f}" if seconds < 10 else whole))
    for unit, name, lower, lower_name in (
        (DAY_S, text("{count} d"), HOUR_S, text("{count} h")),
        (HOUR_S, text("{count} h"), MINUTE_S, text("{count} min")),
        (MINUTE_S, text("{count} min"), 1, text("{count} s")),
    ):
        if whole >= unit:
            rest = whole % unit // lower
            return say(name.fill(count=whole // unit)) + (
                f" {say(lower_name.fill(count=rest))}" if rest else ""
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
