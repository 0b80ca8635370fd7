"""How help is laid out: headings in the reader's language, and lines that fit the screen in Chinese, too."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator

import click

from accel.text import text
from bridge.commands.language import look_up, reads_chinese, say
from bridge.commands.screen import folded

BY_CLICK = (
    "Options",
    "Positional arguments",
    "Commands",
    "[default: ",
    "[required]",
    "Show the version and exit.",
    "Show this message and exit.",
)
"""What click itself says in help."""

WIDEST = 80
"""Columns of help at most; click's own limit."""
NARROWEST = 30
INDENT = 2

_BETWEEN_WORDS = re.compile(r"(?<=[!-~])\n(?=[!-~])")
_EXTRA = re.compile(r"\[(?:[^\[\]]|\[[^\[\]]*\])*\]$")
"""What click says of an option's values behind its help."""
_IN_WORDS = re.compile(r"(?<=默认值：)\((.*?)\)")
"""A default that is no value; click sets it in brackets."""


class Formatter(click.HelpFormatter):
    """click's own, which knows English alone, and no screen of less than 50 columns."""

    def __init__(
        self, indent_increment: int = INDENT, width: int | None = None, max_width: int | None = None
    ) -> None:
        if width is None:
            columns = min(shutil.get_terminal_size().columns, max_width or WIDEST)
            width = max(columns - INDENT, NARROWEST)
        super().__init__(indent_increment, width, max_width)

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """As click's own, with another prefix."""
        super().write_usage(prog, args, say(text("Usage: ")) if prefix is None else prefix)

    def write_heading(self, heading: str) -> None:
        """As click's own; a heading that isn't known stays as it is."""
        if reads_chinese():
            self.write(f"{'':>{self.current_indent}}{look_up(heading)}：\n")
        else:
            super().write_heading(heading)

    def write_text(self, text: str) -> None:
        """As click's own; Chinese is folded by columns."""
        if not reads_chinese():
            super().write_text(text)
            return
        indent = " " * self.current_indent
        shown = (
            "\n".join(f"{indent}{line}" for line in _lines(paragraph, self.width - self.current_indent))
            for paragraph in text.split("\n\n")
        )
        self.write("\n\n".join(shown) + "\n")

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """As click's own; names leave room for what is said of them, where the screen is narrow."""
        known = list(rows)
        most = col_max if self.width >= 2 * col_max else self.width // 3
        if not reads_chinese():
            super().write_dl(known, most, col_spacing)
            return
        first = min(max((len(name) for name, _ in known), default=0), most) + col_spacing
        for name, said in known:
            self._write_term(name, said, first, col_spacing)

    def _write_term(self, name: str, said: str, first: int, spacing: int) -> None:
        """One row, whose second column begins after `first` columns."""
        lines = list(_lines(_said(said), self.width - first - self.current_indent))
        head = f"{'':>{self.current_indent}}{name}"
        indent = " " * (first + self.current_indent)
        if lines and len(name) <= first - spacing:
            head = head.ljust(len(indent)) + lines.pop(0)
        self.write("\n".join([head, *(indent + line for line in lines)]) + "\n")


def _lines(text: str, width: int) -> Iterator[str]:
    """Of one paragraph; one that begins with click's `\\b` is laid out already."""
    raw = text.removeprefix("\b\n")
    if raw != text:
        yield from raw.split("\n")
    elif text:
        # Where no Chinese stands beside a line's end, words do.
        yield from folded(_BETWEEN_WORDS.sub(" ", text).replace("\n", ""), 0, width).split("\n")


def _said(said: str) -> str:
    """With what click itself says of options in Chinese, too."""
    for words in BY_CLICK:
        if not words.isalpha():
            said = said.replace(words, look_up(words))
    return _EXTRA.sub(lambda found: _IN_WORDS.sub(r"\1", found[0]).replace("; ", "；"), said)
