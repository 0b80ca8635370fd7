"""Pairs this machine with a daemon on another one, by a code."""

from __future__ import annotations

import hashlib
import ssl
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TypeVar

import msgspec

from accel.text import text
from bridge.client.connection import as_request_error
from bridge.core import pairing
from bridge.core.auth import is_loopback
from bridge.core.errors import UserError
from bridge.core.messages import PROTOCOL
from bridge.core.pairing import Finish, Finished, Grant, Start, Started
from bridge.paths import ConnectionFile

Answer = TypeVar("Answer")

TIMEOUT_S = 15.0


def pair(host: str, port: int, code: str, name: str) -> ConnectionFile:
    """Pairs with the daemon at an address; returns what `connection.json` has to say. Blocks.

    `code` has eight digits; `name` is this machine's, for the daemon's list. Who answers in the daemon's
    place learns nothing of the code. Raises UserError and RequestError.
    """
    connection, fingerprint = _connect(host, port)
    try:
        grant = _exchange(connection, fingerprint, code, name)
    except (OSError, HTTPException, msgspec.DecodeError, ValueError) as error:
        raise UserError(
            text(
                "The server at {host} port {port} isn't PopBridge ({error}).",
                host=host,
                port=port,
                error=error,
            )
        ) from None
    finally:
        connection.close()
    secure = "s" if fingerprint else ""
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return ConnectionFile(
        ws=f"ws{secure}://{address}/ws",
        http=f"http{secure}://{address}",
        token=grant.token,
        pid=0,
        protocol=PROTOCOL,
        fingerprint=fingerprint or None,
        ca=grant.ca,
    )


def check_reachable(host: str, port: int) -> None:
    """Connects once, before anybody is asked for a code. Blocks. Raises UserError."""
    connection, _ = _connect(host, port)
    connection.close()


def _connect(host: str, port: int) -> tuple[HTTPConnection, str]:
    """Returns an open connection, and the certificate's fingerprint that it shows; empty without TLS.

    Raises UserError.
    """
    try:
        return _connection(host, port)
    except (OSError, ssl.SSLError) as error:
        raise UserError(
            text(
                "PopBridge doesn't answer at {host} port {port} ({error}).", host=host, port=port, error=error
            )
        ) from None


def _connection(host: str, port: int) -> tuple[HTTPConnection, str]:
    # The code shows whose certificate it is, which is pinned from then on.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    secure = HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)
    try:
        secure.connect()
    except ssl.SSLError:
        secure.close()
        # Off loopback the daemon accepts TLS only.
        if not is_loopback(host):
            raise
        plain = HTTPConnection(host, port, timeout=TIMEOUT_S)
        plain.connect()
        return plain, ""
    assert isinstance(secure.sock, ssl.SSLSocket)
    certificate = secure.sock.getpeercert(binary_form=True)
    assert certificate is not None
    return secure, hashlib.sha256(certificate).hexdigest()


def _exchange(connection: HTTPConnection, fingerprint: str, code: str, name: str) -> Grant:
    from spake2 import SPAKE2_A

    side = SPAKE2_A(code.encode(), idA=pairing.CLIENT_ID, idB=pairing.DAEMON_ID)
    start = bytes(side.start())
    begun = _ask(connection, "/pairing/start", Start(message=start.hex()), Started)
    answer = bytes.fromhex(begun.message)
    try:
        key = bytes(side.finish(answer))
    # The library raises errors of five kinds for what isn't a point of its group.
    except Exception as error:
        raise ValueError(f"no SPAKE2 message: {error}") from None
    if not pairing.confirms(
        begun.confirmation, pairing.confirmation(key, "daemon", start, answer, fingerprint)
    ):
        raise UserError(
            text(
                "The code is wrong, or another program answers in the daemon's place. It learned nothing. "
                "Check the address, and try again."
            )
        )
    own = pairing.confirmation(key, "client", start, answer, fingerprint)
    done = _ask(connection, "/pairing/finish", Finish(id=begun.id, confirmation=own, name=name), Finished)
    return _opened(key, bytes.fromhex(done.sealed))


def _opened(key: bytes, sealed: bytes) -> Grant:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        plain = AESGCM(pairing.sealing_key(key)).decrypt(sealed[:12], sealed[12:], None)
    except InvalidTag:
        raise ValueError("the grant was changed") from None
    return msgspec.json.decode(plain, type=Grant)


def _ask(connection: HTTPConnection, path: str, body: msgspec.Struct, kind: type[Answer]) -> Answer:
    connection.request("POST", path, msgspec.json.encode(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    content = response.read()
    if response.status >= 400:
        raise as_request_error(msgspec.json.decode(content))
    return msgspec.json.decode(content, type=kind)
