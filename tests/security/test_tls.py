"""TLS: other programs in the daemon's place, old versions, plain text, silence, and missing TLS."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import shutil
import socket
import ssl
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from msgspec.structs import replace

from bridge.client import trust
from bridge.client.client import Client
from bridge.core.errors import UserError
from bridge.core.settings import SETTINGS, resolve
from bridge.host.host import Registry
from bridge.paths import ConnectionFile
from bridge.server import serve
from bridge.server.access import certificates, tls
from tests.server.daemons import ProcessDaemon, paths_in
from tests.server.pages import page


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessDaemon]:
    """One with a local certificate, and no Unix socket, whose path would be too long."""
    home = tmp_path_factory.mktemp("tls") / ("home" * 30)
    certificates.create(home / "certs")
    made = ProcessDaemon(home, POPBRIDGE_TLS="on")
    made.start()
    yield made
    made.end()


@pytest.fixture
def file(daemon: ProcessDaemon) -> ConnectionFile:
    return ConnectionFile.read(daemon.paths.connection_file)


LOCAL = (x509.IPAddress(ipaddress.ip_address("127.0.0.1")),)
Issuer = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def certificate(
    folder: Path, names: Sequence[x509.GeneralName] = LOCAL, *, days: int = 1, issuer: Issuer | None = None
) -> tuple[Path, str, str]:
    """The file of a certificate and its key, its fingerprint, and its PEM; self-signed without an issuer."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "another program")])
    made = (
        x509.CertificateBuilder(issuer[0].subject if issuer else subject, subject, key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=9))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(issuer[1] if issuer else key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path = folder / f"{made.serial_number}.pem"
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain) + pem)
    return path, made.fingerprint(hashes.SHA256()).hex(), pem.decode()


class Listener:
    """A TLS server that keeps what it is sent after the handshake."""

    def __init__(self, path: Path) -> None:
        self.received = b""
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(path)

    async def __aenter__(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        return int(self._server.sockets[0].getsockname()[1])

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.received += await reader.read(65536)
        writer.close()


def at(file: ConnectionFile, port: int) -> ConnectionFile:
    """`file`, with another program on the port."""
    return replace(file, ws=f"wss://127.0.0.1:{port}/ws", http=f"https://127.0.0.1:{port}")


async def refused(file: ConnectionFile, tmp_path: Path) -> None:
    """A client and a transfer refuse what answers at `file`."""
    place = tmp_path / "connection.json"
    file.write(place)
    with pytest.raises(UserError, match="Nothing was sent"):
        await Client.connect(place)

    def transfer() -> None:
        connection = trust.http_connection(ConnectionFile.read(place), 10)
        connection.request("GET", "/health")

    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncio.to_thread(transfer)


async def test_the_daemon_is_reached_and_nothing_is_readable_on_the_way(daemon: ProcessDaemon) -> None:
    file = ConnectionFile.read(daemon.paths.connection_file)
    assert file.ws.startswith("wss://127.0.0.1:")
    assert daemon.paths.ca_file.read_text() == file.ca
    assert file.unix is None
    async with await Client.connect(daemon.paths.connection_file) as client:
        data = bytes(range(256)) * 20_000
        assert await client.get_blob(await client.put_blob(data)) == data
        assert (await client.request("bridge.echo", {"value": "x" * 150_000})).value == "x" * 150_000


async def test_another_certificate_is_refused(file: ConnectionFile, tmp_path: Path) -> None:
    path, _, _ = certificate(tmp_path)
    listener = Listener(path)
    async with listener as port:
        await refused(at(file, port), tmp_path)
    assert listener.received == b""


async def test_another_leaf_of_the_same_authority_is_refused(
    daemon: ProcessDaemon, file: ConnectionFile, tmp_path: Path
) -> None:
    shutil.copytree(daemon.paths.certificates, tmp_path / "certs")
    leaf = certificates.renew(tmp_path / "certs")
    listener = Listener(leaf.file)
    async with listener as port:
        await refused(at(file, port), tmp_path)
    assert listener.received == b""


async def test_an_expired_certificate_is_refused(file: ConnectionFile, tmp_path: Path) -> None:
    path, fingerprint, pem = certificate(tmp_path, days=-1)
    listener = Listener(path)
    async with listener as port:
        await refused(replace(at(file, port), fingerprint=fingerprint, ca=pem), tmp_path)
    assert listener.received == b""


def test_a_leaf_for_another_name_is_refused_by_what_trusts_the_authority(
    file: ConnectionFile, daemon: ProcessDaemon
) -> None:
    context = ssl.create_default_context(cadata=file.ca)
    address = (urlsplit(file.ws).hostname, urlsplit(file.ws).port)
    for name in ("127.0.0.1", "localhost"):
        with socket.create_connection(address) as plain, context.wrap_socket(plain, server_hostname=name):
            pass
    with socket.create_connection(address) as plain, pytest.raises(ssl.SSLCertVerificationError):
        context.wrap_socket(plain, server_hostname="bank.example")


async def test_whoever_has_the_authoritys_key_can_impersonate_no_other_site(tmp_path: Path) -> None:
    certificates.create(tmp_path)
    with pytest.raises(UserError, match=r"may not certify bank\.example"):
        certificates.renew(tmp_path, ["bank.example"])
    ca = x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes())
    key = serialization.load_pem_private_key((tmp_path / "ca-key.pem").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    context = ssl.create_default_context(cafile=tmp_path / "ca.pem")
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    for name, accepted in {"localhost": True, "bank.example": False}.items():
        path, _, _ = certificate(tmp_path, [x509.DNSName(name)], issuer=(ca, key))
        async with Listener(path) as port:
            opening = asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
            if accepted:
                (await opening)[1].close()
            else:
                with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
                    await opening


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_versions_are_refused(file: ConnectionFile, version: ssl.TLSVersion) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection((urlsplit(file.ws).hostname, urlsplit(file.ws).port)) as plain,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        context.wrap_socket(plain)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_ciphers_have_forward_secrecy_and_authenticate(file: ConnectionFile, version: ssl.TLSVersion) -> None:
    context = ssl.create_default_context(cadata=file.ca)
    context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection((urlsplit(file.ws).hostname, urlsplit(file.ws).port)) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as encrypted,
    ):
        name, _, _ = encrypted.cipher() or ("", "", 0)
        assert "GCM" in name or "CHACHA20" in name
        assert name.startswith(("ECDHE", "TLS_"))


def test_plain_text_on_the_port_is_told_what_to_do_and_reaches_nothing(file: ConnectionFile) -> None:
    response, body = page(
        replace(file, http=file.http.replace("https", "http")),
        "/status",
        Authorization=f"Bearer {file.token}",
    )
    assert response.status == 400
    assert b"https" in body
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    with socket.create_connection((urlsplit(file.ws).hostname, urlsplit(file.ws).port)) as plain:
        plain.sendall(b"\x16\x03\x01garbage" + b"\0" * 100)
        plain.settimeout(10)
        assert b"\x15\x03" in plain.recv(100)  # an alert
        assert plain.recv(100) == b""


@pytest.mark.parametrize("said", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00"], ids=["no", "1", "7"])
async def test_a_silent_handshake_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    assert tls.HANDSHAKE_S <= 10
    monkeypatch.setattr(tls, "HANDSHAKE_S", 0.2)
    certificates.create(tmp_path / "certs")
    shown = tls.Certificate(resolve(SETTINGS, {}), paths_in(tmp_path))
    listener = shown.listener(asyncio.Protocol)
    server = await asyncio.get_running_loop().create_server(listener, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(said)
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
    writer.close()
    server.close()
    assert not listener.handshakes


def test_off_loopback_it_refuses_to_start_without_tls(tmp_path: Path) -> None:
    paths = paths_in(tmp_path / "home")
    for host in ("0.0.0.0", "::", "192.168.1.5", "build.example", "127.evil.com"):
        with pytest.raises(UserError, match="popbridge certs"):
            serve.main(resolve(SETTINGS, {"host": host, "port": 0}), paths, Registry(), print)
    assert not paths.connection_file.exists()
    with pytest.raises(UserError, match="popbridge certs init"):
        serve.main(resolve(SETTINGS, {"tls": "on", "port": 0}), paths, Registry(), print)


async def test_off_loopback_the_host_must_be_a_name_of_the_certificate(tmp_path: Path) -> None:
    home = tmp_path / "home"
    certificates.create(home / "certs", ["build.local"])
    daemon = ProcessDaemon(home, POPBRIDGE_TLS="on", POPBRIDGE_HOST="0.0.0.0")
    try:
        file = daemon.start()
        assert urlsplit(file.ws).hostname == "127.0.0.1"
        port = urlsplit(file.ws).port
        connection = trust.http_connection(file, 10)
        for host, status in {
            f"build.local:{port}": 200,
            f"rebound.example:{port}": 403,
            "127.evil.com": 403,
        }.items():
            connection.request("GET", "/health", headers={"Host": host})
            response = connection.getresponse()
            response.read()
            assert response.status == status, host
        connection.close()
    finally:
        daemon.end()
