"""The values of the daemon's own metrics, by their names: read from its parts when somebody asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from bridge import __version__
from bridge.core.counts import Asked, Counts
from bridge.core.histogram import Histogram
from bridge.core.messages import Message
from bridge.core.metrics import Values
from bridge.server.memory import Held
from bridge.server.observed import Observed
from bridge.store.store import Store


def counted(observed: Observed) -> Mapping[str, Values]:
    """What only grows."""
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
        "popbridge_popup_answers_total": dict(counts.popups),
        "popbridge_command_answers_total": dict(counts.commands),
        "popbridge_frames_received_total": {_type(kind): n for kind, n in counts.received.items()},
        "popbridge_frames_sent_total": {_type(kind): n for kind, n in counts.sent.items()},
        "popbridge_received_bytes_total": counts.received_bytes,
        "popbridge_sent_bytes_total": counts.sent_bytes,
    }


def open_now(observed: Observed) -> Mapping[str, Values]:
    """What comes and goes."""
    sessions, gate = observed.sessions, observed.gate
    attached = sum(live.session.attached for live in sessions)
    return {
        "popbridge_requests_open": dict(observed.router.admission.open),
        "popbridge_sessions": {"attached": attached, "detached": len(sessions) - attached},
        "popbridge_connections": {
            "identified": gate.open - gate.unidentified,
            "unidentified": gate.unidentified,
        },
        "popbridge_unacknowledged_bytes": sessions.unacknowledged.bytes,
        "popbridge_popups_open": len({popup.id for live in sessions for popup in live.session.popups}),
        "popbridge_commands_open": sum(len(live.session.commands) for live in sessions),
        "popbridge_event_loop_lag_seconds": observed.lag.seen,
    }


def workers(observed: Observed) -> Mapping[str, Values]:
    """What runs and waits, by the device that does it."""
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


def processes(held: Held) -> Mapping[str, Values]:
    """What the system tells."""
    return {
        "popbridge_workers_memory_bytes": sum(held.workers.values()),
        "process_resident_memory_bytes": held.daemon,
        "process_cpu_seconds_total": held.cpu_s,
        "process_start_time_seconds": held.began,
    }


def stored(store: Store) -> Mapping[str, Values]:
    """What the database does."""
    return {
        "popbridge_store_failing": float(bool(store.trouble)),
        "popbridge_store_commits_total": store.commits,
        "popbridge_store_writes_total": store.writes,
        "popbridge_store_writes_waiting": store.waiting,
    }


def _histograms(counts: Counts, of: Callable[[Asked], Histogram]) -> Mapping[str, Histogram]:
    return {name: of(asked) for name, asked in counts.asked.items() if len(of(asked))}


def _type(kind: type[Message]) -> str:
    return str(kind.__struct_config__.tag)
