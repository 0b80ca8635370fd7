"""Declarations of all metrics, the counters behind them, and the records of `popbridge status`."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from msgspec import Struct

from bridge.core.errors import CloseCode
from bridge.core.messages import CLIENT_MESSAGES, SERVER_MESSAGES, Error, Message, Result

BOUNDS_S = (0.0001, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the buckets in seconds; one more bucket holds longer durations."""


class Histogram:
    """A histogram of durations in seconds."""

    __slots__ = ("buckets", "sum")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS_S) + 1)
        self.sum = 0.0

    def __len__(self) -> int:
        return sum(self.buckets)

    def add(self, seconds: float) -> None:
        """Counts a duration."""
        # Most durations, thousands per second, belong to the first bucket.
        self.buckets[0 if seconds <= BOUNDS_S[0] else bisect_left(BOUNDS_S, seconds)] += 1
        self.sum += seconds

    def cumulative(self) -> Iterator[tuple[str, int]]:
        """Yields cumulative counts by bound in Prometheus's notation, `+Inf` last."""
        count = 0
        for bound, here in zip((*map(repr, BOUNDS_S), "+Inf"), self.buckets, strict=True):
            count += here
            yield bound, count

    def quantile(self, part: float) -> float | None:
        """Returns a quantile in seconds, interpolated within its bucket, or None without values.

        Durations beyond the last bound count as that bound.
        """
        wanted, below, low = part * len(self), 0, 0.0
        for bound, here in zip(BOUNDS_S, self.buckets, strict=False):
            if here and below + here >= wanted:
                return low + (bound - low) * max(0.0, wanted - below) / here
            below, low = below + here, bound
        return low if len(self) else None


Values = float | Histogram | Mapping[Any, "float | Histogram"]
"""A value, or values by label: by a tuple in the declared order if there are several labels."""
Source = Callable[[], Mapping[str, Values]]
"""Returns values by metric name. Must be fast."""


class Metric(Struct, frozen=True):
    """The declaration of a metric."""

    name: str
    """Follows Prometheus's conventions: it ends with the unit, and `_total` for counters."""
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    """One sentence."""
    labels: tuple[str, ...] = ()
    """Labels with few possible values, never chosen by clients."""


METRICS = (
    Metric("popbridge_info", "gauge", "Always 1; the label is the daemon's version.", ("version",)),
    Metric("popbridge_requests_total", "counter",
           "Answered requests, by `ok` or the error code.", ("workload", "outcome")),
    Metric("popbridge_requests_open", "gauge", "Open requests.", ("priority",)),
    Metric("popbridge_job_run_seconds", "histogram",
           "Run time of a job, without its wait; includes jobs of advisors.", ("workload",)),
    Metric("popbridge_job_queue_seconds", "histogram", "Time that a job waited for a worker.", ("workload",)),
    Metric("popbridge_jobs_waiting", "gauge",
           "Jobs waiting for a worker; a batch counts once.", ("device", "priority")),
    Metric("popbridge_workers", "gauge", "Worker processes, by `busy` or `idle`.", ("device", "state")),
    Metric("popbridge_workers_configured", "gauge", "Configured number of worker processes.", ("device",)),
    Metric("popbridge_workers_replaced_total", "counter",
           "Replaced workers: `crashed`, `cancelled` during a job, or using too much `memory` after "
           "one.", ("device", "reason")),
    Metric("popbridge_workers_memory_bytes", "gauge", "Resident memory of all workers."),
    Metric("popbridge_sessions", "gauge",
           "Sessions: `attached` to a connection, or `detached`.", ("state",)),
    Metric("popbridge_connections", "gauge",
           "Open WebSocket connections, by `identified` or `unidentified`.", ("state",)),
    Metric("popbridge_handshakes_refused_total", "counter",
           "Rejected handshakes, by HTTP status.", ("status",)),
    Metric("popbridge_connections_closed_total", "counter",
           "Connections closed by the daemon, by the close code's name in docs/reference/errors.md.",
           ("code",)),
    Metric("popbridge_connections_dropped_total", "counter",
           "Connections dropped without an answer: too many `unidentified`, too few `descriptors`, too many "
           "of one `peer`, or too slow with a `head`, a `body` or reading an `answer`.", ("reason",)),
    Metric("popbridge_failed_attempts_total", "counter", "Wrong tokens and proofs."),
    Metric("popbridge_rate_limited_total", "counter",
           "Requests refused by a rate limit, by the last part of its setting's name.", ("limit",)),
    Metric("popbridge_unacknowledged_bytes", "gauge",
           "Bytes of unacknowledged messages of all sessions."),
    Metric("popbridge_popups_open", "gauge", "Open popups."),
    Metric("popbridge_popup_answers_total", "counter", "Answers to popups, by their state.", ("state",)),
    Metric("popbridge_commands_open", "gauge", "Commands without an answer."),
    Metric("popbridge_command_answers_total", "counter",
           "Answers of editors to commands, by `result` or `error`.", ("answer",)),
    Metric("popbridge_frames_received_total", "counter", "Messages from clients, by type.", ("type",)),
    Metric("popbridge_frames_sent_total", "counter", "Messages to clients, by type.", ("type",)),
    Metric("popbridge_received_bytes_total", "counter", "Bytes of messages from clients."),
    Metric("popbridge_sent_bytes_total", "counter", "Bytes of messages to clients."),
    Metric("popbridge_store_failing", "gauge", "Is 1 while the database can't be written, else 0."),
    Metric("popbridge_store_commits_total", "counter", "Transactions of the database."),
    Metric("popbridge_store_writes_total", "counter", "Writes; a transaction has several."),
    Metric("popbridge_store_writes_waiting", "gauge", "Writes waiting for their commit."),
    Metric("popbridge_cache_hits_total", "counter", "Requests answered from the cache."),
    Metric("popbridge_cache_misses_total", "counter", "Requests whose result was computed and cached."),
    Metric("popbridge_cache_shared_total", "counter",
           "Requests that joined another in-flight request."),
    Metric("popbridge_cache_evictions_total", "counter", "Cached results that were evicted."),
    Metric("popbridge_cache_entries", "gauge", "Cached results."),
    Metric("popbridge_cache_bytes", "gauge", "Bytes of cached results and their files."),
    Metric("popbridge_journal_jobs_open", "gauge", "Durable jobs that are `waiting` or `running`.",
           ("state",)),
    Metric("popbridge_journal_jobs_total", "counter",
           "Durable jobs that ended as `done`, `failed` or `cancelled`.", ("state",)),
    Metric("popbridge_blobs", "gauge", "Stored blobs."),
    Metric("popbridge_blobs_bytes", "gauge", "Bytes of stored blobs."),
    Metric("popbridge_blobs_quota_bytes", "gauge", "Quota for blobs in bytes; 0 means no limit."),
    Metric("popbridge_blobs_removed_total", "counter", "Deleted unreferenced blobs."),
    Metric("popbridge_event_loop_lag_seconds", "histogram",
           "Delay of timers on the daemon's event loop."),
    Metric("process_resident_memory_bytes", "gauge", "Resident memory of the daemon without its workers."),
    Metric("process_cpu_seconds_total", "counter", "User and system time of the daemon without its workers."),
    Metric("process_start_time_seconds", "gauge", "Start time of the daemon, in Unix time."),
)  # fmt: skip

BY_NAME: Mapping[str, Metric] = {metric.name: metric for metric in METRICS}


UNKNOWN = "unknown"
"""Label for unknown workloads, whose names are chosen by clients."""


class RequestCount:
    """Counts of requests for one workload or question, and durations of its jobs."""

    __slots__ = ("failed", "ok", "queued", "run")

    def __init__(self) -> None:
        self.ok = 0
        self.failed: Counter[str] = Counter()
        """Counts by error code."""
        self.run = Histogram()
        """Run times of jobs, including those of advisors."""
        self.queued = Histogram()
        """Times that jobs waited for a worker."""

    @property
    def outcomes(self) -> Iterator[tuple[str, int]]:
        """Yields the count of `ok` and of each error code."""
        yield from [("ok", self.ok)] if self.ok else []
        yield from self.failed.items()


class Counts:
    """The daemon's counters."""

    def __init__(self) -> None:
        self.received: dict[type[Message], int] = dict.fromkeys(CLIENT_MESSAGES, 0)
        self.sent: dict[type[Message], int] = dict.fromkeys(SERVER_MESSAGES, 0)
        self.received_bytes = 0
        self.sent_bytes = 0
        self.closed: Counter[str] = Counter()
        """Connections closed by the daemon, by name of the close code."""
        self.refused: Counter[int] = Counter()
        """Rejected handshakes, by HTTP status."""
        self.dropped: Counter[str] = Counter()
        """Connections dropped without an answer, by reason."""
        self.failed_attempts = 0
        """Wrong tokens and proofs."""
        self.limited: Counter[str] = Counter()
        """Requests refused by a rate limit, by the limit."""
        self.popups: Counter[str] = Counter()
        """Answers to popups, by `answer.state`."""
        self.commands: Counter[str] = Counter()
        """Replies of editors to commands, by `result` or `error`."""
        self._asked: dict[str, RequestCount] = {}

    @property
    def asked(self) -> Mapping[str, RequestCount]:
        """Counts by workload or question, omitting those never requested."""
        return self._asked

    def of(self, name: str) -> RequestCount:
        """Returns the counts of a workload or question, or of UNKNOWN."""
        asked = self._asked.get(name)
        if asked is None:
            asked = self._asked[name] = RequestCount()
        return asked

    def answered(self, name: str, answer: Result | Error) -> None:
        """Counts an answer."""
        asked = self.of(name)
        if isinstance(answer, Error):
            asked.failed[answer.code] += 1
        else:
            asked.ok += 1

    def ran(self, name: str, run_s: float, queued_s: float) -> None:
        """Counts a job's run time and wait."""
        asked = self.of(name)
        asked.run.add(run_s)
        asked.queued.add(queued_s)

    def close(self, close: CloseCode) -> None:
        """Counts a connection closed by the daemon."""
        self.closed[close.name] += 1


class WorkerStatus(Struct):
    """One worker process."""

    pid: int
    device: str
    """`CPU`, or the GPU's name."""
    busy: bool
    doing: str
    """The current workload; empty if idle."""
    for_s: float
    """Seconds that it has been busy or idle."""
    memory: int
    """Resident bytes; 0 if unknown."""


class SessionStatus(Struct):
    """One session."""

    id: str
    client: str
    """Kind, name and version."""
    engine: str
    """Name and version; empty without an engine."""
    project: str
    """The project's name; empty without a project."""
    attached: bool
    idle_s: float
    """Seconds since its last message, or since it was detached."""
    open: int
    """Open requests."""
    popups: int
    unacknowledged: int
    """Unacknowledged messages."""
    unacknowledged_bytes: int


class WorkloadStatus(Struct):
    """One workload or question since the daemon's start."""

    name: str
    ok: int
    failed: int
    """Number of failed requests, without rejected and cancelled ones."""
    p50_ms: float | None
    """Median run time, estimated from buckets; None if no job ran."""
    p95_ms: float | None
    queue_p95_ms: float | None
    """The 95th percentile of the wait for a worker."""
    refused: int = 0
    """Rejected requests (`REFUSALS` in `bridge.core.errors`)."""
    cancelled: int = 0
    jobs: int = 0
    """Number of jobs measured, including jobs of advisors."""


class Status(Struct):
    """The current state of a daemon."""

    version: str
    instance: str
    pid: int
    address: str
    """The WebSocket's address."""
    uptime_s: float
    devices: list[str]
    """The devices that run jobs."""
    open: dict[str, int]
    """Open requests by priority."""
    inflight: int
    """Maximum number of open requests."""
    waiting: dict[str, int]
    """Jobs waiting for a worker, by priority; a batch counts once."""
    workers: list[WorkerStatus]
    replaced: dict[str, int]
    """Replaced workers, by reason."""
    sessions: list[SessionStatus]
    """The sessions with the most open work, in the order in which they were opened."""
    attached: int
    """Number of sessions with a connected client."""
    away: int
    """Number of sessions waiting for their client."""
    connections: int
    workloads: list[WorkloadStatus]
    """Sorted by the number of requests."""
    memory: int
    """Resident bytes of the daemon without workers."""
    lag_p95_ms: float | None
    """The 95th percentile of the event loop's lag."""
    refused: dict[str, int] = {}
    """Rejected requests since the start, by error code."""
    figures: dict[str, float] = {}
    """Metrics of the store, cache, journal and blobs by name. Label values follow in braces, as in
    `popbridge_journal_jobs_open{waiting}`."""
