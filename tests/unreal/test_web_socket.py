"""The plugin's WebSocket client, against another implementation and against raw bytes."""

from __future__ import annotations

import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from websockets.sync.server import ServerConnection, serve

from tests.e2e.world import until
from tests.unreal.conftest import PLUGIN

PROTOCOL = "bridge.v1.msgpack"
LARGEST = 1 << 18
WAIT_S = 10.0


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(PLUGIN))
    from popbridge_unreal import web_socket  # type: ignore[import-not-found]

    yield web_socket
    for name in [each for each in sys.modules if each.startswith("popbridge_unreal")]:
        del sys.modules[name]


Connect = Callable[..., Any]


@pytest.fixture
def connect(module: Any) -> Iterator[Connect]:
    """Runs a server with a handler, and returns a client of it."""
    servers, clients = [], []

    def connect(handler: Callable[[ServerConnection], None], **options: Any) -> Any:
        server = serve(handler, "127.0.0.1", 0, subprotocols=[PROTOCOL], **options)  # type: ignore[list-item]
        servers.append(server)
        threading.Thread(target=server.serve_forever).start()
        port = server.socket.getsockname()[1]
        client = module.WebSocket(f"ws://127.0.0.1:{port}/ws?token=a", PROTOCOL, "", LARGEST)
        clients.append(client)
        return client

    yield connect
    for client in clients:
        client.abort()
        client.join(WAIT_S)
    for server in servers:
        server.shutdown()


def received(client: Any) -> bytes:
    got: list[bytes] = []

    def take() -> bool:
        message = client.receive()
        if message is not None:
            got.append(message)
        return bool(got)

    until(take, "a message", WAIT_S)
    return got[0]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, LARGEST])
def test_messages_of_any_length_go_both_ways(connect: Connect, size: int) -> None:
    def echo(peer: ServerConnection) -> None:
        for message in peer:
            peer.send(message)

    client = connect(echo)
    until(lambda: client.state == "open", "the connection", WAIT_S)
    content = bytes(range(256)) * (size // 256) + bytes(size % 256)
    assert client.send(content)
    assert received(client) == content


def test_fragments_are_joined_and_pings_between_them_answered(connect: Connect) -> None:
    pongs = []

    def parts() -> Iterator[bytes]:
        yield b"one "
        yield b""
        yield b"message"

    def handle(peer: ServerConnection) -> None:
        pongs.append(peer.ping(b"in between"))
        peer.send(parts())
        peer.recv()

    client = connect(handle)
    assert received(client) == b"one message"
    assert pongs[0].wait(WAIT_S)


def test_the_peers_code_and_reason_are_kept(connect: Connect) -> None:
    client = connect(lambda peer: peer.close(4011, "used by another"))
    until(lambda: client.state == "closed", "the end", WAIT_S)
    assert (client.close_code, client.close_reason) == (4011, "used by another")
    assert not client.send(b"late")


def test_a_farewell_reaches_the_peer(connect: Connect) -> None:
    codes: list[Any] = []

    def handle(peer: ServerConnection) -> None:
        for _ in peer:
            pass
        codes.append((peer.close_code, peer.close_reason))

    client = connect(handle)
    until(lambda: client.state == "open", "the connection", WAIT_S)
    client.close(1001, "the editor ends")
    client.join(1.0)
    assert client.state == "closed"
    until(lambda: codes == [(1001, "the editor ends")], "the farewell", WAIT_S)


def test_a_silent_peer_is_given_up(connect: Connect) -> None:
    client = connect(lambda peer: time.sleep(1.0), ping_interval=None)
    until(lambda: client.state == "open", "the connection", WAIT_S)
    client.silence_s = 0.2
    client.send(b"are you there?")
    until(lambda: client.state == "closed", "the end", 0.9)


@pytest.mark.parametrize(
    "frame",
    [
        b"\xc2\x00",  # an extension's bit
        b"\x82\x81\0\0\0\0a",  # a mask
        b"\x81\x01a",  # text
        b"\x80\x01a",  # a continuation of nothing
        b"\x02\x01a\x82\x01b",  # a new message within another
        b"\x09\x00",  # a ping in fragments
        b"\x89\x7e\x00\x7e" + bytes(126),  # a long ping
        b"\x82\x7f" + struct.pack(">Q", LARGEST + 1),  # more than is allowed
    ],
)
def test_an_invalid_frame_ends_the_connection(module: Any, frame: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = module.WebSocket(f"ws://127.0.0.1:{server.getsockname()[1]}/", PROTOCOL, "", LARGEST)
        peer, _ = server.accept()
        with peer:
            head = peer.recv(4096).decode()
            key = next(line[19:] for line in head.split("\r\n") if line.startswith("Sec-WebSocket-Key: "))
            accept = module.base64.b64encode(
                module.hashlib.sha1(key.encode() + module.SALT).digest()
            ).decode()
            peer.sendall(
                f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: {PROTOCOL}\r\n\r\n".encode()
            )
            peer.sendall(frame)
            until(lambda: client.state == "closed", "the end", WAIT_S)
            assert client.receive() is None


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n",
        b"HTTP/1.1 503 Busy\r\n\r\n",
    ],
)
def test_another_server_is_told_as_such(module: Any, answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = module.WebSocket(f"ws://127.0.0.1:{server.getsockname()[1]}/", PROTOCOL, "", LARGEST)
        peer, _ = server.accept()
        with peer:
            peer.recv(4096)
            peer.sendall(answer)
            until(lambda: client.state == "closed", "the end", WAIT_S)
    assert client.problem


def test_a_server_that_never_answers_holds_nothing_up(module: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = module.WebSocket(f"ws://127.0.0.1:{server.getsockname()[1]}/", PROTOCOL, "", LARGEST)
        peer, _ = server.accept()
        with peer:
            peer.sendall(b"HTTP/1.1 101")
            begun = time.monotonic()
            client.close(1001, "")
            client.join(WAIT_S)
            assert client.state == "closed" and time.monotonic() - begun < 2.0
