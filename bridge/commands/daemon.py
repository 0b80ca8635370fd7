"""Popbridge serve, demo, status, top."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

from accel.text import AnyText, joined, plural, text
from bridge.commands.listing import as_json
from bridge.commands.options import assignments, flag_text, read_settings, say_json, show_remark
from bridge.commands.terminal import (
    columns,
    duration,
    explain_error,
    language,
    milliseconds,
    say,
    screen_width,
    show,
    size,
)
from bridge.core.errors import UserError
from bridge.core.metrics import SessionStatus, Status, WorkerStatus, WorkloadStatus
from bridge.core.settings import SETTINGS, may_belong_to_plugin, misspelt_variables, unknown_setting

Function = TypeVar("Function", bound=Callable[..., Any])


def _flag(name: str) -> str:
    return "--" + name.replace(".", "-").replace("_", "-")


def _setting_flags(function: Function) -> Function:
    """A flag for each of PopBridge's own settings; the values are checked by their declarations."""
    for setting in reversed(SETTINGS):
        text = flag_text(setting, setting.help)
        function = click.option(
            _flag(setting.name), setting.name.replace(".", "_"), metavar="VALUE", help=text
        )(function)
    return function


@click.command()
@_setting_flags
@click.option("--set", "further", multiple=True, metavar="NAME=VALUE", help="A plugin's setting; repeatable.")
def serve(further: tuple[str, ...], **values: str | None) -> None:
    """Runs the daemon that editors connect to, until Ctrl-C."""
    from bridge.host import host
    from bridge.paths import Paths
    from bridge.server.serve import main

    registry = host.load()
    flags: dict[str, object] = {s.name: values[s.name.replace(".", "_")] for s in SETTINGS}
    known = {setting.name for setting in registry.settings}
    for name, value in assignments(further, "--set").items():
        if name in known:
            flags[name] = value
        elif registry.lacks and may_belong_to_plugin(name):
            show_remark(
                text(
                    "{name} ({source}) is passed over: a plugin is disabled, see `popbridge plugins`.",
                    name=name,
                    source="--set",
                )
            )
        else:
            raise UserError(text("--set {name}: {problem}", name=name, problem=unknown_setting(name, known)))
    paths = Paths.find()
    settings = read_settings(
        registry.settings, paths.settings_file, os.environ, flags, plugins_disabled=registry.lacks
    )
    for variable, meant in misspelt_variables(registry.settings, os.environ):
        show_remark(
            text(
                "{variable} is no setting and is passed over; did you mean {meant}?",
                variable=variable,
                meant=meant,
            )
        )
    main(settings, paths, registry, _say)


def _say(line: AnyText) -> None:
    click.echo(say(line))


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("demo-output"),
    show_default=True,
    help="Folder for the project and the page.",
)
@click.option("--headless", is_flag=True, help="The built-in editor, even if a real one is there.")
@click.option("--project-only", is_flag=True, help="Only make the project, with its wrong settings.")
def demo(out: Path, headless: bool, project_only: bool) -> int:
    """Shows the whole way: a dozen textures, half of them imported wrongly, one popup, right settings."""
    from bridge.demo.demo import Reader, run

    return run(out, headless, Reader(language()), project_only=project_only)


@click.command()
@as_json
def status(as_json: bool) -> int:
    """Says how the running daemon is: workers, queue, sessions, workloads, memory.

    Exit code 1 where none runs.
    """
    from bridge.commands.connection import ask_daemon

    try:
        found = ask_daemon()
    except UserError as error:
        click.echo(f"popbridge: {explain_error(error)}", err=True)
        return 1
    if as_json:
        say_json(found)
    else:
        show(draw_status(found))
    return 0


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
        click.echo(f"popbridge: {explain_error(error)}", err=True)
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
    from bridge.commands.connection import ask_daemon

    rows = max(1, (console.height - LINES) // TABLES) if sys.stdout.isatty() else None
    return draw_status(ask_daemon(), rows)


def _look_again(console: Console) -> RenderableType:
    from rich.text import Text

    try:
        return _look(console)
    except UserError as error:
        return Text(f"{explain_error(error)}\n{say(text('Still looking; Ctrl-C ends this.'))}")


OF_WORKLOADS = (
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
OF_SESSIONS = (
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
OF_WORKERS = (
    text("process"),
    text("device"),
    text("doing"),
    text("for"),
    text("memory"),
)
LESS = (
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


def draw_status(status: Status, most: int | None = None) -> Group:
    """All of it; `most` is the most rows of each table, None for all of them."""
    parts: list[RenderableType] = [Text(line) for line in status_lines(status)]
    parts += _section(*_workers(status.workers), most)
    unlisted = status.attached + status.away - len(status.sessions)
    parts += _section(*_sessions(status.sessions), most, unlisted)
    parts += _section(*_workloads(status.workloads), most)
    return Group(*parts)


def status_lines(status: Status) -> Iterable[str]:
    """What there is one of."""
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
        say(text("; 95% of timers at most {late} late", late=milliseconds(status.lag_p95_ms)))
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
        text("Requests  {open} open, {most} at most", open=_by_priority(status.open), most=status.inflight)
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
            "Clients   {connections}, {sessions}, {away} more kept for a while",
            connections=say(plural("{n} connection", "{n} connections", round(status.connections))),
            sessions=say(plural("{n} session", "{n} sessions", round(status.attached))),
            away=status.away,
        )
    )
    yield from _figures(status.figures)


def _figures(figures: Mapping[str, float]) -> Iterable[str]:
    """Of the cache, the journal and the blobs, as far as there are any."""

    def of(name: str) -> float:
        return figures.get(f"popbridge_{name}", 0.0)

    if of("store_failing"):
        yield say(text("Database  can't be written now: nothing new is promised; the log says why"))
    if "popbridge_cache_hits_total" in figures:
        hits = of("cache_hits_total") + of("cache_shared_total")
        asked = hits + of("cache_misses_total")
        requests = say(plural("{n} request", "{n} requests", round(asked)))
        rate = (
            say(
                text(
                    "{share} of {requests} without a run since the start",
                    share=f"{(hits / asked):.0%}",
                    requests=requests,
                )
            )
            if asked
            else say(text("not asked yet"))
        )
        results = say(plural("{n} result", "{n} results", round(of("cache_entries"))))
        yield say(
            text(
                "Cache     {rate}; {results}, {size}",
                rate=rate,
                results=results,
                size=size(of("cache_bytes")),
            )
        )
    if "popbridge_journal_jobs_open{waiting}" in figures:
        now = _states("open", ("waiting", "running"), of)
        ended = _states("total", ("done", "failed", "cancelled"), of)
        yield say(text("Journal   {now}; since the start {ended}", now=now, ended=ended))
    if "popbridge_blobs" in figures:
        quota = of("blobs_quota_bytes")
        most = say(text(" of {size}", size=size(quota))) if quota else ""
        yield say(
            text(
                "Blobs     {count}, {size}{quota}",
                count=f"{(of('blobs')):.0f}",
                size=size(of("blobs_bytes")),
                quota=most,
            )
        )


def _states(of_what: str, states: Sequence[str], of: Callable[[str], float]) -> str:
    """`1 waiting, 0 running`, of the journal's jobs."""
    counts = (STATES[state].fill(count=round(of(f"journal_jobs_{of_what}{{{state}}}"))) for state in states)
    return say(joined(counts, text("{head}, {rest}")))


def _by_priority(counts: Mapping[str, int]) -> str:
    each = _listed(counts)
    total = sum(counts.values())
    return say(text("{what} ({said})", what=total, said=each)) if each else f"{total}"


def _listed(counts: Mapping[str, int]) -> str:
    each = (f"{count} {name}" for name, count in counts.items() if count)
    return say(joined(each, text("{head}, {rest}")))


class Fitting:
    """A table without the columns for which a screen has no room."""

    def __init__(self, rows: Rows, heads: tuple[str, ...]) -> None:
        self._rows = rows
        self._heads = heads

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table]:
        less = [say(head) for head in LESS if say(head) in self._heads]
        yield columns(self._rows, self._heads, less, options.max_width)


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
    return say(text("Workers")), tuple(map(say, OF_WORKERS)), rows


def _sessions(sessions: Sequence[SessionStatus]) -> Section:
    rows = [
        (
            session.id,
            session.client,
            session.engine or "-",
            session.project or "-",
            say(text("attached") if session.attached else text("away")),
            duration(session.idle_s),
            str(session.open),
            str(session.popups),
            say(
                text("{what} ({said})", what=session.unacknowledged, said=size(session.unacknowledged_bytes))
            ),
        )
        for session in sessions
    ]
    return say(text("Sessions")), tuple(map(say, OF_SESSIONS)), rows


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
    return say(text("Workloads since the start")), tuple(map(say, OF_WORKLOADS)), rows


def _section(
    title: str, heads: tuple[str, ...], rows: Rows, most: int | None, unlisted: int = 0
) -> list[RenderableType]:
    """`unlisted`: how many there are beside these rows."""
    if not rows:
        return []
    table = Fitting(rows[:most], heads)
    hidden = unlisted + (0 if most is None else max(0, len(rows) - most))
    more = [Text(say(text("... and {count} more", count=hidden)), style="dim")] if hidden else []
    return [Text(f"\n{title}", style="bold"), table, *more]
