"""Checks tokens and their proofs: who opens a connection, and who sends an HTTP request."""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
import time
import weakref
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from msgspec import UNSET, Struct, UnsetType
from starlette.requests import Request

from bridge.core import auth, errors
from bridge.core.access import LOCAL_ID, LOCAL_SCOPES, Principal, rights_of
from bridge.core.errors import RemoteProtocolError
from bridge.core.messages import AuthProof, Identify
from bridge.server.access import unix_socket
from bridge.server.live_session import LiveSession

HTTP_TOKEN_BYTES = 32
USE_INTERVAL_S = 60.0
"""Minimum seconds between two stored uses of a token."""
WRONG_TOKEN = "field 'auth': the token is wrong; read connection.json again"


class Challenge(Struct, frozen=True):
    """What the two proofs of one connection are about."""

    token_id: str
    """The id in the URL; empty without one."""
    client_nonce: str
    server_nonce: str
    proof: str | UnsetType
    """The daemon's proof, for `hello`."""


class Credential(Struct):
    """A token that the daemon knows."""

    id: str
    name: str
    scopes: tuple[str, ...]
    verifier: auth.Verifier
    expires: float = math.inf
    """Unix time in seconds."""
    revoked: bool = False
    used: float = 0.0
    """When its last use was stored; Unix time in seconds."""

    @property
    def problem(self) -> str:
        """Why it isn't valid now; empty if it is."""
        if self.revoked:
            return "the token was revoked: ask for a new one"
        return "the token has expired: ask for a new one" if time.time() >= self.expires else ""


class Authenticator:
    """The tokens of this daemon, and of its sessions."""

    def __init__(self) -> None:
        self.local_token = f"{LOCAL_ID}.{secrets.token_urlsafe(auth.SECRET_BYTES)}"
        """The token for connection.json, new for each start."""
        self.fingerprint = ""
        """Lower-case hex SHA-256 of the certificate that clients pin; empty without TLS."""
        self.on_use: Callable[[str, float], None] = lambda token_id, now: None
        """Called with a stored token's id and the time when it is used, at most every `USE_INTERVAL_S`."""
        local = Credential(LOCAL_ID, "connection.json", LOCAL_SCOPES, auth.verifier(self.local_token))
        self._credentials: dict[str, Credential] = {LOCAL_ID: local}
        self._looked = time.time()
        """The time of the last search for expired tokens."""
        self._next_expiry = math.inf
        self._sessions: weakref.WeakValueDictionary[bytes, LiveSession] = weakref.WeakValueDictionary()
        """Sessions by the digest of their HTTP token."""

    def add(self, credential: Credential) -> None:
        """Accepts a token from now on, or remembers that it is revoked."""
        self._credentials[credential.id] = credential
        if credential.expires > self._looked:
            self._next_expiry = min(self._next_expiry, credential.expires)

    def revoke(self, token_id: str) -> None:
        """Refuses a token from now on. Its owner is still told by the daemon itself."""
        self._credentials[token_id].revoked = True

    def check(self, token_id: str) -> None:
        """Raises RemoteProtocolError if a token isn't valid any more."""
        if problem := self._credentials[token_id].problem:
            raise RemoteProtocolError(errors.TOKEN_REVOKED, f"field 'auth': {problem}")

    def expired(self, now: float) -> list[str]:
        """Returns the ids of tokens that have expired since the last call; `now` is a Unix time."""
        if now < self._next_expiry:
            return []
        found = [each.id for each in self._credentials.values() if self._looked < each.expires <= now]
        self._looked = now
        later = (each.expires for each in self._credentials.values() if each.expires > now)
        self._next_expiry = min(later, default=math.inf)
        return found

    # Sockets

    def challenge(self, scope: Mapping[str, Any]) -> Challenge:
        """Returns the nonce for a new connection, with the daemon's proof if the URL asks for one."""
        query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))
        token_id, nonce, own = query.get("token", ""), query.get("nonce", ""), secrets.token_hex(16)
        proof: str | UnsetType = UNSET
        if auth.nonce_is_valid(nonce) and auth.TOKEN_ID.fullmatch(token_id):
            found = self._credentials.get(token_id)
            # Nobody learns which ids exist.
            key = found.verifier.server_key if found else secrets.token_bytes(auth.SECRET_BYTES)
            message = auth.signed_message(token_id, nonce, own, self.fingerprint)
            proof = auth.server_proof(key, message)
        return Challenge(token_id, nonce, own, proof)

    def identify(self, identify: Identify, challenge: Challenge, peer: str) -> Principal:
        """Returns who has sent `identify`. Raises RemoteProtocolError: `auth_failed` or `token_revoked`."""
        credential = self._proven(identify.auth, challenge)
        if credential is None:
            raise RemoteProtocolError(errors.AUTH_FAILED, WRONG_TOKEN)
        self.check(credential.id)
        self._note_use(credential)
        return _principal(credential, peer, identify.client.kind)

    def _proven(self, sent: AuthProof, challenge: Challenge) -> Credential | None:
        if isinstance(sent.token, str):
            return self._credential(sent.token)
        if not isinstance(sent.proof, str) or not isinstance(sent.nonce, str):
            return None
        if not isinstance(sent.id, str):
            return self._proven_before_scopes(sent.proof, sent.nonce, challenge.server_nonce)
        # What the URL named is what the daemon's own proof was about.
        named = challenge.token_id, challenge.client_nonce
        found = self._credentials.get(sent.id)
        if found is None or (sent.id, sent.nonce) != named or not isinstance(challenge.proof, str):
            return None
        message = auth.signed_message(sent.id, sent.nonce, challenge.server_nonce, self.fingerprint)
        return found if auth.client_proof_matches(sent.proof, found.verifier.stored_key, message) else None

    def _proven_before_scopes(self, proof: str, nonce: str, server_nonce: str) -> Credential | None:
        """The proof of PopBridge 0.1 and 0.2, which is one-sided: it needs the token itself."""
        expected = hmac.digest(self.local_token.encode(), f"{server_nonce}{nonce}".encode(), hashlib.sha256)
        matches = hmac.compare_digest(proof.encode(), expected.hex().encode())
        return self._credentials[LOCAL_ID] if matches else None

    def _credential(self, token: str) -> Credential | None:
        found = self._credentials.get(auth.token_id(token))
        return found if found and auth.token_matches(token, found.verifier.stored_key) else None

    # HTTP

    def http_token(self, live: LiveSession) -> str:
        """Returns a new HTTP token for a session; its earlier one ends."""
        token = secrets.token_urlsafe(HTTP_TOKEN_BYTES)
        self._sessions.pop(live.http_digest, None)
        live.http_digest = _digest(token)
        self._sessions[live.http_digest] = live
        return token

    def bearer(self, request: Request) -> tuple[Principal, LiveSession | None] | None:
        """Returns whose HTTP request this is, and their session if its token was sent; None without a valid
        token."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        live = self._sessions.get(_digest(token))
        if live is not None and not live.ended:
            return live.principal, live
        credential = self._credential(token)
        if credential is None or credential.problem:
            return None
        self._note_use(credential)
        return _principal(credential, peer_of(request.scope)), None

    def _note_use(self, credential: Credential) -> None:
        now = time.time()
        if credential.id != LOCAL_ID and now - credential.used >= USE_INTERVAL_S:
            credential.used = now
            self.on_use(credential.id, now)


def peer_of(scope: Mapping[str, Any]) -> str:
    """Returns where a connection comes from."""
    client = scope.get("client")
    if not client:
        return ""
    return f"uid {client[1]}" if client[0] == unix_socket.SCHEME else str(client[0])


def _principal(credential: Credential, peer: str, kind: str = "") -> Principal:
    rights = rights_of(credential.scopes, kind)
    return Principal(credential.id, credential.name, credential.scopes, rights, peer, kind)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
