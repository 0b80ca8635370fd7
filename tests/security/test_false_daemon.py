"""Another program on the daemon's port learns nothing and is believed nothing."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import re
import socket
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest
from filelock import FileLock
from msgspec.structs import replace

from bridge import cli
from bridge.client.client import Client
from bridge.core import auth
from bridge.core.errors import RequestError, UserError
from bridge.core.messages import ProjectInfo
from bridge.paths import ConnectionFile
from tests.server.daemons import ThreadDaemon
from tests.server.pages import bearer, page
from tests.server.wire import dial, identity, proof

NONCE = "0a" * 16
PROJECT = ProjectInfo(id="secret-project", name="Secret Game", root="/home/ada/secret")
UPGRADE = re.compile(
    rb"GET /ws\?token=local&nonce=([0-9a-f]{64}) HTTP/1\.1\r\n(?:[A-Za-z-]+: [^\r\n]*\r\n)+\r\n"
)

Hello = Callable[[str], Awaitable[dict[str, Any]]]
"""Returns `hello.auth` for the client's nonce."""


@pytest.fixture(autouse=True)
def _workers(shared_workers: None) -> None:
    """None are needed."""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreadDaemon]:
    running = ThreadDaemon(tmp_path_factory.mktemp("false") / "home").start()
    yield running
    running.stop()


class FalseDaemon:
    """A program that took the port: speaks WebSocket well and records every byte that it gets."""

    def __init__(self, file: ConnectionFile, hello: Hello) -> None:
        self.file = file
        self._hello = hello
        self.heard = bytearray()
        self.nonces: list[str] = []
        self.served: list[Any] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.served.append(asyncio.current_task())
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.heard += head
            found = UPGRADE.fullmatch(head)
            nonce = found[1].decode() if found else ""
            self.nonces.append(nonce)
            key = re.search(rb"Sec-WebSocket-Key: (\S+)", head)
            accept = hashlib.sha1((key[1] if key else b"") + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
            writer.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Protocol: bridge.v1.msgpack\r\nSec-WebSocket-Accept: "
                + base64.b64encode(accept) + b"\r\n\r\n"
            )  # fmt: skip
            hello = msgpack.packb(
                {
                    "type": "hello", "protocol": 1, "features": ["popups"], "heartbeat_s": 20,
                    "server": {"name": "popbridge", "version": "0.2.0", "instance": "i"},
                    "limits": {"frame": 262_144, "inline": 65_536, "inflight": 64},
                    "auth": await self._hello(nonce),
                }
            )  # fmt: skip
            writer.write(b"\x82\x7e" + len(hello).to_bytes(2, "big") + hello)
            while data := await asyncio.wait_for(reader.read(65536), 5):
                self.heard += data
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    @property
    def learned_nothing(self) -> bool:
        """Whether it got the request to upgrade, with an id and a nonce, and nothing else."""
        return UPGRADE.fullmatch(self.heard) is not None


@contextlib.asynccontextmanager
async def false_daemon(file: ConnectionFile, hello: Hello, home: Path) -> AsyncIterator[FalseDaemon]:
    made = FalseDaemon(file, hello)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    made.file = replace(file, ws=f"ws://127.0.0.1:{port}/ws", http=f"http://127.0.0.1:{port}")
    home.mkdir(exist_ok=True)
    made.file.write(home / "connection.json")
    async with server:
        yield made
        await asyncio.gather(*made.served)


async def without_proof(nonce: str) -> dict[str, Any]:
    return {"methods": ["token", "proof"], "nonce": NONCE}


async def with_any_proof(nonce: str) -> dict[str, Any]:
    return {"methods": ["proof"], "nonce": NONCE, "proof": "00" * 32}


async def with_a_proof_of_a_guess(nonce: str) -> dict[str, Any]:
    message = auth.signed_message("local", nonce, NONCE)
    return {
        "methods": ["proof"],
        "nonce": NONCE,
        "proof": auth.server_proof(auth.verifier("local.guess").server_key, message),
    }


async def with_the_clients_nonce(nonce: str) -> dict[str, Any]:
    message = auth.signed_message("local", nonce, nonce)
    return {"methods": ["proof"], "nonce": nonce, "proof": auth.server_proof(b"", message)}


def recorded(daemon: ThreadDaemon) -> Hello:
    """Plays back what the daemon once said to a client, with that one's nonce."""

    async def hello(nonce: str) -> dict[str, Any]:
        async with dial(daemon.file, nonce=NONCE) as wire:
            return wire.hello["auth"]

    return hello


def relayed(daemon: ThreadDaemon) -> Hello:
    """Has the daemon make the proof for the client's nonce: a man in the middle."""

    async def hello(nonce: str) -> dict[str, Any]:
        async with dial(daemon.file, nonce=nonce) as wire:
            return wire.hello["auth"]

    return hello


@pytest.mark.parametrize(
    "hello", [without_proof, with_any_proof, with_a_proof_of_a_guess, with_the_clients_nonce]
)
async def test_it_gets_an_id_and_a_nonce_and_nothing_else(
    daemon: ThreadDaemon, tmp_path: Path, hello: Hello
) -> None:
    async with false_daemon(daemon.file, hello, tmp_path) as other:
        with pytest.raises(UserError, match="Another program answers"):
            await Client.connect(tmp_path / "connection.json", kind="editor", project=PROJECT)
    assert other.learned_nothing, bytes(other.heard)
    assert daemon.file.token.encode() not in other.heard


async def test_a_recorded_proof_of_the_daemon_is_worth_nothing(daemon: ThreadDaemon, tmp_path: Path) -> None:
    async with false_daemon(daemon.file, recorded(daemon), tmp_path) as other:
        with pytest.raises(UserError, match="Another program answers"):
            await Client.connect(tmp_path / "connection.json", project=PROJECT)
    assert other.learned_nothing


async def test_a_man_in_the_middle_with_another_certificate_passes_no_proof_on(
    daemon: ThreadDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon.bridge.authenticator, "fingerprint", "aa" * 32)
    pinned = replace(daemon.file, fingerprint="bb" * 32)
    async with false_daemon(pinned, relayed(daemon), tmp_path) as other:
        with pytest.raises(UserError, match="Another program answers"):
            await Client.connect(tmp_path / "connection.json", project=PROJECT)
    assert other.learned_nothing
    # Nor would the daemon take the client's proof, which names the certificate that the client sees.
    async with dial(daemon.file, nonce=NONCE) as wire:
        message = auth.signed_message("local", NONCE, wire.hello["auth"]["nonce"], "bb" * 32)
        mine = {"id": "local", "nonce": NONCE, "proof": auth.client_proof(daemon.file.token, message)}
        await wire.send("identify", **identity(daemon.file, auth=mine))
        assert (await wire.closed())[0] == 4009


async def test_every_connection_has_a_nonce_of_its_own(daemon: ThreadDaemon, tmp_path: Path) -> None:
    async with false_daemon(daemon.file, without_proof, tmp_path) as other:
        for _ in range(3):
            with pytest.raises(UserError):
                await Client.connect(tmp_path / "connection.json")
    assert len(set(other.nonces)) == 3


@pytest.mark.parametrize("command", [["status"], ["top"], ["tokens", "list"], ["revert", "1"]])
async def test_commands_tell_it_nothing(
    daemon: ThreadDaemon, tmp_path: Path, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POPBRIDGE_HOME", str(daemon.paths.data))
    file = daemon.paths.connection_file
    before = file.read_bytes()
    # As if a daemon ran.
    with FileLock(daemon.paths.lock_file):
        async with false_daemon(daemon.file, without_proof, tmp_path) as other:
            try:
                other.file.write(file)
                code = await asyncio.to_thread(cli.main, command)
            finally:
                file.write_bytes(before)
    assert code in (1, 2) and other.learned_nothing, bytes(other.heard)


async def test_a_recorded_proof_of_a_client_opens_no_second_connection(daemon: ThreadDaemon) -> None:
    file = daemon.file
    async with dial(file, nonce=NONCE) as one:
        seen = proof(file, one, NONCE)
        await one.send("identify", **identity(file, auth=seen))
        assert (await one.receive())["type"] == "ready"
        # The same id and nonce again: only the daemon's nonce is another one.
        async with dial(file, nonce=NONCE) as two:
            assert two.hello["auth"]["nonce"] != one.hello["auth"]["nonce"]
            await two.send("identify", **identity(file, auth=seen))
            assert (await two.closed())[0] == 4009


@pytest.mark.parametrize("name", ["reflected", "other nonce", "other id", "no nonce in the URL"])
async def test_a_proof_of_something_else_is_refused(daemon: ThreadDaemon, name: str) -> None:
    file = daemon.file
    async with dial(file, nonce="" if name == "no nonce in the URL" else NONCE) as wire:
        right = proof(file, wire, NONCE)
        sent = {
            "reflected": {**right, "proof": wire.hello["auth"].get("proof", "")},
            "other nonce": proof(file, wire, "0b" * 16),
            "other id": {**right, "id": "AAAAAAAA"},
            "no nonce in the URL": right,
        }[name]
        await wire.send("identify", **identity(file, auth=sent))
        assert (await wire.closed())[0] == 4009


async def test_nobody_learns_by_asking_which_tokens_exist(daemon: ThreadDaemon) -> None:
    proofs = []
    for token_id in ("local", "AAAAAAAA", "AAAAAAAA"):
        async with dial(daemon.file, nonce=NONCE, token_id=token_id) as wire:
            proofs.append(wire.hello["auth"]["proof"])
    assert len(set(proofs)) == 3 and all(len(bytes.fromhex(each)) == 32 for each in proofs)


@pytest.mark.parametrize(
    "query", ["", "?token=local", f"?token=local&nonce={'0a' * 15}", "?token=%00&nonce=x"]
)
async def test_without_a_good_nonce_there_is_no_proof_to_collect(daemon: ThreadDaemon, query: str) -> None:
    file = replace(daemon.file, ws=f"{daemon.file.ws}{query}")
    async with dial(file) as wire:
        assert "proof" not in wire.hello["auth"]


async def test_who_takes_the_port_of_a_daemon_that_is_gone_gets_a_token_that_is_worth_nothing(
    tmp_path: Path,
) -> None:
    first = ThreadDaemon(tmp_path / "one").start()
    client = await Client.connect(first.paths.connection_file)
    port = int(first.file.http.rpartition(":")[2])
    await asyncio.to_thread(first.stop)
    heard = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read(65536))
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()
        await writer.wait_closed()

    thief = socket.create_server(("127.0.0.1", port), reuse_port=False)
    async with await asyncio.start_server(serve, sock=thief):
        with pytest.raises(RequestError):
            await client.put_blob(b"blob")
        await client.close()
    stolen = re.search(rb"Bearer (\S+)", heard)
    assert stolen and first.file.token.encode() not in heard
    second = ThreadDaemon(tmp_path / "one").start()
    try:
        response, _ = page(second.file, "/status", **bearer(second.file, stolen[1].decode()))
        assert response.status == 401
    finally:
        second.stop()


async def test_what_lies_in_the_database_is_no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POPBRIDGE_HOME", str(tmp_path / "home"))
    running = ThreadDaemon(tmp_path / "home").start()
    try:
        new = {"name": "ci", "scopes": ["tool"]}
        created = running.call(running.bridge.tokens.create(_new(new)))
    finally:
        running.stop()
    with contextlib.closing(sqlite3.connect(running.paths.database)) as database:
        row = database.execute("SELECT * FROM tokens").fetchone()
    secret = created.token.partition(".")[2]
    assert created.info.id in row
    for file in (tmp_path / "home").rglob("*"):
        assert not file.is_file() or secret.encode() not in file.read_bytes(), file


def _new(fields: dict[str, Any]) -> Any:
    from bridge.server.access.tokens import NewToken

    return NewToken(**fields)
