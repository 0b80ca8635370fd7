"""Subclasses of uvicorn private protocols.

uvicorn's class is semi-private: its version is pinned, and tests cover each override.

uvicorn's class is semi-private: its version is pinned, and tests cover each override.
"""

from __future__ import annotations

import asyncio
import functools
import random
from typing import Any, Protocol

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from bridge.core.messages import MAX_FRAME
from bridge.server.websocket import Inbox, framed


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


STEP_S = 0.2
"""About how often some are pinged: the fewer at once, the shorter everything else waits for them."""


class Beating(Protocol):
    """A connection, as a heart sees it."""

    def beat(self) -> None:
        """Pings the peer, or drops it where it hasn't answered the ping before."""


class Heart:
    """Has each connection `beat` every `interval_s` seconds, about as many of them at each step."""

    def __init__(self, interval_s: float) -> None:
        steps = max(1, round(interval_s / STEP_S))
        self._step_s = interval_s / steps
        self._groups: list[set[Beating]] = [set() for _ in range(steps)]
        self._group_of: dict[Beating, set[Beating]] = {}
        self._next = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, one: Beating) -> None:
        """`one` beats from now on, for the first time when half of `interval_s` has passed, or all of it."""
        count = len(self._groups)
        later = [self._groups[(self._next + ahead) % count] for ahead in range(count // 2, count)]
        group = self._group_of[one] = min(later, key=len)
        group.add(one)
        if self._timer is None:
            self._wait()

    def remove(self, one: Beating) -> None:
        """`one` doesn't beat any more; may be called again."""
        if group := self._group_of.pop(one, None):
            group.discard(one)
        if not self._group_of and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._step_s, self._step)

    def _step(self) -> None:
        group = self._groups[self._next]
        self._next = (self._next + 1) % len(self._groups)
        self._wait()
        for one in tuple(group):
            one.beat()


_WRITABLE = asyncio.Event()
"""Of all connections that may be written to."""
_WRITABLE.set()

SHUTDOWN_S = 5
"""How long a stopping daemon waits for connections that don't end."""


class BridgeProtocol(WebSocketsSansIOProtocol):
    """One connection's bytes."""

    max_fragments = 64
    """Most fragments of one message: a peer that drips one byte a frame costs memory and time for nothing."""
    send_deadline_s = 10.0
    """A peer that takes longer to read is dropped."""
    close_deadline_s = 2.0
    """How long a closed connection may still take to deliver what was sent."""
    read_ahead = 16
    """Messages that may wait for the application before reading from the socket stops."""

    def __init__(self, heart: Heart, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._heart = heart
        # Thousands of connections are idle, and an `asyncio.Event` or `Queue` takes one to three KiB.
        self.queue = Inbox()  # type: ignore[assignment]
        self.writable = _WRITABLE

    def pause_writing(self) -> None:
        self.writable = asyncio.Event()

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) >= self.max_fragments:
            # RFC 6455 §7.4.1: 1008 is for a message that violates policy.
            self.conn.fail(1008, f"more than {self.max_fragments} fragments: send whole frames")
            self.handle_parser_exception()
            return
        super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text" and not self._is_text():
            # RFC 6455 §8.1. uvicorn does the same, with a traceback in the log for each such peer.
            self.conn.fail(1007, "text that isn't UTF-8")
            self.handle_parser_exception()
            return
        # uvicorn stops reading at each message; pausing costs two system calls, so we read a little ahead.
        paused, self.read_paused = self.read_paused, True
        super().send_receive_event_to_app()
        self.read_paused = paused
        if not paused and self.queue.qsize() >= self.read_ahead and not self.close_sent:
            self.read_paused = True
            self.transport.pause_reading()

    def _is_text(self) -> bool:
        self.frames = [b"".join(self.frames)]
        try:
            self.frames[0].decode()
        except UnicodeDecodeError:
            return False
        return True

    async def send(self, message: Any) -> None:
        if not self.writable.is_set():
            try:
                await asyncio.wait_for(self.writable.wait(), self.send_deadline_s)
            except TimeoutError:
                self.transport.abort()
        if message["type"] == "websocket.send" and self._is_plain:
            # As below, by which it takes twice as long.
            self.transport.write(_frame(message))
            return
        await super().send(message)
        if message["type"] == "websocket.accept":
            # Of no use from here on, and as large as all the rest of a connection.
            del self.request, self.response
        if message["type"] == "websocket.close":
            self._abort_later()
        if message["type"] == "websocket.http.response.body":
            # uvicorn would take the answered handshake for one that was forgotten, and log an error.
            self.handshake_complete = True

    @property
    def _is_plain(self) -> bool:
        """Whether a message goes out as it is: the connection is open, and nothing compresses it."""
        is_open = self.conn.state is State.OPEN and self.handshake_complete and not self.disconnected
        is_open = is_open and not self.close_sent and not self.transport.is_closing()
        return is_open and not self.conn.extensions

    def start_keepalive(self) -> None:
        self._heart.add(self)

    def stop_keepalive(self) -> None:
        self._heart.remove(self)
        super().stop_keepalive()

    def beat(self) -> None:
        """Pings the peer, or drops it where it hasn't answered the ping before."""
        if self.close_sent or self.transport.is_closing():
            self._heart.remove(self)
        elif self.pending_ping_payload is not None:
            self.keepalive_timeout()
        else:
            self.pending_ping_payload = random.randbytes(4)
            self.ping_sent_at = self.loop.time()
            self.transport.write(framed(Opcode.PING, self.pending_ping_payload))

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._abort_later()

    def shutdown(self) -> None:
        super().shutdown()
        self._abort_later()

    def _abort_later(self) -> None:
        # A transport closes when its buffer is empty: never, with a peer that doesn't read.
        self.loop.call_later(self.close_deadline_s, self.transport.abort)


def _frame(message: Any) -> bytes:
    """That of an ASGI `websocket.send`."""
    data = message.get("bytes")
    return framed(Opcode.TEXT, message["text"].encode()) if data is None else framed(Opcode.BINARY, data)


def configured(
    app: Any, heartbeat_s: float, protocol: type[BridgeProtocol] = BridgeProtocol, **changes: Any
) -> uvicorn.Config:
    """How an ASGI application is served: what the daemon's socket takes and how long it waits.

    `changes` are for tests and benchmarks, which serve other applications by the same protocol.
    """
    settings: dict[str, Any] = {
        "http": HttpProtocol,
        "ws": functools.partial(protocol, Heart(heartbeat_s)),
        "ws_max_size": MAX_FRAME,
        "ws_per_message_deflate": False,
        "ws_ping_interval": None,
        "interface": "asgi3",
        "lifespan": "off",
        "timeout_graceful_shutdown": SHUTDOWN_S,
        "access_log": False,
        "log_config": None,
        "server_header": False,
        "proxy_headers": False,
    }
    return uvicorn.Config(app, **{**settings, **changes})
