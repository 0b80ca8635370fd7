"""What `/status` answers, put together from the daemon's parts."""

from __future__ import annotations

import heapq
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping

from bridge import __version__
from bridge.core import errors
from bridge.core.counts import Asked, Counts
from bridge.core.metrics import Values
from bridge.core.status import SessionStatus, Status, WorkerStatus, WorkloadStatus
from bridge.server.live import LiveSession
from bridge.server.memory import Held
from bridge.server.observed import Observed

MOST_SESSIONS = 200
"""Most that are listed: nobody reads more, and everybody else waits meanwhile."""


def status(
    observed: Observed, held: Held, instance: str, address: str, figures: Mapping[str, Values]
) -> Status:
    """One look at everything; of the metrics in `figures`, those with no more than one label."""
    now = time.monotonic()
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
        workers=_workers(observed, held),
        replaced={reason: sum(pool.ended[reason] for pool in pools) for reason in pools[0].ended},
        sessions=[_session(live, now, admission.of(live.id)) for live in _listed(observed)],
        attached=(attached := sum(live.session.attached for live in observed.sessions)),
        away=len(observed.sessions) - attached,
        connections=observed.gate.open,
        workloads=_workloads(observed.counts),
        memory=held.daemon,
        lag_p95_ms=_ms(lag),
        refused=_refused(observed.counts),
        figures=dict(_plain(figures)),
    )


def _listed(observed: Observed) -> list[LiveSession]:
    """Those whose clients have asked for most that isn't done, then those that hold most; in their order."""
    sessions, admission = list(observed.sessions), observed.router.admission
    if len(sessions) <= MOST_SESSIONS:
        return sessions

    def stake(at: int) -> tuple[int, int]:
        return admission.of(sessions[at].id), sessions[at].backlog.bytes

    return [sessions[at] for at in sorted(heapq.nlargest(MOST_SESSIONS, range(len(sessions)), stake))]


def _workers(observed: Observed, held: Held) -> list[WorkerStatus]:
    return [
        WorkerStatus(
            pid=state.pid,
            device=device,
            busy=state.busy,
            doing=state.doing,
            for_s=state.for_s,
            memory=held.workers.get(state.pid, 0),
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
        idle_s=now - live.heard,
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


def _refusals(asked: Asked) -> Counter[str]:
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
