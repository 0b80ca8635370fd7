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
    parts: list[RenderableType] = [Text(line) for line in _lines(status)]
    parts += _section("Workers", _workers(status.workers), most)
    parts += _section("Sessions", _sessions(status.sessions), most)
    parts += _section("Workloads since the start", _workloads(status.workloads), most)
    return Group(*parts)


def _lines(status: Status) -> Iterable[str]:
    yield (
        f"PopBridge {status.version} at {status.address}, up {duration(status.uptime_s)} (process {status.pid})"
    )
    workers = sum(worker.memory for worker in status.workers)
    yield f"Runs on   {', '.join(status.devices)}"
    yield (
        f"Memory    daemon {size(status.memory)}, workers {size(workers)}; "
        f"event loop late by {millis(status.lag_p95_ms)} (p95)"
    )
    yield f"Requests  {_by_priority(status.open)} open, at most {status.inflight}"
    yield f"Queue     {_by_priority(status.waiting)} waiting for a worker"
    if any(status.replaced.values()):
        reasons = (f"{count} {reason}" for reason, count in status.replaced.items() if count)
        yield f"Replaced  {', '.join(reasons)} workers"
    attached = sum(session.attached for session in status.sessions)
    yield (
        f"Clients   {status.connections} connections; {attached} sessions attached, "
        f"{len(status.sessions) - attached} waiting for theirs"
    )
    yield from _figures(status.figures)


def _by_priority(counts: Mapping[str, int]) -> str:
    each = ", ".join(f"{count} {priority}" for priority, count in counts.items() if count)
    return f"{sum(counts.values())}" + (f" ({each})" if each else "")


def _figures(figures: Mapping[str, float]) -> Iterable[str]:
    """Of the parts that not every daemon has."""
    return ()


def _section(title: str, table: Table, most: int | None) -> list[RenderableType]:
    if not table.row_count:
        return []
    hidden = 0 if most is None else max(0, table.row_count - most)
    shown = _first(table, most) if hidden else table
    more = [Text(f"... and {hidden} more", style="dim")] if hidden else []
    return [Text(f"\n{title}", style="bold"), shown, *more]
