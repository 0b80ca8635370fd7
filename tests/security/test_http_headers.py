"""Every answer keeps browsers from sniffing, embedding, storing or referring to it, errors included."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from starlette.routing import Route

from bridge.core.auth import SECURITY_HEADERS
from bridge.paths import ConnectionFile
from bridge.server.access.tls import PLAIN_ANSWER
from tests.server.conftest import start  # noqa: F401
from tests.server.daemons import ThreadDaemon
from tests.server.pages import bearer, page

UPGRADE = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
SOCKET = UPGRADE + b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: bridge.v1.json\r\n"
BLOB = b"/blobs/" + b"0" * 64

ASKED = {
    "health": (b"GET /health", b"Connection: close\r\n", 200),
    "unknown path": (b"GET /nowhere", b"Connection: close\r\n", 404),
    "unknown method": (b"POST /health", b"Connection: close\r\n", 405),
    "no token": (b"GET /status", b"Connection: close\r\n", 401),
    "wrong token": (b"GET " + BLOB, b"Connection: close\r\nAuthorization: Bearer x\r\n", 401),
    "not HTTP": (b"GET /\x00", b"", 400),
    "invalid header": (b"GET /health", b"a b: c\r\n", 400),
    "no subprotocol": (b"GET /ws", UPGRADE + b"Sec-WebSocket-Version: 13\r\n", 400),
    "web page": (b"GET /ws", SOCKET + b"Origin: https://evil.example\r\n", 403),
    "no such socket": (b"GET /elsewhere", SOCKET, 404),
    "old WebSocket": (b"GET /ws", UPGRADE + b"Sec-WebSocket-Version: 8\r\n", 400),
    "no key": (
        b"GET /ws",
        b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n",
        400,
    ),
}


async def answered(file: ConnectionFile, request: bytes) -> bytes:
    address = urlsplit(file.http)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    with contextlib.closing(writer):
        writer.write(request)
        return await asyncio.wait_for(reader.read(), 20)


def assert_headers(head: bytes) -> None:
    lines = [line.partition(b": ") for line in head.split(b"\r\n")[1:]]
    for name, value in SECURITY_HEADERS:
        assert [own for key, _, own in lines if key.lower() == name] == [value], name


@pytest.mark.parametrize("name", ASKED)
async def test_each_answer_has_them_once(
    start: Callable[..., ThreadDaemon],  # noqa: F811
    name: str,
) -> None:
    line, headers, status = ASKED[name]
    answer = await answered(start().file, line + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n" + headers + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 %d" % status), answer
    assert_headers(answer.partition(b"\r\n\r\n")[0])


async def test_a_rebound_name_and_what_fails_inside_have_them(
    start: Callable[..., ThreadDaemon],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    daemon = start()
    evil = await answered(
        daemon.file, b"GET /health HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    )
    assert evil.startswith(b"HTTP/1.1 403")
    assert_headers(evil.partition(b"\r\n\r\n")[0])
    monkeypatch.setattr(daemon.bridge.authenticator, "bearer", lambda request: 1 / 0)
    failed = await answered(
        daemon.file, b"GET /status HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    )
    assert failed.startswith(b"HTTP/1.1 500")
    assert_headers(failed.partition(b"\r\n\r\n")[0])


def test_a_blob_isnt_stored_by_browsers(start: Callable[..., ThreadDaemon]) -> None:  # noqa: F811
    daemon = start()
    name = daemon.call(store(daemon))
    response, data = page(daemon.file, f"/blobs/{name}", **bearer(daemon.file))
    assert (response.status, data) == (200, b"picture")
    assert response.headers.get_all("cache-control") == ["no-store"]


async def store(daemon: ThreadDaemon) -> str:
    return daemon.bridge.blobs.put(b"picture")


def test_every_route_but_health_and_pairing_needs_a_token_and_these_tell_nothing(
    start: Callable[..., ThreadDaemon],  # noqa: F811
) -> None:
    daemon = start()
    routes = [route for route in daemon.bridge.app.routes if isinstance(route, Route)]
    assert len(routes) > 8
    for method, template in [(method, route.path) for route in routes for method in route.methods or ()]:
        path = template.format(name="0" * 64, id="local")
        response, body = page(daemon.file, path, method)
        if path == "/health":
            assert (response.status, body) == (200, b'{"status":"ok"}' if method == "GET" else b"")
        elif path in ("/pairing/start", "/pairing/finish"):
            # Whoever has no token yet; without a code, they do nothing.
            assert response.status == 400
        else:
            assert response.status == 401, (method, path)
            assert response.headers["www-authenticate"] == "Bearer"


def test_a_plain_request_to_a_port_with_tls_has_them() -> None:
    head, _, text = PLAIN_ANSWER.partition(b"\r\n\r\n")
    assert b"content-length: %d" % len(text) in head.lower()
    assert_headers(head)
