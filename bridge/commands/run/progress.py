"""A bar on stderr: how many of how many, how fast, and the time that is left."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, Task
    from rich.text import Text

    from accel.progress import OnProgress


class Bar:
    """How many jobs are done, and how far those are that run."""

    def __init__(self, progress: Progress, title: str, total: int) -> None:
        self._progress = progress
        self._total = total
        self._task = progress.add_task(title, total=total, stage="")
        self._done = 0
        self._shown = 0.0
        self._running: dict[object, float] = {}

    def advance(self) -> None:
        """One more is done."""
        self._done += 1
        self._show()

    @contextlib.contextmanager
    def job(self) -> Iterator[OnProgress]:
        """A job runs meanwhile; gives what is told how far it is."""
        key = object()

        def tell(fraction: float, stage: str) -> None:
            self._running[key] = fraction
            # A single job has a bar only where it says how far it is.
            self._progress.start()
            self._show(stage if self._total == 1 else "")

        try:
            yield tell
        finally:
            self._running.pop(key, None)

    def _show(self, stage: str = "") -> None:
        # What has ended is counted only when its turn comes, and a job whose worker died begins anew.
        self._shown = max(self._shown, min(self._done + sum(self._running.values()), self._total))
        self._progress.update(self._task, completed=self._shown, stage=stage)


@contextlib.contextmanager
def bar(title: str, total: int, as_json: bool) -> Iterator[Bar]:
    """Shown where there are several jobs, and for one that says how far it is.

    Not where it would disturb lines of JSON on the same terminal.
    """
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    beside = sys.stdout.isatty()
    shown = sys.stderr.isatty() and not (as_json and beside)
    progress = Progress(
        *_columns(several=total > 1),
        console=console,
        transient=True,
        disable=not shown,
        # Else what goes into a file would be printed above the bar.
        redirect_stdout=beside,
    )
    if total > 1:
        progress.start()
    try:
        yield Bar(progress, title, total)
    finally:
        if progress.live.is_started:
            progress.stop()


def _columns(*, several: bool) -> list[ProgressColumn]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        ProgressColumn,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:,.1f}/s" if task.speed else "")

    first = [TextColumn("{task.description}", markup=False), BarColumn()]
    if several:
        return [*first, MofNCompleteColumn(), Rate(), TimeRemainingColumn()]
    return [
        *first,
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[stage]}", markup=False),
    ]
