"""What jobs report of how far they are, on its way to who waits: not more often than anybody can read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

INTERVAL_S = 0.25
"""Between two messages of one request."""

log = logging.getLogger(__name__)


class Throttle:
    """Passes on the latest report of one job, at most every INTERVAL_S; the others are dropped."""

    def __init__(self, send: Callable[[float, str], Awaitable[None]]) -> None:
        """`send` takes a fraction and the stage."""
        self._send = send
        self._latest: tuple[float, str] | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def __call__(self, fraction: float, stage: str) -> None:
        if self._closed:
            return
        self._latest = (fraction, stage)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._pass_on())

    def close(self) -> None:
        """Sends nothing any more: the answer comes next."""
        self._closed, self._latest = True, None
        if self._task is not None:
            self._task.cancel()

    async def _pass_on(self) -> None:
        try:
            while self._latest is not None:
                latest, self._latest = self._latest, None
                await self._send(*latest)
                await asyncio.sleep(INTERVAL_S)
        # Whatever becomes of a report, the job goes on.
        except Exception:
            log.exception("how far a job is can't be told")
        finally:
            self._task = None
