"""Records failed authentication in the audit log, at a rate that can't fill the disk."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any

from bridge.core.errors import RequestError
from bridge.store.audit_log import PROGRAM, AuditLog

log = logging.getLogger(__name__)

WINDOW_S = 60.0
"""Seconds of attempts that share an entry, at first."""
MAX_WINDOW_S = 3600.0
MAX_PEERS = 8
"""Number of addresses that an entry names."""
OTHERS = "others"


class FailedAttempts:
    """Counts failed attempts. The first is recorded at once, and those of the next minute together.

    While they go on, the window doubles up to an hour: an attacker can't push older entries out of the log.
    """

    def __init__(self, audit: AuditLog, window_s: float = WINDOW_S) -> None:
        self._audit = audit
        self._first_window_s = self._window_s = window_s
        self._counts: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def count(self, scope: Mapping[str, Any]) -> None:
        """Counts a failed attempt of the client of an ASGI scope. Must be called in the event loop."""
        client = scope.get("client")
        peer = str(client[0]) if client else "?"
        if peer not in self._counts and len(self._counts) >= MAX_PEERS:
            peer = OTHERS
        self._counts[peer] += 1
        if self._timer is None:
            self._flush()

    def _flush(self) -> None:
        self._timer = None
        if not self._counts:
            self._window_s = self._first_window_s
            return
        counts, self._counts = self._counts, Counter()
        self._timer = asyncio.get_running_loop().call_later(self._window_s, self._flush)
        self._window_s = min(2 * self._window_s, MAX_WINDOW_S)
        task = asyncio.create_task(self._record(counts))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _record(self, counts: Counter[str]) -> None:
        peers = [peer for peer, _ in counts.most_common()]
        try:
            await self._audit.record(
                "auth.failed",
                principal=PROGRAM,
                subject=", ".join(peers),
                detail={"attempts": counts.total()},
            )
        except RequestError as error:
            log.warning("%d failed attempts to authenticate aren't recorded: %s", counts.total(), error)

    async def close(self) -> None:
        """Records the attempts since the last entry."""
        if self._timer is not None:
            self._timer.cancel()
        self._flush()
        if self._timer is not None:
            self._timer.cancel()
        await asyncio.gather(*self._tasks)
