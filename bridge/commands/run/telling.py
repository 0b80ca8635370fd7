"""What is said of each job: lines for people, or lines of JSON."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from accel.text import AnyText, joined, text
from bridge.audit.plain import plain, plain_lines
from bridge.commands.language import say
from bridge.commands.measures import MINUTE_S, duration
from bridge.commands.run.readable import readable, shortened
from bridge.commands.screen import screen_width
from bridge.commands.shared import remark, say_json

if TYPE_CHECKING:
    from accel.executor import ExecutorResult
    from accel.workload import WorkloadError
    from bridge.commands.run.jobs import Job

COUNTS = {
    "done": text("{count} done"),
    "unchanged": text("{count} unchanged"),
    "failed": text("{count} failed"),
    "left": text("{count} not done"),
}

WIDEST = 120
"""Columns of a line at most, where the screen or the file has more."""


class Teller:
    """Tells of each job and counts them; `advance` moves a bar."""

    def __init__(self, title: str, *, as_json: bool, several: bool = False) -> None:
        """`several` for more than one job, each of which is told in a line if it can be."""
        self._title = title
        self._as_json = as_json
        self._several = several
        self._dropped = False
        self._begin = time.monotonic()
        self.counts = {"done": 0, "unchanged": 0, "failed": 0}
        self.advance: Any = lambda: None

    def done(self, job: Job, result: ExecutorResult, written: Sequence[str]) -> None:
        self._count("done")
        if self._as_json:
            meta = {"device": result.device, "queued_ms": result.queued_ms, "run_ms": result.run_ms}
            meta |= {"reason": result.reason} if result.reason else {}
            say_json({**_subject(job), "value": result.value, "meta": {**meta, "files": written}})
            return
        head = f"{job.label} -> {written[0]}" if len(written) == 1 else job.label or self._title
        width = min(WIDEST, screen_width())
        for line in readable(plain(head), result.value, width, several=self._several):
            click.echo(plain_lines(line))
        for path in written if len(written) > 1 else ():
            click.echo(plain(f"  -> {path}"))

    def failed(self, job: Job, error: WorkloadError) -> None:
        self._count("failed")
        said: AnyText = error.reason
        if error.code == "worker_crashed" and not str(said).startswith(self._title):
            said = text("{workload} crashed its worker process ({said})", workload=self._title, said=said)
        if self._as_json:
            say_json({**_subject(job), "error": {"code": error.code, "message": str(said)}})
            return
        at_fault = f"{error.name}: " if error.name and len(job.files) > 1 and error.name in job.files else ""
        head = plain(f"{job.label or self._title}: {at_fault}")
        click.echo(f"{head}{plain_lines(shortened(say(said)))}", err=True)

    def skipped(self, job: Job, files: Sequence[str]) -> None:
        self._count("unchanged")
        if self._as_json:
            say_json({**_subject(job), "unchanged": True, "meta": {"files": files}})

    def dropped(self) -> None:
        """Says once that the files are gone."""
        if not self._dropped:
            self._dropped = True
            remark(
                text("the files that {workload} makes aren't kept: add --out FOLDER.", workload=self._title)
            )

    def summary(self, total: int, *, interrupted: bool = False) -> None:
        """The last line, where there was more than one job, or where else nothing would be said."""
        if total < 2 and (self._as_json or not self.counts["unchanged"]):
            return
        counts = {what: count for what, count in self.counts.items() if count or what == "done"}
        left = total - sum(self.counts.values())
        if interrupted and left:
            counts["left"] = left
        each = (COUNTS[what].fill(count=f"{count:,}") for what, count in counts.items())
        listed = joined(each, text("{head}, {rest}"))
        took = _duration(time.monotonic() - self._begin)
        remark(text("{counts} in {duration}.", counts=listed, duration=took))

    def _count(self, what: str) -> None:
        self.counts[what] += 1
        self.advance()


def _subject(job: Job) -> dict[str, Any]:
    return {"file": job.files[0]} if len(job.files) == 1 else {"files": job.files}


def _duration(seconds: float) -> str:
    return say(text("{count} s", count=f"{seconds:.1f}")) if seconds < MINUTE_S else duration(seconds)
