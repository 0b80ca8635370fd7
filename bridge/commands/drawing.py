"""A daemon's status as lines and tables on a screen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

from bridge.commands.language import told
from bridge.commands.measures import counted, duration, millis, size
from bridge.commands.screen import columns
from bridge.commands.texts import status as status_texts
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
    yield told(status_texts.HEAD, version=status.version, address=status.address, up=up, pid=status.pid)
    yield told(status_texts.DEVICES, devices=", ".join(status.devices))
    workers = size(sum(worker.memory for worker in status.workers))
    late = told(status_texts.LATE, late=millis(status.lag_p95_ms)) if status.lag_p95_ms else ""
    yield told(status_texts.MEMORY, memory=size(status.memory), workers=workers, late=late)
    yield told(status_texts.REQUESTS, open=_by_priority(status.open), most=status.inflight)
    yield told(status_texts.QUEUE, waiting=_by_priority(status.waiting))
    if any(status.replaced.values()):
        workers = counted(sum(status.replaced.values()), status_texts.WORKER)
        yield told(status_texts.REPLACED, workers=workers, reasons=_listed(status.replaced))
    if status.refused:
        requests = counted(sum(status.refused.values()), status_texts.REQUEST)
        yield told(status_texts.REFUSED, requests=requests, codes=_listed(status.refused))
    yield told(
        status_texts.CLIENTS,
        connections=counted(status.connections, status_texts.CONNECTION),
        sessions=counted(status.attached, status_texts.SESSION),
        away=status.away,
    )
    yield from _figures(status.figures)


def _figures(figures: Mapping[str, float]) -> Iterable[str]:
    """Of the cache, the journal and the blobs, as far as there are any."""

    def of(name: str) -> float:
        return figures.get(f"popbridge_{name}", 0.0)

    if of("store_failing"):
        yield told(status_texts.FAILING)
    if "popbridge_cache_hits_total" in figures:
        hits = of("cache_hits_total") + of("cache_shared_total")
        asked = hits + of("cache_misses_total")
        requests = counted(asked, status_texts.REQUEST)
        rate = (
            told(status_texts.RATE, share=hits / asked, requests=requests)
            if asked
            else told(status_texts.UNASKED)
        )
        results = counted(of("cache_entries"), status_texts.RESULT)
        yield told(status_texts.CACHE, rate=rate, results=results, size=size(of("cache_bytes")))
    if "popbridge_journal_jobs_open{waiting}" in figures:
        now = _states("open", ("waiting", "running"), of)
        ended = _states("total", ("done", "failed", "cancelled"), of)
        yield told(status_texts.JOURNAL, now=now, ended=ended)
    if "popbridge_blobs" in figures:
        quota = of("blobs_quota_bytes")
        most = told(status_texts.QUOTA, size=size(quota)) if quota else ""
        yield told(status_texts.BLOBS, count=of("blobs"), size=size(of("blobs_bytes")), quota=most)


def _states(of_what: str, states: Sequence[str], of: Callable[[str], float]) -> str:
    """`1 waiting, 0 running`, of the journal's jobs."""
    return told(status_texts.COMMA).join(
        told(status_texts.STATES[state], count=of(f"journal_jobs_{of_what}{{{state}}}")) for state in states
    )


def _by_priority(counts: Mapping[str, int]) -> str:
    each = _listed(counts)
    total = sum(counts.values())
    return told(status_texts.WITH, what=total, said=each) if each else f"{total}"


def _listed(counts: Mapping[str, int]) -> str:
    return told(status_texts.COMMA).join(f"{count} {name}" for name, count in counts.items() if count)


class Fitting:
    """A table without the columns for which a screen has no room."""

    def __init__(self, rows: Rows, heads: tuple[str, ...]) -> None:
        self._rows = rows
        self._heads = heads

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table]:
        less = [told(head) for head in status_texts.LESS if told(head) in self._heads]
        yield columns(self._rows, self._heads, less, options.max_width)


Rows = Sequence[tuple[str, ...]]
Section = tuple[str, tuple[str, ...], Rows]


def _workers(workers: Sequence[WorkerStatus]) -> Section:
    rows = [
        (
            str(worker.pid),
            worker.device,
            (worker.doing or told(status_texts.A_JOB)) if worker.busy else told(status_texts.IDLE),
            duration(worker.for_s),
            size(worker.memory),
        )
        for worker in workers
    ]
    return told(status_texts.WORKERS), tuple(map(told, status_texts.OF_WORKERS)), rows


def _sessions(sessions: Sequence[SessionStatus]) -> Section:
    rows = [
        (
            session.id,
            session.client,
            session.engine or "-",
            session.project or "-",
            told(status_texts.ATTACHED if session.attached else status_texts.AWAY),
            duration(session.idle_s),
            str(session.open),
            str(session.popups),
            told(status_texts.WITH, what=session.unacknowledged, said=size(session.unacknowledged_bytes)),
        )
        for session in sessions
    ]
    return told(status_texts.SESSIONS), tuple(map(told, status_texts.OF_SESSIONS)), rows


def _workloads(workloads: Sequence[WorkloadStatus]) -> Section:
    rows = [
        (
            each.name,
            str(each.ok),
            str(each.refused),
            str(each.cancelled),
            str(each.failed),
            str(each.jobs),
            millis(each.p50_ms),
            millis(each.p95_ms),
            millis(each.queue_p95_ms),
        )
        for each in workloads
    ]
    return told(status_texts.WORKLOADS), tuple(map(told, status_texts.OF_WORKLOADS)), rows


def _section(
    title: str, heads: tuple[str, ...], rows: Rows, most: int | None, unlisted: int = 0
) -> list[RenderableType]:
    """`unlisted`: how many there are beside these rows."""
    if not rows:
        return []
    table = Fitting(rows[:most], heads)
    hidden = unlisted + (0 if most is None else max(0, len(rows) - most))
    more = [Text(told(status_texts.MORE, count=hidden), style="dim")] if hidden else []
    return [Text(f"\n{title}", style="bold"), table, *more]
