"""A client's blobs, over connections that break, to a real daemon."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

import msgspec
import pytest

from bridge.api import RequestError, UserError
from bridge.client import transfer
from bridge.client.client import Client
from bridge.paths import ConnectionFile
from tests.server.caller import name_of
from tests.server.daemons import ThreadDaemon, until

LARGE = os.urandom(6_000_000)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreadDaemon]:
    running = ThreadDaemon(tmp_path_factory.mktemp("transfer") / "home").start()
    yield running
    running.stop()


@pytest.fixture
async def client(daemon: ThreadDaemon) -> AsyncIterator[Client]:
    async with await Client.connect(daemon.paths.connection_file) as made:
        yield made
        uploads = daemon.paths.blobs / "uploads"
        for blob in daemon.paths.blobs.glob("?" * 64):
            blob.unlink()
        for part in uploads.iterdir():
            daemon.bridge.blobs.parts.forget(part.name[:64])


class Cutter:
    """Stands before the daemon and resets each connection after so many bytes up or down; None lets it be."""

    def __init__(self, target: str, up: Sequence[int | None] = (), down: Sequence[int | None] = ()) -> None:
        parts = urlsplit(target)
        self._to = (parts.hostname, parts.port)
        self._cuts = [*zip(up, [None] * len(up), strict=True), *zip([None] * len(down), down, strict=True)]
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.http = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        self.up = 0
        self._closing = False
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if self._closing:
                    near.close()
                    return
                cut = self._cuts[self.connections] if self.connections < len(self._cuts) else (None, None)
                self.connections += 1
                self._threads.append(threading.Thread(target=self._carry, args=(near, *cut)))
                self._threads[-1].start()

    def _carry(self, near: socket.socket, up: int | None, down: int | None) -> None:
        cut = Event()
        with near, socket.create_connection(self._to) as far:
            back = threading.Thread(target=self._pass, args=(far, near, down, near, cut))
            back.start()
            self._pass(near, far, up, near, cut)
            back.join()
            if cut.is_set():
                # Closing it is a reset then.
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _pass(
        self, source: socket.socket, sink: socket.socket, most: int | None, near: socket.socket, cut: Event
    ) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while block := source.recv(65536 if most is None else min(65536, most - passed)):
                sink.sendall(block)
                passed += len(block)
                self.up += len(block) if source is near else 0
            if most is not None and passed >= most:
                cut.set()
                # The daemon ends the connection when it has read all, before the client learns of the cut:
                # else, however late it is, it says that less has come than was sent.
                if source is near:
                    sink.shutdown(socket.SHUT_WR)
                else:
                    near.shutdown(socket.SHUT_RD)
                    source.shutdown(socket.SHUT_RDWR)
            elif not cut.is_set():
                sink.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._closing = True
        # Closing it alone wakes no thread that waits in `accept`.
        socket.create_connection(self._listener.getsockname()).close()
        self._listener.close()
        for thread in self._threads:
            thread.join(30)


@contextlib.contextmanager
def cutting(client: Client, **cuts: Sequence[int | None]) -> Iterator[Cutter]:
    """The client's blobs go through a cutter."""
    file = client.http
    cutter = Cutter(file.http, **cuts)
    client.http = msgspec.structs.replace(file, http=cutter.http)
    try:
        yield cutter
    finally:
        client.http = file
        cutter.close()


# Up.


@pytest.mark.parametrize(
    "size", [0, 1, transfer.SINGLE_REQUEST_BYTES, transfer.SINGLE_REQUEST_BYTES + 1, 5_000_000]
)
async def test_bytes_and_files_of_any_size_go_up_and_come_down(
    client: Client, tmp_path: Path, size: int
) -> None:
    data = LARGE[:size]
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(data)
    assert await client.put_blob(source) == await client.put_blob(data) == name_of(data)
    assert await client.get_blob(name_of(data)) == data
    assert await client.get_blob(name_of(data), target) == b""
    assert target.read_bytes() == data
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source", "target"]


async def test_an_upload_goes_on_after_each_break(client: Client) -> None:
    # Up go: how much has come, a part, how much has come, and so on.
    with cutting(client, up=[None, 2_500_000, None, 1_500_000]) as cutter:
        assert await client.put_blob(LARGE) == name_of(LARGE)
    assert cutter.connections == 6
    # At most a block of each try came to nothing.
    assert cutter.up < len(LARGE) + 2 * transfer.BLOCK + 10_000
    assert await client.get_blob(name_of(LARGE)) == LARGE


async def test_a_small_upload_is_sent_again(client: Client) -> None:
    with cutting(client, up=[300, 500]) as cutter:
        assert await client.put_blob(b"x" * 1000) == name_of(b"x" * 1000)
    assert cutter.connections == 3


async def test_what_is_there_already_isnt_sent(client: Client) -> None:
    await client.put_blob(LARGE)
    with cutting(client) as cutter:
        await client.put_blob(LARGE)
    assert cutter.connections == 1 and cutter.up < 1000


async def test_it_goes_on_with_what_an_earlier_program_sent(client: Client, daemon: ThreadDaemon) -> None:
    with daemon.bridge.blobs.receive(name_of(LARGE)) as upload:
        upload.write(LARGE[:5_000_000])
    with cutting(client) as cutter:
        await client.put_blob(LARGE)
    assert cutter.up < 1_010_000


async def test_when_nothing_gets_through_it_gives_up_and_says_so(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "PAUSE_S", 0.001)
    with cutting(client, up=[10] * 20) as cutter, pytest.raises(UserError, match="doesn't answer at"):
        await client.put_blob(LARGE)
    assert cutter.connections == transfer.TRIES


async def test_an_upload_tells_how_far_it_is_also_after_a_break(client: Client) -> None:
    told: list[int] = []
    assert await client.put_blob(b"x", on_progress=told.append) and told == [0, 1]
    told.clear()
    with cutting(client, up=[None, 3_000_000]):
        await client.put_blob(LARGE, on_progress=told.append)
    assert told[0] == 0 and told[-1] == len(LARGE)
    # The daemon says where it goes on: not before what was told then, and not from the start.
    back = [at for at in range(1, len(told)) if told[at] < told[at - 1]]
    assert len(back) <= 1 and all(told[at] > 0 for at in back)


async def test_what_is_sent_once_more_is_no_progress() -> None:
    told: list[int] = []
    sent = transfer.UploadProgress(told.append)
    for position in (0, 5, 3, 5, 8):
        sent.reach(position)
    sent.resume(2)
    sent.reach(3)
    assert told == [0, 5, 8, 2, 3]


async def test_where_nobody_listens_it_says_so_at_once(client: Client) -> None:
    file = client.http
    client.http = msgspec.structs.replace(file, http="http://127.0.0.1:9")
    for work in (client.put_blob(b"x"), client.put_blob(LARGE), client.get_blob("0" * 64)):
        with pytest.raises(UserError, match=r"doesn't answer at http://127\.0\.0\.1:9"):
            await work
    client.http = file


async def test_a_refusal_comes_in_the_daemons_words_though_much_is_sent(
    tmp_path: Path, client: Client
) -> None:
    daemon = ThreadDaemon(tmp_path / "home", blobs__max_size=2_000_000).start()
    try:
        async with await Client.connect(daemon.paths.connection_file) as small:
            with pytest.raises(RequestError, match="this daemon accepts at most") as caught:
                await small.put_blob(LARGE)
            assert caught.value.code.name == "too_large"
    finally:
        daemon.stop()


async def test_a_file_that_cant_be_read_is_the_callers_to_tell(client: Client, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await client.put_blob(tmp_path / "missing")


async def test_a_file_that_becomes_shorter_meanwhile_is_said(client: Client, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(LARGE)
    offset = transfer._offset

    def shorten(file: ConnectionFile, name: str) -> int | None:
        source.write_bytes(LARGE[:100])
        return offset(file, name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transfer, "_offset", shorten)
        with pytest.raises(UserError, match="became shorter"):
            await client.put_blob(source)


async def test_an_upload_that_is_cancelled_stops_and_waits(client: Client, daemon: ThreadDaemon) -> None:
    began, goes_on = threading.Event(), threading.Event()
    blocks = transfer._blocks

    def slow(*args: object) -> Iterator[bytes]:
        for block in blocks(*args):  # type: ignore[arg-type]
            yield block
            began.set()
            goes_on.wait(30)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transfer, "_blocks", slow)
        task = asyncio.create_task(client.put_blob(LARGE))
        await asyncio.to_thread(began.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        goes_on.set()
        parts = daemon.bridge.blobs.parts
        await asyncio.to_thread(until, lambda: parts.offset(name_of(LARGE)), "what has come to wait")
    assert parts.offset(name_of(LARGE)) < len(LARGE)


# Down.


async def test_a_download_goes_on_after_each_break(client: Client, tmp_path: Path) -> None:
    name = await client.put_blob(LARGE)
    with cutting(client, down=[2_000_000, 100, 1_000_000]) as cutter:
        await client.get_blob(name, tmp_path / "target")
    assert cutter.connections == 4
    assert (tmp_path / "target").read_bytes() == LARGE
    with cutting(client, down=[2_000_000]):
        assert await client.get_blob(name) == LARGE


async def test_a_download_that_fails_leaves_nothing(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "PAUSE_S", 0.001)
    name = await client.put_blob(LARGE)
    with cutting(client, down=[100_000] + [1] * 20), pytest.raises(UserError, match="doesn't answer"):
        await client.get_blob(name, tmp_path / "target")
    with pytest.raises(RequestError, match="does not exist"):
        await client.get_blob("0" * 64, tmp_path / "target")
    assert list(tmp_path.iterdir()) == []


async def test_a_target_that_is_there_is_replaced_only_by_the_whole(client: Client, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"old")
    with pytest.raises(RequestError):
        await client.get_blob("0" * 64, target)
    assert target.read_bytes() == b"old"
    await client.get_blob(await client.put_blob(b"new"), target)
    assert target.read_bytes() == b"new"


async def test_bytes_that_arent_those_of_the_name_are_never_given(
    client: Client, daemon: ThreadDaemon, tmp_path: Path
) -> None:
    name = await client.put_blob(b"right")
    (daemon.paths.blobs / name).write_bytes(b"wrong")
    with pytest.raises(UserError, match="arrived damaged"):
        await client.get_blob(name, tmp_path / "target")
    assert list(tmp_path.iterdir()) == []


# Other servers.


@contextlib.asynccontextmanager
async def server(client: Client, *answers: bytes) -> AsyncIterator[list[bytes]]:
    """Answers one connection after the other; gives what they asked."""
    asked: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answers[min(len(asked), len(answers)) - 1])
        await writer.drain()
        writer.close()

    running = await asyncio.start_server(handle, "127.0.0.1", 0)
    file = client.http
    port = running.sockets[0].getsockname()[1]
    client.http = msgspec.structs.replace(file, http=f"http://127.0.0.1:{port}")
    async with running:
        yield asked
    client.http = file


def answer(status: str, body: bytes = b"", *headers: str, length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def test_a_server_that_knows_no_ranges_sends_all_again(client: Client) -> None:
    name = name_of(b"0123456789")
    whole = answer("200 OK", b"0123456789")
    async with server(client, answer("200 OK", b"0123", length=10), whole) as asked:
        assert await client.get_blob(name) == b"0123456789"
    assert b"Range: bytes=4-" in asked[1] and f'If-Range: "{name}"'.encode() in asked[1]


async def test_a_server_that_is_busy_is_asked_again(client: Client) -> None:
    async with server(client, answer("503 Busy", b"{}"), answer("200 OK", b"x")) as asked:
        assert await client.get_blob(name_of(b"x")) == b"x"
    assert len(asked) == 2


@pytest.mark.parametrize("body", [b"<html>", b'{"message": "\xff"}'])
async def test_what_is_no_answer_of_the_daemon_is_told_as_it_is(client: Client, body: bytes) -> None:
    async with server(client, answer("418 I'm a teapot", body)):
        with pytest.raises(RequestError, match="HTTP 418 I'm a teapot"):
            await client.get_blob("0" * 64)


async def test_an_answer_that_breaks_off_counts_as_none(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "PAUSE_S", 0.001)
    async with server(client, answer("404 Not Found", b"{", length=50)) as asked:
        with pytest.raises(UserError, match="doesn't answer"):
            await client.get_blob("0" * 64)
    assert len(asked) == transfer.TRIES


async def test_an_offset_that_moved_meanwhile_is_asked_again(client: Client) -> None:
    data = LARGE[:1_500_000]
    expected = answer("204 No Content", b"", "Upload-Offset: 1499999", "Upload-Complete: ?0")
    moved = answer("409 Conflict", b"{}", "Upload-Offset: 1500000")
    whole = answer("204 No Content", b"", "Upload-Complete: ?1")
    async with server(client, expected, moved, whole) as asked:
        assert await client.put_blob(data) == name_of(data)
    assert [line.split()[0] for line in asked] == [b"HEAD", b"PATCH", b"HEAD"]


@pytest.mark.skipif(sys.platform == "win32", reason="no such measure there")
async def test_a_large_file_costs_no_memory(client: Client, tmp_path: Path) -> None:
    import resource

    source = tmp_path / "source"
    with source.open("wb") as file:
        file.truncate(256 << 20)
    await client.get_blob(await client.put_blob(b"warm"), tmp_path / "warm")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    await client.get_blob(await client.put_blob(source), tmp_path / "target")
    # Client and daemon are one process here; macOS counts bytes, others KiB.
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < (48 << 20 if sys.platform == "darwin" else 48 << 10)
