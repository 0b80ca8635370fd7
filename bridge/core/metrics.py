"""Every metric, once: name, kind, labels and meaning; `/metrics` and docs/operations.md follow from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from msgspec import Struct

from bridge.core.histogram import Histogram

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
           "Connections that the daemon closed, by the close code's name in docs/errors.md.", ("code",)),
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
