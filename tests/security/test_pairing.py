"""Pairing: wrong codes, replayed ones, a program between the two, and what it leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import msgspec
import pytest
from spake2 import SPAKE2_A

from bridge.client.client import Client
from bridge.client.pairing import pair
from bridge.client.transfer import exchange
from bridge.core import pairing
from bridge.core.errors import RequestError, UserError
from bridge.core.pairing import OfferedCode
from bridge.paths import ConnectionFile
from bridge.server.access import certificates
from tests.server.daemons import ProcessDaemon

ENCRYPTED = {"": {}, "tls": {"POPBRIDGE_TLS": "on"}}


@pytest.fixture(scope="module", params=ENCRYPTED)
def daemon(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[ProcessDaemon]:
    home = tmp_path_factory.mktemp("pairing") / "home"
    if request.param:
        certificates.create(home / "certs")
    daemon = ProcessDaemon(home, **ENCRYPTED[request.param])
    daemon.start()
    yield daemon
    daemon.end()


def port_of(daemon: ProcessDaemon) -> int:
    return int(ConnectionFile.read(daemon.paths.connection_file).http.rpartition(":")[2])


def owned(daemon: ProcessDaemon, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """A request of the daemon's own user."""

    async def ask() -> tuple[int, bytes]:
        client = await Client.connect(daemon.paths.connection_file, name="owner")
        try:
            sent = b"" if body is None else json.dumps(body).encode()
            return await asyncio.to_thread(exchange, client.http, method, path, sent)
        finally:
            await client.close(done=True)

    status, content = asyncio.run(ask())
    return status, json.loads(content) if content else None


def offer(daemon: ProcessDaemon, scope: str = "editor") -> str:
    status, content = owned(daemon, "POST", "/pairing", {"scopes": [scope]})
    assert status == 201
    return msgspec.convert(content, OfferedCode).code


def other(code: str) -> str:
    return f"{(int(code) + 1) % 10**pairing.CODE_DIGITS:08}"


def test_a_device_gets_a_token_of_its_own(daemon: ProcessDaemon, tmp_path: Path) -> None:
    code = offer(daemon)
    file = pair("127.0.0.1", port_of(daemon), code, f"laptop {time.monotonic_ns()}")
    # As the device's own programs read it.
    file.write(tmp_path / "connection.json")

    async def connect() -> list[str]:
        client = await Client.connect(tmp_path / "connection.json", name="device")
        scopes = client.ready.scopes
        await client.close(done=True)
        return list(scopes)

    assert asyncio.run(connect()) == ["editor"]
    assert (file.fingerprint is not None) == file.http.startswith("https")
    assert owned(daemon, "GET", "/pairing")[1]["state"] == "paired"
    # Once only.
    with pytest.raises(RequestError) as refused:
        pair("127.0.0.1", port_of(daemon), code, "another")
    assert refused.value.code.name == "not_found"


def test_a_revoked_device_is_out(daemon: ProcessDaemon, tmp_path: Path) -> None:
    name = f"tablet {time.monotonic_ns()}"
    pair("127.0.0.1", port_of(daemon), offer(daemon), name).write(tmp_path / "connection.json")
    tokens = owned(daemon, "GET", "/tokens")[1]["tokens"]
    (token_id,) = [each["id"] for each in tokens if each["name"] == name]
    assert owned(daemon, "DELETE", f"/tokens/{token_id}")[0] == 200
    with pytest.raises(UserError):
        asyncio.run(Client.connect(tmp_path / "connection.json", name="device"))


def test_a_wrong_code_is_noticed_and_five_end_the_offer(daemon: ProcessDaemon) -> None:
    code = offer(daemon)
    for _ in range(pairing.MAX_TRIES):
        with pytest.raises(UserError):
            pair("127.0.0.1", port_of(daemon), other(code), "guesser")
    with pytest.raises(RequestError) as refused:
        pair("127.0.0.1", port_of(daemon), code, "guesser")
    assert refused.value.code.name == "not_found"
    assert owned(daemon, "GET", "/pairing")[1] == {"state": "failed", "device": "", "tries_left": 0}


def test_without_an_offer_nothing_is_computed(daemon: ProcessDaemon) -> None:
    offer(daemon)
    assert owned(daemon, "DELETE", "/pairing")[0] == 204
    with pytest.raises(RequestError) as refused:
        pair("127.0.0.1", port_of(daemon), "00000000", "guesser")
    assert refused.value.code.name == "not_found"


def test_only_administrators_offer_codes(daemon: ProcessDaemon, tmp_path: Path) -> None:
    file = pair("127.0.0.1", port_of(daemon), offer(daemon), f"phone {time.monotonic_ns()}")
    file.write(tmp_path / "connection.json")

    async def ask() -> int:
        client = await Client.connect(tmp_path / "connection.json", name="device")
        try:
            body = json.dumps({"scopes": ["admin"]}).encode()
            return (await asyncio.to_thread(exchange, client.http, "POST", "/pairing", body))[0]
        finally:
            await client.close(done=True)

    assert asyncio.run(ask()) == 403


class Raw:
    """A device that breaks the rules. Over TLS it trusts anybody."""

    def __init__(self, daemon: ProcessDaemon) -> None:
        file = ConnectionFile.read(daemon.paths.connection_file)
        self.connection = HTTPConnection("127.0.0.1", port_of(daemon), timeout=20)
        self.connection.connect()
        if file.http.startswith("https"):
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.connection.sock = context.wrap_socket(self.connection.sock)
        self.fingerprint = file.fingerprint or ""

    def ask(self, path: str, body: Any) -> tuple[int, Any]:
        self.connection.request("POST", path, json.dumps(body))
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read() or b"null")

    def start(self, code: str) -> tuple[dict[str, str], bytes, bytes]:
        side = SPAKE2_A(code.encode(), idA=pairing.CLIENT_ID, idB=pairing.DAEMON_ID)
        message = side.start()
        status, answer = self.ask("/pairing/start", {"message": message.hex()})
        assert status == 200
        return answer, message, side.finish(bytes.fromhex(answer["message"]))


def test_an_attempt_is_answered_once(daemon: ProcessDaemon) -> None:
    code, raw = offer(daemon), Raw(daemon)
    begun, message, key = raw.start(code)
    right = pairing.confirmation(key, "client", message, bytes.fromhex(begun["message"]), raw.fingerprint)
    wrong = {"id": begun["id"], "confirmation": begun["confirmation"], "name": "reflected"}
    # The daemon's own confirmation sent back isn't the client's.
    assert raw.ask("/pairing/finish", wrong)[0] == 403
    assert raw.ask("/pairing/finish", {**wrong, "confirmation": right})[0] == 403
    raw.connection.close()


def test_a_finished_attempt_cannot_be_replayed(daemon: ProcessDaemon) -> None:
    code, raw = offer(daemon), Raw(daemon)
    begun, message, key = raw.start(code)
    right = pairing.confirmation(key, "client", message, bytes.fromhex(begun["message"]), raw.fingerprint)
    body = {"id": begun["id"], "confirmation": right, "name": f"watch {time.monotonic_ns()}"}
    assert raw.ask("/pairing/finish", body)[0] == 200
    assert raw.ask("/pairing/finish", body)[0] == 403
    raw.connection.close()


@pytest.mark.parametrize("message", ["", "zz", "41" * 33, "42" + "ff" * 32, "41" + "00" * 32, "41" * 500])
def test_no_message_breaks_the_daemon(daemon: ProcessDaemon, message: str) -> None:
    offer(daemon)
    raw = Raw(daemon)
    assert raw.ask("/pairing/start", {"message": message})[0] in (200, 400)
    raw.connection.close()


def test_a_program_between_the_two_gets_nothing(daemon: ProcessDaemon) -> None:
    """It passes everything on, which under TLS needs a certificate of its own."""
    file = ConnectionFile.read(daemon.paths.connection_file)
    if not file.http.startswith("https"):
        pytest.skip("on loopback without TLS, only the user's own programs are between the two")
    code = offer(daemon)
    with between(port_of(daemon), daemon.paths.certificates) as port, pytest.raises(UserError):
        pair("127.0.0.1", port, code, "victim")
    assert owned(daemon, "GET", "/pairing")[1]["state"] == "waiting"


@contextlib.contextmanager
def between(port: int, folder: Path) -> Iterator[int]:
    """Relays the plaintext of TLS connections under another certificate."""
    certificates.create(folder.with_name("false certs"))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder.with_name("false certs") / "server.pem")
    client = ssl.create_default_context()
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE

    def relay(victim: socket.socket) -> None:
        with (
            contextlib.suppress(OSError),
            server.wrap_socket(victim, server_side=True) as one,
            client.wrap_socket(socket.create_connection(("127.0.0.1", port))) as two,
        ):
            threads = [threading.Thread(target=pump, args=each) for each in ((one, two), (two, one))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    def pump(source: ssl.SSLSocket, target: ssl.SSLSocket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def accept(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            relay(listener.accept()[0])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, args=(listener,))
        thread.start()
        yield int(listener.getsockname()[1])
        listener.close()
        thread.join(20)


def test_the_code_and_the_token_are_in_no_log(daemon: ProcessDaemon) -> None:
    code = offer(daemon)
    file = pair("127.0.0.1", port_of(daemon), code, f"desk {time.monotonic_ns()}")
    written = daemon.output.read_text() + "".join(
        each.read_text(errors="replace") for each in daemon.paths.data.glob("*.jsonl")
    )
    assert code not in written and file.token.partition(".")[2] not in written
