"""The HTTP application: Host check, rights of routes, health page and JSON errors."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from accel.text import Text
from bridge.core import access, auth, errors
from bridge.core.access import Principal
from bridge.core.auth import with_security_headers
from bridge.core.errors import ErrorCode, RequestError
from bridge.server.access.authenticator import Authenticator
from bridge.server.access.door import Door, client_of
from bridge.server.access.token_rates import TokenRates
from bridge.server.handshake import Handshake
from bridge.server.live_session import LiveSession

STATUS: dict[ErrorCode, int] = {
    errors.BAD_INPUT: 400,
    errors.FORBIDDEN: 403,
    errors.NOT_FOUND: 404,
    errors.TOO_LARGE: 413,
    errors.STORE_UNAVAILABLE: 503,
    errors.RATE_LIMITED: 429,
    errors.OUT_OF_DESCRIPTORS: 503,
    errors.STORAGE_FULL: 507,
}


def error_response(error: RequestError, headers: Mapping[str, str] | None = None) -> Response:
    """Returns the HTTP response for an error, with its code, message and hint."""
    body: dict[str, Any] = {"code": error.code.name, "message": error.message, "hint": error.hint}
    for name, message in (("message_text", error.text), ("hint_text", error.hint_text)):
        if isinstance(message, Text):
            body[name] = msgspec.to_builtins(message)
    if error.retry_after_ms:
        body |= {"retryable": error.code.retryable, "retry_after_ms": error.retry_after_ms}
        headers = {**retry_after(error.retry_after_ms), **(headers or {})}
    return answer(STATUS.get(error.code, 500), body, headers)


def retry_after(milliseconds: int) -> dict[str, str]:
    """Returns the header Retry-After (RFC 9110 §10.2.3), which has whole seconds."""
    return {"retry-after": str(max(1, math.ceil(milliseconds / 1000)))}


def answer(status: int, body: dict[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(body), status, headers, media_type="application/json")


class Application(Starlette):
    """The WebSocket at `/ws` and the HTTP pages.

    The socket bypasses middleware, through which every message would have to pass, and whose state would last
    as long as the connection.
    """

    def __init__(
        self, socket: ASGIApp, pages: Sequence[BaseRoute], middleware: Sequence[Middleware], door: Door
    ) -> None:
        super().__init__(routes=pages, middleware=middleware)
        self._socket = socket
        self._door = door

    # Not a coroutine: a connection would resume it for each message.
    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:  # type: ignore[override]
        if scope["type"] == "websocket":
            return self._socket(scope, receive, send)
        return self._page(scope, receive, send)

    async def _page(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = with_security_headers(message.get("headers", ()))
            await send(message)

        client = client_of(scope)
        # A wrong token has a limit of its own.
        if client is not None and not client.is_proven and not _has_authorization(scope):
            wait_s = self._door.spend(client)
            if wait_s:
                await too_many_requests(wait_s)(scope, receive, send_guarded)
                return
        await super().__call__(scope, receive, send_guarded)


def _has_authorization(scope: Scope) -> bool:
    return any(name == b"authorization" for name, _ in scope["headers"])


def too_many_requests(wait_s: float) -> Response:
    """Returns the response to a peer that has sent too much without a valid token."""
    retry_after_ms = max(1, math.ceil(wait_s * 1000))
    message = "Too many requests without a valid token."
    body = {"code": errors.RATE_LIMITED.name, "message": message, "retryable": True}
    # The rest of a pipeline would get the same.
    headers = {**retry_after(retry_after_ms), "connection": "close"}
    return answer(429, {**body, "retry_after_ms": retry_after_ms}, headers)


class HostGuard:
    """Middleware that rejects requests with another Host header, to prevent DNS rebinding."""

    def __init__(self, app: ASGIApp, handshake: Handshake) -> None:
        self._app = app
        self._handshake = handshake

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            if not auth.host_allowed(headers.get("host", ""), self._handshake.allowed_hosts):
                await answer(403, {"message": "This Host is not allowed."})(scope, receive, send)
                return
        await self._app(scope, receive, send)


Respond = Callable[[Request], Awaitable[Response]]

UNAUTHORISED = "Send the `http_token` of your session, or a token, as 'Authorization: Bearer TOKEN'."
REFUSED = f"This token isn't valid: it is unknown, revoked or expired. {UNAUTHORISED}"


class Guard:
    """Makes routes that answer only those who have the right that `access.ROUTES` declares."""

    def __init__(self, authenticator: Authenticator, door: Door, rates: TokenRates) -> None:
        self._authenticator = authenticator
        self._door = door
        self._rates = rates

    def route(self, method: str, path: str, respond: Respond) -> Route:
        """Returns a route. If it needs a right, `request.state` has the `principal` that asks and its
        `session`, or None for a token without one.

        Raises KeyError for a route that declares none.
        """
        right = access.ROUTES[method, path]

        async def guarded(request: Request) -> Response:
            # Only browsers send one; a page could use up the tries of a pairing code.
            if right is access.ANY and method != "GET" and "origin" in request.headers:
                return answer(403, {"message": "Web pages can't do this."})
            try:
                if right is not access.ANY:
                    found = self._authenticator.bearer(request)
                    if found is None:
                        return await self._unauthorised(request)
                    self._proven(request, *found)
                    request.state.principal, request.state.session = found
                    found[0].require(right, f"`{method} {path}`")
                return await respond(request)
            except RequestError as error:
                return error_response(error)
            except ClientDisconnect:
                return Response(status_code=400)

        return Route(path, guarded, methods=[method])

    async def _unauthorised(self, request: Request) -> Response:
        sent = "authorization" in request.headers
        if sent and (wait_s := await self._door.failed(request.scope, "HTTP")):
            return too_many_requests(wait_s)
        return answer(401, {"message": REFUSED if sent else UNAUTHORISED}, {"www-authenticate": "Bearer"})

    def _proven(self, request: Request, principal: Principal, session: LiveSession | None) -> None:
        """Counts a request with a token. Raises RequestError `rate_limited`."""
        now = time.monotonic()
        rates = self._rates.of(principal, "" if session is None else session.id, now)
        if (client := client_of(request.scope)) is not None:
            client.proven(rates.bytes)
        rates.check(now)


def health(guard: Guard) -> Route:
    """Returns the route of the health page."""

    async def respond(request: Request) -> Response:
        return answer(200, {"status": "ok"})

    return guard.route("GET", "/health", respond)


def add_error_pages(app: Starlette) -> None:
    """Answers 404 and 405 with JSON."""
    app.add_exception_handler(404, _not_found)
    app.add_exception_handler(405, _method_not_allowed)


async def _not_found(request: Request, error: Exception) -> Response:
    return answer(
        404, {"message": f"{request.url.path} does not exist. docs/reference/protocol.md lists all paths."}
    )


async def _method_not_allowed(request: Request, error: Exception) -> Response:
    # RFC 9110 §15.5.6: Allow lists the methods of all routes for the path.
    matching = (route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE)
    allowed = ", ".join(sorted({method for route in matching for method in route.methods}))
    message = f"{request.url.path} supports {allowed}, not {request.method}."
    return answer(405, {"message": message}, {"allow": allowed})
