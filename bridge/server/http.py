"""The HTTP application: Host check, rights of routes, health page and JSON errors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from accel.text import Text
from bridge import __version__
from bridge.core import access, auth, errors
from bridge.core.errors import ErrorCode, RequestError
from bridge.core.messages import PROTOCOL
from bridge.server.authenticator import Authenticator
from bridge.server.handshake import Handshake

STATUS: dict[ErrorCode, int] = {
    errors.BAD_INPUT: 400,
    errors.FORBIDDEN: 403,
    errors.NOT_FOUND: 404,
    errors.TOO_LARGE: 413,
    errors.STORE_UNAVAILABLE: 503,
    errors.STORAGE_FULL: 507,
}


def error_response(error: RequestError, headers: Mapping[str, str] | None = None) -> Response:
    """Returns the HTTP response for an error, with its code, message and hint."""
    body: dict[str, Any] = {"code": error.code.name, "message": error.message, "hint": error.hint}
    for name, message in (("message_text", error.text), ("hint_text", error.hint_text)):
        if isinstance(message, Text):
            body[name] = msgspec.to_builtins(message)
    return answer(STATUS.get(error.code, 500), body, headers)


def answer(status: int, body: dict[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(body), status, headers, media_type="application/json")


class Application(Starlette):
    """The WebSocket at `/ws` and the HTTP pages.

    The socket bypasses middleware, through which every message would have to pass, and whose state would last
    as long as the connection.
    """

    def __init__(self, socket: ASGIApp, pages: Sequence[BaseRoute], middleware: Sequence[Middleware]) -> None:
        super().__init__(routes=pages, middleware=middleware)
        self._socket = socket

    # Not a coroutine: a connection would resume it for each message.
    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:  # type: ignore[override]
        if scope["type"] == "websocket" and scope["path"] == "/ws":
            return self._socket(scope, receive, send)
        return super().__call__(scope, receive, send)


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


class Guard:
    """Makes routes that answer only those who have the right that `access.ROUTES` declares."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    def route(self, method: str, path: str, respond: Respond) -> Route:
        """Returns a route. If it needs a right, `request.state` has the `principal` that asks and its
        `session`, or None for a token without one.

        Raises KeyError for a route that declares none.
        """
        right = access.ROUTES[method, path]

        async def guarded(request: Request) -> Response:
            try:
                if right is not access.ANY:
                    found = self._authenticator.bearer(request)
                    if found is None:
                        return answer(401, {"message": UNAUTHORISED}, {"www-authenticate": "Bearer"})
                    request.state.principal, request.state.session = found
                    found[0].require(right, f"`{method} {path}`")
                return await respond(request)
            except RequestError as error:
                return error_response(error)
            except ClientDisconnect:
                return Response(status_code=400)

        return Route(path, guarded, methods=[method])


def health(guard: Guard, instance: str) -> Route:
    """Returns the route of the health page."""

    async def respond(request: Request) -> Response:
        return answer(
            200, {"status": "ok", "version": __version__, "protocol": PROTOCOL, "instance": instance}
        )

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
