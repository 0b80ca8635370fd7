"""Who gets in: Host, then Origin, then a token. Pure: the caller brings tokens and nonces."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from bridge.core.messages import AuthProof


def is_loopback(host: str) -> bool:
    """Whether `host` is a loopback address, or the one name that RFC 6761 §6.3 reserves for it."""
    bare = host.strip("[]").rstrip(".").lower()
    if bare == "localhost":
        return True
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False


def host_allowed(header: str, names: Collection[str] = ()) -> bool:
    """Whether a Host header (RFC 9110 §7.2) names loopback or one of the configured `names`.

    A web page that rebinds its own DNS name to 127.0.0.1 still sends that name: it is refused here.
    """
    if set(header) & set("@/?#\\"):
        return False  # no part of a Host, and each would make urlsplit see another host than the browser did
    try:
        parts = urlsplit(f"//{header}")
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    return is_loopback(host) or host.lower() in {name.lower() for name in names}


def origin_allowed(origin: str | None, own: Collection[str] = ()) -> bool:
    """Whether a browser's Origin may open a socket; no Origin is no browser, and is no trust either."""
    return origin is None or origin.lower() in {o.lower() for o in own}


def token_matches(auth: AuthProof, token: str, server_nonce: str) -> bool:
    """Whether `auth` holds the token itself or a proof of it, in constant time."""
    if isinstance(auth.token, str):
        return hmac.compare_digest(auth.token.encode(), token.encode())
    if isinstance(auth.proof, str) and isinstance(auth.nonce, str):
        return hmac.compare_digest(auth.proof.encode(), proof(token, server_nonce, auth.nonce).encode())
    return False


def proof(token: str, server_nonce: str, client_nonce: str) -> str:
    """HMAC-SHA256 (RFC 2104) of both nonces under the token: shows the token without sending it."""
    return hmac.new(token.encode(), f"{server_nonce}{client_nonce}".encode(), hashlib.sha256).hexdigest()


def digest(secret: str) -> str:
    """What is kept of a secret: its SHA-256, hex. Secrets here have 256 random bits, so no salt is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()
