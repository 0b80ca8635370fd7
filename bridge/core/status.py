"""What `/status` answers: a running daemon as one record, which `popbridge status` and `top` draw."""

from __future__ import annotations

from msgspec import Struct


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
