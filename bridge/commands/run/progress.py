"""A bar on stderr: how many of how many, how fast, and the time that is left."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import ProgressColumn, Task
    from rich.text import Text


@contextlib.contextmanager
def bar(title: str, total: int, as_json: bool) -> Iterator[Callable[[], None]]:
    """Gives what moves it on by one. There is none for a single job, nor where it would disturb lines of JSON
    on the same terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    beside = sys.stdout.isatty()
    shown = sys.stderr.isatty() and total > 1 and not (as_json and beside)
    with Progress(
        *_columns(),
        console=console,
        transient=True,
        disable=not shown,
        # Else what goes into a file would be printed above the bar.
        redirect_stdout=beside,
    ) as progress:
        task = progress.add_task(title, total=total)
        yield lambda: progress.advance(task)


def _columns() -> list[ProgressColumn]:
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:,.1f}/s" if task.speed else "")

    return [
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
    ]
