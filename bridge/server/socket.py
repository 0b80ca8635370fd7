"""One WebSocket from the handshake to its end: who may come in, and the loop that feeds a session."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec
from msgspec import UNSET
from uvicorn.protocols.utils import ClientDisconnected

from bridge.core import auth, errors
from bridge.core.codec import SUBPROTOCOLS, Codec, server_codec
from bridge.core.errors import RemoteProtocolError
from bridge.core.messages import IDENTIFY_TIMEOUT_S, ClientMessage, Error, Identify, Message, Numbered, Result
from bridge.core.session import Connection
from bridge.server.live import LiveSession, too_large
from bridge.server.welcome import Welcome

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Handle = Callable[[LiveSession, ClientMessage], Awaitable[None]]


class Disconnected(Exception):
    """The client has closed the connection, or it broke."""


class AsgiSocket:
    """The two halves of an ASGI WebSocket as messages; sends are in order, whoever sends."""

    def __init__(self, codec: Codec[ClientMessage], receive: Receive, send: Send) -> None:
        self._codec = codec
        self._receive = receive
        self._send = send
        self._field = "text" if codec.is_text else "bytes"
        self.lock = asyncio.Lock()

    async def receive(self) -> ClientMessage:
        """Raises RemoteProtocolError, or Disconnected."""
        event = await self._receive()
        if event["type"] != "websocket.receive":
            raise Disconnected
        frame = event.get("bytes")
        return self._codec.decode(event["text"] if frame is None else frame)

    async def send(self, message: Message) -> int:
        """Writes after everything that was sent before; gives the frame's size, bytes."""
        async with self.lock:
            return await self.write(message)

    async def write(self, message: Message) -> int:
        """Writes at once; the caller holds `lock`. A client that is gone is none of the sender's business."""
        frame = self._encode(message)
        data = frame.decode() if self._codec.is_text else frame
        try:
            await self._send({"type": "websocket.send", self._field: data})
        except (ClientDisconnected, RuntimeError):
            log.debug("not sent to a client that is gone: %s", type(message).__name__)
        return len(frame)

    def _encode(self, message: Message) -> bytes:
        limit = self._codec.max_frame
        try:
            frame = self._codec.encode(message)
        except Exception:
            # An advisor's answer may hold anything; it is numbered by now, so something has to go out.
            log.exception("a %s can't be encoded", type(message).__name__)
            return self._codec.encode(_instead(message, errors.RequestError(errors.INTERNAL)))
        if len(frame) > limit:
            return self._codec.encode(_instead(message, too_large("The answer", len(frame), limit)))
        return frame

    async def close(self, close: errors.CloseCode, reason: str) -> None:
        """Ends the connection with a code and a reason."""
        try:
            await self._send(
                {"type": "websocket.close", "code": close.code, "reason": errors.wire_reason(reason)}
            )
        except (ClientDisconnected, RuntimeError):
            log.debug("not closed with %s: the client is gone", close.code)


class WebSocketEndpoint:
    """The ASGI application at `/ws`."""

    identify_timeout_s = IDENTIFY_TIMEOUT_S

    def __init__(self, welcome: Welcome, handle: Handle) -> None:
        self._welcome = welcome
        self._handle = handle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if refusal := self._welcome.refuse(scope):
            await _refuse(send, *refusal)
            return
        subprotocol = next(s for s in scope["subprotocols"] if s in SUBPROTOCOLS)
        await send({"type": "websocket.accept", "subprotocol": subprotocol})
        socket = AsgiSocket(server_codec(subprotocol, self._welcome.max_frame), receive, send)
        connection = Connection(time.monotonic(), self._welcome.features)
        live = None
        try:
            live = await self._identify(connection, socket, scope)
            # Held as long as the connection otherwise; nobody needs them any more.
            scope["headers"].clear()
            log.info("session %s is carried by %s", live.id, live.described)
            while True:
                message = connection.receive(await socket.receive())
                # What was under way from a connection that another took over from is none of the session's.
                if live.socket is not socket:
                    break
                await self._handle(live, message)
        except RemoteProtocolError as error:
            log.info("closing a connection: %s", error)
            await socket.close(error.close, error.reason)
        except Disconnected:
            pass
        # The client is told that it wasn't at fault; without this it would see 1006 and no reason.
        except Exception:
            log.exception("closing a connection after a failure of our own")
            await socket.close(errors.UNKNOWN, "the daemon failed; its log has the details: reconnect")
        finally:
            if live is not None:
                live.detach(socket)
                log.info("session %s lost its connection", live.id)

    async def _identify(self, connection: Connection, socket: AsgiSocket, scope: Scope) -> LiveSession:
        nonce = secrets.token_hex(16)
        await socket.send(self._welcome.hello(nonce))
        try:
            message = connection.receive(await asyncio.wait_for(socket.receive(), self.identify_timeout_s))
        except TimeoutError:
            connection.tick(time.monotonic() + IDENTIFY_TIMEOUT_S)
            raise
        assert isinstance(message, Identify)
        if not auth.token_matches(message.auth, self._welcome.token, nonce):
            raise RemoteProtocolError(
                errors.AUTH_FAILED, "field 'auth': the token is wrong; read connection.json again"
            )
        return await self._welcome.admit(message, socket, scope)


def _instead(message: Message, error: errors.RequestError) -> Error:
    request_id = message.id if isinstance(message, (Result, Error)) else UNSET
    seq = message.seq if isinstance(message, Numbered) else UNSET
    return Error(id=request_id, seq=seq, code=error.code.name, message=error.message, hint=error.hint)


async def _refuse(send: Send, status: int, reason: str) -> None:
    body = msgspec.json.encode({"message": reason})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})
