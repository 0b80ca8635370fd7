"""Pairing by a short code: what both sides derive from SPAKE2's key (RFC 9382). Pure, without I/O."""

from __future__ import annotations

import hashlib
import hmac
import re

from msgspec import Struct

CODE_DIGITS = 8
CODE_S = 120.0
"""Seconds that a code is valid. It is valid once, and for MAX_TRIES attempts."""
MAX_TRIES = 5
CLIENT_ID, DAEMON_ID = b"popbridge client", b"popbridge daemon"
"""The identities of both sides in SPAKE2."""


class Offer(Struct, kw_only=True):
    """The body of `POST /pairing`: what the paired device's token may do."""

    scopes: list[str]


class OfferedCode(Struct, kw_only=True):
    """The answer to `POST /pairing`."""

    code: str
    """Eight digits, for a person to type."""
    expires_s: float


class OfferState(Struct, kw_only=True):
    """The answer to `GET /pairing`."""

    state: str
    """`waiting`, `paired`, `expired`, or `failed` after too many attempts."""
    device: str = ""
    """The name of the paired device."""
    tries_left: int = 0


class Start(Struct, kw_only=True):
    """The body of `POST /pairing/start`."""

    message: str
    """The device's SPAKE2 message, in hex."""


class Started(Struct, kw_only=True):
    """The answer to `POST /pairing/start`."""

    id: str
    """Names the attempt in `POST /pairing/finish`."""
    message: str
    """The daemon's SPAKE2 message, in hex."""
    confirmation: str
    """Proves that the daemon knows the code, in hex; the device checks it first."""


class Finish(Struct, kw_only=True):
    """The body of `POST /pairing/finish`."""

    id: str
    confirmation: str
    """Proves that the device knows the code, in hex."""
    name: str
    """The device's name, for `popbridge tokens list`."""


class Finished(Struct, kw_only=True):
    """The answer to `POST /pairing/finish`."""

    sealed: str
    """A `Grant` as JSON, encrypted by AES-256-GCM with `sealing_key`: a nonce of 12 bytes and the
    ciphertext, in hex."""


class Grant(Struct, kw_only=True):
    """What a paired device gets."""

    token: str
    ca: str | None = None
    """The certificate to trust (PEM); None without TLS."""


def shown(code: str) -> str:
    """Returns a code in two groups, as people read it."""
    return f"{code[: CODE_DIGITS // 2]} {code[CODE_DIGITS // 2 :]}"


def typed(code: str) -> str:
    """Returns a code as typed, without spaces and hyphens; empty if it isn't one."""
    bare = re.sub(r"[\s-]", "", code)
    return bare if re.fullmatch(rf"[0-9]{{{CODE_DIGITS}}}", bare, re.ASCII) else ""


def confirmation(key: bytes, side: str, start: bytes, answer: bytes, fingerprint: str) -> str:
    """Returns the key confirmation of a side (`client` or `daemon`), in hex.

    `key` is SPAKE2's, `start` and `answer` are the messages. `fingerprint` is that of the daemon's
    certificate as this side sees it, empty without TLS: a program between the two has another one.
    """
    message = b"|".join((side.encode(), start, answer, fingerprint.encode()))
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def confirms(sent: str, expected: str) -> bool:
    """Whether a confirmation is right; compared in constant time."""
    return hmac.compare_digest(sent.encode("utf-8", "surrogatepass"), expected.encode())


def sealing_key(key: bytes) -> bytes:
    """Returns the key that encrypts the grant; 32 bytes."""
    return hmac.new(key, b"grant", hashlib.sha256).digest()
