"""Uploads and downloads blobs over HTTP, and resumes transfers after a lost connection.

The `token` of each `file` is that of a session, for HTTP (`Client.http`).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import os
import ssl
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import IO, Any

import msgspec

from accel.atomic_file import replace_file
from accel.text import text
from bridge.client import connection, trust
from bridge.client.local_socket import use_locally
from bridge.core.errors import UserError
from bridge.paths import ConnectionFile

TIMEOUT_S = 60.0
"""Without data for this long, a connection counts as lost."""
SINGLE_REQUEST_BYTES = 1 << 20
"""Uploads up to this size, in bytes, are one request; if it fails, they start from the beginning."""
BLOCK = 512 * 1024
TRIES = 6
"""Most lost connections in a row without progress."""
PAUSE_S = 0.1
"""Pause before the first retry; doubled for each further one."""
RETRYABLE_STATUSES = frozenset({408, 429, 500, 502, 503})
"""HTTP statuses that are retried."""
MAX_RETRY_AFTER_S = 60.0
"""Longest pause that the daemon may ask for."""

Progress = Callable[[int], None]
"""Gets the number of bytes sent: when the upload begins, then after each block. Called in a thread."""


class ConnectionLost(Exception):
    """The connection was lost before the transfer was complete; it can be retried."""

    retry_after_s = 0.0
    """The pause that the daemon asks for; 0 for none."""


async def send(file: ConnectionFile, source: bytes | Path, on_progress: Progress | None = None) -> str:
    """Uploads a blob; returns its name, the SHA-256.

    Raises RequestError for the daemon's errors, UserError if it doesn't answer, OSError if the file can't be
    read.
    """
    stop = threading.Event()
    with _stopping(stop):
        return await asyncio.to_thread(put, file, source, stop, on_progress)


async def fetch(file: ConnectionFile, name: str, target: Path | None) -> bytes:
    """Downloads a blob and returns it; with `target`, writes that file atomically and returns no bytes.

    Raises RequestError for the daemon's errors, UserError if it doesn't answer, OSError if the file can't be
    written.
    """
    stop = threading.Event()
    with _stopping(stop):
        return await asyncio.to_thread(get, file, name, target, stop)


@contextlib.contextmanager
def _stopping(stop: threading.Event) -> Iterator[None]:
    """Sets `stop` at the end: cancelling a task doesn't end the thread that it waits for."""
    try:
        yield
    finally:
        stop.set()


class Retries:
    """Decides whether to retry after a lost connection, and waits."""

    def __init__(self, file: ConnectionFile, stop: threading.Event) -> None:
        self._file = file
        self._stop = stop
        self._left = TRIES
        self._reached = 0

    def wait(self, error: ConnectionLost, reached: int) -> None:
        """Waits before the next try, after `reached` bytes. Raises UserError to give up."""
        if reached > self._reached:
            self._left, self._reached = TRIES, reached
        self._left -= 1
        if isinstance(cause := error.__cause__, ssl.SSLCertVerificationError) and not trust.refresh(
            self._file
        ):
            raise trust.refusal(self._file, cause) from None
        # A refused connection means that the daemon has ended; a new one has another port and token.
        if self._left <= 0 or isinstance(error.__cause__, ConnectionRefusedError) or self._stop.is_set():
            raise UserError(
                text("PopBridge doesn't answer at {http} ({error}).", http=self._file.http, error=error)
            ) from None
        self._stop.wait(max(PAUSE_S * 2 ** (TRIES - 1 - self._left), error.retry_after_s))


class UploadProgress:
    """Reports the progress of an upload; bytes that are sent again aren't reported."""

    def __init__(self, on_progress: Progress | None) -> None:
        self._report = on_progress or (lambda position: None)
        self._highest = -1

    def reach(self, position: int) -> None:
        """Reports that the bytes up to `position` were sent."""
        if position > self._highest:
            self._highest = position
            self._report(position)

    def resume(self, position: int) -> None:
        """Continues at the position that the daemon reports."""
        self._highest = position
        self._report(position)


def put(
    file: ConnectionFile, source: bytes | Path, stop: threading.Event, on_progress: Progress | None = None
) -> str:
    """Like `send`, but blocking."""
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as data:
        name = hashlib.file_digest(data, hashlib.sha256).hexdigest()
        size = data.seek(0, os.SEEK_END)
        retries, reached, upload = Retries(file, stop), 0, UploadProgress(on_progress)
        upload.reach(0)
        while True:
            try:
                if size <= SINGLE_REQUEST_BYTES:
                    data.seek(0)
                    headers = {"Content-Length": str(size)}
                    _ask(file, "PUT", f"/blobs/{name}", headers, _blocks(data, size, stop, upload))
                    return name
                offset = _offset(file, name)
                if offset is None:
                    return name
                reached = max(reached, offset)
                upload.resume(offset)
                if _append(file, name, data, offset, size - offset, stop, upload):
                    return name
                raise ConnectionLost("another upload of the same blob is in progress")
            except ConnectionLost as error:
                retries.wait(error, reached)


def _offset(file: ConnectionFile, name: str) -> int | None:
    """Returns the number of bytes that the daemon has; None if the blob is complete."""
    headers = _ask(file, "HEAD", f"/blobs/{name}/upload", {})[1]
    return None if headers.get("Upload-Complete") == "?1" else int(headers.get("Upload-Offset") or 0)


def _append(
    file: ConnectionFile,
    name: str,
    data: IO[bytes],
    offset: int,
    size: int,
    stop: threading.Event,
    upload: UploadProgress,
) -> bool:
    """Sends the rest; returns False if the daemon expects another offset."""
    data.seek(offset)
    headers = {
        "Content-Type": "application/partial-upload",
        "Content-Length": str(size),
        "Upload-Offset": str(offset),
        "Upload-Complete": "?1",
    }
    status, _ = _ask(
        file, "PATCH", f"/blobs/{name}/upload", headers, _blocks(data, size, stop, upload), allowed={409}
    )
    return status != 409


def _blocks(data: IO[bytes], size: int, stop: threading.Event, upload: UploadProgress) -> Iterator[bytes]:
    """Yields the next `size` bytes. Raises UserError if the file has become shorter, or on `stop`."""
    while size:
        block = data.read(min(size, BLOCK))
        if not block:
            raise UserError(text("The file became shorter during the upload. Upload it again."))
        if stop.is_set():
            raise UserError(text("The upload was cancelled. It can be resumed for a day."))
        size -= len(block)
        yield block
        upload.reach(data.tell())


def get(file: ConnectionFile, name: str, target: Path | None, stop: threading.Event) -> bytes:
    """Like `fetch`, but blocking."""
    if target is None:
        memory = io.BytesIO()
        _download(file, name, memory, stop)
        return memory.getvalue()
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")
    try:
        with part.open("xb") as sink:
            _download(file, name, sink, stop)
        replace_file(part, target)
    finally:
        part.unlink(missing_ok=True)
    return b""


def _download(file: ConnectionFile, name: str, sink: IO[bytes], stop: threading.Event) -> None:
    digest, retries = hashlib.sha256(), Retries(file, stop)
    while True:
        received = sink.tell()
        # RFC 9110 §13.1.5: if the blob has changed, the whole of it is sent.
        headers = {"Range": f"bytes={received}-", "If-Range": f'"{name}"'} if received else {}
        try:
            with _connected(file) as connection:
                response = _send(connection, "GET", f"/blobs/{name}", _authorized(file, headers))
                _check(response, set())
                if received and response.status != 206:
                    sink.seek(0)
                    sink.truncate()
                    digest = hashlib.sha256()
                _receive(response, sink, digest, stop)
            break
        except ConnectionLost as error:
            retries.wait(error, sink.tell())
    if digest.hexdigest() != name:
        raise UserError(
            text(
                "Blob {name} arrived damaged: its SHA-256 is {hexdigest}. Download it again.",
                name=name,
                hexdigest=digest.hexdigest(),
            )
        )


def _receive(response: HTTPResponse, sink: IO[bytes], digest: Any, stop: threading.Event) -> None:
    length = response.headers.get("Content-Length")
    if length is None:
        # A response that was cut off within its headers looks complete.
        raise ConnectionLost("the headers are incomplete")
    left = int(length)
    while left and not stop.is_set():
        try:
            block = response.read(min(left, BLOCK))
        except (OSError, HTTPException) as error:
            raise ConnectionLost(str(error)) from error
        if not block:
            raise ConnectionLost(f"{left} bytes are missing")
        left -= len(block)
        digest.update(block)
        sink.write(block)


def exchange(
    file: ConnectionFile, method: str, path: str, body: bytes = b"", timeout_s: float = TIMEOUT_S
) -> tuple[int, bytes]:
    """Sends one small request; returns status and body. Raises ConnectionLost."""
    headers = {"Content-Length": str(len(body)), "Content-Type": "application/json"} if body else {}
    with _connected(file, timeout_s) as connection:
        response = _send(connection, method, path, _authorized(file, headers), [body] if body else ())
        try:
            return response.status, response.read()
        except (OSError, HTTPException) as error:
            raise ConnectionLost(str(error)) from error


def _ask(
    file: ConnectionFile,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: Iterable[bytes] = (),
    allowed: frozenset[int] | set[int] = frozenset(),
) -> tuple[int, Any]:
    """Returns status and headers. Raises ConnectionLost, and RequestError for statuses not in `allowed`."""
    with _connected(file) as connection:
        response = _send(connection, method, path, _authorized(file, headers), body)
        _check(response, allowed)
        return response.status, response.headers


@contextlib.contextmanager
def _connected(file: ConnectionFile, timeout_s: float = TIMEOUT_S) -> Iterator[HTTPConnection]:
    connection = trust.http_connection(file, timeout_s)
    use_locally(connection, file, timeout_s)
    try:
        yield connection
    finally:
        connection.close()


def _authorized(file: ConnectionFile, headers: Mapping[str, str]) -> dict[str, str]:
    return {**headers, "Authorization": f"Bearer {file.token}"}


def _send(
    connection: HTTPConnection,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: Iterable[bytes] = (),
) -> HTTPResponse:
    """Sends a request and returns the response. Raises ConnectionLost, and what reading `body` raises."""
    try:
        connection.putrequest(method, path)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
    except (OSError, HTTPException) as error:
        raise ConnectionLost(str(error)) from error
    for block in body:
        try:
            connection.send(block)
        except OSError:
            # The daemon may refuse a request before it has read all; its response has the reason.
            break
    try:
        return connection.getresponse()
    except (OSError, HTTPException) as error:
        raise ConnectionLost(str(error)) from error


def _check(response: HTTPResponse, allowed: frozenset[int] | set[int]) -> None:
    """Raises ConnectionLost or RequestError for an error response, unless its status is in `allowed`."""
    if response.status in allowed or response.status < 400:
        return
    try:
        body = response.read()
    except (OSError, HTTPException) as error:
        raise ConnectionLost(str(error)) from error
    if response.status in RETRYABLE_STATUSES:
        lost = ConnectionLost(f"HTTP {response.status} {response.reason}")
        with contextlib.suppress(ValueError):
            lost.retry_after_s = min(float(response.headers.get("Retry-After") or 0), MAX_RETRY_AFTER_S)
        raise lost
    try:
        details = msgspec.json.decode(body, type=dict[str, Any])
    except ValueError:
        details = {"message": f"HTTP {response.status} {response.reason}"}
    raise connection.as_request_error(details)
