"""A run that may wait for a worker as long as it takes, and keep one busy only so long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from accel.progress import OnProgress
from accel.watch import Watch

Value = TypeVar("Value")


async def limited(
    run: Callable[[Watch], Awaitable[Value]], limit_s: float, on_progress: OnProgress | None = None
) -> Value:
    """What `run` gives, which tells its watch when a worker begins. Raises TimeoutError `limit_s` s later.

    Each further worker, where one has died, has the same time; not where others were in a batch with it.
    """
    async with asyncio.timeout(None) as timeout:
        limit = _Limit(timeout, limit_s, on_progress)
        try:
            return await run(limit.watch)
        finally:
            limit.stop()


class _Limit:
    def __init__(self, timeout: asyncio.Timeout, limit_s: float, on_progress: OnProgress | None) -> None:
        self._timeout = timeout
        self._limit_s = limit_s
        self._timer: asyncio.TimerHandle | None = None
        self.watch = Watch(self._begin, on_progress)

    def _begin(self) -> None:
        self.stop()
        self._timer = asyncio.get_running_loop().call_later(self._limit_s, self._give_up)

    def _give_up(self) -> None:
        # Before it is cancelled: others in the same batch may be held up by it.
        self.watch.overdue = True
        self._timeout.reschedule(asyncio.get_running_loop().time())

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
