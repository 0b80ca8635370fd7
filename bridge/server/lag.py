"""How late the event loop comes to its timers: what everybody who is connected waits in addition."""

from __future__ import annotations

import asyncio

from bridge.core.histogram import Histogram

PERIOD_S = 0.1
"""Between two looks: ten a second cost nothing and miss no stall that anybody would notice."""


class LoopLag:
    """Measures between `start` and `stop`."""

    def __init__(self) -> None:
        self.seen = Histogram()
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """On the running loop."""
        self._again(asyncio.get_running_loop())

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _again(self, loop: asyncio.AbstractEventLoop) -> None:
        due = loop.time() + PERIOD_S

        def look() -> None:
            self.seen.add(max(0.0, loop.time() - due))
            self._again(loop)

        self._timer = loop.call_at(due, look)
