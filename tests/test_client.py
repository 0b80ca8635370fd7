"""The Python client against a real daemon, and against servers that are none."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest
from websockets.asyncio.server import ServerConnection, serve

from bridge.api import RequestError, UserError
from bridge.client.client import Client
from bridge.core import errors
from bridge.core.messages import Event, InputRef, ProjectInfo
from bridge.paths import ConnectionFile
from tests.server.daemons import ProcessDaemon, ThreadDaemon
from tests.server.wire import offer, session

PROJECT = ProjectInfo(id="p", name="P")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreadDaemon]:
    running = ThreadDaemon(tmp_path_factory.mktemp("client") / "home").start()
    yield running
    # Clients that were cut off left it with work that nobody will ask for.
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("bridge.server.app.DRAIN_S", 0.1)
        running.stop()


@pytest.fixture
def where(daemon: ThreadDaemon) -> Path:
    return daemon.paths.connection_file


# Getting in.


async def test_it_connects_and_asks(where: Path) -> None:
    async with await Client.connect(where, locale="de") as client:
        assert client.hello.protocol == 1
        assert client.ready.resumed is False
        assert (await client.request("bridge.echo", {"value": {"ü": [1, b"x"]}})).value == {"ü": [1, b"x"]}
        assert (await client.request("test.ask")).value["locale"] == "de"


async def test_an_engine_gets_its_adapter(where: Path) -> None:
    async with await Client.connect(where, kind="editor", engine=("fake", "2.2"), project=PROJECT) as client:
        assert client.ready.adapter
        assert client.ready.adapter.exact


async def test_without_a_daemon_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="popbridge serve"):
        await Client.connect(tmp_path / "connection.json")


async def test_after_a_daemon_that_is_gone_it_says_what_to_do(where: Path, tmp_path: Path) -> None:
    stale = ConnectionFile.read(where)
    stale.ws = "ws://127.0.0.1:9/ws"
    stale.write(tmp_path / "connection.json")
    with pytest.raises(UserError, match=r"doesn't answer at ws://127\.0\.0\.1:9/ws"):
        await Client.connect(tmp_path / "connection.json")


async def test_a_daemon_with_another_token_is_none(where: Path, tmp_path: Path) -> None:
    wrong = ConnectionFile.read(where)
    wrong.token = f"{wrong.token[:-1]}?"
    wrong.write(tmp_path / "connection.json")
    with pytest.raises(UserError, match="Another program answers"):
        await Client.connect(tmp_path / "connection.json")


async def test_a_refusal_is_told_with_its_code(where: Path) -> None:
    engine = ("fake", "no version")
    with pytest.raises(UserError, match="refused the connection: 4005"):
        await Client.connect(where, kind="editor", engine=engine)


async def test_the_token_of_an_old_daemon_is_not_sent(tmp_path: Path) -> None:
    async def handle(socket: ServerConnection) -> None:
        pytest.fail("it was reached")

    async with server(tmp_path, handle, token="without an id") as where:
        with pytest.raises(UserError, match=r"0\.2 or older"):
            await Client.connect(where)


TOKEN = "local.secret"


async def greet(socket: ServerConnection) -> None:
    """Sends a `hello` with the right proof."""
    assert socket.request is not None
    await socket.send(msgpack.packb({**HELLO, "auth": offer(socket.request.path, TOKEN)}))


@contextlib.asynccontextmanager
async def server(
    tmp_path: Path, handle: Callable[[ServerConnection], Any], token: str = TOKEN
) -> AsyncIterator[Path]:
    """Something that listens where PopBridge should."""
    async with serve(handle, "127.0.0.1", 0, subprotocols=["bridge.v1.msgpack"]) as running:  # type: ignore[list-item]
        port = next(iter(running.sockets)).getsockname()[1]
        ws, http = f"ws://127.0.0.1:{port}/ws", f"http://127.0.0.1:{port}"
        ConnectionFile(ws=ws, http=http, token=token, pid=1, protocol=1).write(tmp_path / "connection.json")
        yield tmp_path / "connection.json"


HELLO = {
    "type": "hello", "protocol": 1, "features": [], "heartbeat_s": 20,
    "server": {"name": "s", "version": "1", "instance": "i"},
    "limits": {"frame": 262_144, "inline": 1, "inflight": 1},
}  # fmt: skip
READY = {"type": "ready", "session": "s", "resume_token": "t", "resumed": False, "workloads": []}


async def test_a_server_that_is_another_is_told_apart(tmp_path: Path) -> None:
    async def handle(socket: ServerConnection) -> None:
        await greet(socket)
        await socket.recv()
        await greet(socket)
        await socket.wait_closed()

    async with server(tmp_path, handle) as where:
        with pytest.raises(UserError, match="isn't PopBridge"):
            await Client.connect(where)


async def test_a_server_that_hangs_up_is_told(tmp_path: Path) -> None:
    async def handle(socket: ServerConnection) -> None:
        socket.transport.abort()

    async with server(tmp_path, handle) as where:
        with pytest.raises(UserError, match="without a reason"):
            await Client.connect(where)


@pytest.mark.parametrize("frame", ["text", b"\xc1", b"\x01\x02", msgpack.packb({"type": "from the future"})])
async def test_a_frame_that_is_no_message_ends_the_connection_and_every_wait(
    tmp_path: Path, frame: str | bytes
) -> None:
    async def handle(socket: ServerConnection) -> None:
        await greet(socket)
        await socket.recv()
        await socket.send(msgpack.packb(READY))
        await socket.recv()
        await socket.send(frame)
        await socket.wait_closed()

    async with server(tmp_path, handle) as where:
        client = await Client.connect(where)
        with pytest.raises(RequestError) as caught:
            await client.request("bridge.echo")
        assert caught.value.code.name == "editor_gone"
        assert (await client.wait_closed())[0] == 1002
        await client.close()


async def test_a_first_frame_that_is_no_message_is_told(tmp_path: Path) -> None:
    async def handle(socket: ServerConnection) -> None:
        await socket.send(b"\xc1")
        await socket.wait_closed()

    async with server(tmp_path, handle) as where:
        with pytest.raises(UserError, match="invalid message"):
            await Client.connect(where)


# Requests and blobs.


async def test_an_error_comes_in_the_daemons_words(where: Path) -> None:
    async with await Client.connect(where) as client:
        with pytest.raises(RequestError, match=r"image\.teleport") as caught:
            await client.request("image.teleport")
        assert caught.value.code.name == "unknown_workload"
        assert "popbridge workloads" in caught.value.hint


async def test_a_wait_that_is_cancelled_cancels_the_request(where: Path) -> None:
    async with await Client.connect(where) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await client.request("test.sleep", {"seconds": 60}, priority="bulk", deadline_ms=90_000)
        assert (await client.request("test.sleep")).value == "awake"


async def test_a_blob_goes_up_is_worked_on_and_comes_down(where: Path) -> None:
    async with await Client.connect(where) as client:
        name = await client.put_blob(b"blob")
        assert name == hashlib.sha256(b"blob").hexdigest()
        assert (await client.request("test.read", inputs=[InputRef(name="b", blob=name)])).value == [b"blob"]
        assert await client.get_blob(name) == b"blob"
        with pytest.raises(RequestError, match="0" * 64) as caught:
            await client.get_blob("0" * 64)
        assert caught.value.code.name == "not_found"


async def test_no_proxy_ever_sees_the_token(where: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ws_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with await Client.connect(where) as client:
        assert await client.get_blob(await client.put_blob(b"direct")) == b"direct"


async def not_the_daemon(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Another program that has the port."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
    writer.close()


async def test_what_isnt_the_daemons_answer_over_http_is_told_as_it_is(
    where: Path, tmp_path: Path, daemon: ThreadDaemon
) -> None:
    async with await Client.connect(where) as client:
        with pytest.raises(RequestError, match="/blobs/x/y"):
            await client.get_blob("x/y")
        other = await asyncio.start_server(not_the_daemon, "127.0.0.1", 0)
        address = f"http://127.0.0.1:{other.sockets[0].getsockname()[1]}"
        client.http = ConnectionFile(ws="", http=address, token="t", pid=1, protocol=1)
        async with other:
            with pytest.raises(RequestError, match="HTTP 404"):
                await client.get_blob("0" * 64)
        client.http = ConnectionFile(ws="", http="http://127.0.0.1:9", token="t", pid=1, protocol=1)
        with pytest.raises(UserError, match="doesn't answer"):
            await client.get_blob("0" * 64)


async def test_what_waits_when_the_connection_ends_is_told(where: Path, daemon: ThreadDaemon) -> None:
    async with await Client.connect(where) as client:
        waiting = asyncio.create_task(client.request("test.sleep", {"seconds": 1}))
        await client.request("bridge.echo")
        live = daemon.bridge.sessions.by_id[client.ready.session]
        daemon.call(live.drop(errors.RESTART, "back off"))
        with pytest.raises(RequestError, match="closed the connection: 1012 back off"):
            await waiting
        assert await client.wait_closed() == (1012, "back off")


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"type": "from the future"}, 4006),
        ({"type": "cancel"}, 4003),
        ({"type": "cancel", "id": "x" * 300_000}, 1009),
    ],
    ids=["unknown", "missing", "large"],
)
async def test_why_the_daemon_closed_the_connection_is_told_now_and_later(
    where: Path, message: dict[str, Any], code: int
) -> None:
    async with await Client.connect(where) as client:
        waiting = asyncio.create_task(client.request("test.sleep", {"seconds": 5}))
        await client.request("bridge.echo")
        await client._socket.send(msgpack.packb(message))
        later = client.event("asset.opened", {"path": "a"}), client.request("bridge.echo", retries=2)
        for asked in (waiting, *later):
            with pytest.raises(RequestError, match=f"closed the connection: {code} .") as caught:
                await asked
            assert caught.value.code.name == "editor_gone"
            assert not caught.value.code.retryable and not caught.value.retry_after_ms
            assert caught.value.hint


async def test_what_is_asked_on_a_connection_that_was_cut_may_be_asked_on_another(where: Path) -> None:
    async with await Client.connect(where) as client:
        client._socket.transport.abort()
        await client.wait_closed()
        with pytest.raises(RequestError, match="The daemon isn't connected") as caught:
            await client.request("bridge.echo")
        assert caught.value.code.retryable and caught.value.hint == "Reconnect."


# What the daemon does by itself.


async def test_events_of_the_server_reach_their_handler(tmp_path: Path) -> None:
    events: asyncio.Queue[Event] = asyncio.Queue()

    async def handle(socket: ServerConnection) -> None:
        await greet(socket)
        await socket.recv()
        await socket.send(msgpack.packb(READY))
        for seq in (1, 1, 2):
            await socket.send(
                msgpack.packb({"type": "event", "name": "job.done", "data": {"n": seq}, "seq": seq})
            )
        await socket.wait_closed()

    async with server(tmp_path, handle) as where, await Client.connect(where, on_event=events.put) as client:
        assert [(await asyncio.wait_for(events.get(), 30)).data["n"] for _ in range(2)] == [1, 2]
        assert client.handled.last_seq == 2


async def test_a_client_lives_through_a_killed_daemon(tmp_path: Path) -> None:
    process = ProcessDaemon(tmp_path / "home")
    try:
        process.start()
        where = process.paths.connection_file
        first = await Client.connect(where, project=PROJECT)
        await first.request("bridge.echo")
        process.kill()
        assert (await first.wait_closed())[0] == 1006
        await first.close()
        process.start()
        async with await Client.connect(where, previous=first) as second:
            assert second.ready.session == first.ready.session
            assert (await second.request("bridge.echo", {"value": 1})).value == 1
    finally:
        process.end()


async def test_both_codecs_understand_each_other(where: Path, daemon: ThreadDaemon) -> None:
    async with session(daemon.file, "bridge.v1.json") as wire, await Client.connect(where) as client:
        value = {"text": "ü\u0000", "numbers": [0, -1, 2**53, 1.5], "none": None, "yes": True}
        assert (await client.request("bridge.echo", {"value": value})).value == value
        assert (await wire.request(1, "bridge.echo", {"value": value}))["value"] == value


@pytest.mark.parametrize("key", ["", "k" * 129])
async def test_a_key_that_no_daemon_takes_is_refused_before_it_is_sent(where: Path, key: str) -> None:
    async with await Client.connect(where) as client:
        with pytest.raises(RequestError, match="characters"):
            await client.request("bridge.echo", key=key)
        assert (await client.request("bridge.echo", {"value": 1})).value == 1
