"""A daemon that says what a test tells it, on a real socket, to the real addon."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import msgpack
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from bridge.core import auth
from bridge.core.messages import MAX_FRAME, MAX_INLINE, PROTOCOL, SUBPROTOCOL_MSGPACK
from bridge.server.access.certificates import Leaf
from bridge.server.access.tls import server_context

WAIT_S = 120.0
DEADLINE_MS = 120_000
NONCE = "5e" * 16
POPUP: dict[str, Any] = {
    "type": "popup",
    "kind": "import",
    "title": "A normal map is imported as colour",
    "body": "**rock.png** has `flags/srgb` 2: see https://docs.godotengine.org.",
    "actions": [
        {"id": "apply", "label": "Apply", "style": "primary", "default": True},
        {"id": "later", "label": "Not now"},
    ],
}

Wanted = Callable[[Mapping[str, Any]], bool]


class Daemon:
    """Listens, writes `connection.json` into `home`, greets each client and keeps all that it says.

    It stands in for one session: `stop` and `start` again are a restart of the daemon that kept it.
    """

    token = "local.Zm9yIHRlc3RzIG9ubHksIG5vdCBhIHJlYWwgc2VjcmU"
    http_token = "http-token"

    def __init__(self, home: Path, frame: int = MAX_FRAME, leaf: Leaf | None = None) -> None:
        """With `leaf`, it accepts TLS only, and shows this certificate."""
        self.home = home
        self.leaf = leaf
        self.frame = frame
        self.said: list[dict[str, Any]] = []
        """All messages of all clients, in order."""
        self.blobs: dict[str, bytes] = {}
        self.fetched: list[str] = []
        self.explanations: dict[str, dict[str, Any]] = {}
        """The fields of the `result` of `texture.explain`, by the texture's path; others aren't known."""
        self.features: list[str] = []
        """What `hello` offers."""
        self.refuse_resume = False
        self.open_popups: list[int] | None = None
        """What is open when a session is resumed; None as of a daemon that doesn't say so."""
        self.heartbeat_s = 20.0
        """How often a client may expect a sign of life, as the next one is told."""
        self.instance = "i1"
        """Another one is another daemon, that kept the session."""
        self.seq = 0
        """The number of the last command or popup of the session."""
        self.paths: list[str] = []
        """What the clients' requests for a socket named."""
        self._read = 0
        self._barrier = 1_000_000
        """The id of the last command that only waits."""
        self._news = asyncio.Condition()
        self._server: Server | None = None
        self._socket: ServerConnection | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        self._server = await serve(
            self._serve,
            "127.0.0.1",
            0,
            subprotocols=[SUBPROTOCOL_MSGPACK],  # type: ignore[list-item]
            max_size=MAX_FRAME,
            compression=None,
            process_request=self._blob,
            ssl=server_context(self.leaf) if self.leaf else None,
        )
        self.publish(self._server.sockets[0].getsockname()[1])

    def publish(self, port: int) -> None:
        """Tells clients that a daemon listens there."""
        secure = "s" if self.leaf else ""
        connection = {
            "ws": f"ws{secure}://127.0.0.1:{port}/ws",
            "http": f"http{secure}://127.0.0.1:{port}",
            "token": self.token,
            "fingerprint": self.leaf and self.leaf.fingerprint,
            "ca": self.leaf and self.leaf.ca,
            "pid": 1,
            "protocol": PROTOCOL,
        }
        if self.leaf:
            (self.home / "ca.pem").write_text(self.leaf.ca, encoding="ascii")
        (self.home / "connection.json").write_text(json.dumps(connection), encoding="utf-8")

    async def stop(self) -> None:
        """As an abrupt end: without a word to the client."""
        if self._socket is not None:
            self._socket.transport.abort()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        self._server = self._socket = None

    async def say(self, **message: Any) -> None:
        assert self._socket is not None, "no editor is connected"
        await self._socket.send(msgpack.packb(message))

    async def command(self, name: str, **args: Any) -> dict[str, Any]:
        """Gives the editor a command. Gives its message, for `outcome` and to be said again."""
        self.seq += 1
        numbers = {"id": 100 + self.seq, "seq": self.seq, "deadline_ms": DEADLINE_MS}
        message = {"type": "command", "name": name, "args": args, **numbers}
        await self.say(**message)
        return message

    async def popup(self, **fields: Any) -> dict[str, Any]:
        """Shows POPUP with `fields` besides. Gives its message."""
        self.seq += 1
        message = {**POPUP, "id": 100 + self.seq, "seq": self.seq, **fields}
        await self.say(**message)
        return message

    async def outcome(self, command: Mapping[str, Any], type_: str = "result") -> dict[str, Any]:
        """The editor's answer to `command`, a `result` or an `error`."""
        return await self.hear(type_, lambda message: message.get("id") == command["id"])

    async def acknowledged(self, message: Mapping[str, Any]) -> None:
        """Waits for the `ack` that takes in `message`."""
        await self.hear("ack", lambda ack: ack["seq"] >= message["seq"])

    async def hear(self, type_: str, wanted: Wanted = lambda message: True) -> dict[str, Any]:
        """The next message of that type; those before it are passed over."""
        try:
            async with asyncio.timeout(WAIT_S), self._news:
                while True:
                    while self._read < len(self.said):
                        message = self.said[self._read]
                        self._read += 1
                        if message["type"] == type_ and wanted(message):
                            return message
                    await self._news.wait()
        except TimeoutError:
            last = "\n".join(str(message)[:500] for message in self.said[-10:])
            raise AssertionError(
                f"no such {type_} came within {WAIT_S:.0f} s; the last were\n{last}"
            ) from None

    async def hear_event(self, name: str) -> dict[str, Any]:
        """The data of the next event of that name."""
        message = await self.hear("event", lambda message: message["name"] == name)
        data: dict[str, Any] = message["data"]
        return data

    async def settled(self) -> None:
        """Waits until the session is open, no import is in progress, and all that was said is handled.

        What the editor said meanwhile can still be heard, except an earlier `identify`.
        """
        async with asyncio.timeout(WAIT_S):
            async with self._news:
                await self._news.wait_for(lambda: self._socket is not None)
            self._barrier += 1
            changes: list[Any] = []
            numbers = {"id": self._barrier, "deadline_ms": DEADLINE_MS}
            # Without a number: it isn't acknowledged.
            await self.say(type="command", name="texture.apply", args={"changes": changes}, **numbers)
            async with self._news:
                await self._news.wait_for(lambda: any(said.get("id") == self._barrier for said in self.said))
        identified = max(at for at, said in enumerate(self.said) if said["type"] == "identify")
        self._read = max(self._read, identified + 1)

    async def _serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.paths.append(socket.request.path)
        await socket.send(msgpack.packb(self.hello(socket.request.path)))
        try:
            async for frame in socket:
                message = msgpack.unpackb(frame)
                if message["type"] == "identify":
                    await self._welcome(socket, message)
                if message["type"] == "request":
                    await socket.send(msgpack.packb(self._explanation(message)))
                async with self._news:
                    self.said.append(message)
                    self._news.notify_all()
        except ConnectionClosed:
            pass
        if self._socket is socket:
            self._socket = None

    async def _welcome(self, socket: ServerConnection, identify: dict[str, Any]) -> None:
        resumed = "resume" in identify
        if resumed and self.refuse_resume:
            self.seq = 0
            await socket.close(4011, "the session is gone: identify without 'resume'")
            return
        self._socket = socket
        ready = {"type": "ready", "session": "s1", "resume_token": "r1", "resumed": resumed, "workloads": []}
        ready["http_token"] = self.http_token
        said = {} if self.open_popups is None else {"popups": self.open_popups}
        await socket.send(msgpack.packb({**ready, **said}))

    def _explanation(self, request: dict[str, Any]) -> dict[str, Any]:
        explained = self.explanations.get(request["params"].get("path", ""))
        if request["workload"] != "texture.explain" or explained is None:
            return {"type": "error", "id": request["id"], "code": "unknown_workload", "message": "Unknown."}
        return {"type": "result", "id": request["id"], **explained}

    def hello(self, path: str) -> dict[str, Any]:
        """What a client gets first that asked for a socket at `path`."""
        query = dict(parse_qsl(urlsplit(path).query))
        message = auth.signed_message(
            query["token"], query["nonce"], NONCE, self.leaf.fingerprint if self.leaf else ""
        )
        proof = auth.server_proof(auth.verifier(self.token).server_key, message)
        return {
            "type": "hello",
            "protocol": PROTOCOL,
            "features": self.features,
            "server": {"name": "popbridge", "version": "0.1.0", "instance": self.instance},
            "limits": {"frame": self.frame, "inline": MAX_INLINE, "inflight": 64},
            "heartbeat_s": self.heartbeat_s,
            "auth": {"methods": ["proof", "token"], "nonce": NONCE, "proof": proof},
        }

    def _blob(self, socket: ServerConnection, request: Request) -> Response | None:
        if not request.path.startswith("/blobs/"):
            return None
        blob = self.blobs.get(request.path.removeprefix("/blobs/"))
        if blob is None or request.headers.get("Authorization") != f"Bearer {self.http_token}":
            return socket.respond(HTTPStatus.NOT_FOUND, "no such blob\n")
        self.fetched.append(request.path.removeprefix("/blobs/"))
        headers = Headers(
            {"Content-Type": "image/png", "Content-Length": str(len(blob)), "Connection": "close"}
        )
        return Response(HTTPStatus.OK, "OK", headers, blob)
