"""A daemon's status as lines and tables on a screen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bridge.commands.measures import duration, millis, size
from bridge.core.status import SessionStatus, Status, WorkerStatus, WorkloadStatus


def drawn(status: Status, most: int | None = None) -> Group:
    """All of it; `most` is the most rows of each table, None for all of them."""
    heads = _workers(status.workers), _sessions(status.sessions), _workloads(status.workloads)
    parts: list[RenderableType] = [Text(line) for line in lines(status)]
    for title, columns, rows in heads:
        parts += _section(title, columns, rows, most)
    return Group(*parts)


def lines(status: Status) -> Iterable[str]:
    """What there is one of."""
    up = duration(status.uptime_s)
    yield f"PopBridge {status.version} at {status.address}, up {up} (process {status.pid})"
    yield f"Runs on   {', '.join(status.devices)}"
    workers = size(sum(worker.memory for worker in status.workers))
    late = f"; 95 % of timers at most {millis(status.lag_p95_ms)} late" if status.lag_p95_ms else ""
    yield f"Memory    {size(status.memory)}, workers {workers}{late}"
    yield f"Requests  {_by_priority(status.open)} open, {status.inflight} at most"
    yield f"Queue     {_by_priority(status.waiting)} waiting for a worker"
    if any(status.replaced.values()):
        yield f"Replaced  {_listed(status.replaced)} workers"
    attached = sum(session.attached for session in status.sessions)
    away = len(status.sessions) - attached
    yield f"Clients   {status.connections} connections, {attached} sessions, {away} more kept for a while"
    yield from _figures(status.figures)


def _figures(figures: Mapping[str, float]) -> Iterable[str]:
    """Of the cache, the journal and the blobs."""
    hits, misses = figures.get("popbridge_cache_hits_total"), figures.get("popbridge_cache_misses_total")
    if hits is not None and misses is not None:
        asked = hits + misses
        rate = f"{hits / asked:.0%} of {asked:.0f} answers" if asked else "not asked yet"
        yield f"Cache     {rate}"


def _by_priority(counts: Mapping[str, int]) -> str:
    each = _listed(counts)
    return f"{sum(counts.values())}" + (f" ({each})" if each else "")


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


Rows = Sequence[tuple[str, ...]]
Section = tuple[str, tuple[str, ...], Rows]


def _workers(workers: Sequence[WorkerStatus]) -> Section:
    rows = [
        (
            str(worker.pid),
            worker.device,
            (worker.doing or "a job") if worker.busy else "idle",
            duration(worker.for_s),
            size(worker.memory),
        )
        for worker in workers
    ]
    return "Workers", ("process", "device", "doing", "for", "memory"), rows


def _sessions(sessions: Sequence[SessionStatus]) -> Section:
    rows = [
        (
            session.id,
            session.client,
            session.engine or "-",
            session.project or "-",
            "attached" if session.attached else "away",
            duration(session.idle_s),
            str(session.open),
            str(session.popups),
            f"{session.unacknowledged} ({size(session.unacknowledged_bytes)})",
        )
        for session in sessions
    ]
    heads = ("session", "client", "engine", "project", "state", "idle", "open", "popups", "unacknowledged")
    return "Sessions", heads, rows


def _workloads(workloads: Sequence[WorkloadStatus]) -> Section:
    rows = [
        (
            each.name,
            str(each.ok),
            str(each.failed),
            millis(each.p50_ms),
            millis(each.p95_ms),
            millis(each.queue_p95_ms),
        )
        for each in workloads
    ]
    return "Workloads since the start", ("workload", "ok", "failed", "p50", "p95", "queue p95"), rows


def _section(title: str, columns: tuple[str, ...], rows: Rows, most: int | None) -> list[RenderableType]:
    if not rows:
        return []
    table = Table(*columns, box=None, pad_edge=False, highlight=False)
    for row in rows[:most]:
        table.add_row(*(Text(cell, overflow="fold") for cell in row))
    hidden = 0 if most is None else max(0, len(rows) - most)
    more = [Text(f"... and {hidden} more", style="dim")] if hidden else []
    return [Text(f"\n{title}", style="bold"), table, *more]
