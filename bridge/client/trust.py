"""A client's trust in the daemon's certificate: exactly the one that `connection.json` names.

The system's certificate authorities play no part, and names aren't compared: a fingerprint is stricter than
a name, and holds through a tunnel, too.
"""

from __future__ import annotations

import hashlib
import hmac
import ssl
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

from accel.text import text
from bridge.core.errors import UserError
from bridge.paths import ConnectionFile


class PinnedContext(ssl.SSLContext):
    """A client's TLS context that ends each handshake with another certificate, before it sends anything."""

    fingerprint: str


def context(file: ConnectionFile) -> ssl.SSLContext | None:
    """Returns the TLS context for connections to the daemon; None without TLS.

    Raises UserError if the file names no certificate.
    """
    if not is_encrypted(file):
        return None
    if not file.fingerprint or not file.ca:
        raise UserError(
            text(
                "`{path}` names no certificate for {http}. Restart PopBridge.", path=file.path, http=file.http
            )
        )
    made = PinnedContext(ssl.PROTOCOL_TLS_CLIENT)
    made.fingerprint = file.fingerprint
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.check_hostname = False
    # The issuer's validity and signature still count; an intermediate authority may be the anchor.
    made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    made.sslobject_class, made.sslsocket_class = _Object, _Socket
    try:
        made.load_verify_locations(cadata=file.ca)
    except (ssl.SSLError, ValueError) as error:
        raise UserError(
            text(
                "`{path}` has an invalid certificate ({error}). Restart PopBridge.",
                path=file.path,
                error=error,
            )
        ) from None
    return made


def is_encrypted(file: ConnectionFile) -> bool:
    """Whether the daemon accepts TLS only."""
    return urlsplit(file.http).scheme == "https" or urlsplit(file.ws).scheme == "wss"


def refresh(file: ConnectionFile) -> bool:
    """Takes over the certificate that `connection.json` names now; returns whether it is another one.

    The daemon renews its certificate while it runs, so a refused certificate may be its new one. Another
    process's isn't taken over: it has other tokens and sessions.
    """
    try:
        now = ConnectionFile.read(Path(file.path))
    except UserError:
        return False
    if now.pid != file.pid or now.fingerprint == file.fingerprint:
        return False
    file.fingerprint, file.ca = now.fingerprint, now.ca
    return True


def http_connection(file: ConnectionFile, timeout_s: float) -> HTTPConnection:
    """Returns a connection to the daemon's HTTP address, not opened yet. Raises UserError."""
    # `http.client` uses no proxy, which must not get a token.
    netloc = urlsplit(file.http).netloc
    tls = context(file)
    if tls is None:
        return HTTPConnection(netloc, timeout=timeout_s)
    return HTTPSConnection(netloc, timeout=timeout_s, context=tls)


def refusal(file: ConnectionFile, error: ssl.SSLError) -> UserError:
    """Returns the error for a server whose TLS handshake failed."""
    reason = getattr(error, "verify_message", "") or getattr(error, "reason", "") or str(error)
    return UserError(
        text(
            "The server at {address} isn't the daemon of `{path}` ({reason}). Nothing was sent to it. "
            "Restart PopBridge.",
            address=urlsplit(file.http).netloc,
            path=file.path,
            reason=reason,
        )
    )


class _Object(ssl.SSLObject):
    """A connection of asyncio."""

    def do_handshake(self) -> None:
        super().do_handshake()
        _check(self)


class _Socket(ssl.SSLSocket):
    """A connection of `http.client`."""

    def do_handshake(self, block: bool = False) -> None:
        super().do_handshake(block)
        _check(self)


def _check(connection: ssl.SSLObject | ssl.SSLSocket) -> None:
    """Compares the peer's certificate. Raises ssl.SSLCertVerificationError."""
    pinned = connection.context
    assert isinstance(pinned, PinnedContext)
    shown = connection.getpeercert(binary_form=True) or b""
    if not hmac.compare_digest(hashlib.sha256(shown).hexdigest(), pinned.fingerprint):
        error = ssl.SSLCertVerificationError("another certificate")
        error.verify_message = "its certificate has another fingerprint"
        raise error
