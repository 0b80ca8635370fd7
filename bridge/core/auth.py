"""Checks of Host, Origin and token: pure functions without I/O.

A token is `<id>.<secret>`: a public id and 256 random bits. Client and daemon prove to each other that they
know it, without sending it, as in SCRAM (RFC 5802 §3) with SHA-256:

    client_key = HMAC(token, "Client Key")     stored_key = SHA256(client_key)
    server_key = HMAC(token, "Server Key")
    message    = "<id>:<client nonce>:<server nonce>:<fingerprint>"
    server proof = HMAC(server_key, "server:" + message)
    client proof = client_key XOR HMAC(stored_key, "client:" + message)

SCRAM's salt and iterations are left out: they slow down guesses of passwords, and nobody guesses 256 bits.
The daemon stores `stored_key` and `server_key`, from which no token can be computed.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Collection, Iterable
from urllib.parse import urlsplit

from msgspec import Struct

NONCE = re.compile(r"[0-9a-f]{32,128}", re.ASCII)
"""A nonce: 16 to 64 bytes in lower-case hex."""
TOKEN_ID = re.compile(r"[A-Za-z0-9_-]{1,16}", re.ASCII)
SECRET_BYTES = 32
"""Random bytes of a token's secret."""
ID_BYTES = 6
"""Random bytes of a token's id: 8 characters."""


ANY_ADDRESS = ("", "0.0.0.0", "::")  # Names no address to listen on. # nosec B104
"""Addresses to listen on that mean all of the machine's."""

SECURITY_HEADERS = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; sandbox"),
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
"""HTTP headers of every response, unless a page has its own: it loads nothing, and no page may embed it."""


def with_security_headers(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Returns lower-case headers with those of SECURITY_HEADERS that are missing."""
    own = list(headers)
    names = {name for name, _ in own}
    return own + [header for header in SECURITY_HEADERS if header[0] not in names]


def is_loopback(host: str) -> bool:
    """Whether `host` is a loopback address or `localhost` (RFC 6761 §6.3)."""
    bare = host.strip("[]").rstrip(".").lower()
    if bare == "localhost":
        return True
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False


def host_allowed(header: str, names: Collection[str] = ()) -> bool:
    """Whether a Host header (RFC 9110 §7.2) names loopback or one of the allowed `names`.

    This prevents DNS rebinding: a web page whose name resolves to 127.0.0.1 still sends that name.
    """
    if set(header) & set("@/?#\\"):
        return False  # invalid in Host, and urlsplit would see another host than the browser
    try:
        parts = urlsplit(f"//{header}")
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    return is_loopback(host) or host.lower() in {name.lower() for name in names}


def origin_allowed(origin: str | None, own: Collection[str] = ()) -> bool:
    """Whether this Origin may open a socket. Only browsers send one, so its absence proves nothing."""
    return origin is None or origin.lower() in {o.lower() for o in own}


class Verifier(Struct, frozen=True):
    """What the daemon stores of a token."""

    stored_key: bytes
    """Verifies the client's proof; 32 bytes."""
    server_key: bytes
    """Makes the daemon's proof; 32 bytes."""


def verifier(token: str) -> Verifier:
    """Returns what to store of a token."""
    return Verifier(hashlib.sha256(_client_key(token)).digest(), _mac(token.encode(), "Server Key"))


def token_id(token: str) -> str:
    """Returns a token's public part; empty if it has none, as tokens of PopBridge 0.2.0 and older."""
    found, dot, secret = token.partition(".")
    return found if dot and secret and TOKEN_ID.fullmatch(found) else ""


def signed_message(token_id: str, client_nonce: str, server_nonce: str, fingerprint: str = "") -> str:
    """Returns what both sides sign. `fingerprint` is that of the daemon's certificate, which the client pins:
    lower-case hex SHA-256; empty without TLS. So a program between the two can't pass the proofs on."""
    return f"{token_id}:{client_nonce}:{server_nonce}:{fingerprint}"


def server_proof(server_key: bytes, message: str) -> str:
    """Returns the daemon's proof, in hex."""
    return _mac(server_key, f"server:{message}").hex()


def client_proof(token: str, message: str) -> str:
    """Returns the client's proof, in hex."""
    key = _client_key(token)
    return _xor(key, _mac(hashlib.sha256(key).digest(), f"client:{message}")).hex()


def server_proof_matches(proof: object, token: str, message: str) -> bool:
    """Whether `proof` shows that the daemon knows the token; compared in constant time."""
    expected = server_proof(_mac(token.encode(), "Server Key"), message)
    return isinstance(proof, str) and hmac.compare_digest(proof.encode(), expected.encode())


def client_proof_matches(proof: object, stored_key: bytes, message: str) -> bool:
    """Whether `proof` shows that the client knows the token; compared in constant time."""
    try:
        sent = bytes.fromhex(proof) if isinstance(proof, str) else b""
    except ValueError:
        sent = b""
    # The wrong length would shorten the key.
    if len(sent) != hashlib.sha256().digest_size:
        return False
    key = _xor(sent, _mac(stored_key, f"client:{message}"))
    return hmac.compare_digest(hashlib.sha256(key).digest(), stored_key)


def token_matches(token: object, stored_key: bytes) -> bool:
    """Whether `token` is the one that `stored_key` was made from; compared in constant time."""
    key = _client_key(token) if isinstance(token, str) else b""
    return hmac.compare_digest(hashlib.sha256(key).digest(), stored_key)


def nonce_is_valid(nonce: object) -> bool:
    """Whether this is a nonce: 16 to 64 bytes in lower-case hex."""
    return isinstance(nonce, str) and NONCE.fullmatch(nonce) is not None


def digest(secret: str) -> str:
    """Returns the SHA-256 of a secret in hex. Secrets have 256 random bits, so they need no salt."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _client_key(token: str) -> bytes:
    return _mac(token.encode("utf-8", "surrogatepass"), "Client Key")


def _mac(key: bytes, message: str) -> bytes:
    """Returns the HMAC-SHA256 (RFC 2104)."""
    return hmac.digest(key, message.encode("utf-8", "surrogatepass"), "sha256")


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
