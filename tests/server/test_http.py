"""HTTP beside the socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.server.daemons import ThreadDaemon
from tests.server.pages import page
from tests.server.wire import session


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
    assert "/nowhere does not exist" in json.loads(body)["message"]


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
    assert json.loads(body)["message"] == f"{path} supports {methods}, not POST."


async def test_there_is_one_socket(daemon: ThreadDaemon) -> None:
    with pytest.raises(InvalidStatus, match="404"):
        await connect(f"{daemon.file.ws}/2", proxy=None)


async def test_no_message_of_a_session_goes_through_what_is_for_pages(daemon: ThreadDaemon) -> None:
    async with session(daemon.file):
        chains = daemon.call(connections())
        assert chains and not [name for chain in chains for name in chain if name.startswith("starlette")]


async def connections() -> list[list[str]]:
    """The modules that each connection waits in, the outermost first."""
    tasks: list[Any] = [task.get_coro() for task in asyncio.all_tasks()]
    chains = [list(modules(coro)) for coro in tasks if coro.__qualname__.endswith("run_asgi")]
    return [chain for chain in chains if "bridge.server.websocket" in chain]


def modules(waiting: Any) -> Iterator[str]:
    while (frame := getattr(waiting, "cr_frame", None)) is not None:
        yield frame.f_globals["__name__"]
        waiting = waiting.cr_await
