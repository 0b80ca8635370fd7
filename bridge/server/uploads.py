"""Blobs on their way in: whole, in parts, and taken up again, as draft-ietf-httpbis-resumable-upload has it.

Where the draft has a resource made for each upload, here each blob has one all the time, as its name says
whose bytes it takes. So no interim answer is needed to tell where it is, `Upload-Length` isn't remembered
(the name says when it is whole), and appending to what is whole already is no error.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from typing import Literal

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from bridge.server.keeper import Keeper
from bridge.server.replies import answer
from bridge.store.blobs import BlobStore, full
from bridge.store.uploads import KEEP_S, NO_ROOM, Upload

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

    def __init__(self, store: BlobStore, keeper: Keeper) -> None:
        self._store = store
        self._keeper = keeper
        self.under_way: dict[str, set[Transfer]] = {}
        """By the names of the blobs."""

    async def put(self, request: Request, name: str) -> Response:
        """All of a blob, or its beginning where `Upload-Complete` is false."""
        await self._expect(name, _length(request))
        complete = says_complete(request) is not False
        return await self._take(request, self._store.receive(name), complete, 201)

    async def append(self, request: Request) -> Response:
        """`PATCH`: what follows after `Upload-Offset`."""
        name = request.path_params["name"]
        offset, complete = _offset(request), says_complete(request)
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
            if error.errno not in NO_ROOM or not await self._keeper.free(sum(map(len, pieces))):
                raise full(f"Blob {upload.name}", error) from None
            try:
                await asyncio.to_thread(upload.write, *pieces)
            except OSError as again:
                raise full(f"Blob {upload.name}", again) from None

    async def _finish(self, upload: Upload) -> Response:
        try:
            await asyncio.to_thread(upload.commit)
        except OSError as error:
            raise full(f"Blob {upload.name}", error) from None
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
        return {"upload-limit": f"max-size={self._store.max_size}, max-age={KEEP_S:.0f}"}


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


def says_complete(request: Request) -> bool | None:
    """None where it isn't there, or isn't a boolean (RFC 9651 §3.3.6)."""
    found = re.fullmatch(r"\s*\?([01])\s*(;.*)?", request.headers.get("upload-complete", ""))
    return found[1] == "1" if found else None
