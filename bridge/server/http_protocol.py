"""uvicorn's HTTP protocol with a deadline for requests that never say what they want.

uvicorn's class is semi-private: its version is pinned, and tests cover each override.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


class HttpProtocol(H11Protocol):
    """One connection until it ends or becomes a WebSocket."""

    request_deadline_s = 10.0
    """How long a request's head may take, from the connection's first moment or the head's first byte."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # Of a WebSocket, whose protocol has taken the transport over, this sees nothing more.
        if self.conn.their_state is h11.IDLE and self.transport.get_protocol() is self:
            self._watch()
        else:
            self._unwatch()

    def _watch(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.request_deadline_s, self.transport.abort)

    def _unwatch(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
