"""Subclasses of uvicorn's HTTP and WebSocket protocols.

uvicorn's classes are semi-private, so its version is pinned, and tests cover each override.
"""

from __future__ import annotations

import asyncio
import functools
import http
import logging
import random
from collections.abc import Iterable
from typing import Any, Protocol

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets import websockets_sansio_impl
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.server import ServerProtocol

from bridge.core import auth
from bridge.core.messages import MAX_FRAME
from bridge.server.access import unix_socket
from bridge.server.access.door import CLIENT, ClientSocket
from bridge.server.websocket import Inbox, framed

log = logging.getLogger(__name__)


class HttpProtocol(H11Protocol):
    """An HTTP connection until it ends or becomes a WebSocket."""

    request_deadline_s = 10.0
    """Time limit for the head of a request, from the start of the connection or the end of the last
    request."""
    rest_deadline_s = 2.0
    """Time limit for the rest of a body whose request was answered without it. The client may be about to
    read the answer, which a reset would take from it."""
    proven_rest_deadline_s = 30.0
    """The same for a client with a token."""
    read_deadline_s = 10.0
    """A peer that takes nothing of its answers for this long is dropped."""
    max_pipelined = 32
    """Maximum number of requests that a peer may send without waiting for an answer."""
    unproven_step = 1024
    """Bytes that are parsed at a time before the peer has proven a token; others have their turn between."""
    hold_s = 0.1
    """Seconds between two reads of a body in chunks whose peer hasn't proven a token."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._held = b""
        """What was read but not parsed."""
        self._deadline: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None
        self._pipelined = 0
        self._waits = ""
        """What the deadline is for: `head` or `body`."""
        client = self.app_state.get(CLIENT)
        self._client = client if isinstance(client, ClientSocket) else None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if (peer := unix_socket.local_peer(transport)) is not None:
            self.client = peer
            if not unix_socket.is_admitted(peer[1]):
                # The socket's mode keeps others out, unless somebody has changed it.
                log.warning("a program of the user %d was refused at the Unix socket", peer[1])
                transport.abort()
        self._start_deadline(self.request_deadline_s, "head")

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_deadline()
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._client is not None:
            self._client.received(len(data))
        if self._held:
            self._held += data
        else:
            self._parse(data)

    def _parse(self, data: bytes) -> None:
        if self._client is not None and not self._client.is_proven:
            # A chunk may have one byte: the parser takes a second for a quarter MiB of them.
            if self.conn.their_state is h11.SEND_BODY and _is_chunked(self.headers):
                # The rest of an answered one is read slowly and dropped, until its deadline.
                self._hold(b"" if self.cycle.response_complete else data, self.hold_s)
                return
            if len(data) > self.unproven_step:
                self._hold(data[self.unproven_step :], 0)
                data = data[: self.unproven_step]
        super().data_received(data)
        state = self.conn.their_state
        # Once a WebSocket protocol owns the transport, this isn't called any more.
        if self.transport.get_protocol() is not self:
            self._stop_deadline()
        elif state is h11.IDLE:
            if self._waits == "body":
                self._stop_deadline()
            self._start_deadline(self.request_deadline_s, "head")
        elif state is not h11.SEND_BODY or not self.cycle.response_complete:
            self._stop_deadline()

    def _hold(self, data: bytes, seconds: float) -> None:
        """Pauses reading, and parses data after that."""
        self._held = data
        self.transport.pause_reading()
        self.loop.call_later(seconds, self._release)

    def _release(self) -> None:
        data, self._held = self._held, b""
        if self.transport.is_closing():
            return
        if not self.flow.read_paused:
            self.transport.resume_reading()
        # For h11, no data are the end.
        if not data:
            return
        protocol = self.transport.get_protocol()
        if protocol is self:
            self._parse(data)
        else:
            # A WebSocket was opened meanwhile.
            assert isinstance(protocol, asyncio.Protocol)
            protocol.data_received(data)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._watch_reader()
        if self.conn.their_state is h11.SEND_BODY:
            is_proven = self._client is not None and self._client.is_proven
            self._start_deadline(self.proven_rest_deadline_s if is_proven else self.rest_deadline_s, "body")
        self._pipelined = self._pipelined + 1 if self.conn.trailing_data[0] else 0
        if self._pipelined >= self.max_pipelined:
            # The next answer is the last.
            self.cycle.keep_alive = False

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_reader()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._watch_reader()

    def send_400_response(self, msg: str) -> None:
        """Answers what isn't HTTP. uvicorn's own answer has none of our headers."""
        body = msg.encode()
        own = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))]
        headers = auth.with_security_headers([*own, (b"connection", b"close")])
        for event in (
            h11.Response(status_code=400, headers=headers),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
        self._watch_reader()

    def _start_deadline(self, seconds: float, reason: str) -> None:
        if self._deadline is None:
            self._waits = reason
            self._deadline = self.loop.call_later(seconds, self._drop, reason)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _watch_reader(self) -> None:
        """Drops the peer if it takes nothing of what was written. A closed transport would wait for ever."""
        if self._reading is None and (size := self.transport.get_write_buffer_size()):
            self._reading = self.loop.call_later(self.read_deadline_s, self._check_reader, size)

    def _check_reader(self, before: int) -> None:
        self._reading = None
        if self.transport.get_write_buffer_size() < before:
            self._watch_reader()
        else:
            self._drop("answer")

    def _drop(self, reason: str) -> None:
        if self._client is not None:
            self._client.drop(reason)
        self.transport.abort()


def _is_chunked(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(name == b"transfer-encoding" for name, _ in headers)


STEP_S = 0.2
"""Seconds between two groups of pings; small groups delay other work less."""


class Pinged(Protocol):
    """A connection that is pinged."""

    def ping_peer(self) -> None:
        """Pings the peer, or drops it if it hasn't answered the last ping."""


class Heartbeat:
    """Pings each connection every `interval_s` seconds, spread evenly over that time."""

    def __init__(self, interval_s: float) -> None:
        steps = max(1, round(interval_s / STEP_S))
        self._step_s = interval_s / steps
        self._groups: list[set[Pinged]] = [set() for _ in range(steps)]
        self._group_of: dict[Pinged, set[Pinged]] = {}
        self._next = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, one: Pinged) -> None:
        """Adds a connection. Its first ping comes after half to all of `interval_s`."""
        count = len(self._groups)
        later = [self._groups[(self._next + ahead) % count] for ahead in range(count // 2, count)]
        group = self._group_of[one] = min(later, key=len)
        group.add(one)
        if self._timer is None:
            self._wait()

    def remove(self, one: Pinged) -> None:
        """Removes a connection if present."""
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
            one.ping_peer()


_WRITABLE = asyncio.Event()
"""Shared by all connections that can be written to."""
_WRITABLE.set()

NO_STATE: dict[str, Any] = {}
"""The state of a connection whose scope has it."""
MAX_HEAD = 16 << 10
"""Maximum bytes of a request's head."""
SHUTDOWN_S = 5
"""Seconds that a stopping daemon waits for connections to end."""


class _ServerProtocol(ServerProtocol):
    """The WebSocket protocol, whose own refusals of a handshake have our headers."""

    def reject(self, status: http.HTTPStatus | int, text: str) -> Response:
        response = super().reject(status, text)
        for name, value in auth.SECURITY_HEADERS:
            response.headers[name.decode()] = value.decode()
        return response


# uvicorn has no option for it. Another class for each instance would slow down all its attributes.
websockets_sansio_impl.ServerProtocol = _ServerProtocol  # type: ignore[attr-defined]


class BridgeProtocol(WebSocketsSansIOProtocol):
    """A WebSocket connection with deadlines and limits that uses little memory."""

    max_fragments = 64
    """Maximum number of fragments in a message; one-byte fragments waste memory and time."""
    send_deadline_s = 10.0
    """A peer that doesn't read for this long is dropped."""
    close_deadline_s = 2.0
    """Time limit for a closing connection to deliver what was sent."""
    read_ahead = 16
    """Reading stops while this many messages wait for the application."""
    max_unproven_frames = 128
    """Maximum number of frames that a peer may send before it has proven a token. Those of a quarter MiB of
    pings take a second."""
    unproven_step = 512
    """Bytes that are parsed at a time until then."""

    def __init__(self, heartbeat: Heartbeat, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._heartbeat = heartbeat
        # `asyncio.Event` and `Queue` take 1 to 3 KiB, for each of thousands of idle connections.
        self.queue = Inbox()  # type: ignore[assignment]
        self.writable = _WRITABLE
        client = self.app_state.get(CLIENT)
        self._unproven = client if isinstance(client, ClientSocket) else None
        """The socket until it has proven a token."""
        self._unproven_frames = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.client = self.client or unix_socket.local_peer(transport)

    def data_received(self, data: bytes) -> None:
        client = self._unproven
        if client is None:
            super().data_received(data)
            return
        if client.is_proven:
            self._unproven = None
            super().data_received(data)
            return
        for at in range(0, len(data), self.unproven_step):
            if self.transport.is_closing():
                return
            # The parser takes all frames at once, which would keep everybody waiting.
            self.conn.receive_data(data[at : at + self.unproven_step])
            self._unproven_frames += len(self.conn.events)
            if self._unproven_frames > self.max_unproven_frames:
                client.drop("unidentified")
                return
            super().data_received(b"")

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
            # RFC 6455 §8.1. uvicorn does this too, but logs a traceback for each such peer.
            self.conn.fail(1007, "text that isn't UTF-8")
            self.handle_parser_exception()
            return
        # uvicorn pauses reading at each message, which costs two system calls. Read a little ahead instead.
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
            # The general path below takes twice as long.
            self.transport.write(_frame(message))
            return
        await super().send(message)
        if message["type"] == "websocket.accept":
            # Not needed any more, and as large as the rest of the connection. websockets keeps the request.
            self.request.headers.clear()
            del self.request, self.response
            del self.scope["asgi"], self.scope["extensions"]
            self.app_state = NO_STATE
            # Rebuilt, the table of attributes is half as large.
            self.__dict__ = dict(self.__dict__)
        if message["type"] == "websocket.close":
            self._abort_later()
        if message["type"] == "websocket.http.response.body":
            # Otherwise uvicorn logs an error about an unanswered handshake.
            self.handshake_complete = True

    @property
    def _is_plain(self) -> bool:
        """Whether a frame can be written directly: the connection is open and uncompressed."""
        is_open = self.conn.state is State.OPEN and self.handshake_complete and not self.disconnected
        is_open = is_open and not self.close_sent and not self.transport.is_closing()
        return is_open and not self.conn.extensions

    def start_keepalive(self) -> None:
        self._heartbeat.add(self)

    def stop_keepalive(self) -> None:
        self._heartbeat.remove(self)
        super().stop_keepalive()

    def ping_peer(self) -> None:
        """Pings the peer, or drops it if it hasn't answered the last ping."""
        if self.close_sent or self.transport.is_closing():
            self._heartbeat.remove(self)
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
        # A transport closes once its buffer is empty, which never happens if the peer doesn't read.
        self.loop.call_later(self.close_deadline_s, self.transport.abort)


def _frame(message: Any) -> bytes:
    """Returns the frame of an ASGI `websocket.send`."""
    data = message.get("bytes")
    return framed(Opcode.TEXT, message["text"].encode()) if data is None else framed(Opcode.BINARY, data)


def server_config(
    app: Any, heartbeat_s: float, protocol: type[BridgeProtocol] = BridgeProtocol, **changes: Any
) -> uvicorn.Config:
    """Returns uvicorn's configuration for serving an ASGI application with the daemon's protocol.

    `changes` are for tests and benchmarks.
    """
    settings: dict[str, Any] = {
        "http": HttpProtocol,
        "ws": functools.partial(protocol, Heartbeat(heartbeat_s)),
        "ws_max_size": MAX_FRAME,
        "ws_per_message_deflate": False,
        "h11_max_incomplete_event_size": MAX_HEAD,
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
