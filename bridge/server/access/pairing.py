"""Pairs devices by a code that a person reads on the daemon's machine and types on the device."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
from collections.abc import Callable
from typing import TypeVar

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from accel.text import text
from bridge.core import errors, pairing
from bridge.core.errors import RequestError, UserError
from bridge.core.pairing import Finish, Finished, Grant, Offer, OfferedCode, OfferState, Start, Started
from bridge.server.access.authenticator import Authenticator
from bridge.server.access.tokens import Asker, NewToken, Tokens, asker_of, body_of
from bridge.server.http import Guard, answer
from bridge.store.audit_log import AuditLog
from bridge.store.tokens import check_new

log = logging.getLogger(__name__)

Body = TypeVar("Body")

ATTEMPT_S = 15.0
"""Seconds that a device has between its two requests."""
MAX_MESSAGE = 128
"""Maximum characters of a SPAKE2 message in hex; it has 66."""
NO_STORE = {"cache-control": "no-store"}
GONE = text("No code is valid now. Run `popbridge pair` on the daemon's machine for a new one")
WRONG = text("the code is wrong; {left} tries are left")


class _Attempt(Struct):
    """One attempt of a device, between its two requests."""

    id: str
    key: bytes
    confirmation: str
    """What the device has to send."""
    ends: float


class _Offer(Struct):
    """A code and what became of it. The last one is kept for `GET /pairing`."""

    code: str
    scopes: list[str]
    asker: Asker
    ends: float
    tries_left: int = pairing.MAX_TRIES
    attempt: _Attempt | None = None
    device: str = ""
    is_cancelled: bool = False

    def state(self, now: float) -> str:
        if self.device:
            return "paired"
        if self.tries_left <= 0 and (self.attempt is None or now >= self.attempt.ends):
            return "failed"
        return "expired" if self.is_cancelled or now >= self.ends else "waiting"


class Pairing:
    """Offers one code at a time. A code pairs one device, within CODE_S seconds and MAX_TRIES attempts."""

    def __init__(
        self, tokens: Tokens, authenticator: Authenticator, audit: AuditLog, ca: Callable[[], str | None]
    ) -> None:
        """`ca` returns the certificate that clients trust (PEM), or None without TLS."""
        self._tokens = tokens
        self._authenticator = authenticator
        self._audit = audit
        self._ca = ca
        self._offer: _Offer | None = None
        # SPAKE2 takes 10 ms of CPU: one at a time.
        self._busy = asyncio.Lock()

    def routes(self, guard: Guard) -> list[Route]:
        return [
            guard.route("POST", "/pairing", self._create),
            guard.route("GET", "/pairing", self._show),
            guard.route("DELETE", "/pairing", self._cancel),
            guard.route("POST", "/pairing/start", self._start),
            guard.route("POST", "/pairing/finish", self._finish),
        ]

    async def _create(self, request: Request) -> Response:
        offer = await _read(request, Offer)
        try:
            check_new("device", offer.scopes, None)
        except UserError as error:
            raise RequestError(errors.BAD_INPUT, "", message=error.text) from None
        asker = asker_of(request)
        await self._audit.record(
            "pairing.offer",
            principal=asker.principal,
            session=asker.session,
            subject=", ".join(offer.scopes),
        )
        code = f"{secrets.randbelow(10**pairing.CODE_DIGITS):0{pairing.CODE_DIGITS}}"
        self._offer = _Offer(code, offer.scopes, asker, time.monotonic() + pairing.CODE_S)
        return _answer(201, OfferedCode(code=code, expires_s=pairing.CODE_S))

    async def _show(self, request: Request) -> Response:
        offer = self._offer
        if offer is None:
            raise RequestError(errors.NOT_FOUND, "", name=text("A code"))
        state = offer.state(time.monotonic())
        return _answer(200, OfferState(state=state, device=offer.device, tries_left=max(0, offer.tries_left)))

    async def _cancel(self, request: Request) -> Response:
        if self._offer is not None:
            self._offer.is_cancelled = True
        return Response(status_code=204)

    async def _start(self, request: Request) -> Response:
        message = _bytes(await _read(request, Start))
        async with self._busy:
            offer = self._valid()
            # Counted before anything is told: an attempt that is broken off is a guess too.
            offer.tries_left -= 1
            offer.attempt = None
            fingerprint = self._authenticator.fingerprint
            found = await asyncio.to_thread(_derive, offer.code, message)
            if found is None:
                raise RequestError(errors.BAD_INPUT, "", name="message", reason="isn't a SPAKE2 message")
            ours, key = found
            expected = pairing.confirmation(key, "client", message, ours, fingerprint)
            ends = time.monotonic() + ATTEMPT_S
            attempt = offer.attempt = _Attempt(secrets.token_urlsafe(12), key, expected, ends)
            own = pairing.confirmation(key, "daemon", message, ours, fingerprint)
        return _answer(200, Started(id=attempt.id, message=ours.hex(), confirmation=own))

    async def _finish(self, request: Request) -> Response:
        sent = await _read(request, Finish)
        offer = self._offer
        attempt = offer.attempt if offer is not None else None
        if offer is None or attempt is None or attempt.id != sent.id or time.monotonic() >= attempt.ends:
            raise RequestError(errors.FORBIDDEN, "", message=GONE)
        # One answer for each attempt, whatever it is.
        offer.attempt = None
        if not pairing.confirms(sent.confirmation, attempt.confirmation):
            log.warning("a device sent a wrong pairing code; %d tries are left", offer.tries_left)
            raise RequestError(errors.FORBIDDEN, "", message=WRONG.fill(left=offer.tries_left))
        offer.device = sent.name
        try:
            await self._audit.record(
                "pairing",
                principal=offer.asker.principal,
                session=offer.asker.session,
                subject=sent.name,
                detail={"scopes": ", ".join(offer.scopes)},
            )
            created = await self._tokens.create(NewToken(name=sent.name, scopes=offer.scopes), offer.asker)
        except RequestError:
            # Such as a name that is taken: the device may choose another.
            offer.device = ""
            raise
        grant = msgspec.json.encode(Grant(token=created.token, ca=self._ca()))
        return _answer(200, Finished(sealed=_sealed(attempt.key, grant).hex()))

    def _valid(self) -> _Offer:
        offer = self._offer
        if offer is not None and offer.tries_left <= 0:
            # Whoever begins another attempt has given up the last one.
            offer.attempt = None
        if offer is None or offer.tries_left <= 0 or offer.state(time.monotonic()) != "waiting":
            raise RequestError(errors.NOT_FOUND, "", message=GONE)
        return offer


def _derive(code: str, message: bytes) -> tuple[bytes, bytes] | None:
    """Returns the daemon's message and the common key; None for a message that isn't one."""
    from spake2 import SPAKE2_B

    side = SPAKE2_B(code.encode(), idA=pairing.CLIENT_ID, idB=pairing.DAEMON_ID)
    ours = bytes(side.start())
    try:
        return ours, bytes(side.finish(message))
    # The library raises errors of five kinds for what isn't a point of its group.
    except Exception:
        return None


def _sealed(key: bytes, grant: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(12)
    return nonce + AESGCM(pairing.sealing_key(key)).encrypt(nonce, grant, None)


def _bytes(start: Start) -> bytes:
    try:
        return bytes.fromhex(start.message[:MAX_MESSAGE])
    except ValueError:
        raise RequestError(errors.BAD_INPUT, "", name="message", reason="isn't hex") from None


async def _read(request: Request, kind: type[Body]) -> Body:
    try:
        return msgspec.json.decode(await body_of(request), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        name = f"{request.method} {request.url.path}"
        raise RequestError(errors.BAD_INPUT, "", name=name, reason=str(error)) from None


def _answer(status: int, content: Struct) -> Response:
    return answer(status, msgspec.to_builtins(content), NO_STORE)
