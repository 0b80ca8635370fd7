"""`popbridge top`: how the daemon is, again and again, until Ctrl-C."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING

import click

from accel.text import text
from bridge.commands.language import explained, say
from bridge.commands.screen import screen_width, show
from bridge.core.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

LINES = 16
"""Of the screen, for what isn't rows of a table: what there is one of, headings, what is left out."""
TABLES = 3


@click.command()
@click.option(
    "--interval",
    type=click.FloatRange(0.1, 3600),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="Between two looks.",
)
def top(interval: float) -> int:
    """Shows live how the running daemon is, until Ctrl-C; once, where the output is no terminal.

    Goes on when the daemon is restarted. Exit code 1 where none runs at first.
    """
    from rich.console import Console

    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else screen_width())
    try:
        first = _look(console)
    except UserError as error:
        click.echo(f"popbridge: {explained(error)}", err=True)
        return 1
    if sys.stdout.isatty():
        _live(console, first, interval)
    else:
        show(first)
    return 0


def _live(console: Console, first: RenderableType, interval: float) -> None:
    from rich.live import Live

    screen = Live(first, console=console, screen=True, auto_refresh=False)
    with contextlib.suppress(KeyboardInterrupt), screen as live:
        while True:
            time.sleep(interval)
            live.update(_look_again(console), refresh=True)


def _look(console: Console) -> RenderableType:
    """Raises UserError where no daemon runs."""
    from bridge.commands.asking import ask
    from bridge.commands.drawing import drawn

    rows = max(1, (console.height - LINES) // TABLES) if sys.stdout.isatty() else None
    return drawn(ask(), rows)


def _look_again(console: Console) -> RenderableType:
    from rich.text import Text

    try:
        return _look(console)
    except UserError as error:
        return Text(f"{explained(error)}\n{say(text('Still looking; Ctrl-C ends this.'))}")
