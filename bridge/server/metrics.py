"""Collects metrics and the status, and serves /metrics, /status and /doctor."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import heapq
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Protocol

import msgspec
import psutil
from msgspec import Struct, field
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, core
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from accel.execution.device_router import DeviceRouter
from accel.execution.pool import Pool, WorkerState
from bridge import __version__
from bridge.core import errors
from bridge.core.messages import Message
from bridge.core.metrics import (
    BY_NAME,
    METRICS,
    Counts,
    Histogram,
    Metric,
    RequestCount,
    SessionStatus,
    Source,
    Status,
    Values,
    WorkerStatus,
    WorkloadStatus,
)
from bridge.core.router import Admission, Router
from bridge.server.cache import CachedExecutor
from bridge.server.http import Guard
from bridge.server.live_session import LiveSession
from bridge.server.sessions import Sessions
from bridge.server.watchdog import LoopLag
from bridge.server.websocket import ConnectionLimiter
from bridge.store.store import Store

log = logging.getLogger(__name__)

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class Metrics:
    """The daemon's metrics from several sources."""

    def __init__(self) -> None:
        self._sources: list[Source] = []

    def add(self, source: Source) -> None:
        """Adds a source of metrics declared in `bridge/core/metrics.py`."""
        self._sources.append(source)

    async def text(self) -> bytes:
        """Returns the body of `/metrics`; formats it in a thread, because that takes milliseconds."""
        return await asyncio.to_thread(_written, self.values())

    def values(self) -> Mapping[str, Values]:
        """Returns the values of all sources by metric name. Failing sources are logged and skipped."""
        found: dict[str, Values] = {}
        for source in self._sources:
            try:
                found.update(source())
            # One failing source must not hide the others.
            except Exception:
                log.exception("a source of metrics failed")
        if unknown := found.keys() - BY_NAME.keys():
            raise LookupError(f"bridge/core/metrics.py declares no metric {', '.join(sorted(unknown))}")
        return found


class _Snapshot(Collector):
    """A prometheus_client collector of values that were read beforehand."""

    def __init__(self, values: Mapping[str, Values]) -> None:
        self._values = values

    def collect(self) -> Iterator[core.Metric]:
        values = self._values
        return (_family(metric, values[metric.name]) for metric in METRICS if metric.name in values)


def _written(values: Mapping[str, Values]) -> bytes:
    # Use a new registry: several daemons in a process, as in tests, would share the global one.
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Snapshot(values))
    GCCollector(registry=registry)
    PlatformCollector(registry=registry)
    return generate_latest(registry)


def _family(metric: Metric, values: Values) -> core.Metric:
    by_labels = values if isinstance(values, Mapping) else {(): values}
    if metric.kind == "histogram":
        histogram = core.HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for labels, value in by_labels.items():
            assert isinstance(value, Histogram)
            histogram.add_metric(_labels(labels), list(value.cumulative()), value.sum)
        return histogram
    kind = core.CounterMetricFamily if metric.kind == "counter" else core.GaugeMetricFamily
    family: Any = kind(metric.name, metric.help, labels=metric.labels)
    for labels, value in by_labels.items():
        family.add_metric(_labels(labels), value)
    found: core.Metric = family
    return found


def _labels(labels: str | tuple[str, ...]) -> tuple[str, ...]:
    return (labels,) if isinstance(labels, str) else labels


class Observed(Struct, frozen=True):
    """The parts of a daemon that metrics and the status read."""

    counts: Counts
    router: Router
    routed: DeviceRouter
    sessions: Sessions
    limiter: ConnectionLimiter
    lag: LoopLag
    began: float = field(default_factory=time.monotonic)
    """Start time by `time.monotonic`, because the wall clock can be set."""

    @property
    def pools(self) -> Sequence[tuple[str, Pool]]:
        """The worker pools by device."""
        return [(queue.device.label, queue.pool) for queue in self.routed.queues if queue.pool is not None]

    @property
    def workers(self) -> Sequence[tuple[str, WorkerState]]:
        """All workers with their devices."""
        return [(device, state) for device, pool in self.pools for state in pool.states]

    @property
    def pids(self) -> Sequence[int]:
        return [state.pid for _, state in self.workers]


class ProcessStats(Struct, frozen=True):
    """Memory and CPU time of the daemon and its workers."""

    daemon: int = 0
    """Resident bytes of the daemon."""
    cpu_s: float = 0.0
    """User and system CPU time of the daemon in seconds."""
    began: float = 0.0
    """Start time of the daemon in Unix time."""
    workers: Mapping[int, int] = {}
    """Resident bytes of living workers by process id."""


async def read_process_stats(pids: Sequence[int]) -> ProcessStats:
    """Reads the statistics in a thread, because many processes take a while."""
    return await asyncio.to_thread(_read_stats, pids)


def _read_stats(pids: Sequence[int]) -> ProcessStats:
    own = psutil.Process()
    with own.oneshot():
        times = own.cpu_times()
        workers = {}
        for pid in pids:
            with contextlib.suppress(psutil.Error):
                workers[pid] = psutil.Process(pid).memory_info().rss
        return ProcessStats(own.memory_info().rss, times.user + times.system, own.create_time(), workers)


def counted(observed: Observed) -> Mapping[str, Values]:
    counts = observed.counts
    return {
        "popbridge_info": {__version__: 1.0},
        "popbridge_requests_total": {
            (name, outcome): count
            for name, asked in counts.asked.items()
            for outcome, count in asked.outcomes
        },
        "popbridge_job_run_seconds": _histograms(counts, lambda asked: asked.run),
        "popbridge_job_queue_seconds": _histograms(counts, lambda asked: asked.queued),
        "popbridge_handshakes_refused_total": {str(status): n for status, n in counts.refused.items()},
        "popbridge_connections_closed_total": dict(counts.closed),
        "popbridge_connections_dropped_total": dict(counts.dropped),
        "popbridge_failed_attempts_total": counts.failed_attempts,
        "popbridge_rate_limited_total": dict(counts.limited),
        "popbridge_popup_answers_total": dict(counts.popups),
        "popbridge_command_answers_total": dict(counts.commands),
        "popbridge_frames_received_total": {_type(kind): n for kind, n in counts.received.items()},
        "popbridge_frames_sent_total": {_type(kind): n for kind, n in counts.sent.items()},
        "popbridge_received_bytes_total": counts.received_bytes,
        "popbridge_sent_bytes_total": counts.sent_bytes,
    }


def open_now(observed: Observed) -> Mapping[str, Values]:
    """Returns the gauges of requests, sessions and popups."""
    sessions, limiter = observed.sessions, observed.limiter
    attached = sum(live.session.attached for live in sessions)
    return {
        "popbridge_requests_open": dict(observed.router.admission.open),
        "popbridge_sessions": {"attached": attached, "detached": len(sessions) - attached},
        "popbridge_connections": {
            "identified": limiter.open - limiter.unidentified,
            "unidentified": limiter.unidentified,
        },
        "popbridge_unacknowledged_bytes": sessions.unacknowledged.bytes,
        "popbridge_popups_open": len({popup.id for live in sessions for popup in live.session.popups}),
        "popbridge_commands_open": sum(len(live.session.commands) for live in sessions),
        "popbridge_event_loop_lag_seconds": observed.lag.seen,
    }


def workers(observed: Observed) -> Mapping[str, Values]:
    """Returns jobs and workers by device."""
    waiting, states, configured, replaced = {}, {}, {}, {}
    for device, pool in observed.pools:
        configured[device] = float(pool.size)
        waiting.update({(device, each): float(n) for each, n in pool.waiting_by_priority.items()})
        replaced.update({(device, reason): float(n) for reason, n in pool.ended.items()})
        living = Counter("busy" if state.busy else "idle" for state in pool.states)
        states.update({(device, state): float(living[state]) for state in ("busy", "idle")})
    return {
        "popbridge_jobs_waiting": waiting,
        "popbridge_workers": states,
        "popbridge_workers_configured": configured,
        "popbridge_workers_replaced_total": replaced,
    }


def processes(stats: ProcessStats) -> Mapping[str, Values]:
    """Returns memory and CPU time."""
    return {
        "popbridge_workers_memory_bytes": sum(stats.workers.values()),
        "process_resident_memory_bytes": stats.daemon,
        "process_cpu_seconds_total": stats.cpu_s,
        "process_start_time_seconds": stats.began,
    }


def stored(store: Store) -> Mapping[str, Values]:
    """Returns the metrics of the database."""
    return {
        "popbridge_store_failing": float(bool(store.trouble)),
        "popbridge_store_commits_total": store.commits,
        "popbridge_store_writes_total": store.writes,
        "popbridge_store_writes_waiting": store.waiting,
    }


def _histograms(counts: Counts, of: Callable[[RequestCount], Histogram]) -> Mapping[str, Histogram]:
    return {name: of(asked) for name, asked in counts.asked.items() if len(of(asked))}


def _type(kind: type[Message]) -> str:
    return str(kind.__struct_config__.tag)


class Tally(Protocol):
    """The counters of durable jobs."""

    waiting: int
    done: int
    failed: int
    cancelled: int


class Blobs(Protocol):
    """The counters of the blob store."""

    quota: int
    removed: int

    @property
    def count(self) -> int: ...
    @property
    def size(self) -> int: ...


def cached(cache: CachedExecutor) -> Mapping[str, Values]:
    """Returns the metrics of the response cache."""
    return {
        "popbridge_cache_hits_total": cache.hits,
        "popbridge_cache_misses_total": cache.misses,
        "popbridge_cache_shared_total": cache.shared,
        "popbridge_cache_evictions_total": cache.responses.evictions,
        "popbridge_cache_entries": cache.responses.entries,
        "popbridge_cache_bytes": cache.responses.size,
    }


def promised(tally: Tally, running: int) -> Mapping[str, Values]:
    """Returns the metrics of the journal."""
    ended = {"done": tally.done, "failed": tally.failed, "cancelled": tally.cancelled}
    return {
        "popbridge_journal_jobs_open": {"waiting": tally.waiting, "running": running},
        "popbridge_journal_jobs_total": ended,
    }


def blobs(store: Blobs) -> Mapping[str, Values]:
    """Returns the metrics of the blobs."""
    return {
        "popbridge_blobs": store.count,
        "popbridge_blobs_bytes": store.size,
        "popbridge_blobs_quota_bytes": store.quota,
        "popbridge_blobs_removed_total": store.removed,
    }


MAX_SESSIONS = 200
"""Maximum number of sessions in the status."""


def status(
    observed: Observed,
    stats: ProcessStats,
    instance: str,
    address: str,
    figures: Mapping[str, Values],
    asking: LiveSession | None = None,
) -> Status:
    """Returns the daemon's status, with those of `figures` that have at most one label, and without the
    session that asks for it."""
    now = time.monotonic()
    others = [live for live in observed.sessions if live is not asking]
    admission, pools = observed.router.admission, [pool for _, pool in observed.pools]
    lag = observed.lag.seen.quantile(0.95)
    return Status(
        version=__version__,
        instance=instance,
        pid=os.getpid(),
        address=address,
        uptime_s=now - observed.began,
        devices=[device for device, _ in observed.pools],
        open=dict(admission.open),
        inflight=admission.most,
        waiting={each: sum(pool.waiting_by_priority[each] for pool in pools) for each in admission.open},
        workers=_workers(observed, stats),
        replaced={reason: sum(pool.ended[reason] for pool in pools) for reason in pools[0].ended},
        sessions=[_session(live, now, admission.of(live.id)) for live in _listed(others, admission)],
        attached=(attached := sum(live.session.attached for live in others)),
        away=len(others) - attached,
        connections=observed.limiter.open - (asking is not None and asking.session.attached),
        workloads=_workloads(observed.counts),
        memory=stats.daemon,
        lag_p95_ms=_ms(lag),
        refused=_refused(observed.counts),
        figures=dict(_plain(figures)),
    )


def _listed(sessions: list[LiveSession], admission: Admission) -> list[LiveSession]:
    """Returns the sessions with the most open requests, then the most unacknowledged bytes, in the order in
    which they were opened."""
    if len(sessions) <= MAX_SESSIONS:
        return sessions

    def stake(at: int) -> tuple[int, int]:
        return admission.of(sessions[at].id), sessions[at].backlog.bytes

    return [sessions[at] for at in sorted(heapq.nlargest(MAX_SESSIONS, range(len(sessions)), stake))]


def _workers(observed: Observed, stats: ProcessStats) -> list[WorkerStatus]:
    return [
        WorkerStatus(
            pid=state.pid,
            device=device,
            busy=state.busy,
            doing=state.doing,
            for_s=state.for_s,
            memory=stats.workers.get(state.pid, 0),
        )
        for device, state in observed.workers
    ]


def _session(live: LiveSession, now: float, open_: int) -> SessionStatus:
    identify = live.identify
    client, engine, project = identify.client, identify.engine, identify.project
    return SessionStatus(
        id=live.id,
        client=f"{client.kind} {client.name} {client.version}",
        engine=f"{engine.name} {engine.version}" if engine else "",
        project=project.name if project else "",
        attached=live.session.attached,
        idle_s=now - live.last_heard,
        open=open_,
        popups=len(live.session.popups),
        unacknowledged=live.session.unacknowledged,
        unacknowledged_bytes=live.backlog.bytes,
    )


def _workloads(counts: Counts) -> list[WorkloadStatus]:
    found = [
        WorkloadStatus(
            name=name,
            ok=asked.ok,
            failed=asked.failed.total() - _refusals(asked).total() - asked.failed[errors.CANCELLED.name],
            p50_ms=_ms(asked.run.quantile(0.5)),
            p95_ms=_ms(asked.run.quantile(0.95)),
            queue_p95_ms=_ms(asked.queued.quantile(0.95)),
            refused=_refusals(asked).total(),
            cancelled=asked.failed[errors.CANCELLED.name],
            jobs=len(asked.run),
        )
        for name, asked in counts.asked.items()
    ]
    return sorted(found, key=lambda each: (-each.ok - each.failed - each.refused - each.cancelled, each.name))


def _refused(counts: Counts) -> dict[str, int]:
    return dict(sum((_refusals(asked) for asked in counts.asked.values()), Counter()).most_common())


def _refusals(asked: RequestCount) -> Counter[str]:
    return Counter({code: count for code, count in asked.failed.items() if code in errors.REFUSALS})


def _plain(figures: Mapping[str, Values]) -> Iterator[tuple[str, float]]:
    for name, values in figures.items():
        if isinstance(values, float | int):
            yield name, float(values)
        elif isinstance(values, Mapping):
            one = {label: value for label, value in values.items() if isinstance(label, str)}
            yield from ((f"{name}{{{label}}}", v) for label, v in one.items() if isinstance(v, float | int))


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000


JSON = "application/json"
Inspect = Callable[[], Sequence[object]]
"""Checks the daemon's machine; returns results that can be encoded, as `popbridge doctor --json` shows."""


class Operator:
    """Handlers of /metrics, /status and /doctor."""

    def __init__(self, observed: Observed, metrics: Metrics, instance: str) -> None:
        self._observed = observed
        self._metrics = metrics
        self._instance = instance
        self._stats = ProcessStats()
        self.address = ""
        """The URL of the daemon's WebSocket, once it listens."""
        self.inspect: Inspect | None = None
        for source in (counted, open_now, workers):
            metrics.add(functools.partial(source, observed))
        metrics.add(lambda: processes(self._stats))

    def routes(self, guard: Guard) -> list[Route]:
        handlers = {"/metrics": self.metrics, "/status": self.status, "/doctor": self.doctor}
        return [guard.route("GET", path, handler) for path, handler in handlers.items()]

    async def metrics(self, request: Request) -> Response:
        await self._read_stats()
        return Response(await self._metrics.text(), media_type=CONTENT_TYPE)

    async def status(self, request: Request) -> Response:
        await self._read_stats()
        asking, figures = request.state.session, self._metrics.values()
        found = status(self._observed, self._stats, self._instance, self.address, figures, asking)
        return Response(msgspec.json.encode(found), media_type=JSON)

    async def doctor(self, request: Request) -> Response:
        found = await asyncio.wrap_future(self.start_inspection())
        return Response(msgspec.json.encode(found), media_type=JSON)

    def start_inspection(self) -> Future[Sequence[object]]:
        """Starts the checks of the daemon's machine, which may take seconds."""
        done: Future[Sequence[object]] = Future()
        # The thread has a result even if nobody waits any more.
        done.set_running_or_notify_cancel()

        def work() -> None:
            try:
                done.set_result(self.inspect() if self.inspect is not None else ())
            except BaseException as error:
                done.set_exception(error)

        # Not one of the loop's threads, for which its end would wait.
        threading.Thread(target=work, name="doctor", daemon=True).start()
        return done

    async def _read_stats(self) -> None:
        self._stats = await read_process_stats(self._observed.pids)
