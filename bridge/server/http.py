"""HTTP beside the socket: which hosts are served, health, and blobs."""

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


class Front(Starlette):
    """The socket at `/ws`, and pages beside it.

    No middleware is for the socket, and what a connection goes through it goes through for each message, and
    holds as long as it is open.
    """

    def __init__(self, socket: ASGIApp, pages: Sequence[BaseRoute], middleware: Sequence[Middleware]) -> None:
        super().__init__(routes=pages, middleware=middleware)
        self._socket = socket

    # No coroutine of its own: a connection would resume it for each message.
    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:  # type: ignore[override]
        if scope["type"] == "websocket" and scope["path"] == "/ws":
            return self._socket(scope, receive, send)
        return super().__call__(scope, receive, send)


class HostGuard:
    """Refuses requests for another Host before they reach a route: a rebound DNS name still sends its own."""

    def __init__(self, app: ASGIApp, handshake: Handshake) -> None:
        self._app = app
        self._handshake = handshake

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            if not auth.host_allowed(headers.get("host", ""), self._handshake.hosts):
                await answer(403, {"message": "This Host isn't served here."})(scope, receive, send)
                return
        await self._app(scope, receive, send)


def routes(blobs: Blobs, instance: str) -> list[Route]:
    """All routes but the socket's."""

    async def health(request: Request) -> Response:
        return answer(
            200, {"status": "ok", "version": __version__, "protocol": PROTOCOL, "instance": instance}
        )

    return [Route("/health", health, methods=["GET"]), *blobs.routes()]


def answer_strays(app: Starlette) -> None:
    """Requests that no route takes are answered as JSON too."""
    app.add_exception_handler(404, _no_page)
    app.add_exception_handler(405, _no_method)


async def _no_page(request: Request, error: Exception) -> Response:
    return answer(
        404, {"message": f"There is no {request.url.path} here: docs/reference/protocol.md lists what is."}
    )


async def _no_method(request: Request, error: Exception) -> Response:
    # RFC 9110 §15.5.6: Allow lists what the resource takes, of which each route knows a part.
    here = (route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE)
    allowed = ", ".join(sorted({method for route in here for method in route.methods}))
    said = f"{request.url.path} takes {allowed}, and no {request.method}."
    return answer(405, {"message": said}, {"allow": allowed})
