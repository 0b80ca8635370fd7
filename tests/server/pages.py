"""What a daemon answers over HTTP, for tests."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPResponse
from urllib.parse import urlsplit

from bridge.paths import ConnectionFile


def page(file: ConnectionFile, path: str, method: str = "GET", **headers: str) -> tuple[HTTPResponse, bytes]:
    """The response and its body."""
    client = HTTPConnection(urlsplit(file.http).netloc, timeout=30)
    try:
        client.request(method, path, headers=headers)
        response = client.getresponse()
        return response, response.read()
    finally:
        client.close()


def bearer(file: ConnectionFile, token: str | None = None) -> dict[str, str]:
    """The header with a token, by default the local one."""
    return {"Authorization": f"Bearer {token or file.token}"}
