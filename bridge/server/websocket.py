"""A WebSocket connection from the handshake to the close."""

from __future__ import annotations

import asyncio
import logging
import math
import struct
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace
from uvicorn.protocols.utils import ClientDisconnected

from bridge.core import errors
from bridge.core.auth import with_security_headers
from bridge.core.codec import SUBPROTOCOLS, Codec, server_codec
from bridge.core.errors import RemoteProtocolError
from bridge.core.messages import (
    DONE_CODE,
    DONE_REASON,
    IDENTIFY_TIMEOUT_S,
    ClientMessage,
    Error,
    Identify,
    Message,
    Numbered,
    Request,
    Result,
)
from bridge.core.metrics import Counts
from bridge.core.rate_limit import TokenBucket
from bridge.core.session import Connection
from bridge.server import logs
from bridge.server.access.door import Door, client_of
from bridge.server.access.token_rates import TokenRates
from bridge.server.handshake import Handshake
from bridge.server.live_session import LiveSession, too_large
from bridge.server.runner import as_message


class ConnectionLimiter:
    """Limits the number of WebSocket connections. Those that haven't identified are the door's concern."""

    def __init__(self, most: int) -> None:
        """`most` limits the connections that have identified; it is at least 1."""
        self._most = most
        self.open = 0
        self.unidentified = 0

    def refusal(self) -> str | None:
        """Returns why another connection would be refused now, or None."""
        identified = self.open - self.unidentified
        if identified < self._most:
            return None
        return (
            f"The bridge has {identified} connections, the limit: close some, or raise the setting "
            "'connections'."
        )

    def count(self) -> ConnectionCount:
        """Counts a connection while it is open."""
        return ConnectionCount(self)


class ConnectionCount:
    """One connection's part in the counts of a limiter. A generator would take five times as much memory."""

    __slots__ = ("_is_identified", "_limiter")

    def __init__(self, limiter: ConnectionLimiter) -> None:
        self._limiter = limiter
        self._is_identified = False

    def __enter__(self) -> Callable[[], None]:
        """Returns a function to call once the client has identified."""
        self._limiter.open += 1
        self._limiter.unidentified += 1
        return self._identified

    def __exit__(self, *_: object) -> None:
        self._identified()
        self._limiter.open -= 1

    def _identified(self) -> None:
        if not self._is_identified:
            self._is_identified = True
            self._limiter.unidentified -= 1


log = logging.getLogger(__name__)

RETRY_AFTER_S = 5
"""Seconds until a retry if there are too many connections (RFC 9110, section 10.2.3)."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Handle = Callable[[LiveSession, ClientMessage], Awaitable[None]]


class Disconnected(Exception):
    """The client closed the connection, or it broke."""

    def __init__(self, *, is_done: bool) -> None:
        """`is_done` means that the client won't resume its session."""
        self.is_done = is_done


class AsgiSocket:
    """An ASGI WebSocket that sends and receives messages. Concurrent sends stay in order."""

    def __init__(
        self, codec: Codec[ClientMessage], receive: Receive, send: Send, counts: Counts | None = None
    ) -> None:
        self._codec = codec
        self._counts = counts or Counts()
        self._receive = receive
        self._send = send
        self._field = "text" if codec.is_text else "bytes"
        self.bytes: TokenBucket | None = None
        """What the client's token may send; None before it is proven."""
        self.lock = asyncio.Lock()

    async def receive(self) -> ClientMessage:
        """Returns the next message. Raises RemoteProtocolError and Disconnected."""
        event = await self._receive()
        if event["type"] != "websocket.receive":
            raise Disconnected(is_done=(event.get("code"), event.get("reason")) == (DONE_CODE, DONE_REASON))
        frame = event.get("bytes")
        if frame is None:
            frame = event["text"]
            size = len(frame.encode())
        else:
            size = len(frame)
        self._counts.received_bytes += size
        if self.bytes is not None:
            self.bytes.charge(size, time.monotonic())
        message = self._codec.decode(frame)
        self._counts.received[type(message)] += 1
        return message

    async def send(self, message: Message) -> int:
        """Writes a message after all earlier ones. Returns the frame's size in bytes."""
        # `async with` would add two coroutines, which cost more than the lock.
        await self.lock.acquire()
        try:
            return await self.write(message)
        finally:
            self.lock.release()

    async def write(self, message: Message) -> int:
        """Writes immediately; the caller must hold `lock`. Ignores disconnected clients."""
        frame = self._encode(message)
        data = frame.decode() if self._codec.is_text else frame
        try:
            await self._send({"type": "websocket.send", self._field: data})
        except (ClientDisconnected, RuntimeError):
            log.debug("not sent to a client that is gone: %s", type(message).__name__)
        counts = self._counts
        counts.sent_bytes += len(frame)
        counts.sent[type(message)] += 1
        return len(frame)

    def _encode(self, message: Message) -> bytes:
        limit = self._codec.max_frame
        try:
            frame = self._codec.encode(message)
        # An advisor's value may contain anything. The message has its number, so send an error instead.
        except Exception:
            log.exception("a %s can't be encoded", type(message).__name__)
            return self._codec.encode(
                _error_for(message, errors.RequestError(errors.INTERNAL, what="The bridge"))
            )
        if len(frame) > limit:
            return self._codec.encode(_error_for(message, too_large("The answer", len(frame), limit)))
        return frame

    async def close(self, close: errors.CloseCode, reason: str) -> None:
        """Closes the connection with a code and a reason."""
        self._counts.close(close)
        try:
            await self._send(
                {"type": "websocket.close", "code": close.code, "reason": errors.wire_reason(reason)}
            )
        except (ClientDisconnected, RuntimeError):
            log.debug("not closed with %s: the client is gone", close.code)


class WebSocketEndpoint:
    """The ASGI application at `/ws`."""

    identify_timeout_s = IDENTIFY_TIMEOUT_S

    def __init__(
        self,
        handshake: Handshake,
        handle: Handle,
        limiter: ConnectionLimiter,
        counts: Counts,
        door: Door,
        rates: TokenRates,
    ) -> None:
        self._door = door
        self._rates = rates
        self._handshake = handshake
        self._handle = handle
        self._limiter = limiter
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if scope["path"] != "/ws":
            await self._refuse(send, 404, "WebSockets connect to /ws.")
        elif refusal := self._handshake.refuse(scope):
            await self._refuse(send, *refusal)
        elif full := self._limiter.refusal():
            await self._refuse(send, 503, full, RETRY_AFTER_S)
        else:
            with self._limiter.count() as identified:
                await self._serve(scope, receive, send, identified)

    async def _serve(
        self, scope: Scope, receive: Receive, send: Send, identified: Callable[[], None]
    ) -> None:
        subprotocol = next(s for s in scope["subprotocols"] if s in SUBPROTOCOLS)
        await send({"type": "websocket.accept", "subprotocol": subprotocol})
        socket = AsgiSocket(server_codec(subprotocol, self._handshake.max_frame), receive, send, self._counts)
        connection = Connection(time.monotonic(), self._handshake.features)
        live, client = None, client_of(scope)
        try:
            live = await self._identify(connection, socket, scope)
            identified()
            live.rates = rates = self._rates.of(live.principal, live.id, time.monotonic())
            socket.bytes = rates.bytes
            if client is not None:
                client.proven()
            # From here on, log records of this task and of tasks that it starts name the session.
            logs.session.set(live)
            # It would take a KiB for as long as the connection lasts.
            scope.clear()
            log.info("session %s: connected, %s", live.id, live.description)
            while True:
                message = connection.receive(await socket.receive())
                # Another connection took over in the meantime.
                if live.socket is not socket:
                    break
                live.last_heard = now = time.monotonic()
                # A request is refused if it is too much; other messages can only wait.
                if not isinstance(message, Request) and (pause_s := rates.pause_s(now)):
                    await asyncio.sleep(pause_s)
                await self._handle(live, message)
        except RemoteProtocolError as error:
            log.info("closing a connection: %s", error)
            if error.close is errors.AUTH_FAILED:
                await self._door.failed(scope, "WebSocket")
            await socket.close(error.close, error.reason)
        except Disconnected as gone:
            if live is not None and live.socket is socket and gone.is_done:
                self._handshake.left(live)
        # Without a close frame, the client would see 1006 and no reason.
        except Exception:
            log.exception("closing a connection after an internal error")
            await socket.close(errors.UNKNOWN, "the daemon failed; its log has the details: reconnect")
        finally:
            if live is not None:
                live.detach(socket)
                log.info("session %s: disconnected", live.id)

    async def _refuse(self, send: Send, status: int, reason: str, retry_after_s: float = 0.0) -> None:
        self._counts.refused[status] += 1
        body = msgspec.json.encode({"message": reason})
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        if retry_after_s:
            headers.append((b"retry-after", b"%d" % math.ceil(retry_after_s)))
        headers = with_security_headers(headers)
        await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": body})

    async def _identify(self, connection: Connection, socket: AsgiSocket, scope: Scope) -> LiveSession:
        challenge = self._handshake.authenticator.challenge(scope)
        await socket.send(self._handshake.hello(challenge))
        try:
            message = connection.receive(await asyncio.wait_for(socket.receive(), self.identify_timeout_s))
        except TimeoutError:
            connection.tick(time.monotonic() + IDENTIFY_TIMEOUT_S)
            raise
        assert isinstance(message, Identify)
        return await self._handshake.admit(message, challenge, socket, scope)


def _error_for(message: Message, error: errors.RequestError) -> Error:
    request_id = message.id if isinstance(message, (Result, Error)) else UNSET
    seq = message.seq if isinstance(message, Numbered) else UNSET
    return replace(as_message(error, 0), id=request_id, seq=seq)


FIN = 0x80
"""Marks the last frame of a message (RFC 6455, section 5.2)."""


def framed(opcode: int, data: bytes) -> bytes:
    """Returns a message as a single unmasked frame (RFC 6455, section 5.1)."""
    size = len(data)
    if size < 126:
        head = bytes((FIN | opcode, size))
    elif size < 1 << 16:
        head = struct.pack("!BBH", FIN | opcode, 126, size)
    else:
        head = struct.pack("!BBQ", FIN | opcode, 127, size)
    return head + data


class Inbox:
    """A minimal `asyncio.Queue` that takes a tenth of the memory."""

    __slots__ = ("_events", "_next", "_reader")

    def __init__(self) -> None:
        # Even an empty deque takes 0.6 KiB.
        self._events: list[Any] = []
        self._next: list[Any] = []
        """The oldest events, in reverse."""
        self._reader: asyncio.Future[None] | None = None

    def put_nowait(self, event: Any) -> None:
        self._events.append(event)
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def get(self) -> Any:
        """Waits for the next event. Only one reader may wait."""
        while self.empty():
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        if not self._next:
            self._events.reverse()
            self._next, self._events = self._events, self._next
        return self._next.pop()

    def empty(self) -> bool:
        return not self._events and not self._next

    def qsize(self) -> int:
        return len(self._events) + len(self._next)
