"""Checks of Host, Origin and token: pure functions without I/O."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from bridge.core.messages import AuthProof


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


def token_matches(auth: AuthProof, token: str, server_nonce: str) -> bool:
    """Whether `auth` contains the token or a valid proof of it, compared in constant time."""
    if isinstance(auth.token, str):
        return hmac.compare_digest(auth.token.encode(), token.encode())
    if isinstance(auth.proof, str) and isinstance(auth.nonce, str):
        return hmac.compare_digest(auth.proof.encode(), proof(token, server_nonce, auth.nonce).encode())
    return False


def proof(token: str, server_nonce: str, client_nonce: str) -> str:
    """Returns the HMAC-SHA256 (RFC 2104) of both nonces, with the token as key, in hex."""
    return hmac.new(token.encode(), f"{server_nonce}{client_nonce}".encode(), hashlib.sha256).hexdigest()


def digest(secret: str) -> str:
    """Returns the SHA-256 of a secret in hex. Secrets have 256 random bits, so they need no salt."""
    return hashlib.sha256(secret.encode()).hexdigest()
