"""The Unix socket lets this user's programs in and nobody else's, and clients prefer it to a port."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
from websockets.asyncio.client import unix_connect
from websockets.exceptions import InvalidHandshake, InvalidMessage
from websockets.typing import Subprotocol

from bridge.client.client import Client
from bridge.client.local_socket import connect_locally
from bridge.core.errors import UserError
from bridge.paths import ConnectionFile
from bridge.server.access import unix_socket
from bridge.server.access.unix_socket import listen_locally
from tests.server.daemons import ProcessDaemon, ThreadDaemon

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such sockets here")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreadDaemon]:
    running = ThreadDaemon(tmp_path_factory.mktemp("unix") / "home", unix=True).start()
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def _workers(shared_workers: None) -> None:
    pass


def other_port(file: ConnectionFile, ws: str, http: str) -> ConnectionFile:
    return ConnectionFile(ws=ws, http=http, token=file.token, pid=1, protocol=1, unix=file.unix)


def test_only_the_user_may_open_it_whatever_the_umask(daemon: ThreadDaemon) -> None:
    assert daemon.file.unix is not None
    found = os.lstat(daemon.file.unix)
    assert stat.S_ISSOCK(found.st_mode) and stat.S_IMODE(found.st_mode) & 0o077 == 0


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="another user needs root")
def test_another_users_program_doesnt_get_in_even_if_the_mode_lets_it(
    daemon: ThreadDaemon, tmp_path: Path
) -> None:
    probe = (
        "import os, socket, sys\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "s = socket.socket(socket.AF_UNIX); s.settimeout(20)\n"
        "try:\n"
        "    s.connect(sys.argv[1])\n"
        "    s.sendall(b'GET /health HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n')\n"
        "    print(s.recv(100))\n"
        "except OSError as error:\n"
        "    print(type(error).__name__)\n"
    )
    path = str(daemon.file.unix)

    def tried() -> str:
        command = [sys.executable, "-I", "-c", probe, path]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout.strip()

    assert tried() == "PermissionError"
    # As if somebody had opened all the doors on the way.
    folders = [Path(path), *Path(path).parents]
    modes = {each: stat.S_IMODE(each.stat().st_mode) for each in folders}
    try:
        for each in folders:
            each.chmod(modes[each] | 0o777)
        assert tried() in ("b''", "ConnectionResetError", "BrokenPipeError")
    finally:
        for each, mode in modes.items():
            each.chmod(mode)


def test_the_daemons_user_and_root_get_in_and_others_dont() -> None:
    assert unix_socket.is_admitted(os.getuid()) and unix_socket.is_admitted(0)
    assert not unix_socket.is_admitted(os.getuid() + 1) and not unix_socket.is_admitted(-1)
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        assert unix_socket.peer_uid(one) == os.getuid()
        other.close()


async def test_the_python_client_needs_no_port_when_there_is_a_socket(
    daemon: ThreadDaemon, tmp_path: Path
) -> None:
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as squatter:
        port = squatter.getsockname()[1]

        def listen() -> None:
            squatter.settimeout(30)
            with contextlib.suppress(OSError):
                heard.append(squatter.accept()[0].recv(1000))

        thread = threading.Thread(target=listen)
        thread.start()
        # A program of another user has taken the port.
        file = tmp_path / "connection.json"
        other_port(daemon.file, f"ws://127.0.0.1:{port}/ws", f"http://127.0.0.1:{port}").write(file)
        async with await Client.connect(file) as client:
            assert (await client.request("bridge.echo", {"value": 1})).value == 1
            name = await client.put_blob(b"x" * 100_000)
            assert await client.get_blob(name) == b"x" * 100_000
            live = daemon.bridge.sessions.by_id[client.ready.session]
            assert live.principal.peer == f"uid {os.getuid()}"
        squatter.shutdown(socket.SHUT_RDWR)
        thread.join(30)
    assert heard == []


async def test_a_socket_of_a_program_that_doesnt_know_the_token_gets_nothing(
    daemon: ThreadDaemon, tmp_path: Path
) -> None:
    path, heard = tmp_path / "fake.sock", bytearray()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read(4096))
        writer.close()

    server = await asyncio.start_unix_server(answer, sock=listener)
    async with server:
        file = tmp_path / "connection.json"
        fake = ConnectionFile(
            ws="ws://127.0.0.1:9/ws", http="http://127.0.0.1:9", token=daemon.file.token, pid=1, protocol=1,
            unix=str(path),
        )  # fmt: skip
        fake.write(file)
        with pytest.raises(UserError):
            await Client.connect(file)
    secret = daemon.file.token.partition(".")[2].encode()
    assert b"/ws" in heard and secret not in heard


def test_without_a_socket_or_with_anothers_file_in_its_place_clients_use_the_port(
    daemon: ThreadDaemon, tmp_path: Path
) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    link = tmp_path / "link"
    link.symlink_to(str(daemon.file.unix))
    for path in (None, str(tmp_path / "missing"), str(plain), str(link)):
        file = other_port(daemon.file, daemon.file.ws, daemon.file.http)
        file.unix = path
        assert connect_locally(file) is None


async def test_host_and_origin_are_checked_as_on_a_port(daemon: ThreadDaemon) -> None:
    path = str(daemon.file.unix)
    named = {"subprotocols": [Subprotocol("bridge.v1.msgpack")], "compression": None}
    for uri, more in (("ws://evil.example/ws", {}), ("ws://localhost/ws", {"origin": "http://evil.example"})):
        with pytest.raises((InvalidHandshake, InvalidMessage)):
            async with unix_connect(path, uri, **named, **more):
                pytest.fail("it got in")
    connection = HTTPConnection("evil.example")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(path)
    connection.request("GET", "/health")
    assert connection.getresponse().status == 403
    connection.close()


def test_a_socket_left_by_a_killed_daemon_is_replaced_and_nothing_else_is(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    before = path.lstat().st_ino
    with listen_locally(path) as listener:
        assert listener is not None and listener.getsockname() == str(path)
        assert stat.S_IMODE(path.lstat().st_mode) & 0o077 == 0
        mask = os.umask(0o022)
        assert os.umask(mask) == 0o022, "the process's mask is as before"
    assert not path.exists() and before
    path.write_text("a file of the user")
    with listen_locally(path) as listener:
        assert listener is None
    assert path.read_text() == "a file of the user"
    with listen_locally(tmp_path / ("x" * 120)) as listener:
        assert listener is None


def test_a_link_in_its_place_leads_nowhere(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    (tmp_path / "s.sock").symlink_to(victim)
    with listen_locally(tmp_path / "s.sock") as listener:
        assert listener is None
    assert not victim.exists()


async def test_a_daemon_that_runs_by_itself_listens_there_and_takes_it_away_when_it_stops(
    tmp_path: Path,
) -> None:
    process = ProcessDaemon(tmp_path / "home")
    try:
        file = process.start()
        assert file.unix == str(process.paths.socket_file)
        # No port at all.
        reached = other_port(file, "ws://127.0.0.1:9/ws", "http://127.0.0.1:9")
        reached.write(tmp_path / "connection.json")
        async with await Client.connect(tmp_path / "connection.json") as client:
            assert (await client.request("bridge.echo", {"value": 1})).value == 1
        assert process.stop() == 0 and not process.paths.socket_file.exists()
        file = process.start()
        process.kill()
        assert process.paths.socket_file.exists()
        file = process.start()
        file.ws = "ws://127.0.0.1:9/ws"
        file.write(tmp_path / "connection.json")
        async with await Client.connect(tmp_path / "connection.json"):
            pass
    finally:
        process.end()
