"""A client of the daemon's HTTP that may send anything."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

from tests.server.daemons import ThreadDaemon


def name_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Caller:
    """Asks for `/blobs/...` with the daemon's token."""

    def __init__(self, daemon: ThreadDaemon) -> None:
        self.daemon = daemon
        self.blobs = daemon.paths.blobs
        self._client = HTTPConnection(urlsplit(daemon.file.http).netloc, timeout=30)

    def __call__(
        self, method: str, path: str, body: object = None, token: str | None = "", **headers: str
    ) -> tuple[HTTPResponse, bytes]:
        """The answer to a request with the daemon's token, or another, or none."""
        sent = {key.replace("_", "-"): value for key, value in headers.items()}
        if token is not None:
            sent["Authorization"] = f"Bearer {token or self.daemon.file.token}"
        self._client.request(method, f"/blobs/{path}", body, sent, encode_chunked=True)  # type: ignore[arg-type]
        response = self._client.getresponse()
        return response, response.read()

    def close(self) -> None:
        self._client.close()

    def waiting(self) -> list[Path]:
        """Files of uploads that aren't whole."""
        return [*self.blobs.glob(".*"), *(self.blobs / "uploads").iterdir()]

    @contextmanager
    def raw(self, method: str, path: str, *headers: str) -> Iterator[socket.socket]:
        """A connection on which a request's head was sent, and nothing more."""
        parts = urlsplit(self.daemon.file.http)
        token = f"Authorization: Bearer {self.daemon.file.token}"
        lines = [f"{method} /blobs/{path} HTTP/1.1", f"Host: {parts.netloc}", token, *headers, "", ""]
        with socket.create_connection((parts.hostname, parts.port), timeout=30) as made:
            made.sendall("\r\n".join(lines).encode())
            yield made
