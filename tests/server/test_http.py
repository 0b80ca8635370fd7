"""HTTP beside the socket."""

from __future__ import annotations

import json
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from tests.server.daemons import ThreadDaemon
from tests.server.pages import page


def test_health_needs_no_token_and_tells_little(daemon: ThreadDaemon) -> None:
    client = HTTPConnection(urlsplit(daemon.file.http).netloc)
    client.request("GET", "/health")
    body = client.getresponse().read()
    assert b'"status":"ok"' in body
    assert daemon.file.token.encode() not in body
    client.close()


def test_a_page_that_isnt_there_is_told_as_json(daemon: ThreadDaemon) -> None:
    response, body = page(daemon.file, "/nowhere")
    assert (response.status, response.headers["content-type"]) == (404, "application/json")
    assert "There is no /nowhere here" in json.loads(body)["message"]


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/health", "GET, HEAD"),
        ("/blobs/" + "a" * 64, "GET, HEAD, OPTIONS, PUT"),
        ("/blobs/" + "a" * 64 + "/upload", "DELETE, GET, HEAD, OPTIONS, PATCH"),
    ],
)
def test_a_method_that_a_page_doesnt_take_is_told_with_all_that_it_takes(
    daemon: ThreadDaemon, path: str, methods: str
) -> None:
    response, body = page(daemon.file, path, "POST")
    assert (response.status, response.headers["content-type"]) == (405, "application/json")
    assert response.headers["allow"] == methods
    assert json.loads(body)["message"] == f"{path} takes {methods}, and no POST."
