"""The parts of a running daemon that metrics and status are read from."""

from __future__ import annotations

import time
from collections.abc import Sequence

from msgspec import Struct, field

from accel.pool import Pool, WorkerState
from accel.routed import Routed
from bridge.core.counts import Counts
from bridge.core.router import Router
from bridge.server.gate import Gate
from bridge.server.lag import LoopLag
from bridge.server.sessions import Sessions


class Observed(Struct, frozen=True):
    """One daemon's."""

    counts: Counts
    router: Router
    routed: Routed
    sessions: Sessions
    gate: Gate
    lag: LoopLag
    began: float = field(default_factory=time.monotonic)
    """When it was put together, by `time.monotonic`: the wall clock may be set while it runs."""

    @property
    def pools(self) -> Sequence[tuple[str, Pool]]:
        """The processes of each device that jobs run on."""
        return [(lane.form.device, lane.pool) for lane in self.routed.lanes if lane.pool is not None]

    @property
    def workers(self) -> Sequence[tuple[str, WorkerState]]:
        """Every worker, with the device that it works on."""
        return [(device, state) for device, pool in self.pools for state in pool.states]

    @property
    def pids(self) -> Sequence[int]:
        return [state.pid for _, state in self.workers]
