"""Every metric; counters, histogram, status record."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from msgspec import Struct

from bridge.core.errors import CloseCode
from bridge.core.messages import CLIENT_MESSAGES, SERVER_MESSAGES, Error, Message, Result

BOUNDS_S = (0.0001, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""The upper bounds of the buckets, seconds; one more holds what took longer."""


FIRST_S = BOUNDS_S[0]


class Histogram:
    """Counted durations, seconds."""

    __slots__ = ("buckets", "sum")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS_S) + 1)
        self.sum = 0.0

    def __len__(self) -> int:
        return sum(self.buckets)

    def add(self, seconds: float) -> None:
        """Counts one."""
        # Most are of what the daemon does itself, by the thousand each second.
        self.buckets[0 if seconds <= FIRST_S else bisect_left(BOUNDS_S, seconds)] += 1
        self.sum += seconds

    def cumulative(self) -> Iterator[tuple[str, int]]:
        """How many took at most so long, by the bound as Prometheus writes it, `+Inf` last."""
        count = 0
        for bound, here in zip((*map(repr, BOUNDS_S), "+Inf"), self.buckets, strict=True):
            count += here
            yield bound, count

    def quantile(self, part: float) -> float | None:
        """What this part of them took at most, seconds, evenly spread within a bucket; None where none is
        counted. What took longer than the last bound is said to have taken that long."""
        wanted, below, low = part * len(self), 0, 0.0
        for bound, here in zip(BOUNDS_S, self.buckets, strict=False):
            if here and below + here >= wanted:
                return low + (bound - low) * max(0.0, wanted - below) / here
            below, low = below + here, bound
        return low if len(self) else None


Values = float | Histogram | Mapping[Any, "float | Histogram"]
"""One value, or values by the label's value; where there are several labels by a tuple, in the order in which
the metric declares them."""
Source = Callable[[], Mapping[str, Values]]
"""Gives values by the metrics' names, when somebody asks: quickly, and from what is counted anyway."""


class Metric(Struct, frozen=True):
    """One declared metric."""

    name: str
    """By Prometheus's conventions: the unit, and `_total` where it only grows, stand at the end."""
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    """One sentence."""
    labels: tuple[str, ...] = ()
    """Each of few values: nothing that clients choose."""


METRICS = (
    Metric("popbridge_info", "gauge", "Always 1; the label is the daemon's version.", ("version",)),
    Metric("popbridge_requests_total", "counter",
           "Answered requests: `ok`, or the code of the error.", ("workload", "outcome")),
    Metric("popbridge_requests_open", "gauge", "Requests that aren't answered yet.", ("priority",)),
    Metric("popbridge_job_run_seconds", "histogram",
           "What a job took, without its wait; also of those that an advisor had done.", ("workload",)),
    Metric("popbridge_job_queue_seconds", "histogram", "How long a job waited for a worker.", ("workload",)),
    Metric("popbridge_jobs_waiting", "gauge",
           "Jobs that wait for a worker; a batch counts once.", ("device", "priority")),
    Metric("popbridge_workers", "gauge", "Living worker processes: `busy` or `idle`.", ("device", "state")),
    Metric("popbridge_workers_configured", "gauge", "Worker processes that there should be.", ("device",)),
    Metric("popbridge_workers_replaced_total", "counter",
           "Workers that were replaced: `crashed`, `cancelled` at work on what nobody wanted any more, or "
           "holding too much `memory` after a job.", ("device", "reason")),
    Metric("popbridge_workers_memory_bytes", "gauge", "Resident memory of all workers together."),
    Metric("popbridge_sessions", "gauge",
           "Sessions: `attached` to a connection, or `detached` and kept.", ("state",)),
    Metric("popbridge_connections", "gauge",
           "Open WebSocket connections: `identified`, or `unidentified` yet.", ("state",)),
    Metric("popbridge_handshakes_refused_total", "counter",
           "Handshakes that were refused, by HTTP status.", ("status",)),
    Metric("popbridge_connections_closed_total", "counter",
           "Connections that the daemon closed, by the close code's name in docs/reference/errors.md.",
           ("code",)),
    Metric("popbridge_unacknowledged_bytes", "gauge",
           "What is kept for all clients until they acknowledge it."),
    Metric("popbridge_popups_open", "gauge", "Popups that nobody has answered yet."),
    Metric("popbridge_popup_answers_total", "counter", "What people did with popups.", ("state",)),
    Metric("popbridge_commands_open", "gauge", "Commands that their editors haven't answered yet."),
    Metric("popbridge_command_answers_total", "counter",
           "What editors answered to commands: `result` or `error`.", ("answer",)),
    Metric("popbridge_frames_received_total", "counter", "Messages from clients.", ("type",)),
    Metric("popbridge_frames_sent_total", "counter", "Messages to clients.", ("type",)),
    Metric("popbridge_received_bytes_total", "counter", "Bytes of messages from clients."),
    Metric("popbridge_sent_bytes_total", "counter", "Bytes of messages to clients."),
    Metric("popbridge_store_failing", "gauge", "Whether the database can't be written now: 1 or 0."),
    Metric("popbridge_store_commits_total", "counter", "Transactions of the database."),
    Metric("popbridge_store_writes_total", "counter", "Writes in them: several share one."),
    Metric("popbridge_store_writes_waiting", "gauge", "Writes that wait for their commit."),
    Metric("popbridge_cache_hits_total", "counter", "Requests that were given a kept result."),
    Metric("popbridge_cache_misses_total", "counter", "Requests whose result was made, to be kept."),
    Metric("popbridge_cache_shared_total", "counter",
           "Requests that waited for another's result, which was under way already."),
    Metric("popbridge_cache_evictions_total", "counter", "Kept results that made room for others."),
    Metric("popbridge_cache_entries", "gauge", "Kept results."),
    Metric("popbridge_cache_bytes", "gauge", "What kept results and their files take."),
    Metric("popbridge_journal_jobs_open", "gauge", "Promised jobs that aren't done: `waiting` or `running`.",
           ("state",)),
    Metric("popbridge_journal_jobs_total", "counter",
           "Promised jobs that came to an end: `done`, `failed` or `cancelled`.", ("state",)),
    Metric("popbridge_blobs", "gauge", "Blobs that are kept."),
    Metric("popbridge_blobs_bytes", "gauge", "What they take."),
    Metric("popbridge_blobs_quota_bytes", "gauge", "What they may take; 0 is no limit."),
    Metric("popbridge_blobs_removed_total", "counter", "Blobs that were removed, as nothing named them."),
    Metric("popbridge_event_loop_lag_seconds", "histogram",
           "How much later than it should the daemon's event loop came to a timer."),
    Metric("process_resident_memory_bytes", "gauge", "Resident memory of the daemon without its workers."),
    Metric("process_cpu_seconds_total", "counter", "User and system time of the daemon without its workers."),
    Metric("process_start_time_seconds", "gauge", "When the daemon began, Unix time."),
)  # fmt: skip

BY_NAME: Mapping[str, Metric] = {metric.name: metric for metric in METRICS}


UNKNOWN = "unknown"
"""The name under which requests for what there isn't are counted: a client may ask for anything."""


class RequestCount:
    """What became of requests for one workload or question, and what its jobs took."""

    __slots__ = ("failed", "ok", "queued", "run")

    def __init__(self) -> None:
        self.ok = 0
        self.failed: Counter[str] = Counter()
        """By the error's code."""
        self.run = Histogram()
        """What a worker, or the daemon itself, took for one job; also of jobs that no request asked for."""
        self.queued = Histogram()
        """How long jobs waited for a worker."""

    @property
    def outcomes(self) -> Iterator[tuple[str, int]]:
        """`ok` and the codes of errors, with how often that was the answer."""
        yield from [("ok", self.ok)] if self.ok else []
        yield from self.failed.items()


class Counts:
    """Counters by labels of few values: names of workloads, codes of errors, types of messages."""

    def __init__(self) -> None:
        self.received: dict[type[Message], int] = dict.fromkeys(CLIENT_MESSAGES, 0)
        self.sent: dict[type[Message], int] = dict.fromkeys(SERVER_MESSAGES, 0)
        self.received_bytes = 0
        self.sent_bytes = 0
        self.closed: Counter[str] = Counter()
        """Connections that the daemon closed, by the close code's name."""
        self.refused: Counter[int] = Counter()
        """Handshakes that it refused, by HTTP status."""
        self.popups: Counter[str] = Counter()
        """What people did with popups, by `answer.state`."""
        self.commands: Counter[str] = Counter()
        """What editors answered to commands: `result` or `error`."""
        self._asked: dict[str, RequestCount] = {}

    @property
    def asked(self) -> Mapping[str, RequestCount]:
        """By the names of workloads and questions; only of those that anybody asked for."""
        return self._asked

    def of(self, name: str) -> RequestCount:
        """The counts of a workload or question that there is, or of UNKNOWN."""
        asked = self._asked.get(name)
        if asked is None:
            asked = self._asked[name] = RequestCount()
        return asked

    def answered(self, name: str, answer: Result | Error) -> None:
        """A request of this name has its answer."""
        asked = self.of(name)
        if isinstance(answer, Error):
            asked.failed[answer.code] += 1
        else:
            asked.ok += 1

    def ran(self, name: str, run_s: float, queued_s: float) -> None:
        """A worker took so long for a job, which had waited so long for it."""
        asked = self.of(name)
        asked.run.add(run_s)
        asked.queued.add(queued_s)

    def close(self, close: CloseCode) -> None:
        """The daemon has closed a connection."""
        self.closed[close.name] += 1


class WorkerStatus(Struct):
    """One worker process."""

    pid: int
    device: str
    """`CPU`, or the GPU's name."""
    busy: bool
    doing: str
    """The workload; empty where it does nothing."""
    for_s: float
    """How long it has been at it, or idle, seconds."""
    memory: int
    """Resident, bytes; 0 where the system doesn't tell."""


class SessionStatus(Struct):
    """One session."""

    id: str
    client: str
    """Kind, name and version."""
    engine: str
    """Name and version; empty where there is none."""
    project: str
    """Its name; empty where there is none."""
    attached: bool
    idle_s: float
    """Since its last message, or since it lost its connection, seconds."""
    open: int
    """Requests that aren't answered yet."""
    popups: int
    unacknowledged: int
    """Messages that are kept until they are acknowledged."""
    unacknowledged_bytes: int


class WorkloadStatus(Struct):
    """What was done of one workload or question since the daemon began."""

    name: str
    ok: int
    failed: int
    """Neither done, refused nor cancelled."""
    p50_ms: float | None
    """What half of its jobs took at most, by buckets; None where none has run."""
    p95_ms: float | None
    queue_p95_ms: float | None
    """How long most of them waited for a worker."""
    refused: int = 0
    """Asked for in a way that can't be done, or without room for it (`REFUSALS` of the errors)."""
    cancelled: int = 0
    jobs: int = 0
    """How many of its jobs the times are of: also an advisor's, which no request has asked for."""


class Status(Struct):
    """A daemon, as it is now."""

    version: str
    instance: str
    pid: int
    address: str
    """Of its socket."""
    uptime_s: float
    devices: list[str]
    """What jobs run on."""
    open: dict[str, int]
    """Open requests by priority."""
    inflight: int
    """Most of them."""
    waiting: dict[str, int]
    """Jobs that wait for a worker, by priority; a batch counts once."""
    workers: list[WorkerStatus]
    replaced: dict[str, int]
    """Workers that were replaced, by reason."""
    sessions: list[SessionStatus]
    """Those with most at stake, as they were opened: a daemon of thousands doesn't list all."""
    attached: int
    """All sessions whose client is connected."""
    away: int
    """Those that are kept for one that may come back."""
    connections: int
    workloads: list[WorkloadStatus]
    """Those asked for most first."""
    memory: int
    """Resident, without the workers, bytes."""
    lag_p95_ms: float | None
    """How late the event loop comes to its timers."""
    refused: dict[str, int] = {}
    """Requests that were refused since the daemon began, by the error's code."""
    figures: dict[str, float] = {}
    """Of the store, the cache, the journal and the blobs, by the names of their metrics; where a metric has a
    label, with its value in braces: `popbridge_journal_jobs_open{waiting}`."""
