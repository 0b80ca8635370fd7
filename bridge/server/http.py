"""The HTTP application: Host check, health page, routes and JSON errors."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from bridge import __version__
from bridge.core import auth
from bridge.core.messages import PROTOCOL
from bridge.server.blobs import Blobs, answer
from bridge.server.handshake import Handshake


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


def routes(blobs: Blobs, instance: str) -> list[Route]:
    async def health(request: Request) -> Response:
        return answer(
            200, {"status": "ok", "version": __version__, "protocol": PROTOCOL, "instance": instance}
        )

    return [Route("/health", health, methods=["GET"]), *blobs.routes()]


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
