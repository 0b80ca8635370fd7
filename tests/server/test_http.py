"""HTTP beside the socket."""

from __future__ import annotations

from http.client import HTTPConnection
from urllib.parse import urlsplit

from tests.server.daemons import ThreadDaemon


def test_health_needs_no_token_and_tells_little(daemon: ThreadDaemon) -> None:
    client = HTTPConnection(urlsplit(daemon.file.http).netloc)
    client.request("GET", "/health")
    body = client.getresponse().read()
    assert b'"status":"ok"' in body
    assert daemon.file.token.encode() not in body
    client.close()
