"""Blobs in and out over HTTP."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.server.daemons import ThreadDaemon, until

DATA = b"0123456789"
NAME = hashlib.sha256(DATA).hexdigest()


class Caller:
    def __init__(self, daemon: ThreadDaemon) -> None:
        self.daemon = daemon
        self.blobs = daemon.paths.blobs
        self._client = HTTPConnection(urlsplit(daemon.file.http).netloc, timeout=30)

    def __call__(
        self, method: str, name: str = NAME, body: object = None, token: str | None = "", **headers: str
    ) -> tuple[HTTPResponse, bytes]:
        """The answer to a request with the daemon's token, or another, or none."""
        sent = {key.replace("_", "-"): value for key, value in headers.items()}
        if token is not None:
            sent["Authorization"] = f"Bearer {token or self.daemon.file.token}"
        self._client.request(method, f"/blobs/{name}", body, sent, encode_chunked=True)  # type: ignore[arg-type]
        response = self._client.getresponse()
        return response, response.read()

    def close(self) -> None:
        self._client.close()

    def leftovers(self) -> list[Path]:
        return list(self.blobs.glob(".*"))


@pytest.fixture
def call(daemon: ThreadDaemon) -> Iterator[Caller]:
    made = Caller(daemon)
    yield made
    made.close()
    assert not made.leftovers()


def test_what_was_put_can_be_had(call: Caller) -> None:
    assert call("PUT", body=DATA)[0].status == 201
    response, body = call("GET")
    assert (response.status, body) == (200, DATA)
    assert response.headers["etag"] == f'"{NAME}"'
    response, body = call("HEAD")
    assert (response.status, body, response.headers["content-length"]) == (200, b"", "10")


def test_putting_it_again_changes_nothing(call: Caller) -> None:
    for _ in range(2):
        assert call("PUT", body=DATA)[0].status == 201
    assert (call.blobs / NAME).read_bytes() == DATA


def test_a_part_can_be_had(call: Caller) -> None:
    call("PUT", body=DATA)
    response, body = call("GET", Range="bytes=2-4")
    assert (response.status, body) == (206, b"234")
    assert response.headers["content-range"] == "bytes 2-4/10"


def test_a_part_that_isnt_there_is_refused_with_the_size(call: Caller) -> None:
    call("PUT", body=DATA)
    response, _ = call("GET", Range="bytes=10-")
    assert response.status == 416
    assert response.headers["content-range"].endswith("*/10")


def test_who_has_it_already_is_told_so(call: Caller) -> None:
    call("PUT", body=DATA)
    response, body = call("GET", If_None_Match=f'"{NAME}"')
    assert (response.status, body) == (304, b"")


@pytest.mark.parametrize("token", [None, "wrong", "ü"])
@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD"])
def test_nothing_without_the_token(call: Caller, method: str, token: str | None) -> None:
    response, body = call(method, body=DATA if method == "PUT" else None, token=token)
    assert response.status == 401
    assert method == "HEAD" or b"Bearer" in body


def test_another_scheme_than_bearer_is_none(call: Caller) -> None:
    response, _ = call("GET", token=None, Authorization=f"Basic {call.daemon.file.token}")
    assert response.status == 401


def test_bytes_that_arent_those_of_the_name_are_refused(call: Caller) -> None:
    wrong = "0" * 64
    response, body = call("PUT", wrong, DATA)
    assert response.status == 400
    assert NAME.encode() in body
    assert not (call.blobs / wrong).exists()


@pytest.mark.parametrize("name", ["x", NAME.upper(), "..%2F..%2Fetc%2Fpasswd", NAME + "0", "%00" * 64])
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_name_that_is_none_is_refused(call: Caller, method: str, name: str) -> None:
    assert call(method, name, DATA if method == "PUT" else None)[0].status in (400, 404)


def test_what_isnt_there_isnt_found(call: Caller) -> None:
    response, body = call("GET", "1" * 64)
    assert response.status == 404
    assert b"not_found" in body


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_blobs_know_no_other_method(call: Caller, method: str) -> None:
    assert call(method)[0].status == 405


def test_a_blob_that_says_it_is_too_large_isnt_taken(start: Callable[..., ThreadDaemon]) -> None:
    call = Caller(start(blobs__max_size=5))
    response, body = call("PUT", body=DATA)
    assert response.status == 413
    assert b"blobs.max_size" in body
    call.close()


def test_a_blob_that_turns_out_too_large_isnt_taken(start: Callable[..., ThreadDaemon]) -> None:
    call = Caller(start(blobs__max_size=5))
    response, _ = call("PUT", body=iter([DATA]), Transfer_Encoding="chunked")
    assert response.status == 413
    assert not call.leftovers()
    call.close()


async def test_an_upload_that_breaks_off_leaves_nothing(call: Caller) -> None:
    parts = urlsplit(call.daemon.file.http)
    head = f"PUT /blobs/{NAME} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
    head += f"Authorization: Bearer {call.daemon.file.token}\r\n"
    with socket.create_connection((parts.hostname, parts.port)) as broken:
        broken.sendall(f"{head}Content-Length: 100\r\n\r\n0123".encode())
        await asyncio.to_thread(until, call.leftovers, "the upload to begin")
    await asyncio.to_thread(until, lambda: not call.leftovers(), "the part to go")


def test_a_disk_that_takes_no_more_is_said(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bridge.store.blobs.Upload.write", full)
    response, body = call("PUT", body=DATA)
    assert response.status == 507
    assert b"No space left" in body


def test_health_needs_no_token_and_tells_little(call: Caller) -> None:
    client = HTTPConnection(urlsplit(call.daemon.file.http).netloc)
    client.request("GET", "/health")
    body = client.getresponse().read()
    assert b'"status":"ok"' in body
    assert call.daemon.file.token.encode() not in body
    client.close()
