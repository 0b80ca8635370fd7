"""Blobs over HTTP: uploads, resumable uploads, downloads, quota and garbage collection.

Resumable uploads follow the IETF draft "Resumable Uploads for HTTP", but each blob has a permanent upload
resource, because its name is the digest of its bytes. So no interim response announces the resource,
`Upload-Length` isn't stored, and appending to a complete blob isn't an error.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal

from msgspec import Struct
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from accel.text import AnyText, text
from bridge.core import errors
from bridge.core.errors import RequestError, StoreError
from bridge.server.http import Guard, answer
from bridge.server.live_session import LiveSession
from bridge.store.blob_encryption import is_encrypted
from bridge.store.blob_refs import BlobColumn, blob_names_in, blob_references
from bridge.store.blobs import PRESSURE, BlobStore, Sweep, write_error
from bridge.store.records import pack
from bridge.store.store import Store
from bridge.store.uploads import DISK_FULL_ERRNOS, PART_KEEP_S, Upload

log = logging.getLogger(__name__)

Names = Callable[[], Awaitable[set[str]]]
"""Returns the names of referenced blobs."""

SCAN_BYTES = 512 << 10
"""Bytes of messages per search, which takes about 2 ms."""
PAUSE_S = 10.0
"""Minimum seconds between sweeps when space is short; doubled while nothing can be deleted."""
MIN_FREED = 64 << 20
"""Minimum bytes to free when the disk is full."""


class BlobCollector:
    """Garbage collection of blobs, in threads, one sweep at a time."""

    def __init__(
        self, store: BlobStore, names: Names, cached: Names, *, keep_s: float, sweep_s: float
    ) -> None:
        """Deletes unreferenced blobs `keep_s` seconds after their last use, in sweeps every `sweep_s`
        seconds. `cached` blobs stay until space is needed."""
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
        """Sweeps until cancelled."""
        loop = asyncio.get_running_loop()
        self._store.on_pressure = lambda: _wake(loop, self._pressed)
        pause = 0.0
        while True:
            before = self._store.removed
            try:
                await self.sweep()
            # The next sweep may succeed.
            except Exception:
                log.exception("the garbage collection of blobs failed")
                # Jobs must not wait for the next sweep, which may be minutes away.
                self._counted.set()
            # Back off while nothing can be deleted.
            pause = min(PAUSE_S if self._store.removed > before else max(PAUSE_S, 2 * pause), self._sweep_s)
            await asyncio.sleep(pause)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._pressed.wait(), self._sweep_s - pause)
            self._pressed.clear()

    async def sweep(self) -> None:
        """Deletes expired blobs, and more if little of the quota is left."""
        async with self._lock:
            await self._look(int(self._store.quota * (1 - PRESSURE)))

    async def room(self, name: AnyText, size: int) -> None:
        """Makes room for `size` more bytes. Raises RequestError `storage_full` if it can't."""
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
        """Frees space on a full disk and returns whether anything was deleted."""
        async with self._lock:
            before = self._store.removed_bytes
            sweep = await self._look(0)
            if sweep is not None:
                await _relieve(sweep, max(size, MIN_FREED))
            return self._store.removed_bytes > before

    async def _look(self, spare: int) -> Sweep | None:
        """Sweeps the folder, then deletes blobs until `spare` bytes of the quota are free.

        Returns None if the references can't be read.
        """
        names, cached = None, set[str]()
        try:
            names, cached = await self._names(), await self._cached()
        except StoreError as error:
            log.warning("no blobs are deleted: their references can't be read: %s", error.reason)
        named = _AllNames() if names is None else names
        sweep = await asyncio.to_thread(Sweep, self._store, named, self._keep_s, cached)
        while await asyncio.to_thread(sweep.step):
            pass
        self._counted.set()
        if names is None:
            return None
        await _relieve(sweep, self._store.over(spare))
        return sweep


class _AllNames:
    """Contains every name."""

    def __contains__(self, name: object) -> bool:
        return True


async def _relieve(sweep: Sweep, size: int) -> None:
    while size > 0 and sweep.candidates:
        size -= await asyncio.to_thread(sweep.relieve, size)


def _wake(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    # A worker's reply may arrive after the loop has ended.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(event.set)


async def referenced_blobs(
    store: Store, holders: Iterable[BlobColumn], sessions: Iterable[LiveSession]
) -> set[str]:
    """Returns the blobs referenced by database rows and unacknowledged messages. Raises StoreError."""
    found = await blob_references(store, holders)
    for live in sessions:
        scanned = 0
        for message in live.session.waiting:
            packed = pack(message)
            found |= blob_names_in(packed)
            scanned += len(packed)
            # Yield to the event loop between parts.
            if scanned > SCAN_BYTES:
                scanned = 0
                await asyncio.sleep(0)
        await asyncio.sleep(0)
    return found


MEDIA_TYPE = "application/partial-upload"
BLOCK = 512 * 1024
"""Bytes that a thread hashes and writes per step."""
STALL_S = 5.0
"""Seconds without data after which a new request for the same blob ends an upload."""
IDLE_S = 60.0
"""Seconds without data after which any upload ends."""
GRACE_S = 30.0
"""Seconds that an upload may take besides those of its minimum rate."""


class BodyLimits(Struct, frozen=True):
    """How long the body of a request may take."""

    bytes_s: float
    """Minimum bytes per second, after `GRACE_S`; 0 for none."""
    seconds: float

    def end(self, received: int) -> float:
        """Returns the seconds until which more data must have arrived, from the start of the body."""
        slowest = GRACE_S + received / self.bytes_s if self.bytes_s else self.seconds
        return min(slowest, self.seconds)


class Transfer:
    """A request whose body is being read."""

    def __init__(self, loop: asyncio.AbstractEventLoop, limits: BodyLimits) -> None:
        self._loop = loop
        self._limits = limits
        self._received = 0
        self._began = self._moved_at = loop.time()
        self.limit = asyncio.timeout_at(self._end())
        self._news = asyncio.Event()
        self._ended = asyncio.Event()

    def moved(self, size: int) -> None:
        """Records that `size` bytes arrived."""
        self._moved_at = self._loop.time()
        self._received += size
        self.limit.reschedule(self._end())
        self._tell()

    def _end(self) -> float:
        return min(self._moved_at + IDLE_S, self._began + self._limits.end(self._received))

    @contextlib.contextmanager
    def waits(self) -> Iterator[None]:
        """Doesn't count the time that the daemon itself takes."""
        begin = self._loop.time()
        try:
            yield
        finally:
            self._began += self._loop.time() - begin

    def end(self) -> None:
        """Marks the end of the body."""
        self._ended.set()
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def give_way(self) -> None:
        """Waits for more data or the end of the request, and ends the request if neither comes in `STALL_S`.

        A client may retry before the daemon notices that its connection is lost.
        """
        if self._ended.is_set():
            return
        try:
            async with asyncio.timeout_at(self._moved_at + STALL_S):
                await self._news.wait()
        except TimeoutError:
            # The timeout is over if everything was read.
            with contextlib.suppress(RuntimeError):
                self.limit.reschedule(self._loop.time())
            await self._ended.wait()


class Uploads:
    """Handlers of `PUT /blobs/SHA256` and `/blobs/SHA256/upload`."""

    def __init__(self, store: BlobStore, keeper: BlobCollector, limits: BodyLimits) -> None:
        self._store = store
        self._keeper = keeper
        self._body_limits = limits
        self.active: dict[str, set[Transfer]] = {}
        """Active uploads by blob name."""

    async def put(self, request: Request, name: str) -> Response:
        """Receives a blob, or its first part if `Upload-Complete` is false."""
        await self._expect(name, _length(request))
        complete = upload_complete(request) is not False
        return await self._take(request, self._store.receive(name), complete, 201)

    async def append(self, request: Request) -> Response:
        """`PATCH`: appends at `Upload-Offset`."""
        name = request.path_params["name"]
        offset, complete = _offset(request), upload_complete(request)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != MEDIA_TYPE:
            said = f"Use 'Content-Type: {MEDIA_TYPE}'."
            return answer(415, {"message": said}, {"accept-patch": MEDIA_TYPE})
        if offset is None or complete is None:
            said = "Send 'Upload-Offset: BYTES', and 'Upload-Complete: ?1' for the last part, else '?0'."
            return answer(400, {"message": said})
        await self._give_way(name)
        if self._store.has(name):
            self._store.use(name)
            return self._whole(name, 200)
        await self._expect(name, offset + _length(request), offset)
        part = self._store.parts.take(name, offset)
        if part is None:
            said = "Wrong offset: continue at the Upload-Offset of this response."
            return answer(409, {"message": said}, self._state(name))
        return await self._take(request, self._store.receive(name, part), complete, 204)

    async def offset(self, request: Request) -> Response:
        """`HEAD`: returns the offset and the limits."""
        name = request.path_params["name"]
        await self._give_way(name)
        if self._store.has(name):
            return self._whole(name, 204)
        return Response(status_code=204, headers={**self._state(name), **self._limits()})

    async def cancel(self, request: Request) -> Response:
        """`DELETE`: deletes the partial blob."""
        name = request.path_params["name"]
        self._store.place(name)
        await self._give_way(name)
        self._store.parts.forget(name)
        return Response(status_code=204)

    async def options(self, request: Request) -> Response:
        """`OPTIONS`: reports support for resumable uploads, and the limits."""
        return Response(status_code=204, headers={"accept-patch": MEDIA_TYPE, **self._limits()})

    async def _expect(self, name: str, size: int, offset: int = 0) -> None:
        self._store.refuse_size(f"Blob {name}", size)
        await self._keeper.room(f"Blob {name}", size - offset)

    async def _give_way(self, name: str) -> None:
        for transfer in tuple(self.active.get(name, ())):
            await transfer.give_way()

    async def _take(self, request: Request, upload: Upload, complete: bool, status: int) -> Response:
        """Reads the body; `status` is returned if the upload isn't complete yet."""
        transfer = Transfer(asyncio.get_running_loop(), self._body_limits)
        self.active.setdefault(upload.name, set()).add(transfer)
        try:
            with upload:
                async with transfer.limit:
                    async for pieces in _blocks(request, transfer):
                        with transfer.waits():
                            await self._write(upload, pieces)
                if complete:
                    return await self._finish(upload)
            return Response(status_code=status, headers=self._state(upload.name))
        except ClientDisconnect:
            return Response(status_code=400)
        except TimeoutError:
            message = "Too little data arrived: continue at the Upload-Offset of this response."
            return answer(408, {"message": message}, {**self._state(upload.name), "connection": "close"})
        finally:
            self.active[upload.name].discard(transfer)
            if not self.active[upload.name]:
                del self.active[upload.name]
            transfer.end()

    async def digest(self, request: Request) -> str:
        """Returns the SHA-256 of a body that isn't stored. Raises TimeoutError."""
        found, transfer = hashlib.sha256(), Transfer(asyncio.get_running_loop(), self._body_limits)
        async with transfer.limit:
            async for pieces in _blocks(request, transfer):
                for piece in pieces:
                    found.update(piece)
        return found.hexdigest()

    async def _write(self, upload: Upload, pieces: list[bytes]) -> None:
        await self._keeper.room(f"Blob {upload.name}", sum(map(len, pieces)))
        try:
            await asyncio.to_thread(upload.write, *pieces)
        except OSError as error:
            if error.errno not in DISK_FULL_ERRNOS or not await self._keeper.free(sum(map(len, pieces))):
                raise write_error(f"Blob {upload.name}", error) from None
            try:
                await asyncio.to_thread(upload.write, *pieces)
            except OSError as again:
                raise write_error(f"Blob {upload.name}", again) from None

    async def _finish(self, upload: Upload) -> Response:
        try:
            await asyncio.to_thread(upload.commit)
        except OSError as error:
            raise write_error(f"Blob {upload.name}", error) from None
        return self._whole(upload.name, 201)

    def _whole(self, name: str, status: Literal[200, 201, 204]) -> Response:
        size = str(self._store.size_of(name))
        headers = {"upload-complete": "?1", "upload-offset": size, "upload-length": size}
        return Response(status_code=status, headers={**headers, "cache-control": "no-store"})

    def _state(self, name: str) -> dict[str, str]:
        offset = str(self._store.parts.offset(name))
        where = {"location": f"/blobs/{name}/upload"}
        return {"upload-complete": "?0", "upload-offset": offset, "cache-control": "no-store", **where}

    def _limits(self) -> dict[str, str]:
        return {"upload-limit": f"max-size={self._store.max_size}, max-age={PART_KEEP_S:.0f}"}


async def _blocks(request: Request, transfer: Transfer) -> AsyncIterator[list[bytes]]:
    """Yields the body in blocks. If interrupted, yields the last partial block before raising."""
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
        transfer.moved(len(piece))
        pieces.append(piece)
        size += len(piece)
        if size >= BLOCK:
            yield pieces
            pieces, size = [], 0
    if pieces:
        yield pieces


def _length(request: Request) -> int:
    """Returns Content-Length, or 0 without one."""
    return int(request.headers.get("content-length") or 0)


def _offset(request: Request) -> int | None:
    """Returns `Upload-Offset`, or None if it is missing or not an integer (RFC 9651 §3.3.1)."""
    found = re.fullmatch(r"\s*([0-9]{1,15})\s*(;.*)?", request.headers.get("upload-offset", ""))
    return int(found[1]) if found else None


def upload_complete(request: Request) -> bool | None:
    """Returns `Upload-Complete`, or None if it is missing or not a boolean (RFC 9651 §3.3.6)."""
    found = re.fullmatch(r"\s*\?([01])\s*(;.*)?", request.headers.get("upload-complete", ""))
    return found[1] == "1" if found else None


_PART = re.compile(r"([0-9]{0,18})-([0-9]{0,18})")


def satisfiable_ranges(header: str, size: int) -> str | None:
    """Returns the ranges of a Range header that lie within `size` bytes.

    If there are none, returns the header itself, which leads to status 416; returns None for a header that
    must be ignored.
    """
    unit, _, parts = header.partition("=")
    # "An origin server MUST ignore a Range header field that contains a range unit it does not understand."
    if unit.strip().lower() != "bytes":
        return None
    found = [_PART.fullmatch(part.strip()) for part in parts.split(",") if part.strip()]
    if not all(found):
        return None
    ranges = [(match[1], match[2]) for match in found if match]
    # §14.1.1: a range that ends before its start is invalid; an invalid set may be ignored.
    if not ranges or any(not (a or b) or (a and b and int(b) < int(a)) for a, b in ranges):
        return None
    # §14.1.2: the set is satisfiable if at least one of its ranges is.
    valid = [f"{a}-{b}" for a, b in ranges if (int(a) < size if a else int(b) > 0 and size > 0)]
    return f"bytes={','.join(valid)}" if valid else header


USE_INTERVAL_S = 3600.0
"""Minimum seconds between recorded uses of a blob, because each is written to disk."""


class Blobs:
    """Handlers of `/blobs`."""

    def __init__(self, store: BlobStore, uploads: Uploads) -> None:
        self._store = store
        self._uploads = uploads

    def routes(self, guard: Guard) -> list[Route]:
        resumable = self._uploads
        return [
            guard.route("PUT", "/blobs/{name}", self._put),
            guard.route("GET", "/blobs/{name}", self._get),
            guard.route("OPTIONS", "/blobs/{name}", resumable.options),
            guard.route("GET", "/blobs/{name}/upload", resumable.offset),
            guard.route("PATCH", "/blobs/{name}/upload", resumable.append),
            guard.route("DELETE", "/blobs/{name}/upload", resumable.cancel),
            guard.route("OPTIONS", "/blobs/{name}/upload", resumable.options),
        ]

    async def _put(self, request: Request) -> Response:
        name = request.path_params["name"]
        if self._store.has(name):
            return await self._repeated(request, name)
        return await self._uploads.put(request, name)

    async def _repeated(self, request: Request, name: str) -> Response:
        """Verifies a repeated upload of an existing blob without storing it."""
        with self._store.pin(name):
            # RFC 9110 §10.1.1: answer a client that expects status 100 before it sends the body.
            waits = request.headers.get("expect", "").lower() == "100-continue"
            if not waits and upload_complete(request) is not False:
                try:
                    digest = await self._uploads.digest(request)
                except TimeoutError:
                    return answer(408, {"message": "Too little data arrived."}, {"connection": "close"})
                if digest != name:
                    reason = text("the bytes have SHA-256 {hexdigest}", hexdigest=digest)
                    raise RequestError(errors.BAD_INPUT, name=text("Blob {name}", name=name), reason=reason)
            self._store.use(name)
        return Response(status_code=200, headers={"upload-complete": "?1"})

    async def _get(self, request: Request) -> Response:
        name = request.path_params["name"]
        path = self._store.use(name, every_s=USE_INTERVAL_S)
        etag = f'"{name}"'
        headers = {"etag": etag, "cache-control": "no-store"}
        # RFC 9110 §13.1.2.
        known = request.headers.get("if-none-match", "")
        if etag in known or known.strip() == "*":
            return Response(status_code=304, headers=headers)
        if is_encrypted(path):
            path = await asyncio.to_thread(self._store.plain, path)
        return BlobResponse(self._store, path, headers)


class BlobResponse(FileResponse):
    """A response with a blob's file, which stays pinned until it is sent."""

    # Each chunk costs a round trip to a thread.
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
        """Returns the request's headers with the satisfiable part of `Range`."""
        headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
        given = [value.decode("latin-1") for name, value in scope["headers"] if name == b"range"]
        # RFC 9110 §14.2: "A server MUST ignore a Range header field received with a request method [...] for
        # which range handling is not defined"; it is only defined for GET.
        if len(given) == 1 and scope["method"] == "GET":
            parts = satisfiable_ranges(given[0], self._size)
            headers += [(b"range", parts.encode("latin-1"))] if parts else []
        return headers
