"""How much the clients with a token may send."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from bridge.client import transfer
from bridge.client.client import Client
from bridge.core.access import LOCAL_ID, LOCAL_SCOPES, Principal, rights_of
from bridge.core.errors import RequestError
from bridge.core.metrics import Counts
from bridge.core.settings import SETTINGS, resolve
from bridge.server.access import token_rates
from bridge.server.access.token_rates import TokenRates
from tests.server.daemons import ThreadDaemon
from tests.server.pages import bearer, page
from tests.server.wire import session


def principal(token_id: str) -> Principal:
    return Principal(token_id, token_id, LOCAL_SCOPES, rights_of(LOCAL_SCOPES), "127.0.0.1")


def rates(**settings: object) -> TokenRates:
    return TokenRates(
        resolve(SETTINGS, {f"limits.{name}": value for name, value in settings.items()}), Counts()
    )


def test_sessions_of_a_token_share_its_rate_except_those_of_the_local_one() -> None:
    found = rates(requests_s=5)
    assert found.of(principal("a"), "s1", 0) is found.of(principal("a"), "s2", 0)
    assert found.of(principal("a"), "s1", 0) is not found.of(principal("b"), "s1", 0)
    local = principal(LOCAL_ID)
    assert found.of(local, "s1", 0) is found.of(local, "s1", 0)
    assert found.of(local, "s1", 0) is not found.of(local, "s2", 0)


def test_only_the_latest_tokens_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_rates, "MAX_TOKENS", 2)
    found = rates()
    first, second = found.of(principal("a"), "", 0), found.of(principal("b"), "", 0)
    assert found.of(principal("a"), "", 0) is first
    found.of(principal("c"), "", 0)
    assert found.of(principal("a"), "", 0) is first
    assert found.of(principal("b"), "", 0) is not second


def test_requests_and_bytes_are_refused_with_the_time_to_wait() -> None:
    found = rates(requests_s=2, bytes_s=100).of(principal("a"), "", 0)
    for _ in range(20):
        found.check(0)
    with pytest.raises(RequestError) as caught:
        found.check(0)
    assert (caught.value.code.name, caught.value.retry_after_ms) == ("rate_limited", 500)
    assert (caught.value.fields["setting"], caught.value.fields["limit"]) == ("limits.requests_s", 2)
    found.bytes.charge(1200, 0)
    with pytest.raises(RequestError) as caught:
        found.check(1)
    assert (caught.value.fields["setting"], caught.value.retry_after_ms) == ("limits.bytes_s", 1000)
    found.check(2)


async def test_over_the_socket_a_request_is_refused_and_the_python_client_waits(
    start: Callable[..., ThreadDaemon],
) -> None:
    daemon = start(limits__requests_s=2)
    async with session(daemon.file) as wire:
        answers = [await wire.request(number, "bridge.echo") for number in range(25)]
        assert [answer["type"] for answer in answers[:20]] == ["result"] * 20
        refused = answers[-1]
        assert (refused["code"], refused["retryable"], refused["outcome"]) == (
            "rate_limited",
            True,
            "not_started",
        )
        assert 50 <= refused["retry_after_ms"] <= 1000
        # Another client of the same user has a rate of its own.
        async with await Client.connect(daemon.paths.connection_file) as client:
            for _ in range(20):
                await client.request("bridge.echo", {"value": 1})
            begin = time.monotonic()
            assert (await client.request("bridge.echo", {"value": 1}, retries=3)).value == 1
            assert time.monotonic() - begin > 0.2
    assert daemon.bridge.door.counts.limited["requests_s"] >= 5


async def test_messages_that_cant_be_refused_wait(start: Callable[..., ThreadDaemon]) -> None:
    daemon = start(limits__requests_s=4)
    async with session(daemon.file) as wire:
        begin = time.monotonic()
        for _ in range(42):
            await wire.send("cancel", id=7)
        assert (await wire.request(1, "bridge.echo"))["type"] in ("result", "error")
        assert time.monotonic() - begin > 0.4


def test_an_upload_counts_and_the_client_waits_for_its_turn(start: Callable[..., ThreadDaemon]) -> None:
    daemon = start(limits__bytes_s=10_000)
    data = b"x" * 110_000
    with_rate = HTTPConnection(urlsplit(daemon.file.http).netloc, timeout=30)
    for part in (data, data + b"y"):
        with_rate.request("PUT", f"/blobs/{hashlib.sha256(part).hexdigest()}", part, bearer(daemon.file))
        answer = with_rate.getresponse()
        answer.read()
    assert answer.status == 429
    assert int(answer.headers["retry-after"]) >= 1
    with_rate.close()
    begin = time.monotonic()
    assert asyncio.run(transfer.send(daemon.file, b"small")) == hashlib.sha256(b"small").hexdigest()
    assert time.monotonic() - begin > 0.5


def test_a_burst_of_four_hundred_textures_meets_no_limit(daemon: ThreadDaemon) -> None:
    for _ in range(400):
        assert page(daemon.file, "/status", "HEAD", **bearer(daemon.file))[0].status == 200
