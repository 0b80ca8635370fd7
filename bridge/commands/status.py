"""`popbridge status`: how the daemon is, once."""

from __future__ import annotations

import click

from bridge.commands.language import explained
from bridge.commands.listing import as_json
from bridge.commands.screen import show
from bridge.commands.shared import say_json
from bridge.core.errors import UserError


@click.command()
@as_json
def status(as_json: bool) -> int:
    """Says how the running daemon is: workers, queue, sessions, workloads, memory.

    Exit code 1 where none runs.
    """
    from bridge.commands.asking import ask
    from bridge.commands.drawing import drawn

    try:
        found = ask()
    except UserError as error:
        click.echo(f"popbridge: {explained(error)}", err=True)
        return 1
    if as_json:
        say_json(found)
    else:
        show(drawn(found))
    return 0
