"""Blobs over HTTP from a client's side: in pieces, and taken up again where a connection broke."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import os
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import msgspec

from accel.atomic_file import replace_file
from accel.text import text
from bridge.client import connection
from bridge.core.errors import UserError
from bridge.paths import ConnectionFile

TIMEOUT_S = 60.0
"""How long nothing may come or go before a connection counts as broken."""
ONE_GO = 1 << 20
"""What is smaller is sent at once, and from the start again if need be."""
BLOCK = 512 * 1024
TRIES = 6
"""Connections that may break one after the other without a byte more arriving."""
PAUSE_S = 0.1
"""Before the second of them; doubled for each further one."""
AGAIN = frozenset({408, 500, 502, 503})
"""Answers after which the same may work."""


Progress = Callable[[int], None]
"""Is told how many of the bytes have been sent: first when the upload begins, then whenever more have. Called
in a thread."""


class Broken(Exception):
    """The connection ended before an answer."""


async def send(file: ConnectionFile, source: bytes | Path, on_progress: Progress | None = None) -> str:
    """Uploads; gives the blob's name, its SHA-256.

    Raises RequestError in the daemon's words, UserError where it is gone, OSError where a file can't be read.
    """
    stop = threading.Event()
    with _stopping(stop):
        return await asyncio.to_thread(put, file, source, stop, on_progress)


async def fetch(file: ConnectionFile, name: str, target: Path | None) -> bytes:
    """Downloads into `target`, which is there only once it is whole; or gives the bytes.

    Raises RequestError in the daemon's words, UserError where it is gone, OSError where it can't be written.
    """
    stop = threading.Event()
    with _stopping(stop):
        return await asyncio.to_thread(get, file, name, target, stop)


@contextlib.contextmanager
def _stopping(stop: threading.Event) -> Iterator[None]:
    """A thread isn't cancelled with the task that waits for it."""
    try:
        yield
    finally:
        stop.set()


class Patience:
    """Decides whether a broken connection is worth another try."""

    def __init__(self, file: ConnectionFile, stop: threading.Event) -> None:
        self._file = file
        self._stop = stop
        self._left = TRIES
        self._reached = 0

    def wait(self, error: Broken, reached: int) -> None:
        """Returns when it is time for the next try, after `reached` bytes. Raises UserError."""
        if reached > self._reached:
            self._left, self._reached = TRIES, reached
        self._left -= 1
        # The next daemon has another port and another token.
        if self._left <= 0 or isinstance(error.__cause__, ConnectionRefusedError) or self._stop.is_set():
            raise UserError(
                text("PopBridge doesn't answer at {http} ({error}).", http=self._file.http, error=error)
            ) from None
        self._stop.wait(PAUSE_S * 2 ** (TRIES - 1 - self._left))


# Up.


class Sent:
    """How far an upload has come; what is sent once more doesn't count."""

    def __init__(self, tell: Progress | None) -> None:
        self._tell = tell or (lambda position: None)
        self._most = -1

    def reach(self, position: int) -> None:
        """So many bytes have been sent."""
        if position > self._most:
            self._most = position
            self._tell(position)

    def resume(self, position: int) -> None:
        """The daemon says that it has so many."""
        self._most = position
        self._tell(position)


def put(
    file: ConnectionFile, source: bytes | Path, stop: threading.Event, on_progress: Progress | None = None
) -> str:
    """As `send`; blocks."""
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as data:
        name = hashlib.file_digest(data, hashlib.sha256).hexdigest()
        size = data.seek(0, os.SEEK_END)
        patience, reached, sent = Patience(file, stop), 0, Sent(on_progress)
        sent.reach(0)
        while True:
            try:
                if size <= ONE_GO:
                    data.seek(0)
                    headers = {"Content-Length": str(size)}
                    _ask(file, "PUT", f"/blobs/{name}", headers, _blocks(data, size, stop, sent))
                    return name
                offset = _offset(file, name)
                if offset is None:
                    return name
                reached = max(reached, offset)
                sent.resume(offset)
                if _append(file, name, data, offset, size - offset, stop, sent):
                    return name
                raise Broken("another upload of the same is under way")
            except Broken as error:
                patience.wait(error, reached)


def _offset(file: ConnectionFile, name: str) -> int | None:
    """How much has come; None for all of it."""
    headers = _ask(file, "HEAD", f"/blobs/{name}/upload", {})[1]
    return None if headers.get("Upload-Complete") == "?1" else int(headers.get("Upload-Offset") or 0)


def _append(
    file: ConnectionFile,
    name: str,
    data: IO[bytes],
    offset: int,
    size: int,
    stop: threading.Event,
    sent: Sent,
) -> bool:
    """Sends the rest; False where another offset is expected by now."""
    data.seek(offset)
    headers = {
        "Content-Type": "application/partial-upload",
        "Content-Length": str(size),
        "Upload-Offset": str(offset),
        "Upload-Complete": "?1",
    }
    status, _ = _ask(
        file, "PATCH", f"/blobs/{name}/upload", headers, _blocks(data, size, stop, sent), but={409}
    )
    return status != 409


def _blocks(data: IO[bytes], size: int, stop: threading.Event, sent: Sent) -> Iterator[bytes]:
    """The next `size` bytes. Raises UserError where they aren't there any more, or where it is to stop."""
    while size:
        block = data.read(min(size, BLOCK))
        if not block:
            raise UserError(text("The file became shorter while it was sent: send it again."))
        if stop.is_set():
            raise UserError(text("The upload was cancelled; what has come of it waits for a day."))
        size -= len(block)
        yield block
        sent.reach(data.tell())


# Down.


def get(file: ConnectionFile, name: str, target: Path | None, stop: threading.Event) -> bytes:
    """As `fetch`; blocks."""
    if target is None:
        memory = io.BytesIO()
        _download(file, name, memory, stop)
        return memory.getvalue()
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")
    try:
        with part.open("xb") as written:
            _download(file, name, written, stop)
        replace_file(part, target)
    finally:
        part.unlink(missing_ok=True)
    return b""


def _download(file: ConnectionFile, name: str, sink: IO[bytes], stop: threading.Event) -> None:
    digest, patience = hashlib.sha256(), Patience(file, stop)
    while True:
        have = sink.tell()
        # RFC 9110 §13.1.5: all of it comes where it isn't the same any more.
        asked = {"Range": f"bytes={have}-", "If-Range": f'"{name}"'} if have else {}
        try:
            with _connected(file) as connection:
                response = _answer(connection, "GET", f"/blobs/{name}", _headed(file, asked))
                _refuse(response, set())
                if have and response.status != 206:
                    sink.seek(0)
                    sink.truncate()
                    digest = hashlib.sha256()
                _pour(response, sink, digest, stop)
            break
        except Broken as error:
            patience.wait(error, sink.tell())
    if digest.hexdigest() != name:
        raise UserError(
            text(
                "Blob {name} came with other bytes, of SHA-256 {hexdigest}: fetch it again.",
                name=name,
                hexdigest=digest.hexdigest(),
            )
        )


def _pour(response: HTTPResponse, sink: IO[bytes], digest: Any, stop: threading.Event) -> None:
    length = response.headers.get("Content-Length")
    if length is None:
        # An answer that was cut within its headers looks like a whole one.
        raise Broken("its headers ended too early")
    left = int(length)
    while left and not stop.is_set():
        try:
            block = response.read(min(left, BLOCK))
        except (OSError, HTTPException) as error:
            raise Broken(str(error)) from error
        if not block:
            raise Broken(f"it ended {left} bytes too early")
        left -= len(block)
        digest.update(block)
        sink.write(block)


# Both.


def _ask(
    file: ConnectionFile,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: Iterable[bytes] = (),
    but: frozenset[int] | set[int] = frozenset(),
) -> tuple[int, Any]:
    """Status and headers of a good answer, or of one in `but`. Raises Broken, and RequestError."""
    with _connected(file) as connection:
        response = _answer(connection, method, path, _headed(file, headers), body)
        _refuse(response, but)
        return response.status, response.headers


@contextlib.contextmanager
def _connected(file: ConnectionFile) -> Iterator[HTTPConnection]:
    # `http.client` asks no proxy: the daemon is behind none, and its token none of a proxy's business.
    parts = urlsplit(file.http)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.netloc, timeout=TIMEOUT_S)
    try:
        yield connection
    finally:
        connection.close()


def _headed(file: ConnectionFile, headers: Mapping[str, str]) -> dict[str, str]:
    return {**headers, "Authorization": f"Bearer {file.token}"}


def _answer(
    connection: HTTPConnection,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: Iterable[bytes] = (),
) -> HTTPResponse:
    """Raises Broken; what reading `body` raises comes as it is."""
    try:
        connection.putrequest(method, path)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
    except (OSError, HTTPException) as error:
        raise Broken(str(error)) from error
    for block in body:
        try:
            connection.send(block)
        except OSError:
            # It may have been refused before all was sent: the answer says why.
            break
    try:
        return connection.getresponse()
    except (OSError, HTTPException) as error:
        raise Broken(str(error)) from error


def _refuse(response: HTTPResponse, but: frozenset[int] | set[int]) -> None:
    """Raises what a bad answer says."""
    if response.status in but or response.status < 400:
        return
    try:
        body = response.read()
    except (OSError, HTTPException) as error:
        raise Broken(str(error)) from error
    if response.status in AGAIN:
        raise Broken(f"HTTP {response.status} {response.reason}")
    try:
        said = msgspec.json.decode(body, type=dict[str, Any])
    except ValueError:
        said = {"message": f"HTTP {response.status} {response.reason}"}
    raise connection.as_request_error(said)
