"""Published vulnerabilities of other programs' local servers, tried against the daemon without a browser.

What pages in a browser do is in test_web_pages.py. A program that is no browser may send any header, or none.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlite_utils import Database
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from bridge.core import access
from bridge.paths import ConnectionFile
from bridge.store.tokens import TokenStore
from tests.server.daemons import ProcessDaemon, ThreadDaemon
from tests.server.wire import dial, session

SECRET = "a secret of the user"
NAME = hashlib.sha256(SECRET.encode()).hexdigest()
ORIGINS = {
    "another site": "https://evil.test",
    "another site without TLS": "http://evil.test",
    "prefix of an address": "http://127.evil.com",
    "address as a subdomain": "http://127.0.0.1.evil.com",
    "localhost as a subdomain": "http://localhost.evil.com",
    "address as a user": "http://127.0.0.1@evil.test",
    "this machine": "http://127.0.0.1:{port}",
    "another server of this machine": "http://localhost:51204",
    "all addresses": "http://0.0.0.0:{port}",
    "file or sandbox": "null",
    "file": "file://",
    "browser extension": "chrome-extension://abcdefghijklmnop",
    "web view of an editor": "vscode-webview://0123456789",
    "empty": "",
}
HOSTS = {
    "rebound name": "evil.test:{port}",
    "prefix of an address": "127.evil.com:{port}",
    "address as a subdomain": "127.0.0.1.evil.com:{port}",
    "localhost as a subdomain": "localhost.evil.com:{port}",
    "subdomain of localhost": "evil.localhost:{port}",
    "all addresses": "0.0.0.0:{port}",
    "all addresses, IPv6": "[::]:{port}",
    "address as a user": "127.0.0.1@evil.test:{port}",
    "address as a path": "evil.test/127.0.0.1",
    "address of the network": "192.168.1.7:{port}",
    "none": "",
}


@pytest.fixture(autouse=True)
def _workers(shared_workers: None) -> None:
    """They share worker processes."""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreadDaemon]:
    running = ThreadDaemon(tmp_path_factory.mktemp("published") / "home").start()
    running.call(store(running))
    yield running
    running.stop()


@pytest.fixture
def process(tmp_path: Path) -> Iterator[ProcessDaemon]:
    made = ProcessDaemon(tmp_path / "home")
    yield made
    made.end()


async def store(daemon: ThreadDaemon) -> str:
    return daemon.bridge.blobs.put(SECRET.encode())


def port_of(file: ConnectionFile) -> int:
    return int(urlsplit(file.http).port or 0)


async def told(file: ConnectionFile, method: str, path: str, body: str = "", **headers: str) -> bytes:
    """The answer to a request with exactly these headers."""
    fields = {"Host": f"127.0.0.1:{port_of(file)}", "Content-Length": str(len(body)), **headers}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(file))
    with contextlib.closing(writer):
        head = "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "Connection: close", "", ""])
        writer.write((head + body).encode())
        return await asyncio.wait_for(reader.read(), 20)


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_cve_2025_49596_no_form_of_a_page_does_anything(daemon: ThreadDaemon, media: str) -> None:
    """MCP Inspector: its proxy ran commands for whoever reached its port, also for a page at 0.0.0.0."""
    body = '{"name":"thief","scopes":["admin"]}'
    for (method, template), right in access.ROUTES.items():
        if right is access.ANY:
            continue
        path = template.format(name=NAME, id="local")
        for query in ("", "?token=local&command=touch+x", f"?authorization=Bearer%20{'x' * 43}"):
            answer = await told(daemon.file, method, path + query, body, Content_Type=media)
            assert answer.startswith(b"HTTP/1.1 401 "), (method, path, answer)
            assert SECRET.encode() not in answer
    assert daemon.call(daemon.bridge.store.read(lambda db: TokenStore(Database(db)).all())) == []


@pytest.mark.parametrize("path", [path for (method, path), right in access.ROUTES.items()
                                  if right is access.ANY and method != "GET"])  # fmt: skip
async def test_what_needs_no_token_is_refused_to_pages(daemon: ThreadDaemon, path: str) -> None:
    """Otherwise a page could use up the tries of a code for pairing."""
    for origin in ("https://evil.test", "null", f"http://127.0.0.1:{port_of(daemon.file)}"):
        answer = await told(daemon.file, "POST", path, "{}", Content_Type="text/plain", Origin=origin)
        assert answer.startswith(b"HTTP/1.1 403 "), answer
        assert b"Web pages" in answer
    assert b"Web pages" not in await told(daemon.file, "POST", path, "{}")


def test_cve_2025_49596_by_default_the_port_is_open_on_loopback_only(process: ProcessDaemon) -> None:
    """A server at 0.0.0.0 answers at each address of the machine, of which 127.0.0.2 is one on Linux."""
    file = process.start()
    assert urlsplit(file.http).hostname == "127.0.0.1"
    with socket.create_connection(("127.0.0.1", port_of(file)), 5):
        pass
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.2", port_of(file)), 5)


@pytest.mark.parametrize("origin", ORIGINS.values(), ids=ORIGINS)
async def test_cve_2025_24964_and_cve_2025_52882_no_page_opens_a_socket(
    daemon: ThreadDaemon, origin: str
) -> None:
    """Vitest and an editor's extension: a WebSocket has no same-origin policy, so the server has to check."""
    sent = origin.format(port=port_of(daemon.file))
    for protocol in ("bridge.v1.json", "bridge.v1.msgpack"):
        with pytest.raises(InvalidStatus) as caught:
            async with connect(
                daemon.file.ws,
                additional_headers={"Origin": sent},
                subprotocols=[Subprotocol(protocol)],
                proxy=None,
            ):
                pass
        assert caught.value.response.status_code == 403


@pytest.mark.parametrize("kind", ["request", "event", "answer", "ack", "cancel", "result", "hello", "call"])
async def test_cve_2025_52882_without_a_token_a_socket_does_nothing(
    daemon: ThreadDaemon, tmp_path: Path, kind: str
) -> None:
    """An editor's extension: any client of its WebSocket could read files and run code."""
    secret = tmp_path / "secret.txt"
    secret.write_text(SECRET)
    message: dict[str, Any] = {
        "request": {"id": 1, "workload": "test.read", "inputs": [{"name": "a", "path": str(secret)}]},
        "event": {"name": "asset.imported", "data": {"batch": 1, "more": False, "assets": []}},
        "answer": {"id": 1, "state": "answered", "action": "yes"},
        "ack": {"seq": 1},
        "cancel": {"id": 1},
        "result": {"id": 1, "value": {}},
        "hello": {"protocol": 1},
        "call": {"method": "tools/call"},
    }[kind]
    async with dial(daemon.file, "bridge.v1.json") as wire:
        assert set(wire.hello) == {"type", "protocol", "features", "server", "limits", "heartbeat_s", "auth"}
        await wire.send(kind, **message)
        code, _ = await wire.closed()
        assert code in (4003, 4006, 4007)
    assert not daemon.look(lambda: daemon.bridge.sessions.by_id)


@pytest.mark.parametrize(
    "path",
    [
        "{secret}",
        "file://{secret}",
        "file://{secret}?raw",
        "file://localhost{secret}",
        "/@fs{secret}?raw",
        "/@fs/../..{secret}",
        "../secret.txt",
        "a.png/../../secret.txt",
        "%2e%2e/secret.txt",
        "..\\secret.txt",
        "{secret}?raw??",
        "{secret}#.png",
        "~/secret.txt",
        "{home}/connection.json",
        "{home}/popbridge.db",
        "/proc/self/environ",
        "/proc/self/root{secret}",
        "/dev/fd/0",
        "\\\\evil.test\\share\\secret.txt",
        "\\\\?\\C:\\secret.txt",
        "a.png:secret.txt",
        "a.png::$DATA",
        "secret.txt\0.png",
    ],
)
async def test_cve_2026_39363_a_socket_reads_no_file_outside_the_project(
    daemon: ThreadDaemon, tmp_path: Path, path: str
) -> None:
    """Vite: the HTTP routes checked which files may be read, and the same read through the WebSocket, by a
    client that sends no Origin, did not."""
    root = tmp_path / "project"
    root.mkdir()
    (root / "a.png").write_bytes(b"pixels")
    secret = tmp_path / "secret.txt"
    secret.write_text(SECRET)
    asked = path.format(secret=secret, home=daemon.paths.runtime)
    project = {"id": "p", "name": "P", "root": str(root)}
    async with session(daemon.file, project=project) as wire:
        own = await wire.request(1, "test.read", inputs=[{"name": "a", "path": "a.png"}])
        assert own["value"] == [b"pixels"]
        answer = await wire.request(2, "test.read", inputs=[{"name": "a", "path": asked}])
        assert answer["code"] in ("forbidden", "not_found", "bad_input")
        assert SECRET not in repr(answer)
    async with session(daemon.file) as wire:
        answer = await wire.request(1, "test.read", inputs=[{"name": "a", "path": str(root / "a.png")}])
        assert answer["code"] == "forbidden"


@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
async def test_cve_2024_28224_a_rebound_name_gets_no_answer(daemon: ThreadDaemon, host: str) -> None:
    """Ollama: a page whose name is rebound to 127.0.0.1 has the same origin, and only Host tells."""
    file = daemon.file
    sent = host.format(port=port_of(file))
    for method, path in [
        ("GET", "/health"),
        ("GET", "/status"),
        ("GET", f"/blobs/{NAME}"),
        ("POST", "/tokens"),
    ]:
        # Even with the right token.
        answer = await told(file, method, path, Host=sent, Authorization=f"Bearer {file.token}")
        assert answer.startswith((b"HTTP/1.1 403 ", b"HTTP/1.1 400 ")), answer
        assert SECRET.encode() not in answer
    upgrade = {
        "Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "13",
        "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec_WebSocket_Protocol": "bridge.v1.json",
    }  # fmt: skip
    answer = await told(file, "GET", "/ws", Host=sent, **upgrade)
    assert answer.startswith((b"HTTP/1.1 403 ", b"HTTP/1.1 400 ")), answer


async def test_a_request_with_two_hosts_or_another_in_its_target_gets_no_answer(daemon: ThreadDaemon) -> None:
    file = daemon.file
    good = f"127.0.0.1:{port_of(file)}"
    for headers in ({"Host": "evil.test", "host": good}, {"Host": good, "host": "evil.test"}):
        answer = await told(file, "GET", "/health", **headers)
        assert answer.startswith((b"HTTP/1.1 403 ", b"HTTP/1.1 400 ")), answer
    answer = await told(file, "GET", "http://evil.test/health")
    assert not answer.startswith(b"HTTP/1.1 200 "), answer
