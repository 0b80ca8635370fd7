"""click's context for every command: its help has headings in the reader's language, and every mistake in a
call names the command that shows how."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import click

from bridge.commands.language import reads_chinese, told
from bridge.commands.texts import usage as texts


class Formatter(click.HelpFormatter):
    """Help with headings in the reader's language."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """As click's own, with another prefix."""
        super().write_usage(prog, args, told(texts.USAGE) if prefix is None else prefix)

    def write_heading(self, heading: str) -> None:
        """As click's own; a heading that isn't known stays as it is."""
        known = texts.HEADINGS.get(heading)
        if known is None or not reads_chinese():
            super().write_heading(heading)
        else:
            self.write(f"{'':>{self.current_indent}}{known.zh}：\n")


class Context(click.Context):
    """Of one call."""

    formatter_class = Formatter

    @contextmanager
    def scope(self, cleanup: bool = True) -> Generator[click.Context]:
        """As click's own; an error of its parser, which knows no command, is told of this one."""
        with super().scope(cleanup) as context:
            try:
                yield context
            except click.UsageError as error:
                error.ctx = error.ctx or self
                raise


def with_context(command: click.Command) -> click.Command:
    """The command, and those in it, called in such a context."""
    command.context_class = Context
    for inner in command.commands.values() if isinstance(command, click.Group) else ():
        with_context(inner)
    return command
