"""HTTP beside the socket: health, and blobs in and out."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from bridge import __version__
from bridge.core import auth, errors
from bridge.core.errors import ErrorCode, RequestError
from bridge.core.messages import PROTOCOL, AuthProof
from bridge.server.welcome import Welcome
from bridge.store.blobs import BlobStore

STATUS: dict[ErrorCode, int] = {
    errors.BAD_INPUT: 400,
    errors.FORBIDDEN: 403,
    errors.NOT_FOUND: 404,
    errors.TOO_LARGE: 413,
}
"""HTTP status of the errors that blobs can meet."""


class Blobs:
    """`PUT`, `HEAD` and `GET` of `/blobs/SHA256`."""

    def __init__(self, store: BlobStore, token: str) -> None:
        self._store = store
        self._token = token

    async def respond(self, request: Request) -> Response:
        name = request.path_params["name"]
        if not self._authorised(request):
            return _json(
                401, {"message": "Send the token of connection.json as 'Authorization: Bearer TOKEN'."}
            )
        try:
            if request.method == "PUT":
                return await self._put(request, name)
            return self._get(request, name)
        except RequestError as error:
            return problem(error)

    def _authorised(self, request: Request) -> bool:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and auth.token_matches(AuthProof(token=token), self._token, "")

    async def _put(self, request: Request, name: str) -> Response:
        self._store.refuse_size(f"Blob {name}", int(request.headers.get("content-length") or 0))
        try:
            with self._store.receive(name) as upload:
                async for piece in request.stream():
                    upload.write(piece)
                upload.commit()
        except ClientDisconnect:
            return Response(status_code=400)
        except OSError as error:
            return _json(507, {"message": f"Blob {name} can't be kept: {error.strerror}."})
        return Response(status_code=201)

    def _get(self, request: Request, name: str) -> Response:
        path = self._store.path(name)
        etag = f'"{name}"'
        headers = {"etag": etag, "cache-control": "private, max-age=31536000, immutable"}
        # RFC 9110 §13.1.2: a client that has it already is told so.
        if etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return FileResponse(path, media_type="application/octet-stream", headers=headers)


class HostGuard:
    """Refuses requests for another Host before they reach a route: a rebound DNS name still sends its own."""

    def __init__(self, app: ASGIApp, welcome: Welcome) -> None:
        self._app = app
        self._welcome = welcome

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            if not auth.host_allowed(headers.get("host", ""), self._welcome.hosts):
                await _json(403, {"message": "This Host isn't served here."})(scope, receive, send)
                return
        await self._app(scope, receive, send)


def routes(store: BlobStore, token: str, instance: str) -> list[Route]:
    """All routes but the socket's."""

    async def health(request: Request) -> Response:
        return _json(
            200, {"status": "ok", "version": __version__, "protocol": PROTOCOL, "instance": instance}
        )

    return [
        Route("/health", health, methods=["GET"]),
        Route("/blobs/{name}", Blobs(store, token).respond, methods=["PUT", "GET"]),
    ]


def problem(error: RequestError) -> Response:
    """What went wrong, with the wire's code."""
    body = {"code": error.code.name, "message": error.message, "hint": error.hint}
    return _json(STATUS.get(error.code, 500), body)


def _json(status: int, body: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")
