"""A daemon's status as lines and tables on a screen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bridge.commands.measures import counted, duration, millis, size
from bridge.core.status import SessionStatus, Status, WorkerStatus, WorkloadStatus


def drawn(status: Status, most: int | None = None) -> Group:
    """All of it; `most` is the most rows of each table, None for all of them."""
    parts: list[RenderableType] = [Text(line) for line in lines(status)]
    parts += _section(*_workers(status.workers), most)
    unlisted = status.attached + status.away - len(status.sessions)
    parts += _section(*_sessions(status.sessions), most, unlisted)
    parts += _section(*_workloads(status.workloads), most)
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
        workers = counted(sum(status.replaced.values()), "worker")
        yield f"Replaced  {workers} since the start ({_listed(status.replaced)})"
    if status.refused:
        requests = counted(sum(status.refused.values()), "request")
        yield f"Refused   {requests} since the start ({_listed(status.refused)})"
    there = f"{counted(status.connections, 'connection')}, {counted(status.attached, 'session')}"
    yield f"Clients   {there}, {status.away} more kept for a while"
    yield from _figures(status.figures)


def _figures(figures: Mapping[str, float]) -> Iterable[str]:
    """Of the cache, the journal and the blobs, as far as there are any."""

    def of(name: str) -> float:
        return figures.get(f"popbridge_{name}", 0.0)

    if of("store_failing"):
        yield "Database  can't be written now: nothing new is promised; the log says why"
    if "popbridge_cache_hits_total" in figures:
        hits = of("cache_hits_total") + of("cache_shared_total")
        asked = hits + of("cache_misses_total")
        told = f"{hits / max(asked, 1):.0%} of {counted(asked, 'request')} without a run since the start"
        rate = told if asked else "not asked yet"
        held = f"{counted(of('cache_entries'), 'result')}, {size(of('cache_bytes'))}"
        yield f"Cache     {rate}; {held}"
    if "popbridge_journal_jobs_open{waiting}" in figures:
        now = _states("open", ("waiting", "running"), of)
        ended = _states("total", ("done", "failed", "cancelled"), of)
        yield f"Journal   {now}; since the start {ended}"
    if "popbridge_blobs" in figures:
        quota = of("blobs_quota_bytes")
        most = f" of {size(quota)}" if quota else ""
        yield f"Blobs     {of('blobs'):.0f}, {size(of('blobs_bytes'))}{most}"


def _states(of_what: str, states: Sequence[str], of: Callable[[str], float]) -> str:
    """`1 waiting, 0 running`, of the journal's jobs."""
    return ", ".join(f"{of(f'journal_jobs_{of_what}{{{state}}}'):.0f} {state}" for state in states)


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
            str(each.refused),
            str(each.cancelled),
            str(each.failed),
            millis(each.p50_ms),
            millis(each.p95_ms),
            millis(each.queue_p95_ms),
        )
        for each in workloads
    ]
    heads = ("workload", "ok", "refused", "cancelled", "failed", "p50", "p95", "queue p95")
    return "Workloads since the start", heads, rows


def _section(
    title: str, columns: tuple[str, ...], rows: Rows, most: int | None, unlisted: int = 0
) -> list[RenderableType]:
    """`unlisted`: how many there are beside these rows."""
    if not rows:
        return []
    table = Table(*columns, box=None, pad_edge=False, highlight=False)
    for row in rows[:most]:
        table.add_row(*(Text(cell, overflow="fold") for cell in row))
    hidden = unlisted + (0 if most is None else max(0, len(rows) - most))
    more = [Text(f"... and {hidden} more", style="dim")] if hidden else []
    return [Text(f"\n{title}", style="bold"), table, *more]
