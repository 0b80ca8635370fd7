"""PUT, HEAD, GET; resumable uploads; quota and sweeping.

Where the draft has a resource made for each upload, here each blob has one all the time, as its name says
whose bytes it takes. So no interim answer is needed to tell where it is, `Upload-Length` isn't remembered
(the name says when it is whole), and appending to what is whole already is no error.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from accel.text import AnyText, Text, text
from bridge.core import auth, errors
from bridge.core.errors import ErrorCode, RequestError, StoreError
from bridge.core.messages import AuthProof
from bridge.server.live_session import LiveSession
from bridge.store.blob_refs import BlobColumn, blob_names_in, blob_references
from bridge.store.blobs import PRESSURE, BlobStore, Sweep, storage_full_error
from bridge.store.records import pack
from bridge.store.store import Store
from bridge.store.uploads import DISK_FULL_ERRNOS, PART_KEEP_S, Upload

STATUS: dict[ErrorCode, int] = {
    errors.BAD_INPUT: 400,
    errors.FORBIDDEN: 403,
    errors.NOT_FOUND: 404,
    errors.TOO_LARGE: 413,
    errors.STORAGE_FULL: 507,
}


def problem(error: RequestError, headers: Mapping[str, str] | None = None) -> Response:
    """What went wrong, with the wire's code."""
    body: dict[str, Any] = {"code": error.code.name, "message": error.message, "hint": error.hint}
    for name, message in (("message_text", error.text), ("hint_text", error.hint_text)):
        if isinstance(message, Text):
            body[name] = msgspec.to_builtins(message)
    return answer(STATUS.get(error.code, 500), body, headers)


def answer(status: int, body: dict[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(body), status, headers, media_type="application/json")


log = logging.getLogger(__name__)

Names = Callable[[], Awaitable[set[str]]]
"""Blobs that something still names."""

SCAN_BYTES = 512 << 10
"""Bytes of messages: about 2 ms."""
PAUSE_S = 10.0
"""Least time between two sweeps that little room led to, doubled while nothing may go: each looks at all."""
MIN_FREED = 64 << 20
"""Bytes that are freed at least where the disk is full."""


class BlobCollector:
    """Sweeps in threads, a slice at a time, one sweep at once."""

    def __init__(
        self, store: BlobStore, names: Names, cached: Names, *, keep_s: float, sweep_s: float
    ) -> None:
        """An unnamed blob stays for `keep_s` seconds after its last use; `sweep_s` lie between sweeps.

        What is `cached` stays longer, but goes too where room is needed.
        """
        self._store = store
        self._names = names
        self._cached = cached
        self._keep_s = keep_s
        self._sweep_s = sweep_s
        self._lock = asyncio.Lock()
        self._counted = asyncio.Event()
        self._pressed = asyncio.Event()
        self._fruitless_until = 0.0

    async def run(self) -> None:
        """Sweeps until it is cancelled."""
        loop = asyncio.get_running_loop()
        self._store.on_pressure = lambda: _wake(loop, self._pressed)
        pause = 0.0
        while True:
            before = self._store.removed
            try:
                await self.sweep()
            # Whatever it was, the next look may go well.
            except Exception:
                log.exception("looking for blobs that may go failed")
            # Where nothing may go, looking more often helps nobody.
            pause = min(PAUSE_S if self._store.removed > before else max(PAUSE_S, 2 * pause), self._sweep_s)
            await asyncio.sleep(pause)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._pressed.wait(), self._sweep_s - pause)
            self._pressed.clear()

    async def sweep(self) -> None:
        """Removes what may go, and makes room where little is left."""
        async with self._lock:
            await self._look(int(self._store.quota * (1 - PRESSURE)))

    async def room(self, name: AnyText, size: int) -> None:
        """Makes room for `size` bytes more. Raises RequestError `storage_full` where there is none."""
        if self._store.quota:
            await self._counted.wait()
        if not self._store.over(size):
            return
        async with self._lock:
            if self._store.over(size) and time.monotonic() >= self._fruitless_until:
                await self._look(max(size, int(self._store.quota * (1 - PRESSURE))))
                if self._store.over(size):
                    self._fruitless_until = time.monotonic() + PAUSE_S
        self._store.refuse_full(name, size)

    async def free(self, size: int) -> bool:
        """Whether some of a full disk could be freed."""
        async with self._lock:
            before = self._store.removed_bytes
            sweep = await self._look(0)
            if sweep is not None:
                await _relieve(sweep, max(size, MIN_FREED))
            return self._store.removed_bytes > before

    async def _look(self, spare: int) -> Sweep | None:
        """Looks at everything, then frees until `spare` bytes of the quota are free; None where it can't be
        known what is named."""
        names, cached = None, set[str]()
        try:
            names, cached = await self._names(), await self._cached()
        except StoreError as error:
            log.warning("no blob is removed, as the database can't say which are needed: %s", error.reason)
        kept = _AllNames() if names is None else names
        sweep = await asyncio.to_thread(Sweep, self._store, kept, self._keep_s, cached)
        while await asyncio.to_thread(sweep.step):
            pass
        self._counted.set()
        if names is None:
            return None
        await _relieve(sweep, self._store.over(spare))
        return sweep


class _AllNames:
    """Names all blobs."""

    def __contains__(self, name: object) -> bool:
        return True


async def _relieve(sweep: Sweep, size: int) -> None:
    while size > 0 and sweep.candidates:
        size -= await asyncio.to_thread(sweep.relieve, size)


def _wake(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    # Workers' replies may come while the loop ends.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(event.set)


async def referenced_blobs(
    store: Store, holders: Iterable[BlobColumn], sessions: Iterable[LiveSession]
) -> set[str]:
    """What rows of the database name, and messages that wait for their clients. Raises StoreError."""
    found = await blob_references(store, holders)
    for live in sessions:
        looked = 0
        for message in live.session.waiting:
            packed = pack(message)
            found |= blob_names_in(packed)
            looked += len(packed)
            # Nobody's frame waits for all that clients leave unacknowledged.
            if looked > SCAN_BYTES:
                looked = 0
                await asyncio.sleep(0)
        await asyncio.sleep(0)
    return found


MEDIA_TYPE = "application/partial-upload"
BLOCK = 512 * 1024
"""Bytes that are hashed and written at once, in a thread."""
STALL_S = 5.0
"""An upload that nothing came of for so long makes way for its client's next try."""
IDLE_S = 60.0
"""And after this time it ends in any case."""


class Transfer:
    """One request whose body is being read."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.limit = asyncio.timeout_at(loop.time() + IDLE_S)
        self._moved_at = loop.time()
        self._news = asyncio.Event()
        self._ended = asyncio.Event()

    def moved(self) -> None:
        """Something came."""
        self._moved_at = self._loop.time()
        self.limit.reschedule(self._moved_at + IDLE_S)
        self._tell()

    def end(self) -> None:
        """Nothing more will come, and what has come waits for the rest."""
        self._ended.set()
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def give_way(self) -> None:
        """Returns when more has come, or it has ended; ends it if neither happens.

        A client whose connection broke may ask sooner than this end hears of the break.
        """
        if self._ended.is_set():
            return
        try:
            async with asyncio.timeout_at(self._moved_at + STALL_S):
                await self._news.wait()
        except TimeoutError:
            # Once all has been read it ends by itself.
            with contextlib.suppress(RuntimeError):
                self.limit.reschedule(self._loop.time())
            await self._ended.wait()


class Uploads:
    """What `PUT /blobs/SHA256` and `/blobs/SHA256/upload` do."""

    def __init__(self, store: BlobStore, keeper: BlobCollector) -> None:
        self._store = store
        self._keeper = keeper
        self.under_way: dict[str, set[Transfer]] = {}
        """By the names of the blobs."""

    async def put(self, request: Request, name: str) -> Response:
        """All of a blob, or its beginning where `Upload-Complete` is false."""
        await self._expect(name, _length(request))
        complete = upload_complete(request) is not False
        return await self._take(request, self._store.receive(name), complete, 201)

    async def append(self, request: Request) -> Response:
        """`PATCH`: what follows after `Upload-Offset`."""
        name = request.path_params["name"]
        offset, complete = _offset(request), upload_complete(request)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != MEDIA_TYPE:
            said = f"Send it as 'Content-Type: {MEDIA_TYPE}'."
            return answer(415, {"message": said}, {"accept-patch": MEDIA_TYPE})
        if offset is None or complete is None:
            said = "Say 'Upload-Offset: BYTES', and 'Upload-Complete: ?1' if it is the rest, else '?0'."
            return answer(400, {"message": said})
        await self._give_way(name)
        if self._store.has(name):
            self._store.use(name)
            return self._whole(name, 200)
        await self._expect(name, offset + _length(request), offset)
        part = self._store.parts.take(name, offset)
        if part is None:
            said = "Another offset is expected: go on after Upload-Offset."
            return answer(409, {"message": said}, self._state(name))
        return await self._take(request, self._store.receive(name, part), complete, 204)

    async def offset(self, request: Request) -> Response:
        """`HEAD`: how much has come."""
        name = request.path_params["name"]
        await self._give_way(name)
        if self._store.has(name):
            return self._whole(name, 204)
        return Response(status_code=204, headers={**self._state(name), **self._limits()})

    async def cancel(self, request: Request) -> Response:
        """`DELETE`: forgets what has come."""
        name = request.path_params["name"]
        self._store.place(name)
        await self._give_way(name)
        self._store.parts.forget(name)
        return Response(status_code=204)

    async def options(self, request: Request) -> Response:
        """That uploads can be taken up again, and how large they may be."""
        return Response(status_code=204, headers={"accept-patch": MEDIA_TYPE, **self._limits()})

    async def _expect(self, name: str, size: int, offset: int = 0) -> None:
        self._store.refuse_size(f"Blob {name}", size)
        await self._keeper.room(f"Blob {name}", size - offset)

    async def _give_way(self, name: str) -> None:
        for transfer in tuple(self.under_way.get(name, ())):
            await transfer.give_way()

    async def _take(self, request: Request, upload: Upload, complete: bool, status: int) -> Response:
        """`status` answers what isn't complete."""
        transfer = Transfer(asyncio.get_running_loop())
        self.under_way.setdefault(upload.name, set()).add(transfer)
        try:
            with upload:
                async with transfer.limit:
                    async for pieces in _blocks(request, transfer):
                        await self._write(upload, pieces)
                if complete:
                    return await self._finish(upload)
            return Response(status_code=status, headers=self._state(upload.name))
        except ClientDisconnect:
            return Response(status_code=400)
        except TimeoutError:
            headers = {**self._state(upload.name), "connection": "close"}
            return answer(408, {"message": "Nothing came any more: go on after Upload-Offset."}, headers)
        finally:
            self.under_way[upload.name].discard(transfer)
            if not self.under_way[upload.name]:
                del self.under_way[upload.name]
            transfer.end()

    async def _write(self, upload: Upload, pieces: list[bytes]) -> None:
        await self._keeper.room(f"Blob {upload.name}", sum(map(len, pieces)))
        try:
            await asyncio.to_thread(upload.write, *pieces)
        except OSError as error:
            if error.errno not in DISK_FULL_ERRNOS or not await self._keeper.free(sum(map(len, pieces))):
                raise storage_full_error(f"Blob {upload.name}", error) from None
            try:
                await asyncio.to_thread(upload.write, *pieces)
            except OSError as again:
                raise storage_full_error(f"Blob {upload.name}", again) from None

    async def _finish(self, upload: Upload) -> Response:
        try:
            await asyncio.to_thread(upload.commit)
        except OSError as error:
            raise storage_full_error(f"Blob {upload.name}", error) from None
        return self._whole(upload.name, 201)

    def _whole(self, name: str, status: Literal[200, 201, 204]) -> Response:
        size = str(self._store.path(name).stat().st_size)
        headers = {"upload-complete": "?1", "upload-offset": size, "upload-length": size}
        return Response(status_code=status, headers={**headers, "cache-control": "no-store"})

    def _state(self, name: str) -> dict[str, str]:
        offset = str(self._store.parts.offset(name))
        where = {"location": f"/blobs/{name}/upload"}
        return {"upload-complete": "?0", "upload-offset": offset, "cache-control": "no-store", **where}

    def _limits(self) -> dict[str, str]:
        return {"upload-limit": f"max-size={self._store.max_size}, max-age={PART_KEEP_S:.0f}"}


async def _blocks(request: Request, transfer: Transfer) -> AsyncIterator[list[bytes]]:
    """The body in blocks; also what came before it broke off or stalled, which is raised after that."""
    pieces: list[bytes] = []
    size = 0
    stream = request.stream()
    while True:
        try:
            piece = await anext(stream, None)
        except (ClientDisconnect, asyncio.CancelledError):
            if pieces:
                yield pieces
            raise
        if piece is None:
            break
        transfer.moved()
        pieces.append(piece)
        size += len(piece)
        if size >= BLOCK:
            yield pieces
            pieces, size = [], 0
    if pieces:
        yield pieces


def _length(request: Request) -> int:
    """Bytes that will come, as far as the client says."""
    return int(request.headers.get("content-length") or 0)


def _offset(request: Request) -> int | None:
    """None where it isn't there, or isn't an integer (RFC 9651 §3.3.1)."""
    found = re.fullmatch(r"\s*([0-9]{1,15})\s*(;.*)?", request.headers.get("upload-offset", ""))
    return int(found[1]) if found else None


def upload_complete(request: Request) -> bool | None:
    """None where it isn't there, or isn't a boolean (RFC 9651 §3.3.6)."""
    found = re.fullmatch(r"\s*\?([01])\s*(;.*)?", request.headers.get("upload-complete", ""))
    return found[1] == "1" if found else None


_PART = re.compile(r"([0-9]{0,18})-([0-9]{0,18})")


def satisfiable_ranges(header: str, size: int) -> str | None:
    """The parts that a body of `size` bytes has; the header itself where it has none of them, for 416.

    None where it is to be ignored.
    """
    unit, _, parts = header.partition("=")
    # "An origin server MUST ignore a Range header field that contains a range unit it does not understand."
    if unit.strip().lower() != "bytes":
        return None
    found = [_PART.fullmatch(part.strip()) for part in parts.split(",") if part.strip()]
    if not all(found):
        return None
    given = [(match[1], match[2]) for match in found if match]
    # §14.1.1: a range that ends before its start is invalid; and an invalid set may be ignored.
    if not given or any(not (a or b) or (a and b and int(b) < int(a)) for a, b in given):
        return None
    # §14.1.2: the set is satisfiable if at least one of its parts is.
    kept = [f"{a}-{b}" for a, b in given if (int(a) < size if a else int(b) > 0 and size > 0)]
    return f"bytes={','.join(kept)}" if kept else header


USE_INTERVAL_S = 3600.0
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
            if not waits and upload_complete(request) is not False:
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
        path = self._store.use(name, every_s=USE_INTERVAL_S)
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
            parts = satisfiable_ranges(given[0], self._size)
            headers += [(b"range", parts.encode("latin-1"))] if parts else []
        return headers
