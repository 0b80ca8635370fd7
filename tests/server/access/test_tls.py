"""The transport that encrypts, and the certificate that changes under it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import hashlib
import logging
import signal
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.client.client import Client
from bridge.core.errors import UserError
from bridge.core.settings import SETTINGS, resolve
from bridge.paths import ConnectionFile
from bridge.server import serve
from bridge.server.access import certificates, tls
from tests.server.daemons import ProcessDaemon, paths_in, until

DAY = datetime.timedelta(days=1)


@pytest.fixture
def shown(tmp_path: Path) -> tls.Certificate:
    certificates.create(tmp_path / "certs")
    return certificate(tmp_path)


def certificate(home: Path, **settings: Any) -> tls.Certificate:
    return tls.Certificate(resolve(SETTINGS, settings), paths_in(home))


class Echo(asyncio.Protocol):
    """Sends back what it gets; `pause` stops reading for a moment after each piece."""

    pause = False
    made: list[Echo] = []  # noqa: RUF012 - emptied by each test

    def __init__(self) -> None:
        self.events: list[str] = []
        Echo.made.append(self)

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.events.append("made")

    def data_received(self, data: bytes) -> None:
        if data == b"close":
            self.transport.close()
            self.transport.close()
            self.transport.write(b"too late")
            return
        self.transport.writelines([data])
        if self.pause:
            self.transport.pause_reading()
            assert not self.transport.is_reading()
            asyncio.get_running_loop().call_later(0.001, self.transport.resume_reading)

    def eof_received(self) -> None:
        self.events.append("eof")

    def connection_lost(self, exc: Exception | None) -> None:
        self.events.append("lost")

    def pause_writing(self) -> None:
        self.events.append("pause")

    def resume_writing(self) -> None:
        self.events.append("resume")


@contextlib.asynccontextmanager
async def serving(shown: tls.Certificate) -> AsyncIterator[tuple[str, int]]:
    Echo.made.clear()
    server = await asyncio.get_running_loop().create_server(shown.listener(Echo), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()
    finally:
        server.close()


async def connect(
    address: tuple[str, int], shown: tls.Certificate
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    context = ssl.create_default_context(cadata=shown.leaf.ca)
    return await asyncio.open_connection(*address, ssl=context, limit=1 << 24)


@pytest.mark.parametrize("pause", [False, True])
@pytest.mark.parametrize("size", [1, 16 * 1024, 16 * 1024 + 1, 3_000_000])
async def test_bytes_arrive_as_they_were_sent(
    shown: tls.Certificate, monkeypatch: pytest.MonkeyPatch, size: int, pause: bool
) -> None:
    monkeypatch.setattr(Echo, "pause", pause)
    data = (bytes(range(251)) * (size // 251 + 1))[:size]
    async with serving(shown) as address, asyncio.timeout(30):
        reader, writer = await connect(address, shown)
        writer.write(data)
        assert await reader.readexactly(size) == data
        transport = Echo.made[0].transport
        assert transport.get_extra_info("sslcontext") is not None
        assert transport.get_extra_info("ssl_object").version() == "TLSv1.3"
        assert transport.get_extra_info("peername")[0] == "127.0.0.1"
        assert transport.get_protocol() is Echo.made[0]
        assert not transport.can_write_eof()
        writer.write(b"close")
        # A clean end: close_notify came.
        assert await reader.read() == b""
        writer.close()
        await until_async(lambda: Echo.made[0].events[-1] == "lost")


async def test_the_end_of_the_peer_is_told(shown: tls.Certificate) -> None:
    async with serving(shown) as address, asyncio.timeout(30):
        _, writer = await connect(address, shown)
        await until_async(lambda: Echo.made and Echo.made[0].events)
        writer.transport.abort()
        await until_async(lambda: Echo.made[0].events[-1] == "lost")
        _, writer = await connect(address, shown)
        await until_async(lambda: len(Echo.made) > 1 and Echo.made[1].events)
        writer.close()
        await until_async(lambda: Echo.made[1].events[-1] == "lost")


async def test_a_peer_that_doesnt_read_pauses_writing(shown: tls.Certificate) -> None:
    async with serving(shown) as address, asyncio.timeout(30):
        reader, writer = await connect(address, shown)
        await until_async(lambda: Echo.made and Echo.made[0].events)
        transport = Echo.made[0].transport
        transport.set_write_buffer_limits(high=65536)
        assert transport.get_write_buffer_limits()[1] == 65536
        writer.transport.pause_reading()
        transport.write(memoryview(bytes(20_000_000)))
        assert Echo.made[0].events[-1] == "pause"
        assert transport.get_write_buffer_size() > 65536
        writer.transport.resume_reading()
        assert len(await reader.readexactly(20_000_000)) == 20_000_000
        await until_async(lambda: Echo.made[0].events[-1] == "resume")
        transport.abort()
        assert transport.is_closing()
        writer.close()


async def test_damaged_records_end_the_connection(shown: tls.Certificate) -> None:
    async with serving(shown) as address, asyncio.timeout(30):
        context = ssl.create_default_context(cadata=shown.leaf.ca)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
        reader, writer = await asyncio.open_connection(*address)
        with pytest.raises(ssl.SSLWantReadError):
            client.do_handshake()
        writer.write(outgoing.read())
        while client.version() is None or outgoing.pending == 0:
            incoming.write(await reader.read(65536))
            with contextlib.suppress(ssl.SSLWantReadError):
                client.do_handshake()
        writer.write(outgoing.read())
        await until_async(lambda: Echo.made and Echo.made[0].events)
        writer.write(b"\x17\x03\x03\x00\x20" + bytes(32))
        await until_async(lambda: Echo.made[0].events[-1] == "lost")
        writer.close()


@pytest.mark.skipif(sys.platform == "win32", reason="asyncio has no Unix sockets on Windows")
async def test_a_unix_socket_needs_no_encryption(shown: tls.Certificate, tmp_path: Path) -> None:
    Echo.made.clear()
    path = tmp_path / "s"
    server = await asyncio.get_running_loop().create_unix_server(shown.listener(Echo), path)
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"hello")
    async with asyncio.timeout(10):
        assert await reader.readexactly(5) == b"hello"
    writer.close()
    server.close()


async def test_an_ending_daemon_drops_unfinished_handshakes(shown: tls.Certificate) -> None:
    listener = shown.listener(Echo)
    server = await asyncio.get_running_loop().create_server(listener, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    await until_async(lambda: listener.handshakes)
    listener.close()
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()
    server.close()


async def test_changed_files_are_taken_over_and_open_connections_stay(
    shown: tls.Certificate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "WATCH_S", 0.01)
    leaves: list[certificates.Leaf] = []
    watching = asyncio.create_task(shown.watch(leaves.append))
    async with serving(shown) as address, asyncio.timeout(30):
        reader, writer = await connect(address, shown)
        before = peer_fingerprint(writer)
        certificates.renew(tmp_path / "certs")
        await until_async(lambda: leaves)
        assert leaves == [shown.leaf] != [before]
        writer.write(b"still here")
        assert await reader.readexactly(10) == b"still here"
        _, other = await connect(address, shown)
        assert peer_fingerprint(other) == shown.leaf.fingerprint != before
        # Damaged files change nothing.
        shown.leaf.file.write_text("damaged")
        await asyncio.sleep(0.05)
        _, third = await connect(address, shown)
        assert peer_fingerprint(third) == shown.leaf.fingerprint
        for each in (writer, other, third):
            each.close()
    assert not shown.reload()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


def peer_fingerprint(writer: asyncio.StreamWriter) -> str:
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return hashlib.sha256(shown).hexdigest()


async def test_a_leaf_is_renewed_before_it_expires(
    shown: tls.Certificate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tls, "WATCH_S", 0.01)
    before, leaves = shown.leaf, []
    then = before.not_after - 100 * DAY
    monkeypatch.setattr(tls, "_now", lambda: then)
    monkeypatch.setattr(certificates, "_now", lambda: then)
    watching = asyncio.create_task(shown.watch(leaves.append))
    async with asyncio.timeout(10):
        await until_async(lambda: leaves)
    assert shown.leaf.fingerprint != before.fingerprint
    assert shown.leaf.not_after > before.not_after
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    # A daemon that starts too late for that does it at its start.
    then = shown.leaf.not_after + DAY
    assert certificate(tmp_path).leaf.not_after > then


def test_what_can_be_renewed_no_more_is_told(
    shown: tls.Certificate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "certs" / "ca-key.pem").unlink()
    end = shown.leaf.not_after
    monkeypatch.setattr(tls, "_now", lambda: end - DAY)
    with caplog.at_level(logging.WARNING):
        assert certificate(tmp_path).leaf == shown.leaf
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    monkeypatch.setattr(tls, "_now", lambda: end + DAY)
    with pytest.raises(UserError, match="expired"):
        certificate(tmp_path)


def test_a_host_that_the_certificate_lacks_is_told(shown: tls.Certificate) -> None:
    for host in ("127.0.0.1", "0.0.0.0", "::", "localhost"):
        shown.check_host(host)
    with pytest.raises(UserError, match="certs renew --name 192.0.2.1"):
        shown.check_host("192.0.2.1")


def test_urls_have_a_name_of_the_certificate(shown: tls.Certificate, tmp_path: Path) -> None:
    assert [shown.host_for(host) for host in ("0.0.0.0", "::", "127.0.0.1")] == [
        "127.0.0.1",
        "::1",
        "127.0.0.1",
    ]
    elsewhere = certificate(tmp_path, host="192.0.2.1")
    assert elsewhere.host_for("192.0.2.1") not in ("localhost", "127.0.0.1", "192.0.2.1")
    certificates.renew(tmp_path / "certs")
    own = str(shown.leaf.file)
    assert certificate(tmp_path, tls_certificate=own, host="localhost").host_for("192.0.2.1") == "localhost"


@pytest.mark.own_workers
async def test_a_renewal_reaches_clients_through_connection_json(tmp_path: Path) -> None:
    # Too long for a Unix socket, which clients would prefer.
    home = tmp_path / ("home" * 30)
    certificates.create(home / "certs")
    daemon = ProcessDaemon(home, POPBRIDGE_TLS="on")
    try:
        before = daemon.start()
        assert before.unix is None
        async with await Client.connect(daemon.paths.connection_file) as client:
            name = await client.put_blob(b"before")
            after = certificates.renew(home / "certs")
            if sys.platform != "win32" and not serve._has_terminal():
                assert daemon.process is not None
                daemon.process.send_signal(signal.SIGHUP)
            await asyncio.to_thread(
                until,
                lambda: ConnectionFile.read(daemon.paths.connection_file).fingerprint == after.fingerprint,
                "the new fingerprint",
            )
            # The session goes on, and its HTTP requests meet the new certificate.
            assert (await client.request("bridge.echo", {"value": 1})).value == 1
            assert await client.get_blob(name) == b"before"
            async with await Client.connect(daemon.paths.connection_file) as other:
                assert other.ready.session != client.ready.session
        assert before.ca == after.ca == daemon.paths.ca_file.read_text()
        assert daemon.stop() == 0
        assert not daemon.paths.ca_file.exists()
    finally:
        daemon.end()


async def until_async(ready: Any) -> None:
    async with asyncio.timeout(10):
        while not ready():
            await asyncio.sleep(0.005)
