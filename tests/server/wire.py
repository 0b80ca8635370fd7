"""A client of the daemon's socket that may say anything: plain maps, both subprotocols, raw frames."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket as sockets
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgpack
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from bridge.core import auth
from bridge.core.access import LOCAL_ID
from bridge.paths import ConnectionFile

PATIENCE_S = 30.0


class Wire:
    """One connection."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.text = socket.subprotocol == "bridge.v1.json"
        self.hello: dict[str, Any] = {}
        self.ready: dict[str, Any] = {}

    async def receive(self) -> dict[str, Any]:
        frame = await asyncio.wait_for(self.socket.recv(), PATIENCE_S)
        assert isinstance(frame, str) == self.text
        return json.loads(frame) if self.text else msgpack.unpackb(frame)

    async def until(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The next message of a type with these fields; others before it are passed over."""
        while True:
            message = await self.receive()
            if message["type"] == kind and all(message.get(k) == v for k, v in fields.items()):
                return message

    async def quiet(self, seconds: float = 0.3) -> bool:
        """Whether nothing more comes: the daemon answers a request that is sent now first."""
        await self.send("request", id=999_999, workload="test.inline")
        return (await self.receive())["id"] == 999_999

    async def send(self, kind: str, **fields: Any) -> None:
        message = {"type": kind, **fields}
        await self.socket.send(json.dumps(message) if self.text else msgpack.packb(message))

    async def request(
        self, request_id: int, workload: str, params: Any = None, **more: Any
    ) -> dict[str, Any]:
        """The answer to a request; what else comes before it is passed over."""
        await self.send("request", id=request_id, workload=workload, params=params or {}, **more)
        while True:
            message = await self.receive()
            if message["type"] in ("result", "error") and message.get("id") == request_id:
                return message

    async def closed(self) -> tuple[int | None, str | None]:
        """The close code and reason, once the connection has ended."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                await asyncio.wait_for(self.socket.recv(), PATIENCE_S)
        return self.socket.close_code, self.socket.close_reason


def identity(file: ConnectionFile, **changes: Any) -> dict[str, Any]:
    """The fields of an `identify`."""
    fields = {
        "protocol": 1,
        "client": {"kind": "editor", "name": "wire", "version": "1"},
        "instance": "one",
        "auth": {"token": file.token},
    }
    return {**fields, **changes}


def proof(file: ConnectionFile, wire: Wire, nonce: str, token: str | None = None) -> dict[str, Any]:
    """The `auth` of an `identify` that proves the token."""
    token = token or file.token
    found = auth.token_id(token)
    message = auth.signed_message(found, nonce, wire.hello["auth"]["nonce"])
    return {"id": found, "nonce": nonce, "proof": auth.client_proof(token, message)}


def offer(path: str, token: str) -> dict[str, Any]:
    """The `hello.auth` of a daemon that knows the token, to a client that asked for `path`."""
    query, nonce = dict(parse_qsl(urlsplit(path).query)), "0b" * 16
    message = auth.signed_message(query["token"], query["nonce"], nonce)
    proof = auth.server_proof(auth.verifier(token).server_key, message)
    return {"methods": ["proof"], "nonce": nonce, "proof": proof}


@contextlib.asynccontextmanager
async def dial(
    file: ConnectionFile,
    subprotocol: str = "bridge.v1.msgpack",
    *,
    nonce: str = "",
    token_id: str = LOCAL_ID,
    **options: Any,
) -> AsyncIterator[Wire]:
    """A connection that has had its `hello`, with the daemon's proof if there is a `nonce`."""
    query = f"?token={token_id}&nonce={nonce}" if nonce else ""
    async with connect(
        f"{file.ws}{query}", subprotocols=[Subprotocol(subprotocol)], compression=None, proxy=None, **options
    ) as socket:
        wire = Wire(socket)
        wire.hello = await wire.receive()
        yield wire


@contextlib.asynccontextmanager
async def session(
    file: ConnectionFile, subprotocol: str = "bridge.v1.msgpack", **changes: Any
) -> AsyncIterator[Wire]:
    """A connection with an open session."""
    async with dial(file, subprotocol) as wire:
        await wire.send("identify", **identity(file, **changes))
        wire.ready = await wire.receive()
        assert wire.ready["type"] == "ready"
        yield wire


def resume(wire: Wire, last_seq: int = 0, **changes: Any) -> dict[str, Any]:
    """What `identify.resume` has to be to come back to `wire`'s session."""
    back = {"session": wire.ready["session"], "token": wire.ready["resume_token"], "last_seq": last_seq}
    return {**back, **changes}


def deaf(file: ConnectionFile) -> sockets.socket:
    """A connection of a peer whose kernel takes little."""
    parts = urlsplit(file.ws)
    made = sockets.socket()
    made.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    made.connect((parts.hostname, parts.port))
    return made


async def stall(wire: Wire) -> None:
    """Asks for much and reads nothing."""
    wire.socket.transport.pause_reading()
    value = "x" * 200_000
    for number in range(40):
        await wire.send("request", id=number, workload="bridge.echo", params={"value": value})
