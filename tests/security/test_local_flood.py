"""A local user without a token can't stop the daemon; the long form is tools/bench/door.py."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bridge.paths import ConnectionFile
from bridge.server import blobs
from bridge.server.uvicorn_protocols import BridgeProtocol, HttpProtocol
from tests.security.flood import HANDSHAKE
from tests.server.conftest import process, start  # noqa: F401
from tests.server.daemons import ProcessDaemon, ThreadDaemon, until
from tests.server.pages import bearer, page
from tests.server.wire import Wire, dial, identity, session

pytestmark = pytest.mark.alone

ECHOES = 200
DESCRIPTORS = 200


@contextlib.asynccontextmanager
async def flood(file: ConnectionFile, idle: int, bodies: int, pipelines: int) -> AsyncIterator[None]:
    """Another process, of another user if possible, that opens these connections and keeps at it."""
    counts = map(str, (urlsplit(file.ws).port, idle, bodies, pipelines))
    command = [sys.executable, "-m", "tests.security.flood", *counts]
    attacker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert attacker.stdin is not None and attacker.stdout is not None
    try:
        assert await asyncio.to_thread(attacker.stdout.readline) == b"ready\n"
        yield
    finally:
        attacker.stdin.close()
        attacker.wait(10)
        attacker.stdout.close()


async def echo_ms(wire: Wire, first: int) -> list[float]:
    """The times of echoes, in milliseconds, sorted."""
    took = []
    for number in range(first, first + ECHOES):
        begin = time.perf_counter()
        assert (await wire.request(number, "bridge.echo", {"value": "x"}))["type"] == "result"
        took.append((time.perf_counter() - begin) * 1000)
        await asyncio.sleep(0.005)
    return sorted(took)


async def test_editors_work_and_new_ones_get_in_while_another_user_floods_the_port(
    process: ProcessDaemon,  # noqa: F811
) -> None:
    process.environment |= {"POPBRIDGE_CONNECTIONS_UNIDENTIFIED": "64"}
    file = process.start()
    async with session(file) as editor:
        # A machine that runs other tests, too, is slower.
        alone = (await echo_ms(editor, 0))[int(ECHOES * 0.99)]
        async with flood(file, idle=200, bodies=300, pipelines=20):
            assert (await echo_ms(editor, ECHOES))[int(ECHOES * 0.99)] < max(50, 5 * alone)
            for _ in range(5):
                async with session(file) as another:
                    assert (await another.request(1, "bridge.echo"))["type"] == "result"


PINGS = b"\x89\x80\0\0\0\0" * 40_000
EMPTY_MESSAGES = b"\x82\x80\0\0\0\0" * 40_000


@pytest.mark.parametrize("sent", [PINGS, EMPTY_MESSAGES], ids=["pings", "messages"])
async def test_frames_without_a_token_end_the_connection_and_nobody_waits_for_them(
    start: Callable[..., ThreadDaemon],  # noqa: F811
    sent: bytes,
) -> None:
    daemon = start()
    address = urlsplit(daemon.file.ws)
    async with session(daemon.file) as editor:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        with contextlib.closing(writer), contextlib.suppress(ConnectionError):
            writer.write(HANDSHAKE)
            await reader.readuntil(b"\r\n\r\n")
            writer.write(sent)
            await asyncio.wait_for(reader.read(), 5)
        assert (await editor.request(1, "bridge.echo"))["type"] == "result"
        assert daemon.bridge.door.counts.dropped["unidentified"] == 1


CHUNKS = b"PUT /blobs/%b HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n" % (b"0" * 64)
ONE_BYTE = b"1\r\nx\r\n" * 40_000


@pytest.mark.parametrize(
    "sent",
    [CHUNKS + b"\r\n", CHUNKS + b"Authorization: Bearer x\r\n\r\n"],
    ids=["without a token", "with a wrong one"],
)
async def test_chunks_of_a_byte_without_a_token_are_dropped_and_nobody_waits_for_them(
    start: Callable[..., ThreadDaemon],  # noqa: F811
    sent: bytes,
) -> None:
    file = start().file
    address = urlsplit(file.ws)

    async def attack() -> None:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        with contextlib.closing(writer), contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            writer.write(sent + ONE_BYTE * 8)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 401 ")
            await asyncio.wait_for(reader.read(), 10)

    async with session(file) as editor:
        began = time.process_time()
        attacks = asyncio.gather(*(attack() for _ in range(4)))
        number = 0
        while not attacks.done():
            number += 1
            assert (await editor.request(number, "bridge.echo"))["type"] == "result"
            await asyncio.sleep(0.05)
        await attacks
    # The parser alone takes many seconds for them.
    assert time.process_time() - began < 1


async def test_an_upload_in_chunks_of_a_byte_arrives(
    start: Callable[..., ThreadDaemon],  # noqa: F811
) -> None:
    file = start().file
    address, name = urlsplit(file.http), hashlib.sha256(b"x" * 3000).hexdigest()
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    with contextlib.closing(writer):
        writer.write(
            f"PUT /blobs/{name} HTTP/1.1\r\nHost: {address.netloc}\r\nTransfer-Encoding: chunked\r\n"
            f"Authorization: Bearer {file.token}\r\nConnection: close\r\n\r\n".encode()
            + b"1\r\nx\r\n" * 3000
            + b"0\r\n\r\n"
        )
        assert (await asyncio.wait_for(reader.read(), 20)).startswith(b"HTTP/1.1 201 ")


async def test_a_client_may_ping_before_it_identifies(
    start: Callable[..., ThreadDaemon],  # noqa: F811
) -> None:
    file = start().file
    async with dial(file) as wire:
        for _ in range(20):
            await (await wire.socket.ping())
        await wire.send("identify", **identity(file))
        assert (await wire.receive())["type"] == "ready"
        # With a token, as many as it likes.
        for _ in range(BridgeProtocol.max_unproven_frames):
            await (await wire.socket.ping())
        assert (await wire.request(1, "bridge.echo"))["type"] == "result"


@pytest.mark.skipif(sys.platform == "win32", reason="sockets aren't descriptors there")
async def test_jobs_and_uploads_have_descriptors_while_another_user_takes_all_it_can(
    process: ProcessDaemon,  # noqa: F811
    tmp_path: Path,
) -> None:
    begin = (
        # Workers take over the path, in which an empty entry would name another folder.
        "import os, resource, runpy, sys; sys.path[0] = os.getcwd(); "
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({DESCRIPTORS},) * 2); "
        "runpy.run_module('tests.server.daemon', run_name='__main__')"
    )
    process.command = ("-c", begin)  # type: ignore[misc]
    file = process.start()
    async with flood(file, idle=DESCRIPTORS, bodies=DESCRIPTORS, pipelines=20), session(file) as editor:
        for number in range(1, 6):
            made = await editor.request(number, "test.make", {"bytes": number})
            assert made["type"] == "result", made
            data = b"%d" % number
            name = hashlib.sha256(data).hexdigest()
            done = await asyncio.to_thread(put, file, name, data)
            assert done == 201


def put(file: ConnectionFile, name: str, data: bytes) -> int:
    from http.client import HTTPConnection

    client = HTTPConnection(urlsplit(file.http).netloc, timeout=30)
    try:
        client.request("PUT", f"/blobs/{name}", data, bearer(file))
        return client.getresponse().status
    finally:
        client.close()


async def ended_after(daemon: ThreadDaemon, head: bytes, *, reads: bool = True, rest: bytes = b"x") -> float:
    """The seconds until the daemon ends a connection that sends a head, then drips its rest."""
    address = urlsplit(daemon.file.http)
    reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=1024)
    begin = time.monotonic()
    if not reads:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
    with contextlib.suppress(ConnectionError), contextlib.closing(writer):
        writer.write(head)
        while not writer.is_closing() and time.monotonic() < begin + 20:
            writer.write(rest)
            await writer.drain()
            await asyncio.sleep(0.05)
            if reads and reader.at_eof():
                break
    return time.monotonic() - begin


def body(file: ConnectionFile, *, size: int = 1_000_000, token: str = "") -> bytes:
    head = f"PUT /blobs/{'0' * 64} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {size}\r\n"
    return (head + (f"Authorization: Bearer {token}\r\n" if token else "") + "\r\n").encode()


async def test_a_body_without_a_token_ends_soon_after_its_answer(
    start: Callable[..., ThreadDaemon],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(HttpProtocol, "rest_deadline_s", 0.2)
    daemon = start()
    assert await ended_after(daemon, body(daemon.file)) < 10
    assert daemon.bridge.door.counts.dropped["body"] == 1
    until(lambda: not daemon.bridge.door.open, "the end of the connection")


async def test_a_body_with_a_token_needs_the_minimum_rate(
    start: Callable[..., ThreadDaemon],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(blobs, "GRACE_S", 0.2)
    daemon = start(limits__body_bytes_s=1000)
    assert await ended_after(daemon, body(daemon.file, token=daemon.file.token)) < 10
    # 20 bytes each 0.05 s would be too few; these are enough.
    quick = body(daemon.file, size=20_000, token=daemon.file.token)
    assert await ended_after(daemon, quick, rest=b"x" * 1000) > 0.5


async def test_answers_that_are_never_read_end_the_connection(
    start: Callable[..., ThreadDaemon],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(HttpProtocol, "read_deadline_s", 0.3)
    monkeypatch.setattr(HttpProtocol, "max_pipelined", 1 << 30)
    daemon = start(limits__peer_requests_s=0)
    door = daemon.bridge.door
    # Its answer has the path, and so fills the buffers soon.
    request = b"GET /%b HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % (b"x" * 8000) * 50
    sender = asyncio.create_task(ended_after(daemon, request, reads=False, rest=request))
    async with asyncio.timeout(30):
        while not door.counts.dropped["answer"]:
            await asyncio.sleep(0.05)
    sender.cancel()


async def test_a_pipeline_is_answered_up_to_a_limit(
    start: Callable[..., ThreadDaemon],  # noqa: F811
) -> None:
    daemon = start()
    address = urlsplit(daemon.file.http)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    with contextlib.closing(writer):
        writer.write(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 500)
        answered = (await asyncio.wait_for(reader.read(), 20)).count(b"HTTP/1.1 200")
    assert HttpProtocol.max_pipelined <= answered <= HttpProtocol.max_pipelined + 1


def test_requests_without_a_token_have_a_rate_and_those_with_one_dont_notice(
    start: Callable[..., ThreadDaemon],  # noqa: F811
) -> None:
    file = start(limits__peer_requests_s=1).file
    answers = [page(file, "/health")[0] for _ in range(30)]
    assert {answer.status for answer in answers} == {200, 429}
    assert answers[-1].status == 429
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert page(file, "/status", **bearer(file))[0].status == 200


async def test_an_editor_connects_though_its_user_has_used_up_the_rate(
    start: Callable[..., ThreadDaemon],  # noqa: F811
) -> None:
    daemon = start(limits__peer_requests_s=1)
    for _ in range(30):
        await asyncio.to_thread(page, daemon.file, "/health")
    async with session(daemon.file) as wire:
        assert (await wire.request(1, "bridge.echo"))["type"] == "result"
