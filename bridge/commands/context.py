"""click's context for every command: its help is in the reader's language, and every mistake in a call names
the command that shows how."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager

import click

from bridge.commands.formatter import Formatter
from bridge.commands.language import reads_chinese


class Context(click.Context):
    """Of one call."""

    formatter_class = Formatter

    def get_help(self) -> str:
        """As click's own, in the reader's language."""
        if not reads_chinese():
            return super().get_help()
        from bridge.commands.translating import translated

        return translated(self.command, self).get_help(self)

    @contextmanager
    def scope(self, cleanup: bool = True) -> Generator[click.Context]:
        """As click's own; an error of its parser, which knows no command, is told of this one."""
        with super().scope(cleanup) as context:
            try:
                yield context
            except click.UsageError as error:
                error.ctx = error.ctx or self
                raise


def first_clause(text: str) -> str:
    """A text up to its first full stop or semicolon."""
    return re.split(r"[;.](?:\s|$)|[；。]", " ".join(text.split()), maxsplit=1)[0]


def with_context(command: click.Command) -> click.Command:
    """The command, and those in it, called in such a context."""
    command.context_class = Context
    # click's own is cut off in the middle of a sentence where the screen ends.
    command.short_help = command.short_help or first_clause(command.help or "")
    for inner in command.commands.values() if isinstance(command, click.Group) else ():
        with_context(inner)
    return command
