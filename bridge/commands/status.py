"""`popbridge status` and `popbridge top`: the state of the running daemon."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import click
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from accel.text import joined, plural, text
from bridge.commands import connection
from bridge.commands.options import as_json, print_json
from bridge.commands.terminal import (
    columns,
    duration,
    explain_error,
    milliseconds,
    say,
    screen_width,
    show,
    size,
)
from bridge.core.errors import UserError
from bridge.core.metrics import SessionStatus, Status, WorkerStatus, WorkloadStatus


@click.command()
@as_json
def status(as_json: bool) -> int:
    """Show the daemon's state.

    Workers, queue, sessions, workloads and memory. Exit code 1 if no daemon runs.
    """
    try:
        state = connection.ask_daemon()
    except UserError as error:
        click.echo(f"popbridge: {explain_error(error)}", err=True)
        return 1
    if as_json:
        print_json(state)
    else:
        show(draw_status(state))
    return 0


FIXED_LINES = 16
"""Lines of the screen that aren't table rows."""
TABLES = 3


@click.command()
@click.option(
    "--interval",
    type=click.FloatRange(0.1, 3600),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="Time between two updates.",
)
def top(interval: float) -> int:
    """Show the daemon's state live, until Ctrl-C.

    Shows it once if the output isn't a terminal. Continues after a restart of the daemon. Exit code 1 if no
    daemon runs at first.
    """
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else screen_width())
    with contextlib.closing(connection.StatusReader()) as reader:
        try:
            first = _draw(console, reader)
        except UserError as error:
            click.echo(f"popbridge: {explain_error(error)}", err=True)
            return 1
        if sys.stdout.isatty():
            _live(console, reader, first, interval)
        else:
            show(first)
    return 0


def _live(console: Console, reader: connection.StatusReader, first: RenderableType, interval: float) -> None:
    screen = Live(first, console=console, screen=True, auto_refresh=False)
    with contextlib.suppress(KeyboardInterrupt), screen as live:
        while True:
            time.sleep(interval)
            live.update(_draw_again(console, reader), refresh=True)


def _draw(console: Console, reader: connection.StatusReader) -> RenderableType:
    """Raises UserError if no daemon runs."""
    rows = max(1, (console.height - FIXED_LINES) // TABLES) if sys.stdout.isatty() else None
    return draw_status(reader.read(), rows)


def _draw_again(console: Console, reader: connection.StatusReader) -> RenderableType:
    try:
        return _draw(console, reader)
    except UserError as error:
        return Text(f"{explain_error(error)}\n{say(text('Trying again; Ctrl-C ends this.'))}")


WORKLOAD_HEADS = (
    text("workload"),
    text("ok"),
    text("refused"),
    text("cancelled"),
    text("failed"),
    text("jobs"),
    text("p50"),
    text("p95"),
    text("queue p95"),
)
SESSION_HEADS = (
    text("session"),
    text("client"),
    text("engine"),
    text("project"),
    text("state"),
    text("idle"),
    text("open"),
    text("popups"),
    text("unacknowledged"),
)
WORKER_HEADS = (
    text("process"),
    text("device"),
    text("doing"),
    text("time"),
    text("memory"),
)
OPTIONAL_HEADS = (
    # In the order in which a narrow screen drops them.
    text("process"),
    text("memory"),
    text("device"),
    text("unacknowledged"),
    text("popups"),
    text("open"),
    text("idle"),
    text("engine"),
    text("session"),
    text("queue p95"),
    text("jobs"),
    text("cancelled"),
    text("refused"),
    text("p50"),
)
STATES = {
    "waiting": text("{count} waiting"),
    "running": text("{count} running"),
    "done": text("{count} done"),
    "failed": text("{count} failed"),
    "cancelled": text("{count} cancelled"),
}


def draw_status(status: Status, max_rows: int | None = None) -> Group:
    """Lines and tables, with at most `max_rows` rows in each table; None for no limit."""
    parts: list[RenderableType] = [Text(line) for line in status_lines(status)]
    parts += _section(*_workers(status.workers), max_rows)
    unlisted = status.attached + status.away - len(status.sessions)
    parts += _section(*_sessions(status.sessions), max_rows, unlisted)
    parts += _section(*_workloads(status.workloads), max_rows)
    return Group(*parts)


def status_lines(status: Status) -> Iterable[str]:
    """Yields the lines above the tables."""
    up = duration(status.uptime_s)
    yield say(
        text(
            "PopBridge {version} at {address}, up {up} (process {pid})",
            version=status.version,
            address=status.address,
            up=up,
            pid=status.pid,
        )
    )
    yield say(text("Runs on   {devices}", devices=", ".join(status.devices)))
    workers = size(sum(worker.memory for worker in status.workers))
    late = (
        say(text("; timers late by {late} (p95)", late=milliseconds(status.lag_p95_ms)))
        if status.lag_p95_ms
        else ""
    )
    yield say(
        text(
            "Memory    {memory}, workers {workers}{late}",
            memory=size(status.memory),
            workers=workers,
            late=late,
        )
    )
    yield say(
        text("Requests  {open} open, limit {limit}", open=_by_priority(status.open), limit=status.inflight)
    )
    yield say(text("Queue     {waiting} waiting for a worker", waiting=_by_priority(status.waiting)))
    if any(status.replaced.values()):
        workers = say(plural("{n} worker", "{n} workers", round(sum(status.replaced.values()))))
        yield say(
            text(
                "Replaced  {workers} since the start ({reasons})",
                workers=workers,
                reasons=_listed(status.replaced),
            )
        )
    if status.refused:
        requests = say(plural("{n} request", "{n} requests", round(sum(status.refused.values()))))
        yield say(
            text(
                "Refused   {requests} since the start ({codes})",
                requests=requests,
                codes=_listed(status.refused),
            )
        )
    yield say(
        text(
            "Clients   {connections}, {sessions}, {away} disconnected",
            connections=say(plural("{n} connection", "{n} connections", round(status.connections))),
            sessions=say(plural("{n} session", "{n} sessions", round(status.attached))),
            away=status.away,
        )
    )
    yield from _figures(status.figures)


def _figures(figures: Mapping[str, float]) -> Iterable[str]:
    """Yields the lines about the database, the cache, the journal and the blobs, where they exist."""

    def value(name: str) -> float:
        return figures.get(f"popbridge_{name}", 0.0)

    if value("store_failing"):
        yield say(text("Database  can't be written: durable requests are refused. See the log."))
    if "popbridge_cache_hits_total" in figures:
        hits = value("cache_hits_total") + value("cache_shared_total")
        asked = hits + value("cache_misses_total")
        requests = say(plural("{n} request", "{n} requests", round(asked)))
        rate = (
            say(
                text(
                    "{share} of {requests} hit since the start",
                    share=f"{(hits / asked):.0%}",
                    requests=requests,
                )
            )
            if asked
            else say(text("no requests yet"))
        )
        results = say(plural("{n} result", "{n} results", round(value("cache_entries"))))
        yield say(
            text(
                "Cache     {rate}; {results}, {size}",
                rate=rate,
                results=results,
                size=size(value("cache_bytes")),
            )
        )
    if "popbridge_journal_jobs_open{waiting}" in figures:
        now = _states("open", ("waiting", "running"), value)
        ended = _states("total", ("done", "failed", "cancelled"), value)
        yield say(text("Journal   {now}; since the start {ended}", now=now, ended=ended))
    if "popbridge_blobs" in figures:
        quota = value("blobs_quota_bytes")
        limit = say(text(" of {size}", size=size(quota))) if quota else ""
        yield say(
            text(
                "Blobs     {count}, {size}{quota}",
                count=f"{value('blobs'):.0f}",
                size=size(value("blobs_bytes")),
                quota=limit,
            )
        )


def _states(metric: str, states: Sequence[str], value: Callable[[str], float]) -> str:
    """`1 waiting, 0 running`: the journal's jobs."""
    counts = (STATES[state].fill(count=round(value(f"journal_jobs_{metric}{{{state}}}"))) for state in states)
    return say(joined(counts, text("{head}, {rest}")))


def _by_priority(counts: Mapping[str, int]) -> str:
    parts = _listed(counts)
    total = sum(counts.values())
    return say(text("{total} ({parts})", total=total, parts=parts)) if parts else f"{total}"


def _listed(counts: Mapping[str, int]) -> str:
    each = (f"{count} {name}" for name, count in counts.items() if count)
    return say(joined(each, text("{head}, {rest}")))


class FittingTable:
    """A table that drops optional columns on a narrow screen."""

    def __init__(self, rows: Rows, heads: tuple[str, ...]) -> None:
        self._rows = rows
        self._heads = heads

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table]:
        optional = [say(head) for head in OPTIONAL_HEADS if say(head) in self._heads]
        yield columns(self._rows, self._heads, optional, options.max_width)


Rows = Sequence[tuple[str, ...]]
Section = tuple[str, tuple[str, ...], Rows]


def _workers(workers: Sequence[WorkerStatus]) -> Section:
    rows = [
        (
            str(worker.pid),
            worker.device,
            (worker.doing or say(text("a job"))) if worker.busy else say(text("idle")),
            duration(worker.for_s),
            size(worker.memory),
        )
        for worker in workers
    ]
    return say(text("Workers")), tuple(map(say, WORKER_HEADS)), rows


def _sessions(sessions: Sequence[SessionStatus]) -> Section:
    rows = [
        (
            session.id,
            session.client,
            session.engine or "-",
            session.project or "-",
            say(text("connected") if session.attached else text("disconnected")),
            duration(session.idle_s),
            str(session.open),
            str(session.popups),
            say(
                text(
                    "{total} ({parts})",
                    total=session.unacknowledged,
                    parts=size(session.unacknowledged_bytes),
                )
            ),
        )
        for session in sessions
    ]
    return say(text("Sessions")), tuple(map(say, SESSION_HEADS)), rows


def _workloads(workloads: Sequence[WorkloadStatus]) -> Section:
    rows = [
        (
            each.name,
            str(each.ok),
            str(each.refused),
            str(each.cancelled),
            str(each.failed),
            str(each.jobs),
            milliseconds(each.p50_ms),
            milliseconds(each.p95_ms),
            milliseconds(each.queue_p95_ms),
        )
        for each in workloads
    ]
    return say(text("Workloads since the start")), tuple(map(say, WORKLOAD_HEADS)), rows


def _section(
    title: str, heads: tuple[str, ...], rows: Rows, max_rows: int | None, unlisted: int = 0
) -> list[RenderableType]:
    """Returns a heading and a table, or nothing without rows; `unlisted` counts entries beside these rows."""
    if not rows:
        return []
    table = FittingTable(rows[:max_rows], heads)
    hidden = unlisted + (0 if max_rows is None else max(0, len(rows) - max_rows))
    more = [Text(say(text("... and {count} more", count=hidden)), style="dim")] if hidden else []
    return [Text(f"\n{title}", style="bold"), table, *more]
