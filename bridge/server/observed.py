"""The parts of a running daemon that metrics and status are read from."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from accel.pool import WorkerState
from accel.routed import Routed
from bridge.core.counts import Counts
from bridge.core.router import Router
from bridge.server.gate import Gate
from bridge.server.lag import LoopLag
from bridge.server.live import Sessions


class Observed(Struct, frozen=True):
    """One daemon's."""

    counts: Counts
    router: Router
    routed: Routed
    sessions: Sessions
    gate: Gate
    lag: LoopLag

    @property
    def workers(self) -> Sequence[tuple[str, WorkerState]]:
        """Every worker, with the device that it works on."""
        pools = [(lane.form.device, lane.pool) for lane in self.routed.lanes if lane.pool is not None]
        return [(device, state) for device, pool in pools for state in pool.states]

    @property
    def pids(self) -> Sequence[int]:
        return [state.pid for _, state in self.workers]
