"""Manages tokens while the daemon runs: over HTTP, at once, and with those who use them."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import msgspec
from msgspec import Struct
from sqlite_utils import Database
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.core import errors
from bridge.core.errors import RequestError, StoreError, UserError
from bridge.server.access.authenticator import Authenticator, Credential
from bridge.server.http import Guard, answer
from bridge.server.sessions import Sessions
from bridge.store.audit_log import PROGRAM, AuditLog
from bridge.store.records import is_damage
from bridge.store.store import Store
from bridge.store.tokens import StoredToken, Token, TokenStore, check_new

log = logging.getLogger(__name__)

Value = TypeVar("Value")

MAX_BODY = 16 << 10
"""Maximum bytes of a request's body."""
NO_STORE = {"cache-control": "no-store"}


class NewToken(Struct, kw_only=True):
    """The body of `POST /tokens`."""

    name: str
    scopes: list[str]
    expires_s: float | None = None
    """Seconds until it expires; null for never."""


class CreatedToken(Struct, kw_only=True):
    """The answer with a new token, which is shown this once."""

    token: str
    info: Token


class Asker(Struct, frozen=True):
    """Who asks for a change, for the audit log."""

    principal: str
    """The id of a token."""
    session: str = ""


NOBODY = Asker(PROGRAM)


class Tokens:
    """The tokens in the store, those that the authenticator accepts, and their sessions."""

    def __init__(
        self, store: Store, authenticator: Authenticator, sessions: Sessions, audit: AuditLog
    ) -> None:
        self._store = store
        self._audit = audit
        self._authenticator = authenticator
        self._sessions = sessions
        authenticator.on_use = self._used

    async def load(self) -> None:
        """Accepts the stored tokens. Raises StoreError, but not for damage: then none is accepted."""
        try:
            rows = await self._store.read(lambda connection: TokenStore(Database(connection)).all())
        except StoreError as error:
            if not is_damage(error):
                raise
            log.error("the tokens can't be read, so none is accepted: %s", error.reason)
            return
        for row in rows:
            self._accept(row)

    async def stored(self) -> list[Token]:
        """Returns all tokens, oldest first. Raises RequestError."""
        rows = await _answered(
            self._store.read(lambda connection: TokenStore(Database(connection)).all(), brief=False)
        )
        return [row.token for row in rows]

    async def create(self, new: NewToken, asker: Asker = NOBODY) -> CreatedToken:
        """Makes a token. Raises RequestError."""
        try:
            check_new(new.name, new.scopes, new.expires_s)
        except UserError as error:
            raise RequestError(errors.BAD_INPUT, "", message=error.text) from None
        await _answered(
            self._store.read(lambda connection: TokenStore(Database(connection)).check_free(new.name))
        )
        await self._record("token.create", asker, new.name, {"scopes": ", ".join(new.scopes)})
        now = time.time()
        token, row = await self._write(lambda store: store.create(new.name, new.scopes, now, new.expires_s))
        self._accept(row)
        log.info("token %s was created", row.id)
        return CreatedToken(token=token, info=row.token)

    async def revoke(self, which: str, asker: Asker = NOBODY) -> Token:
        """Revokes a token, by id or name, and ends its sessions. Raises RequestError."""
        found = await self._find(which)
        await self._record("token.revoke", asker, found.name, {"id": found.id})
        now = time.time()
        row = await self._write(lambda store: store.revoke(which, now))
        self._end(row)
        return row.token

    async def rotate(self, which: str, asker: Asker = NOBODY) -> CreatedToken:
        """Replaces a token, by id or name, and ends its sessions. Raises RequestError."""
        found = await self._find(which)
        await self._record("token.rotate", asker, found.name, {"id": found.id})
        now = time.time()
        token, row, old = await self._write(lambda store: store.rotate(which, now))
        self._accept(row)
        self._end(old)
        return CreatedToken(token=token, info=row.token)

    def expire(self) -> None:
        """Ends the sessions of tokens that have expired. Call it now and then."""
        for token_id in self._authenticator.expired(time.time()):
            self._sessions.revoke(token_id, "the token has expired: ask for a new one")

    def routes(self, guard: Guard) -> list[Route]:
        return [
            guard.route("GET", "/tokens", self._list),
            guard.route("POST", "/tokens", self._create),
            guard.route("DELETE", "/tokens/{id}", self._revoke),
            guard.route("POST", "/tokens/{id}/rotate", self._rotate),
        ]

    async def _list(self, request: Request) -> Response:
        return answer(200, {"tokens": msgspec.to_builtins(await self.stored())}, NO_STORE)

    async def _create(self, request: Request) -> Response:
        try:
            new = msgspec.json.decode(await body_of(request), type=NewToken)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RequestError(errors.BAD_INPUT, name="POST /tokens", reason=str(error)) from None
        return answer(201, msgspec.to_builtins(await self.create(new, asker_of(request))), NO_STORE)

    async def _revoke(self, request: Request) -> Response:
        done = await self.revoke(request.path_params["id"], asker_of(request))
        return answer(200, msgspec.to_builtins(done), NO_STORE)

    async def _rotate(self, request: Request) -> Response:
        done = await self.rotate(request.path_params["id"], asker_of(request))
        return answer(201, msgspec.to_builtins(done), NO_STORE)

    async def _find(self, which: str) -> StoredToken:
        return await _answered(
            self._store.read(lambda connection: TokenStore(Database(connection)).find(which))
        )

    async def _record(self, act: str, asker: Asker, name: str, detail: Mapping[str, str]) -> None:
        await self._audit.record(
            act, principal=asker.principal, session=asker.session, subject=name, detail=detail
        )

    async def _write(self, work: Callable[[TokenStore], Value]) -> Value:
        return await _answered(self._store.write(lambda db: work(TokenStore(db))))

    def _accept(self, row: StoredToken) -> None:
        self._authenticator.add(
            Credential(
                row.id,
                row.name,
                tuple(row.scopes.split()),
                row.verifier,
                math.inf if row.expires is None else row.expires,
                row.revoked is not None,
                row.used or 0.0,
            )
        )

    def _end(self, row: StoredToken) -> None:
        self._authenticator.revoke(row.id)
        ended = self._sessions.revoke(row.id, "the token was revoked: ask for a new one")
        log.info("token %s was revoked; %d of its sessions ended", row.id, ended)

    def _used(self, token_id: str, now: float) -> None:
        self._store.submit(lambda db: TokenStore(db).use(token_id, now))


def asker_of(request: Request) -> Asker:
    """Returns who sent a request with a right."""
    session = request.state.session
    return Asker(request.state.principal.token_id, "" if session is None else session.id)


async def _answered(work: Awaitable[Value]) -> Value:
    """Awaits work of the store; raises RequestError for its errors."""
    try:
        return await work
    except UserError as error:
        raise RequestError(errors.BAD_INPUT, "", message=error.text) from None
    except StoreError as error:
        raise RequestError(errors.STORE_UNAVAILABLE, reason=error.reason) from None


async def body_of(request: Request) -> bytes:
    """Returns a small body. Raises RequestError."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY:
            name, limit = f"{request.method} {request.url.path}", f"{MAX_BODY} bytes"
            raise RequestError(
                errors.TOO_LARGE, "", name=name, size=f"more than {MAX_BODY} bytes", limit=limit, setting=""
            )
    return bytes(body)
