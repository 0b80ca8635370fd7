"""Blobs over HTTP: `PUT`, `HEAD` and `GET` of `/blobs/SHA256`, and who may."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from accel.text import text
from bridge.core import auth, errors
from bridge.core.errors import RequestError
from bridge.core.messages import AuthProof
from bridge.server import ranges, uploads
from bridge.server.replies import answer, problem
from bridge.server.uploads import Uploads
from bridge.store.blobs import BlobStore

USED_EVERY_S = 3600.0
"""How often reading a blob counts as a use: each writes to the disk."""

Respond = Callable[[Request], Awaitable[Response]]


class Blobs:
    """What `/blobs` answers."""

    def __init__(self, store: BlobStore, uploads: Uploads, token: str) -> None:
        self._store = store
        self._uploads = uploads
        self._token = token

    def routes(self) -> list[Route]:
        resumable = self._uploads
        return [
            Route("/blobs/{name}", self._guarded(self._put), methods=["PUT"]),
            Route("/blobs/{name}", self._guarded(self._get), methods=["GET"]),
            Route("/blobs/{name}", self._guarded(resumable.options), methods=["OPTIONS"]),
            Route("/blobs/{name}/upload", self._guarded(resumable.offset), methods=["GET"]),
            Route("/blobs/{name}/upload", self._guarded(resumable.append), methods=["PATCH"]),
            Route("/blobs/{name}/upload", self._guarded(resumable.cancel), methods=["DELETE"]),
            Route("/blobs/{name}/upload", self._guarded(resumable.options), methods=["OPTIONS"]),
        ]

    def _guarded(self, respond: Respond) -> Respond:
        async def guarded(request: Request) -> Response:
            if not self._authorised(request):
                said = text("Send the token of connection.json as 'Authorization: Bearer TOKEN'.")
                return answer(401, {"message": said}, {"www-authenticate": "Bearer"})
            try:
                return await respond(request)
            except RequestError as error:
                return problem(error)
            except ClientDisconnect:
                return Response(status_code=400)

        return guarded

    def _authorised(self, request: Request) -> bool:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and auth.token_matches(AuthProof(token=token), self._token, "")

    async def _put(self, request: Request) -> Response:
        name = request.path_params["name"]
        if self._store.has(name):
            return await self._repeated(request, name)
        return await self._uploads.put(request, name)

    async def _repeated(self, request: Request, name: str) -> Response:
        """What is there already is looked at, and not kept again."""
        with self._store.pin(name):
            # RFC 9110 §10.1.1: whoever waits for 100 learns it before they send anything.
            waits = request.headers.get("expect", "").lower() == "100-continue"
            if not waits and uploads.says_complete(request) is not False:
                digest = hashlib.sha256()
                async for piece in request.stream():
                    digest.update(piece)
                if digest.hexdigest() != name:
                    reason = text("the bytes have SHA-256 {hexdigest}", hexdigest=digest.hexdigest())
                    raise RequestError(errors.BAD_INPUT, name=text("Blob {name}", name=name), reason=reason)
            self._store.use(name)
        return Response(status_code=200, headers={"upload-complete": "?1"})

    async def _get(self, request: Request) -> Response:
        name = request.path_params["name"]
        path = self._store.use(name, every_s=USED_EVERY_S)
        etag = f'"{name}"'
        headers = {"etag": etag, "cache-control": "private, max-age=31536000, immutable"}
        # RFC 9110 §13.1.2: a client that has it already is told so.
        known = request.headers.get("if-none-match", "")
        if etag in known or known.strip() == "*":
            return Response(status_code=304, headers=headers)
        return BlobResponse(self._store, path, headers)


class BlobResponse(FileResponse):
    """A blob's file, pinned until it is sent."""

    # A piece costs a turn to a thread and back, whatever its size.
    chunk_size = 512 * 1024

    def __init__(self, store: BlobStore, path: Path, headers: dict[str, str]) -> None:
        super().__init__(
            path, headers=headers, media_type="application/octet-stream", stat_result=path.stat()
        )
        self._store = store
        self._size = path.stat().st_size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._store.pin(self.path.name):  # type: ignore[union-attr]
            await super().__call__({**scope, "headers": self._asked(scope)}, receive, send)

    def _asked(self, scope: Scope) -> list[tuple[bytes, bytes]]:
        """The request's headers, with what of `Range` can be satisfied."""
        headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
        given = [value.decode("latin-1") for name, value in scope["headers"] if name == b"range"]
        # RFC 9110 §14.2: "A server MUST ignore a Range header field received with a request method [...] for
        # which range handling is not defined"; it is for GET alone.
        if len(given) == 1 and scope["method"] == "GET":
            parts = ranges.usable(given[0], self._size)
            headers += [(b"range", parts.encode("latin-1"))] if parts else []
        return headers
