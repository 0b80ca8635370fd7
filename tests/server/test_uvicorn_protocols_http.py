"""Requests that never end their head are dropped; those that do take the time they take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from bridge.server.uvicorn_protocols import HttpProtocol
from tests.server.daemons import ThreadDaemon
from tests.server.wire import session

PATIENCE_S = 20.0


async def said(daemon: ThreadDaemon, *pieces: bytes, pause_s: float = 0.0) -> bytes:
    """All that is answered to these pieces, until the daemon ends the connection."""
    address = urlsplit(daemon.file.http)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(pause_s)
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await reader.read()
            except ConnectionError:
                return b""
    finally:
        writer.close()


@pytest.fixture
def daemon(start: Callable[..., ThreadDaemon], monkeypatch: pytest.MonkeyPatch) -> ThreadDaemon:
    monkeypatch.setattr(HttpProtocol, "request_deadline_s", 0.3)
    return start()


def health(daemon: ThreadDaemon, *, close: bool) -> bytes:
    connection = b"close" if close else b"keep-alive"
    host = urlsplit(daemon.file.http).netloc.encode()
    return b"GET /health HTTP/1.1\r\nHost: %b\r\nConnection: %b\r\n\r\n" % (host, connection)


@pytest.mark.parametrize("head", [b"", b"G", b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: webso"])
async def test_a_head_that_never_ends_is_dropped(daemon: ThreadDaemon, head: bytes) -> None:
    assert await said(daemon, head) == b""


async def test_a_second_head_that_never_ends_is_dropped_too(daemon: ThreadDaemon) -> None:
    answer = await said(daemon, health(daemon, close=False), b"GET /he", pause_s=0.1)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.count(b"HTTP/1.1") == 1


async def test_a_head_in_pieces_that_comes_in_time_is_answered(daemon: ThreadDaemon) -> None:
    head = health(daemon, close=True)
    assert b'"status":"ok"' in await said(daemon, head[:9], head[9:], pause_s=0.1)


async def test_a_websocket_may_be_as_quiet_as_it_likes(daemon: ThreadDaemon) -> None:
    async with session(daemon.file) as wire:
        await wire.request(1, "test.sleep", {"seconds": 0.7})
        assert (await wire.request(2, "bridge.echo"))["type"] == "result"
